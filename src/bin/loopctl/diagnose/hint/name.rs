//! Hints about names that do not resolve.

use std::io::ErrorKind;

use loopctl::plan::{DnsTransport, Family};
use loopctl::{DnsError, DnsErrorKind, DnsProofReason, DnsValidation, EaiCode, ResolveError};

use super::{extended_error, special_name};
use crate::diagnose::trace;
use crate::report::names::NameReport;
use crate::report::query::{Query, QueryOutcome, QueryStatus};
use crate::report::{NameFailure, Report};

const NO_ANSWER: &str = "no name server answered: `/etc/resolv.conf` lists them";
const INTERFACES: &str = "`ip link` lists the interfaces of this host";
const TOR: &str = "a Tor client connects to such a name: use its SOCKS proxy";
const NO_ADDRESS: &str = "the name exists, but has no address";

/// Hint for a target without an address.
pub(super) fn hint_for_target(report: &Report) -> Option<String> {
    let failure = report.resolve.error.as_ref()?;
    if let NameFailure::Resolver(ResolveError::NoInterface { .. }) = failure {
        return Some(INTERFACES.to_owned());
    }
    if let NameFailure::Resolver(ResolveError::Onion { .. }) = failure {
        return Some(TOR.to_owned());
    }
    let host = report.subject.host.as_deref().unwrap_or_default();
    if let Some(special) = special_name::hint(host).filter(|_| is_denied(failure)) {
        return Some(special.to_owned());
    }
    if let Some(error) = failure.dns().filter(|error| error.kind != DnsErrorKind::TimedOut) {
        return hint_for_query(report, error);
    }
    let code = failure.code();
    let text = match (only_family(report), code) {
        (Some(without), Some(EaiCode::NONAME | EaiCode::NODATA | EaiCode::ADDRFAMILY)) => {
            return Some(without);
        }
        (_, Some(EaiCode::NODATA)) => NO_ADDRESS,
        (_, Some(EaiCode::NONAME)) => {
            "check the spelling; `getent ahosts NAME` shows what this host resolves"
        }
        (_, Some(EaiCode::AGAIN)) => {
            "no name server answered, or it failed: `/etc/resolv.conf` lists them"
        }
        (_, Some(EaiCode::SERVICE)) => {
            "/etc/services has no such service; give the port as a number"
        }
        _ if report.has_timed_out() && report.waited.is_none() => NO_ANSWER,
        _ => return None,
    };
    Some(text.to_owned())
}

/// Whether the name was denied.
fn is_denied(failure: &NameFailure) -> bool {
    let by_dns = failure.dns().is_some_and(|error| error.kind == DnsErrorKind::NxDomain);
    by_dns || failure.code() == Some(EaiCode::NONAME)
}

/// Advice for a target with only one requested family.
fn only_family(report: &Report) -> Option<String> {
    let (family, flag) = match report.subject.family {
        Family::Inet => ("IPv4", "-4"),
        Family::Inet6 => ("IPv6", "-6"),
        Family::Unspecified => return None,
    };
    Some(format!("the name may have no {family} address: try without {flag}"))
}

/// Hint for a query that name servers did not answer with an address.
fn hint_for_query(report: &Report, error: &DnsError) -> Option<String> {
    match error.kind {
        _ if error.answer.as_deref().and_then(extended_error::hint).is_some() => {
            error.answer.as_deref().and_then(extended_error::hint)
        }
        DnsErrorKind::NxDomain => Some(
            "check the spelling; `loopctl resolve --trace NAME` shows which zone denies the name"
                .to_owned(),
        ),
        DnsErrorKind::NoData => only_family(report).or_else(|| Some(NO_ADDRESS.to_owned())),
        DnsErrorKind::Network => hint_for_server(error),
        DnsErrorKind::Referral | DnsErrorKind::Lame => Some(
            "the server answers for its own zones only: ask a resolver (`--server`)".to_owned(),
        ),
        _ => None,
    }
}

/// Hint for a name server that could not be reached.
fn hint_for_server(error: &DnsError) -> Option<String> {
    let (server, failure) = (error.server()?, error.failure.as_ref()?);
    Some(match failure.kind {
        ErrorKind::ConnectionRefused => {
            format!("no name server listens on {server}: check --server, or /etc/resolv.conf")
        }
        _ => format!("{server} cannot be reached from here: check --server, or /etc/resolv.conf"),
    })
}

