//! Findings about SYNs that the kernel sent again.

use std::time::Duration;

use super::{Basis, CausedBy, Finding, FindingKind, attempts};
use crate::diagnose::cause::ip_text;
use crate::report::Report;

/// Finding about the SYN of the connection, if it was sent again.
pub(super) fn syn_finding(report: &Report) -> Option<Finding> {
    let (number, winner) = (report.selected?, report.winner()?);
    let count = winner.resends();
    (count > 0).then(|| Finding {
        kind: FindingKind::SynResent,
        caused_by: CausedBy::Attempt(number),
        cost: Duration::ZERO,
        text: format!("`{}`: SYN resent {count}", ip_text(winner)),
        basis: Basis::Fact,
        evidence: attempts::evidence(winner),
    })
}
