//! Page of a connection: the race, its reasons, its names, TLS, and the host that it ran on.

use super::chart;
use super::model::{Fact, Note, Page, Part, Table, Tone};
use super::words::{address, column, column_of, endpoint, prose, word, yes_or_no};
use super::{compare, http, names, tls};
use crate::output::wire::common::{AttemptResult, ErrorRecord, Outcome, RunEnd, SlowCallback};
use crate::output::wire::connect::{
    Attempt, Document, Icmp, Policy, SocketOptions, Stall, TcpInfo, Why,
};
use crate::output::wire::other_clients::OtherClients;
use crate::output::wire::surroundings::{Route, Surroundings};
use crate::output::wire::tls::Tls;

pub(super) fn page(document: &Document) -> Page {
    let mut page = Page {
        command: "loopctl connect",
        title: document.target.clone(),
        verdict: verdict(document),
        facts: headline(document),
        sections: Vec::new(),
    };
    add_sections(&mut page, document);
    page
}

/// Sections of a connection, also for the page of a transfer over it.
pub(super) fn add_sections(page: &mut Page, document: &Document) {
    let messages = messages(document);
    page.section("Result", vec![Part::Notes(messages)]);
    match &document.compare {
        Some(compare) => compare::add_sections(page, compare),
        None => {
            page.section("Race", vec![Part::Bars(chart::race(document))]);
            page.section("Why", vec![Part::Notes(document.why.iter().map(finding).collect())]);
            page.section("Attempts", vec![Part::Table(attempts(document))]);
        }
    }
    page.section("Names", names::parts(&document.resolve));
    if let Some(found) = &document.tls {
        page.section("TLS", tls::parts(found));
        page.section("Certificates", tls::certificates(found));
    }
    if let Some(exchange) = &document.http {
        page.section("HTTP", http::parts(exchange));
    }
    for redirect in &document.redirects {
        let mut parts = vec![Part::Facts(vec![Fact::new("target", redirect.target.clone())])];
        parts.extend(redirect.http.iter().flat_map(http::parts));
        page.section("Redirect", parts);
    }
    let others = document.other_clients.as_ref();
    page.section("Other clients", others.map(other_clients).into_iter().collect());
    page.section("Environment", environment(document));
}

/// TLS over an attempt, where it was the one that won.
pub(super) fn handshake<'a>(document: &'a Document, attempt: &Attempt) -> Option<&'a Tls> {
    document.tls.as_ref().filter(|_| document.selected == Some(attempt.attempt_id))
}

/// Attempt that won.
pub(super) fn winner(document: &Document) -> Option<&Attempt> {
    document.attempts.iter().find(|attempt| Some(attempt.attempt_id) == document.selected)
}

fn verdict(document: &Document) -> Note {
    if let Some(verdict) = document.compare.as_ref().and_then(compare::verdict) {
        return verdict;
    }
    let total = prose(document.total_ms);
    let last = document.redirects.last().unwrap_or(document);
    if let (Outcome::Success, Some(exchange)) = (document.outcome, &last.http)
        && let Some(status) = http::status(exchange)
    {
        let is_error = exchange.status.is_some_and(|status| status >= 400);
        let tone = if is_error { Tone::Bad } else { Tone::Good };
        return Note::new(tone, "", format!("{status} in {total}"));
    }
    match (document.outcome, winner(document)) {
        (Outcome::Success, Some(winner)) => {
            let (text, tone) = reached(document, winner);
            let after = prose_after(document, winner);
            Note::new(tone, "", format!("{} {text} {after}", address(&winner.address)))
        }
        (Outcome::Interrupted, _) => {
            Note::new(Tone::Plain, "", format!("interrupted after {total}"))
        }
        _ => Note::new(Tone::Bad, "", format!("failed after {total}")),
    }
}

/// Outcome of the attempt that won, before its time.
fn reached(document: &Document, winner: &Attempt) -> (&'static str, Tone) {
    match (document.transport == "udp", winner.answered) {
        (true, Some(true)) => ("answered in", Tone::Good),
        (true, Some(false)) => ("silent for", Tone::Plain),
        (true, None) => ("open in", Tone::Good),
        _ => ("connected in", Tone::Good),
    }
}

/// Time until the connection, with TLS where there is one.
fn prose_after(document: &Document, winner: &Attempt) -> String {
    super::words::prose_of(connected_after(document, winner))
}

