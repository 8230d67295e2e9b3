//! Summary of a series of connections.

use std::time::Duration;

use loopctl::plan::Family;

use crate::diagnose::cause;
use crate::report::family::FamilyNames as _;
use crate::report::repeat::{AddressStats, HttpTimes, RepeatReport};
use crate::report::times::{Bar, MAX_EXACT, Times};
use crate::util::style::Style;
use crate::util::units;

const BARS: usize = 10;

/// Summary like that of ping(8): counts, times, addresses.
pub(crate) fn summary(
    series: &RepeatReport,
    took: Duration,
    histogram: bool,
    style: Style,
) -> String {
    let mut text = format!("\n--- {} ---\n{}", series.subject.text, counts(series, took));
    if !series.times.is_empty() {
        text += &format!("  {}\n", quantiles(&series.times));
        text += &phases(series);
        text += &format!("  {}\n", families(series));
    }
    text += &resent_syns(series);
    if !series.addresses.is_empty() {
        text += &format!("\n{}", table(&series.addresses));
    }
    if histogram && !series.times.is_empty() {
        text += &format!("\n{}", bars(&series.times, style));
    }
    text
}

/// Interim line, printed at SIGQUIT.
pub(crate) fn interim(series: &RepeatReport, took: Duration) -> String {
    let tries = &series.runs;
    let quantiles = if series.times.is_empty() {
        String::new()
    } else {
        format!(", {}", quantiles(&series.times))
    };
    let (text, took) = (&series.subject.text, units::prose(took));
    format!("{text}: {}/{} connected in {took}{quantiles}\n", tries.connected, tries.done)
}

fn counts(series: &RepeatReport, took: Duration) -> String {
    let tries = &series.runs;
    let failed = tries.done - tries.connected;
    let share = 100.0 * tries.connected as f64 / tries.done.max(1) as f64;
    let took = units::prose(took);
    format!(
        "  {}, {} connected ({share:.0}%), {failed} failed, in {took}\n",
        tries_text(tries.done),
        tries.connected
    )
}

fn tries_text(count: u64) -> String {
    if count == 1 { "1 try".to_owned() } else { format!("{count} tries") }
}

/// Share of the SYNs that the kernel sent again, and the time that this took.
fn resent_syns(series: &RepeatReport) -> String {
    let syn = &series.syn;
    if syn.resent == 0 {
        return String::new();
    }
    let (resent, sent, runs) = (syn.resent, syn.sent, syn.runs);
    let mut text =
        format!("  SYN resent {resent} of {sent} ({})", units::percent(syn.resent_share()));
    if runs > 0 {
        text += &format!(", in {runs} of {}", tries_text(series.runs.done));
    }
    if let Some(cost) = syn.cost() {
        text += &format!(", median cost {}", units::prose(cost));
    }
    match syn.first_answered {
        0 => {}
        slow if slow == runs => text += "; the first SYN was answered late: a slow path",
        slow => text += &format!("; in {slow} the first SYN was answered late: a slow path"),
    }
    text + "\n"
}

/// Quantiles of the phases of HTTP, below those of the connection.
fn phases(series: &RepeatReport) -> String {
    let HttpTimes { server, body, total } = &series.http;
    let phases = [("server", server), ("body", body), ("total", total)];
    let phases = phases.into_iter().filter(|(_, times)| !times.is_empty());
    phases.map(|(phase, times)| format!("  {phase:<6}  {}\n", quantiles(times))).collect()
}

fn quantiles(times: &Times) -> String {
    let at = |quantile| units::column(times.quantile(quantile));
    let (min, max) = (units::column(times.min()), units::column(times.max()));
    let note = match times.is_exact() {
        true => String::new(),
        false => format!("  (quantiles of more than {MAX_EXACT} tries: to three digits)"),
    };
    format!("min {min}  p50 {}  p90 {}  p99 {}  max {max} ms{note}", at(0.5), at(0.9), at(0.99))
}

fn families(series: &RepeatReport) -> String {
    let total = series.runs.connected.max(1) as f64;
    let parts = [Family::Inet6, Family::Inet].into_iter().filter_map(|family| {
        let (won, name) = (series.won_by(family), family.ip_version());
        (won > 0).then(|| format!("{name} {won} ({:.0}%)", 100.0 * won as f64 / total))
    });
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() {
        "won by Unix sockets".to_owned()
    } else {
        format!("won by {}", parts.join(", "))
    }
}

fn table(addresses: &[AddressStats]) -> String {
    let widest = addresses.iter().map(|stats| stats.address.to_string().len()).max().unwrap_or(0);
    let width = widest.max("address".len());
    let mut text = format!("  {:width$}   won  lost  failed  p50 ms\n", "address");
    for stats in addresses {
        let p50 = if stats.times.is_empty() {
            "-".to_owned()
        } else {
            units::column(stats.times.quantile(0.5))
        };
        let why = stats
            .last_failure
            .as_ref()
            .map_or_else(String::new, |it| format!("  {}", cause::last_failure(it)));
        let AddressStats { address, won, lost, failed, .. } = stats;
        text += &format!(
            "  {:width$}  {won:>4}  {lost:>4}  {failed:>6}  {p50:>6}{why}\n",
            address.to_string()
        );
    }
    text
}

fn bars(times: &Times, style: Style) -> String {
    const MAX_BAR: u64 = 40;
    let glyph = if style.unicode { "■" } else { "#" };
    let bars = times.bars(BARS);
    let max_count = bars.iter().map(|bar| bar.count).max().unwrap_or(1).max(1);
    let line = |bar: &Bar| {
        let length = if bar.count == 0 { 0 } else { (bar.count * MAX_BAR / max_count).max(1) };
        let glyphs = glyph.repeat(length as usize);
        let (end, count) = (units::column(bar.end), bar.count);
        let gap = if bar.begins_group { "     ...\n" } else { "" };
        let text = format!("  <= {end:>8} ms {count:>6}  {glyphs}");
        format!("{gap}{}\n", text.trim_end())
    };
    bars.iter().map(line).collect()
}
