//! Comparison of policies as text.

pub(crate) mod grid;
pub(crate) mod notes;
#[cfg(test)]
pub(crate) mod tests;

use anstyle::{AnsiColor, Style as Ansi};
use loopctl::plan::Family;

use crate::diagnose::cause;
use crate::diagnose::name;
use crate::report::compare::{Comparison, Lookup, LookupEnd, Measurement, Probe, Row};
use crate::report::family::FamilyNames as _;
use crate::report::prediction::PredictedResult;
use crate::report::{Outcome, Report};
use crate::util::style::Style;
use crate::util::units;

use grid::{Cell, Grid};
pub(crate) use notes::client;

/// Headline, lookups, addresses, policies, and a summary.
pub(crate) fn text(report: &Report, comparison: &Comparison, style: Style) -> String {
    let measurement = &comparison.measurement;
    let parts = [
        sentence(&headline(report, comparison), style),
        lookups(measurement, style),
        addresses(measurement, style),
        match comparison.is_live {
            true => crate::output::progress::compare::rows(report, comparison, style),
            false => rows(comparison, style),
        },
        sentence(&notes::sum(report, comparison), style),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

/// Wraps text; an empty text has no lines.
fn sentence(text: &str, style: Style) -> String {
    let lines = units::wrap(text, style.width.unwrap_or(usize::MAX)).into_iter();
    let lines = lines.map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty());
    lines.map(|line| line + "\n").collect()
}

fn headline(report: &Report, comparison: &Comparison) -> String {
    let tls = if report.subject.tls.is_some() { "+tls" } else { "" };
    let what = match (comparison.rows.len(), comparison.is_live) {
        (0, _) => "not compared".to_owned(),
        (count, true) => format!("{count} policies run from here"),
        (count, false) => format!("{count} policies compared from here"),
    };
    let took = units::prose(report.total);
    format!("{}  tcp{tls}  {what}  in {took}", report.subject.text)
}

fn lookups(measurement: &Measurement, style: Style) -> String {
    if measurement.lookups.is_empty() {
        return String::new();
    }
    let via = if measurement.is_dns { "dns" } else { "system" };
    let mut grid = Grid::new([Cell::left("lookup"), Cell::right("took ms"), Cell::left(via)]);
    for lookup in &measurement.lookups {
        let name = match lookup.family {
            Family::Unspecified => "both",
            family => family.record_type(),
        };
        let (text, ansi) = found(lookup, measurement);
        let took = match lookup.end {
            LookupEnd::Silent | LookupEnd::Interrupted => "-".to_owned(),
            _ => units::column(lookup.took),
        };
        grid.push([Cell::left(name), Cell::right(took), Cell::left(text).paint(ansi)]);
    }
    grid.render(style)
}

/// Result of a lookup, with the labels of its addresses.
fn found(lookup: &Lookup, measurement: &Measurement) -> (String, Ansi) {
    match &lookup.end {
        LookupEnd::Found(found) => {
            let labels = found.iter().map(|to| measurement.label(*to).to_owned());
            let is_joint = lookup.family == Family::Unspecified;
            let note = if is_joint { " (getaddrinfo)" } else { "" };
            (format!("{}{note}", units::shortened(labels)), Ansi::new())
        }
        LookupEnd::Failed(error) => (name::without_name(error), AnsiColor::Yellow.on_default()),
        LookupEnd::Silent => {
            let took = units::prose(lookup.took);
            (format!("no answer in {took}"), AnsiColor::Yellow.on_default())
        }
        LookupEnd::Interrupted => ("interrupted".to_owned(), Ansi::new()),
    }
}

fn addresses(measurement: &Measurement, style: Style) -> String {
    if measurement.probes.is_empty() {
        return String::new();
    }
    let header = ["", "address", "took ms", "outcome"].map(Cell::left);
    let [empty, address, took, outcome] = header;
    let mut grid = Grid::new([empty, address, took.rightward(), outcome]);
    for probe in measurement.probes.iter() {
        let (text, ansi) = outcome_of(probe);
        let took = match probe.attempt.outcome {
            Outcome::Success | Outcome::Failure(..) => units::column(probe.attempt.took),
            _ => "-".to_owned(),
        };
        grid.push([
            Cell::left(&probe.label),
            Cell::left(probe.to.to_string()),
            Cell::right(took),
            Cell::left(text).paint(ansi),
        ]);
    }
    grid.render(style)
}

fn outcome_of(probe: &Probe) -> (String, Ansi) {
    let took = units::prose(probe.attempt.took);
    let resends = match probe.attempt.resends() {
        0 => String::new(),
        count => format!(", SYN resent {count}"),
    };
    match (&probe.attempt.outcome, &probe.tls) {
        (Outcome::Success, None) => (format!("connected{resends}"), AnsiColor::Green.on_default()),
        (Outcome::Success, Some(tls)) => match &tls.failure {
            None => {
                let took = tls.took().map_or_else(String::new, units::prose);
                (format!("connected, tls {took}{resends}"), AnsiColor::Green.on_default())
            }
            Some(failure) => {
                let why = cause::tls_message(tls, failure);
                (format!("connected, no tls: {why}"), AnsiColor::Red.on_default())
            }
        },
        (Outcome::Failure(_, failure), _) => {
            let text = notes::failure_text(&probe.attempt)
                .map_or_else(|| cause::failure_text(failure), str::to_owned);
            (format!("{text}{resends}"), AnsiColor::Red.on_default())
        }
        (Outcome::Timeout, _) => {
            (format!("no answer in {took}{resends}"), AnsiColor::Yellow.on_default())
        }
        _ => ("interrupted".to_owned(), Ansi::new()),
    }
}

/// Sorts policies: the fastest first, uncertain ones next, failures last.
fn rows(comparison: &Comparison, style: Style) -> String {
    if comparison.rows.is_empty() {
        return String::new();
    }
    let mut header =
        vec![Cell::left(""), Cell::left("policy"), Cell::left("as in"), Cell::left("winner")];
    header.extend([Cell::right("ms"), Cell::left("why")]);
    let mut grid = Grid::new(header).drops(2);
    for row in sorted(comparison) {
        let (winner, ms, ansi) = result(row, &comparison.measurement);
        grid.push([
            Cell::left(if row.is_own { "*" } else { "" }),
            Cell::left(row.name),
            Cell::left(client(row.name)),
            Cell::left(winner).paint(ansi),
            Cell::right(ms).paint(ansi),
            Cell::left(notes::why(row, &comparison.measurement)),
        ]);
    }
    grid.render(style)
}

fn sorted(comparison: &Comparison) -> Vec<&Row> {
    let mut rows: Vec<&Row> = comparison.rows.iter().collect();
    rows.sort_by_key(|row| {
        let end = row.prediction.certain();
        let class = match end.map(|end| end.how) {
            Some(PredictedResult::Connects(_)) => 0,
            None => 1,
            Some(_) => 2,
        };
        (class, end.map(|end| end.after.as_micros() / 100))
    });
    rows
}

/// Label and time of the winner, or their replacements, with a colour.
pub(crate) fn result(row: &Row, measurement: &Measurement) -> (String, String, Ansi) {
    let prediction = &row.prediction;
    if notes::is_unmeasurable(row, measurement) {
        return ("unknown".to_owned(), "-".to_owned(), AnsiColor::Yellow.on_default());
    }
    if let Some(from) = prediction.certain_until {
        let bound = format!("> {}", units::prose(from));
        return ("-".to_owned(), bound, AnsiColor::Yellow.on_default());
    }
    let Some(end) = prediction.end else {
        return ("-".to_owned(), "-".to_owned(), AnsiColor::Yellow.on_default());
    };
    let ms = units::column(end.after);
    match end.how {
        PredictedResult::Connects(to) => {
            (measurement.label(to).to_owned(), ms, AnsiColor::Green.on_default())
        }
        _ => ("fails".to_owned(), ms, AnsiColor::Red.on_default()),
    }
}
