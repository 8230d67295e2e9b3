//! Dropping `open` at any moment leaves nothing behind.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use loopctl::{CreateConnection, EventLoop, LoopHandle};

use crate::support::{
    Dead, Recorder, Refusing, Server, Trace, descriptors, in_child, ms, step, syn_sent_to,
};

/// Drops a connect after this many turns; the loop must then have nothing to wake up for.
fn drop_after(turns: usize, quiet: Duration, connecting: impl Fn(&LoopHandle) -> CreateConnection) {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let before = descriptors();
    let entered = event_loop.enter().unwrap();
    let mut opening = Box::pin(connecting(&handle).open(Recorder::new));
    for _ in 0..turns {
        assert!(step(&mut opening).is_pending());
        entered.turn(Some(ms(2))).unwrap();
    }
    drop(opening);
    assert_eq!(descriptors(), before, "dropped after {turns} turns");
    let began = handle.time();
    entered.turn(Some(quiet)).unwrap();
    let waited = handle.time() - began;
    assert!(waited >= quiet, "something was left: woken after {waited:?}, {turns} turns");
}

fn check_dropped(trace: &Trace, turns: usize) {
    // Never polled, it has no story.
    if turns > 0 {
        trace.check();
        assert_eq!(trace.aborted(), Some(loopctl::AbortReason::Canceled));
    }
}

/// The delay of 10 ms falls somewhere among these turns of 2 ms.
#[test]
fn conn_18_26_dropped_at_any_moment_nothing_is_left() {
    in_child("cancel::conn_18_26_dropped_at_any_moment_nothing_is_left", || {
        let (refusing, one, two) = (Refusing::new(), Dead::new(), Dead::new());
        for turns in 0..16 {
            let trace = Trace::new();
            drop_after(turns, ms(30), |event_loop| {
                let addresses = [refusing.address(), one.address(), two.address()];
                let connecting = event_loop.create_connection_to(addresses).trace(trace.listener());
                connecting.happy_eyeballs_delay(ms(10))
            });
            assert_eq!(syn_sent_to(one.address()) + syn_sent_to(two.address()), 0);
            check_dropped(&trace, turns);
        }
    });
}

#[test]
fn conn_18_26_dropped_no_time_limit_is_left() {
    in_child("cancel::conn_18_26_dropped_no_time_limit_is_left", || {
        let dead = Dead::new();
        for turns in 0..3 {
            for limit_all in [false, true] {
                let trace = Trace::new();
                drop_after(turns, ms(320), |event_loop| {
                    let connecting = event_loop.create_connection_to([dead.address()]);
                    let connecting = connecting.trace(trace.listener());
                    if limit_all {
                        connecting.timeout(ms(300))
                    } else {
                        connecting.attempt_timeout(ms(300))
                    }
                });
                check_dropped(&trace, turns);
            }
        }
    });
}

#[test]
fn conn_26_a_task_cancelled_at_any_moment_ends_in_the_next_turn() {
    let dead = Dead::new();
    for turns in 0..6 {
        let mut event_loop = EventLoop::new().unwrap();
        let handle = event_loop.handle();
        let connecting = handle.create_connection_to([dead.address()]);
        let task = handle.create_task(connecting.open(Recorder::new));
        let entered = event_loop.enter().unwrap();
        for _ in 0..turns {
            entered.turn(Some(Duration::ZERO)).unwrap();
        }
        task.cancel();
        entered.turn(Some(Duration::ZERO)).unwrap();
        assert!(task.is_finished(), "cancelled after {turns} turns");
        assert_eq!(syn_sent_to(dead.address()), 0, "cancelled after {turns} turns");
    }
}

/// The lookup is cancelled with everything else, and that is told.
#[test]
fn conn_18_cancelled_while_the_name_is_looked_up() {
    let mut event_loop = EventLoop::new().unwrap();
    let (handle, trace) = (event_loop.handle(), Trace::new());
    let connecting = handle.create_connection("localhost", 80).trace(trace.listener());
    let entered = event_loop.enter().unwrap();
    let mut opening = Box::pin(connecting.open(Recorder::new));
    assert!(step(&mut opening).is_pending());
    drop(opening);
    entered.turn(Some(Duration::ZERO)).unwrap();
    trace.check();
    assert_eq!(trace.aborted(), Some(loopctl::AbortReason::Canceled));
    assert!(trace.starts().is_empty());
}

