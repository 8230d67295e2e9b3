//! What a result means, and what to do about it.

use loopctl::plan::Family;
use loopctl::{Address, CertificateProblem, Phase, TlsAlert, TlsErrorKind};

use super::cause::{Cause, bare, word};
use crate::exit::Exit;
use crate::output::units;
use crate::report::certificate::ParsedCertificate;
use crate::report::{Attempt, End, Outcome, Report, TlsFailure, TlsPhase, TlsReport};

/// One hint at most: the one that helps most.
pub(crate) fn hint(report: &Report) -> Option<String> {
    match report.end {
        // The table says more.
        _ if report.comparison.is_some() => None,
        End::Interrupted(_) => None,
        // It was given when the relay began.
        End::Connected if report.relay.is_some() => None,
        End::Connected if report.transfer.is_some() => None,
        End::Connected => of_connection(report),
        End::Failed(_) if report.resolve.error.is_some() => of_name(report),
        End::Failed(exit) => match report.tls_failure() {
            Some((tls, failure)) => of_tls(report, tls, failure),
            None => of_failure(report, exit),
        },
    }
}

/// The connection came about, but it took a detour, or longer than it should.
fn of_connection(report: &Report) -> Option<String> {
    let winner = report.winner()?;
    if report.selected.and_then(|number| report.answered(number)) == Some(false) {
        return Some(format!(
            "`{}` neither answered nor refused, which proves nothing: a service that ignores an empty datagram, \
             a firewall and a dead host look the same",
            bare(winner)
        ));
    }
    if winner.resends() > 0 {
        return Some(format!(
            "the first packet to `{}` got lost and was sent again ({}x): loss on the way, not a slow path",
            bare(winner),
            winner.resends()
        ));
    }
    let losers: Vec<&Attempt> =
        report.attempts.iter().take_while(|attempt| attempt.address != winner.address).collect();
    let silent: Vec<&&Attempt> =
        losers.iter().filter(|a| Cause::of(a) == Some(Cause::Silent)).collect();
    if let (Some(family), true) = (silent_family(report), silent.len() == losers.len()) {
        return Some(format!(
            "no {family} address answered in time: {family} is slow or broken on the way (`--all` tells which)"
        ));
    }
    match (silent.as_slice(), losers.first()) {
        ([one], _) => Some(format!(
            "`{}` did not answer within {}; clients without Happy Eyeballs wait for it (`--all` tells slow from dead)",
            bare(one),
            units::prose(one.took)
        )),
        ([_, ..], _) => Some(format!(
            "{} addresses did not answer in time; clients without Happy Eyeballs wait for each (`--all` tells slow from dead)",
            silent.len()
        )),
        (_, Some(first)) => of_first_loser(first),
        _ => None,
    }
}

