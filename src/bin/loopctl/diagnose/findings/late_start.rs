//! Findings about attempts that this host started late.

use std::time::Duration;

use super::{Basis, CausedBy, EvidenceSource, Finding, FindingKind, start_lag};
use crate::diagnose::cause::ip_text;
use crate::report::Attempt;
use crate::util::units;

/// Finding about a late start, because this host was busy. The first attempt has none:
/// its delay counts for the answer.
pub(super) fn late_start_finding(
    number: usize,
    attempt: &Attempt,
    cost: Duration,
) -> Option<Finding> {
    let late = Some(start_lag(attempt)).filter(|start_lag| !start_lag.is_zero())?;
    let text =
        format!("`{}` started {} late: this host was busy", ip_text(attempt), units::prose(late));
    let evidence = format!("planned {} before its start", units::prose(late));
    Some(Finding {
        kind: FindingKind::LateStart,
        caused_by: CausedBy::Attempt(number),
        cost,
        text,
        basis: Basis::Fact,
        evidence: vec![EvidenceSource::Clock.says(evidence)],
    })
}
