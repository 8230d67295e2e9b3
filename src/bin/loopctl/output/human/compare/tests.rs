//! Sentences of comparisons, from invented measurements.

use std::io;
use std::time::{Instant, SystemTime};

use loopctl::plan::{FirstAttemptReason, Preset, Reason};
use loopctl::{EaiCode, ResolveError};
use loopctl::{Failure, Phase};

use super::*;
use crate::config::NamedPolicy;
use crate::report::compare::{Measured, Mismatch};
use crate::report::connect::Schedule;
use crate::report::{Attempt, End, FailureKind, StartTime, Subject, TransportKind, Via};

use std::net::SocketAddr;
use std::time::Duration;

const PIPE: Style = Style { color: false, unicode: true, width: None };

fn ms(count: f64) -> Duration {
    Duration::from_secs_f64(count / 1000.0)
}

const LATE: End = End::Failed(FailureKind::TimedOut);

fn epoch() -> Instant {
    loopctl::EventLoop::new().unwrap().handle().time()
}

fn probe(label: &str, to: &str, took: f64, outcome: Outcome) -> Probe {
    let to: SocketAddr = to.parse().unwrap();
    let schedule =
        Schedule { reason: Reason::First(FirstAttemptReason::Known), start_lag: Duration::ZERO };
    let attempt = Attempt { took: ms(took), outcome, ..Attempt::new(to.into(), ms(2.0), schedule) };
    Probe { to, label: label.to_owned(), attempt, tls: None }
}

fn refused() -> Outcome {
    let failure = Failure::from(&io::Error::from_raw_os_error(111));
    Outcome::Failure(Phase::Connect, failure)
}

fn lookup(family: Family, took: f64, end: LookupEnd) -> Lookup {
    Lookup { family, start: ms(0.1), took: ms(took), end }
}

fn measurement(lookups: Vec<Lookup>, probes: Vec<Probe>) -> Measurement {
    let (patience, kernel) = (ms(3000.0), ms(131_000.0));
    Measurement {
        lookups,
        given: Vec::new(),
        probes: probes.into(),
        prefer: None,
        is_ipv4_first: false,
        probe_timeout: patience,
        kernel,
        is_dns: false,
    }
}

fn found(probes: &[Probe], is_wanted: impl Fn(&SocketAddr) -> bool) -> LookupEnd {
    LookupEnd::Found(probes.iter().map(|probe| probe.to).filter(is_wanted).collect())
}

/// The example of the contract: a dead address of each family, and an AAAA record that takes its time.
fn many(aaaa: f64) -> Measurement {
    let probes = vec![
        probe("6a", "[fd77::dead]:8443", 3000.0, Outcome::Timeout),
        probe("6b", "[fd77::beef]:8443", 0.5, Outcome::Success),
        probe("4a", "10.77.0.2:8443", 0.4, Outcome::Success),
        probe("4b", "10.77.0.99:8443", 0.3, refused()),
    ];
    let lookups = vec![
        lookup(Family::Inet6, aaaa, found(&probes, SocketAddr::is_ipv6)),
        lookup(Family::Inet, 0.9, found(&probes, SocketAddr::is_ipv4)),
        lookup(Family::Unspecified, aaaa + 0.2, found(&probes, |_| true)),
    ];
    measurement(lookups, probes)
}

fn report(comparison: Comparison) -> Report {
    let subject = Subject {
        text: "many.test:8443".to_owned(),
        host: Some("many.test".to_owned()),
        port: Some(8443),
        transport: TransportKind::Tcp,
        family: Family::Unspecified,
        policy: Preset::Hev3.into(),
        timeout: ms(10_000.0),
        limits: crate::report::SystemLimits::default(),
        tls: None,
    };
    let started_at = StartTime { at: epoch(), wall: SystemTime::UNIX_EPOCH };
    let mut report = Report::new(subject, Via::System, started_at);
    (report.total, report.end) = (ms(3003.0), End::Connected);
    report.comparison = Some(Box::new(comparison));
    report
}

fn compared(measurement: Measurement) -> Comparison {
    Comparison::new(measurement, &Preset::Hev3.into(), false, epoch())
}

fn shown(report: &Report, style: Style) -> String {
    text(report, report.comparison.as_ref().unwrap(), style)
}

#[test]
fn what_is_all_silent_or_all_refused_is_told_in_a_sentence() {
    let sentence = |probes: Vec<Probe>| {
        let lookups = vec![lookup(Family::Inet, 1.0, found(&probes, |_| true))];
        let text = shown(&report(compared(measurement(lookups, probes))), PIPE);
        text.lines().last().unwrap().to_owned()
    };
    let silent = |label| probe(label, "192.0.2.1:1", 3000.0, Outcome::Timeout);
    assert_eq!(
        sentence(vec![silent("4a")]),
        "all 14 hang for up to 131 s: `192.0.2.1` does not answer"
    );
    assert_eq!(sentence(vec![probe("4a", "192.0.2.1:1", 9.0, refused())]), "all 14 fail");
    let good = probe("4a", "192.0.2.1:1", 9.0, Outcome::Success);
    assert_eq!(sentence(vec![good]), "all 14 connect in 10.0 ms");
}