/// There is a connection, but no TLS over it.
fn of_tls(report: &Report, tls: &TlsReport, failure: &TlsFailure) -> Option<String> {
    let has_own = report.subject.tls.as_ref().is_some_and(|wanted| wanted.has_own);
    let text = match (failure.kind(), failure.phase) {
        (Some(TlsErrorKind::Certificate), _) => return of_certificate(tls, tls.problem()?),
        (Some(TlsErrorKind::Alert), _) if tls.peer.asks_for_certificate && has_own => {
            "the server asks for a certificate of the client, and does not take the one of --cert"
        }
        (Some(TlsErrorKind::Alert), _) if tls.peer.asks_for_certificate => {
            "the server asks for a certificate of the client: --cert and --key give one"
        }
        (Some(TlsErrorKind::Alert), _) => {
            return failure.error.as_ref()?.alert_received().map(of_alert);
        }
        (Some(TlsErrorKind::TimedOut), TlsPhase::StartTls) => {
            "a server that says nothing in plain may want TLS at once: --tls without --starttls"
        }
        (Some(TlsErrorKind::TimedOut), _) if stopped_at_tcp(report) => {
            "the port is open, but nobody answers TLS; another address was not tried over TLS: `--success tls` goes on to it"
        }
        (Some(TlsErrorKind::TimedOut), _) if tls.first_byte.is_none() => {
            "the port is open, but nobody answers TLS: the service waits for plain words first (--starttls), is busy, or hangs"
        }
        (Some(TlsErrorKind::NotTls), _) => {
            "a service that begins in plain may switch to TLS when it is asked: --starttls"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// Whether there is an address of which nobody knows whether it speaks TLS, because another one had connected.
fn stopped_at_tcp(report: &Report) -> bool {
    report.selected.is_some()
        && report.resolve.candidates.len() > 1
        && report.subject.may_race_tls()
}

fn of_alert(alert: TlsAlert) -> String {
    let cause = match alert {
        TlsAlert::ProtocolVersion => {
            "the server speaks none of the versions that are offered: TLS 1.2 and 1.3, see --tls-min"
        }
        TlsAlert::NoApplicationProtocol => "the server speaks none of the protocols of --alpn",
        TlsAlert::UnrecognizedName => "the server has no such name: --sni asks for another",
        _ => {
            "the server took offence at what was offered: the name (--sni), the version, or --alpn"
        }
    };
    cause.to_owned()
}

fn of_certificate(tls: &TlsReport, problem: &CertificateProblem) -> Option<String> {
    let own = tls.chain.first().and_then(|own| own.parsed.as_deref());
    let is_alone = tls.chain.len() == 1;
    let text = match problem {
        CertificateProblem::CaUsedAsEndEntity
            if own.is_some_and(ParsedCertificate::is_self_signed) =>
        {
            "`openssl req -x509` makes such certificates, and OpenSSL takes them: `-addext basicConstraints=CA:FALSE` makes better ones"
        }
        CertificateProblem::UnknownIssuer { .. }
            if own.is_some_and(ParsedCertificate::is_self_signed) =>
        {
            "if you know it to be the right one, `--ca FILE` trusts it; `--insecure` takes any"
        }
        CertificateProblem::UnknownIssuer { .. } if is_alone => {
            "the server sends its own certificate alone: the one that signed it may be missing in its configuration"
        }
        CertificateProblem::UnknownIssuer { .. } => {
            "`--ca FILE` trusts another authority; a proxy that looks into TLS has one of its own"
        }
        CertificateProblem::WrongName { .. } if own.is_some_and(|own| own.names.is_empty()) => {
            "clients look at subjectAltName, of which there is none; a common name does not count"
        }
        CertificateProblem::WrongName { .. } => {
            "`--sni NAME` asks for another name; without a match, servers show their default certificate"
        }
        CertificateProblem::Expired { .. } | CertificateProblem::NotYetValid { .. } => {
            "the server needs another certificate, unless the clock of this host is wrong (`date -u`)"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn of_first_loser(first: &Attempt) -> Option<String> {
    let address = bare(first);
    match Cause::of(first)? {
        Cause::Refused => {
            Some(format!("`{address}` refuses: nothing listens there, or a firewall says so"))
        }
        Cause::NoRoute => {
            Some(format!("this host has no route to `{address}`; other clients skip it too"))
        }
        Cause::NoAnswerToTls => Some(format!(
            "`{address}` connects, but did not finish TLS within {}; clients that take the first connection hang there",
            units::prose(first.tls_took())
        )),
        Cause::Untrusted | Cause::NoTls => Some(format!(
            "`{address}` connects, but TLS fails there ({}); clients that take the first connection fail with it",
            word(first).unwrap_or_default()
        )),
        // Who says no to the others stands in the report.
        _ => None,
    }
}

/// A router answers within a round trip; a neighbour that is not there is asked for seconds.
fn who_says(attempt: &Attempt) -> &'static str {
    if is_neighbour(attempt) {
        "nobody on its network answers for that address (ARP or neighbour discovery got no reply)"
    } else {
        "a router on the path says so"
    }
}

/// Whether what is unreachable should have been on the same network: so long only neighbours are asked for.
pub(crate) fn is_neighbour(attempt: &Attempt) -> bool {
    const NEIGHBOUR: std::time::Duration = std::time::Duration::from_millis(900);
    attempt.took >= NEIGHBOUR
}

/// The family of which several addresses were tried and none answered, while the other one connected.
fn silent_family(report: &Report) -> Option<&'static str> {
    let won = report.winner()?.address.family()?;
    let (other, name) = match won {
        Family::Inet => (Family::Inet6, "IPv6"),
        _ => (Family::Inet, "IPv4"),
    };
    let mut tried = report.attempts.iter().filter(|a| a.address.family() == Some(other));
    let count = tried.clone().count();
    let all_silent = tried.all(|a| Cause::of(a) == Some(Cause::Silent));
    (count > 1 && count == report.count(other) && all_silent).then_some(name)
}

fn of_name(report: &Report) -> Option<String> {
    let error = report.resolve.error.as_deref()?;
    let host = report.subject.host.as_deref().unwrap_or_default();
    let other = match report.subject.family {
        Family::Inet => Some(("IPv4", "-4")),
        Family::Inet6 => Some(("IPv6", "-6")),
        Family::Unspecified => None,
    };
    let is_unknown = error.contains("EAI_NONAME") || error.contains("EAI_NODATA");
    let text = match (host.split_once('%'), other) {
        (Some((_, zone)), _) if is_unknown => {
            format!("there is no interface `{zone}` on this host")
        }
        (_, Some((family, flag))) if is_unknown || error.contains("EAI_ADDRFAMILY") => {
            format!("there may be no {family} address of it: try without {flag}")
        }
        _ if error.contains("NXDOMAIN") => {
            "check the spelling; `loopctl resolve --trace NAME` shows which zone says that there is no such name".to_owned()
        }
        _ if error.contains("(NODATA)") => "the name exists, but has no address".to_owned(),
        _ if error.contains("EAI_NODATA") => "the name exists, but has no address".to_owned(),
        _ if is_unknown => {
            "check the spelling; `getent ahosts NAME` shows what this host resolves".to_owned()
        }
        _ if error.contains("EAI_AGAIN") => {
            "no name server answered, or it failed: `/etc/resolv.conf` names those that are asked"
                .to_owned()
        }
        _ if error.contains("EAI_SERVICE") => {
            "no such service in /etc/services; give the port as a number".to_owned()
        }
        _ if report.exit() == Exit::TimedOut && report.waited.is_none() => {
            "a name server did not answer: `/etc/resolv.conf` names those that are asked".to_owned()
        }
        _ => return None,
    };
    Some(text)
}

fn of_failure(report: &Report, exit: Exit) -> Option<String> {
    let causes: Vec<Cause> = report.attempts.iter().filter_map(Cause::of).collect();
    let first = report.attempts.first()?;
    if let Some(text) = of_this_host(report, first) {
        return Some(text);
    }
    if exit == Exit::TimedOut && !report.not_tried().is_empty() {
        return Some(format!(
            "{} more addresses were not tried: `--attempt-timeout` limits each, Happy Eyeballs overlaps them",
            report.not_tried().len()
        ));
    }
    let cause = *causes.first()?;
    if causes.iter().any(|other| *other != cause) {
        return of_mixture(report, &causes);
    }
    let text = match cause {
        Cause::Refused => {
            "the host is up, but nothing listens on that port (or a firewall refuses for it)"
        }
        Cause::Silent => {
            "nothing came back: a firewall drops the packets, the host is down, or its accept queue is full"
        }
        Cause::Unreachable => who_says(first),
        Cause::NoRoute => "this host has no route there: look at `ip route` and `ip -6 route`",
        Cause::Prohibited => {
            "a router on the path forbids it (ICMP), not a permission on this host"
        }
        Cause::NoAnswerToTls | Cause::Untrusted | Cause::NoTls => return None,
        Cause::Bind | Cause::Reset | Cause::Other => return None,
    };
    Some(text.to_owned())
}

/// What has nothing to do with the network.
fn of_this_host(report: &Report, first: &Attempt) -> Option<String> {
    let Outcome::Failure(phase, failure) = &first.outcome else { return None };
    let is_out_of_descriptors = |attempt: &Attempt| match &attempt.outcome {
        Outcome::Failure(_, failure) => matches!(failure.name(), Some("EMFILE" | "ENFILE")),
        _ => false,
    };
    let text = match (&first.address, phase, failure.name().unwrap_or_default()) {
        _ if report.attempts.iter().any(is_out_of_descriptors) => {
            "this process has no descriptor left: raise `ulimit -n`, or lower --concurrency"
                .to_owned()
        }
        (Address::Unix(_), _, "ENOENT") => "there is no such socket file".to_owned(),
        (Address::Unix(_), _, "ECONNREFUSED") => {
            "nobody listens on that file: it is no socket, or a stale one".to_owned()
        }
        (_, Phase::Bind, "EADDRINUSE") => {
            "a source with a port serves one attempt at a time: leave the port out".to_owned()
        }
        (_, Phase::Bind, "ENODEV") => "there is no such interface: `ip link` lists them".to_owned(),
        (_, Phase::Bind, "EADDRNOTAVAIL") => {
            "the source is not an address of this host: `ip address` lists them".to_owned()
        }
        (_, Phase::Bind, _) => "give a source of each family of the target".to_owned(),
        (Address::Inet(inet), _, "EINVAL") if inet.to_string().starts_with("[fe80:") => {
            format!(
                "a link-local address needs its interface: `[{}%eth0]:{}`",
                inet.ip(),
                inet.port()
            )
        }
        _ => return None,
    };
    Some(text)
}

fn of_mixture(report: &Report, causes: &[Cause]) -> Option<String> {
    let refused = report.attempts.iter().find(|a| Cause::of(a) == Some(Cause::Refused))?;
    let address = bare(refused);
    if causes.contains(&Cause::Silent) {
        return Some(format!("`{address}` is up and refuses; what is silent is filtered or down"));
    }
    Some(format!("`{address}` is up and refuses; the others cannot be reached from here"))
}
