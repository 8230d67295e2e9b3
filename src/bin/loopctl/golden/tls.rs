//! Handshakes that succeed and fail, after a race and as a part of it, with and without STARTTLS.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use loopctl::plan::Success;
use loopctl::{
    AbortReason, CertificateProblem, EventKind, Failure, Phase, SocketSnapshot, TlsAlert,
    TlsClient, TlsError, TlsErrorKind, TlsInfo, TlsPeer, TlsServer, TlsVerdict, TlsVersion,
};

use super::story::{errno, ms, snapshot};
use super::{Golden, Story, every_format, in_short};
use crate::config::Expectations;
use crate::config::StartTls;
use crate::report::{StartTlsExchange, TlsExpectation, TlsFailure, TlsPhase};

struct Looks(Rc<RefCell<Option<TlsInfo>>>);

impl loopctl::Protocol for Looks {
    fn connection_made(&mut self, transport: &loopctl::Transport) {
        self.0.replace(transport.tls());
        transport.close();
    }

    fn data_received(&mut self, _: &loopctl::Transport, _: &[u8]) {}
}

/// `TlsInfo` of a real handshake, with fixed values.
pub(super) fn info() -> TlsInfo {
    let made = rcgen::generate_simple_self_signed(vec!["many.test".to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let server = TlsServer::builder().identity_pem(chain, key).build().unwrap();
    let client = TlsClient::builder().dangerous_accept_any_certificate();
    let client = client.build().unwrap().server_name("many.test").unwrap();
    let seen = Rc::new(RefCell::new(None));
    loopctl::run(async |event_loop| {
        let ignores = || Looks(Rc::default());
        let server = event_loop.create_server("127.0.0.1", 0).tls(server);
        let server = server.serve(ignores).await.unwrap();
        let connection = event_loop.create_connection_to(server.local_addrs()).tls(client);
        let looks = Looks(Rc::clone(&seen));
        connection.open(|| looks).await.unwrap();
    })
    .unwrap();
    let mut info = seen.take().unwrap();
    info.version = TlsVersion::Tls13;
    info.cipher_suite = "TLS_AES_128_GCM_SHA256".to_owned();
    info.key_exchange = Some("X25519".to_owned());
    (info.alpn, info.server_name, info.resumed) = (None, None, false);
    info.peer = peer(TlsVerdict::Verified);
    info
}

fn peer(verdict: TlsVerdict) -> TlsPeer {
    let mut peer = TlsPeer::default();
    let certificate = include_bytes!("../../../../tests/golden/expired.der");
    (peer.chain, peer.verdict) = (vec![certificate.to_vec()], verdict);
    peer
}

fn wanted() -> TlsExpectation {
    let name = Some("many.test".to_owned());
    TlsExpectation { name, starttls: None, has_own: false, offers_alpn: false }
}

/// A connection over which a handshake begins.
fn begun(wanted: TlsExpectation) -> Story {
    let mut story = Story::new("many.test:8443");
    story.wants_tls(wanted);
    story.resolved(1.1, &["10.77.0.2:8443"]);
    story.started(1.2, 0);
    story.succeeded(1.6, 0);
    story.selected(1.6, 0);
    story.at(1.6, EventKind::TlsStarted { attempt: Some(0) });
    story
}

fn established(wanted: TlsExpectation, info: TlsInfo) -> Story {
    let mut story = begun(wanted);
    story.at(3.0, EventKind::TlsFirstByte { attempt: Some(0) });
    let (attempt, info) = (Some(0), Box::new(info));
    story.at(9.5, EventKind::TlsEstablished { attempt, info, tcp: None });
    story
}

#[test]
fn tls_over_a_connection() {
    let mut offers = wanted();
    offers.offers_alpn = true;
    let mut info = info();
    every_format("tls", &established(wanted(), info.clone()));
    info.alpn = Some(b"h2".to_vec());
    (info.resumed, info.peer.ocsp_stapled) = (true, true);
    info.peer.asks_for_certificate = true;
    every_format("tls-alpn", &established(offers, info.clone()));
    info.version = TlsVersion::Tls12;
    (info.key_exchange, info.alpn, info.resumed) = (None, None, false);
    info.peer.verdict = TlsVerdict::Failed(wrong_name());
    every_format("tls-insecure", &established(TlsExpectation { name: None, ..wanted() }, info));
}

#[test]
fn certificates_that_do_not_last() {
    let mut story = established(wanted(), info());
    let cert_expiry = Some(ms(86_400_000.0));
    story.report.expect(&Expectations { cert_expiry, ..Expectations::default() });
    every_format("tls-cert-expiry", &story);
}

fn failed(error: TlsError, peer: TlsPeer, wanted: TlsExpectation) -> Story {
    let mut story = begun(wanted);
    let is_late = error.kind() == TlsErrorKind::TimedOut;
    if !is_late {
        story.at(3.0, EventKind::TlsFirstByte { attempt: Some(0) });
    }
    story.at(9.5, tls_failed(0, error, peer));
    story.aborted(9.5, if is_late { AbortReason::TimedOut } else { AbortReason::AllFailed });
    story
}

fn tls_failed(attempt: usize, error: TlsError, peer: TlsPeer) -> EventKind {
    let failure = Failure::from(&io::Error::from(error.clone()));
    let (attempt, error, peer) = (Some(attempt), Some(error), Box::new(peer));
    EventKind::TlsFailed { attempt, error, failure, peer, tcp: None }
}

fn wrong_name() -> CertificateProblem {
    let presented = vec!["other.test".to_owned()];
    CertificateProblem::WrongName { expected: "many.test".to_owned(), presented }
}

/// 26 days before the test's clock.
fn expired() -> CertificateProblem {
    let checked_at = begun(wanted()).report.started_at.wall;
    let not_after = checked_at - ms(26.0 * 86_400_000.0);
    CertificateProblem::Expired { not_after, checked_at }
}

fn untrusted(problem: CertificateProblem) -> TlsError {
    TlsError::Certificate { problem, alert_sent: None }
}

#[test]
fn handshakes_that_fail() {
    let mut golden = Golden::default();
    let (alert, message) = (TlsError::AlertReceived, "peer is incompatible".to_owned());
    let limit = Some(ms(60_000.0));
    let cases = [
        ("alert ProtocolVersion", alert(TlsAlert::ProtocolVersion)),
        ("alert NoApplicationProtocol", alert(TlsAlert::NoApplicationProtocol)),
        ("alert UnrecognisedName", alert(TlsAlert::UnrecognizedName)),
        ("alert HandshakeFailure", alert(TlsAlert::HandshakeFailure)),
        ("not TLS", TlsError::NotTls { first_bytes: b"220 ready".to_vec() }),
        ("protocol", TlsError::Protocol { message, alert_sent: None }),
        ("closed", TlsError::Closed),
        ("truncated", TlsError::Truncated),
        ("timed out", TlsError::HandshakeTimedOut { limit }),
        ("canceled", TlsError::Canceled),
    ];
    for (title, error) in cases {
        let story = failed(error, TlsPeer::default(), wanted());
        in_short(&mut golden, title, &story);
    }
    let mut reset = begun(wanted());
    reset.at(3.0, EventKind::TlsFirstByte { attempt: Some(0) });
    let (attempt, failure, peer) = (Some(0), errno(104), Box::default());
    reset.at(9.5, EventKind::TlsFailed { attempt, error: None, failure, peer, tcp: None });
    reset.aborted(9.5, AbortReason::AllFailed);
    in_short(&mut golden, "reset", &reset);
    for (title, has_own) in [("certificate asked for", false), ("certificate not taken", true)] {
        let mut peer = self::peer(TlsVerdict::Verified);
        peer.asks_for_certificate = true;
        let wanted = TlsExpectation { has_own, ..wanted() };
        let story = failed(alert(TlsAlert::CertificateRequired), peer, wanted);
        in_short(&mut golden, title, &story);
    }
    golden.assert("connect/tls-failures.txt");
}

#[test]
fn certificates_that_are_not_trusted() {
    use CertificateProblem as Problem;
    let mut golden = Golden::default();
    let checked_at = begun(wanted()).report.started_at.wall;
    let not_before = checked_at + ms(39.0 * 86_400_000.0);
    let cases = [
        ("Expired", expired()),
        ("NotYetValid", Problem::NotYetValid { not_before, checked_at }),
        ("WrongName", wrong_name()),
        ("UnknownIssuer", Problem::UnknownIssuer { sent: 1 }),
        ("Revoked", Problem::Revoked),
        ("Other", Problem::Other("UnhandledCriticalExtension".to_owned())),
    ];
    for (title, problem) in cases {
        let peer = peer(TlsVerdict::Failed(problem.clone()));
        let story = failed(untrusted(problem), peer, wanted());
        if title == "Expired" {
            every_format("tls-expired", &story);
        }
        in_short(&mut golden, title, &story);
    }
    golden.assert("connect/tls-certificates.txt");
}

/// Race for TLS: one handshake is silent, one is rejected, one succeeds.
fn raced(ends: usize) -> Story {
    let mut story = Story::new("many.test:8443");
    story.wants_tls(wanted());
    story.report.subject.policy.pacing.success = Success::Tls;
    story.resolved(1.1, &["10.77.0.2:8443", "10.77.0.3:8443", "10.77.0.4:8443"]);
    for (number, time) in [(0, 1.2), (1, 251.2), (2, 261.2)] {
        story.started(time, number);
        let snapshot = snapshot("10.77.0.1:40000", 0);
        story.at(time + 0.4, EventKind::AttemptConnected { attempt: number, snapshot });
        story.at(time + 0.4, EventKind::TlsStarted { attempt: Some(number) });
        if number == 1 {
            let error = TlsError::AlertReceived(TlsAlert::HandshakeFailure);
            refuse(&mut story, 253.0, number, error, TlsPeer::default());
        }
    }
    let attempt = Some(2);
    if ends == 0 {
        let peer = peer(TlsVerdict::Failed(expired()));
        refuse(&mut story, 270.0, 2, untrusted(expired()), peer);
        let silent = TlsError::HandshakeTimedOut { limit: None };
        refuse(&mut story, 5000.0, 0, silent, TlsPeer::default());
        story.aborted(5000.0, AbortReason::AllFailed);
        return story;
    }
    story.at(262.0, EventKind::TlsFirstByte { attempt });
    story.at(270.0, EventKind::TlsEstablished { attempt, info: Box::new(info()), tcp: None });
    story.succeeded(270.0, 2);
    story.at(270.0, tls_failed(0, TlsError::Canceled, TlsPeer::default()));
    story.canceled(270.0, 0);
    story.selected(270.0, 2);
    story
}

fn refuse(story: &mut Story, time: f64, number: usize, error: TlsError, peer: TlsPeer) {
    let failure = Failure::from(&io::Error::from(error.clone()));
    story.at(time, tls_failed(number, error, peer));
    story.failed(time, number, Phase::Tls, failure);
}

#[test]
fn tls_is_raced() {
    every_format("tls-raced", &raced(1));
    every_format("tls-raced-lost", &raced(0));
}

#[test]
fn a_dialogue_before_tls() {
    let wanted = TlsExpectation { starttls: Some(StartTls::Smtp), ..wanted() };
    let starttls = |took| StartTlsExchange {
        protocol: StartTls::Smtp,
        start: ms(1.6),
        took: ms(took),
        greeting: Some("220 many.test ESMTP".to_owned()),
    };
    let connected = || {
        let mut story = Story::new("many.test:25");
        story.wants_tls(wanted.clone());
        story.resolved(1.1, &["10.77.0.2:25"]);
        story.started(1.2, 0);
        story.at(
            1.6,
            EventKind::AttemptSucceeded { attempt: 0, snapshot: SocketSnapshot::default() },
        );
        story.selected(1.6, 0);
        story.report.agree(starttls(1.0));
        story
    };
    let mut story = connected();
    story.at(2.6, EventKind::TlsStarted { attempt: Some(0) });
    story.at(3.0, EventKind::TlsFirstByte { attempt: Some(0) });
    story
        .at(9.5, EventKind::TlsEstablished { attempt: Some(0), info: Box::new(info()), tcp: None });
    every_format("starttls", &story);
    let mut golden = Golden::default();
    let late = Some(TlsError::HandshakeTimedOut { limit: None });
    for (title, error, text) in [
        ("declined", None, "the server does not offer STARTTLS"),
        ("silent", late, "timed out after 10.0 s"),
    ] {
        let mut story = connected();
        let (failure, phase) = (Failure::from(&io::Error::other(text)), TlsPhase::StartTls);
        let at = story.report.started_at.at + ms(9.0);
        story.report.decline(TlsFailure { error, failure, phase }, at);
        in_short(&mut golden, title, &story);
    }
    golden.assert("connect/starttls-failures.txt");
}
