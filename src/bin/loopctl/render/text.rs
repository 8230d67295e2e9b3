//! The report as people read it.

use std::time::Duration;

use anstyle::{AnsiColor, Style as Ansi};
use loopctl::Address;
use loopctl::plan::Family;

use super::{table, units};
use crate::report::{End, Report, Via};
use crate::request::Style;

/// Headline, names, attempts, sums.
pub(crate) fn report(report: &Report, style: Style) -> String {
    let mut parts = vec![headline(report, style)];
    if transport(report) == "tcp" {
        parts.push(resolve_line(report));
    }
    if !report.resolve.candidates.is_empty() {
        parts.push(table::table(report, style));
    }
    if report.winner().is_some() {
        parts.push(kernel_line(report, style) + &total_line(report));
    }
    parts.join("\n")
}

fn headline(report: &Report, style: Style) -> String {
    let arrow = if style.unicode { "→" } else { "->" };
    let (target, total) = (&report.subject.text, units::prose(report.total));
    let (winner, transport) = (report.winner(), transport(report));
    let bold = |ansi: Ansi, text: String| match style.color {
        true => format!("{ansi}{text}{ansi:#}"),
        false => text,
    };
    match (report.end, winner) {
        (End::Connected, Some(winner)) => {
            let connected = format!("connected in {}", units::prose(winner.end()));
            let ok = bold(AnsiColor::Green.on_default().bold(), connected);
            format!("{target} {arrow} {}  {transport}  {ok}\n", winner.address)
        }
        (End::Interrupted(_), _) => format!("{target}  {transport}  interrupted after {total}\n"),
        _ => {
            let failed = bold(AnsiColor::Red.on_default().bold(), format!("failed after {total}"));
            format!("{target}  {transport}  {failed}\n")
        }
    }
}

fn transport(report: &Report) -> &'static str {
    match report.resolve.candidates.first() {
        Some(Address::Unix(_)) => "unix",
        _ => "tcp",
    }
}

/// Where the addresses came from, how many there are of each family, and in which order they are tried.
fn resolve_line(report: &Report) -> String {
    let resolve = &report.resolve;
    let took = match resolve.via {
        Via::System => resolve.took.map_or_else(|| "-".to_owned(), units::prose),
        Via::Literal | Via::Given => "-".to_owned(),
    };
    let via = match resolve.via {
        Via::System => "system",
        Via::Literal => "literal",
        Via::Given => "given",
    };
    let found = [(Family::Inet6, "AAAA"), (Family::Inet, "A")];
    let counts: Vec<String> = found
        .iter()
        .filter_map(|(family, name)| match report.count(*family) {
            0 => None,
            count => Some(format!("{count} {name}")),
        })
        .collect();
    let order = match resolve.candidates.len() {
        0 | 1 => String::new(),
        _ => format!("   {}", order(report)),
    };
    format!("  resolve  {took}  {via}   {}{order}", counts.join(", ")).trim_end().to_owned() + "\n"
}

fn order(report: &Report) -> String {
    let mut families: Vec<&str> = Vec::new();
    for address in &report.resolve.candidates {
        let name = if address.family() == Some(Family::Inet6) { "v6" } else { "v4" };
        if !families.contains(&name) {
            families.push(name);
        }
    }
    match report.subject.policy.interleave {
        0 => format!("order {} as resolved", families.join(",")),
        count => format!("order {} interleaved ({count})", families.join(",")),
    }
}

fn kernel_line(report: &Report, style: Style) -> String {
    let Some(tcp) = report.winner().and_then(|winner| winner.tcp) else { return String::new() };
    let plus_minus = if style.unicode { "±" } else { "+-" };
    let (rtt, variance) = (units::prose(tcp.rtt), units::prose(tcp.rtt_variance));
    let rtt = match tcp.rtt {
        Duration::ZERO => "rtt unknown (the SYN was lost)".to_owned(),
        _ => format!("rtt {rtt} {plus_minus} {variance}"),
    };
    format!("  kernel   {rtt}  retransmits {}  mss {}\n", tcp.retransmits, tcp.send_mss)
}

fn total_line(report: &Report) -> String {
    let Some(winner) = report.winner() else { return String::new() };
    let resolved = match (report.resolve.started, report.resolve.took) {
        (Some(started), Some(took)) => started + took,
        _ => Duration::ZERO,
    };
    let stagger = winner.start.saturating_sub(resolved);
    let parts = [("resolve", resolved), ("stagger", stagger), ("tcp", winner.took)];
    let name = |part| if part == "tcp" { transport(report) } else { part };
    let parts: Vec<String> = parts
        .iter()
        .filter(|(part, took)| *part == "tcp" || *took >= Duration::from_micros(50))
        .map(|(part, took)| format!("{} {}", name(*part), units::column(*took)))
        .collect();
    let connected = format!("  total    {}  = {}\n", units::prose(winner.end()), parts.join(" + "));
    if !report.subject.policy.run_all {
        return connected;
    }
    connected
        + &format!("  all      {}  until the last attempt ended\n", units::prose(report.total))
}
