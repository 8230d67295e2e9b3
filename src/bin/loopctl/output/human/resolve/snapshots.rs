//! Snapshots of text output from invented events: three widths, no colour, and a pipe.

use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use loopctl::plan::DnsTransport;
use loopctl::{
    DnsAnswer, DnsData, DnsError, DnsErrorKind, DnsEvent, DnsEventKind, DnsExchange, DnsFlags,
    DnsIgnored, DnsRecord, DnsServer, EaiCode, Rcode, RecordType, ResolveError, StartOfAuthority,
};

use super::notes;
use super::text;
use super::text::View;
use crate::config::AddressOrder;
use crate::output::snapshots::{assert_snapshot, style};
use crate::report::StartTime;
use crate::report::names::{NameReport, NameSubject};

/// Times are in milliseconds since the start.
struct Story {
    started_at: Instant,
    report: NameReport,
}

impl Story {
    fn new(name: &str) -> Self {
        let started_at = loopctl::EventLoop::new().unwrap().handle().time();
        let subject = NameSubject {
            text: name.to_owned(),
            name: name.to_owned(),
            port: None,
            dns_leads: false,
            wants_addresses: true,
            interleave: 1,
            dnssec: false,
        };
        let mut report =
            NameReport::new(subject, StartTime { at: started_at, wall: SystemTime::UNIX_EPOCH });
        report.sources = vec!["files".to_owned(), "dns".to_owned()];
        Self { started_at, report }
    }

    fn at(&mut self, ms: f64, query: u64, record_type: RecordType, kind: DnsEventKind) {
        let at = self.started_at + Duration::from_secs_f64(ms / 1000.0);
        let name = format!("{}.", self.report.subject.name);
        self.report.queries.apply(
            0,
            self.started_at,
            &DnsEvent { at, query, name, record_type, verifies: None, kind },
        );
    }

    fn asked(&mut self, ms: f64, query: u64, record_type: RecordType) {
        let (server, transport) = (server(), DnsTransport::Udp);
        self.at(
            ms,
            query,
            record_type,
            DnsEventKind::Asked { server, transport, attempt: 1, edns: true },
        );
    }

    fn answered(&mut self, ms: f64, query: u64, record_type: RecordType, data: Vec<DnsData>) {
        let name = format!("{}.", self.report.subject.name);
        let ttl = Duration::from_secs(60);
        let record = |data| DnsRecord { name: name.clone(), record_type, ttl, data };
        let records = data.into_iter().map(record).collect();
        let answer = DnsAnswer { records, ..self.answer(record_type, Rcode::NOERROR) };
        self.at(ms, query, record_type, DnsEventKind::Finished { result: Box::new(Ok(answer)) });
    }

    /// There is no such name, by the start of its zone.
    fn denied(&mut self, ms: f64, query: u64, record_type: RecordType) {
        let soa = StartOfAuthority {
            primary: "ns.test.".to_owned(),
            mailbox: "admin.test.".to_owned(),
            serial: 1,
            refresh: Duration::ZERO,
            retry: Duration::ZERO,
            expire: Duration::ZERO,
            minimum: Duration::from_secs(9),
        };
        let (name, ttl) = ("test.".to_owned(), Duration::from_secs(60));
        let soa = DnsRecord { name, record_type: RecordType::Soa, ttl, data: DnsData::Soa(soa) };
        let answer =
            DnsAnswer { authority: vec![soa], ..self.answer(record_type, Rcode::NXDOMAIN) };
        let error = DnsError {
            kind: DnsErrorKind::NxDomain,
            name: answer.name.clone(),
            record_type,
            failure: None,
            exchange: Box::new(answer.exchange.clone()),
            answer: Some(Box::new(answer)),
        };
        self.at(ms, query, record_type, DnsEventKind::Finished { result: Box::new(Err(error)) });
    }

