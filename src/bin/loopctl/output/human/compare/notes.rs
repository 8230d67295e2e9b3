//! Reasons for the time of each policy, and the summary of a comparison.

use std::net::SocketAddr;
use std::time::Duration;

use loopctl::plan::{Family, Preset, Reason, Resolution};

use crate::diagnose::cause::Cause;
use crate::diagnose::prediction::{AttemptModel, StepEnd, StepModel};
use crate::report::compare::{Comparison, Measurement, Probe, Row};
use crate::report::family::FamilyNames as _;
use crate::report::prediction::{PredictedEnd, PredictedResult, PredictedStart};
use crate::report::{Attempt, Report};
use crate::util::units;

/// Minimum delay that is explained.
const MIN_COST: Duration = Duration::from_millis(1);

/// Clients with the behaviour of a preset.
pub(crate) fn client(name: &str) -> &'static str {
    let Ok(preset) = name.parse::<Preset>() else { return "with your flags" };
    match preset {
        Preset::Hev3 => "HEv3 draft",
        Preset::Rfc8305 => "RFC 8305",
        Preset::Asyncio => "aiohttp, anyio",
        Preset::Curl => "curl 8.22",
        Preset::Curl7 => "curl 7.88",
        Preset::Node => "Node 20",
        Preset::Go => "Go, reqwest",
        Preset::Chrome => "Chrome 156",
        Preset::ChromeHev3 => "Chrome, flag",
        Preset::Firefox => "Firefox 153",
        Preset::FirefoxNightly => "Nightly",
        Preset::Trio => "trio 0.35",
        Preset::Sequential => "requests, wget",
        Preset::Simultaneous => "all at once",
        _ => "",
    }
}

/// Short reason for a failed attempt.
pub(crate) fn failure_text(attempt: &Attempt) -> Option<&'static str> {
    Some(match Cause::of(attempt)? {
        Cause::Refused => "refused",
        Cause::Rejected => "rejected",
        Cause::Silent => "silent",
        Cause::Unreachable => "unreachable",
        Cause::NoRoute => "no route",
        Cause::NoPort => "no free port",
        Cause::Prohibited => "prohibited",
        Cause::Reset => "reset",
        Cause::NoAnswerToTls => "TLS silent",
        Cause::Untrusted => "not trusted",
        Cause::NoTls => "TLS failed",
        Cause::Bind => "cannot bind",
        Cause::Other => return None,
    })
}

/// Reason for the time or the failure of a row.
pub(crate) fn why(row: &Row, measurement: &Measurement) -> String {
    let prediction = &row.prediction;
    let starts = &prediction.starts;
    if prediction.certain_until.is_some() {
        return match prediction.end {
            None if starts.is_empty() => "no answer from the resolver".to_owned(),
            None => silent(row, measurement),
            Some(end) => {
                format!(
                    "{}; {} if nothing changes",
                    silent(row, measurement),
                    later(end, measurement)
                )
            }
        };
    }
    match prediction.end.map(|end| end.how) {
        Some(PredictedResult::Connects(to)) => cost(row, to, measurement),
        Some(PredictedResult::AllFail) => outcomes(starts.iter(), measurement),
        Some(PredictedResult::NoTls(to)) => format!("{} TLS failed", measurement.label(to)),
        Some(PredictedResult::NotResolved) => "no address".to_owned(),
        None => String::new(),
    }
}

/// Later end of a policy, if the silence lasts.
fn later(end: PredictedEnd, measurement: &Measurement) -> String {
    let at = whole_seconds(end.after);
    match end.how {
        PredictedResult::Connects(to) => format!("{} at {at}", measurement.label(to)),
        _ => format!("fails at {at}"),
    }
}

/// Duration without decimals from ten seconds on.
fn whole_seconds(time: Duration) -> String {
    match time.as_secs() {
        0..10 => units::prose(time),
        _ => format!("{:.0} s", time.as_secs_f64()),
    }
}

/// Delay of a connection, with its reasons.
fn cost(row: &Row, to: SocketAddr, measurement: &Measurement) -> String {
    let starts = &row.prediction.starts;
    let Some(at) = starts.iter().rposition(|start| start.to == to) else { return String::new() };
    let known = measurement.first_answer();
    let cost = starts[at].at.saturating_sub(known);
    if cost < MIN_COST {
        return String::new();
    }
    let waited = starts.first().map_or(known, |first| first.at).saturating_sub(known);
    let is_late = waited >= MIN_COST.max(cost / 20) || starts[at].reason == Reason::LateAnswer;
    let mut parts: Vec<String> = is_late.then(|| late(row, measurement)).into_iter().collect();
    parts.extend(Some(outcomes(starts[..at].iter(), measurement)).filter(|text| !text.is_empty()));
    format!("+{}: {}", units::column(cost), parts.join(", "))
}

