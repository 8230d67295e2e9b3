//! Summary of a series of connections.

use std::time::Duration;

use loopctl::plan::Family;

use crate::diagnose::cause;
use crate::report::family::FamilyNames as _;
use crate::report::repeat::{AddressStats, RepeatReport, Times};
use crate::util::style::Style;
use crate::util::units;

const BUCKETS: u64 = 10;

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
        text += &format!("  {}\n", families(series));
    }
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
        "  {} tries, {} connected ({share:.0}%), {failed} failed, in {took}\n",
        tries.done, tries.connected
    )
}

fn quantiles(times: &Times) -> String {
    let at = |quantile| units::column(times.quantile(quantile));
    let (min, max) = (units::column(times.min()), units::column(times.max()));
    format!("min {min}  p50 {}  p90 {}  p99 {}  max {max} ms", at(0.5), at(0.9), at(0.99))
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
    let mut text = format!("  {:width$}   won  lost  failed     p50\n", "address");
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
    let buckets = times.buckets(BUCKETS);
    let max_count = buckets.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    let line = |(end, count): &(Duration, u64)| {
        let length = if *count == 0 { 0 } else { (count * MAX_BAR / max_count).max(1) };
        let bar = glyph.repeat(length as usize);
        format!("  <= {:>8} ms {count:>6}  {bar}", units::column(*end)).trim_end().to_owned() + "\n"
    };
    buckets.iter().map(line).collect()
}
