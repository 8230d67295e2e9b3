//! The staggered race on real sockets, with its times.

use std::io::Read;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use loopctl::{LoopHandle, Phase};

use crate::support::{
    Dead, Outcome, Recorder, Refusing, Server, Trace, best_of, has_ipv6, ms, run, syn_sent_to,
    table,
};

const DELAY: Duration = ms(100);
/// What a machine may add to a time; on the best of several tries only.
/// Less than another delay, and more than a busy machine takes.
const SLACK: Duration = ms(80);

/// Races these addresses; gives the trace, checked, and how long it took.
async fn race(event_loop: &LoopHandle, addresses: &[SocketAddr]) -> (Trace, Duration) {
    let (trace, began) = (Trace::new(), event_loop.time());
    let connecting =
        event_loop.create_connection_to(addresses.to_vec()).happy_eyeballs_delay(DELAY);
    let result = connecting.interleave(0).trace(trace.listener()).open(Recorder::new).await;
    let took = event_loop.time() - began;
    trace.check();
    if let Ok(connection) = result {
        connection.transport.abort();
    }
    (trace, took)
}

/// Both listeners answer while the loop is too busy to look: two connections in one turn.
#[test]
fn race_07_of_two_in_one_turn_the_first_wins_and_the_other_is_closed() {
    let dead = Rc::new((Dead::new(), Dead::new()));
    let trace = Trace::new();
    run(async |event_loop| {
        let busy = Rc::clone(&dead);
        event_loop.call_later(ms(60), move || {
            busy.0.revive();
            busy.1.revive();
            std::thread::sleep(ms(1500));
        });
        let connecting = event_loop.create_connection_to([dead.0.address(), dead.1.address()]);
        let connecting = connecting.happy_eyeballs_delay(Duration::ZERO).trace(trace.listener());
        let connection = connecting.open(Recorder::new).await.unwrap();
        assert_eq!(connection.transport.peer_addr().unwrap(), dead.0.address());
        let mut loser = dead.1.accept_revived();
        assert!(matches!(loser.read(&mut [0; 1]), Ok(0) | Err(_)), "the loser's socket is closed");
    });
    trace.check();
    assert_eq!(trace.selected(), Some(0));
    assert_eq!(trace.outcomes(), [(0, Outcome::Succeeded), (1, Outcome::Canceled)]);
}

#[test]
fn race_08_cancelling_the_race_cancels_every_attempt() {
    let dead: [Dead; 3] = std::array::from_fn(|_| Dead::new());
    let trace = Trace::new();
    run(async |event_loop| {
        let connecting = event_loop.create_connection_to(dead.iter().map(Dead::address));
        let connecting = connecting.happy_eyeballs_delay(ms(5)).trace(trace.listener());
        let task = event_loop.create_task(connecting.open(Recorder::new));
        crate::support::until(&event_loop, || trace.starts().len() == 3).await;
        assert_eq!(dead.iter().map(|dead| syn_sent_to(dead.address())).sum::<usize>(), 3);
        assert!(task.cancel());
        assert!(task.cancel(), "a second time changes nothing");
        assert!(task.await.is_err());
    });
    trace.check();
    assert_eq!(trace.outcomes(), [0, 1, 2].map(|attempt| (attempt, Outcome::Canceled)));
    assert_eq!(trace.aborted(), Some(loopctl::AbortReason::Canceled));
}

#[test]
fn race_09_no_attempt_survives_the_race() {
    let (dead, server) = (Dead::new(), Server::new());
    run(async |event_loop| {
        let connecting = event_loop.create_connection_to([dead.address(), server.address()]);
        let connecting = connecting.happy_eyeballs_delay(ms(5));
        let connection = connecting.open(Recorder::new).await.unwrap();
        assert_eq!(syn_sent_to(dead.address()), 0);
        assert!(event_loop.all_tasks().is_empty());
        assert_eq!(connection.transport.peer_addr().unwrap(), server.address());
    });
}