/// The number of a closed socket is given out again at once; the old watch must not be on it.
#[test]
fn conn_21_a_reused_descriptor_hears_nothing_of_the_attempt_before() {
    in_child("cancel::conn_21_a_reused_descriptor_hears_nothing_of_the_attempt_before", || {
        let dead = Dead::new();
        let mut event_loop = EventLoop::new().unwrap();
        let handle = event_loop.handle();
        let entered = event_loop.enter().unwrap();
        let number = UnixStream::pair().unwrap().0.as_raw_fd();
        let mut opening =
            Box::pin(handle.create_connection_to([dead.address()]).open(Recorder::new));
        assert!(step(&mut opening).is_pending());
        entered.turn(Some(Duration::ZERO)).unwrap();
        drop(opening);
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        assert_eq!(ours.as_raw_fd(), number, "the test is about a number that is used again");
        let calls = std::rc::Rc::new(std::cell::Cell::new(0));
        let seen = std::rc::Rc::clone(&calls);
        handle.add_reader(&ours, move || seen.set(seen.get() + 1)).unwrap();
        let began = handle.time();
        entered.turn(Some(ms(20))).unwrap();
        assert_eq!(calls.get(), 0, "nothing to read yet");
        assert!(handle.time() - began >= ms(20), "it can be written to, but nobody asked for that");
        theirs.write_all(b"x").unwrap();
        entered.turn(Some(ms(500))).unwrap();
        assert_eq!(calls.get(), 1);
        handle.remove_reader(&ours);
    });
}

/// A connection that is ready when the future is dropped is closed, not lost track of.
#[test]
fn conn_18_dropped_when_the_socket_is_ready() {
    in_child("cancel::conn_18_dropped_when_the_socket_is_ready", || {
        let dead = Dead::new();
        let mut event_loop = EventLoop::new().unwrap();
        let handle = event_loop.handle();
        let entered = event_loop.enter().unwrap();
        let before = descriptors();
        let mut opening =
            Box::pin(handle.create_connection_to([dead.address()]).open(Recorder::new));
        assert!(step(&mut opening).is_pending());
        dead.revive();
        entered.turn(Some(ms(3000))).unwrap();
        drop(opening);
        assert_eq!(descriptors(), before);
        drop(dead.accept_revived());
    });
}

/// The future of a connect that is done is dropped: its transport lives on.
#[test]
fn conn_20_the_connection_outlives_the_future_that_made_it() {
    let server = Server::new();
    crate::support::run(async |event_loop| {
        let task = event_loop
            .create_task(event_loop.create_connection_to([server.address()]).open(Recorder::new));
        let connection = task.await.unwrap().unwrap();
        server.accept().write_all(b"still here").unwrap();
        crate::support::until(&event_loop, || connection.with(|recorder| recorder.is_lost())).await;
        assert_eq!(connection.with(|recorder| recorder.data()), b"still here");
    });
}

#[test]
fn conn_18_closing_the_loop_in_mid_race_leaves_nothing() {
    in_child("cancel::conn_18_closing_the_loop_in_mid_race_leaves_nothing", || {
        let dead = [Dead::new(), Dead::new()];
        let (before, trace) = (descriptors(), Trace::new());
        let mut event_loop = EventLoop::new().unwrap();
        let handle = event_loop.handle();
        let connecting = handle.create_connection_to(dead.each_ref().map(Dead::address));
        let connecting = connecting.happy_eyeballs_delay(ms(5)).trace(trace.listener());
        let task = handle.create_task(connecting.open(Recorder::new));
        let racing = crate::support::until(&handle, || trace.starts().len() == 2);
        event_loop.run_until_complete(racing).unwrap();
        assert_eq!(descriptors(), before + 4, "two sockets, and two of the loop");
        event_loop.close();
        drop(handle);
        assert!(task.is_finished());
        assert_eq!(dead.each_ref().map(|dead| syn_sent_to(dead.address())), [0, 0]);
        trace.check();
        drop(task);
        assert_eq!(descriptors(), before);
    });
}
