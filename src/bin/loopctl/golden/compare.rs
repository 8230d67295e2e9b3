//! Comparisons of policies.

use std::net::SocketAddr;
use std::time::Duration;

use loopctl::EaiCode;
use loopctl::plan::{Family, FirstAttemptReason, Preset, Reason};

use super::Story;
use super::story::system_error;
use super::story::{epoch, errno, ms, started_at, subject};
use super::{Golden, LOOKS, human};
use crate::config::NamedPolicy;
use crate::output::human::text::HumanOptions;
use crate::output::json::connect as json;
use crate::report::compare::{Lookup, LookupEnd, Measured, Measurement, Probe};
use crate::report::connect::Schedule;
use crate::report::{Attempt, Comparison, End, FailureKind, NameFailure, Outcome, Report, Via};

fn probe(label: &str, to: &str, took: f64, outcome: Outcome) -> Probe {
    let to: SocketAddr = to.parse().unwrap();
    let schedule =
        Schedule { reason: Reason::First(FirstAttemptReason::Known), start_lag: Duration::ZERO };
    let attempt = Attempt { took: ms(took), outcome, ..Attempt::new(to.into(), ms(2.0), schedule) };
    Probe { to, label: label.to_owned(), attempt, tls: None }
}

fn lookup(family: Family, took: f64, end: LookupEnd) -> Lookup {
    Lookup { family, start: ms(0.1), took: ms(took), end }
}

fn measurement(lookups: Vec<Lookup>, probes: Vec<Probe>) -> Measurement {
    Measurement {
        lookups,
        given: Vec::new(),
        probes: probes.into(),
        prefer: None,
        is_ipv4_first: false,
        probe_timeout: ms(3000.0),
        kernel: ms(131_000.0),
        is_dns: false,
    }
}

/// A dead and a connecting address of each family, and a slow AAAA answer.
fn many(aaaa: f64) -> Measurement {
    let refused = Outcome::Failure(loopctl::Phase::Connect, errno(111));
    let probes = vec![
        probe("6a", "[fd77::dead]:8443", 3000.0, Outcome::Timeout),
        probe("6b", "[fd77::beef]:8443", 0.5, Outcome::Success),
        probe("4a", "10.77.0.2:8443", 0.4, Outcome::Success),
        probe("4b", "10.77.0.99:8443", 0.3, refused),
    ];
    let of = |is_wanted: fn(&SocketAddr) -> bool| {
        LookupEnd::Found(probes.iter().map(|probe| probe.to).filter(is_wanted).collect())
    };
    let lookups = vec![
        lookup(Family::Inet6, aaaa, of(SocketAddr::is_ipv6)),
        lookup(Family::Inet, 0.9, of(SocketAddr::is_ipv4)),
        lookup(Family::Unspecified, aaaa + 0.2, of(|_| true)),
    ];
    measurement(lookups, probes)
}

fn report(comparison: Comparison, end: End) -> Report {
    let mut report = Report::new(subject("many.test:8443"), Via::System, started_at());
    (report.total, report.end) = (ms(3003.0), end);
    report.attempts =
        comparison.measurement.probes.iter().map(|probe| probe.attempt.clone()).collect();
    let candidates = report.attempts.iter().map(|attempt| attempt.address.clone());
    report.resolve.candidates = candidates.collect();
    report.selected = (end == End::Connected).then_some(1);
    report.comparison = Some(Box::new(comparison));
    report
}

fn compared(measurement: Measurement, is_live: bool) -> Comparison {
    Comparison::new(measurement, &Preset::Hev3.into(), is_live, epoch())
}

fn golden(name: &str, report: &Report) {
    let mut golden = Golden::default();
    for (title, style) in LOOKS {
        golden.section(title, &human(report, style, HumanOptions::default()));
    }
    golden.json("json", &json::document(report));
    super::assert_valid("connect.v1.json", &json::document(report));
    golden.assert(&format!("connect/compare-{name}.txt"));
}

#[test]
fn comparisons() {
    golden("probes", &report(compared(many(1.1), false), End::Connected));
    golden("late", &report(compared(many(120.0), false), End::Connected));
    let mut run = compared(many(1.1), true);
    for row in &mut run.rows {
        row.measured = row.prediction.connection().map(|(to, after)| {
            let after = after + ms(0.7);
            Measured { end: End::Connected, unmet: Vec::new(), to: Some(to), after, failed: None }
        });
    }
    let mut story = Story::new("many.test:8443");
    story.resolved(1.0, &["10.77.0.2:8443"]);
    story.started(1.0, 0);
    story.refused(1.3, 0);
    let failed = Some(Box::new(story.report));
    let (end, unmet) = (End::Failed(FailureKind::NotConnected), Vec::new());
    run.rows[5].measured = Some(Measured { end, unmet, to: None, after: ms(251.0), failed });
    golden("live", &report(run, End::Connected));
}

/// Changed policy that fails where others connect.
#[test]
fn left_behind() {
    let mut own: NamedPolicy = Preset::Sequential.into();
    own.attempt_timeout = None;
    own.interleave = 2;
    let comparison = Comparison::new(many(1.1), &own, false, epoch());
    golden("left-behind", &report(comparison, End::Failed(FailureKind::TimedOut)));
}

#[test]
fn names_that_do_not_resolve() {
    let failed = LookupEnd::Failed(system_error(EaiCode::NONAME));
    let lookups = vec![
        lookup(Family::Inet6, 10_000.0, LookupEnd::Silent),
        lookup(Family::Inet, 2.0, failed),
        lookup(Family::Unspecified, 10_000.0, LookupEnd::Interrupted),
    ];
    let mut report = report(
        compared(measurement(lookups, Vec::new()), false),
        End::Failed(FailureKind::NotResolved),
    );
    report.resolve.error = Some(NameFailure::Resolver(system_error(EaiCode::NONAME)));
    golden("no-name", &report);
}