#[test]
fn who_was_waited_for_too_briefly_is_not_said_to_hang() {
    let probes = vec![
        probe("4a", "192.0.2.1:1", 260.0, Outcome::Timeout),
        probe("4b", "192.0.2.2:1", 0.4, Outcome::Success),
    ];
    let lookups = vec![lookup(Family::Inet, 1.0, found(&probes, |_| true))];
    let comparison = compared(measurement(lookups, probes));
    let text = shown(&report(comparison), PIPE);
    let last = text.lines().last().unwrap();
    let expected = "9 of 14 connect in 1.4 to 251.4 ms; 4 hang for up to 132 s; chrome is not certain: \
                    `192.0.2.1` does not answer";
    assert_eq!(last, expected);
    assert!(text.contains("4a silent; 4b at 301.4 ms if nothing changes"), "{text}");
}

#[test]
fn runs_that_were_broken_off_are_told() {
    let mut comparison = compared(many(1.1));
    comparison.is_live = true;
    for row in comparison.rows.iter_mut().take(2) {
        let (to, after) = row.prediction.connection().unwrap();
        let (end, failed, unmet) = (End::Connected, None, Vec::new());
        row.measured = Some(Measured { end, unmet, to: Some(to), after, failed });
    }
    let text = shown(&report(comparison), PIPE);
    let expected = "all 2 connected in 251.5 ms; 12 were not run: `fd77::dead` does not answer. \
                    The runs so far were as predicted";
    assert_eq!(text.lines().last().unwrap(), expected);
}

#[test]
fn a_resolver_that_says_nothing_is_told() {
    let (host, message) = ("a".to_owned(), "no".to_owned());
    let error = ResolveError::System { host, code: EaiCode::FAIL, errno: None, message };
    let lookups = vec![
        lookup(Family::Inet6, 10_000.0, LookupEnd::Silent),
        lookup(Family::Inet, 2.0, LookupEnd::Failed(error)),
        lookup(Family::Unspecified, 10_000.0, LookupEnd::Silent),
    ];
    let text = shown(&report(compared(measurement(lookups, Vec::new()))), PIPE);
    assert!(text.contains("AAAA          -  no answer in 10.0 s\n"), "{text}");
    assert!(text.contains("A           2.0  no (EAI_FAIL)\n"), "{text}");
    assert!(text.ends_with("all 14 hang for more than 10.0 s\n"), "{text}");
}

/// Difference of a run from a prediction of 4a after 250.4 ms.
fn mismatch(to: Option<&str>, after: f64) -> Option<Mismatch> {
    let probes = vec![
        probe("4a", "192.0.2.1:1", 3000.0, Outcome::Timeout),
        probe("4b", "192.0.2.2:1", 0.4, Outcome::Success),
    ];
    let mut measurement = measurement(Vec::new(), probes);
    measurement.given = measurement.probes.iter().map(|probe| probe.to).collect();
    let mut row = compared(measurement).rows.remove(0);
    assert_eq!(row.prediction.connection().unwrap().1, ms(250.4));
    let to = to.map(|to| to.parse().unwrap());
    let end = if to.is_some() { End::Connected } else { LATE };
    row.measured = Some(Measured { end, unmet: Vec::new(), to, after: ms(after), failed: None });
    row.mismatch(ms(10_000.0))
}

#[test]
fn runs_may_be_a_little_off() {
    let winner = Some("192.0.2.2:1");
    for near in [211.0, 250.4, 290.0] {
        assert_eq!(mismatch(winner, near), None, "{near}: 15 ms and a tenth");
    }
    assert_eq!(mismatch(winner, 200.4), Some(Mismatch::Earlier(ms(50.0))));
    assert_eq!(mismatch(winner, 300.4), Some(Mismatch::Later(ms(50.0))));
    assert_eq!(mismatch(Some("192.0.2.1:1"), 250.4), Some(Mismatch::OtherWinner));
    assert_eq!(mismatch(None, 10_000.0), Some(Mismatch::NotConnected));
}

#[test]
fn only_what_was_certain_can_be_contradicted() {
    let probes = vec![
        probe("4a", "192.0.2.1:1", 3000.0, Outcome::Timeout),
        probe("4b", "192.0.2.2:1", 0.4, Outcome::Success),
    ];
    let mut measurement = measurement(Vec::new(), probes);
    measurement.given = measurement.probes.iter().map(|probe| probe.to).collect();
    let own: NamedPolicy = Preset::Sequential.into();
    let mut row = Comparison::new(measurement, &own, true, epoch()).own().unwrap().clone();
    assert_eq!(row.prediction.certain_until, Some(ms(3000.0)));
    let mut run = |end, to: Option<&str>, after, limit| {
        let to = to.map(|to| to.parse().unwrap());
        row.measured =
            Some(Measured { end, unmet: Vec::new(), to, after: ms(after), failed: None });
        row.mismatch(ms(limit))
    };
    assert_eq!(run(LATE, None, 10_000.0, 10_000.0), None);
    assert_eq!(run(LATE, None, 1000.0, 1000.0), None, "cut before it could be known");
    assert_eq!(run(End::Connected, Some("192.0.2.1:1"), 3100.0, 10_000.0), None, "who knows");
    let early = run(End::Connected, Some("192.0.2.1:1"), 400.0, 10_000.0);
    assert_eq!(early, Some(Mismatch::Earlier(ms(2600.0))));
}
