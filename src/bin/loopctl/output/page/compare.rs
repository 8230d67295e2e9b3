//! Comparison of policies on the page of a connection: a bar for each policy, and the measurement below it.

use super::connect::endpoint_of;
use super::model::{BarRow, Bars, Mark, Note, Page, Part, Segment, Shade, Table, Tone};
use super::words::{column, column_of, endpoint, prose, word};
use crate::output::wire::common::{AttemptResult, Ms};
use crate::output::wire::compare::{
    Compare, Measured, MeasuredOutcome, PolicyRow, Predicted, PredictedOutcome, ProbeAddress,
};

pub(super) fn add_sections(page: &mut Page, compare: &Compare) {
    let mut policies: Vec<&PolicyRow> = compare.policies.iter().collect();
    policies.sort_by(|one, other| rank(&one.predicted).total_cmp(&rank(&other.predicted)));
    let bars = Bars::of_ms(policies.iter().map(|policy| bar(policy)).collect());
    let parts = vec![Part::Bars(bars), Part::Table(table(&policies))];
    page.section("Time until each policy has a connection", parts);
    page.section("Measured lookups", vec![Part::Table(lookups(compare))]);
    page.section("Measured addresses", vec![Part::Table(addresses(compare))]);
}

/// Result of the policy that was asked for: measured, or predicted.
pub(super) fn verdict(compare: &Compare) -> Option<Note> {
    let own = compare.policies.iter().find(|policy| policy.selected)?;
    let (name, predicted) = (&own.name, &own.predicted);
    let (to, took, how) = match &own.measured {
        Some(run) => (endpoint_of(run.ip.as_ref(), run.port), Some(run.ms), "measured"),
        None => (endpoint_of(predicted.ip.as_ref(), predicted.port), predicted.ms, "predicted"),
    };
    Some(match (to, took) {
        (Some(to), Some(took)) => {
            Note::new(Tone::Good, "", format!("{name}: {to} after {} ({how})", prose(took)))
        }
        _ => Note::new(Tone::Bad, "", format!("{name}: {}", expectation(predicted))),
    })
}

/// Connections by their time, then ends that are unknown, then failures.
fn rank(predicted: &Predicted) -> f64 {
    let ms = predicted.ms.or(predicted.at_least_ms).map_or(0.0, Ms::value);
    match predicted.outcome {
        PredictedOutcome::Success => ms,
        PredictedOutcome::Unknown => 1e12 + ms,
        _ => 1e15 + ms,
    }
}

fn bar(policy: &PolicyRow) -> BarRow {
    let predicted = &policy.predicted;
    let to = predicted.ms.or(predicted.at_least_ms).map_or(0.0, Ms::value);
    let predicted_mark = match predicted.outcome {
        PredictedOutcome::Success => None,
        PredictedOutcome::Unknown => Some((to, Mark::Open)),
        _ => Some((to, Mark::Failed)),
    };
    let measured = policy.measured.as_ref().map(|run| match run.outcome {
        MeasuredOutcome::Success => (run.ms.value(), Mark::Measured),
        _ => (run.ms.value(), Mark::Failed),
    });
    BarRow {
        label: policy.name.to_string(),
        tone: match predicted.outcome {
            _ if policy.selected => Tone::Good,
            PredictedOutcome::Success => Tone::Plain,
            PredictedOutcome::Unknown => Tone::Faint,
            _ => Tone::Bad,
        },
        segments: vec![Segment { shade: Shade::Predicted, from: 0.0, to }],
        mark: measured.or(predicted_mark),
        note: expectation(predicted),
    }
}

/// Time of the prediction, or its lower bound, or the failure.
fn expectation(predicted: &Predicted) -> String {
    match (predicted.outcome, predicted.ms, predicted.at_least_ms) {
        (PredictedOutcome::Success, Some(ms), _) => format!("{} ms", column(ms)),
        (_, Some(ms), _) => format!("{} after {}", word(&predicted.outcome), prose(ms)),
        (_, None, Some(from)) => format!("more than {}", prose(from)),
        (outcome, None, None) => word(&outcome),
    }
}

fn table(policies: &[&PolicyRow]) -> Table {
    let names = ["policy", "as in", "address", "predicted ms", "measured ms", "notes"];
    let mut table = Table::new(&names);
    for policy in policies {
        let predicted = &policy.predicted;
        let cells = vec![
            policy.name.to_string(),
            policy.client.to_string(),
            endpoint_of(predicted.ip.as_ref(), predicted.port).unwrap_or_default(),
            column_of(predicted.ms),
            column_of(policy.measured.as_ref().map(|run| run.ms)),
            notes(policy).join(", "),
        ];
        table.push(if policy.selected { Tone::Good } else { Tone::Plain }, cells);
    }
    table.without_empty_columns()
}

fn notes(policy: &PolicyRow) -> Vec<String> {
    let predicted = &policy.predicted;
    let mut notes = Vec::new();
    notes.extend(policy.selected.then(|| "policy of this run".to_owned()));
    if predicted.outcome != PredictedOutcome::Success {
        notes.push(expectation(predicted));
    }
    notes.extend(predicted.if_silent.as_ref().map(|end| {
        format!("if the silence lasts: {} after {}", word(&end.outcome), prose(end.ms))
    }));
    notes.extend(policy.measured.as_ref().and_then(failure));
    notes.extend(policy.mismatch.as_ref().map(|it| format!("not as predicted: {}", word(it))));
    notes
}

fn failure(run: &Measured) -> Option<String> {
    run.message.as_ref().map(|message| format!("run: {message}"))
}

fn lookups(compare: &Compare) -> Table {
    let mut table = Table::new(&["types", "asked", "took ms", "result", "addresses", "notes"]);
    for query in &compare.probes.queries {
        let types: Vec<String> = query.types.iter().map(word).collect();
        let cells = vec![
            types.join(" + "),
            word(&query.via),
            column(query.duration_ms),
            word(&query.result),
            query.addresses.join(", "),
            query.error.as_ref().map(|error| error.message.clone()).unwrap_or_default(),
        ];
        table.push(Tone::Plain, cells);
    }
    table.without_empty_columns()
}

fn addresses(compare: &Compare) -> Table {
    let mut table = Table::new(&["label", "address", "took ms", "tls ms", "outcome"]);
    for probe in &compare.probes.addresses {
        let is_good = probe.result == AttemptResult::Success;
        let tls = probe.tls.as_ref();
        let cells = vec![
            probe.label.clone(),
            endpoint(&probe.ip, probe.port),
            column(probe.duration_ms),
            column_of(tls.and_then(|tls| tls.duration_ms)),
            outcome(probe),
        ];
        table.push(if is_good { Tone::Plain } else { Tone::Bad }, cells);
    }
    table.without_empty_columns()
}

fn outcome(probe: &ProbeAddress) -> String {
    let of_tls = || probe.tls.as_ref().and_then(|tls| tls.error.as_ref());
    let error = probe.error.as_ref().or_else(of_tls);
    match (probe.result, error) {
        (AttemptResult::Success, None) => "connected".to_owned(),
        (_, Some(error)) => error.message.clone(),
        (result, None) => word(&result),
    }
}
