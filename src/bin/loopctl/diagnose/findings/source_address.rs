//! Findings about the order of the address families.

use std::time::Duration;

use loopctl::plan::Family;

use super::{Basis, CausedBy, EvidenceSource, Finding, FindingKind};
use crate::report::family::FamilyNames as _;
use crate::report::{Report, Via};

/// Finding about a family that sorts last: by gai.conf(5), or without a source address
/// (RFC 6724, section 6, rule 1).
pub(super) fn source_finding(report: &Report) -> Option<Finding> {
    let won = report.attempts.first()?.address.family()?;
    if report.resolve.is_ipv4_preferred && won == Family::Inet && report.count(Family::Inet6) > 0 {
        let text = "v4 first because /etc/gai.conf prefers it".to_owned();
        let says = "/etc/gai.conf ranks IPv4-mapped addresses above IPv6";
        return Some(Finding {
            kind: FindingKind::GaiConf,
            caused_by: CausedBy::Family(Family::Inet),
            cost: Duration::ZERO,
            text,
            basis: Basis::Fact,
            evidence: vec![EvidenceSource::File.says(says)],
        });
    }
    let lacking = report.resolve.sourceless?;
    if lacking == won || !matches!(report.resolve.via, Via::System | Via::Dns) {
        return None;
    }
    let text = format!(
        "{} because of rule 1 (RFC 6724): this host has no {} source address",
        won.short(),
        lacking.ip_version(),
    );
    let says = format!("the kernel has no {} source address for it", lacking.ip_version());
    Some(Finding {
        kind: FindingKind::NoSourceAddress,
        caused_by: CausedBy::Family(lacking),
        cost: Duration::ZERO,
        text,
        basis: Basis::Fact,
        evidence: vec![EvidenceSource::Routes.says(says)],
    })
}