/// Hint for a report of `resolve` that has no answer.
pub(crate) fn hint_for_name(report: &NameReport, status: QueryStatus) -> String {
    if let Some(known) = report.unproven() {
        return hint_for_proof(known).to_owned();
    }
    if let Some(hint) = trace::hint(report) {
        return hint;
    }
    let said = report.failing().and_then(Query::answer).and_then(extended_error::hint);
    if let Some(hint) = said {
        return hint;
    }
    let was_system_alone = report.dns_queries().next().is_none();
    let special = special_name::hint(&report.subject.name);
    let text = match status {
        _ if report.answers().next().is_some() => {
            "name servers have the name, and the system does not give it: `getent ahosts NAME` shows its answer"
        }
        QueryStatus::NxDomain | QueryStatus::NoName | QueryStatus::NoAddress
            if special.is_some() =>
        {
            special.unwrap_or_default()
        }
        QueryStatus::NxDomain => "check the spelling; `--trace` shows which zone denies the name",
        QueryStatus::NoData => "the name exists, but has no record of the requested type",
        QueryStatus::NoName | QueryStatus::NoAddress => {
            "check the spelling; `getent ahosts NAME` shows what this host resolves"
        }
        QueryStatus::Referral | QueryStatus::Lame => {
            "the server answers for its own zones only: ask a resolver (`--server`), or use `--trace`"
        }
        QueryStatus::AliasLoop | QueryStatus::AliasChainTooLong => {
            "the records of the zone have to be changed: `-t CNAME` shows each alias"
        }
        QueryStatus::AliasNotFollowed => return hint_for_alias(report),
        QueryStatus::Refused => {
            "the server may answer only its own zones or networks: try another one (`--server`)"
        }
        QueryStatus::ServFail => {
            "the server could not find out: the zone's servers may be down, or its signatures wrong (`--trace`)"
        }
        QueryStatus::Timeout if was_system_alone => NO_ANSWER,
        QueryStatus::Timeout if has_asked_over(report, |it| it != DnsTransport::Udp) => {
            return hint_for_stream(report);
        }
        QueryStatus::Timeout => {
            "is there a name server at that address? A firewall may drop UDP: try `--server tcp://HOST`"
        }
        QueryStatus::Error => return hint_for_error(report),
        QueryStatus::Answered
        | QueryStatus::Canceled
        | QueryStatus::Indeterminate
        | QueryStatus::Bogus => VERBOSE,
    };
    text.to_owned()
}

/// Whether a question of the report went over such a transport.
fn has_asked_over(report: &NameReport, is_it: impl Fn(DnsTransport) -> bool) -> bool {
    let mut asked = report.dns_queries().filter_map(|query| query.progress.server.as_ref());
    asked.any(|(_, transport)| is_it(*transport))
}

/// Hint for silence over TCP, TLS or HTTPS.
fn hint_for_stream(report: &NameReport) -> String {
    let asked = report.dns_queries().find(|query| {
        query.progress.server.as_ref().is_some_and(|(_, it)| *it != DnsTransport::Udp)
    });
    let Some((query, (server, transport))) =
        asked.and_then(|query| Some((query, query.progress.server.as_ref()?)))
    else {
        return VERBOSE.to_owned();
    };
    let (endpoint, transport) = (server.endpoint(), name_of(*transport));
    if query.progress.truncated {
        format!("{endpoint} truncates its answer over UDP, and is silent over {transport}")
    } else {
        format!("{endpoint} does not answer over {transport}: does it offer {transport}?")
    }
}

fn name_of(transport: DnsTransport) -> &'static str {
    match transport {
        DnsTransport::Tcp => "TCP",
        DnsTransport::Tls => "TLS",
        DnsTransport::Https => "HTTPS",
        _ => "UDP",
    }
}

/// Hint for an alias whose target the server does not give.
fn hint_for_alias(report: &NameReport) -> String {
    let target = report.failing().and_then(|query| match &query.end {
        QueryOutcome::Failed(error) => error.alias_end(),
        _ => None,
    });
    let target = target.unwrap_or("its target");
    format!("ask for `{target}`, or ask another server (`--server`)")
}

const VERBOSE: &str = "`-v` shows every step";

fn hint_for_error(report: &NameReport) -> String {
    let failed = report.failing().and_then(|query| match &query.end {
        QueryOutcome::SystemFailed(ResolveError::NoInterface { .. }) => Some(INTERFACES.to_owned()),
        QueryOutcome::SystemFailed(ResolveError::Onion { .. }) => Some(TOR.to_owned()),
        QueryOutcome::Failed(error) if error.kind == DnsErrorKind::Network => {
            hint_for_server(error)
        }
        QueryOutcome::Failed(error) if error.kind == DnsErrorKind::Onion => Some(TOR.to_owned()),
        _ => None,
    });
    failed.unwrap_or_else(|| VERBOSE.to_owned())
}

