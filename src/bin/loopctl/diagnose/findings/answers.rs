//! Findings about answers that were late, missing or empty.

use loopctl::EaiCode;
use loopctl::plan::{Family, FirstAttemptReason, Reason};

use super::late_end::MIN_END_LAG;
use super::{Basis, CausedBy, EvidenceSource, Finding, FindingKind, attempt_delay};
use crate::diagnose::cause::ip_text;
use crate::report::Report;
use crate::report::family::FamilyNames as _;
use crate::report::query::{Query, QueryOutcome, QueryStatus, types};
use crate::util::units;

/// Finding about a late or missing answer before the first attempt.
pub(super) fn answer_finding(report: &Report) -> Option<Finding> {
    let (cost, wait) = (report.answer_cost(), report.answer_wait());
    let is_read_late = cost < wait && cost < MIN_END_LAG;
    let first = report.attempts.first()?;
    // Because the finding about the late look has it.
    let awaited = report.awaited().filter(|_| !wait.is_zero() && !is_read_late)?;
    let family = query_family(awaited);
    let (name, other) = record_types(family);
    let v = first.address.family()?.short();
    let late = awaited.ended_at().saturating_sub(report.answered_at());
    // Because an answer that was read late came at some time before.
    let late = match report.stalled_within(report.answered_at(), awaited.ended_at()).is_zero() {
        true => units::prose(late),
        false => format!("within {}", units::prose(late)),
    };
    let delay = units::limit(report.subject.policy.resolution_delay().unwrap_or_default());
    let is_over = first.schedule.reason == Reason::First(FirstAttemptReason::ResolutionDelay);
    let (kind, text) = match awaited.verdict() {
        QueryStatus::Answered if is_over => (
            FindingKind::LateAnswer,
            format!(
                "{v} because {name} came {late} after {other}, more than the {delay} Resolution Delay"
            ),
        ),
        _ if is_over => (
            FindingKind::LateAnswer,
            format!(
                "{v} because {name} had no answer within {delay} of {other} (Resolution Delay)"
            ),
        ),
        QueryStatus::Answered => {
            (FindingKind::Waited, format!("waited for {name}, which came {late} after {other}"))
        }
        status if status.is_negative() => (
            FindingKind::NoAddresses,
            format!("{v} because there is no {name} record, known {late} after {other}"),
        ),
        _ => {
            let symbol = symbol(awaited);
            (
                FindingKind::FailedQuery,
                format!("{v} because {name} failed ({symbol}), {late} after {other}"),
            )
        }
    };
    let evidence = format!("{other} after {}", units::prose(report.answered_at()));
    let answer =
        format!("{name} {} after {}", awaited.verdict().name(), units::prose(awaited.ended_at()));
    Some(Finding {
        kind,
        caused_by: CausedBy::Query(family),
        cost,
        text,
        basis: Basis::Fact,
        evidence: vec![EvidenceSource::Names.says(evidence), EvidenceSource::Names.says(answer)],
    })
}

/// Finding about an address that arrived after its place in the order.
pub(super) fn late_address_finding(report: &Report, number: usize) -> Option<Finding> {
    let (before, late) = (report.attempts.get(number.checked_sub(1)?)?, &report.attempts[number]);
    if late.schedule.reason != Reason::LateAnswer {
        return None;
    }
    let family = late.address.family()?;
    let (name, other) = record_types(family);
    let cost =
        late.start.saturating_sub(before.start).saturating_sub(attempt_delay(report, before));
    let after = units::prose(late.start.saturating_sub(report.answered_at()));
    let text = format!(
        "{name} came {after} after {other}, so `{}` could not start earlier",
        ip_text(late)
    );
    let evidence = format!("{name} came {after} after {other}");
    Some(Finding {
        kind: FindingKind::LateAnswer,
        caused_by: CausedBy::Query(family),
        cost,
        text,
        basis: Basis::Fact,
        evidence: vec![EvidenceSource::Names.says(evidence)],
    })
}

fn query_family(query: &Query) -> Family {
    if query.types == types(Family::Inet6) { Family::Inet6 } else { Family::Inet }
}

/// Record types of a family and of the other one.
fn record_types(family: Family) -> (&'static str, &'static str) {
    let other = if family == Family::Inet6 { Family::Inet } else { Family::Inet6 };
    (family.record_type(), other.record_type())
}

fn symbol(query: &Query) -> &'static str {
    match &query.end {
        QueryOutcome::SystemFailed(error) => {
            error.code().and_then(EaiCode::symbol).unwrap_or_else(|| query.verdict().name())
        }
        _ => query.verdict().name(),
    }
}
