//! Page of the paths to the addresses of a target: each hop a row.

use super::connect::error;
use super::model::{BarRow, Bars, Fact, Mark, Note, Page, Part, Segment, Shade, Table, Tone};
use super::words::{address, column, column_of, prose, word};
use crate::output::wire::common::{Outcome, RunEnd};
use crate::output::wire::path::{Answer, Document, Hop, Path, PathResult};
use crate::util::units;

pub(super) fn page(document: &Document) -> Page {
    let mut page = Page {
        command: "loopctl connect --path",
        title: document.target.clone(),
        verdict: verdict(document),
        facts: facts(document),
        sections: Vec::new(),
    };
    let errors = document.error.iter().map(error);
    let hint = document.hint.iter().map(|it| Note::new(Tone::Plain, "hint", it.clone()));
    page.section("Result", vec![Part::Notes(errors.chain(hint).collect())]);
    for path in &document.paths {
        let parts = vec![
            Part::Notes(vec![end(path)]),
            Part::Bars(Bars::of_ms(path.hops.iter().map(bar).collect())),
            Part::Table(hops(path)),
        ];
        page.section(format!("Path to {}", address(&path.address)), parts);
    }
    let facts = [
        Some(Fact::new("loopctl", document.version.to_string())),
        Some(Fact::new("started at", document.start.to_string())),
        Some(Fact::new("duration", prose(document.total_ms))),
        (document.end == RunEnd::Interrupted).then(|| Fact::new("end", "interrupted")),
    ];
    page.section("Environment", vec![Part::Facts(facts.into_iter().flatten().collect())]);
    page
}

fn verdict(document: &Document) -> Note {
    let reached = document.paths.iter().filter(|path| path.result == PathResult::Reached).count();
    let (all, took) = (document.paths.len(), prose(document.total_ms));
    let tone = if document.outcome == Outcome::Success { Tone::Good } else { Tone::Bad };
    Note::new(tone, "", format!("{reached} of {all} addresses reached in {took}"))
}

fn facts(document: &Document) -> Vec<Fact> {
    vec![
        Fact::new("transport", document.transport.to_string()),
        Fact::new("probes to each hop", document.probes.to_string()),
        Fact::new("largest hop limit", document.max_hops.to_string()),
        Fact::new("exit status", document.exit_code.to_string()),
        Fact::new("start", document.start.to_string()),
        Fact::new("loopctl", document.version.to_string()),
    ]
}

/// End of a path as a sentence, with the path MTU.
fn end(path: &Path) -> Note {
    let tone = if path.result == PathResult::Reached { Tone::Good } else { Tone::Bad };
    let mtu = path.path_mtu.as_ref().map(|mtu| {
        let router = mtu.ip.as_ref().map(|ip| format!(", from {ip}")).unwrap_or_default();
        format!("path mtu {} B{router}", mtu.bytes)
    });
    let incomplete = (!path.complete).then(|| "not every probe has ended".to_owned());
    let evidence = mtu.into_iter().chain(incomplete).collect();
    Note { evidence, ..Note::new(tone, "", path.message.clone()) }
}

fn bar(hop: &Hop) -> BarRow {
    let times = hop.rtt_min_ms.zip(hop.rtt_max_ms).map(|(min, max)| (min.value(), max.value()));
    let segment = times.map(|(from, to)| Segment { shade: Shade::RoundTrips, from, to });
    let ips: Vec<&str> = hop.answers.iter().map(|answer| answer.ip.as_str()).collect();
    BarRow {
        label: format!("{} {}", hop.hop, distinct(&ips).join(" ")),
        tone: if hop.answered == 0 { Tone::Faint } else { Tone::Plain },
        segments: segment.into_iter().collect(),
        mark: (hop.answered == 0).then_some((0.0, Mark::Silent)),
        note: match hop.rtt_min_ms.zip(hop.rtt_max_ms) {
            Some((min, max)) => format!("{} to {} ms", column(min), column(max)),
            None => format!("{} of {} answered", hop.answered, hop.sent),
        },
    }
}

fn distinct<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for word in words {
        if !found.contains(word) {
            found.push(word);
        }
    }
    found
}

fn hops(path: &Path) -> Table {
    let names = ["hop", "sent", "answered", "loss", "min ms", "max ms", "answers"];
    let mut table = Table::new(&names);
    for hop in &path.hops {
        let answers: Vec<String> = hop.answers.iter().map(answer).collect();
        let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
        let cells = vec![
            hop.hop.to_string(),
            hop.sent.to_string(),
            hop.answered.to_string(),
            hop.loss.map(units::percent).unwrap_or_default(),
            column_of(hop.rtt_min_ms),
            column_of(hop.rtt_max_ms),
            distinct(&answers).join(", "),
        ];
        table.push(if hop.answered == 0 { Tone::Faint } else { Tone::Plain }, cells);
    }
    table.without_empty_columns()
}

fn answer(answer: &Answer) -> String {
    let kind = word(&answer.kind);
    match &answer.icmp {
        Some(icmp) => {
            format!("{} {kind}: {} ({}/{})", answer.ip, icmp.message, icmp.kind, icmp.code)
        }
        None => format!("{} {kind}", answer.ip),
    }
}
