//! Causes of failed attempts, and their messages.

use std::io::ErrorKind;

use loopctl::{Address, Failure, Phase, TlsError, TlsErrorKind};

use super::findings::FindingKind;
use super::findings::name::server_lines;
use super::host_cause::{has_no_port, is_rejecting, route_text};
use super::rejection::{self, Rejection, Source, rejection};
use super::tls_silence::{TlsSilence, tls_silence};
use super::{certificate, expectation, hint, http, name, name_service, transfer};
use crate::report::compare::Measured;
use crate::report::repeat::{AddressChange, RepeatReport};
use crate::report::transfer::TransferReport;
use crate::report::{Attempt, End, Outcome, Report, TlsFailure, TlsPhase, TlsReport, Unmet, Via};
use crate::util::message::{Message, plain};
use crate::util::units;

/// Cause of a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A RST, or a closed UDP port.
    Refused,
    /// An ICMP error about the port of a TCP attempt.
    Rejected,
    /// No reply.
    Silent,
    /// Reported by a router, or by failed neighbour discovery.
    Unreachable,
    /// This host has no route.
    NoRoute,
    /// This host has no free local port.
    NoPort,
    Prohibited,
    Reset,
    /// The TLS handshake was not complete at the deadline, or when another attempt won.
    NoAnswerToTls,
    /// The certificate is not trusted.
    Untrusted,
    /// TLS failed, for another reason.
    NoTls,
    Bind,
    Other,
}

impl Cause {
    /// Cause of a failure; `None` for an attempt that connected or is pending.
    pub(crate) fn of(attempt: &Attempt) -> Option<Self> {
        match &attempt.outcome {
            Outcome::Success | Outcome::Pending => None,
            Outcome::Timeout | Outcome::Canceled if attempt.tls.is_some() => {
                Some(Self::NoAnswerToTls)
            }
            Outcome::Canceled if attempt.tcp.is_some_and(|tcp| tcp.established) => None,
            Outcome::Timeout | Outcome::Canceled => Some(Self::Silent),
            Outcome::Failure(Phase::Bind, _) => Some(Self::Bind),
            Outcome::Failure(Phase::Tls, _) => {
                let kind = attempt.tls.as_ref().and_then(|tls| tls.failure.as_ref()?.kind());
                let untrusted = kind == Some(TlsErrorKind::Certificate);
                Some(if untrusted { Self::Untrusted } else { Self::NoTls })
            }
            Outcome::Failure(_, failure) if matches!(attempt.address, Address::Unix(_)) => {
                Some(Self::from_file_failure(failure))
            }
            Outcome::Failure(_, failure) if has_no_port(attempt, failure) => Some(Self::NoPort),
            Outcome::Failure(_, failure) => {
                let rejection = rejection(attempt);
                Some(rejection.map_or_else(|| Self::from_failure(failure), Self::from_rejection))
            }
        }
    }

    /// Cause of a failure that an ICMP error explains.
    fn from_rejection(Rejection { icmp, source }: Rejection) -> Self {
        match source {
            Source::Target if rejection::is_port_unreachable(&icmp) => Self::Refused,
            _ if rejection::is_port_unreachable(&icmp) => Self::Rejected,
            _ if rejection::is_prohibited(&icmp) => Self::Prohibited,
            _ => Self::Unreachable,
        }
    }

    /// Cause of a failure at a Unix socket: no route and no router has a part in it.
    fn from_file_failure(failure: &Failure) -> Self {
        match failure.kind {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::ConnectionReset => Self::Reset,
            ErrorKind::TimedOut => Self::Silent,
            _ => Self::Other,
        }
    }

    /// Cause of a failure. The same errno can come from this host and from a router.
    pub(crate) fn from_failure(failure: &Failure) -> Self {
        let unreachable = ["ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL", "EINVAL", "EACCES"];
        match (failure.name().unwrap_or_default(), failure.kind) {
            (name, _) if failure.at_once && unreachable.contains(&name) => Self::NoRoute,
            ("EACCES", _) => Self::Prohibited,
            ("ENETUNREACH" | "EHOSTUNREACH" | "ENOPROTOOPT", _) => Self::Unreachable,
            (_, ErrorKind::ConnectionRefused) => Self::Refused,
            (_, ErrorKind::ConnectionReset) => Self::Reset,
            (_, ErrorKind::TimedOut) => Self::Silent,
            _ => Self::Other,
        }
    }