/// Reason for a late first attempt.
fn late(row: &Row, measurement: &Measurement) -> String {
    let apart = measurement.lookups.iter().filter(|it| it.family != Family::Unspecified);
    let slowest = apart.max_by_key(|lookup| lookup.took);
    let first = measurement.first_answer();
    match (row.policy.resolution, slowest) {
        (_, Some(slowest)) if slowest.took >= first + MIN_COST => {
            format!("{} late", slowest.family.record_type())
        }
        (Resolution::Joint { .. }, _) => "slow getaddrinfo".to_owned(),
        _ => "late answer".to_owned(),
    }
}

/// Outcomes of attempts, grouped by outcome.
fn outcomes<'a>(
    starts: impl Iterator<Item = &'a PredictedStart>,
    measurement: &Measurement,
) -> String {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for start in starts {
        let Some(probe) = measurement.probe(start.to) else { continue };
        let text = match probe.model() {
            AttemptModel { tls: Some(StepModel { end: StepEnd::Silent, .. }), .. } => "TLS silent",
            AttemptModel { tls: Some(StepModel { end: StepEnd::Fails, .. }), .. } => "TLS failed",
            fate if fate.is_unmeasurable() => "TLS cannot be measured from here",
            fate if fate.tcp.end == StepEnd::Succeeds => match probe.attempt.resends() {
                0 => "slow",
                _ => "SYN resent",
            },
            _ => failure_text(&probe.attempt).unwrap_or("failed"),
        };
        match groups.iter_mut().find(|(known, _)| *known == text) {
            Some((_, labels)) => labels.push(probe.label.clone()),
            None => groups.push((text, vec![probe.label.clone()])),
        }
    }
    let groups = groups.into_iter();
    let groups =
        groups.map(|(text, labels)| format!("{} {text}", units::shortened(labels.into_iter())));
    groups.collect::<Vec<_>>().join(", ")
}

/// Attempts without an answer.
fn silent(row: &Row, measurement: &Measurement) -> String {
    let is_silent = |start: &&PredictedStart| {
        let fate = measurement.probe(start.to).map(Probe::model);
        fate.is_none_or(|fate| fate.is_silent() || fate.is_unmeasurable())
    };
    outcomes(row.prediction.starts.iter().filter(is_silent), measurement)
}

/// Summary in one or two sentences.
pub(crate) fn sum(report: &Report, comparison: &Comparison) -> String {
    let Comparison { rows, measurement, .. } = comparison;
    if rows.is_empty() {
        return String::new();
    }
    let fails = |row: &&Row| {
        row.prediction.certain().is_some_and(|end| !matches!(end.how, PredictedResult::Connects(_)))
    };
    let failing = match rows.iter().filter(fails).count() {
        0 => None,
        count if count == rows.len() => Some(format!("all {count} fail")),
        1 => Some("1 fails".to_owned()),
        count => Some(format!("{count} fail")),
    };
    let without = match runs(rows) {
        0 => [
            hanging(rows, measurement),
            uncertain(rows, measurement),
            unmeasurable(rows, measurement),
            failing,
        ],
        run => [without_connection(rows, run), not_run(rows.len() - run), None, None],
    };
    let parts: Vec<String> = [connecting(rows)].into_iter().chain(without).flatten().collect();
    let silent = silent_addresses(measurement).map_or_else(String::new, |text| format!(": {text}"));
    parts.join("; ") + &silent + &differences(report, comparison)
}

/// Number of policies that were run.
fn runs(rows: &[Row]) -> usize {
    rows.iter().filter(|row| row.measured.is_some()).count()
}

fn not_run(count: usize) -> Option<String> {
    match count {
        0 => None,
        1 => Some("1 was not run".to_owned()),
        count => Some(format!("{count} were not run")),
    }
}

/// Number of policies that connect, with their times.
fn connecting(rows: &[Row]) -> Option<String> {
    let is_run = runs(rows) > 0;
    let time = |row: &Row| match &row.measured {
        Some(measured) => measured.to.map(|_| measured.after),
        None if is_run => None,
        None => Some(row.prediction.connection()?.1),
    };
    let times: Vec<Duration> = rows.iter().filter_map(time).collect();
    let (min, max) = (*times.iter().min()?, *times.iter().max()?);
    let verb = match (is_run, times.len()) {
        (true, _) => "connected",
        (false, 1) => "connects",
        (false, _) => "connect",
    };
    let total = if is_run { runs(rows) } else { rows.len() };
    let who = match (times.len(), total) {
        (1, 1) => format!("1 {verb}"),
        (count, total) if count == total => format!("all {total} {verb}"),
        (count, total) => format!("{count} of {total} {verb}"),
    };
    let (min, max) = (units::prose(min), units::prose(max));
    Some(match (min.split_once(' '), max.split_once(' ')) {
        _ if min == max => format!("{who} in {min}"),
        (Some((number, unit)), Some((_, other))) if unit == other => {
            format!("{who} in {number} to {max}")
        }
        _ => format!("{who} in {min} to {max}"),
    })
}

