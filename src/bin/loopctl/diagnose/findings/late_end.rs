//! Findings about connections that this host looked at late.

use std::time::Duration;

use super::{Basis, CausedBy, EvidenceSource, Finding, FindingKind};
use crate::diagnose::cause::ip_text;
use crate::report::Attempt;
use crate::util::units;

/// Shorter lags are not reported.
pub(super) const MIN_END_LAG: Duration = Duration::from_millis(5);

/// Finding about the end of an attempt, if this host was late to see it.
pub(super) fn late_end_finding(number: usize, attempt: &Attempt) -> Option<Finding> {
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
        caused_by: CausedBy::Attempt(number),
        cost: lag,
        text: format!(
            "`{}` was connected after {there}; this host took {late} to look: it was busy",
            ip_text(attempt)
        ),
        basis: Basis::Inference,
        evidence: vec![EvidenceSource::TcpInfo.says(kernel), EvidenceSource::Clock.says(took)],
    })
}
