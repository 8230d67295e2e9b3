//! Golden documents: every report of every subcommand, in every format, from fixed events.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --bin loopctl golden` updates them; review the difference.

mod compare;
mod connect;
mod live;
mod names;
mod pages;
mod resolve;
mod sendfile;
mod series;
mod serve;
mod story;
mod tls;

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::diagnose::cause;
use crate::output::human::text::{self, HumanOptions};
use crate::output::json::{connect as json, events};
use crate::output::{csv as rows, prometheus, qlog, wire};
use crate::report::Report;
use crate::util::style::Style;

use story::Story;

/// One file of `tests/golden`: titled sections, one for each format.
#[derive(Default)]
pub(crate) struct Golden(String);

impl Golden {
    pub(crate) fn section(&mut self, title: &str, text: &str) {
        self.0 += &format!("==== {title}\n{text}");
        if !text.is_empty() && !text.ends_with('\n') {
            self.0.push('\n');
        }
    }

    fn json(&mut self, title: &str, document: &impl Serialize) {
        let text = serde_json::to_string_pretty(document).unwrap();
        self.section(title, &without_version(&text));
    }

    pub(crate) fn assert(&self, name: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &self.0).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        for (number, (made, kept)) in self.0.lines().zip(kept.lines()).enumerate() {
            assert_eq!(
                made,
                kept,
                "tests/golden/{name}:{}: `UPDATE_SNAPSHOTS=1` updates",
                number + 1
            );
        }
        assert_eq!(self.0.len(), kept.len(), "tests/golden/{name} has other lines at its end");
    }
}

/// Validates every document against its committed schema.
fn assert_valid(schema: &str, document: &impl Serialize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(schema);
    let text = std::fs::read_to_string(path).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap();
    let document = serde_json::to_value(document).unwrap();
    let errors: Vec<String> = validator.iter_errors(&document).map(|it| it.to_string()).collect();
    assert!(errors.is_empty(), "{schema}: {errors:#?}\n{document:#}");
}

fn without_version(text: &str) -> String {
    text.replace(concat!("\"version\": \"", env!("CARGO_PKG_VERSION")), "\"version\": \"VERSION")
        .replace(concat!("\"version\":\"", env!("CARGO_PKG_VERSION")), "\"version\":\"VERSION")
}

/// A terminal of this width, without colours; `None` is a pipe.
const fn plain(width: Option<usize>) -> Style {
    Style { color: false, unicode: true, width }
}

const WIDTHS: [usize; 3] = [40, 80, 120];

/// The looks of a report: three widths, ASCII, and a pipe.
const LOOKS: [(&str, Style); 5] = [
    ("human 40", plain(Some(40))),
    ("human 80", plain(Some(80))),
    ("human 120", plain(Some(120))),
    ("human 80 in ASCII", Style { color: false, unicode: false, width: Some(80) }),
    ("human in a pipe", plain(None)),
];

/// Human format on standard output and standard error.
fn human(report: &Report, style: Style, detail: HumanOptions) -> String {
    let message = cause::explain(report).render(style);
    let aside = if message.is_empty() { String::new() } else { format!("-- stderr\n{message}") };
    text::report(report, style, detail) + &aside
}

/// A report in every format.
/// A report as text, JSON and metrics.
fn described(story: &Story) -> String {
    let report = &story.report;
    let detail = HumanOptions { tcp_info: true, is_verbose: true };
    assert_valid("connect.v1.json", &json::document(report));
    let mut metrics = prometheus::Metrics::default();
    metrics.add(report);
    let document = wire::line(&json::document(report));
    format!("{}{document}{}", human(report, plain(Some(80)), detail), metrics.exposition())
}

fn every_format(name: &str, story: &Story) {
    let mut golden = Golden::default();
    let report = &story.report;
    for (title, style) in LOOKS {
        golden.section(title, &human(report, style, HumanOptions::default()));
    }
    let detail = HumanOptions { tcp_info: true, is_verbose: true };
    golden.section("human 80 -v --tcp-info", &human(report, plain(Some(80)), detail));
    golden
        .section("human 80 in colour", &text::report(report, coloured(), HumanOptions::default()));
    golden.section("stderr -v", &story.lines.concat());
    golden.json("json", &json::document(report));
    assert_valid("connect.v1.json", &json::document(report));
    let end = events::metrics("1", story.now(), report);
    let records = || story.records.iter().chain([&end]);
    records().for_each(|record| assert_valid("event.v1.json", record));
    let ndjson: String = records().map(wire::line).collect();
    let document = without_version(&wire::line(&json::document(report)));
    golden.section("ndjson", &format!("{ndjson}{document}"));
    golden.section("csv", &(rows::header() + &rows::lines(report, 1, true)));
    golden.section("plain", &rows::lines(report, 1, false));
    let mut metrics = prometheus::Metrics::default();
    metrics.add(report);
    golden.section("prom", &metrics.exposition());
    golden.section(
        "qlog",
        &records().map(|record| qlog::record(record, Duration::ZERO)).collect::<String>(),
    );
    golden.assert(&format!("connect/{name}.txt"));
}

/// Short form for one of many similar stories: the message and the document.
fn in_short(golden: &mut Golden, title: &str, story: &Story) {
    let report = &story.report;
    let code = crate::diagnose::exit_status::for_report(report).code();
    let shown = human(report, plain(Some(80)), HumanOptions::default());
    golden.section(&format!("{title}: human 80, exit code {code}"), &shown);
    golden.section(&format!("{title}: csv"), &rows::lines(report, 1, true));
    assert_valid("connect.v1.json", &json::document(report));
    let said = said(&serde_json::to_value(json::document(report)).unwrap());
    golden.section(&format!("{title}: json"), &said);
}

/// Selected fields of a document, a line for each.
fn said(document: &Value) -> String {
    let mut lines = String::new();
    let mut line = |path: String, part: &Value| {
        if !part.is_null() {
            lines += &format!("{path}: {part}\n");
        }
    };
    for key in ["outcome", "exit_code", "end", "error"] {
        line(key.to_owned(), &document[key]);
    }
    line("resolve.via".to_owned(), &document["resolve"]["via"]);
    line("resolve.error".to_owned(), &document["resolve"]["error"]);
    for (list, items) in
        [("queries", &document["resolve"]["queries"]), ("attempts", &document["attempts"])]
    {
        for (number, item) in items.as_array().into_iter().flatten().enumerate() {
            for key in ["result", "rcode", "phase", "error"] {
                line(format!("{list}[{number}].{key}"), &item[key]);
            }
        }
    }
    for key in ["result", "verified", "problem", "problem_message", "error"] {
        line(format!("tls.{key}"), &document["tls"][key]);
    }
    lines
}

fn coloured() -> Style {
    Style { color: true, unicode: true, width: Some(80) }
}

#[test]
fn a_qlog_file_begins_with_its_header() {
    let header = qlog::header(std::time::UNIX_EPOCH);
    let mut record: Value = serde_json::from_str(header.trim_start_matches('\u{1e}')).unwrap();
    let clock = &mut record["trace"]["common_fields"]["reference_time"]["wall_clock_time"];
    assert!(clock.as_str().unwrap().ends_with('Z'));
    *clock = "TIME".into();
    let mut golden = Golden::default();
    golden.json("qlog header", &record);
    golden.assert("qlog-header.txt");
}
