//! Races that a TLS handshake decides, on real sockets.

use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use loopctl::plan::{Policy, Preset, Success};
use loopctl::{
    AbortReason, AfterEof, ConnectError, CreateConnection, EventKind, LoopHandle, Phase, Protocol,
    TlsClient, TlsError, TlsErrorKind, TlsServer, TlsVersion, Transport,
};

use crate::support::tls::{Authority, Papers, pair, serve_tls};
use crate::support::{
    Dead, Outcome, Recorder, Reports, Seen, Server, Trace, best_of, descriptors, has_ipv6,
    in_child, ms, pattern, run, until,
};

const DELAY: Duration = ms(100);
const FAILED: Outcome = Outcome::Failed(Phase::Tls);
/// What a machine may add to a time; on the best of several tries only.
const SLACK: Duration = ms(80);

/// The program's default, faster.
fn by_tls() -> Policy {
    Policy { connection_attempt_delay: Some(DELAY), ..Preset::Hev3.into() }
}

/// To servers that are called `localhost`, in the order given.
fn to(event_loop: &LoopHandle, addresses: &[SocketAddr], tls: &TlsClient) -> CreateConnection {
    let tls = tls.clone().server_name("localhost").unwrap();
    event_loop.create_connection_to(addresses.to_vec()).policy(by_tls()).tls(tls)
}

/// Greets whoever comes.
struct Greeter(Vec<u8>);

impl Protocol for Greeter {
    fn connection_made(&mut self, transport: &Transport) {
        let _ = transport.write(&self.0);
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        let _ = transport.write(data);
    }
}

/// Leaves at once when the client has said hello.
struct Leaver;

impl Protocol for Leaver {
    fn data_received(&mut self, transport: &Transport, _: &[u8]) {
        transport.close();
    }
}

async fn serve(
    event_loop: &LoopHandle,
    tls: TlsServer,
    greeting: &'static [u8],
) -> (loopctl::Server, SocketAddr) {
    serve_tls(event_loop, tls, || Greeter(greeting.to_vec())).await
}

/// What was told of the handshakes, in few words.
fn handshakes(trace: &Trace) -> Vec<(usize, &'static str)> {
    let said = |kind: &EventKind| match kind {
        EventKind::TlsStarted { attempt } => Some((attempt.unwrap(), "started")),
        EventKind::TlsFirstByte { attempt } => Some((attempt.unwrap(), "heard")),
        EventKind::TlsEstablished { attempt, .. } => Some((attempt.unwrap(), "established")),
        EventKind::TlsFailed { attempt, error, .. } => Some((
            attempt.unwrap(),
            match error.as_ref().map(TlsError::kind) {
                Some(TlsErrorKind::Canceled) => "canceled",
                Some(TlsErrorKind::TimedOut) => "timed out",
                Some(TlsErrorKind::Certificate) => "certificate",
                Some(TlsErrorKind::Closed) => "closed",
                Some(TlsErrorKind::NotTls) => "no TLS",
                Some(TlsErrorKind::Alert) => "alert",
                _ => "failed",
            },
        )),
        _ => None,
    };
    trace.events().iter().filter_map(|event| said(&event.kind)).collect()
}

#[test]
fn race_tls_the_winner_has_its_session_and_its_steps_are_in_order() {
    let trace = Trace::new();
    run(async |event_loop| {
        let (client, server) = pair();
        let (_server, address) = serve(&event_loop, server, b"hello").await;
        let opening =
            to(&event_loop, &[address], &client).trace(trace.listener()).open(Recorder::new);
        let connection = opening.await.unwrap();
        assert_eq!(connection.transport.tls().unwrap().version, TlsVersion::Tls13);
        assert_eq!(
            connection.with(|it| it.seen.clone()),
            [Seen::Made],
            "made before anything else"
        );
        let _ = connection.transport.write(b"echo");
        until(&event_loop, || connection.with(|it| it.data() == b"helloecho")).await;
        connection.transport.close();
        connection.transport.wait_closed().await;
        assert_eq!(connection.with(|it| it.seen.last().cloned()), Some(Seen::Lost(None)));
    });
    trace.check();
    assert_eq!(handshakes(&trace), [(0, "started"), (0, "heard"), (0, "established")]);
    let events = trace.events();
    let last: Vec<_> = events.iter().rev().take(3).map(|event| &event.kind).collect();
    assert!(
        matches!(
            last[..],
            [
                EventKind::ConnectionSelected { attempt: 0 },
                EventKind::AttemptSucceeded { attempt: 0, .. },
                EventKind::TlsEstablished { .. }
            ]
        ),
        "{last:?}"
    );
    let EventKind::AttemptSucceeded { snapshot, .. } = last[1] else { unreachable!() };
    assert!(snapshot.local.is_some() && snapshot.tcp.unwrap().established);
}