/// Hint for an answer whose signatures do not prove it.
fn hint_for_proof(validation: &DnsValidation) -> &'static str {
    match &validation.reason {
        Some(DnsProofReason::Expired { .. } | DnsProofReason::NotYetValid { .. }) => {
            "is the clock of this host right? If so, the zone must be signed again"
        }
        Some(DnsProofReason::UntrustedKeys { .. } | DnsProofReason::NoKeys { .. }) => {
            "the keys of the zone and the DS records of its parent do not match: the operator of the zone must fix that"
        }
        Some(DnsProofReason::NotAnchored { .. }) => {
            "are these the name servers of that root? `--trust-anchor FILE` has the keys to trust"
        }
        Some(DnsProofReason::NoDnssec) => {
            "this name server does not return signatures: try another one (`--server`)"
        }
        Some(DnsProofReason::Unanswered { .. }) => {
            "try another name server (`--server`); `-v` shows every step"
        }
        Some(
            DnsProofReason::NoSignature { .. }
            | DnsProofReason::NoDenial
            | DnsProofReason::NoDelegationProof { .. },
        ) => "something on the path may remove signatures: try another name server (`--server`)",
        _ => {
            "do other servers return the same (`--server`)? If not, the answer was changed on the path"
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::{Duration, Instant, SystemTime};

    use loopctl::plan::Preset;
    use loopctl::{DnsExchange, Failure, RecordType, ResolveError};

    use super::*;
    use crate::diagnose::name::failure;
    use crate::report::{NameFailure, StartTime, Subject, TransportKind, Via};

    fn now() -> Instant {
        loopctl::EventLoop::new().unwrap().handle().time()
    }

    fn failed(host: &str, error: ResolveError) -> Report {
        let subject = Subject {
            text: format!("{host}:80"),
            host: Some(host.to_owned()),
            port: Some(80),
            transport: TransportKind::Tcp,
            family: Family::Unspecified,
            policy: Preset::Hev3.into(),
            timeout: Duration::from_secs(10),
            limits: crate::report::SystemLimits::default(),
            tls: None,
        };
        let started_at = StartTime { at: now(), wall: SystemTime::UNIX_EPOCH };
        let mut report = Report::new(subject, Via::System, started_at);
        report.refuse(NameFailure::Resolver(error), started_at.at);
        report
    }

    fn system(host: &str, code: EaiCode) -> Option<String> {
        let message = "as glibc says it".to_owned();
        let error = ResolveError::System { host: host.to_owned(), code, errno: None, message };
        hint_for_target(&failed(host, error))
    }

    #[test]
    fn the_spelling_of_a_host_decides_nothing() {
        for host in ["plain.test", "NXDOMAIN.test", "x(NODATA).test", "EAI_SERVICE.test"] {
            let hints = [EaiCode::AGAIN, EaiCode::NONAME, EaiCode::NODATA, EaiCode::FAIL]
                .map(|code| system(host, code));
            let expected = [
                Some("no name server answered, or it failed: `/etc/resolv.conf` lists them"),
                Some("check the spelling; `getent ahosts NAME` shows what this host resolves"),
                Some(NO_ADDRESS),
                None,
            ];
            assert_eq!(hints, expected.map(|hint| hint.map(str::to_owned)), "{host}");
        }
    }

    #[test]
    fn a_name_server_that_refuses_is_named() {
        let exchange = DnsExchange {
            server: Some("127.0.0.1:1".parse().unwrap()),
            transport: Some(DnsTransport::Udp),
            started: now(),
            took: Duration::ZERO,
            round_trip: None,
            retries: 0,
            truncated: false,
            without_edns: None,
            validation: None,
        };
        let error = DnsError {
            kind: DnsErrorKind::Network,
            name: "NXDOMAIN.example.".to_owned(),
            record_type: RecordType::A,
            failure: Some(Failure::from(&io::Error::from_raw_os_error(111))),
            answer: None,
            exchange: Box::new(exchange),
        };
        let report = failed("NXDOMAIN.example", ResolveError::Dns(Box::new(error)));
        assert_eq!(
            failure(report.resolve.error.as_ref().unwrap()),
            "cannot resolve `NXDOMAIN.example.` (A): the name server udp://127.0.0.1:1 refused the connection"
        );
        assert_eq!(
            hint_for_target(&report).unwrap(),
            "no name server listens on udp://127.0.0.1:1: check --server, or /etc/resolv.conf"
        );
    }
}
