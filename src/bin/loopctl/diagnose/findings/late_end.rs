//! Findings about answers that this host looked at late: connections, rejections, TLS handshakes, name servers.

use std::time::Duration;

use super::answers::query_family;
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

/// Finding about a connection. The kernel tells when it was there.
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

/// Finding about the TLS handshake of the connection: its first byte, or else its end.
pub(super) fn late_handshake_finding(report: &Report) -> Option<Finding> {
    let (tls, winner) = (report.tls.as_ref()?, report.winner()?);
    let caused_by = CausedBy::Attempt(report.selected?);
    let lag = |from: Option<Duration>, until: Option<Duration>| {
        let (from, until) = (from?, until?);
        Some(report.stalled_before(until).min(until.saturating_sub(from)))
    };
    let first = lag(tls.started, tls.first_byte).unwrap_or_default();
    let rest = lag(tls.first_byte, tls.ended.filter(|_| tls.info.is_some())).unwrap_or_default();
    let (part, lag) = if first >= rest { ("first byte", first) } else { ("end", rest) };
    let subject = format!("the {part} of the TLS handshake of `{}`", ip_text(winner));
    let took = format!("handshake of {}", units::prose(tls.took().unwrap_or_default()));
    late_answer(caused_by, &subject, lag, &took)
}

/// Finding about the answer with which the lookup of the name ended.
pub(super) fn late_lookup_finding(report: &Report) -> Option<Finding> {
    let took = report.resolve.took?;
    let lag = report.stalled_before(report.resolved_at()).min(took);
    let took = format!("lookup of {}", units::prose(took));
    match report.awaited().map(|query| (query_family(query), query.type_names())) {
        Some((family, types)) => {
            late_answer(CausedBy::Query(family), &format!("the answer about {types}"), lag, &took)
        }
        None => late_answer(CausedBy::Host, "the answer of the resolver", lag, &took),
    }
}

/// Finding about an answer without a time of its own: it came at some time during the stall.
fn late_answer(
    caused_by: CausedBy,
    subject: &str,
    lag: Duration,
    took: &str,
) -> Option<Finding> {
    let lag = Some(lag).filter(|lag| *lag >= MIN_STALL)?;
    let late = units::prose(lag);
    Some(Finding {
        kind: FindingKind::LateEnd,
        caused_by,
        cost: lag,
        text: format!("{subject} was read up to {late} late: this host was busy"),
        basis: Basis::Inference,
        evidence: vec![stall(lag), EvidenceSource::Clock.says(took)],
    })
}

/// Stall of this process, as evidence.
fn stall(lag: Duration) -> Evidence {
    EvidenceSource::Clock.says(format!("this process did not run for {} before", units::prose(lag)))
}
