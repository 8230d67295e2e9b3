//! Findings: reasons for the selected address and for its delay, derived from a report. Each kind has its own file.

mod answers;
mod attempts;
mod evidence;
mod http;
mod kind;
mod late_end;
mod late_start;
pub(crate) mod name;
pub(crate) mod other_clients;
pub(crate) mod phases;
mod source_address;
mod surroundings;
pub(crate) mod syn_resent;
#[cfg(test)]
mod tests;

use std::time::Duration;

use loopctl::plan::{Family, Reason};

use crate::report::{Attempt, Report};

pub(crate) use evidence::{Basis, Evidence, EvidenceSource};
pub(crate) use kind::FindingKind;

/// One reason for the selection or the delay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) kind: FindingKind,
    pub(crate) caused_by: CausedBy,
    /// Delay of the connection.
    pub(crate) cost: Duration,
    pub(crate) text: String,
    pub(crate) basis: Basis,
    pub(crate) evidence: Vec<Evidence>,
}

/// Origin of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CausedBy {
    /// Index into the attempts of the report.
    Attempt(usize),
    Family(Family),
    /// Query for this family.
    Query(Family),
    /// Settings or state of this host.
    Host,
}

/// Shorter delays are noise of this process.
const NOISE: Duration = Duration::from_micros(50);

/// Shorter start lags are not reported.
const MIN_START_LAG: Duration = Duration::from_millis(5);

/// Findings in the order of time.
pub(crate) fn findings(report: &Report) -> Vec<Finding> {
    if report.comparison.is_some() {
        // Because each address was tried separately, nothing was delayed.
        return Vec::new();
    }
    let mut found: Vec<Finding> = answers::answer_finding(report).into_iter().collect();
    found.extend(late_end::late_lookup_finding(report));
    found.extend(name::name_findings(report));
    found.extend(source_address::source_finding(report));
    // Without a connection, no finding has a cost.
    let until = report.selected.unwrap_or_default();
    for (number, attempt) in report.attempts.iter().enumerate() {
        let cost = if number < until { attempt_cost(report, number) } else { Duration::ZERO };
        found.extend(answers::late_address_finding(report, number));
        found.extend(attempts::attempt_finding(report, number, attempt, cost));
        let late = if (1..=until).contains(&number) { start_lag(attempt) } else { Duration::ZERO };
        found.extend(late_end::late_end_finding(report, number, attempt));
        found.extend(syn_resent::syn_finding(report).filter(|_| report.selected == Some(number)));
        found.extend(late_start::late_start_finding(number, attempt, late));
    }
    found.extend(late_end::late_handshake_finding(report));
    found.extend(phases::phase_findings(report));
    found.extend(surroundings::surroundings_findings(report));
    found
}

/// Delay of the next attempt by this one.
fn attempt_cost(report: &Report, number: usize) -> Duration {
    let (this, Some(next)) = (&report.attempts[number], report.attempts.get(number + 1)) else {
        return Duration::ZERO;
    };
    let gap = next.start.saturating_sub(this.start).saturating_sub(next.schedule.start_lag);
    match next.schedule.reason {
        // Because this host caused the rest, by looking late.
        Reason::AttemptEnded(_) => gap.saturating_sub(report.end_lag(this)),
        Reason::LateAnswer => gap.min(attempt_delay(report, this)),
        _ => gap,
    }
}

/// Start lag, or zero below the threshold.
fn start_lag(attempt: &Attempt) -> Duration {
    Some(attempt.schedule.start_lag)
        .filter(|start_lag| *start_lag >= MIN_START_LAG)
        .unwrap_or_default()
}

/// Delay by an attempt of a next one whose address is known in time.
fn attempt_delay(report: &Report, attempt: &Attempt) -> Duration {
    let delay = report.subject.policy.connection_attempt_delay;
    let took = attempt.end().saturating_sub(attempt.start);
    delay.map_or(took, |delay| delay.min(took))
}
