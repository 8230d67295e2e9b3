//! Page of a file that was sent, and of the connection that it went over.

use super::connect;
use super::model::{Fact, Note, Page, Part, Tone};
use super::words::{prose, word};
use crate::output::wire::common::Outcome;
use crate::output::wire::transfer::Document;
use crate::util::units;

pub(super) fn page(document: &Document) -> Page {
    let mut page = Page {
        command: "loopctl sendfile",
        title: format!("{} to {}", document.file, document.target),
        verdict: verdict(document),
        facts: vec![Fact::new("exit status", document.exit_code.to_string())],
        sections: Vec::new(),
    };
    let errors = document.error.iter().map(connect::error).collect();
    page.section("Result", vec![Part::Notes(errors)]);
    page.section("Transfer", vec![Part::Facts(facts(document))]);
    if let Some(connection) = &document.connect {
        connect::add_sections(&mut page, connection);
    }
    page
}

fn verdict(document: &Document) -> Note {
    let (sent, took) = (units::bytes(document.sent_bytes), prose(document.duration_ms));
    match document.outcome {
        Outcome::Success => Note::new(Tone::Good, "", format!("{sent} sent in {took}")),
        outcome => Note::new(Tone::Bad, "", format!("{}, {sent} sent in {took}", word(&outcome))),
    }
}

fn facts(document: &Document) -> Vec<Fact> {
    let facts = [
        Some(Fact::new("loopctl", document.version.to_string())),
        Some(Fact::new("offset", format!("{} B", document.offset_bytes))),
        Fact::of("to send", document.count_bytes.map(|count| format!("{count} B"))),
        Some(Fact::new("sent", format!("{} B", document.sent_bytes))),
        Fact::of("rate", document.bytes_per_second.map(|rate| format!("{}/s", units::bytes(rate)))),
        Fact::of("method", document.method.as_ref().map(word)),
        Fact::of("reason for a copy", document.fallback_reason.as_ref().map(word)),
        Some(Fact::new("calls", document.calls.to_string())),
        Fact::of("segments sent again", document.retransmits),
        Fact::of("sha-256", document.sha256.as_ref().map(|hex| hex.0.clone())),
        Fact::of("blake3", document.blake3.as_ref().map(|hex| hex.0.clone())),
    ];
    facts.into_iter().flatten().collect()
}
