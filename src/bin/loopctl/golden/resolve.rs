//! Names with their records, proofs and traces.

use std::net::IpAddr;
use std::time::Duration;

use loopctl::{
    DnsAnswer, DnsData, DnsErrorKind, DnsEvent, DnsEventKind, DnsIgnored, DnsProof, DnsProofReason,
    DnsRecord, DnsSetProof, DnsValidation, EaiCode, Rcode, RecordType, ResolveError,
    StartOfAuthority,
};

use super::story::{address, dns_answer, dns_asked, dns_error, errno, ms, name_server, started_at};
use super::{Golden, LOOKS, plain};
use crate::config::AddressOrder;
use crate::output::human::resolve::notes;
use crate::output::human::resolve::text::{self, View};
use crate::output::json::resolve as json;
use crate::report::names::{NameReport, NameSubject};
use crate::report::query::QueryStatus;
use crate::report::trace::{Hop, NamedServer, Step, TraceError};
use crate::util::cancellation::StopReason;
use RecordType::{A, Aaaa};

/// Times are in milliseconds since the start.
struct Name {
    report: NameReport,
    lines: String,
}

impl Name {
    fn new(name: &str) -> Self {
        let subject = NameSubject {
            text: name.to_owned(),
            name: name.to_owned(),
            port: None,
            dns_leads: false,
            wants_addresses: true,
            interleave: 1,
            dnssec: false,
        };
        let mut report = NameReport::new(subject, started_at());
        report.sources = vec!["files".to_owned(), "dns".to_owned()];
        Self { report, lines: String::new() }
    }

    fn at(&mut self, time: f64, query: u64, record_type: RecordType, kind: DnsEventKind) {
        let (started_at, name) = (self.report.started_at.at, self.name());
        let event =
            DnsEvent { at: started_at + ms(time), query, name, record_type, verifies: None, kind };
        self.report.queries.apply(0, started_at, &event);
        let line = notes::event(&event, self.report.since_start(event.at));
        self.lines.extend(line.map(|line| line + "\n"));
    }

    fn name(&self) -> String {
        format!("{}.", self.report.subject.name)
    }

    fn answer(&self, record_type: RecordType, data: Vec<DnsData>) -> DnsAnswer {
        let (rcode, started_at) = (Rcode::NOERROR, self.report.started_at.at);
        let answer = dns_answer(&self.report.subject.name, record_type, rcode, started_at);
        let (name, ttl) = (self.name(), Duration::from_secs(60));
        let record = |data| DnsRecord { name: name.clone(), record_type, ttl, data };
        DnsAnswer { records: data.into_iter().map(record).collect(), ..answer }
    }

    fn answered(&mut self, time: f64, query: u64, answer: DnsAnswer) {
        let record_type = answer.record_type;
        let result = Box::new(Ok(answer));
        self.at(time, query, record_type, DnsEventKind::Finished { result });
    }

    fn failed(&mut self, time: f64, query: u64, record_type: RecordType, kind: DnsErrorKind) {
        let rcode = match kind {
            DnsErrorKind::NxDomain => Some(Rcode::NXDOMAIN),
            DnsErrorKind::NoData => Some(Rcode::NOERROR),
            DnsErrorKind::ServFail => Some(Rcode::SERVFAIL),
            DnsErrorKind::Refused => Some(Rcode::REFUSED),
            _ => None,
        };
        let (name, started_at) = (self.report.subject.name.clone(), self.report.started_at.at);
        let mut error = dns_error(&name, record_type, kind, rcode, started_at);
        if let Some(answer) = &mut error.answer {
            answer.authority.push(start_of_authority());
        }
        let result = Box::new(Err(error));
        self.at(time, query, record_type, DnsEventKind::Finished { result });
    }

    fn system(&mut self, time: f64, types: Vec<RecordType>, result: Result<Vec<&str>, i32>) {
        let host = self.report.subject.name.clone();
        let place = self.report.queries.ask_system(host.clone(), types, Duration::ZERO);
        let message = "Name or service not known".to_owned();
        let result = result.map(|texts| texts.into_iter().map(str::to_owned).collect());
        let result = result.map_err(|code| ResolveError::System {
            host,
            code: EaiCode(code),
            errno: None,
            message,
        });
        self.report.queries.end_system(place, ms(time), result);
    }

    /// Source addresses 10.77.0.1/24 and fd77::1/64.
    fn ends(mut self, time: f64) -> Self {
        self.report.finish(self.report.started_at.at + ms(time), false);
        let source = |to: IpAddr| if to.is_ipv4() { "10.77.0.1" } else { "fd77::1" }.parse().ok();
        self.report.arrange(&[], source);
        self
    }

