//! Names on the page of a connection: questions, answers, name servers.

use super::chart::result;
use super::connect::error;
use super::model::{Fact, Note, Part, Table, Tone};
use super::words::{address, column, prose, word};
use crate::output::wire::connect::{NameProbe, NameServer, Resolve};
use crate::output::wire::query::{Exchange, Query, QueryResult, Record};

pub(super) fn parts(resolve: &Resolve) -> Vec<Part> {
    let candidates: Vec<String> = resolve.candidates.iter().map(address).collect();
    let mut hosts: Vec<String> =
        resolve.hosts.iter().map(|it| format!("{}:{}", it.file, it.line)).collect();
    hosts.dedup();
    let facts = [
        Some(Fact::new("addresses from", word(&resolve.via))),
        Fact::of("lookup", resolve.duration_ms.map(prose)),
        Fact::list("order of addresses", &candidates),
        Fact::list("hosts file", &hosts),
    ];
    let errors: Vec<Note> = resolve.error.iter().map(error).collect();
    let mut parts = vec![
        Part::Notes(errors),
        Part::Facts(facts.into_iter().flatten().collect()),
        Part::Table(queries(resolve.queries.iter())),
        Part::Table(exchanges(resolve.queries.iter())),
    ];
    if let Some(probe) = &resolve.probe {
        parts.extend(probe_parts(probe));
    }
    parts
}

/// Name servers that were asked, with their line in resolv.conf(5) where that is known.
pub(super) fn servers(resolve: &Resolve) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let probed = resolve.probe.iter().flat_map(|probe| &probe.servers).map(place);
    let asked = resolve.queries.iter().filter_map(|query| query.server.clone());
    for server in probed.chain(asked) {
        if !found.contains(&server) {
            found.push(server);
        }
    }
    found
}

fn place(server: &NameServer) -> String {
    match server.line {
        Some(line) => format!("{} ({}:{line})", server.address, server.file),
        None => format!("{} (default, {} names no server)", server.address, server.file),
    }
}

/// Table of questions and their answers.
pub(super) fn queries<'a>(queries: impl Iterator<Item = &'a Query<Record>>) -> Table {
    let mut table =
        Table::new(&["type", "name", "asked", "start ms", "took ms", "result", "answers", "notes"]);
    for query in queries {
        let answers: Vec<&str> = query.answers.iter().map(|it| it.data.as_str()).collect();
        let cells = vec![
            query.record_type.clone(),
            query.name.clone(),
            asked(query),
            column(query.start_ms),
            column(query.duration_ms),
            result(query.result),
            answers.join(", "),
            notes(query).join(", "),
        ];
        table.push(tone(query.result), cells);
    }
    table.without_empty_columns()
}

/// Server with its transport, or the system.
pub(super) fn asked<R>(query: &Query<R>) -> String {
    match (&query.server, &query.transport) {
        (Some(server), Some(transport)) => format!("{server} {}", word(transport)),
        (Some(server), None) => server.clone(),
        (None, _) => word(&query.via),
    }
}

pub(super) fn tone(result: QueryResult) -> Tone {
    match result {
        QueryResult::Answered => Tone::Plain,
        QueryResult::Canceled | QueryResult::NoData | QueryResult::NoAddress => Tone::Faint,
        _ => Tone::Bad,
    }
}

/// Further facts of a question: error, flags, oddities.
pub(super) fn notes<R>(query: &Query<R>) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(query.error.as_ref().map(|error| error.message.clone()));
    notes.extend(query.truncated.then(|| "truncated".to_owned()));
    notes.extend(query.without_edns.as_ref().map(|it| format!("without EDNS: {}", word(it))));
    notes.extend((query.retries > 0).then(|| format!("retries {}", query.retries)));
    let extended = query.extended_errors.iter();
    notes.extend(extended.map(|it| {
        let name = it.name.clone().unwrap_or_default();
        format!("extended error {} {name} {}", it.code, it.text).trim_end().to_owned()
    }));
    notes.extend(query.oddities.iter().cloned());
    notes.extend(query.ignored.iter().map(|reason| format!("ignored: {reason}")));
    notes.extend(query.negative_ttl.map(|ttl| format!("negative ttl {ttl} s")));
    let authentic = query.flags.as_ref().is_some_and(|flags| flags.authentic);
    notes.extend(authentic.then(|| "ad".to_owned()));
    notes
}

/// Messages to name servers, where there was more than one for a question.
pub(super) fn exchanges<'a, R: 'a>(queries: impl Iterator<Item = &'a Query<R>>) -> Table {
    let mut table =
        Table::new(&["message", "server", "edns", "start ms", "took ms", "reply", "notes"]);
    for query in queries.filter(|query| query.exchanges.len() > 1) {
        for exchange in &query.exchanges {
            table.push(Tone::Plain, exchange_cells(&query.record_type, exchange));
        }
    }
    table.without_empty_columns()
}

fn exchange_cells(record_type: &str, exchange: &Exchange) -> Vec<String> {
    let notes = [exchange.rcode.clone(), exchange.message.clone()];
    vec![
        record_type.to_owned(),
        format!("{} {}", exchange.server, word(&exchange.transport)),
        super::words::yes_or_no(exchange.edns).to_owned(),
        column(exchange.start_ms),
        column(exchange.duration_ms),
        word(&exchange.reply),
        notes.into_iter().flatten().collect::<Vec<_>>().join(", "),
    ]
}

/// Questions of this program to each name server of the system.
fn probe_parts(probe: &NameProbe) -> Vec<Part> {
    let facts = [
        Fact::list("names of the search list", &probe.names),
        Some(Fact::new("timeout of resolv.conf(5)", prose(probe.timeout_ms))),
        Some(Fact::new("attempts of resolv.conf(5)", probe.attempts.to_string())),
        Some(Fact::new("getaddrinfo, at most", prose(probe.getaddrinfo_max_ms))),
    ];
    let mut table = Table::new(&["name server", "type", "took ms", "result", "notes"]);
    for server in &probe.servers {
        for query in &server.queries {
            let cells = vec![
                place(server),
                query.record_type.clone(),
                column(query.duration_ms),
                result(query.result),
                notes(query).join(", "),
            ];
            table.push(tone(query.result), cells);
        }
    }
    let facts = facts.into_iter().flatten().collect();
    vec![Part::Facts(facts), Part::Table(table.without_empty_columns())]
}
