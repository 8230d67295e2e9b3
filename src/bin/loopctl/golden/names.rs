//! Names that do not resolve, by the system and by name servers.

use loopctl::plan::Family;
use loopctl::{
    AbortReason, Address, DnsData, DnsErrorKind, DnsEventKind, DnsRecord, DnsServer, EaiCode,
    EventKind, Rcode, RecordType, ResolveError,
};

use super::story::{address, dns_answer, dns_asked, dns_error, ms, name_server, subject};
use super::{Golden, Story, every_format, in_short};
use crate::report::{NameFailure, Via};

/// Error symbols of getaddrinfo(3), with the messages of glibc.
const SYSTEM: [(EaiCode, &str); 8] = [
    (EaiCode::NONAME, "Name or service not known"),
    (EaiCode::NODATA, "No address associated with hostname"),
    (EaiCode::ADDRFAMILY, "Address family for hostname not supported"),
    (EaiCode::AGAIN, "Temporary failure in name resolution"),
    (EaiCode::FAIL, "Non-recoverable failure in name resolution"),
    (EaiCode::SERVICE, "Servname not supported for ai_socktype"),
    (EaiCode::MEMORY, "Memory allocation failure"),
    (EaiCode::SYSTEM, "System error"),
];

fn system(code: EaiCode, message: &str) -> ResolveError {
    let (host, message) = ("nowhere.test".to_owned(), message.to_owned());
    ResolveError::System { host, code, errno: None, message }
}

fn failed_by_system(code: EaiCode, says: &str) -> Story {
    let mut story = Story::new("nowhere.test:80");
    story.asked(0.1);
    for family in [Family::Inet, Family::Inet6] {
        story.at(2.0, EventKind::QueryFailed { family, error: system(code, says) });
    }
    story.at(2.1, EventKind::ResolveFailed { error: system(code, says) });
    story.aborted(2.1, AbortReason::NotResolved);
    story
}

#[test]
fn the_system_says_no() {
    every_format("name-noname", &failed_by_system(SYSTEM[0].0, SYSTEM[0].1));
    let mut golden = Golden::default();
    for (code, says) in SYSTEM {
        in_short(&mut golden, &code.to_string(), &failed_by_system(code, says));
    }
    golden.assert("connect/name-system.txt");
}

/// Single query of the system, as with `-4` and in older clients.
#[test]
fn the_system_is_asked_once() {
    let mut golden = Golden::default();
    let unknown = system(EaiCode::NONAME, "Name or service not known");
    for error in [unknown, ResolveError::TimedOut] {
        let title = error.code().map_or_else(|| "timed out".to_owned(), |code| code.to_string());
        let mut about = subject("nowhere.test:80");
        about.family = Family::Inet;
        let mut story = Story::about(about, Via::System);
        story.at(0.1, EventKind::ResolveStarted { host: "nowhere.test".to_owned() });
        let is_late = matches!(error, ResolveError::TimedOut);
        story.at(2.1, EventKind::ResolveFailed { error });
        let reason = if is_late { AbortReason::TimedOut } else { AbortReason::NotResolved };
        story.aborted(2.1, reason);
        in_short(&mut golden, &title, &story);
    }
    let mut story = Story::new("nowhere.test:80");
    let at = story.now() + ms(0.2);
    let unusable = "no server".parse::<DnsServer>().unwrap_err();
    story.report.refuse(NameFailure::Config(unusable), at);
    in_short(&mut golden, "no configuration", &story);
    golden.assert("connect/name-once.txt");
}

fn by_name_server(kind: DnsErrorKind, rcode: Option<Rcode>) -> Story {
    let mut story = Story::about(subject("nowhere.test:80"), Via::Dns);
    story.asked(0.1);
    let started_at = story.report.started_at.at;
    let questions = [(0, RecordType::Aaaa, Family::Inet6), (1, RecordType::A, Family::Inet)];
    for (query, record_type, _) in questions {
        story.query(0.2, query, record_type, dns_asked(1));
    }
    for (query, record_type, family) in questions {
        let (server, transport) = (name_server(), loopctl::plan::DnsTransport::Udp);
        let silence = DnsEventKind::TimedOut { server, transport, after: ms(1000.0) };
        story.query(1000.2, query, record_type, silence);
        story.query(1000.2, query, record_type, dns_asked(2));
        let error = dns_error("nowhere.test", record_type, kind, rcode, started_at);
        let result = Box::new(Err(error.clone()));
        story.query(1001.0, query, record_type, DnsEventKind::Finished { result });
        story.at(
            1001.1,
            EventKind::QueryFailed { family, error: ResolveError::Dns(Box::new(error)) },
        );
    }
    let error = dns_error("nowhere.test", RecordType::A, kind, rcode, started_at);
    story.at(1001.2, EventKind::ResolveFailed { error: ResolveError::Dns(Box::new(error)) });
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

/// Name servers with an IPv4 address and no answer about IPv6.
#[test]
fn name_servers_know_an_address() {
    let mut story = Story::about(subject("many.test:8443"), Via::Dns);
    story.asked(0.1);
    story.query(0.2, 0, RecordType::Aaaa, dns_asked(1));
    story.query(0.2, 1, RecordType::A, dns_asked(1));
    let started_at = story.report.started_at.at;
    let mut answer = dns_answer("many.test", RecordType::A, Rcode::NOERROR, started_at);
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
