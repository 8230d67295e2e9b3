//! Attempts as a table that fits the terminal.

use anstyle::{AnsiColor, Effects, Style as Ansi};
use comfy_table::{Cell, CellAlignment, Table, presets};

use super::timeline::Timeline;
use super::tls;
use crate::diagnose::cause::{Cause, failure_text};
use crate::diagnose::rejection::rejection;
use crate::report::{Attempt, Outcome, Report, TransportKind};
use crate::util::style::Style;
use crate::util::units;

/// One line of the table, before it is laid out.
struct Line {
    cells: [String; 5],
    bar: String,
    ansi: Ansi,
}

/// The table; on a narrow terminal, each attempt on two lines.
pub(crate) fn table(report: &Report, style: Style) -> String {
    let mut lines = lines(report);
    let plain = width(&lines);
    let room = style.width.map_or(0, |width| width.saturating_sub(plain + 2));
    let timeline = Timeline::new(report, room, style.unicode);
    if let Some(timeline) = &timeline {
        for (number, (line, attempt)) in lines.iter_mut().zip(&report.attempts).enumerate() {
            line.bar = timeline.bar(attempt, report.tls_of(number));
        }
    }
    match style.width {
        Some(width) if plain > width => stacked(&lines, style),
        _ => columns(&lines, timeline.as_ref(), style),
    }
}

fn lines(report: &Report) -> Vec<Line> {
    let attempts = report.attempts.iter().enumerate();
    let tried = attempts.map(|(number, attempt)| Line::of(number, attempt, report));
    let not_tried = report.not_tried().iter().map(|address| Line {
        cells: ["-", &address.to_string(), "-", "-", "not tried"].map(str::to_owned),
        bar: String::new(),
        ansi: dim(),
    });
    tried.chain(not_tried).collect()
}

impl Line {
    fn of(number: usize, attempt: &Attempt, report: &Report) -> Self {
        let is_winner = report.selected == Some(number);
        let has_won = is_winner && report.subject.transport != TransportKind::Udp;
        let success = if has_won { "won" } else { super::text::reached(report, number) };
        let cells = [
            (number + 1).to_string(),
            attempt.address.to_string(),
            units::column(attempt.start),
            units::column(attempt.took),
            outcome(attempt, success, report.selected.is_some()),
        ];
        let is_silent = report.answered(number) == Some(false);
        Self { cells, bar: String::new(), ansi: ansi(attempt, is_winner, is_silent) }
    }
}

/// Outcome of an attempt as text; the colour only repeats it.
fn outcome(attempt: &Attempt, success: &str, has_winner: bool) -> String {
    let lost = if has_winner { "lost" } else { "given up" };
    if let Some((tls, failure)) = attempt.tls_failure() {
        return tls::outcome(tls, failure, lost);
    }
    if let Some(rejection) = rejection(attempt) {
        return resent(rejection.short(), attempt, has_winner);
    }
    let text = match (&attempt.outcome, Cause::of(attempt)) {
        (Outcome::Success, _) if attempt.is_reset => format!("{success}, then reset"),
        (Outcome::Success, _) => success.to_owned(),
        (Outcome::Canceled, None) => format!("{lost}, had connected"),
        (Outcome::Canceled, _) => format!("{lost}, no answer"),
        (Outcome::Timeout, _) => "timed out".to_owned(),
        (Outcome::Pending, _) => "pending".to_owned(),
        (Outcome::Failure(..), Some(Cause::Refused)) => "refused".to_owned(),
        (Outcome::Failure(..), Some(Cause::Prohibited)) => "prohibited".to_owned(),
        (Outcome::Failure(..), Some(Cause::NoRoute)) => "no route".to_owned(),
        (Outcome::Failure(..), Some(Cause::NoPort)) => "no free port".to_owned(),
        (Outcome::Failure(..), Some(Cause::Unreachable)) => "unreachable".to_owned(),
        (Outcome::Failure(..), Some(Cause::Silent)) => "timed out (kernel)".to_owned(),
        (Outcome::Failure(..), Some(Cause::Bind)) => "cannot bind".to_owned(),
        (Outcome::Failure(_, failure), _) => failure_text(failure),
    };
    resent(text, attempt, has_winner)
}

/// Text with the number of SYNs that were sent again.
fn resent(text: String, attempt: &Attempt, has_winner: bool) -> String {
    match (&attempt.outcome, attempt.resends()) {
        (_, 0) => text,
        (Outcome::Canceled, count) if has_winner => format!("no answer, SYN resent {count}"),
        (_, count) => format!("{text}, SYN resent {count}"),
    }
}

fn ansi(attempt: &Attempt, is_winner: bool, is_silent: bool) -> Ansi {
    match attempt.outcome {
        Outcome::Success if is_silent => AnsiColor::Yellow.on_default(),
        Outcome::Success if is_winner => AnsiColor::Green.on_default().bold(),
        Outcome::Success => AnsiColor::Green.on_default(),
        Outcome::Failure(..) => AnsiColor::Red.on_default(),
        Outcome::Timeout => AnsiColor::Yellow.on_default(),
        Outcome::Canceled | Outcome::Pending => AnsiColor::Yellow.on_default(),
    }
}

fn dim() -> Ansi {
    Ansi::new().effects(Effects::DIMMED)
}

const HEADER: [&str; 5] = ["#", "address", "start ms", "took ms", "outcome"];

/// The columns that the table takes without its bars.
fn width(lines: &[Line]) -> usize {
    let widest = |column: usize| {
        let cells = lines.iter().map(|line| units::display_width(&line.cells[column]));
        cells.chain([HEADER[column].len()]).max().unwrap_or(0)
    };
    (0..HEADER.len()).map(|column| widest(column) + 2).sum()
}

fn columns(lines: &[Line], timeline: Option<&Timeline>, style: Style) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let axis = timeline.map(Timeline::axis).unwrap_or_default();
    table.set_header(HEADER.iter().map(ToString::to_string).chain([axis]));
    for line in lines {
        let right = |cell: &String| Cell::new(cell).set_alignment(CellAlignment::Right);
        let [number, address, start, took, outcome] = &line.cells;
        table.add_row([
            right(number),
            Cell::new(address),
            right(start),
            right(took),
            Cell::new(outcome),
            Cell::new(&line.bar),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((2, 0));
    }
    for right in [2, 3] {
        if let Some(column) = table.column_mut(right) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let rendered: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    let painted = rendered.iter().skip(1).zip(lines).map(|(text, line)| paint(text, line, style));
    let header = rendered.iter().take(1).cloned();
    header.chain(painted).map(|line| line + "\n").collect()
}

/// Colours outcome and bar, not the numbers.
fn paint(text: &str, line: &Line, style: Style) -> String {
    if !style.color {
        return text.to_owned();
    }
    let (ansi, outcome) = (line.ansi, &line.cells[4]);
    let at = text.rfind(outcome.as_str()).unwrap_or(text.len());
    let (numbers, rest) = text.split_at(at);
    format!("{numbers}{ansi}{rest}{ansi:#}")
}

fn stacked(lines: &[Line], style: Style) -> String {
    let stack = |line: &Line| {
        let [number, address, start, took, outcome] = &line.cells;
        let ansi = if style.color { line.ansi } else { Ansi::new() };
        let times = if start == "-" { String::new() } else { format!("{start} +{took} ms  ") };
        format!("  {number}  {address}\n     {times}{ansi}{outcome}{ansi:#}\n")
    };
    lines.iter().map(stack).collect()
}