/// IPv6 speaks TCP and nothing else: the next attempt starts when its connection is as old as the delay.
fn check_silent(silent: &Server) {
    let took = best_of(3, || {
        let trace = Trace::new();
        let took = run(async |event_loop| {
            let (client, server) = pair();
            let (_server, good) = serve(&event_loop, server, b"").await;
            let began = event_loop.time();
            let connecting =
                to(&event_loop, &[silent.address(), good], &client).trace(trace.listener());
            let connection = connecting.open(Recorder::new).await.unwrap();
            assert_eq!(connection.transport.peer_addr().unwrap(), good);
            let mut loser = silent.accept();
            let mut hello = Vec::new();
            let end = loser.read_to_end(&mut hello);
            assert!(end.is_ok() && hello[0] == 22, "a hello, and no alert: {hello:?}");
            assert!(hello.len() < 5 + usize::from(u16::from_be_bytes([hello[3], hello[4]])) + 1);
            event_loop.time() - began
        });
        trace.check();
        assert_eq!(trace.outcomes(), [(1, Outcome::Succeeded), (0, Outcome::Canceled)]);
        let steps =
            [(0, "started"), (1, "started"), (1, "heard"), (1, "established"), (0, "canceled")];
        assert_eq!(handshakes(&trace), steps);
        let up = trace.events().iter().find_map(|event| match event.kind {
            EventKind::TlsStarted { attempt: Some(0) } => Some(event.at),
            _ => None,
        });
        assert!(trace.starts()[1] - up.unwrap() >= DELAY - ms(1), "pushed to TCP and the delay");
        assert!(trace.offsets()[1] >= DELAY);
        took
    });
    assert!(took <= DELAY + SLACK, "{took:?}");
}

#[test]
fn t30_a_silent_handshake_costs_one_delay() {
    check_silent(&Server::new());
}

#[test]
fn t30_a_silent_handshake_of_ipv6_costs_one_delay() {
    if has_ipv6() {
        check_silent(&Server::at("[::1]:0"));
    }
}

/// TCP took a second, so a handshake may take three: the delay of a second and a half has passed long before.
#[test]
fn t30_a_slow_connection_pushes_the_next_attempt_further_than_the_delay() {
    let trace = Trace::new();
    run(async |event_loop| {
        let (client, server) = pair();
        let (_second, good) = serve(&event_loop, server.clone(), b"").await;
        let slow = Rc::new(Dead::new());
        let policy = Policy { connection_attempt_delay: Some(ms(1500)), ..by_tls() };
        let connecting = to(&event_loop, &[slow.address(), good], &client).policy(policy);
        let task = event_loop.create_task(connecting.trace(trace.listener()).open(Recorder::new));
        until(&event_loop, || trace.starts().len() == 1).await;
        slow.revive();
        until(&event_loop, || !handshakes(&trace).is_empty()).await;
        let up = trace.starts()[0] + ms(1700);
        event_loop.sleep(up.saturating_duration_since(event_loop.time())).await;
        let stream = slow.accept_revived();
        let accepting = event_loop.connect_accepted_tls(stream, server, Recorder::new);
        let (connection, accepted) = (task, accepting.await);
        assert!(accepted.is_ok());
        let connection = connection.await.unwrap().unwrap();
        assert_eq!(connection.transport.peer_addr().unwrap(), slow.address());
    });
    trace.check();
    assert_eq!(trace.outcomes(), [(0, Outcome::Succeeded)], "nobody else was started");
    let delays = trace.events().into_iter().filter_map(|event| match event.kind {
        EventKind::NextAttemptTimerSet { delay } => Some(delay),
        _ => None,
    });
    let delays: Vec<_> = delays.collect();
    assert!(delays.len() == 2 && delays[1] >= ms(2900), "three times a second: {delays:?}");
}

