//! Page of a series of tries: times one after another, their distribution, and each address.

use super::connect::{connected_after, winner};
use super::document::Series;
use super::model::{
    BarRow, Bars, Fact, Mark, Note, Page, Part, Points, Segment, Shade, Table, Tone,
};
use super::words::{address, column, column_of, prose};
use crate::output::wire::common::{Outcome, RunEnd};
use crate::output::wire::connect::Document;
use crate::output::wire::repeat::{AddressStats, SynStats};
use crate::report::times::Times;
use crate::util::units;

/// Bars of the distribution, as `--histogram` has them.
const BARS: usize = 10;

pub(super) fn page(series: &Series) -> Page {
    let mut page = Page {
        command: "loopctl connect --count",
        title: series.target.clone(),
        verdict: verdict(series),
        facts: facts(series),
        sections: Vec::new(),
    };
    let tries = series.reports.as_deref().unwrap_or_default();
    let hints = series.hints.iter().map(|hint| {
        let times = units::count(usize::try_from(hint.tries).unwrap_or(usize::MAX), "try", "tries");
        Note { evidence: vec![times], ..Note::new(Tone::Plain, "hint", hint.hint.clone()) }
    });
    page.section("Result", vec![Part::Notes(hints.collect())]);
    let points = Points { unit: "ms", tries: tries.iter().map(took).collect() };
    page.section("Tries, one after another", vec![Part::Points(points)]);
    page.section("Distribution", vec![Part::Bars(distribution(tries)), Part::Facts(times(series))]);
    page.section("Addresses", vec![Part::Bars(share(series)), Part::Table(addresses(series))]);
    page.section("Failures", vec![Part::Table(failures(tries))]);
    page.section("Environment", vec![Part::Facts(environment(series, tries))]);
    page
}

fn verdict(series: &Series) -> Note {
    let (tries, connected) = (series.tries, series.connected);
    let tone = if connected == tries && tries > 0 { Tone::Good } else { Tone::Bad };
    Note::new(tone, "", format!("{connected} of {tries} tries connected"))
}

fn facts(series: &Series) -> Vec<Fact> {
    let times = series.times.as_ref();
    let facts = [
        Fact::of("median", times.map(|times| prose(times.p50_ms))),
        Fact::of("p99", times.map(|times| prose(times.p99_ms))),
        Some(Fact::new("syn resent", format!("{} of {}", series.syn.resent, series.syn.sent))),
        Some(Fact::new("won by ipv6", series.won_by.ipv6.to_string())),
        Some(Fact::new("won by ipv4", series.won_by.ipv4.to_string())),
        Some(Fact::new("exit status", series.exit_code.to_string())),
        Some(Fact::new("loopctl", series.version.to_string())),
    ];
    facts.into_iter().flatten().collect()
}

/// Milliseconds until the connection; `None`: the try failed.
fn took(document: &Document) -> Option<f64> {
    let winner = winner(document).filter(|_| document.outcome == Outcome::Success)?;
    Some(connected_after(document, winner))
}

fn distribution(tries: &[Document]) -> Bars {
    let mut times = Times::new();
    for ms in tries.iter().filter_map(took) {
        times.record(std::time::Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default());
    }
    let bars = if times.is_empty() { Vec::new() } else { times.bars(BARS) };
    let row = |bar: &crate::report::times::Bar| BarRow {
        label: format!("up to {} ms", units::column(bar.end)),
        tone: Tone::Plain,
        segments: vec![Segment { shade: Shade::Tries, from: 0.0, to: bar.count as f64 }],
        mark: None,
        note: bar.count.to_string(),
    };
    Bars { unit: "tries", rows: bars.iter().map(row).collect() }
}

fn times(series: &Series) -> Vec<Fact> {
    let Some(times) = &series.times else { return Vec::new() };
    let quantiles = [
        Fact::new("shortest", prose(times.min_ms)),
        Fact::new("median", prose(times.p50_ms)),
        Fact::new("p90", prose(times.p90_ms)),
        Fact::new("p99", prose(times.p99_ms)),
        Fact::new("longest", prose(times.max_ms)),
    ];
    let note = (!times.is_exact).then(|| Fact::new("quantiles", "to three digits"));
    quantiles.into_iter().chain(note).chain(syn(&series.syn)).collect()
}

fn syn(syn: &SynStats) -> Vec<Fact> {
    if syn.resent == 0 {
        return Vec::new();
    }
    let resent = format!("{} of {} ({} %)", syn.resent, syn.sent, syn.resent_percent);
    let facts = [
        Some(Fact::new("syn resent", resent)),
        Some(Fact::new("tries with a syn resent", syn.tries.to_string())),
        Fact::of("first syn answered late", (syn.first_answered > 0).then_some(syn.first_answered)),
        Fact::of("median cost of a syn resent", syn.cost_ms.map(prose)),
    ];
    facts.into_iter().flatten().collect()
}

/// Tries that each address won.
fn share(series: &Series) -> Bars {
    let row = |stats: &AddressStats| BarRow {
        label: address(&stats.address),
        tone: if stats.failed > 0 { Tone::Bad } else { Tone::Plain },
        segments: vec![Segment { shade: Shade::Tries, from: 0.0, to: stats.won as f64 }],
        mark: (stats.failed > 0).then_some((stats.won as f64, Mark::Failed)),
        note: format!("{} won, {} lost, {} failed", stats.won, stats.lost, stats.failed),
    };
    Bars { unit: "tries", rows: series.addresses.iter().map(row).collect() }
}

fn addresses(series: &Series) -> Table {
    let names = [
        "address",
        "won",
        "lost",
        "failed",
        "min ms",
        "p50 ms",
        "p99 ms",
        "max ms",
        "last failure",
    ];
    let mut table = Table::new(&names);
    for stats in &series.addresses {
        let times = stats.connect_times.as_ref();
        let cells = vec![
            address(&stats.address),
            stats.won.to_string(),
            stats.lost.to_string(),
            stats.failed.to_string(),
            column_of(times.map(|times| times.min_ms)),
            column_of(times.map(|times| times.p50_ms)),
            column_of(times.map(|times| times.p99_ms)),
            column_of(times.map(|times| times.max_ms)),
            stats.last_failure.clone().unwrap_or_default(),
        ];
        table.push(if stats.failed > 0 { Tone::Bad } else { Tone::Plain }, cells);
    }
    table.without_empty_columns()
}

/// Tries without a connection, with their errors.
fn failures(tries: &[Document]) -> Table {
    let mut table = Table::new(&["#", "start", "after ms", "error"]);
    for (number, document) in (1..).zip(tries) {
        let Some(error) = document.error.as_ref().filter(|_| took(document).is_none()) else {
            continue;
        };
        let number: u64 = number;
        let cells = vec![
            number.to_string(),
            document.start.to_string(),
            column(document.total_ms),
            error.message.clone(),
        ];
        table.push(Tone::Bad, cells);
    }
    table
}

fn environment(series: &Series, tries: &[Document]) -> Vec<Fact> {
    let facts = [
        Some(Fact::new("loopctl", series.version.to_string())),
        Fact::of("started at", tries.first().map(|document| document.start.to_string())),
        Some(Fact::new("duration", prose(series.duration_ms))),
        (series.end == RunEnd::Interrupted).then(|| Fact::new("end", "interrupted")),
        Fact::of("policy", tries.first().map(|document| document.policy.name.to_string())),
    ];
    facts.into_iter().flatten().collect()
}