    /// Whether a packet from elsewhere ended the attempt.
    pub(crate) fn is_answer(self) -> bool {
        matches!(
            self,
            Self::Refused | Self::Rejected | Self::Unreachable | Self::Prohibited | Self::Reset
        )
    }

    pub(crate) fn kind(self) -> FindingKind {
        match self {
            Self::Refused => FindingKind::Refused,
            Self::Rejected => FindingKind::Rejected,
            Self::Silent => FindingKind::Silent,
            Self::Unreachable => FindingKind::Unreachable,
            Self::NoRoute => FindingKind::NoRoute,
            Self::NoPort => FindingKind::NoFreePort,
            Self::Prohibited => FindingKind::Prohibited,
            Self::NoAnswerToTls => FindingKind::TlsSilent,
            Self::Untrusted => FindingKind::Untrusted,
            Self::NoTls => FindingKind::TlsFailed,
            Self::Reset => FindingKind::Reset,
            Self::Bind => FindingKind::CannotBind,
            Self::Other => FindingKind::Failed,
        }
    }
}

/// Message about a failed attempt.
fn attempt_message(attempt: &Attempt) -> String {
    if let Some((tls, failure)) = attempt.tls_failure() {
        return timed_tls_message(tls, failure);
    }
    let after = units::prose(attempt.took);
    match (&attempt.outcome, Cause::of(attempt)) {
        (Outcome::Timeout, _) => format!("timed out after {after}{}", resends(attempt)),
        (Outcome::Failure(phase, failure), Some(cause)) => {
            let message = match cause {
                _ if rejection(attempt).is_some() => {
                    rejection(attempt).map_or_else(String::new, |rejection| rejection.text())
                }
                // Connected to itself: the library has the words.
                Cause::Refused if failure.errno.is_none() => failure_text(failure),
                Cause::Refused => "connection refused".to_owned(),
                Cause::NoRoute => {
                    let route = rejecting_route(attempt);
                    let source = route.unwrap_or_else(|| "no route from this host".to_owned());
                    format!("{} ({source})", failure_text(failure))
                }
                Cause::NoPort => format!("{} (no free local port)", failure_text(failure)),
                _ => failure_text(failure),
            };
            let phase = if *phase == Phase::Connect { String::new() } else { format!("{phase}: ") };
            let by_kernel = if cause == Cause::Silent { resends(attempt) } else { String::new() };
            format!("{phase}{message} after {after}{by_kernel}")
        }
        (Outcome::Canceled, _) => format!("canceled after {after}{}", resends(attempt)),
        _ => "no outcome".to_owned(),
    }
}

fn resends(attempt: &Attempt) -> String {
    match attempt.resends() {
        0 => ", no answer".to_owned(),
        count => format!(", no answer, SYN resent {count}"),
    }
}

/// The route of this host that rejects or discards the packets of an attempt.
fn rejecting_route(attempt: &Attempt) -> Option<String> {
    let is_refusal = matches!(&attempt.outcome, Outcome::Failure(_, failure) if failure.at_once);
    let route = attempt.socket.route.as_ref().filter(|route| is_rejecting(route.kind))?;
    is_refusal.then(|| format!("route `{}` of this host", route_text(route)))
}

/// Source of an error: this host reports it at once, a router after a round trip.
pub(crate) fn error_source(attempt: &Attempt, failure: &Failure) -> String {
    if let Some(rejection) = rejection(attempt) {
        return rejection.text();
    }
    if let Some(text) = rejecting_route(attempt) {
        return text;
    }
    let text = match (failure.name().unwrap_or_default(), failure.at_once) {
        ("ENETUNREACH", true) => "this host has no route to it",
        ("EHOSTUNREACH", true) => "an `unreachable` route of this host",
        ("EACCES", true) => "a `prohibit` route of this host",
        ("EPERM", true) => "a firewall of this host",
        ("EINVAL", true) => {
            "a `blackhole` route of this host, or a link-local address without its interface"
        }
        ("EADDRNOTAVAIL", true) => "this host has no address to connect from",
        _ => return failure_text(failure),
    };
    text.to_owned()
}

