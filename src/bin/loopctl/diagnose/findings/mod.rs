//! Findings: reasons for the selected address and for its delay, derived from a report.

#[cfg(test)]
mod tests;

use std::time::Duration;

use loopctl::EaiCode;
use loopctl::plan::{Family, FirstAttemptReason, Reason};

use super::cause;
use super::cause::{Cause, ip_text};
use crate::report::family::FamilyNames as _;
use crate::report::query::{Query, QueryOutcome, QueryStatus, types};
use crate::report::{Attempt, Outcome, Report, Via};
use crate::util::units;

/// One reason for the selection or the delay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Kind in JSON documents.
    pub(crate) kind: &'static str,
    pub(crate) caused_by: CausedBy,
    /// Delay of the connection.
    pub(crate) cost: Duration,
    pub(crate) text: String,
}

/// Origin of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CausedBy {
    /// Index into the attempts of the report.
    Attempt(usize),
    Family(Family),
    /// Query for this family.
    Query(Family),
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
    let mut found: Vec<Finding> = answer_finding(report).into_iter().collect();
    found.extend(source_finding(report));
    // Without a connection, no finding has a cost.
    let until = report.selected.unwrap_or_default();
    for (number, attempt) in report.attempts.iter().enumerate() {
        let cost = if number < until { attempt_cost(report, number) } else { Duration::ZERO };
        found.extend(late_address_finding(report, number));
        found.extend(attempt_finding(report, number, attempt, cost));
        let late = if (1..=until).contains(&number) { start_lag(attempt) } else { Duration::ZERO };
        found.extend(late_start_finding(number, attempt, late));
    }
    found
}

