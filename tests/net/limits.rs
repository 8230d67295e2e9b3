//! Limits: of one attempt, of the whole operation, of attempts at a time; and races run to the end.

use std::io::{ErrorKind, Read};
use std::num::NonZero;
use std::rc::Rc;
use std::time::Duration;

use loopctl::plan::Policy;
use loopctl::{AbortReason, ConnectError, Lookup, Phase};

use crate::skip::has_localhost;
use crate::support::{
    Dead, Outcome, Recorder, Refusing, Server, Trace, best_of, ms, run, syn_sent_to, until,
};

#[test]
fn conn_attempt_timeout_ends_an_attempt_and_starts_the_next() {
    let (dead, server) = (Dead::new(), Server::new());
    let trace = Trace::new();
    run(async |event_loop| {
        let connecting = event_loop.create_connection_to([dead.address(), server.address()]);
        let connecting = connecting.attempt_timeout(ms(50)).trace(trace.listener());
        connecting.open(Recorder::new).await.unwrap();
    });
    trace.check();
    assert_eq!(trace.outcomes(), [(0, Outcome::TimedOut), (1, Outcome::Succeeded)]);
    assert!(trace.offsets()[1] >= ms(50), "{:?}", trace.offsets());
    assert_eq!(syn_sent_to(dead.address()), 0);
}

#[test]
fn conn_attempt_timeout_is_told_apart_from_the_kernels() {
    let dead = Dead::new();
    let error = run(async |event_loop| {
        let connecting = event_loop.create_connection_to([dead.address()]).attempt_timeout(ms(50));
        connecting.open(Recorder::new).await.unwrap_err()
    });
    let ConnectError::Attempts(attempts) = &error else { panic!("{error:?}") };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!((attempts[0].phase, attempts[0].error.raw_os_error()), (Phase::Connect, None));
    assert!(attempts[0].took >= ms(50));
}

#[test]
fn conn_overall_timeout_ends_everything_under_way() {
    let (one, two) = (Dead::new(), Dead::new());
    let took = best_of(3, || {
        let trace = Trace::new();
        let (took, error) = run(async |event_loop| {
            let began = event_loop.time();
            let connecting = event_loop.create_connection_to([one.address(), two.address()]);
            let connecting = connecting.happy_eyeballs_delay(Duration::ZERO).timeout(ms(60));
            let result = connecting.trace(trace.listener()).open(Recorder::new).await;
            (event_loop.time() - began, result.unwrap_err())
        });
        assert!(took >= ms(60));
        trace.check();
        assert_eq!(trace.outcomes(), [(0, Outcome::TimedOut), (1, Outcome::TimedOut)]);
        assert_eq!(trace.aborted(), Some(AbortReason::TimedOut));
        assert!(matches!(&error, ConnectError::TimedOut(attempts) if attempts.len() == 2));
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::TimedOut, "timed out"));
        took
    });
    assert!(took <= ms(90), "{took:?}");
    assert_eq!(syn_sent_to(one.address()) + syn_sent_to(two.address()), 0);
}

/// The pool is busy, so the lookup has no answer when the time is up.
#[test]
fn conn_overall_timeout_covers_the_name() {
    if !has_localhost() {
        return;
    }
    let trace = Trace::new();
    let error = run(async |event_loop| {
        let names: Vec<_> = (0..200)
            .map(|_| {
                let event_loop = event_loop.clone();
                event_loop.clone().create_task(async move {
                    event_loop.getaddrinfo(Lookup::new("localhost", 1)).await
                })
            })
            .collect();
        crate::support::turns(&event_loop, 1).await;
        let connecting = event_loop.create_connection("localhost", 1).timeout(Duration::ZERO);
        let error = connecting.trace(trace.listener()).open(Recorder::new).await.unwrap_err();
        drop(names);
        error
    });
    trace.check();
    assert!(matches!(&error, ConnectError::TimedOut(attempts) if attempts.is_empty()), "{error:?}");
    assert_eq!(trace.aborted(), Some(AbortReason::TimedOut));
}

#[test]
fn conn_overall_timeout_longer_than_time_itself_is_none() {
    let (late, other) = (Dead::new(), Server::new());
    let trace = Trace::new();
    run(async |event_loop| {
        let connecting = event_loop.create_connection_to([late.address(), other.address()]);
        let connecting = connecting.timeout(Duration::MAX).attempt_timeout(Duration::MAX);
        let connecting = connecting.happy_eyeballs_delay(Duration::MAX).trace(trace.listener());
        let opening = event_loop.create_task(connecting.open(Recorder::new));
        until(&event_loop, || syn_sent_to(late.address()) == 1).await;
        // The next SYN gets through, a second after the first: no limit ended the wait for it.
        late.revive();
        opening.await.unwrap().unwrap();
    });
    assert_eq!(trace.outcomes(), [(0, Outcome::Succeeded)]);
    assert!(other.is_lonely());
}