#[test]
fn t31_a_certificate_that_is_not_trusted_starts_the_next_attempt() {
    let took = best_of(3, || {
        let trace = Trace::new();
        let took = run(async |event_loop| {
            let reports = Reports::of(&event_loop);
            let (client, server) = pair();
            let (_, other) = pair();
            let (_bad, bad) = serve(&event_loop, other, b"").await;
            let (_good, good) = serve(&event_loop, server, b"").await;
            let began = event_loop.time();
            let connecting = to(&event_loop, &[bad, good], &client).trace(trace.listener());
            connecting.open(Recorder::new).await.unwrap();
            let took = event_loop.time() - began;
            assert!(reports.texts().is_empty(), "{:?}", reports.texts());
            took
        });
        trace.check();
        assert_eq!(trace.outcomes(), [(0, FAILED), (1, Outcome::Succeeded)]);
        let failed: Vec<_> = handshakes(&trace).into_iter().filter(|(n, _)| *n == 0).collect();
        assert_eq!(failed, [(0, "started"), (0, "heard"), (0, "certificate")]);
        took
    });
    assert!(took < DELAY, "{took:?}");
}

#[test]
fn t31_whatever_ends_a_handshake_starts_the_next_attempt() {
    let trace = Trace::new();
    run(async |event_loop| {
        let (client, server) = pair();
        let leaving = event_loop.create_server("127.0.0.1", 0).serve(|| Leaver).await.unwrap();
        let plain =
            event_loop.create_server("127.0.0.1", 0).serve(|| Greeter(b"220 hi\r\n".to_vec()));
        let plain = plain.await.unwrap();
        let only = TlsClient::builder().ca_pem(Authority::new("x").pem()).alpn(["a"]);
        drop(only);
        let authority = Authority::new("Test CA");
        let Papers { chain, key } = authority.papers("localhost");
        let choosy = TlsServer::builder().identity_pem(chain, key).alpn(["other"]).build().unwrap();
        let (_choosy, alert) = serve(&event_loop, choosy, b"").await;
        let (_good, good) = serve(&event_loop, authority.server(), b"").await;
        drop((client, server));
        let client = TlsClient::builder().ca_pem(authority.pem()).alpn(["h2"]).build().unwrap();
        let addresses = [leaving.local_addrs()[0], plain.local_addrs()[0], alert, good];
        let began = event_loop.time();
        let policy = Policy { connection_attempt_delay: Some(ms(20_000)), ..by_tls() };
        let connecting =
            to(&event_loop, &addresses, &client).policy(policy).trace(trace.listener());
        let connection = connecting.open(Recorder::new).await.unwrap();
        assert_eq!(connection.transport.peer_addr().unwrap(), good);
        assert!(event_loop.time() - began < ms(10_000), "nobody waited for the delay");
    });
    trace.check();
    let outcomes = [(0, FAILED), (1, FAILED), (2, FAILED), (3, Outcome::Succeeded)];
    assert_eq!(trace.outcomes(), outcomes);
    let ends: Vec<_> = handshakes(&trace)
        .into_iter()
        .filter(|(_, step)| !["started", "heard"].contains(step))
        .collect();
    assert_eq!(ends, [(0, "closed"), (1, "no TLS"), (2, "alert"), (3, "established")]);
    let snapshot = trace.events().into_iter().find_map(|event| match event.kind {
        EventKind::AttemptFailed { snapshot, .. } => Some(snapshot),
        _ => None,
    });
    let snapshot = snapshot.unwrap();
    assert!(
        snapshot.local.is_some() && snapshot.tcp.is_some(),
        "of the socket that was: {snapshot:?}"
    );
}

