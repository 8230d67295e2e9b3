//! Results of the policies that were run, beside their predictions.

use anstyle::{AnsiColor, Style as Ansi};

use crate::diagnose::cause;
use crate::output::human::compare::grid::{Cell, Grid};
use crate::output::human::compare::result;
use crate::report::Report;
use crate::report::compare::{Comparison, Measured, Measurement, Mismatch, Row};
use crate::util::style::Style;
use crate::util::units;

/// Table of the policies, in the order of their runs.
pub(crate) fn rows(report: &Report, comparison: &Comparison, style: Style) -> String {
    /// Columns for two results and their times.
    const NARROW: usize = 60;
    if comparison.rows.is_empty() {
        return String::new();
    }
    if style.width.is_some_and(|width| width < NARROW) {
        return narrow_rows(report, comparison, style);
    }
    let header = ["", "policy", "predicted", "", "measured", "", "why"];
    let [mark, policy, predicted, ms, measured, took, why] = header.map(Cell::left);
    let mut grid = Grid::new([mark, policy, predicted, ms, measured, took, why]);
    for row in &comparison.rows {
        let measurement = &comparison.measurement;
        let (winner, ms, ansi) = result(row, measurement);
        let (measured, took) = of_run(row.measured.as_ref(), measurement);
        let mismatch = row.mismatch(report.subject.timeout);
        let text = match mismatch {
            Some(mismatch) => difference(mismatch, row, measurement),
            None => crate::output::human::compare::notes::why(row, measurement),
        };
        let warning = match mismatch {
            Some(_) => AnsiColor::Yellow.on_default().bold(),
            None => Ansi::new(),
        };
        grid.push([
            Cell::left(if row.is_own { "*" } else { "" }),
            Cell::left(row.name),
            Cell::left(winner).paint(ansi),
            Cell::right(ms).paint(ansi),
            Cell::left(measured).paint(warning),
            Cell::right(took).paint(warning),
            Cell::left(text).paint(warning),
        ]);
    }
    grid.render(style)
}

/// Two lines per policy: the result, then the prediction.
fn narrow_rows(report: &Report, comparison: &Comparison, style: Style) -> String {
    let [mark, policy, measured, took, why] = ["", "policy", "measured", "", ""].map(Cell::left);
    let mut grid = Grid::new([mark, policy, measured, took, why]);
    for row in &comparison.rows {
        let measurement = &comparison.measurement;
        let (winner, ms, ansi) = result(row, measurement);
        let (measured, took) = of_run(row.measured.as_ref(), measurement);
        let mismatch = row.mismatch(report.subject.timeout);
        let (text, ansi) = match mismatch {
            Some(mismatch) => (
                format!("{}, predicted {winner} {ms}", difference(mismatch, row, measurement)),
                AnsiColor::Yellow.on_default().bold(),
            ),
            None => (format!("predicted {winner} {ms}"), ansi),
        };
        grid.push([
            Cell::left(if row.is_own { "*" } else { "" }),
            Cell::left(row.name),
            Cell::left(measured),
            Cell::right(took),
            Cell::left(text).paint(ansi),
        ]);
    }
    grid.render(style)
}

fn of_run(measured: Option<&Measured>, measurement: &Measurement) -> (String, String) {
    let Some(measured) = measured else { return ("-".to_owned(), "-".to_owned()) };
    let took = units::column(measured.after);
    let who = match measured.to {
        Some(to) => measurement.label(to).to_owned(),
        None => "fails".to_owned(),
    };
    (who, took)
}

/// Difference from the prediction.
fn difference(mismatch: Mismatch, row: &Row, measurement: &Measurement) -> String {
    let to = row.measured.as_ref().and_then(|measured| measured.to);
    let who = to.map_or_else(String::new, |to| match measurement.probe(to) {
        Some(probe) => probe.label.clone(),
        None => to.ip().to_string(),
    });
    match mismatch {
        Mismatch::OtherWinner => format!("mismatch: {who} has won"),
        Mismatch::Earlier(by) => format!("mismatch: {} earlier", units::prose(by)),
        Mismatch::Later(by) => format!("mismatch: {} later", units::prose(by)),
        Mismatch::Connected => format!("mismatch: {who} has connected"),
        Mismatch::NotConnected => {
            let why = row.measured.as_ref().and_then(cause::run_failure);
            format!("mismatch: {}", why.unwrap_or_else(|| "no connection".to_owned()))
        }
    }
}