/// Milliseconds until the connection, with TLS where there is one.
pub(super) fn connected_after(document: &Document, winner: &Attempt) -> f64 {
    let tcp = winner.start_ms.value() + winner.duration_ms.value();
    let tls = document.tls.as_ref();
    tls.and_then(|tls| Some(tls.start_ms?.value() + tls.duration_ms?.value())).unwrap_or(tcp)
}

fn headline(document: &Document) -> Vec<Fact> {
    let secure = if document.tls.is_some() { "+tls" } else { "" };
    let facts = [
        Some(Fact::new("transport", format!("{}{secure}", document.transport))),
        Some(Fact::new("policy", document.policy.name.to_string())),
        Fact::of("stagger", document.cost_ms.map(prose)),
        Fact::of("tcp round trip", document.tcp_info.as_ref().and_then(round_trip)),
        Some(Fact::new("exit status", document.exit_code.to_string())),
        Some(Fact::new("start", document.start.to_string())),
        Some(Fact::new("loopctl", document.version.to_string())),
    ];
    facts.into_iter().flatten().collect()
}

fn round_trip(tcp: &TcpInfo) -> Option<String> {
    tcp.rtt_us.map(|micros| super::words::prose_of(micros as f64 / 1000.0))
}

/// Error, expectations, and hint.
fn messages(document: &Document) -> Vec<Note> {
    let mut notes: Vec<Note> = document.error.iter().map(error).collect();
    let unmet = document.unmet.iter();
    notes.extend(unmet.map(|it| Note::new(Tone::Bad, "expectation", it.message.clone())));
    if let Some(waited) = &document.waited {
        let seen = waited.seen.iter().map(|it| format!("{} {}x", it.what, it.count));
        let seen: Vec<String> = seen.collect();
        let text = format!("waited {}", prose(waited.duration_ms));
        notes.push(Note { evidence: seen, ..Note::new(Tone::Plain, "wait", text) });
    }
    if let Some(relay) = &document.relay {
        let text = format!(
            "{} B out, {} B in, in {}, end: {}",
            relay.bytes_sent,
            relay.bytes_received,
            prose(relay.duration_ms),
            relay.end
        );
        notes.push(Note::new(Tone::Plain, "relay", text));
        notes.extend(relay.error.iter().map(error));
    }
    notes.extend(document.hint.iter().map(|hint| Note::new(Tone::Plain, "hint", hint.clone())));
    notes
}

pub(super) fn error(error: &ErrorRecord) -> Note {
    let symbol = error.name.iter().filter(|name| !error.message.contains(name.as_str()));
    let evidence = symbol.cloned().collect();
    Note { evidence, ..Note::new(Tone::Bad, "error", error.message.clone()) }
}

fn finding(why: &Why) -> Note {
    let cost = match why.cost_ms.value() >= 1.0 && !why.message.contains(&prose(why.cost_ms)) {
        true => format!(", cost {}", prose(why.cost_ms)),
        false => String::new(),
    };
    let evidence = why.evidence.iter().map(|it| format!("{}: {}", it.source.name(), it.message));
    Note {
        tone: Tone::Plain,
        label: why.basis.name(),
        text: format!("{}{cost}", why.message),
        evidence: evidence.collect(),
    }
}

fn attempts(document: &Document) -> Table {
    let transport = match document.transport.as_ref() {
        "udp" => "udp ms",
        "unix" => "unix ms",
        _ => "tcp ms",
    };
    let names = [
        "#",
        "address",
        "start ms",
        transport,
        "tls ms",
        "outcome",
        "started because",
        "from",
        "route",
    ];
    let mut table = Table::new(&names);
    for attempt in &document.attempts {
        let tone = tone(document, attempt);
        table.push(
            tone,
            vec![
                attempt.attempt_id.to_string(),
                address(&attempt.address),
                column(attempt.start_ms),
                column(attempt.duration_ms),
                column_of(attempt.tls_ms),
                outcome(document, attempt),
                reason(attempt),
                attempt.local.clone().unwrap_or_default(),
                attempt.route.as_ref().map(route).unwrap_or_default(),
            ],
        );
    }
    for candidate in not_tried(document) {
        let mut cells = vec![String::new(); names.len()];
        (cells[1], cells[5]) = (address(candidate), "not tried".to_owned());
        table.push(Tone::Faint, cells);
    }
    table.without_empty_columns()
}

