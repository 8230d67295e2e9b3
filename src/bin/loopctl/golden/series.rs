//! Repeated runs of one target.

use loopctl::{AbortReason, plan::Reason};
use serde::Serialize;

use super::story::ms;
use super::{Golden, Story, plain};
use crate::diagnose::hint::{self, groups::HintGroups};
use crate::output::csv as rows;
use crate::output::human::{series, text};
use crate::output::json::{connect as json, repeat};
use crate::output::wire::repeat::Document;
use crate::report::Report;
use crate::report::repeat::RepeatReport;
use crate::util::cancellation::StopReason;

/// Run whose handshake takes `connect` milliseconds.
fn tried(connect: f64, addresses: &[&str]) -> Report {
    let mut story = Story::new("many.test:8443");
    story.resolved(1.1, addresses);
    story.started(1.2, 0);
    story.refused(1.4, 0);
    story.started_because(1.4, 1, Reason::AttemptEnded(0));
    story.succeeded(1.4 + connect, 1);
    story.selected(1.4 + connect, 1);
    story.report
}

fn failed() -> Report {
    let mut story = Story::new("many.test:8443");
    story.resolved(1.1, &["[fd77::1]:8443", "10.77.0.2:8443"]);
    story.started(1.2, 0);
    story.refused(1.4, 0);
    story.started_because(1.4, 1, Reason::AttemptEnded(0));
    story.timed_out(10_000.0, 1);
    story.aborted(10_000.0, AbortReason::TimedOut);
    story.report
}

fn json_valid(golden: &mut Golden, title: &str, document: &Document<impl Serialize>) {
    golden.json(title, document);
    super::assert_valid("repeat.v1.json", document);
}

#[test]
fn a_series() {
    let v4_wins = ["[fd77::1]:8443", "10.77.0.2:8443"];
    let mut reports: Vec<Report> = [0.5, 0.7, 12.0].map(|took| tried(took, &v4_wins)).into();
    reports.push(failed());
    reports.push(tried(0.6, &["10.77.0.2:8443", "[fd77::2]:8443"]));
    let started_at = reports[0].started_at.at;
    let mut series = RepeatReport::new(reports[0].subject.clone(), started_at);
    let mut golden = Golden::default();
    let mut hints = HintGroups::default();
    let (mut lines, mut csv, mut tabs) = (String::new(), rows::header(), String::new());
    for (nth, report) in (1..).zip(&reports) {
        if let Some(news) = series.add(report) {
            lines += &format!("      {}\n", crate::diagnose::cause::address_change(&news));
        }
        lines += &text::try_line(nth, report, plain(Some(80)));
        hint::hint(report).into_iter().for_each(|hint| hints.add(report, hint));
        csv += &rows::lines(report, nth, true);
        tabs += &rows::lines(report, nth, false);
    }
    series.took = ms(4012.0);
    golden.section("human: tries", &lines);
    for width in super::WIDTHS {
        let shown = series::summary(&series, series.took, true, plain(Some(width)));
        golden.section(&format!("human {width} --histogram"), &shown);
    }
    golden.section("stderr: SIGQUIT", &series::interim(&series, ms(2000.0)));
    golden.section("stderr: hints", &(hints.by_try(series.runs.done).join("\n") + "\n"));
    golden.section("csv", &csv);
    golden.section("plain", &tabs);
    let tries = [json::document(&reports[0])];
    json_valid(&mut golden, "json", &repeat::document(&series, &hints, Some(&tries)));
    json_valid(&mut golden, "ndjson: the last record", &repeat::document(&series, &hints, None));
    series.interrupted = Some(StopReason::Signal(2));
    json_valid(&mut golden, "json, interrupted", &repeat::document(&series, &hints, Some(&[])));
    golden.assert("connect/repeat.txt");
}

#[test]
fn a_series_without_a_connection() {
    let report = failed();
    let mut series = RepeatReport::new(report.subject.clone(), report.started_at.at);
    series.add(&report);
    series.took = ms(10_001.0);
    let hints = HintGroups::default();
    let mut golden = Golden::default();
    let shown = series::summary(&series, series.took, true, plain(Some(80)));
    golden.section("human 80 --histogram", &shown);
    golden.section("stderr: SIGQUIT", &series::interim(&series, ms(2000.0)));
    json_valid(&mut golden, "json", &repeat::document(&series, &hints, Some(&[])));
    golden.assert("connect/repeat-failed.txt");
}
