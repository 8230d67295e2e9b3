//! Queries of a name: server, duration and notes.

use std::time::Duration;

use loopctl::{DnsAnswer, DnsRecord};

use super::notes;
use crate::report::names::{NameReport, is_signature};
use crate::report::query::{Query, QueryRole};
use crate::util::style::Style;
use crate::util::units;

/// One line for the system and one per server. Queries with notes have separate lines.
pub(crate) fn lines(report: &NameReport, is_verbose: bool, style: Style) -> String {
    let queries = report.queries.wanted();
    let (system, dns): (Vec<&Query>, Vec<&Query>) = queries.partition(|query| query.is_of_system());
    let mut lines: Vec<String> = system.iter().map(|query| of_system(query, report)).collect();
    lines.extend(of_servers(&dns, &report.subject.name));
    if report.is_local {
        lines.push("  dns      not queried: localhost is this host (RFC 6761)".to_owned());
    }
    lines.extend(report.detour().map(|(names, took)| detour(&names, took)));
    lines.extend(for_proofs(report, is_verbose));
    let together = lines.iter().map(|line| line.trim_start()).collect::<Vec<_>>().join("   ");
    let is_short =
        lines.len() == 2 && units::display_width(&together) + 2 <= style.width.unwrap_or(80);
    if is_short {
        lines = vec![format!("  {together}")];
    }
    lines.iter().map(|line| units::fit(line, style.width)).collect()
}

/// Names of the search list that were asked for first.
fn detour(names: &[&str], took: Duration) -> String {
    let count = if names.len() == 1 {
        "1 name was".to_owned()
    } else {
        format!("{} names were", names.len())
    };
    let took = time(took);
    format!("  search   {took}  {count} asked for first; a dot at the end of the name avoids that")
}

/// Queries of DNSSEC verification: their number, and with `-v` each query. Negative answers are normal there.
fn for_proofs(report: &NameReport, is_verbose: bool) -> Vec<String> {
    let asked = report.queries.0.iter().filter(|it| it.role == QueryRole::Verification);
    let asked: Vec<&Query> = asked.collect();
    let Some(first) = asked.iter().map(|query| query.started).min() else { return Vec::new() };
    let end = asked.iter().map(|query| query.started + query.took).max().unwrap_or(first);
    let questions = if asked.len() == 1 { "question" } else { "questions" };
    let mut lines =
        vec![format!("  keys     {} for {} {questions}", time(end - first), asked.len())];
    if is_verbose {
        lines.extend(asked.iter().map(|query| {
            let (types, from) = (query.type_names(), from(&server(query)));
            format!("           {} {types} {}{from}", time(query.took), query.name)
        }));
    }
    lines
}

fn of_system(query: &Query, report: &NameReport) -> String {
    let sources = &report.sources;
    let sources =
        if sources.is_empty() { String::new() } else { format!(" ({})", sources.join(", ")) };
    let notes: String = notes::of_query(query).iter().map(|note| format!("  {note}")).collect();
    format!("  system   {}{sources}{notes}", time(query.took))
}

/// One line per server for queries without trouble.
pub(crate) fn of_servers(queries: &[&Query], name: &str) -> Vec<String> {
    let mut plain: Vec<(String, Vec<String>)> = Vec::new();
    let mut odd = Vec::new();
    for query in queries {
        let server = server(query);
        let notes = notes::of_query(query);
        let what = format!("{} {}", time(query.took), what(query, name));
        if !notes.is_empty() {
            odd.push(format!("  dns      {what}{}  {}", from(&server), notes.join("  ")));
            continue;
        }
        match plain.iter_mut().find(|(known, _)| *known == server) {
            Some((_, items)) => items.push(what),
            None => plain.push((server, vec![what])),
        }
    }
    let lines = plain.into_iter();
    let lines =
        lines.map(|(server, items)| format!("  dns      {}{}", items.join(", "), from(&server)));
    lines.chain(odd).collect()
}

/// Record type, and the name if the search list changed it.
fn what(query: &Query, name: &str) -> String {
    let types = query.type_names();
    let is_same = query.name.trim_end_matches('.').eq_ignore_ascii_case(name.trim_end_matches('.'));
    if is_same || query.name.ends_with(".arpa.") {
        types
    } else {
        format!("{types} {}", query.name)
    }
}

fn server(query: &Query) -> String {
    let server = query.progress.server.as_ref();
    server.map_or_else(String::new, |(server, transport)| {
        format!("{}/{transport}", server.endpoint())
    })
}

fn from(server: &str) -> String {
    if server.is_empty() { String::new() } else { format!(" from {server}") }
}

fn time(took: Duration) -> String {
    format!("{} ms", units::column(took))
}

/// Signer and AD flag of the last answer of a trace, neither of them verified.
pub(crate) fn claims(report: &NameReport, style: Style) -> String {
    if !report.subject.dnssec {
        return String::new();
    }
    let answers = report.dns_queries().filter_map(Query::answer);
    let lines = answers.map(|answer| {
        let signers: Vec<String> =
            answer.records.iter().chain(&answer.authority).filter_map(signer).collect();
        let signed = match signers.first() {
            Some(first) => format!("signed by {first}"),
            None => "no signature".to_owned(),
        };
        let line = format!("  dnssec   {}: {signed}  {}", answer.record_type, claim(answer));
        units::fit(&line, style.width)
    });
    lines.collect()
}

/// AD flag of an answer (RFC 4035, section 3.2.3).
fn claim(answer: &DnsAnswer) -> &'static str {
    if answer.flags.authentic {
        "AD set by the server  not verified here"
    } else {
        "AD not set by the server  not verified here"
    }
}

/// Zone, key and end of a signature (RFC 4034 section 3.2), without the signature itself.
fn signer(record: &DnsRecord) -> Option<String> {
    if !is_signature(record.record_type) {
        return None;
    }
    let text = record.data.to_string();
    let fields: Vec<&str> = text.split_whitespace().collect();
    match fields.as_slice() {
        [_, algorithm, _, _, until, _, key, signer, ..] => {
            Some(format!("{signer} (key {key}, {algorithm}, until {until})"))
        }
        _ => Some("unknown".to_owned()),
    }
}
