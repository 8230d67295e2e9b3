//! Races: won, lost, raced over UDP and Unix sockets, with what comes before and after them.

use std::io;
use std::path::Path;
use std::time::Duration;

use loopctl::plan::{Family, FirstAttemptReason, Preset, Reason, SlowLog};
use loopctl::{
    AbortReason, Address, EventKind, Failure, Keepalive, SocketOption, SocketOptions,
    SocketSnapshot, TimerEnd,
};

use super::story::{address, errno, ms, snapshot};
use super::{Golden, Story, WIDTHS, every_format, human, in_short, plain};
use crate::config::Expectations;
use crate::output::human::text::{self, HumanOptions};
use crate::report::relay::{RelayEnd, RelayError, RelayReport};
use crate::report::{End, FailureKind, TransportKind, Via, WaitReport};
use crate::util::cancellation::StopReason;

/// An IPv6 address that answers at once, with every socket option.
#[test]
fn won_by_the_first_address() {
    let mut story = Story::new("many.test:8443");
    story.resolved(1.1, &["[fd77::beef]:8443", "10.77.0.2:8443"]);
    story.started(1.2, 0);
    let (attempt, option) = (0, SocketOption::FastOpen);
    story.at(1.2, EventKind::OptionRefused { attempt, option, failure: errno(92) });
    let options = SocketOptions {
        interface: Some("eth0".to_owned()),
        ttl: Some(12),
        dscp: Some(46),
        mark: Some(7),
        nodelay: true,
        keepalive: Some(Keepalive::default()),
        ..SocketOptions::default()
    };
    let snapshot = SocketSnapshot { options: Some(options), ..snapshot("[fd77::1]:40000", 0) };
    story.at(1.9, EventKind::AttemptSucceeded { attempt: 0, snapshot });
    story.selected(1.9, 0);
    let mut slow = SlowLog::new(8);
    slow.record("task many.test:8443", None, ms(12.5));
    slow.record("task many.test:8443", None, ms(2.5));
    story.report.slow = slow;
    every_format("won-first", &story);
}

/// A silent, a refusing and a connecting address, and one that was not needed.
#[test]
fn won_by_the_third_address() {
    let mut story = Story::new("many.test:8443");
    let addresses = ["[fd77::dead]:8443", "10.77.0.2:8443", "[fd77::beef]:8443", "10.77.0.99:8443"];
    story.resolved(1.1, &addresses);
    story.started(1.2, 0);
    story.at(1.2, EventKind::NextAttemptTimerSet { delay: ms(250.0) });
    story.at(251.3, EventKind::NextAttemptTimerFired);
    story.started(251.3, 1);
    story.at(251.3, EventKind::NextAttemptTimerSet { delay: ms(250.0) });
    story.refused(251.7, 1);
    story.started_because(251.8, 2, Reason::AttemptEnded(1));
    story.succeeded(262.4, 2);
    story.canceled(262.4, 0);
    let reason = TimerEnd::Success;
    story.at(262.4, EventKind::NextAttemptTimerCanceled { reason });
    story.selected(262.4, 2);
    let expected = Expectations {
        family: Some(Family::Inet),
        first_address: true,
        max_cost: Some(ms(100.0)),
        ..Expectations::default()
    };
    every_format("won-fallback", &story);
    story.report.expect(&expected);
    every_format("won-unmet", &story);
}

/// An answer after the Resolution Delay, a prohibiting router, and a lost SYN.
#[test]
fn won_late() {
    let mut story = Story::new("many.test:8443");
    story.asked(0.1);
    let addresses = vec![address("192.0.2.1:8443"), address("192.0.2.2:8443")];
    let (family, found) = (Family::Inet, addresses.clone());
    story.at(2.1, EventKind::QueryAnswered { family, addresses: found.clone() });
    story.at(52.2, EventKind::Resolved { addresses: found });
    story.sorted(52.2, addresses);
    story.started_because(52.2, 0, Reason::First(FirstAttemptReason::ResolutionDelay));
    story.failed(72.6, 0, loopctl::Phase::Connect, errno(113));
    story.started_because(72.7, 1, Reason::AttemptEnded(0));
    let snapshot = snapshot("10.77.0.1:40000", 1);
    story.at(1093.1, EventKind::AttemptSucceeded { attempt: 1, snapshot });
    story.at(1093.1, EventKind::QueryCanceled { family: Family::Inet6 });
    story.selected(1093.1, 1);
    story.report.end_queries();
    every_format("won-late", &story);
}

/// Changed policy with every reason to start an attempt.
#[test]
fn won_for_every_reason() {
    let mut story = Story::new("many.test:8443");
    story.report.subject.policy = Preset::Curl.into();
    story.report.subject.policy.max_parallel = std::num::NonZero::new(2);
    let addresses =
        ["10.77.0.2:8443", "[fd77::1]:8443", "[fd77::2]:8443", "[fd77::3]:8443", "10.77.0.3:8443"];
    story.resolved(1.1, &addresses);
    story.started_because(1.2, 0, Reason::First(FirstAttemptReason::NegativeAnswer));
    story.started_because(1.3, 1, Reason::LateAnswer);
    story.refused(3.0, 1);
    story.started_because(3.0, 2, Reason::ParallelLimit);
    story.started_because(201.3, 3, Reason::Timer);
    story.succeeded(202.0, 3);
    story.canceled(202.0, 0);
    story.canceled(202.0, 2);
    story.selected(202.0, 3);
    every_format("won-policy", &story);
}