fn check_one_dead(dead: &Dead, server: &Server) {
    let addresses = [dead.address(), server.address()];
    let took = best_of(5, || {
        let (trace, took) = run(async |event_loop| race(&event_loop, &addresses).await);
        assert_eq!(trace.outcomes(), [(1, Outcome::Succeeded), (0, Outcome::Canceled)]);
        assert!(trace.offsets()[1] >= DELAY, "{:?}", trace.offsets());
        assert!(took >= DELAY, "{took:?}");
        took
    });
    assert!(took <= DELAY + SLACK, "{took:?}");
}

#[test]
fn race_13_a_dead_address_costs_one_delay() {
    check_one_dead(&Dead::new(), &Server::new());
}

#[test]
fn race_13_a_dead_family_costs_one_delay() {
    if has_ipv6() {
        check_one_dead(&Dead::at("[::1]:0"), &Server::new());
    }
}

#[test]
fn race_14_a_refusal_starts_the_next_attempt_at_once() {
    let (one, two, server) = (Refusing::new(), Refusing::new(), Server::new());
    let addresses = [one.address(), two.address(), server.address()];
    let took = best_of(5, || {
        let (trace, took) = run(async |event_loop| race(&event_loop, &addresses).await);
        let failed = Outcome::Failed(Phase::Connect);
        assert_eq!(trace.outcomes(), [(0, failed), (1, failed), (2, Outcome::Succeeded)]);
        took
    });
    assert!(took <= SLACK, "{took:?}");
}

#[test]
fn race_14_all_refused_is_over_at_once() {
    let (one, two) = (Refusing::new(), Refusing::new());
    let addresses = [one.address(), two.address()];
    let took = best_of(5, || {
        let (trace, took) = run(async |event_loop| race(&event_loop, &addresses).await);
        assert_eq!(trace.aborted(), Some(loopctl::AbortReason::AllFailed));
        took
    });
    assert!(took <= SLACK, "{took:?}");
}

#[test]
fn race_15_three_dead_addresses_cost_three_delays() {
    let dead: [Dead; 3] = std::array::from_fn(|_| Dead::new());
    let server = Server::new();
    let addresses: Vec<_> = dead.iter().map(Dead::address).chain([server.address()]).collect();
    let took = best_of(5, || {
        let (trace, took) = run(async |event_loop| race(&event_loop, &addresses).await);
        let offsets = trace.offsets();
        for (number, offset) in offsets.iter().enumerate() {
            assert!(*offset >= DELAY * number as u32, "{offsets:?}");
        }
        assert_eq!((offsets.len(), trace.selected()), (4, Some(3)));
        took
    });
    assert!(took <= DELAY * 3 + SLACK, "{took:?}");
}

/// The first address answers after the second attempt has begun, and wins all the same.
#[test]
fn race_an_older_attempt_may_still_win() {
    let dead = Rc::new((Dead::new(), Dead::new()));
    let trace = Trace::new();
    run(async |event_loop| {
        let late = Rc::clone(&dead);
        event_loop.call_later(ms(50), move || late.0.revive());
        let connecting = event_loop.create_connection_to([dead.0.address(), dead.1.address()]);
        let connecting = connecting.happy_eyeballs_delay(Duration::ZERO).trace(trace.listener());
        let connection = connecting.open(Recorder::new).await.unwrap();
        assert_eq!(connection.transport.peer_addr().unwrap(), dead.0.address());
    });
    trace.check();
    assert_eq!(trace.outcomes(), [(0, Outcome::Succeeded), (1, Outcome::Canceled)]);
    assert!(!table(dead.1.address()).contains(&"02".to_owned()), "no SYN is left");
}

/// An attempt that is refused late, by an answer to a repeated SYN, is one failed attempt.
#[test]
fn race_a_late_refusal_is_told_with_the_sockets_own_error() {
    let trace = Trace::new();
    let error = run(async |event_loop| {
        let dead = Dead::new();
        let connecting = event_loop.create_connection_to([dead.address()]).trace(trace.listener());
        let task = event_loop.create_task(connecting.open(Recorder::new));
        crate::support::until(&event_loop, || trace.starts().len() == 1).await;
        drop(dead);
        task.await.unwrap().unwrap_err()
    });
    trace.check();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(error.attempts()[0].took >= ms(900), "{error:?}");
}
