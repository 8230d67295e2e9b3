//! Findings about synthetic races.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use loopctl::plan::{Family, FirstAttemptReason, Preset, Reason};
use loopctl::{
    Address, EaiCode, Event, EventKind, Failure, Phase, ResolveError, SocketSnapshot, TcpInfo,
};

use super::{CausedBy, FindingKind, findings};
use crate::config::NamedPolicy;
use crate::report::{Report, StartTime, Subject, TransportKind, Via};

const V6: &str = "[fd77::6]:443";
const V4: &str = "192.0.2.4:443";
const EACCES: i32 = 13;
const ENETUNREACH: i32 = 101;
const ECONNREFUSED: i32 = 111;
const EHOSTUNREACH: i32 = 113;

/// Event at a millisecond.
enum Step {
    /// Start of the queries for both families.
    Ask,
    Answered(Family),
    NoData(Family),
    FailedQuery(Family),
    CanceledQuery(Family),
    Start(&'static str, Reason),
    /// Start later than planned, by this many milliseconds.
    StartLate(&'static str, Reason, u64),
    Fail(usize, i32),
    /// Failure of the call itself.
    Refuse(usize, i32),
    Cancel(usize),
    /// Connected after this many lost SYNs.
    Win(usize, u32),
}
use Step::*;

const DELAY: Reason = Reason::First(FirstAttemptReason::ResolutionDelay);
const PREFERRED: Reason = Reason::First(FirstAttemptReason::PreferredFamily);

struct Builder {
    started_at: Instant,
    report: Report,
    addresses: Vec<SocketAddr>,
}

fn report(story: &[(u64, Step)]) -> Report {
    let started_at = loopctl::EventLoop::new().unwrap().handle().time();
    let subject = Subject {
        text: "h.test:443".to_owned(),
        host: Some("h.test".to_owned()),
        port: Some(443),
        transport: TransportKind::Tcp,
        family: Family::Unspecified,
        policy: NamedPolicy::from(Preset::Hev3),
        timeout: Duration::from_secs(10),
        tls: None,
    };
    let wall = SystemTime::UNIX_EPOCH;
    let report = Report::new(subject, Via::System, StartTime { at: started_at, wall });
    let mut builder = Builder { started_at, report, addresses: Vec::new() };
    for (at, step) in story {
        builder.apply(*at, step);
    }
    builder.report.end_queries();
    builder.report
}

impl Builder {
    fn emit(&mut self, ms: u64, kind: EventKind) {
        let at = self.started_at + Duration::from_millis(ms);
        self.report.apply(&Event::new(at, kind));
    }

    fn apply(&mut self, at: u64, step: &Step) {
        let to = |family| if family == Family::Inet6 { V6 } else { V4 };
        match step {
            Ask => {
                self.emit(at, EventKind::ResolveStarted { host: "h.test".to_owned() });
                self.emit(at, EventKind::QueryStarted { family: Family::Inet6 });
                self.emit(at, EventKind::QueryStarted { family: Family::Inet });
            }
            Answered(family) => {
                let address = to(*family).parse().unwrap();
                self.addresses.push(address);
                self.emit(
                    at,
                    EventKind::QueryAnswered { family: *family, addresses: vec![address] },
                );
            }
            NoData(family) => self.no_answer(at, *family, EaiCode::NODATA),
            FailedQuery(family) => self.no_answer(at, *family, EaiCode::AGAIN),
            CanceledQuery(family) => self.emit(at, EventKind::QueryCanceled { family: *family }),
            Start(to, reason) => self.start(at, to, *reason, at),
            StartLate(to, reason, late) => self.start(at, to, *reason, at - late),
            Fail(attempt, errno) => self.fail(at, *attempt, *errno, false),
            Refuse(attempt, errno) => self.fail(at, *attempt, *errno, true),
            Cancel(attempt) => {
                let snapshot = SocketSnapshot::default();
                self.emit(at, EventKind::AttemptCanceled { attempt: *attempt, snapshot });
            }
            Win(attempt, lost) => {
                let mut tcp = TcpInfo::default();
                (tcp.established, tcp.retransmits) = (true, *lost);
                let snapshot = SocketSnapshot { tcp: Some(tcp), ..SocketSnapshot::default() };
                self.emit(at, EventKind::AttemptSucceeded { attempt: *attempt, snapshot });
                self.emit(at, EventKind::ConnectionSelected { attempt: *attempt });
            }
        }
    }

    fn no_answer(&mut self, at: u64, family: Family, code: EaiCode) {
        let (host, message) = ("many.test".to_owned(), "no".to_owned());
        let error = ResolveError::System { host, code, errno: None, message };
        self.emit(at, EventKind::QueryFailed { family, error });
    }

    fn start(&mut self, at: u64, to: &str, reason: Reason, planned: u64) {
        let address = Address::from(to.parse::<SocketAddr>().unwrap());
        let attempt = self.report.attempts.len();
        if attempt == 0 {
            let addresses = self.addresses.clone();
            self.emit(at, EventKind::Resolved { addresses });
        }
        let candidates = self.addresses.iter().copied().map(Address::from).collect();
        self.emit(at, EventKind::CandidatesSorted { candidates });
        let planned = self.started_at + Duration::from_millis(planned);
        self.emit(at, EventKind::AttemptStarted { attempt, address, reason, planned });
    }

    fn fail(&mut self, at: u64, attempt: usize, errno: i32, at_once: bool) {
        let error = io::Error::from_raw_os_error(errno);
        let failure = Failure { at_once, ..Failure::from(&error) };
        let (phase, snapshot) = (Phase::Connect, SocketSnapshot::default());
        self.emit(at, EventKind::AttemptFailed { attempt, phase, failure, snapshot });
    }
}

/// Kinds, costs and texts of the findings, whose costs add up to the race cost.
fn summary(report: &Report) -> Vec<(FindingKind, u128, String)> {
    let reasons = findings(report);
    let cost: Duration = reasons.iter().map(|finding| finding.cost).sum();
    assert_eq!(report.race_cost(), Some(cost), "each has its caused_by: {reasons:#?}");
    reasons
        .into_iter()
        .map(|finding| (finding.kind, finding.cost.as_millis(), finding.text))
        .collect()
}

#[track_caller]
fn one(story: &[(u64, Step)]) -> (FindingKind, u128, String) {
    let found = summary(&report(story));
    assert_eq!(found.len(), 1, "{found:#?}");
    found.into_iter().next().unwrap()
}

#[test]
fn why_t01_a_first_address_that_wins_is_not_explained() {
    let (v4, v6) = (Family::Inet, Family::Inet6);
    let both = [
        (0, Ask),
        (2, Answered(v6)),
        (2, Answered(v4)),
        (2, Start(V6, PREFERRED)),
        (12, Win(0, 0)),
    ];
    assert_eq!(summary(&report(&both)), []);
    // T16: A is not needed.
    let alone = [
        (0, Ask),
        (2, Answered(v6)),
        (2, Start(V6, PREFERRED)),
        (12, Win(0, 0)),
        (12, CanceledQuery(v4)),
    ];
    assert_eq!(summary(&report(&alone)), []);
    let none = Reason::First(FirstAttemptReason::NegativeAnswer);
    let v4_only =
        [(0, Ask), (2, Answered(v4)), (2, NoData(v6)), (2, Start(V4, none)), (12, Win(0, 0))];
    assert_eq!(summary(&report(&v4_only)), []);
}

#[test]
fn why_t12_an_answer_that_is_later_than_the_resolution_delay() {
    let (v4, v6) = (Family::Inet, Family::Inet6);
    let late = [
        (0, Ask),
        (2, Answered(v4)),
        (52, Start(V4, DELAY)),
        (120, Answered(v6)),
        (130, Win(0, 0)),
    ];
    let text = "v4 because AAAA came 118.0 ms after A, more than the 50 ms Resolution Delay";
    assert_eq!(one(&late), (FindingKind::LateAnswer, 50, text.to_owned()));
    // T15.
    let never = [
        (0, Ask),
        (2, Answered(v4)),
        (52, Start(V4, DELAY)),
        (62, Win(0, 0)),
        (62, CanceledQuery(v6)),
    ];
    let text = "v4 because AAAA had no answer within 50 ms of A (Resolution Delay)";
    assert_eq!(one(&never), (FindingKind::LateAnswer, 50, text.to_owned()));
    assert_eq!(findings(&report(&never))[0].caused_by, CausedBy::Query(v6));
    // In time, after a wait.
    let soon = [
        (0, Ask),
        (2, Answered(v4)),
        (42, Answered(v6)),
        (42, Start(V6, PREFERRED)),
        (52, Win(0, 0)),
    ];
    assert_eq!(
        one(&soon),
        (FindingKind::Waited, 40, "waited for AAAA, which came 40.0 ms after A".to_owned())
    );
}

#[test]
fn why_t14_an_answer_without_an_address() {
    let (v4, v6) = (Family::Inet, Family::Inet6);
    let gave_up = Reason::First(FirstAttemptReason::NegativeAnswer);
    let story =
        |end| [(0, Ask), (2, Answered(v4)), (32, end), (32, Start(V4, gave_up)), (42, Win(0, 0))];
    let text = "v4 because there is no AAAA record, known 30.0 ms after A";
    assert_eq!(one(&story(NoData(v6))), (FindingKind::NoAddresses, 30, text.to_owned()));
    let text = "v4 because AAAA failed (EAI_AGAIN), 30.0 ms after A";
    assert_eq!(one(&story(FailedQuery(v6))), (FindingKind::FailedQuery, 30, text.to_owned()));
}

#[test]
fn why_t13_an_address_that_came_too_late_for_its_turn() {
    let (v4, v6) = (Family::Inet, Family::Inet6);
    let story = [
        (0, Ask),
        (2, Answered(v6)),
        (2, Start(V6, PREFERRED)),
        (1002, Answered(v4)),
        (1002, Start(V4, Reason::LateAnswer)),
        (1012, Cancel(0)),
        (1012, Win(1, 0)),
    ];
    let found = summary(&report(&story));
    let kinds: Vec<_> = found.iter().map(|(kind, cost, _)| (*kind, *cost)).collect();
    assert_eq!(kinds, [(FindingKind::Silent, 250), (FindingKind::LateAnswer, 750)]);
    assert_eq!(found[1].2, "A came 1.0 s after AAAA, so `192.0.2.4` could not start earlier");
}

#[test]
fn why_rule_1_a_family_without_a_source() {
    let (v4, v6) = (Family::Inet, Family::Inet6);
    let story = [
        (0, Ask),
        (2, Answered(v6)),
        (2, Answered(v4)),
        (2, Start(V4, PREFERRED)),
        (12, Win(0, 0)),
    ];
    let mut report = report(&story);
    report.resolve.note_sources(|ip| ip.is_ipv4().then_some(ip));
    let text = "v4 because of rule 1 (RFC 6724): this host has no IPv6 source address";
    assert_eq!(summary(&report), [(FindingKind::NoSourceAddress, 0, text.to_owned())]);
    report.resolve.is_ipv4_preferred = true;
    let text = "v4 first because /etc/gai.conf prefers it";
    assert_eq!(summary(&report), [(FindingKind::GaiConf, 0, text.to_owned())]);
    report.resolve.is_ipv4_preferred = false;
    // Without any source address, none is found.
    report.resolve.note_sources(|_| None);
    assert_eq!(summary(&report), []);
}

/// The first of two attempts fails after 10 ms, or at once.
fn failed(step: Step, at: u64) -> (FindingKind, u128, String) {
    let (v4, v6) = (Family::Inet, Family::Inet6);
    let reason = Reason::AttemptEnded(0);
    one(&[
        (0, Ask),
        (2, Answered(v6)),
        (2, Answered(v4)),
        (2, Start(V6, PREFERRED)),
        (at, step),
        (at, Start(V4, reason)),
        (at + 10, Win(1, 0)),
    ])
}

#[test]
fn why_errno_the_same_number_comes_from_this_host_and_from_a_router() {
    let cases = [
        (ECONNREFUSED, false, FindingKind::Refused, "`fd77::6` refused after 10.0 ms"),
        (
            EACCES,
            false,
            FindingKind::Prohibited,
            "`fd77::6` EACCES after 10.0 ms: a router reported that it is administratively prohibited; not a local permission",
        ),
        (
            EACCES,
            true,
            FindingKind::NoRoute,
            "`fd77::6` EACCES at once: a `prohibit` route of this host",
        ),
        (
            ENETUNREACH,
            false,
            FindingKind::Unreachable,
            "`fd77::6` ENETUNREACH after 10.0 ms: a router reported that it has no route",
        ),
        (
            ENETUNREACH,
            true,
            FindingKind::NoRoute,
            "`fd77::6` ENETUNREACH at once: this host has no route to it",
        ),
        (
            EHOSTUNREACH,
            false,
            FindingKind::Unreachable,
            "`fd77::6` EHOSTUNREACH after 10.0 ms: a router reported that the address is unreachable",
        ),
        (
            EHOSTUNREACH,
            true,
            FindingKind::NoRoute,
            "`fd77::6` EHOSTUNREACH at once: an `unreachable` route of this host",
        ),
    ];
    for (errno, at_once, kind, text) in cases {
        let step = if at_once { Refuse(0, errno) } else { Fail(0, errno) };
        assert_eq!(failed(step, 12), (kind, 10, text.to_owned()));
    }
    // Neighbour discovery takes seconds.
    let (_, _, text) = failed(Fail(0, EHOSTUNREACH), 3002);
    assert!(text.ends_with("no host on its network answers for that address"), "{text}");
}

#[test]
fn why_t02_a_silent_address_and_t08_a_slow_one() {
    let (v4, v6) = (Family::Inet, Family::Inet6);
    let story = |end| {
        [
            (0, Ask),
            (2, Answered(v6)),
            (2, Answered(v4)),
            (2, Start(V6, PREFERRED)),
            (252, Start(V4, Reason::Timer)),
            (262, Win(1, 0)),
            end,
        ]
    };
    assert_eq!(
        one(&story((262, Cancel(0)))),
        (FindingKind::Silent, 250, "`fd77::6` silent for 250.0 ms".to_owned())
    );
    let slow = report(&story((302, Win(0, 0))));
    // With `--all`, the winner stays selected.
    let slow = Report { selected: Some(1), ..slow };
    let text =
        "`fd77::6` works, but took 300.0 ms, more than the Connection Attempt Delay of 250 ms";
    assert_eq!(summary(&slow), [(FindingKind::Slow, 250, text.to_owned())]);
}

#[test]
fn why_a_start_that_is_late_is_this_process_own() {
    let (v4, v6) = (Family::Inet, Family::Inet6);
    let story = [
        (0, Ask),
        (2, Answered(v6)),
        (2, Answered(v4)),
        (2, Start(V6, PREFERRED)),
        (262, StartLate(V4, Reason::Timer, 10)),
        (272, Cancel(0)),
        (272, Win(1, 0)),
    ];
    let found = summary(&report(&story));
    assert_eq!(found[0], (FindingKind::Silent, 250, "`fd77::6` silent for 250.0 ms".to_owned()));
    assert_eq!(
        found[1],
        (
            FindingKind::LateStart,
            10,
            "`192.0.2.4` started 10.0 ms late: this host was busy".to_owned()
        )
    );
}

#[test]
fn why_t21_a_winner_whose_first_packet_was_lost() {
    let v6 = Family::Inet6;
    let story = [(0, Ask), (2, Answered(v6)), (2, Start(V6, PREFERRED)), (1012, Win(0, 1))];
    assert_eq!(one(&story), (FindingKind::SynResent, 0, "`fd77::6`: SYN resent 1".to_owned()));
}

#[test]
fn why_without_a_connection_each_failure_is_reported_and_costs_nothing() {
    let (v4, v6) = (Family::Inet, Family::Inet6);
    let story = [
        (0, Ask),
        (2, Answered(v6)),
        (2, Answered(v4)),
        (2, Start(V6, PREFERRED)),
        (12, Fail(0, ECONNREFUSED)),
        (12, Start(V4, Reason::AttemptEnded(0))),
        (22, Fail(1, ECONNREFUSED)),
    ];
    let report = report(&story);
    let reasons = findings(&report);
    assert_eq!(report.race_cost(), None);
    assert!(reasons.iter().all(|finding| finding.kind == FindingKind::Refused), "{reasons:#?}");
    assert_eq!(reasons.len(), 2);
}
