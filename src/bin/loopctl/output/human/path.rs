//! Paths to a target as text: a row for each hop, and where packets end.

use std::net::IpAddr;

use anstyle::AnsiColor;

use super::compare::grid::{Cell, Grid};
use crate::diagnose::path::{answer_text, end_text, is_rate_limited};
use crate::report::End;
use crate::report::path::{Hop, HopAnswer, HopAnswerKind, Path, PathEnd, PathReport};
use crate::util::style::Style;
use crate::util::units;

/// Headline, then each path.
pub(crate) fn text(report: &PathReport, style: Style) -> String {
    let mut text = units::fit(headline(report, style).trim_end(), style.width);
    for path in &report.paths {
        text += &format!("\n{}", one(report, path, style));
    }
    text
}

fn headline(report: &PathReport, style: Style) -> String {
    let base = &report.base;
    let (target, transport) = (&base.subject.text, base.subject.transport.name());
    let total = units::prose(base.total);
    let result = match base.end {
        End::Interrupted(_) => format!("interrupted after {total}"),
        _ if report.is_reached() => {
            style.paint(AnsiColor::Green.on_default().bold(), &format!("reached, in {total}"))
        }
        _ => style.paint(AnsiColor::Red.on_default().bold(), &format!("not reached, in {total}")),
    };
    format!("{target}  {transport} path  {result}\n")
}

fn one(report: &PathReport, path: &Path, style: Style) -> String {
    let title = units::fit(&format!("  to {}", path.to), style.width);
    let end = units::labelled("  end", &end_text(report, path), style.width);
    title + &table(path, style) + &end + &mtu_line(path, style) + &note(path, style)
}

fn table(path: &Path, style: Style) -> String {
    let hops = path.shown_hops();
    if hops.is_empty() {
        return String::new();
    }
    let header = ["  hop", "address", "lost", "min ms", "max ms", "answer"];
    let [hop, address, lost, min, max, answer] = header.map(Cell::left);
    let right = [lost, min, max].map(Cell::rightward);
    let [lost, min, max] = right;
    let mut grid = Grid::new([hop.rightward(), address, lost, min, max, answer]);
    for hop in hops {
        rows(path, hop).into_iter().for_each(|row| grid.push(row));
    }
    grid.render(style)
}

/// A row for each host that answered; a hop without an answer has one.
fn rows(path: &Path, hop: &Hop) -> Vec<[Cell; 6]> {
    let mut hosts: Vec<(IpAddr, HopAnswerKind)> = Vec::new();
    for answer in &hop.answers {
        if !hosts.contains(&(answer.from, answer.kind)) {
            hosts.push((answer.from, answer.kind));
        }
    }
    let lost = format!("{} of {}", hop.lost(), hop.sent);
    let number = hop.number.to_string();
    if hosts.is_empty() {
        let cells = [number, "-".to_owned(), lost, "-".into(), "-".into(), "no answer".into()];
        return vec![aligned(cells, AnsiColor::Yellow)];
    }
    let rows = hosts.iter().enumerate().map(|(nth, host)| {
        let of_host = hop.answers.iter().filter(|it| (it.from, it.kind) == *host);
        let answers: Vec<HopAnswer> = of_host.copied().collect();
        let (min, max) = rtts(&answers);
        let (number, lost) = match nth {
            0 => (number.clone(), lost.clone()),
            _ => (String::new(), String::new()),
        };
        let (answer, color) = words(path, &answers[0]);
        aligned([number, host.0.to_string(), lost, min, max, answer], color)
    });
    rows.collect()
}

fn aligned(cells: [String; 6], color: AnsiColor) -> [Cell; 6] {
    let [number, address, lost, min, max, answer] = cells;
    let answer = Cell::left(answer).paint(color.on_default());
    let [number, lost, min, max] = [number, lost, min, max].map(Cell::right);
    [number, Cell::left(address), lost, min, max, answer]
}

fn rtts(answers: &[HopAnswer]) -> (String, String) {
    let rtts = || answers.iter().filter_map(|answer| answer.rtt);
    let shown = |rtt| Option::map_or(rtt, "-".to_owned(), units::column);
    (shown(rtts().min()), shown(rtts().max()))
}

/// Words for an answer; the usual one of a router has none.
fn words(path: &Path, answer: &HopAnswer) -> (String, AnsiColor) {
    match (answer.kind, path.end()) {
        (HopAnswerKind::TimeExceeded, _) => (String::new(), AnsiColor::Green),
        (_, PathEnd::Reached { .. }) => (answer_text(answer), AnsiColor::Green),
        _ => (answer_text(answer), AnsiColor::Red),
    }
}

fn mtu_line(path: &Path, style: Style) -> String {
    let Some(mtu) = path.mtu else { return String::new() };
    let source = match mtu.from {
        Some(from) => format!("reported by `{from}` (fragmentation needed)"),
        None => "the kernel's value for the route".to_owned(),
    };
    units::labelled("  path mtu", &format!("{} bytes, {source}", mtu.bytes), style.width)
}

/// Note about routers that limit their errors, where one seems to.
fn note(path: &Path, style: Style) -> String {
    if !path.shown_hops().iter().any(|hop| is_rate_limited(path, hop)) {
        return String::new();
    }
    let text = "routers limit their errors: the loss of a hop before others that lost less need not be that of the path";
    units::labelled("  note", text, style.width)
}