#[test]
fn race_tls_where_tcp_is_enough_a_silent_handshake_is_waited_for() {
    let trace = Trace::new();
    let error = run(async |event_loop| {
        let (client, server) = pair();
        let (_good, good) = serve(&event_loop, server, b"").await;
        let silent = Server::new();
        let mut policy = by_tls();
        policy.pacing.success = Success::Tcp;
        let connecting = to(&event_loop, &[silent.address(), good], &client).policy(policy);
        let connecting = connecting.timeout(DELAY * 2).trace(trace.listener());
        connecting.open(Recorder::new).await.unwrap_err()
    });
    assert!(matches!(&error, ConnectError::TimedOut(attempts) if attempts.len() == 1));
    assert_eq!(trace.outcomes(), [(0, Outcome::Succeeded)]);
    assert_eq!(handshakes(&trace), [(0, "started"), (0, "timed out")]);
}

#[test]
fn race_tls_what_came_with_the_last_flight_is_not_lost() {
    static GREETING: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| pattern(300_000));
    run(async |event_loop| {
        let authority = Authority::new("Test CA");
        let (_server, address) = serve(&event_loop, authority.server(), &GREETING).await;
        for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
            let client = TlsClient::builder().ca_pem(authority.pem()).max_version(version);
            let client = client.build().unwrap();
            // The second handshake is shorter: its last flight is the server's in TLS 1.2.
            for _ in 0..2 {
                let opening = to(&event_loop, &[address], &client).open(Recorder::keeping_open);
                let connection = opening.await.unwrap();
                until(&event_loop, || connection.with(|it| it.data().len() >= GREETING.len()))
                    .await;
                assert!(connection.with(|it| it.data()) == *GREETING);
                connection.transport.abort();
            }
        }
    });
}

/// Says one thing and is gone: all of it in one go, behind the last message of the handshake.
struct OneWord;

impl Protocol for OneWord {
    fn connection_made(&mut self, transport: &Transport) {
        let _ = transport.write(b"word");
        transport.close();
    }

    fn data_received(&mut self, _: &Transport, _: &[u8]) {}

    fn eof_received(&mut self, _: &Transport) -> AfterEof {
        AfterEof::Close
    }
}

#[test]
fn race_tls_a_peer_that_has_left_by_then_is_heard_to_the_end() {
    run(async |event_loop| {
        let authority = Authority::new("Test CA");
        let (_server, address) = serve_tls(&event_loop, authority.server(), || OneWord).await;
        for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
            let client = TlsClient::builder().ca_pem(authority.pem()).max_version(version);
            let opening = to(&event_loop, &[address], &client.build().unwrap()).open(Recorder::new);
            let connection = opening.await.unwrap();
            until(&event_loop, || connection.with(|it| it.is_lost())).await;
            let seen = connection.with(|it| it.seen.clone());
            let all = [Seen::Made, Seen::Data(b"word".to_vec()), Seen::Eof, Seen::Lost(None)];
            assert_eq!(seen, all, "{version}");
        }
    });
}

/// Both handshakes come to their end while the loop is too busy to look.
#[test]
fn t41_of_two_handshakes_in_one_turn_one_wins_and_the_other_ends_with_a_farewell() {
    let trace = Trace::new();
    run(async |event_loop| {
        let (client, server) = pair();
        let ends = Rc::new(std::cell::RefCell::new(Vec::new()));
        let heard = Rc::clone(&ends);
        let factory = move || Ending(Rc::clone(&heard));
        let (_one, one) = serve_tls(&event_loop, server.clone(), factory.clone()).await;
        let (_other, other) = serve_tls(&event_loop, server, factory).await;
        let policy = Policy { connection_attempt_delay: Some(Duration::ZERO), ..by_tls() };
        let policy = Policy { run_all: true, ..policy };
        let connecting =
            to(&event_loop, &[one, other], &client).policy(policy).trace(trace.listener());
        let connection = connecting.open(Recorder::new).await.unwrap();
        let winner = [one, other][trace.selected().unwrap()];
        assert_eq!(connection.transport.peer_addr().unwrap(), winner);
        until(&event_loop, || ends.borrow().len() == 1).await;
        assert_eq!(*ends.borrow(), [None], "a clean end: close_notify, then the end of the stream");
    });
    trace.check();
    let mut outcomes = trace.outcomes();
    outcomes.sort_by_key(|(attempt, _)| *attempt);
    assert_eq!(outcomes, [(0, Outcome::Succeeded), (1, Outcome::Succeeded)]);
}