/// Delay of the next attempt by this one.
fn attempt_cost(report: &Report, number: usize) -> Duration {
    let (this, Some(next)) = (&report.attempts[number], report.attempts.get(number + 1)) else {
        return Duration::ZERO;
    };
    let gap = next.start.saturating_sub(this.start).saturating_sub(start_lag(next));
    match next.schedule.reason {
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

/// Finding about a late or missing answer before the first attempt.
fn answer_finding(report: &Report) -> Option<Finding> {
    let cost = report.answer_wait();
    let first = report.attempts.first()?;
    let awaited = report.awaited().filter(|_| !cost.is_zero())?;
    let family = query_family(awaited);
    let (name, other) = record_types(family);
    let v = first.address.family()?.short();
    let late = units::prose(awaited.ended_at().saturating_sub(report.answered_at()));
    let delay = units::limit(report.subject.policy.resolution_delay().unwrap_or_default());
    let is_over = first.schedule.reason == Reason::First(FirstAttemptReason::ResolutionDelay);
    let (kind, text) = match awaited.verdict() {
        QueryStatus::Answered if is_over => (
            "late_answer",
            format!(
                "{v} because {name} came {late} after {other}, more than the {delay} Resolution Delay"
            ),
        ),
        _ if is_over => (
            "late_answer",
            format!(
                "{v} because {name} had no answer within {delay} of {other} (Resolution Delay)"
            ),
        ),
        QueryStatus::Answered => {
            ("waited", format!("waited for {name}, which came {late} after {other}"))
        }
        QueryStatus::NoData | QueryStatus::NxDomain => (
            "no_addresses",
            format!("{v} because there is no {name} record, known {late} after {other}"),
        ),
        _ => {
            let symbol = symbol(awaited);
            ("failed_query", format!("{v} because {name} failed ({symbol}), {late} after {other}"))
        }
    };
    Some(Finding { kind, caused_by: CausedBy::Query(family), cost, text })
}

/// Finding about an address that arrived after its place in the order.
fn late_address_finding(report: &Report, number: usize) -> Option<Finding> {
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
    Some(Finding { kind: "late_answer", caused_by: CausedBy::Query(family), cost, text })
}

/// Delay by an attempt of a next one whose address is known in time.
fn attempt_delay(report: &Report, attempt: &Attempt) -> Duration {
    let delay = report.subject.policy.connection_attempt_delay;
    let took = attempt.end().saturating_sub(attempt.start);
    delay.map_or(took, |delay| delay.min(took))
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

/// Finding about a family that sorts last: by gai.conf(5), or without a source address
/// (RFC 6724, section 6, rule 1).
fn source_finding(report: &Report) -> Option<Finding> {
    let won = report.attempts.first()?.address.family()?;
    if report.resolve.is_ipv4_preferred && won == Family::Inet && report.count(Family::Inet6) > 0 {
        let text = "v4 first because /etc/gai.conf prefers it".to_owned();
        let (kind, caused_by) = ("gai_conf", CausedBy::Family(Family::Inet));
        return Some(Finding { kind, caused_by, cost: Duration::ZERO, text });
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
    let (kind, caused_by) = ("no_source_address", CausedBy::Family(lacking));
    Some(Finding { kind, caused_by, cost: Duration::ZERO, text })
}

/// Finding about an attempt that was not selected, or that lost a SYN.
fn attempt_finding(
    report: &Report,
    number: usize,
    attempt: &Attempt,
    cost: Duration,
) -> Option<Finding> {
    let address = ip_text(attempt);
    let duration = attempt.end().saturating_sub(attempt.start);
    let took = units::prose(duration);
    let finding =
        |kind, text| Some(Finding { kind, caused_by: CausedBy::Attempt(number), cost, text });
    if report.selected == Some(number) {
        let resends = attempt.resends();
        let count = match resends {
            0 => return None,
            1 => "once".to_owned(),
            count => format!("{count} times"),
        };
        return finding(
            "syn_lost",
            format!("`{address}`: SYN lost {count}, sent again by the kernel"),
        );
    }
    let Some(cause) = Cause::of(attempt) else {
        let delay = report.subject.policy.connection_attempt_delay;
        let delay = delay.filter(|delay| *delay < duration).map(|delay| {
            format!(", more than the Connection Attempt Delay of {}", units::limit(delay))
        });
        return finding(
            "slow",
            format!("`{address}` works, but took {took}{}", delay.unwrap_or_default()),
        );
    };
    let (kind, text) = match (&attempt.outcome, cause) {
        (_, Cause::NoAnswerToTls | Cause::Untrusted | Cause::NoTls) => {
            (cause.code(), tls_text(attempt, cause))
        }
        (Outcome::Failure(..), Cause::Refused) => {
            ("refused", format!("`{address}` refused after {took}"))
        }
        (Outcome::Failure(_, failure), cause) => {
            let name = failure.name().unwrap_or("failed");
            let when = if failure.at_once { "at once".to_owned() } else { format!("after {took}") };
            let source = cause::error_source(attempt, failure);
            (cause.code(), format!("`{address}` {name} {when}: {source}"))
        }
        _ => {
            let waited = if cost >= NOISE { cost } else { attempt.took };
            ("silent", format!("`{address}` silent for {}", units::prose(waited)))
        }
    };
    finding(kind, text)
}

/// Text about an attempt that connected without TLS.
fn tls_text(attempt: &Attempt, cause: Cause) -> String {
    let (address, after) = (ip_text(attempt), units::prose(attempt.tls_took()));
    match cause {
        Cause::NoAnswerToTls => {
            format!("`{address}` connected, but its TLS handshake was not complete after {after}")
        }
        Cause::Untrusted => format!("`{address}` connected, but its certificate is refused"),
        _ => format!("`{address}` connected, but TLS failed after {after}"),
    }
}

/// Finding about a late start, because this host was busy. The first attempt has none:
/// its delay counts for the answer.
fn late_start_finding(number: usize, attempt: &Attempt, cost: Duration) -> Option<Finding> {
    let late = Some(start_lag(attempt)).filter(|start_lag| !start_lag.is_zero())?;
    let text =
        format!("`{}` started {} late: this host was busy", ip_text(attempt), units::prose(late));
    Some(Finding { kind: "late_start", caused_by: CausedBy::Attempt(number), cost, text })
}
