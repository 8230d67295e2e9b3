//! Findings about attempts that were not selected.

use std::time::Duration;

use loopctl::Phase;

use super::late_end::MIN_END_LAG;
use super::phases::figures_evidence;
use super::{Basis, CausedBy, Evidence, EvidenceSource, Finding, FindingKind, NOISE};
use crate::diagnose::cause;
use crate::diagnose::cause::{Cause, ip_text};
use crate::diagnose::rejection::rejection;
use crate::diagnose::tls_silence::tls_silence;
use crate::report::stalls::MIN_STALL;
use crate::report::{Attempt, Outcome, Report};
use crate::util::units;

/// Finding about an attempt that was not selected.
pub(super) fn attempt_finding(
    report: &Report,
    number: usize,
    attempt: &Attempt,
    cost: Duration,
) -> Option<Finding> {
    if report.selected == Some(number) {
        return None;
    }
    if Cause::of(attempt) == Some(Cause::NoPort) {
        // Because a finding about this host has the range of ports.
        return None;
    }
    let rejection = rejection(attempt);
    let (kind, text) = match Cause::of(attempt) {
        // Because the finding about the late end has it.
        None if is_late_alone(report, attempt) => return None,
        None => (FindingKind::Slow, slow_text(report, attempt)),
        Some(cause) => (cause.kind(), cause_text(report, attempt, cause, cost)),
    };
    let kind = rejection.and_then(|it| it.kind()).unwrap_or(kind);
    let basis = rejection.map_or(Basis::Fact, |it| it.basis());
    let caused_by = CausedBy::Attempt(number);
    Some(Finding { kind, caused_by, cost, text, basis, evidence: evidence(attempt) })
}

/// Whether the connection was there in time, and this process looked at it late.
fn is_late_alone(report: &Report, attempt: &Attempt) -> bool {
    let waited = attempt.took.saturating_sub(attempt.end_lag);
    let delay = report.subject.policy.connection_attempt_delay;
    attempt.end_lag >= MIN_END_LAG && delay.is_some_and(|delay| waited <= delay)
}

fn slow_text(report: &Report, attempt: &Attempt) -> String {
    let (address, end) = (ip_text(attempt), attempt.end().saturating_sub(attempt.end_lag));
    let duration = end.saturating_sub(attempt.start);
    let delay = report.subject.policy.connection_attempt_delay;
    let delay = delay.filter(|delay| *delay < duration).map(|delay| {
        format!(", more than the Connection Attempt Delay of {}", units::limit(delay))
    });
    format!("`{address}` works, but took {}{}", units::prose(duration), delay.unwrap_or_default())
}

fn cause_text(report: &Report, attempt: &Attempt, cause: Cause, cost: Duration) -> String {
    let address = ip_text(attempt);
    // Because an answer that was read late came at some time before.
    let after = if report.end_lag(attempt) >= MIN_STALL { "within" } else { "after" };
    let took = format!("{after} {}", units::prose(attempt.end().saturating_sub(attempt.start)));
    match (&attempt.outcome, cause) {
        (_, Cause::NoAnswerToTls | Cause::Untrusted | Cause::NoTls) => tls_text(attempt, cause),
        (Outcome::Failure(..), Cause::Refused) if rejection(attempt).is_none() => {
            format!("`{address}` refused {took}")
        }
        (Outcome::Failure(_, failure), _) => {
            let name = failure.name().unwrap_or("failed");
            let when = if failure.at_once { "at once".to_owned() } else { took };
            let source = cause::error_source(attempt, failure);
            format!("`{address}` {name} {when}: {source}")
        }
        _ => {
            let waited = if cost >= NOISE { cost } else { attempt.took };
            format!("`{address}` silent for {}", units::prose(waited))
        }
    }
}

/// Observations about an attempt.
pub(super) fn evidence(attempt: &Attempt) -> Vec<Evidence> {
    let after = units::prose(attempt.took);
    let mut evidence = Vec::new();
    evidence.push(match &attempt.outcome {
        Outcome::Failure(phase, failure) => {
            let name = failure.name().map_or_else(|| cause::failure_text(failure), str::to_owned);
            EvidenceSource::Errno.says(match phase {
                Phase::Tls => format!("{name} in the TLS handshake, {after} after the start"),
                phase => format!("{name} of {phase} after {after}"),
            })
        }
        Outcome::Success => EvidenceSource::Clock.says(format!("connected after {after}")),
        _ => EvidenceSource::Clock.says(format!("ended after {after}")),
    });
    match (&attempt.icmp, &attempt.outcome) {
        (Some(icmp), _) => evidence.push(EvidenceSource::ErrorQueue.says(icmp.to_string())),
        (None, Outcome::Failure(_, failure))
            if failure.name() == Some("ECONNREFUSED") && attempt.tcp.is_some() =>
        {
            evidence.push(EvidenceSource::ErrorQueue.says("no ICMP error: a RST came"));
        }
        _ => {}
    }
    evidence.extend(attempt.tcp.map(|tcp| {
        let (state, resent) =
            (if tcp.established { "connected" } else { "not connected" }, tcp.retransmits);
        let rtt = match (tcp.established, tcp.rtt.is_zero()) {
            (true, false) => format!(", rtt {}", units::prose(tcp.rtt)),
            _ => String::new(),
        };
        EvidenceSource::TcpInfo.says(format!("{state}, {resent} segments resent{rtt}"))
    }));
    let handshake = attempt.tls.as_deref().and_then(|tls| tls.tcp.as_ref());
    evidence.extend(handshake.map(figures_evidence));
    evidence.extend(super::surroundings::route_evidence(attempt));
    evidence
}

/// Text about an attempt that connected without TLS.
fn tls_text(attempt: &Attempt, cause: Cause) -> String {
    let (address, after) = (ip_text(attempt), units::prose(attempt.tls_took()));
    match cause {
        Cause::NoAnswerToTls => {
            let why = attempt.tls.as_deref().and_then(tls_silence);
            let why = why.map_or_else(String::new, |why| format!(": {}", why.text()));
            format!(
                "`{address}` connected, but its TLS handshake was not complete after {after}{why}"
            )
        }
        Cause::Untrusted => format!("`{address}` connected, but its certificate is refused"),
        _ => format!("`{address}` connected, but TLS failed after {after}"),
    }
}