    fn assert(self, name: &str) {
        let mut golden = Golden::default();
        let report = &self.report;
        let verbose = ("human 80 -v", plain(Some(80)));
        for (title, style) in LOOKS.into_iter().chain([verbose]) {
            let is_verbose = title == verbose.0;
            let view =
                View { order: AddressOrder::Connection, has_headline: is_verbose, is_verbose };
            let message = notes::explain(report).render(style);
            let shown = text::report(report, view, style);
            golden.section(title, &format!("{shown}-- stderr\n{message}"));
        }
        golden.section("stderr -v", &self.lines);
        golden.section(
            "human --short",
            &report.short().iter().map(|it| format!("{it}\n")).collect::<String>(),
        );
        golden.json("json", &json::document(report));
        super::assert_valid("resolve.v1.json", &json::document(report));
        golden.assert(&format!("resolve/{name}.txt"));
    }
}

fn start_of_authority() -> DnsRecord {
    let soa = StartOfAuthority {
        primary: "ns.test.".to_owned(),
        mailbox: "admin.test.".to_owned(),
        serial: 1,
        refresh: Duration::from_secs(7200),
        retry: Duration::from_secs(600),
        expire: Duration::from_secs(86_400),
        minimum: Duration::from_secs(9),
    };
    let (name, ttl) = ("test.".to_owned(), Duration::from_secs(60));
    DnsRecord { name, record_type: RecordType::Soa, ttl, data: DnsData::Soa(soa) }
}

fn v4(texts: &[&str]) -> Vec<DnsData> {
    texts.iter().map(|ip| DnsData::A(ip.parse().unwrap())).collect()
}

fn v6(texts: &[&str]) -> Vec<DnsData> {
    texts.iter().map(|ip| DnsData::Aaaa(ip.parse().unwrap())).collect()
}

/// Alias that both the system and name servers resolve.
#[test]
fn found() {
    let mut name = Name::new("many.test");
    name.at(0.1, 0, Aaaa, dns_asked(1));
    name.at(0.1, 1, A, dns_asked(1));
    name.system(
        1.1,
        vec![A, Aaaa],
        Ok(vec!["fd77::dead", "fd77::beef", "10.77.0.2", "10.77.0.99"]),
    );
    let mut answer = name.answer(A, v4(&["10.77.0.99", "10.77.0.2"]));
    let (alias, ttl) = ("many.test.".to_owned(), Duration::from_secs(300));
    for record in &mut answer.records {
        record.name = "real.test.".to_owned();
    }
    let data = DnsData::Cname("real.test.".to_owned());
    answer.records.insert(0, DnsRecord { name: alias, record_type: RecordType::Cname, ttl, data });
    name.answered(0.5, 1, answer);
    let answer = name.answer(Aaaa, v6(&["fd77::dead", "fd77::beef"]));
    name.answered(0.6, 0, answer);
    name.ends(1.1).assert("found");
}

/// No such name, after a forged message, a retry, silence, and a refusal.
#[test]
fn denied() {
    let mut name = Name::new("nothing.test");
    name.system(3.0, vec![A, Aaaa], Err(-2));
    name.at(0.1, 0, Aaaa, dns_asked(1));
    name.at(0.1, 1, A, dns_asked(1));
    let (server, transport) = (name_server(), loopctl::plan::DnsTransport::Udp);
    let why = DnsIgnored::WrongId;
    name.at(0.2, 1, A, DnsEventKind::Ignored { server: server.clone(), why });
    name.failed(0.5, 0, Aaaa, DnsErrorKind::NxDomain);
    let after = ms(1000.0);
    name.at(1000.2, 1, A, DnsEventKind::TimedOut { server: server.clone(), transport, after });
    name.at(1000.2, 1, A, dns_asked(2));
    let failure = errno(111);
    name.at(1000.6, 1, A, DnsEventKind::Failed { server, transport, failure });
    name.failed(1000.9, 1, A, DnsErrorKind::NxDomain);
    name.ends(1003.1).assert("denied");
}

/// Each kind of failure, of name servers alone.
#[test]
fn failed() {
    use DnsErrorKind::{Malformed, Network, NoData, Refused, ServFail, TimedOut};
    for (text, kind) in [
        ("nodata", NoData),
        ("servfail", ServFail),
        ("refused", Refused),
        ("timeout", TimedOut),
        ("network", Network),
        ("malformed", Malformed),
    ] {
        let mut name = Name::new("some.test");
        name.report.subject.dns_leads = true;
        name.at(0.1, 0, Aaaa, dns_asked(1));
        name.at(0.1, 1, A, dns_asked(1));
        name.failed(1.0, 0, Aaaa, kind);
        name.failed(1.1, 1, A, kind);
        name.ends(1.2).assert(&format!("failed-{text}"));
    }
}