type Ends = Rc<std::cell::RefCell<Vec<Option<ErrorKind>>>>;

/// Writes down how its connection ended.
struct Ending(Ends);

impl Protocol for Ending {
    fn data_received(&mut self, _: &Transport, _: &[u8]) {}

    fn connection_lost(&mut self, error: Option<std::io::Error>) {
        self.0.borrow_mut().push(error.map(|error| error.kind()));
    }
}

#[test]
fn race_tls_an_attempts_own_time_covers_its_handshake() {
    let trace = Trace::new();
    run(async |event_loop| {
        let (client, server) = pair();
        let (_good, good) = serve(&event_loop, server, b"").await;
        let silent = [Server::new(), Server::new()];
        let addresses = [silent[0].address(), good];
        let policy =
            Policy { connection_attempt_delay: None, attempt_timeout: Some(ms(50)), ..by_tls() };
        let one =
            to(&event_loop, &addresses, &client).policy(policy.clone()).trace(trace.listener());
        one.open(Recorder::new).await.unwrap();

        let addresses = silent.each_ref().map(Server::address);
        let none = to(&event_loop, &addresses, &client).policy(policy).open(Recorder::new);
        let error = none.await.unwrap_err();
        assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::TimedOut, 2));
        for attempt in error.attempts() {
            assert_eq!((attempt.phase, attempt.error.kind()), (Phase::Tls, ErrorKind::TimedOut));
            assert!(attempt.took >= ms(50));
        }
        let text = format!("TLS handshake with {}: timed out", addresses[0]);
        assert_eq!(error.attempts()[0].to_string(), text);
    });
    trace.check();
    assert_eq!(trace.outcomes(), [(0, Outcome::TimedOut), (1, Outcome::Succeeded)]);
    assert_eq!(handshakes(&trace)[..2], [(0, "started"), (0, "timed out")]);
}

#[test]
fn race_tls_the_time_for_all_of_it_covers_every_handshake() {
    let trace = Trace::new();
    let error = run(async |event_loop| {
        let (client, _) = pair();
        let (silent, dead) = (Server::new(), Dead::new());
        let addresses = [silent.address(), dead.address()];
        let connecting =
            to(&event_loop, &addresses, &client).timeout(DELAY * 8).trace(trace.listener());
        connecting.open(Recorder::new).await.unwrap_err()
    });
    trace.check();
    assert_eq!(trace.aborted(), Some(AbortReason::TimedOut));
    assert_eq!(trace.outcomes(), [(0, Outcome::TimedOut), (1, Outcome::TimedOut)]);
    let phases: Vec<_> = error.attempts().iter().map(|attempt| attempt.phase).collect();
    assert!(matches!(error, ConnectError::TimedOut(_)), "{error:?}");
    assert_eq!(phases, [Phase::Tls, Phase::Connect]);
}

