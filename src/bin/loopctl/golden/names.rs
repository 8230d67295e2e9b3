//! Names that do not resolve, by the system and by name servers.

use loopctl::plan::Family;
use loopctl::{
    AbortReason, Address, DnsData, DnsErrorKind, DnsEventKind, DnsRecord, EventKind, Rcode,
    RecordType,
};

use super::story::{address, dns_answer, dns_asked, dns_error, ms, name_server, subject};
use super::{Golden, Story, every_format, in_short};
use crate::report::Via;

/// The symbols of getaddrinfo, with what glibc says.
const SYSTEM: [(&str, &str); 8] = [
    ("EAI_NONAME", "Name or service not known"),
    ("EAI_NODATA", "No address associated with hostname"),
    ("EAI_ADDRFAMILY", "Address family for hostname not supported"),
    ("EAI_AGAIN", "Temporary failure in name resolution"),
    ("EAI_FAIL", "Non-recoverable failure in name resolution"),
    ("EAI_SERVICE", "Servname not supported for ai_socktype"),
    ("EAI_MEMORY", "Memory allocation failure"),
    ("EAI_SYSTEM", "System error"),
];

fn failed_by_system(symbol: &'static str, says: &str) -> Story {
    let mut story = Story::new("nowhere.test:80");
    let reason = format!("cannot resolve `nowhere.test`: {says} ({symbol})");
    story.asked(0.1);
    for family in [Family::Inet, Family::Inet6] {
        let (reason, symbol) = (reason.clone(), Some(symbol));
        story.at(2.0, EventKind::QueryFailed { family, reason, symbol });
    }
    story.at(2.1, EventKind::ResolveFailed { reason, symbol: Some(symbol) });
    story.aborted(2.1, AbortReason::NotResolved);
    story
}

#[test]
fn the_system_says_no() {
    every_format("name-noname", &failed_by_system(SYSTEM[0].0, SYSTEM[0].1));
    let mut golden = Golden::default();
    for (symbol, says) in SYSTEM {
        in_short(&mut golden, symbol, &failed_by_system(symbol, says));
    }
    golden.assert("connect/name-system.txt");
}

/// Both families in one question, as `-4` and old clients ask it.
#[test]
fn the_system_is_asked_once() {
    let mut golden = Golden::default();
    for symbol in [Some("EAI_NONAME"), None] {
        let mut about = subject("nowhere.test:80");
        about.family = Family::Inet;
        let mut story = Story::about(about, Via::System);
        story.at(0.1, EventKind::ResolveStarted { host: "nowhere.test".to_owned() });
        let reason = "cannot resolve `nowhere.test`: no answer within 10.0 s".to_owned();
        story.at(2.1, EventKind::ResolveFailed { reason, symbol });
        let reason =
            if symbol.is_some() { AbortReason::NotResolved } else { AbortReason::TimedOut };
        story.aborted(2.1, reason);
        in_short(&mut golden, symbol.unwrap_or("timed out"), &story);
    }
    let mut story = Story::new("nowhere.test:80");
    let at = story.now() + ms(0.2);
    story.report.refuse("cannot ask name servers: /etc/resolv.conf: no such file".to_owned(), at);
    in_short(&mut golden, "no configuration", &story);
    golden.assert("connect/name-once.txt");
}

fn by_name_server(kind: DnsErrorKind, rcode: Option<Rcode>) -> Story {
    let mut story = Story::about(subject("nowhere.test:80"), Via::Dns);
    story.asked(0.1);
    let began = story.report.started_at.at;
    let questions = [(0, RecordType::Aaaa, Family::Inet6), (1, RecordType::A, Family::Inet)];
    for (query, record_type, _) in questions {
        story.query(0.2, query, record_type, dns_asked(1));
    }
    for (query, record_type, family) in questions {
        let (server, transport) = (name_server(), loopctl::plan::DnsTransport::Udp);
        let silence = DnsEventKind::TimedOut { server, transport, after: ms(1000.0) };
        story.query(1000.2, query, record_type, silence);
        story.query(1000.2, query, record_type, dns_asked(2));
        let error = dns_error("nowhere.test", record_type, kind, rcode, began);
        let (reason, symbol) = (error.to_string(), None);
        let result = Box::new(Err(error));
        story.query(1001.0, query, record_type, DnsEventKind::Finished { result });
        story.at(1001.1, EventKind::QueryFailed { family, reason, symbol });
    }
    let reason = dns_error("nowhere.test", RecordType::A, kind, rcode, began).to_string();
    story.at(1001.2, EventKind::ResolveFailed { reason, symbol: None });
    story.aborted(1001.2, AbortReason::NotResolved);
    story
}

#[test]
fn name_servers_say_no() {
    let cases = [
        ("NXDOMAIN", DnsErrorKind::NxDomain, Some(Rcode::NXDOMAIN)),
        ("NODATA", DnsErrorKind::NoData, Some(Rcode::NOERROR)),
        ("SERVFAIL", DnsErrorKind::ServFail, Some(Rcode::SERVFAIL)),
        ("REFUSED", DnsErrorKind::Refused, Some(Rcode::REFUSED)),
        ("unreachable", DnsErrorKind::Network, None),
        ("silent", DnsErrorKind::TimedOut, None),
        ("malformed", DnsErrorKind::Malformed, None),
    ];
    every_format("name-dns-nxdomain", &by_name_server(cases[0].1, cases[0].2));
    let mut golden = Golden::default();
    for (title, kind, rcode) in cases {
        in_short(&mut golden, title, &by_name_server(kind, rcode));
    }
    golden.assert("connect/name-dns.txt");
}

/// Name servers know the IPv4 address, and say nothing of IPv6.
#[test]
fn name_servers_know_an_address() {
    let mut story = Story::about(subject("many.test:8443"), Via::Dns);
    story.asked(0.1);
    story.query(0.2, 0, RecordType::Aaaa, dns_asked(1));
    story.query(0.2, 1, RecordType::A, dns_asked(1));
    let began = story.report.started_at.at;
    let mut answer = dns_answer("many.test", RecordType::A, Rcode::NOERROR, began);
    let ip = "10.77.0.2".parse().unwrap();
    let (name, record_type, ttl) = ("many.test.".to_owned(), RecordType::A, ms(60_000.0));
    answer.records.push(DnsRecord { name, record_type, ttl, data: DnsData::A(ip) });
    let result = Box::new(Ok(answer));
    story.query(1.0, 1, RecordType::A, DnsEventKind::Finished { result });
    let found = vec![address("10.77.0.2:8443")];
    let (family, addresses) = (Family::Inet, found.clone());
    story.at(1.0, EventKind::QueryAnswered { family, addresses });
    story.at(51.0, EventKind::Resolved { addresses: found.clone() });
    story.sorted(51.0, found.into_iter().map(Address::from).collect());
    story.started_because(
        51.1,
        0,
        loopctl::plan::Reason::First(loopctl::plan::FirstAttemptReason::ResolutionDelay),
    );
    story.succeeded(52.0, 0);
    story.query(52.0, 0, RecordType::Aaaa, DnsEventKind::Canceled);
    story.selected(52.0, 0);
    story.report.end_queries();
    every_format("won-by-dns", &story);
}
