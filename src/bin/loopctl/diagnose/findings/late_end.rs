//! Findings about answers that this host looked at late: connections, rejections, TLS handshakes, name servers.

use std::time::Duration;

use super::{Basis, CausedBy, Evidence, EvidenceSource, Finding, FindingKind};
use crate::diagnose::cause::{Cause, ip_text};
use crate::report::stalls::MIN_STALL;
use crate::report::{Attempt, Report};
use crate::util::units;

/// Shorter lags are not reported.
pub(super) const MIN_END_LAG: Duration = Duration::from_millis(5);

/// Finding about the end of an attempt, if this host was late to see it.
pub(super) fn late_end_finding(
    report: &Report,
    number: usize,
    attempt: &Attempt,
) -> Option<Finding> {
    let caused_by = CausedBy::Attempt(number);
    match Cause::of(attempt) {
        Some(cause) if cause.is_answer() => {
            let subject = format!("the answer of `{}`", ip_text(attempt));
            let took = format!("read after {}", units::prose(attempt.took));
            late_answer(caused_by, &subject, report.end_lag(attempt), &took)
        }
        _ => late_connection(caused_by, attempt),
    }
}

/// Finding about a connection, by the round trip of the kernel.
fn late_connection(caused_by: CausedBy, attempt: &Attempt) -> Option<Finding> {
    let lag = Some(attempt.end_lag).filter(|lag| *lag >= MIN_END_LAG)?;
    let there = units::prose(attempt.took.saturating_sub(lag));
    let late = units::prose(lag);
    let tcp = attempt.connected?;
    let kernel = match tcp.retransmits {
        0 => format!("round trip of the SYN {}", units::prose(tcp.rtt)),
        _ => format!("last acknowledgement {} before this host looked", units::prose(tcp.last_ack)),
    };
    let took = format!("connected after {}", units::prose(attempt.took));
    Some(Finding {
        kind: FindingKind::LateEnd,
        caused_by,
        cost: lag,
        text: format!(
            "`{}` was connected after {there}; this host took {late} to look: it was busy",
            ip_text(attempt)
        ),
        basis: Basis::Inference,
        evidence: vec![EvidenceSource::TcpInfo.says(kernel), EvidenceSource::Clock.says(took)],
    })
}

/// Finding about the TLS handshake of the connection.
pub(super) fn late_handshake_finding(report: &Report) -> Option<Finding> {
    let (tls, winner) = (report.tls.as_ref()?, report.winner()?);
    let lag = report.stalled_within(tls.started?, tls.ended?);
    let handshake = format!("the TLS handshake of `{}`", ip_text(winner));
    let took = format!("handshake of {}", units::prose(tls.took()?));
    longer(CausedBy::Attempt(report.selected?), &handshake, lag, &took)
}

/// Finding about the lookup of the name.
pub(super) fn late_lookup_finding(report: &Report) -> Option<Finding> {
    let (started, took) = (report.resolve.started?, report.resolve.took?);
    let lag = report.stalled_within(started, started + took);
    let took = format!("lookup of {}", units::prose(took));
    longer(CausedBy::Host, "the lookup of the name", lag, &took)
}

/// Finding about a phase with several steps: this host was late with one of them.
fn longer(caused_by: CausedBy, phase: &str, lag: Duration, took: &str) -> Option<Finding> {
    let by = units::prose(lag);
    let text = format!("{phase} took up to {by} longer because this host was busy");
    late(caused_by, text, lag, took)
}

/// Finding about an answer that came at some time during a stall.
fn late_answer(caused_by: CausedBy, subject: &str, lag: Duration, took: &str) -> Option<Finding> {
    let by = units::prose(lag);
    late(caused_by, format!("{subject} was read up to {by} late: this host was busy"), lag, took)
}

fn late(caused_by: CausedBy, text: String, lag: Duration, took: &str) -> Option<Finding> {
    let lag = Some(lag).filter(|lag| *lag >= MIN_STALL)?;
    Some(Finding {
        kind: FindingKind::LateEnd,
        caused_by,
        cost: lag,
        text,
        basis: Basis::Inference,
        evidence: vec![stall(lag), EvidenceSource::Clock.says(took)],
    })
}

/// Stall of this process, as evidence.
fn stall(lag: Duration) -> Evidence {
    EvidenceSource::Clock.says(format!("this process did not run for {} of it", units::prose(lag)))
}
