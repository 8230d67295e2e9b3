//! Snapshots of text output from invented events: three widths, no colour, ASCII, a pipe.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test` writes them anew; the difference is for a human to judge.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use loopctl::plan::{Family, FirstAttemptReason, Preset, Reason};
use loopctl::{
    Address, CertificateProblem, EaiCode, Event, EventKind, Failure, Phase, ResolveError,
    SocketSnapshot, TcpInfo, TlsError, TlsPeer, TlsVerdict,
};

use super::human::text;
use super::human::text::HumanOptions;
use super::progress::live;
use crate::diagnose::cause;
use crate::report::{Report, StartTime, Subject, TlsExpectation, TransportKind, Via};
use crate::util::style::Style;

/// Times are in milliseconds since the start.
struct Story {
    started_at: Instant,
    report: Report,
}

impl Story {
    fn new(target: &str, host: &str, port: u16) -> Self {
        let started_at = loopctl::EventLoop::new().unwrap().handle().time();
        let subject = Subject {
            text: target.to_owned(),
            host: Some(host.to_owned()),
            port: Some(port),
            transport: TransportKind::Tcp,
            family: Family::Unspecified,
            policy: Preset::Hev3.into(),
            timeout: Duration::from_secs(10),
            tls: None,
        };
        let wall = SystemTime::UNIX_EPOCH;
        Self {
            started_at,
            report: Report::new(subject, Via::System, StartTime { at: started_at, wall }),
        }
    }

    fn at(&mut self, ms: f64, kind: EventKind) {
        let at = self.started_at + Duration::from_secs_f64(ms / 1000.0);
        self.report.apply(&Event { at, kind });
    }

    fn resolved(&mut self, ms: f64, addresses: &[&str]) {
        let addresses: Vec<SocketAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        self.at(0.1, EventKind::ResolveStarted { host: "many.test".to_owned() });
        for family in [Family::Inet6, Family::Inet] {
            self.at(0.1, EventKind::QueryStarted { family });
        }
        for (family, at) in [(Family::Inet, ms - 0.3), (Family::Inet6, ms - 0.1)] {
            let of_family = addresses.iter().filter(|it| Family::of(&it.ip()) == family);
            let addresses: Vec<_> = of_family.copied().collect();
            let (host, message) = ("many.test".to_owned(), "none".to_owned());
            let code = EaiCode::NODATA;
            let error = ResolveError::System { host, code, errno: None, message };
            self.at(
                at,
                match addresses.is_empty() {
                    true => EventKind::QueryFailed { family, error },
                    false => EventKind::QueryAnswered { family, addresses },
                },
            );
        }
        self.at(ms, EventKind::Resolved { addresses: addresses.clone() });
        let candidates = addresses.into_iter().map(Address::from).collect();
        self.at(ms, EventKind::CandidatesSorted { candidates });
    }

    fn started(&mut self, ms: f64, attempt: usize) {
        let reason = match attempt {
            0 => Reason::First(FirstAttemptReason::PreferredFamily),
            _ => Reason::Timer,
        };
        self.started_because(ms, attempt, reason);
    }

    fn started_because(&mut self, ms: f64, attempt: usize, reason: Reason) {
        let address = self.report.resolve.candidates[attempt].clone();
        let planned = self.started_at + Duration::from_secs_f64(ms / 1000.0);
        self.at(ms, EventKind::AttemptStarted { attempt, address, reason, planned });
    }

    fn refused(&mut self, ms: f64, attempt: usize) {
        let failure = Failure::from(&io::Error::from_raw_os_error(111));
        let (phase, snapshot) = (Phase::Connect, SocketSnapshot::default());
        self.at(ms, EventKind::AttemptFailed { attempt, phase, failure, snapshot });
    }
}

/// A silent, a refusing and a good address, and one that was not needed.
fn fallback() -> Report {
    let mut story = Story::new("many.test:8443", "many.test", 8443);
    let addresses = ["[fd77::dead]:8443", "10.77.0.2:8443", "[fd77::beef]:8443", "10.77.0.99:8443"];
    story.resolved(1.1, &addresses);
    story.started(1.2, 0);
    story.started(251.3, 1);
    story.refused(251.7, 1);
    story.started(251.8, 2);
    let snapshot = SocketSnapshot::default;
    story.at(262.4, EventKind::AttemptSucceeded { attempt: 2, snapshot: snapshot() });
    story.at(262.4, EventKind::AttemptCanceled { attempt: 0, snapshot: snapshot() });
    story.at(262.4, EventKind::ConnectionSelected { attempt: 2 });
    story.report
}

/// An answer that was later than the Resolution Delay, a router that forbids, and a SYN that was lost.
fn late() -> Report {
    let mut story = Story::new("many.test:8443", "many.test", 8443);
    let addresses: [SocketAddr; 2] =
        ["192.0.2.1:8443", "192.0.2.2:8443"].map(|text| text.parse().unwrap());
    story.at(0.1, EventKind::ResolveStarted { host: "many.test".to_owned() });
    for family in [Family::Inet6, Family::Inet] {
        story.at(0.1, EventKind::QueryStarted { family });
    }
    let answer = addresses.to_vec();
    story.at(2.1, EventKind::QueryAnswered { family: Family::Inet, addresses: answer.clone() });
    story.at(52.2, EventKind::Resolved { addresses: answer });
    let candidates = addresses.into_iter().map(Address::from).collect();
    story.at(52.2, EventKind::CandidatesSorted { candidates });
    story.started_because(52.2, 0, Reason::First(FirstAttemptReason::ResolutionDelay));
    let failure = Failure::from(&io::Error::from_raw_os_error(113));
    let (phase, snapshot) = (Phase::Connect, SocketSnapshot::default());
    story.at(72.6, EventKind::AttemptFailed { attempt: 0, phase, failure, snapshot });
    story.started_because(72.7, 1, Reason::AttemptEnded(0));
    let mut tcp = TcpInfo::default();
    (tcp.established, tcp.retransmits, tcp.send_mss) = (true, 1, 1448);
    let snapshot = SocketSnapshot { tcp: Some(tcp), ..SocketSnapshot::default() };
    story.at(1093.1, EventKind::AttemptSucceeded { attempt: 1, snapshot });
    story.at(1093.1, EventKind::QueryCanceled { family: Family::Inet6 });
    story.at(1093.1, EventKind::ConnectionSelected { attempt: 1 });
    story.report
}