/// Message of the system, without the errno that Rust appends.
pub(crate) fn failure_text(failure: &Failure) -> String {
    match plain(&failure.message) {
        text if text.is_empty() => failure.kind.to_string(),
        text => text,
    }
}

/// Message about a TLS failure.
pub(crate) fn tls_message(tls: &TlsReport, failure: &TlsFailure) -> String {
    let problem =
        certificate::summary(tls).filter(|_| failure.kind() == Some(TlsErrorKind::Certificate));
    let timed_out = failure.kind() == Some(TlsErrorKind::TimedOut);
    match (problem, failure.phase) {
        (Some(problem), _) => problem,
        (None, TlsPhase::Handshake) if tls_silence(tls).is_some() => {
            tls_silence(tls).map_or_else(String::new, TlsSilence::text)
        }
        (None, TlsPhase::Handshake) if timed_out && tls.first_byte.is_some() => {
            "the peer stopped in the middle of the handshake".to_owned()
        }
        (None, TlsPhase::Handshake) if timed_out => "no answer to the handshake".to_owned(),
        _ => match &failure.error {
            // Because the caller prints `TLS failed`, the prefix of its Display is left out.
            Some(TlsError::Protocol { message, .. }) => message.clone(),
            _ => failure_text(&failure.failure),
        },
    }
}

/// Short message about a TLS failure, for a list.
fn short_tls_message(tls: &TlsReport, failure: &TlsFailure) -> String {
    let problem = tls.problem().filter(|_| failure.kind() == Some(TlsErrorKind::Certificate));
    match problem.and_then(|problem| certificate::short(tls, problem)) {
        Some(message) => message.to_owned(),
        None => tls_message(tls, failure),
    }
}

/// Message about a TLS failure, with its time and phase.
fn timed_tls_message(tls: &TlsReport, failure: &TlsFailure) -> String {
    let reason = tls_message(tls, failure);
    let after =
        tls.took().map_or_else(String::new, |took| format!(" after {}", units::prose(took)));
    match failure.phase {
        TlsPhase::StartTls => {
            let took = tls.starttls.as_ref().map(|starttls| units::prose(starttls.took));
            format!("no TLS after {}: {reason}", took.unwrap_or_default())
        }
        TlsPhase::Handshake if failure.kind() == Some(TlsErrorKind::Canceled) => {
            format!("canceled{after}, during the TLS handshake")
        }
        TlsPhase::Handshake => format!("TLS failed{after}: {reason}"),
        TlsPhase::After => format!("refused after the TLS handshake: {reason}"),
    }
}

/// Summary of a failed race, with each cause once.
pub(crate) fn summary(report: &Report) -> String {
    let messages = messages(report).into_iter().map(|(message, _)| message);
    report
        .resolve
        .error
        .as_ref()
        .map(name::failure)
        .unwrap_or_else(|| messages.collect::<Vec<_>>().join(", "))
}

/// Summary of a failed race, with the addresses of each cause.
pub(crate) fn summary_by_address(report: &Report) -> String {
    let messages = messages(report).into_iter();
    let messages =
        messages.map(|(message, addresses)| format!("{} {message}", addresses.join(" ")));
    report
        .resolve
        .error
        .as_ref()
        .map(name::failure)
        .unwrap_or_else(|| messages.collect::<Vec<_>>().join(", "))
}

fn messages(report: &Report) -> Vec<(String, Vec<String>)> {
    let mut messages: Vec<(String, Vec<String>)> = Vec::new();
    for attempt in &report.attempts {
        let Some(message) = short_text(attempt) else { continue };
        match messages.iter_mut().find(|(known, _)| *known == message) {
            Some((_, addresses)) => addresses.push(ip_text(attempt)),
            None => messages.push((message, vec![ip_text(attempt)])),
        }
    }
    let tls = separate_tls_failure(report);
    let http = report.http_failure();
    messages.extend(http.map(|(exchange, failure)| {
        let address = report.winner().map(ip_text).into_iter().collect();
        (http::text(exchange, failure), address)
    }));
    messages.extend(tls.map(|(winner, tls, failure)| {
        (short_tls_message(tls, failure), winner.map(ip_text).into_iter().collect())
    }));
    messages
}

