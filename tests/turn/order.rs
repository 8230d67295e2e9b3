//! LOOP-25 to LOOP-31: the order of one turn, and how long it waits.

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use loopctl::LoopHandle;

use crate::support::{FAR, MS, Notes, SEC, manual, one_turn, real, turns_until, watchdog};

/// A connected pair with one byte to read at the first end.
fn readable() -> (UnixStream, UnixStream) {
    let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
    theirs.write_all(b"x").expect("room for a byte");
    (ours, theirs)
}

#[test]
fn loop_25_a_cancelled_timer_is_purged_before_the_wait() {
    let (mut event_loop, handle, start) = manual();
    handle.call_later(SEC, || ()).cancel();
    let stop = handle.clone();
    handle.call_later(3 * SEC, move || stop.stop());
    let turns = event_loop.enter().unwrap();
    assert_eq!(turns_until(&turns, || turns.is_stopping()), 1, "no turn for what was cancelled");
    assert_eq!(handle.time(), start + 3 * SEC);
}

#[test]
fn loop_26_remote_jobs_then_io_then_timers_follow_ready_jobs() {
    let (mut event_loop, handle) = real();
    let notes = Notes::of_this_thread();
    handle.call_at(handle.time(), notes.adder("timer"));
    let (ours, _theirs) = readable();
    handle.add_reader(&ours, notes.adder("io")).unwrap();
    handle.call_soon(notes.adder("ready"));
    let remote = handle.remote();
    let post = || remote.call_soon_threadsafe(|| Notes::of_this_thread().add("post"));
    thread::scope(|scope| scope.spawn(post).join().unwrap()).unwrap();
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "ready post io timer");
}

#[test]
fn loop_27_jobs_scheduled_in_a_turn_run_after_the_next_poll() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let (ours, _theirs) = readable();
    let (inside, next) = (handle.clone(), notes.adder("next"));
    let (reader, io) = (ours.try_clone().unwrap(), notes.adder("io"));
    handle.call_soon(move || {
        inside.call_soon(next);
        inside.add_reader(&reader, io).map(drop)
    });
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "");
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "next io", "the poll came between");
}

/// Keeps the queue from ever being empty.
fn spin(event_loop: &LoopHandle) {
    let again = event_loop.clone();
    event_loop.call_soon(move || spin(&again));
}

#[test]
fn loop_27_a_queue_that_is_never_empty_starves_neither_io_nor_timers() {
    let (mut event_loop, handle) = real();
    spin(&handle);
    let (ours, _theirs) = readable();
    let (seen, heard) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (on_read, on_time) = (Rc::clone(&seen), Rc::clone(&heard));
    handle.add_reader(&ours, move || on_read.set(on_read.get() + 1)).unwrap();
    handle.call_at(handle.time(), move || on_time.set(1));
    let turns = event_loop.enter().unwrap();
    let count = turns_until(&turns, || seen.get() > 0 && heard.get() > 0);
    assert_eq!(count, 1);
}

#[test]
fn loop_28_the_poller_does_not_wait_while_a_job_is_ready() {
    let (mut event_loop, handle, start) = manual();
    let notes = Notes::default();
    let at = {
        let (handle, notes) = (handle.clone(), notes.clone());
        move || notes.add((handle.time() - start).as_secs())
    };
    let (inside, chained) = (handle.clone(), at.clone());
    handle.call_later(10 * SEC, at.clone());
    handle.call_soon(move || {
        chained();
        inside.call_soon(chained);
    });
    handle.call_soon(at);
    event_loop.run_until_complete(handle.sleep(11 * SEC)).unwrap();
    assert_eq!(notes.take(), "0 0 0 10", "time passes only once the queue is empty");
}

#[test]
fn loop_28_without_timers_the_wait_lasts_until_a_remote_job() {
    let (mut event_loop, handle) = real();
    let remote = handle.remote();
    let turns = event_loop.enter().unwrap();
    let count = thread::scope(|scope| {
        scope.spawn(|| remote.stop());
        turns_until(&turns, || turns.is_stopping())
    });
    assert!(count <= 2, "it waited, it did not spin: {count} turns");
}

#[test]
fn loop_29_an_infinite_delay_can_be_scheduled_awaited_and_cancelled() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let long = [Duration::MAX, Duration::from_secs(1 << 55), Duration::from_secs(1 << 40)];
    let nevers = long.map(|delay| handle.call_later(delay, notes.adder("never")));
    let barked = watchdog(&handle);
    let remote = handle.remote();
    thread::scope(|scope| {
        scope.spawn(move || remote.stop());
        event_loop.run_forever().unwrap();
    });
    assert!(!barked.get());
    assert!(nevers.iter().all(|timer| timer.when() > handle.time() + FAR));
    nevers.iter().for_each(|timer| timer.cancel());
    assert!(nevers.iter().all(|timer| timer.is_cancelled()));
    event_loop
        .run_until_complete(handle.timeout(Duration::MAX, handle.sleep(MS)))
        .unwrap()
        .unwrap();
    assert_eq!(notes.take(), "");
}

#[test]
fn loop_31_an_event_is_not_delivered_again_after_a_stop() {
    let (mut event_loop, handle) = real();
    let (mut ours, mut theirs) = UnixStream::pair().unwrap();
    let watched = ours.try_clone().unwrap();
    let calls = Rc::new(Cell::new(0));
    let (count, stop) = (Rc::clone(&calls), handle.clone());
    handle
        .add_reader(&watched, move || {
            count.set(count.get() + 1);
            stop.stop();
            ours.read(&mut [0; 16]).map(|_| ())
        })
        .unwrap();
    theirs.write_all(b"once").unwrap();
    event_loop.run_forever().unwrap();
    one_turn(&mut event_loop);
    one_turn(&mut event_loop);
    assert_eq!(calls.get(), 1);
    theirs.write_all(b"twice").unwrap();
    event_loop.run_forever().unwrap();
    assert_eq!(calls.get(), 2, "the reader is still there");
}