/// A refusing and a silent address, and a deadline.
fn deadline() -> Report {
    let mut story = Story::new("badv6.test:8099", "badv6.test", 8099);
    story.resolved(0.9, &["[fd77::dead]:8099", "10.77.0.2:8099"]);
    story.started(1.0, 0);
    story.started(251.0, 1);
    story.refused(251.3, 1);
    story.at(
        10_000.0,
        EventKind::AttemptTimedOut { attempt: 0, snapshot: SocketSnapshot::default() },
    );
    let reason = loopctl::AbortReason::TimedOut;
    story.at(10_000.0, EventKind::ConnectionAborted { reason });
    story.report
}

/// A connection over which there is no TLS, because the server's certificate has expired.
fn untrusted() -> Report {
    let mut story = Story::new("many.test:8443", "many.test", 8443);
    let name = Some("many.test".to_owned());
    let wanted = TlsExpectation {
        name,
        starttls: None,
        has_own: false,
        offers_alpn: false,
        requires_13: false,
    };
    story.report.subject.tls = Some(wanted);
    // 2026-11-23.
    story.report.started_at.wall += Duration::from_secs(1_795_392_000);
    story.resolved(1.1, &["10.77.0.2:8443"]);
    story.started(1.2, 0);
    story.at(1.6, EventKind::AttemptSucceeded { attempt: 0, snapshot: SocketSnapshot::default() });
    story.at(1.6, EventKind::ConnectionSelected { attempt: 0 });
    story.at(1.6, EventKind::TlsStarted { attempt: Some(0) });
    story.at(3.0, EventKind::TlsFirstByte { attempt: Some(0) });
    let mut peer = TlsPeer::default();
    let certificate = include_bytes!("../../../../tests/cli/snapshots/expired.der");
    peer.chain = vec![certificate.to_vec()];
    let checked_at = story.report.started_at.wall;
    let not_after = checked_at - Duration::from_secs(26 * 86_400);
    let problem = CertificateProblem::Expired { not_after, checked_at };
    peer.verdict = TlsVerdict::Failed(problem.clone());
    let error = Some(TlsError::Certificate { problem, alert_sent: None });
    let failure = Failure::from(&io::Error::other("the certificate has expired"));
    let (attempt, peer) = (Some(0), Box::new(peer));
    story.at(9.5, EventKind::TlsFailed { attempt, error, failure, peer });
    let reason = loopctl::AbortReason::AllFailed;
    story.at(9.5, EventKind::ConnectionAborted { reason });
    story.report
}

pub(crate) fn assert_snapshot(name: &str, shown: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/snapshots").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, shown).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(shown, kept, "{name}");
}

pub(crate) fn style(width: Option<usize>, color: bool, unicode: bool) -> Style {
    Style { color, unicode, width }
}

#[test]
fn reports_at_three_widths_without_colour_in_ascii_and_in_a_pipe() {
    let looks = [
        ("40", style(Some(40), true, true)),
        ("80", style(Some(80), true, true)),
        ("120", style(Some(120), true, true)),
        ("no-colour", style(Some(80), false, true)),
        ("ascii", style(Some(80), false, false)),
        ("pipe", style(None, false, true)),
    ];
    for (look, style) in looks {
        let stories = [
            ("fallback", fallback()),
            ("late", late()),
            ("deadline", deadline()),
            ("untrusted", untrusted()),
        ];
        for (story, report) in stories {
            let is_verbose = story == "untrusted";
            let detail = HumanOptions { is_verbose, ..HumanOptions::default() };
            let shown =
                text::report(&report, style, detail) + &cause::explain(&report).render(style);
            assert_snapshot(&format!("{story}-{look}.txt"), &shown);
        }
    }
}

#[test]
fn the_live_view_of_a_race_under_way() {
    let mut story = Story::new("many.test:8443", "many.test", 8443);
    story.resolved(1.1, &["[fd77::dead]:8443", "10.77.0.2:8443", "10.77.0.99:8443"]);
    story.started(1.2, 0);
    story.started(251.3, 1);
    story.refused(251.7, 1);
    story.started(251.8, 2);
    let now = story.started_at + Duration::from_millis(1500);
    for (look, style) in
        [("80", style(Some(80), true, true)), ("40", style(Some(40), false, false))]
    {
        let rows = live::rows([&story.report].into_iter(), 1, 0, now, style).join("\n") + "\n";
        assert_snapshot(&format!("live-{look}.txt"), &rows);
    }
    let reports = vec![story.report.clone(); 25];
    let rows = live::rows(reports.iter(), 100, 7, now, style(Some(80), false, true));
    assert_eq!(rows.len(), 21, "twenty targets and the sum of all");
    assert_snapshot("live-many.txt", &(rows.join("\n") + "\n"));
}