/// Name with one address from `--resolve`.
#[test]
fn won_without_a_question() {
    for (name, via) in [("literal", Via::Literal), ("given", Via::Given), ("cached", Via::Cached)] {
        let mut story = Story::about(super::story::subject("10.77.0.2:80"), via);
        story.sorted(0.1, vec![address("10.77.0.2:80")]);
        story.started(0.2, 0);
        story.succeeded(0.7, 0);
        story.selected(0.7, 0);
        let mut golden = Golden::default();
        in_short(&mut golden, name, &story);
        golden.assert(&format!("connect/won-{name}.txt"));
    }
}

/// An address that refuses, one that is silent, and a deadline.
#[test]
fn lost_to_the_deadline() {
    let mut story = Story::new("badv6.test:8099");
    story.resolved(0.9, &["[fd77::dead]:8099", "10.77.0.2:8099"]);
    story.started(1.0, 0);
    story.started(251.0, 1);
    story.refused(251.3, 1);
    story.timed_out(10_000.0, 0);
    story.aborted(10_000.0, AbortReason::TimedOut);
    every_format("lost-deadline", &story);
}

/// A refusal of every kind.
#[test]
fn lost_everywhere() {
    let mut story = Story::new("many.test:8443");
    let addresses = (1..=7).map(|last| format!("10.77.0.{last}:8443")).collect::<Vec<_>>();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    story.resolved(0.9, &addresses);
    let local = |number| Failure { at_once: true, ..errno(number) };
    let failures =
        [errno(111), errno(113), errno(13), errno(104), errno(110), local(101), local(13)];
    for (number, failure) in failures.into_iter().enumerate() {
        let time = 1.0 + number as f64;
        story.started_because(time, number, if number == 0 { first() } else { after(number) });
        story.failed(time + 0.9, number, loopctl::Phase::Connect, failure);
    }
    story.aborted(8.0, AbortReason::AllFailed);
    every_format("lost-everywhere", &story);
}

fn first() -> Reason {
    Reason::First(FirstAttemptReason::PreferredFamily)
}

fn after(number: usize) -> Reason {
    Reason::AttemptEnded(number - 1)
}

/// One address, and one kind of failure each.
#[test]
fn lost_for_one_reason() {
    use loopctl::Phase::{Bind, Connect, Socket};
    let at_once = |number| Failure { at_once: true, ..errno(number) };
    let cases = [
        ("refused", Connect, errno(111)),
        ("unreachable", Connect, errno(113)),
        ("no route", Connect, at_once(101)),
        ("prohibited", Connect, errno(13)),
        ("reset", Connect, errno(104)),
        ("the kernel gave up", Connect, errno(110)),
        ("address in use", Bind, errno(98)),
        ("address not available", Bind, errno(99)),
        ("no descriptors", Socket, errno(24)),
        ("no such family", Socket, errno(97)),
        ("other", Connect, Failure::from(&io::Error::other("something else"))),
    ];
    let mut golden = Golden::default();
    for (title, phase, failure) in cases {
        let mut story = Story::new("one.test:80");
        story.resolved(0.9, &["10.77.0.2:80"]);
        story.started(1.0, 0);
        story.failed(1.5, 0, phase, failure);
        story.aborted(1.5, AbortReason::AllFailed);
        in_short(&mut golden, title, &story);
    }
    golden.assert("connect/lost-reasons.txt");
}

#[test]
fn interrupted() {
    let mut story = Story::new("many.test:8443");
    story.resolved(1.1, &["[fd77::dead]:8443", "10.77.0.2:8443"]);
    story.started(1.2, 0);
    story.canceled(120.0, 0);
    let at = story.report.started_at.at + ms(120.0);
    story.report.interrupt(StopReason::Signal(2), at);
    story.report.end_queries();
    every_format("interrupted", &story);
}

#[test]
fn unix_sockets() {
    let about = || {
        let subject = super::story::subject("unix:/run/test.sock");
        let (host, port) = (None, None);
        let transport = TransportKind::Unix;
        let mut story =
            Story::about(crate::report::Subject { host, port, transport, ..subject }, Via::Literal);
        story.sorted(0.1, vec![Address::Unix(Path::new("/run/test.sock").into())]);
        story.started(0.1, 0);
        story
    };
    let mut story = about();
    story.at(0.2, EventKind::AttemptSucceeded { attempt: 0, snapshot: SocketSnapshot::default() });
    story.selected(0.2, 0);
    every_format("unix-won", &story);
    let mut golden = Golden::default();
    for (title, number) in [("missing", 2), ("refused", 111), ("not allowed", 13)] {
        let mut story = about();
        story.failed(0.2, 0, loopctl::Phase::Connect, errno(number));
        story.aborted(0.2, AbortReason::AllFailed);
        in_short(&mut golden, title, &story);
    }
    golden.assert("connect/unix-lost.txt");
}

