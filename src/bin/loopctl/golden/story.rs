//! Report built event by event, at fixed times.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use loopctl::plan::{DnsTransport, Family, FirstAttemptReason, Preset, Reason};
use loopctl::{
    AbortReason, Address, DnsAnswer, DnsError, DnsErrorKind, DnsEvent, DnsEventKind, DnsExchange,
    DnsFlags, DnsServer, EaiCode, Event, EventKind, Failure, Phase, Rcode, RecordType,
    ResolveError, SocketSnapshot, TcpInfo,
};

use crate::output::human::events as lines;
use crate::output::human::resolve::notes;
use crate::output::json::events;
use crate::output::wire::event::Record;
use crate::report::{Report, StartTime, Subject, TlsExpectation, TransportKind, Via};

pub(super) fn epoch() -> Instant {
    loopctl::EventLoop::new().unwrap().handle().time()
}

pub(super) fn ms(count: f64) -> Duration {
    Duration::from_secs_f64(count / 1000.0)
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// An error of the system.
pub(super) fn errno(number: i32) -> Failure {
    Failure::from(&io::Error::from_raw_os_error(number))
}

/// Error of getaddrinfo(3) for `many.test`.
pub(super) fn system_error(code: EaiCode) -> ResolveError {
    let message = match code {
        EaiCode::NODATA => "No address associated with hostname",
        _ => "Name or service not known",
    };
    let (host, message) = ("many.test".to_owned(), message.to_owned());
    ResolveError::System { host, code, errno: None, message }
}

/// 2026-11-23, when the certificate of the tests has expired.
fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_392_000)
}

pub(super) fn started_at() -> StartTime {
    StartTime { at: epoch(), wall: wall() }
}

pub(super) fn subject(text: &str) -> Subject {
    let (host, port) = text.rsplit_once(':').unwrap();
    Subject {
        text: text.to_owned(),
        host: Some(host.trim_matches(['[', ']']).to_owned()),
        port: port.parse().ok(),
        transport: TransportKind::Tcp,
        family: Family::Unspecified,
        policy: Preset::Hev3.into(),
        timeout: Duration::from_secs(10),
        tls: None,
    }
}

/// Times are in milliseconds since the start.
pub(super) struct Story {
    pub(super) report: Report,
    /// Events of `--ndjson`.
    pub(super) records: Vec<Record>,
    /// Lines of `-v`.
    pub(super) lines: Vec<String>,
    latest: Instant,
}

impl Story {
    pub(super) fn new(target: &str) -> Self {
        Self::about(subject(target), Via::System)
    }

    pub(super) fn about(subject: Subject, via: Via) -> Self {
        let report = Report::new(subject, via, started_at());
        let records = vec![events::config_set("1", &report.subject, None)];
        let latest = report.started_at.at;
        Self { report, records, lines: Vec::new(), latest }
    }

    /// Time of the latest event.
    pub(super) fn now(&self) -> Instant {
        self.latest
    }

    pub(super) fn wants_tls(&mut self, wanted: TlsExpectation) {
        self.report.subject.tls = Some(wanted);
    }

    pub(super) fn at(&mut self, time: f64, mut kind: EventKind) {
        self.fit_round_trip(time, &mut kind);
        let event = Event::new(self.report.started_at.at + ms(time), kind);
        self.latest = event.at;
        self.report.apply(&event);
        self.records.extend(events::records("1", &event, &self.report));
        self.lines.extend(lines::event(&event, &self.report).map(|line| line + "\n"));
    }

    /// Makes the kernel's round trip of a slow connection as long as the connection took: it was seen in time.
    fn fit_round_trip(&self, time: f64, kind: &mut EventKind) {
        let (EventKind::AttemptConnected { attempt, snapshot }
        | EventKind::AttemptSucceeded { attempt, snapshot }) = kind
        else {
            return;
        };
        let took = ms(time).saturating_sub(self.report.attempts[*attempt].start);
        let tcp = snapshot.tcp.as_mut().filter(|tcp| tcp.retransmits == 0 && took > ms(5.0));
        if let Some(tcp) = tcp {
            tcp.rtt = took - ms(0.3);
            tcp.rtt_variance = tcp.rtt / 2;
        }
    }

    /// Query to a name server.
    pub(super) fn query(
        &mut self,
        time: f64,
        query: u64,
        record_type: RecordType,
        kind: DnsEventKind,
    ) {
        let (started_at, host) =
            (self.report.started_at.at, self.report.subject.host.clone().unwrap());
        let (at, name) = (started_at + ms(time), format!("{host}."));
        let event = DnsEvent { at, query, name, record_type, verifies: None, kind };
        self.latest = event.at;
        self.report.resolve.queries.apply(0, started_at, &event);
        self.records.extend(events::query_record("1", &event, &self.report));
        let line = notes::event(&event, self.report.since_start(event.at));
        self.lines.extend(line.map(|line| line + "\n"));
    }

    /// Both families by the system, and then all candidates in this order.
    pub(super) fn resolved(&mut self, time: f64, addresses: &[&str]) {
        self.asked(0.1);
        let addresses: Vec<SocketAddr> = addresses.iter().map(|text| address(text)).collect();
        for (family, at) in [(Family::Inet, time - 0.3), (Family::Inet6, time - 0.1)] {
            let found = addresses.iter().filter(|it| Family::of(&it.ip()) == family);
            let addresses: Vec<_> = found.copied().collect();
            let error = system_error(EaiCode::NODATA);
            self.at(
                at,
                match addresses.is_empty() {
                    true => EventKind::QueryFailed { family, error },
                    false => EventKind::QueryAnswered { family, addresses },
                },
            );
        }
        self.at(time, EventKind::Resolved { addresses: addresses.clone() });
        self.sorted(time, addresses);
    }