#[test]
fn race_16_no_more_attempts_at_a_time_than_allowed() {
    let dead: [Dead; 5] = std::array::from_fn(|_| Dead::new());
    let server = Server::new();
    let trace = Trace::new();
    run(async |event_loop| {
        let addresses = dead.iter().map(Dead::address).chain([server.address()]);
        let connecting =
            event_loop.create_connection_to(addresses).happy_eyeballs_delay(Duration::ZERO);
        let connecting = connecting.max_parallel(NonZero::new(2).unwrap()).attempt_timeout(ms(40));
        connecting.trace(trace.listener()).open(Recorder::new).await.unwrap();
    });
    trace.check();
    assert_eq!((trace.most_at_a_time(), trace.starts().len()), (2, 6));
    let offsets = trace.offsets();
    assert!(offsets[2] >= ms(40) && offsets[4] >= ms(80), "{offsets:?}");
}

#[test]
fn race_16_the_limit_holds_without_any_outcome() {
    let dead: [Dead; 4] = std::array::from_fn(|_| Dead::new());
    let trace = Trace::new();
    run(async |event_loop| {
        let connecting = event_loop.create_connection_to(dead.iter().map(Dead::address));
        let connecting = connecting.happy_eyeballs_delay(Duration::ZERO).timeout(ms(80));
        let connecting = connecting.max_parallel(NonZero::new(2).unwrap());
        connecting.trace(trace.listener()).open(Recorder::new).await.unwrap_err();
    });
    trace.check();
    assert_eq!(trace.starts().len(), 2);
}

fn run_all() -> Policy {
    Policy { run_all: true, ..Policy::happy_eyeballs(Duration::ZERO) }
}

#[test]
fn race_run_all_starts_every_attempt_and_the_first_success_is_the_connection() {
    let (refusing, one, two) = (Refusing::new(), Server::new(), Server::new());
    let trace = Trace::new();
    run(async |event_loop| {
        let addresses = [refusing.address(), one.address(), two.address()];
        let connecting = event_loop.create_connection_to(addresses).policy(run_all());
        let connection = connecting.trace(trace.listener()).open(Recorder::new).await.unwrap();
        assert_eq!(connection.transport.peer_addr().unwrap(), one.address());
        // The other one is closed: its peer reads the end of the stream, or a reset.
        let read = two.accept().read(&mut [0; 1]);
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        one.accept();
    });
    trace.check();
    let wanted =
        [(0, Outcome::Failed(Phase::Connect)), (1, Outcome::Succeeded), (2, Outcome::Succeeded)];
    assert_eq!((trace.outcomes(), trace.selected()), (wanted.to_vec(), Some(1)));
}

#[test]
fn race_run_all_out_of_time_still_has_its_winner() {
    let (server, dead) = (Server::new(), Dead::new());
    let trace = Trace::new();
    run(async |event_loop| {
        let connecting = event_loop.create_connection_to([server.address(), dead.address()]);
        let connecting = connecting.policy(run_all()).timeout(ms(60)).trace(trace.listener());
        let connection = connecting.open(Recorder::new).await.unwrap();
        assert_eq!(connection.transport.peer_addr().unwrap(), server.address());
    });
    trace.check();
    assert_eq!(trace.outcomes(), [(0, Outcome::Succeeded), (1, Outcome::TimedOut)]);
    assert_eq!(syn_sent_to(dead.address()), 0);
}

/// B15: the socket was ready when the time was up, and the loop was too busy to see either.
#[test]
fn conn_a_result_and_a_timeout_at_the_same_time_are_a_result() {
    let dead = Rc::new(Dead::new());
    run(async |event_loop| {
        let busy = Rc::clone(&dead);
        event_loop.call_later(ms(20), move || {
            busy.revive();
            std::thread::sleep(ms(1400));
        });
        let connecting = event_loop.create_connection_to([dead.address()]).timeout(ms(300));
        let connection = connecting.open(Recorder::new).await.unwrap();
        assert_eq!(connection.transport.peer_addr().unwrap(), dead.address());
    });
}

/// Everything at once, because the loop was held up: an attempt's time is up, the next one's has come, and
/// the time for all of it is over.
#[test]
fn conn_every_limit_at_the_same_time() {
    let (one, two) = (Dead::new(), Dead::new());
    let trace = Trace::new();
    let error = run(async |event_loop| {
        event_loop.call_later(ms(10), || std::thread::sleep(ms(80)));
        let connecting = event_loop.create_connection_to([one.address(), two.address()]);
        let connecting = connecting.happy_eyeballs_delay(ms(20)).attempt_timeout(ms(25));
        let connecting = connecting.timeout(ms(30)).trace(trace.listener());
        connecting.open(Recorder::new).await.unwrap_err()
    });
    trace.check();
    assert_eq!(trace.outcomes(), [(0, Outcome::TimedOut)]);
    assert!(matches!(&error, ConnectError::TimedOut(attempts) if attempts.len() == 1), "{error:?}");
}

#[test]
fn conn_no_time_at_all_starts_nothing() {
    let server = Server::new();
    let trace = Trace::new();
    let error = run(async |event_loop| {
        let connecting =
            event_loop.create_connection_to([server.address()]).timeout(Duration::ZERO);
        connecting.trace(trace.listener()).open(Recorder::new).await.unwrap_err()
    });
    trace.check();
    assert!(matches!(&error, ConnectError::TimedOut(attempts) if attempts.is_empty()), "{error:?}");
    assert!(trace.starts().is_empty() && server.is_lonely());
}
