//! Page of a name: questions, servers, addresses, records.

use super::chart;
use super::connect::{error, slow_callbacks};
use super::model::{BarRow, Bars, Fact, Note, Page, Part, Segment, Shade, Table, Tone};
use super::names::{asked, exchanges, notes, tone};
use super::words::{column, prose, word};
use crate::output::wire::common::RunEnd;
use crate::output::wire::query::Record;
use crate::output::wire::resolve::{
    Document, Hop, Outcome, Proof, Proved, StepKind, VerifiedQuery,
};

pub(super) fn page(document: &Document) -> Page {
    let mut page = Page {
        command: "loopctl resolve",
        title: document.name.clone(),
        verdict: verdict(document),
        facts: facts(document),
        sections: Vec::new(),
    };
    page.section("Result", vec![Part::Notes(messages(document))]);
    let questions = document.queries.iter().map(|it| chart::query(&it.query));
    let hops = document.trace.iter().map(hop_bar);
    page.section("Lookups", vec![Part::Bars(Bars::of_ms(questions.chain(hops).collect()))]);
    page.section("Addresses", vec![Part::Table(addresses(document))]);
    page.section("Records", vec![Part::Table(records(document.records.iter()))]);
    let sent = exchanges(document.queries.iter().map(|it| &it.query));
    page.section("Questions", vec![Part::Table(questions_table(document)), Part::Table(sent)]);
    page.section("From the root", vec![Part::Table(trace(document))]);
    page.section("Environment", environment(document));
    page
}

fn verdict(document: &Document) -> Note {
    let took = prose(document.duration_ms);
    match document.outcome {
        Outcome::Success if document.addresses.is_empty() => {
            let found = document.records.len();
            let found = crate::util::units::count(found, "record", "records");
            Note::new(Tone::Good, "", format!("{found} in {took}"))
        }
        Outcome::Success => {
            let found = document.addresses.len();
            let found = crate::util::units::count(found, "address", "addresses");
            Note::new(Tone::Good, "", format!("{found} in {took}"))
        }
        outcome => Note::new(Tone::Bad, "", format!("{} after {took}", word(&outcome))),
    }
}

fn facts(document: &Document) -> Vec<Fact> {
    let is_converted = document.ascii_name != document.name.trim_end_matches('.');
    let facts = [
        is_converted.then(|| Fact::new("on the wire", document.ascii_name.clone())),
        Some(Fact::new("exit status", document.exit_code.to_string())),
        Some(Fact::new("start", document.start.to_string())),
        Some(Fact::new("loopctl", document.version.to_string())),
    ];
    facts.into_iter().flatten().collect()
}

fn messages(document: &Document) -> Vec<Note> {
    let errors = document.error.iter().map(error);
    let differences = document
        .differences
        .iter()
        .map(|it| Note::new(Tone::Plain, "difference", it.message.clone()));
    let warnings = document.warnings.iter().map(|it| Note::new(Tone::Plain, "warning", it.clone()));
    errors.chain(differences).chain(warnings).collect()
}

fn addresses(document: &Document) -> Table {
    let names = ["address", "tried #", "system #", "dns #", "ttl s", "source", "rule", "dnssec"];
    let mut table = Table::new(&names);
    let rank = |rank: Option<usize>| rank.map(|rank| rank.to_string()).unwrap_or_default();
    for address in &document.addresses {
        let cells = vec![
            address.ip.clone(),
            rank(address.connect_rank),
            rank(address.system_rank),
            rank(address.dns_rank),
            address.ttl.map(|ttl| ttl.to_string()).unwrap_or_default(),
            address.source.clone().unwrap_or_default(),
            address.rule.clone().unwrap_or_default(),
            address.dnssec.as_ref().map(proof).unwrap_or_default(),
        ];
        let is_tried = address.connect_rank.is_some();
        table.push(if is_tried { Tone::Plain } else { Tone::Faint }, cells);
    }
    table.without_empty_columns()
}

