//! Findings about synthetic races.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use loopctl::plan::{Family, FirstAttemptReason, Preset, Reason};
use loopctl::{
    Address, EaiCode, Event, EventKind, Failure, IcmpError, Phase, ResolveError, SocketSnapshot,
    TcpInfo,
};

use super::{Basis, CausedBy, EvidenceSource, Finding, FindingKind, findings};
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
    /// ICMP error.
    Reject(usize, IcmpError),
    /// Connected after this many SYNs that were resent.
    Win(usize, u32),
    /// The same, with the round trip of the kernel.
    WinAfter(usize, u32, Duration),
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
        limits: crate::report::SystemLimits::default(),
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
            Reject(attempt, icmp) => {
                let snapshot = SocketSnapshot {
                    icmp: Some(*icmp),
                    tcp: Some(TcpInfo::default()),
                    ..SocketSnapshot::default()
                };
                self.fail_with(at, *attempt, EHOSTUNREACH, false, snapshot);
            }
            Win(attempt, resent) => self.win(at, *attempt, *resent, Duration::ZERO),
            WinAfter(attempt, resent, rtt) => self.win(at, *attempt, *resent, *rtt),
        }
    }

    fn win(&mut self, at: u64, attempt: usize, resent: u32, rtt: Duration) {
        let mut tcp = TcpInfo::default();
        (tcp.established, tcp.retransmits, tcp.rtt) = (true, resent, rtt);
        let snapshot = SocketSnapshot { tcp: Some(tcp), ..SocketSnapshot::default() };
        self.emit(at, EventKind::AttemptSucceeded { attempt, snapshot });
        self.emit(at, EventKind::ConnectionSelected { attempt });
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
        self.fail_with(at, attempt, errno, at_once, SocketSnapshot::default());
    }

    fn fail_with(
        &mut self,
        at: u64,
        attempt: usize,
        errno: i32,
        at_once: bool,
        snapshot: SocketSnapshot,
    ) {
        let error = io::Error::from_raw_os_error(errno);
        let failure = Failure { at_once, ..Failure::from(&error) };
        let phase = Phase::Connect;
        self.emit(at, EventKind::AttemptFailed { attempt, phase, failure, snapshot });
    }
}

/// Kinds, costs and texts of the findings, whose costs add up to the race cost.
fn summary(report: &Report) -> Vec<(FindingKind, u128, String)> {
    let reasons = findings(report);
    // The race ends where the attempt that won starts.
    let of_winner =
        |finding: &&Finding| finding.caused_by != CausedBy::Attempt(report.selected.unwrap());
    // Delays of this host are no cost of the race.
    let of_host = |it: &&Finding| matches!(it.kind, FindingKind::LateStart | FindingKind::LateEnd);
    let of_race = reasons.iter().filter(|it| of_winner(it) && !of_host(it));
    let cost: Duration = of_race.map(|finding| finding.cost).sum();
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

    // Its rival: the answer was there before the other, and the attempt started late for another reason.
    let early =
        [(0, Ask), (2, NoData(v6)), (3, Answered(v4)), (12, Start(V4, gave_up)), (22, Win(0, 0))];
    assert_eq!(summary(&report(&early)), []);
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
            true,
            FindingKind::NoRoute,
            "`fd77::6` EACCES at once: a `prohibit` route of this host",
        ),
        (
            ENETUNREACH,
            true,
            FindingKind::NoRoute,
            "`fd77::6` ENETUNREACH at once: this host has no route to it",
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
}

#[test]
fn why_errno_without_an_icmp_error_blames_nobody() {
    for errno in [EACCES, ENETUNREACH, EHOSTUNREACH] {
        for after in [12, 3002] {
            let (_, _, text) = failed(Fail(0, errno), after);
            assert!(!text.contains("router") && !text.contains("network answers"), "{text}");
        }
    }
}

/// An ICMPv6 error about the address that is tried first, after a time.
fn rejected(code: u8, from: &str, is_own: bool, at: u64) -> (FindingKind, u128, String) {
    let mut icmp = IcmpError::new(true, 1, code, from.parse().ok());
    icmp.is_from_this_host = is_own;
    failed(Reject(0, icmp), at)
}

#[test]
fn why_an_icmp_error_is_told_by_its_sender() {
    let (kind, _, text) = rejected(1, "fd77::1", false, 12);
    assert_eq!(kind, FindingKind::Prohibited);
    let expected = "`fd77::6` EHOSTUNREACH after 10.0 ms: fd77::1 reported: communication with destination \
                    administratively prohibited (ICMPv6 1/1)";
    assert_eq!(text, expected);
    let (kind, _, text) = rejected(4, "fd77::1", false, 12);
    assert_eq!(kind, FindingKind::Rejected);
    assert!(text.contains("fd77::1 reported: port unreachable"), "{text}");
    let (kind, _, text) = rejected(4, "fd77::9", true, 12);
    assert_eq!(kind, FindingKind::OwnFirewall);
    assert!(text.contains("a firewall of this host"), "{text}");
}

#[test]
fn why_an_own_address_unreachable_has_two_causes_unless_its_time_decides() {
    let (kind, _, text) = rejected(3, "fd77::9", true, 12);
    assert_eq!(kind, FindingKind::Unreachable);
    assert!(text.ends_with("a firewall, or no answer to neighbour discovery"), "{text}");
    // Without a route, the next hop is not known.
    let (kind, _, text) = rejected(3, "fd77::9", true, 3012);
    assert_eq!(kind, FindingKind::Unreachable, "{text}");
}

#[test]
fn why_a_resent_syn_is_told_by_the_round_trip() {
    let resent = |rtt: u64| {
        let v6 = Family::Inet6;
        let won = WinAfter(0, 1, Duration::from_millis(rtt));
        let found = findings(&report(&[
            (0, Ask),
            (2, Answered(v6)),
            (2, Start(V6, PREFERRED)),
            (1302, won),
        ]));
        found.into_iter().find(|found| found.kind == FindingKind::SynResent).unwrap()
    };
    let slow = resent(1300);
    assert!(slow.text.ends_with("a slow path, or its answer was lost"), "{}", slow.text);
    assert_eq!(slow.basis, Basis::Inference);
    assert!(slow.evidence.iter().any(|it| it.source == EvidenceSource::TcpInfo));
    let lost = resent(20);
    assert!(lost.text.ends_with("lost on the way, or its accept queue was full"), "{}", lost.text);
    let unknown = resent(0);
    assert!(unknown.text.ends_with("look the same"), "{}", unknown.text);
    assert_eq!(unknown.basis, Basis::Fact);
}

#[test]
fn why_a_late_look_is_this_hosts_and_a_slow_path_is_not() {
    let connected = |rtt: u64| {
        let v6 = Family::Inet6;
        let won = WinAfter(0, 0, Duration::from_millis(rtt));
        findings(&report(&[(0, Ask), (2, Answered(v6)), (2, Start(V6, PREFERRED)), (602, won)]))
    };
    let late = &connected(180)[..];
    assert_eq!((late.len(), late[0].kind), (1, FindingKind::LateEnd), "{late:#?}");
    let text =
        "`fd77::6` was connected after 180.0 ms; this host took 420.0 ms to look: it was busy";
    assert_eq!(late[0].text, text);
    let slow = &connected(599)[..];
    assert_eq!((slow.len(), slow[0].kind), (1, FindingKind::RoundTrip), "{slow:#?}");
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
    let (kind, cost, text) = one(&story);
    assert_eq!((kind, cost), (FindingKind::SynResent, 1010));
    assert!(text.starts_with("`fd77::6`: SYN resent 1; without timestamps"), "{text}");
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