#[test]
fn race_tls_one_that_nobody_waits_for_leaves_nothing_behind() {
    in_child("tls_race::race_tls_one_that_nobody_waits_for_leaves_nothing_behind", || {
        run(async |event_loop| {
            let reports = Reports::of(&event_loop);
            let (client, server) = pair();
            let (good, address) = serve(&event_loop, server, b"hi").await;
            let silent = [Server::new(), Server::new()];
            let addresses = silent.each_ref().map(Server::address);
            let before = descriptors();
            for _ in 0..5 {
                let trace = Trace::new();
                let policy = Policy { connection_attempt_delay: Some(Duration::ZERO), ..by_tls() };
                let connecting = to(&event_loop, &addresses, &client).policy(policy);
                let opening = connecting.trace(trace.listener()).open(Recorder::new);
                let opening = event_loop.create_task(opening);
                until(&event_loop, || handshakes(&trace).len() == 2).await;
                opening.cancel();
                assert!(opening.await.is_err());
                trace.check();
                assert_eq!(trace.aborted(), Some(AbortReason::Canceled));
                assert_eq!(trace.outcomes(), [0, 1].map(|it| (it, Outcome::Canceled)));
                let ends = [(0, "canceled"), (1, "canceled")];
                assert_eq!(handshakes(&trace)[2..], ends);
                silent.iter().for_each(|server| drop(server.accept()));

                let raced = [addresses[0], addresses[1], address];
                let policy = Policy { connection_attempt_delay: Some(Duration::ZERO), ..by_tls() };
                let connecting = to(&event_loop, &raced, &client).policy(policy);
                connecting.open(Recorder::new).await.unwrap().transport.abort();
                silent.iter().for_each(|server| drop(server.accept()));
            }
            until(&event_loop, || good.client_count() == 0).await;
            event_loop.sleep(ms(5)).await;
            assert_eq!(descriptors(), before);
            assert!(reports.texts().is_empty(), "{:?}", reports.texts());
        });
    });
}

/// Between the end of the race and the protocol there is a turn; a future can be dropped there, too.
#[test]
fn race_tls_a_winner_that_nobody_takes_is_closed() {
    in_child("tls_race::race_tls_a_winner_that_nobody_takes_is_closed", || {
        run(async |event_loop| {
            let (client, server) = pair();
            let ends = Rc::new(std::cell::RefCell::new(Vec::new()));
            let heard = Rc::clone(&ends);
            let (_server, address) =
                serve_tls(&event_loop, server, move || Ending(Rc::clone(&heard))).await;
            let before = descriptors();
            let trace = Trace::new();
            let connecting = to(&event_loop, &[address], &client).trace(trace.listener());
            let mut opening = Box::pin(connecting.open(Recorder::new));
            while trace.selected().is_none() {
                assert!(crate::support::step(&mut opening).is_pending());
                event_loop.sleep(Duration::ZERO).await;
            }
            drop(opening);
            until(&event_loop, || ends.borrow().len() == 1).await;
            assert_eq!(*ends.borrow(), [None]);
            event_loop.sleep(ms(5)).await;
            assert_eq!(descriptors(), before);
        });
    });
}

#[test]
fn race_tls_a_loop_that_is_closed_closes_every_handshake() {
    in_child("tls_race::race_tls_a_loop_that_is_closed_closes_every_handshake", || {
        let silent = [Server::new(), Server::new()];
        let before = descriptors();
        run(async |event_loop| {
            let (client, server) = pair();
            let (_server, good) = serve(&event_loop, server, b"").await;
            let addresses = [silent[0].address(), good, silent[1].address()];
            let policy = Policy {
                connection_attempt_delay: Some(Duration::ZERO),
                run_all: true,
                ..by_tls()
            };
            let connecting =
                to(&event_loop, &addresses, &client).policy(policy).open(Recorder::new);
            let task = event_loop.create_task(async { connecting.await.map(drop) });
            event_loop.sleep(ms(50)).await;
            assert!(!task.is_finished());
        });
        assert_eq!(descriptors(), before);
    });
}

#[test]
fn race_tls_a_name_that_cannot_be_is_told_before_anybody_is_connected_to() {
    run(async |event_loop| {
        let (client, _) = pair();
        let server = Server::new();
        let connecting =
            event_loop.create_connection_to([server.address()]).policy(by_tls()).tls(client);
        let error = connecting.open(Recorder::new).await.unwrap_err();
        assert!(matches!(error, ConnectError::Transport(_)), "{error}");
        assert!(server.is_lonely());
    });
}

#[test]
fn race_tls_without_tls_a_connection_is_enough() {
    let trace = Trace::new();
    run(async |event_loop| {
        let server = Server::new();
        let connecting = event_loop.create_connection_to([server.address()]).policy(by_tls());
        connecting.trace(trace.listener()).open(Recorder::new).await.unwrap();
    });
    trace.check();
    assert_eq!(trace.outcomes(), [(0, Outcome::Succeeded)]);
}