fn proof(proof: &Proof) -> String {
    match &proof.why {
        Some(why) => format!("{}: {why}", word(&proof.proof)),
        None => word(&proof.proof),
    }
}

fn records<'a>(records: impl Iterator<Item = &'a Proved<Record>>) -> Table {
    let mut table = Table::new(&["name", "type", "ttl s", "data", "dnssec"]);
    for record in records {
        let cells = vec![
            record.of.name.clone(),
            record.of.record_type.clone(),
            record.of.ttl.map(|ttl| ttl.to_string()).unwrap_or_default(),
            record.of.data.clone(),
            record.dnssec.as_ref().map(proof).unwrap_or_default(),
        ];
        table.push(Tone::Plain, cells);
    }
    table.without_empty_columns()
}

fn questions_table(document: &Document) -> Table {
    let names =
        ["type", "name", "asked", "start ms", "took ms", "result", "answers", "notes", "dnssec"];
    let mut table = Table::new(&names);
    for VerifiedQuery { query, dnssec, .. } in &document.queries {
        let answers: Vec<&str> = query.answers.iter().map(|it| it.of.data.as_str()).collect();
        let cells = vec![
            query.record_type.clone(),
            query.name.clone(),
            asked(query),
            column(query.start_ms),
            column(query.duration_ms),
            chart::result(query.result),
            answers.join(", "),
            notes(query).join(", "),
            dnssec
                .as_ref()
                .map(|it| {
                    let why = it.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                    format!("{}{why}", word(&it.proof))
                })
                .unwrap_or_default(),
        ];
        table.push(tone(query.result), cells);
    }
    table.without_empty_columns()
}

fn hop_bar(hop: &Hop) -> BarRow {
    let (from, took) = (hop.start_ms.value(), hop.duration_ms.value());
    BarRow {
        label: format!("zone {}", hop.zone),
        tone: Tone::Plain,
        segments: vec![Segment { shade: Shade::Lookup, from, to: from + took }],
        mark: None,
        note: format!("{} ms {}", column(hop.duration_ms), word(&hop.step)),
    }
}

fn trace(document: &Document) -> Table {
    let names = ["zone", "name", "server", "took ms", "step", "next", "name servers", "notes"];
    let mut table = Table::new(&names);
    for hop in &document.trace {
        let server: Vec<&str> =
            hop.server_name.iter().chain(&hop.server).map(String::as_str).collect();
        let cells = vec![
            hop.zone.clone(),
            hop.name.clone(),
            server.join(" "),
            column(hop.duration_ms),
            word(&hop.step),
            hop.next_name.clone().unwrap_or_default(),
            hop.name_servers.join(", "),
            hop.message.clone().unwrap_or_default(),
        ];
        let goes_on = matches!(hop.step, StepKind::Referral | StepKind::Alias | StepKind::Answered);
        table.push(if goes_on { Tone::Plain } else { Tone::Bad }, cells);
    }
    table.without_empty_columns()
}

fn environment(document: &Document) -> Vec<Part> {
    let mut servers: Vec<String> = Vec::new();
    for server in document.queries.iter().filter_map(|it| it.query.server.clone()) {
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    let hosts: Vec<String> =
        document.hosts.iter().map(|it| format!("{}:{} {}", it.file, it.line, it.ip)).collect();
    let facts = [
        Some(Fact::new("loopctl", document.version.to_string())),
        Some(Fact::new("started at", document.start.to_string())),
        Some(Fact::new("duration", prose(document.duration_ms))),
        (document.end == RunEnd::Interrupted).then(|| Fact::new("end", "interrupted")),
        Fact::list("name servers", &servers),
        Fact::list("hosts file", &hosts),
    ];
    let facts = facts.into_iter().flatten().collect();
    vec![Part::Facts(facts), Part::Table(slow_callbacks(&document.slow_callbacks))]
}