/// Short message about one attempt.
pub(crate) fn short_text(attempt: &Attempt) -> Option<String> {
    if let Some((tls, failure)) = attempt.tls_failure() {
        return Some(short_tls_message(tls, failure));
    }
    if let Some(rejection) = rejection(attempt) {
        return Some(rejection.text());
    }
    match (&attempt.outcome, Cause::of(attempt)?) {
        (_, Cause::Silent) => Some("no answer".to_owned()),
        (_, Cause::Refused) => Some("refused".to_owned()),
        (_, Cause::NoRoute) => Some("no route".to_owned()),
        (_, Cause::NoPort) => Some("no free local port".to_owned()),
        (Outcome::Failure(_, failure), _) => Some(failure_text(failure)),
        _ => None,
    }
}

/// Message on standard error about a report.
pub(crate) fn explain(report: &Report) -> Message {
    let report = report.last_hop();
    let target = &report.subject.text;
    let (error, causes) = match report.end {
        End::Connected if !report.unmet.is_empty() => {
            let unmet = report.unmet.iter().map(unmet_text);
            (Some(format!("connected to `{target}`, but not as expected")), unmet.collect())
        }
        _ if report.transfer.as_ref().is_some_and(|sent| has_message(sent)) => {
            return transfer_message(report);
        }
        End::Connected => {
            let failure = transfer::relay_failure(report);
            (
                failure.map(|(what, failure)| format!("{what}: {}", failure_text(&failure))),
                Vec::new(),
            )
        }
        End::Interrupted(_) if report.transfer.as_ref().is_some_and(|sent| !sent.is_opened) => {
            let file = report.transfer.as_ref().map_or("", |sent| &sent.file);
            (Some(format!("interrupted while opening `{file}`")), Vec::new())
        }
        End::Interrupted(_) => {
            (Some(format!("interrupted while connecting to `{target}`")), causes(report))
        }
        End::Failed(_) if report.http_failure().is_some() => (
            Some(format!("no complete HTTP response from `{target}`")),
            http_cause(report).into_iter().collect(),
        ),
        End::Failed(_) if report.failed_own_policy().is_some() => return policy_message(report),
        End::Failed(_) => {
            let over = if report.tls_failure().is_some() { " over TLS" } else { "" };
            (Some(format!("could not connect to `{target}`{over}")), causes(report))
        }
    };
    let hints = hint::hint(report).into_iter().collect();
    Message { error, causes, warnings: warnings(report), hints }
}

/// Warnings about the files of the system's resolver, where it failed.
fn warnings(report: &Report) -> Vec<String> {
    match (&report.resolve.service, &report.resolve.error) {
        (Some(service), Some(_)) => {
            name_service::warnings(service, report.resolve.via == Via::System)
        }
        _ => Vec::new(),
    }
}

/// Message on standard error about a series.
pub(crate) fn explain_series(series: &RepeatReport) -> Message {
    let Some((count, why)) = &series.runs.unmet else { return Message::default() };
    let text = &series.subject.text;
    let error = match count {
        1 => format!("1 connection to `{text}` was not as expected"),
        count => format!("{count} connections to `{text}` were not as expected"),
    };
    Message { causes: vec![unmet_text(why)], ..Message::error(error) }
}

/// Message about a requested policy that fails where others connect.
fn policy_message(report: &Report) -> Message {
    let Some(own) = report.failed_own_policy() else { return Message::default() };
    let (target, within) = (&report.subject.text, units::prose(report.subject.timeout));
    let error = format!("the policy {} does not reach `{target}` within {within}", own.name);
    let why = own.measured.as_ref().and_then(run_failure);
    Message { causes: why.into_iter().collect(), ..Message::error(error) }
}

/// Summary of a run of a policy that failed.
pub(crate) fn run_failure(run: &Measured) -> Option<String> {
    run.failed.as_deref().map(summary_by_address)
}

/// Message about a failed or partial transfer.
fn transfer_message(report: &Report) -> Message {
    let Some(sent) = &report.transfer else { return Message::default() };
    let failure = transfer::transfer_failure(sent);
    Message {
        error: failure.map(|(what, failure)| format!("{what}: {}", failure_text(&failure))),
        warnings: transfer::change(sent).into_iter().collect(),
        ..Message::default()
    }
}