    pub(super) fn asked(&mut self, time: f64) {
        let host = self.report.subject.host.clone().unwrap();
        self.at(time, EventKind::ResolveStarted { host });
        for family in [Family::Inet6, Family::Inet] {
            self.at(time, EventKind::QueryStarted { family });
        }
    }

    pub(super) fn sorted<A: Into<Address>>(&mut self, time: f64, addresses: Vec<A>) {
        let candidates = addresses.into_iter().map(A::into).collect();
        self.at(time, EventKind::CandidatesSorted { candidates });
    }

    pub(super) fn started(&mut self, time: f64, attempt: usize) {
        let reason = match (attempt, self.report.resolve.via) {
            (0, Via::System | Via::Dns) => Reason::First(FirstAttemptReason::PreferredFamily),
            (0, _) => Reason::First(FirstAttemptReason::Known),
            _ => Reason::Timer,
        };
        self.started_because(time, attempt, reason);
    }

    pub(super) fn started_because(&mut self, time: f64, attempt: usize, reason: Reason) {
        let address = self.report.resolve.candidates[attempt].clone();
        let planned = self.report.started_at.at + ms(time - 0.02);
        self.at(time, EventKind::AttemptStarted { attempt, address, reason, planned });
    }

    pub(super) fn succeeded(&mut self, time: f64, attempt: usize) {
        let snapshot = snapshot("10.77.0.1:40000", 0);
        self.at(time, EventKind::AttemptSucceeded { attempt, snapshot });
    }

    pub(super) fn failed(&mut self, time: f64, attempt: usize, phase: Phase, failure: Failure) {
        let snapshot = SocketSnapshot::default();
        self.at(time, EventKind::AttemptFailed { attempt, phase, failure, snapshot });
    }

    pub(super) fn refused(&mut self, time: f64, attempt: usize) {
        self.failed(time, attempt, Phase::Connect, errno(111));
    }

    pub(super) fn timed_out(&mut self, time: f64, attempt: usize) {
        let snapshot = snapshot("10.77.0.1:40001", 3);
        self.at(time, EventKind::AttemptTimedOut { attempt, snapshot });
    }

    pub(super) fn canceled(&mut self, time: f64, attempt: usize) {
        let snapshot = SocketSnapshot::default();
        self.at(time, EventKind::AttemptCanceled { attempt, snapshot });
    }

    pub(super) fn selected(&mut self, time: f64, attempt: usize) {
        self.at(time, EventKind::ConnectionSelected { attempt });
    }

    pub(super) fn aborted(&mut self, time: f64, reason: AbortReason) {
        self.at(time, EventKind::ConnectionAborted { reason });
        self.report.end_queries();
    }

    /// One address that connects.
    pub(super) fn connected() -> Self {
        let mut story = Self::new("many.test:8443");
        story.resolved(1.1, &["10.77.0.2:8443"]);
        story.started(1.2, 0);
        story.succeeded(2.0, 0);
        story.selected(2.0, 0);
        story
    }
}

/// Snapshot with a local address and a number of SYN retransmissions.
pub(super) fn snapshot(local: &str, retransmits: u32) -> SocketSnapshot {
    let mut tcp = TcpInfo::default();
    tcp.established = true;
    tcp.retransmits = retransmits;
    tcp.send_mss = 1448;
    tcp.path_mtu = 1500;
    tcp.rto = ms(204.0);
    tcp.negotiated.timestamps = true;
    tcp.negotiated.sack = true;
    if retransmits == 0 {
        tcp.rtt = Duration::from_micros(412);
        tcp.rtt_variance = Duration::from_micros(206);
    }
    SocketSnapshot { local: Some(address(local)), tcp: Some(tcp), ..SocketSnapshot::default() }
}

pub(super) fn name_server() -> DnsServer {
    "10.77.0.2".parse().unwrap()
}

pub(super) fn dns_asked(attempt: usize) -> DnsEventKind {
    let (server, transport) = (name_server(), DnsTransport::Udp);
    DnsEventKind::Asked { server, transport, attempt, edns: true }
}

pub(super) fn dns_exchange(started_at: Instant) -> DnsExchange {
    DnsExchange {
        server: Some(name_server()),
        transport: Some(DnsTransport::Udp),
        started: started_at,
        took: ms(0.4),
        round_trip: None,
        retries: 0,
        truncated: false,
        without_edns: None,
        validation: None,
    }
}

pub(super) fn dns_answer(
    name: &str,
    record_type: RecordType,
    rcode: Rcode,
    started_at: Instant,
) -> DnsAnswer {
    DnsAnswer {
        name: format!("{name}."),
        record_type,
        rcode,
        flags: DnsFlags::default(),
        records: Vec::new(),
        authority: Vec::new(),
        extended_errors: Vec::new(),
        oddities: Vec::new(),
        exchange: dns_exchange(started_at),
    }
}

/// Error of a query without an answer; with an `rcode`, a negative answer.
pub(super) fn dns_error(
    name: &str,
    record_type: RecordType,
    kind: DnsErrorKind,
    rcode: Option<Rcode>,
    started_at: Instant,
) -> DnsError {
    let answer = rcode.map(|rcode| Box::new(dns_answer(name, record_type, rcode, started_at)));
    let failure = (kind == DnsErrorKind::Network).then(|| errno(113));
    let (name, exchange) = (format!("{name}."), Box::new(dns_exchange(started_at)));
    DnsError { kind, name, record_type, failure, answer, exchange }
}
