//! Live view of pending attempts, on a terminal's standard error.

use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Effects, Style as Ansi};

use crate::output::progress::path;
use crate::output::progress::picture::cut;
use crate::report::path::PathReport;
use crate::report::{Attempt, Outcome, Report};
use crate::util::style::Style;

/// Interval between frames. A shorter race draws nothing.
pub(crate) const FRAME: Duration = Duration::from_millis(80);

/// Maximum number of rows, so that the view fits the terminal.
const ROWS: usize = 20;

/// The races under way, without a terminal.
pub(crate) struct Live {
    style: Style,
    races: Vec<(String, Report)>,
    paths: Vec<(String, PathReport)>,
    targets: usize,
    done: usize,
}

impl Live {
    pub(crate) fn new(style: Style, targets: usize) -> Self {
        Self { style, races: Vec::new(), paths: Vec::new(), targets, done: 0 }
    }

    /// Updates a report.
    pub(crate) fn update(&mut self, session: &str, report: &Report) {
        match self.races.iter_mut().find(|(known, _)| known == session) {
            Some((_, race)) => race.clone_from(report),
            None => self.races.push((session.to_owned(), report.clone())),
        }
    }

    /// Updates the report of a path.
    pub(crate) fn update_path(&mut self, session: &str, report: &PathReport) {
        match self.paths.iter_mut().find(|(known, _)| known == session) {
            Some((_, path)) => path.clone_from(report),
            None => self.paths.push((session.to_owned(), report.clone())),
        }
    }

    pub(crate) fn end(&mut self, session: &str) {
        self.remove(session);
        self.done += 1;
    }

    /// Whether this target is the last that is printed, by its place among all.
    pub(crate) fn is_last(&self, target: usize) -> bool {
        target + 1 == self.targets
    }

    /// Removes a report that does not count as a target.
    pub(crate) fn remove(&mut self, session: &str) {
        self.races.retain(|(known, _)| known != session);
        self.paths.retain(|(known, _)| known != session);
    }

    /// One frame.
    pub(crate) fn rows(&self, now: Instant) -> Vec<String> {
        if let Some((_, first)) = self.paths.first() {
            return path::rows(first, now, self.style);
        }
        rows(self.races.iter().map(|(_, race)| race), self.targets, self.done, now, self.style)
    }
}

/// A single target shows its attempts, several show themselves. What is compared has several races of one target.
pub(crate) fn rows<'a>(
    races: impl ExactSizeIterator<Item = &'a Report>,
    targets: usize,
    done: usize,
    now: Instant,
    style: Style,
) -> Vec<String> {
    let under_way = races.len();
    let mut rows: Vec<String> = match targets {
        1 => races.flat_map(|report| attempts(report, now, style)).take(ROWS).collect(),
        _ => races.take(ROWS).map(|report| race(report, now, style)).collect(),
    };
    if targets > 1 {
        let waiting = targets.saturating_sub(done + under_way);
        rows.push(format!("  {done} done, {under_way} under way, {waiting} waiting"));
    }
    rows
}

fn attempts(report: &Report, now: Instant, style: Style) -> Vec<String> {
    let elapsed = report.since_start(now);
    if report.attempts.is_empty() {
        return vec![format!("  {}  resolving  {}", report.subject.text, seconds(elapsed))];
    }
    let widest = report.attempts.iter().map(|attempt| attempt.address.to_string().len()).max();
    let row = |(number, attempt): (usize, &Attempt)| {
        let took = match attempt.outcome {
            Outcome::Pending => elapsed.saturating_sub(attempt.start),
            Outcome::Success if is_securing(report, number) => {
                elapsed.saturating_sub(attempt.start)
            }
            _ => attempt.took,
        };
        let (outcome, ansi) = match &attempt.outcome {
            Outcome::Pending if attempt.tls.is_some() => {
                ("no TLS yet", AnsiColor::Yellow.on_default())
            }
            Outcome::Pending => ("no answer yet", AnsiColor::Yellow.on_default()),
            Outcome::Success if is_securing(report, number) => {
                ("no TLS yet", AnsiColor::Yellow.on_default())
            }
            Outcome::Success => ("connected", AnsiColor::Green.on_default()),
            _ => ("failed", Ansi::new().effects(Effects::DIMMED)),
        };
        let address =
            format!("{:width$}", attempt.address.to_string(), width = widest.unwrap_or(0));
        let bar = bar(took, report.subject.timeout, style.unicode);
        let text = format!("  {}  {address}  {}  {bar}  {outcome}", number + 1, seconds(took));
        style.paint(ansi, &cut(&text, style))
    };
    report.attempts.iter().enumerate().map(row).collect()
}

/// Whether TLS or STARTTLS of the winner is pending.
fn is_securing(report: &Report, number: usize) -> bool {
    let tls = report.tls.as_ref();
    report.selected == Some(number) && tls.is_some_and(|tls| tls.ended.is_none())
}

/// Several targets: one row each.
fn race(report: &Report, now: Instant, style: Style) -> String {
    let elapsed = seconds(report.since_start(now));
    let pending = report.attempts.iter().filter(|attempt| attempt.outcome == Outcome::Pending);
    let pending: Vec<String> = pending.map(|attempt| attempt.address.to_string()).collect();
    let what = match pending.as_slice() {
        [] if report.tls.is_some() => "no TLS yet".to_owned(),
        [] => "resolving".to_owned(),
        [only] if *only == report.subject.text => "no answer yet".to_owned(),
        several => several.join(" "),
    };
    cut(&format!("  {}  {elapsed}  {what}", report.subject.text), style)
}

/// Bar of the elapsed share of the timeout.
fn bar(took: Duration, limit: Duration, unicode: bool) -> String {
    const WIDTH: usize = 16;
    let share = took.as_secs_f64() / limit.as_secs_f64().max(1e-9);
    let filled = ((share * WIDTH as f64).ceil() as usize).clamp(1, WIDTH);
    let (fill, rest) = if unicode { ("━", "─") } else { ("=", "-") };
    fill.repeat(filled) + &rest.repeat(WIDTH - filled)
}

fn seconds(duration: Duration) -> String {
    format!("{:>5.1} s", duration.as_secs_f64())
}