#[test]
fn interrupted() {
    let mut name = Name::new("slow.test");
    name.at(0.1, 0, Aaaa, dns_asked(1));
    let at = name.report.started_at.at + ms(500.0);
    name.report.interrupt(StopReason::Signal(2), at);
    name.assert("interrupted");
}

/// Other types than addresses, and a name for an address.
#[test]
fn records() {
    let mut name = Name::new("many.test");
    name.report.subject.wants_addresses = false;
    name.report.subject.port = Some(443);
    name.at(0.1, 0, RecordType::Mx, dns_asked(1));
    let (preference, exchange) = (10, "mail.test.".to_owned());
    let mut answer = name.answer(RecordType::Mx, vec![DnsData::Mx { preference, exchange }]);
    answer.flags.authoritative = true;
    name.answered(0.5, 0, answer);
    name.at(0.1, 1, RecordType::Soa, dns_asked(1));
    let soa = start_of_authority().data;
    let answer = name.answer(RecordType::Soa, vec![soa]);
    name.answered(0.6, 1, answer);
    name.at(0.1, 2, RecordType::Txt, dns_asked(1));
    name.failed(0.7, 2, RecordType::Txt, DnsErrorKind::NoData);
    name.ends(1.1).assert("records");
    let mut name = Name::new("2.0.77.10.in-addr.arpa");
    name.report.subject.wants_addresses = false;
    name.system(0.4, vec![RecordType::Ptr], Ok(vec!["many.test"]));
    name.ends(0.5).assert("reverse");
}

fn proved(name: &mut Name, proof: DnsProof, reason: Option<DnsProofReason>) {
    name.report.subject.dnssec = true;
    name.report.subject.dns_leads = true;
    name.at(0.1, 0, A, dns_asked(1));
    let mut answer = name.answer(A, v4(&["10.77.0.2"]));
    let (owner, record_type) = (name.name(), A);
    let sets = vec![DnsSetProof { name: owner, record_type, proof, reason: reason.clone() }];
    let chain = vec![".".to_owned(), "test.".to_owned()];
    let validation = DnsValidation { proof, reason, chain, sets };
    answer.exchange.validation = Some(Box::new(validation));
    name.answered(3.0, 0, answer);
}

#[test]
fn proofs() {
    let unsigned = DnsProofReason::Unsigned { zone: "many.test.".to_owned() };
    let missing = DnsProofReason::NoSignature { of: None };
    let cases = [
        ("secure", DnsProof::Secure, None),
        ("insecure", DnsProof::Insecure, Some(unsigned)),
        ("bogus", DnsProof::Bogus, Some(missing)),
    ];
    for (text, proof, reason) in cases {
        let mut name = Name::new("many.test");
        proved(&mut name, proof, reason);
        name.ends(3.1).assert(&format!("dnssec-{text}"));
    }
}

fn hop(zone: &str, started: f64, step: Step) -> Hop {
    let server = NamedServer {
        name: Some(format!("a.ns.{}", zone.trim_start_matches('.'))),
        address: address("192.0.2.53:53"),
    };
    let (zone, name) = (zone.to_owned(), "many.test.".to_owned());
    Hop { zone, name, server: Some(server), started: ms(started), took: ms(2.0), step }
}

#[test]
fn trace() {
    let referral = || Step::Referral {
        zone: "test.".to_owned(),
        servers: vec!["a.ns.test.".to_owned(), "b.ns.test.".to_owned()],
    };
    let mut name = Name::new("many.test");
    name.report.subject.dns_leads = true;
    name.at(4.1, 0, A, dns_asked(1));
    let answer = name.answer(A, v4(&["10.77.0.2"]));
    name.answered(6.1, 0, answer);
    name.report.hops = vec![
        hop(".", 0.1, referral()),
        hop("test.", 2.1, Step::Alias("real.test.".to_owned())),
        hop("test.", 4.1, Step::End(QueryStatus::Answered, 1)),
    ];
    name.ends(6.2).assert("trace");
    let mut name = Name::new("many.test");
    name.report.subject.dns_leads = true;
    let mut lost = hop("test.", 2.1, Step::Lost(TraceError::NoServerAddress("test.".to_owned())));
    lost.server = None;
    name.report.hops = vec![hop(".", 0.1, referral()), lost];
    name.ends(4.2).assert("trace-lost");
}