/// Without connections: an answer, silence, nothing sent, and a refusal.
#[test]
fn datagrams() {
    let about = || {
        let mut story = Story::new("many.test:5300");
        story.report.subject.transport = TransportKind::Udp;
        story.report.subject.policy = Preset::Sequential.into();
        story.at(0.1, EventKind::ResolveStarted { host: "many.test".to_owned() });
        let addresses = vec![address("[fd77::1]:5300"), address("10.77.0.2:5300")];
        story.at(1.1, EventKind::Resolved { addresses: addresses.clone() });
        story.sorted(1.1, addresses);
        story.started(1.2, 0);
        story
    };
    for (name, answer) in [("answered", Some(true)), ("silent", Some(false)), ("open", None)] {
        let mut story = about();
        story.refused(1.5, 0);
        story.started_because(1.6, 1, Reason::AttemptEnded(0));
        story.report.attempts[1].answered = answer;
        let snapshot =
            SocketSnapshot { local: Some(address("10.77.0.1:40000")), ..SocketSnapshot::default() };
        story.at(2.6, EventKind::AttemptSucceeded { attempt: 1, snapshot });
        story.selected(2.6, 1);
        every_format(&format!("udp-{name}"), &story);
    }
    let mut story = about();
    story.refused(1.5, 0);
    story.started_because(1.6, 1, Reason::AttemptEnded(0));
    story.refused(1.9, 1);
    story.aborted(1.9, AbortReason::AllFailed);
    every_format("udp-refused", &story);
}

/// Relays over the connection.
#[test]
fn relayed() {
    let ends = [
        ("eof", RelayEnd::Eof),
        ("reset", RelayEnd::Failed(RelayError::Reset(errno(104)))),
        ("idle", RelayEnd::Failed(RelayError::Idle(ms(30_000.0)))),
        ("interrupted", RelayEnd::Interrupted(StopReason::Signal(2))),
        ("closed", RelayEnd::OutputClosed),
    ];
    let mut golden = Golden::default();
    for (title, end) in ends {
        let mut story = Story::connected();
        let (sent, received, took) = (1200, 3_400_000, ms(1500.0));
        golden.section(&format!("{title}: stderr"), &text::relayed(sent, received, took));
        story.report.relay = Some(RelayReport { sent, received, took, end });
        in_short(&mut golden, title, &story);
        let document = crate::output::json::connect::document(&story.report);
        golden.json(&format!("{title}: json relay, end"), &(&document.relay, &document.end));
    }
    golden.assert("connect/relay.txt");
}

/// Last run of `--wait`, with the failures before it.
#[test]
fn waited() {
    let run = || {
        let mut story = Story::new("one.test:80");
        story.resolved(0.9, &["10.77.0.2:80"]);
        story.started(1.0, 0);
        story
    };
    let (mut refused, mut silent) = (run(), run());
    refused.refused(1.5, 0);
    silent.timed_out(900.0, 0);
    let waited =
        WaitReport { took: ms(1830.0), seen: vec![(refused.report, 4), (silent.report, 1)] };
    let mut story = Story::connected();
    story.report.waited = Some(waited.clone());
    every_format("wait-won", &story);
    let mut story = Story::new("one.test:80");
    story.resolved(0.9, &["10.77.0.2:80"]);
    story.started(1.0, 0);
    story.refused(1.5, 0);
    story.aborted(1.5, AbortReason::AllFailed);
    story.report.waited = Some(waited);
    story.report.end = End::Failed(FailureKind::TimedOut);
    every_format("wait-lost", &story);
}

/// The race of `loopctl demo`.
#[test]
fn demo() {
    let mut story = Story::about(super::story::subject("demo.test:40123"), Via::Given);
    let addresses = ["[::1]:40123", "127.0.0.1:40123", "127.0.0.2:40123"].map(address);
    story.sorted(0.1, addresses.to_vec());
    story.started(0.1, 0);
    story.started(250.2, 1);
    story.refused(250.3, 1);
    story.started_because(250.3, 2, Reason::AttemptEnded(1));
    story.succeeded(250.4, 2);
    story.canceled(250.4, 0);
    story.selected(250.4, 2);
    let mut golden = Golden::default();
    for width in WIDTHS {
        let shown = human(&story.report, plain(Some(width)), HumanOptions::default());
        golden.section(&format!("human {width}"), &shown);
    }
    golden.json("json", &crate::output::json::connect::document(&story.report));
    golden.assert("demo/race.txt");
}

#[test]
fn slow_callbacks() {
    let mut slow = SlowLog::new(8);
    slow.record("task many.test:8443", None, ms(12.5));
    slow.record("rest of a turn", None, ms(2.5));
    let mut golden = Golden::default();
    golden.section("none", &crate::output::human::slow::text(&SlowLog::new(8), ms(1.0)));
    golden.section("some", &crate::output::human::slow::text(&slow, Duration::from_millis(1)));
    golden.assert("connect/slow-callbacks.txt");
}