/// Candidates without an attempt.
fn not_tried(
    document: &Document,
) -> impl Iterator<Item = &crate::output::wire::common::AddressRecord> {
    let is_tried = |it: &&_| document.attempts.iter().any(|attempt| attempt.address == **it);
    document.resolve.candidates.iter().filter(move |it| !is_tried(it))
}

pub(super) fn tone(document: &Document, attempt: &Attempt) -> Tone {
    match attempt.result {
        _ if Some(attempt.attempt_id) == document.selected && document.error.is_none() => {
            Tone::Good
        }
        AttemptResult::Success if handshake(document, attempt).is_some() => Tone::Bad,
        AttemptResult::Success => Tone::Plain,
        AttemptResult::Failure | AttemptResult::Timeout => Tone::Bad,
        AttemptResult::Canceled => Tone::Faint,
    }
}

/// Outcome of an attempt, with what the kernel and routers did.
pub(super) fn outcome(document: &Document, attempt: &Attempt) -> String {
    let has_winner = document.selected.is_some();
    let is_race = document.compare.is_none() && !document.policy.all && document.error.is_none();
    let is_winner = document.selected == Some(attempt.attempt_id) && is_race;
    let mut parts = vec![match (attempt.result, &attempt.error) {
        (AttemptResult::Success, _) if attempt.answered == Some(false) => "silent".to_owned(),
        (AttemptResult::Success, _) if is_winner => "won".to_owned(),
        (AttemptResult::Success, _) if attempt.answered.is_some() => "answered".to_owned(),
        (AttemptResult::Success, _) => "connected".to_owned(),
        (AttemptResult::Canceled, _) if has_winner => "lost".to_owned(),
        (AttemptResult::Canceled, _) => "given up".to_owned(),
        (_, Some(error)) => error.message.clone(),
        (result, None) => word(&result),
    }];
    let handshake = handshake(document, attempt).and_then(|tls| tls.error.as_ref());
    parts.extend(handshake.map(|error| error.message.clone()));
    parts.extend(attempt.reset.then(|| "then reset".to_owned()));
    let resent = attempt.tcp_info.as_ref().map_or(0, |tcp| tcp.retransmits);
    parts.extend((resent > 0).then(|| format!("SYN resent {resent}")));
    parts.extend(attempt.icmp.as_ref().map(icmp));
    let refused = attempt.refused_options.iter();
    parts.extend(refused.map(|it| format!("{} refused by the kernel", it.option)));
    parts.join(", ")
}

fn icmp(icmp: &Icmp) -> String {
    let from = match &icmp.from {
        _ if icmp.from_this_host => " from this host".to_owned(),
        Some(from) => format!(" from {from}"),
        None => String::new(),
    };
    format!("{} {}/{}{from}: {}", icmp.protocol, icmp.icmp_type, icmp.code, icmp.meaning)
}

fn reason(attempt: &Attempt) -> String {
    match attempt.after {
        Some(after) => format!("attempt {after} ended"),
        None => word(&attempt.reason),
    }
}

fn route(route: &Route) -> String {
    let mut parts = vec![route.kind.to_string()];
    parts.extend(route.entry.clone());
    parts.extend(route.gateway.as_ref().map(|gateway| format!("via {gateway}")));
    parts.extend(route.interface.as_ref().map(|name| format!("dev {name}")));
    parts.extend(route.source.as_ref().map(|source| format!("src {source}")));
    parts.join(" ")
}

fn other_clients(others: &OtherClients) -> Part {
    let mut table = Table::new(&["client", "policy", "outcome", "after ms"]);
    for client in &others.clients {
        let cells = vec![
            client.client.to_string(),
            client.policy.to_string(),
            word(&client.outcome),
            column(client.ms),
        ];
        table.push(Tone::Plain, cells);
    }
    Part::Table(table)
}