/// Names of the policies that were run and failed.
fn without_connection(rows: &[Row], run: usize) -> Option<String> {
    let is_without = |row: &&Row| row.measured.as_ref().is_some_and(|it| it.to.is_none());
    let names: Vec<&str> = rows.iter().filter(is_without).map(|row| row.name).collect();
    Some(match names.as_slice() {
        [] => return None,
        all if all.len() == run => format!("all {run} failed"),
        few if few.len() <= 3 => format!("{} failed", few.join(", ")),
        many => format!("{} failed", many.len()),
    })
}

/// Names of the policies that hang, with the duration.
fn hanging(rows: &[Row], measurement: &Measurement) -> Option<String> {
    let waiting: Vec<&Row> = rows.iter().filter(|row| hangs(row, measurement)).collect();
    let min = waiting.iter().filter_map(|row| row.prediction.certain_until).min()?;
    let max: Option<Vec<Duration>> =
        waiting.iter().map(|row| Some(row.prediction.end?.after)).collect();
    let who = names(&waiting, rows.len());
    let verb = if waiting.len() == 1 { "hangs" } else { "hang" };
    let long = match max.and_then(|times| times.into_iter().max()) {
        Some(max) => format!("for up to {}", whole_seconds(max)),
        None => format!("for more than {}", units::prose(min)),
    };
    Some(format!("{who} {verb} {long}"))
}

/// Whether the result depends on a handshake that failed for a reason that may be this program's alone.
pub(crate) fn is_unmeasurable(row: &Row, measurement: &Measurement) -> bool {
    let probes = row.prediction.starts.iter().filter_map(|start| measurement.probe(start.to));
    row.prediction.certain_until.is_some()
        && probes.map(Probe::model).any(AttemptModel::is_unmeasurable)
}

/// Policies whose result cannot be measured from here.
fn unmeasurable(rows: &[Row], measurement: &Measurement) -> Option<String> {
    let some: Vec<&Row> = rows.iter().filter(|row| is_unmeasurable(row, measurement)).collect();
    (!some.is_empty()).then(|| format!("{} cannot be measured from here", names(&some, rows.len())))
}

/// Whether only the kernel's timeout ends the policy.
fn hangs(row: &Row, measurement: &Measurement) -> bool {
    if is_unmeasurable(row, measurement) {
        return false;
    }
    let is_short = |end: PredictedEnd| end.after < measurement.kernel;
    row.prediction.certain_until.is_some() && !row.prediction.end.is_some_and(is_short)
}

/// Policies whose result the probes were too short to predict.
fn uncertain(rows: &[Row], measurement: &Measurement) -> Option<String> {
    let is_one = |row: &&Row| {
        row.prediction.certain_until.is_some()
            && !hangs(row, measurement)
            && !is_unmeasurable(row, measurement)
    };
    let some: Vec<&Row> = rows.iter().filter(is_one).collect();
    match some.len() {
        0 => None,
        1 => Some(format!("{} is not certain", some[0].name)),
        _ => Some(format!("{} are not certain", names(&some, rows.len()))),
    }
}

fn names(rows: &[&Row], total: usize) -> String {
    match rows {
        few if few.len() <= 3 => few.iter().map(|row| row.name).collect::<Vec<_>>().join(", "),
        many if many.len() == total => format!("all {total}"),
        many => many.len().to_string(),
    }
}

fn silent_addresses(measurement: &Measurement) -> Option<String> {
    let silent: Vec<String> = measurement
        .probes
        .iter()
        .filter_map(|probe| {
            let fate = Some(probe.model()).filter(|fate| fate.is_silent())?;
            let about = if fate.tcp.end == StepEnd::Silent { "" } else { " (TLS)" };
            Some(format!("`{}`{about}", probe.to.ip()))
        })
        .collect();
    Some(match silent.as_slice() {
        [] => return None,
        [one] => format!("{one} does not answer"),
        [some @ .., last] if silent.len() < 4 => {
            format!("{} and {last} do not answer", some.join(", "))
        }
        many => format!("{} addresses do not answer", many.len()),
    })
}

/// Number of runs that differ from the prediction.
fn differences(report: &Report, comparison: &Comparison) -> String {
    let run = comparison.rows.iter().filter(|row| row.measured.is_some());
    let count = runs(&comparison.rows);
    if count == 0 {
        return String::new();
    }
    let limit = report.subject.timeout;
    match run.filter(|row| row.mismatch(limit).is_some()).count() {
        0 if count == comparison.rows.len() => ". Every run was as predicted".to_owned(),
        0 => ". The runs so far were as predicted".to_owned(),
        1 => format!(". 1 of {count} runs differs from the prediction"),
        others => format!(". {others} of {count} runs differ from the prediction"),
    }
}