    fn answer(&self, record_type: RecordType, rcode: Rcode) -> DnsAnswer {
        DnsAnswer {
            name: format!("{}.", self.report.subject.name),
            record_type,
            rcode,
            flags: DnsFlags::default(),
            records: Vec::new(),
            authority: Vec::new(),
            extended_errors: Vec::new(),
            oddities: Vec::new(),
            exchange: DnsExchange {
                server: Some(server()),
                transport: Some(DnsTransport::Udp),
                started: self.started_at,
                took: Duration::ZERO,
                round_trip: None,
                retries: 0,
                truncated: false,
                without_edns: None,
                validation: None,
            },
        }
    }

    fn system(&mut self, ms: f64, result: Result<Vec<&str>, ResolveError>) {
        let name = self.report.subject.name.clone();
        let types = vec![RecordType::A, RecordType::Aaaa];
        let index = self.report.queries.ask_system(name, types, Duration::ZERO);
        let result = result.map(|found| found.into_iter().map(str::to_owned).collect());
        let at = Duration::from_secs_f64(ms / 1000.0);
        self.report.queries.end_system(index, at, result);
    }

    /// This host is 10.77.0.1/24 and fd77::1/64.
    fn ends(mut self, ms: f64) -> NameReport {
        self.report.finish(self.started_at + Duration::from_secs_f64(ms / 1000.0), false);
        let source = |to: IpAddr| if to.is_ipv4() { "10.77.0.1" } else { "fd77::1" }.parse().ok();
        self.report.arrange(&[], source);
        self.report
    }
}

fn server() -> DnsServer {
    "10.77.0.2".parse().unwrap()
}

/// The example of the manual.
fn found() -> NameReport {
    let mut story = Story::new("many.test");
    let (a, aaaa) = (RecordType::A, RecordType::Aaaa);
    story.asked(0.1, 0, aaaa);
    story.asked(0.1, 1, a);
    story.system(1.1, Ok(vec!["fd77::dead", "fd77::beef", "10.77.0.2", "10.77.0.99"]));
    let v4 = ["10.77.0.99", "10.77.0.2"].map(|ip| DnsData::A(ip.parse().unwrap()));
    let v6 = ["fd77::dead", "fd77::beef"].map(|ip| DnsData::Aaaa(ip.parse().unwrap()));
    story.answered(0.5, 1, a, v4.into());
    story.answered(0.6, 0, aaaa, v6.into());
    story.ends(1.1)
}

/// No such name, after a forged message and some silence.
fn denied() -> NameReport {
    let mut story = Story::new("nothing.test");
    let (a, aaaa) = (RecordType::A, RecordType::Aaaa);
    let (host, message) = ("nothing.test".to_owned(), "Name or service not known".to_owned());
    story.system(
        3.0,
        Err(ResolveError::System { host, code: EaiCode::NONAME, errno: None, message }),
    );
    story.asked(0.1, 0, aaaa);
    story.asked(0.1, 1, a);
    let why = DnsIgnored::WrongId;
    story.at(0.2, 1, a, DnsEventKind::Ignored { server: server(), why });
    story.denied(0.5, 0, aaaa);
    let failure = loopctl::Failure::from(&io::Error::from_raw_os_error(111));
    let (server, transport) = (server(), DnsTransport::Udp);
    story.at(0.6, 1, a, DnsEventKind::Failed { server, transport, failure });
    story.denied(0.9, 1, a);
    story.ends(3.1)
}

#[test]
fn names_at_three_widths_without_colour_and_in_a_pipe() {
    let looks = [
        ("40", style(Some(40), true, true)),
        ("80", style(Some(80), true, true)),
        ("120", style(Some(120), true, true)),
        ("no-colour", style(Some(80), false, true)),
        ("pipe", style(None, false, false)),
    ];
    for (look, style) in looks {
        for (story, report) in [("found", found()), ("denied", denied())] {
            let view =
                View { order: AddressOrder::Connection, has_headline: false, is_verbose: false };
            let shown = text::report(&report, view, style) + &notes::explain(&report).render(style);
            assert_snapshot(&format!("resolve-{story}-{look}.txt"), &shown);
        }
    }
}