fn environment(document: &Document) -> Vec<Part> {
    let around = document.surroundings.as_ref();
    let facts = [
        Some(Fact::new("loopctl", document.version.to_string())),
        Some(Fact::new("started at", document.start.to_string())),
        Some(Fact::new("duration", prose(document.total_ms))),
        (document.end == RunEnd::Interrupted).then(|| Fact::new("end", "interrupted")),
        Some(Fact::new("policy", rules(&document.policy))),
        Fact::of("time limit", Some(prose(document.policy.deadline_ms))),
        Fact::list("name servers", &names::servers(&document.resolve)),
        document.tcp_info.as_ref().map(|tcp| Fact::new("kernel", kernel(tcp))),
        winner(document)
            .and_then(|it| it.socket.as_ref())
            .map(|it| Fact::new("socket", options(it))),
        around
            .and_then(|it| it.local_ports.as_ref())
            .map(|ports| Fact::new("local ports", format!("{} to {}", ports.first, ports.last))),
        around
            .and_then(|it| it.proxy.as_ref())
            .map(|proxy| Fact::new("proxy, not used", format!("{}={}", proxy.variable, proxy.url))),
    ];
    let facts = facts.into_iter().flatten().collect();
    vec![
        Part::Facts(facts),
        Part::Table(around.map(interfaces).unwrap_or_else(|| Table::new(&[]))),
        Part::Table(stalls(&document.stalls)),
        Part::Table(slow_callbacks(&document.slow_callbacks)),
    ]
}

fn rules(policy: &Policy) -> String {
    let delay = policy.connection_attempt_delay_ms.map_or_else(|| "off".to_owned(), prose);
    let mut parts = vec![policy.name.to_string(), format!("attempt delay {delay}")];
    parts.extend(policy.resolution_delay_ms.map(|it| format!("resolution delay {}", prose(it))));
    parts.push(format!("interleave {}", policy.interleave));
    parts.extend(policy.max_parallel.map(|count| format!("max parallel {count}")));
    parts.extend(policy.max_addresses.map(|count| format!("max addresses {count}")));
    parts.extend(policy.attempt_timeout_ms.map(|it| format!("attempt timeout {}", prose(it))));
    parts.push(format!("success {}", word(&policy.success)));
    parts.extend(policy.all.then(|| "all addresses".to_owned()));
    if !policy.changed.is_empty() {
        parts.push(format!("changed: {}", policy.changed.join(" ")));
    }
    parts.join(", ")
}

fn kernel(tcp: &TcpInfo) -> String {
    let rtt = round_trip(tcp).map(|rtt| format!("rtt {rtt}, ")).unwrap_or_default();
    format!("{rtt}retransmits {}, mss {}", tcp.retransmits, tcp.snd_mss)
}

fn options(options: &SocketOptions) -> String {
    let mut parts = Vec::new();
    parts.extend(options.interface.as_ref().map(|name| format!("interface {name}")));
    parts.extend(options.ttl.map(|ttl| format!("ttl {ttl}")));
    parts.extend(options.dscp.map(|dscp| format!("dscp {dscp}")));
    parts.extend(options.mark.map(|mark| format!("mark {mark:#x}")));
    parts.extend(options.nodelay.then(|| "nodelay".to_owned()));
    parts.extend(options.mptcp.then(|| "mptcp".to_owned()));
    parts.extend(options.tfo.then(|| "tfo".to_owned()));
    parts.extend(options.keepalive.as_ref().map(|it| {
        format!("keepalive {}, {}, {}", prose(it.idle_ms), prose(it.interval_ms), it.count)
    }));
    parts.join(", ")
}

fn interfaces(around: &Surroundings) -> Table {
    let mut table = Table::new(&["interface", "up", "carrier", "addresses"]);
    for interface in &around.interfaces {
        let cells = vec![
            interface.name.clone(),
            yes_or_no(interface.up).to_owned(),
            yes_or_no(interface.carrier).to_owned(),
            interface.addresses.join(", "),
        ];
        table.push(Tone::Plain, cells);
    }
    table
}

/// Times in which the program itself did not run.
fn stalls(stalls: &[Stall]) -> Table {
    let mut table = Table::new(&["this process stood still from ms", "for ms"]);
    for stall in stalls {
        table.push(Tone::Plain, vec![column(stall.start_ms), column(stall.duration_ms)]);
    }
    table
}

/// Callbacks that delayed the program itself.
pub(super) fn slow_callbacks(callbacks: &[SlowCallback]) -> Table {
    let mut table = Table::new(&["slow callback", "scheduled at", "#", "total ms", "longest ms"]);
    for slow in callbacks {
        let cells = vec![
            slow.what.clone(),
            slow.scheduled_at.clone().unwrap_or_default(),
            slow.count.to_string(),
            column(slow.total_ms),
            column(slow.longest_ms),
        ];
        table.push(Tone::Plain, cells);
    }
    table
}

/// IP address and port that may be unknown.
pub(super) fn endpoint_of(ip: Option<&String>, port: Option<u16>) -> Option<String> {
    Some(endpoint(ip?, port?))
}