fn causes(report: &Report) -> Vec<String> {
    let host = report.subject.host.as_deref().unwrap_or_default();
    let unresolved = report.resolve.error.iter().map(|error| match report.resolve.took {
        Some(took) if report.has_timed_out() && report.waited.is_none() => {
            format!("resolving `{host}`: no answer after {}", units::prose(took))
        }
        _ => name::failure(error),
    });
    let failed = report.attempts.iter().filter(|attempt| attempt.outcome != Outcome::Success);
    let failed = failed.map(|attempt| format!("{}: {}", attempt.address, attempt_message(attempt)));
    let failed = first_ones(failed.collect());
    let tls = separate_tls_failure(report).map(|(winner, tls, failure)| {
        let address = winner.map_or_else(String::new, |winner| format!("{}: ", winner.address));
        format!("{address}{}", timed_tls_message(tls, failure))
    });
    let probes = report.probes_without_tls().filter_map(|(probe, tls)| {
        Some(format!("{}: {}", probe.to, timed_tls_message(tls, tls.failure.as_ref()?)))
    });
    let servers = server_lines(report);
    let unresolved = unresolved.chain(servers);
    unresolved.chain(failed).chain(tls).chain(probes).chain(not_tried(report)).collect()
}

/// Failure of the HTTP exchange, with its address.
fn http_cause(report: &Report) -> Option<String> {
    let (exchange, failure) = report.http_failure()?;
    Some(format!("{}: {}", report.winner()?.address, http::text(exchange, failure)))
}

/// The first failures and the number of the others: an answer may have thousands of addresses.
fn first_ones(mut failures: Vec<String>) -> Vec<String> {
    const MAX: usize = 32;
    let others = failures.len().saturating_sub(MAX);
    if others > 0 {
        failures.truncate(MAX);
        failures.push(format!(
            "{} too",
            units::count(others, "more attempt failed", "more attempts failed")
        ));
    }
    failures
}

/// Number of addresses that a failed race left out.
fn not_tried(report: &Report) -> Option<String> {
    let count = report.not_tried().len();
    let has_failed = matches!(report.end, End::Failed(_)) && report.winner().is_none();
    let is_partial = has_failed && count > 0 && !report.attempts.is_empty();
    is_partial
        .then(|| format!("{} not tried", units::count(count, "address was", "addresses were")))
}

/// TLS failure over the winner, or before any attempt. Other attempts have their own messages.
fn separate_tls_failure(report: &Report) -> Option<(Option<&Attempt>, &TlsReport, &TlsFailure)> {
    let (tls, failure) = report.tls_failure()?;
    let is_alone = report.winner().is_some() || report.attempts.is_empty();
    is_alone.then_some((report.winner(), tls, failure))
}

/// Address without its port.
pub(crate) fn ip_text(attempt: &Attempt) -> String {
    match attempt.address.as_inet() {
        Some(address) => address.ip().to_string(),
        None => attempt.address.to_string(),
    }
}

fn has_message(transfer: &TransferReport) -> bool {
    transfer::transfer_failure(transfer).is_some() || transfer.change.is_some()
}

/// Message about an unmet expectation, with its flag.
pub(crate) fn unmet_text(unmet: &Unmet) -> String {
    format!("--{}: {}", expectation::flag(unmet), expectation::text(unmet))
}

/// Failure of an attempt, for the table of repeated runs.
pub(crate) fn last_failure(attempt: &Attempt) -> String {
    match (&attempt.outcome, Cause::of(attempt)) {
        (Outcome::Timeout, _) => "timed out".to_owned(),
        (_, Some(Cause::Refused)) => "refused".to_owned(),
        (Outcome::Failure(_, failure), _) => {
            short_text(attempt).unwrap_or_else(|| failure_text(failure))
        }
        _ => "failed".to_owned(),
    }
}

/// Changes of the addresses of a name between two runs.
pub(crate) fn address_change(change: &AddressChange) -> String {
    let added = change.added.iter().map(|address| format!("+{address}"));
    let removed = change.removed.iter().map(|address| format!("-{address}"));
    let changes: Vec<String> = added.chain(removed).collect();
    format!("the name resolves differently now: {}", changes.join(" "))
}
