//! TIMER: handles, the sweep of cancelled timers, and sleep.

use std::cell::Cell;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use loopctl::plan::{TimerKey, Timers};

use crate::support::{FAR, MS, Notes, SEC, manual, one_turn, real, turns_until};

/// `total` timers, the first at `start`, of which the last `cancelled` are cancelled.
fn timers(total: u32, cancelled: u32) -> (Timers<u32>, Vec<TimerKey>) {
    let start = start();
    let mut timers = Timers::new();
    let keys: Vec<_> = (0..total).map(|nth| timers.insert(start + nth * SEC, nth)).collect();
    for key in keys.iter().rev().take(cancelled as usize) {
        assert!(timers.cancel(*key).is_some());
    }
    (timers, keys)
}

fn start() -> Instant {
    real().1.time()
}

#[test]
fn timer_01_the_heap_is_swept_above_100_timers_and_one_half_cancelled() {
    let table = [
        // scheduled, cancelled, left after the sweep (measured on CPython 3.11)
        (100, 60, 100),
        (101, 50, 101),
        (101, 51, 50),
        (102, 51, 102),
        (102, 52, 50),
        (200, 101, 99),
    ];
    for (scheduled, cancelled, left) in table {
        let (mut timers, _) = timers(scheduled, cancelled);
        timers.sweep();
        assert_eq!(timers.scheduled(), left, "{scheduled} scheduled, {cancelled} cancelled");
    }
}

#[test]
fn timer_02_below_that_only_cancelled_heads_are_popped_and_counted_down() {
    let (mut timers, keys) = timers(10, 2);
    timers.cancel(keys[0]);
    timers.cancel(keys[1]);
    timers.cancel(keys[4]);
    timers.sweep();
    assert_eq!((timers.scheduled(), timers.cancelled()), (8, 3), "two heads are gone");
    let late = start() + FAR;
    let order: Vec<_> = std::iter::from_fn(|| timers.pop_due(late)).collect();
    assert_eq!(order, [2, 3, 5, 6, 7]);
    timers.sweep();
    assert_eq!((timers.scheduled(), timers.cancelled()), (0, 0));
}

#[test]
fn timer_03_after_a_full_sweep_no_cancelled_timer_is_left_or_counted() {
    let (mut timers, keys) = timers(150, 100);
    timers.sweep();
    assert_eq!((timers.scheduled(), timers.cancelled()), (50, 0));
    assert!(keys[50..].iter().all(|key| timers.cancel(*key).is_none()), "their keys name nothing");
    assert_eq!(timers.cancelled(), 0);
    let late = start() + FAR;
    assert_eq!(std::iter::from_fn(|| timers.pop_due(late)).count(), 50);
}

#[test]
fn timer_04_cancelling_a_fired_timer_is_not_counted() {
    let (mut timers, keys) = timers(3, 0);
    assert_eq!(timers.pop_due(start()), Some(0));
    let reuses_the_slot = timers.insert(start() + FAR, 9);
    assert_eq!(timers.cancel(keys[0]), None);
    assert_eq!(timers.cancelled(), 0);
    assert_eq!(timers.cancel(reuses_the_slot), Some(9), "the old key did not hit its successor");
}

#[test]
fn timer_05_when_is_the_deadline_also_after_firing_and_cancelling() {
    let (mut event_loop, handle, start) = manual();
    let (fires, cancelled) = (handle.call_later(SEC, || ()), handle.call_later(2 * SEC, || ()));
    cancelled.cancel();
    event_loop.run_until_complete(handle.sleep(3 * SEC)).unwrap();
    assert_eq!((fires.when(), cancelled.when()), (start + SEC, start + 2 * SEC));
}

#[test]
fn timer_06_cancel_frees_the_callback_and_is_harmless_twice() {
    let (mut event_loop, handle, start) = manual();
    let token = Rc::new(());
    let held = Rc::clone(&token);
    let timer = handle.call_later(SEC, move || drop(held));
    let twin = timer.clone();
    timer.cancel();
    assert_eq!(Rc::strong_count(&token), 1);
    twin.cancel();
    assert!(timer.is_cancelled() && twin.is_cancelled());
    one_turn(&mut event_loop);
    assert_eq!(handle.time(), start);
}

#[test]
fn timer_08_a_reader_cancelled_in_the_turn_of_its_event_does_not_run() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let (one, other) = UnixStream::pair().unwrap();
    (&one).write_all(b"x").unwrap();
    (&other).write_all(b"x").unwrap();
    let ends = Rc::new([one, other]);
    for nth in [0, 1] {
        let (notes, inside, both) = (notes.clone(), handle.clone(), Rc::clone(&ends));
        let remove_other = move || notes.add(inside.remove_reader(&both[1 - nth]));
        handle.add_reader(&ends[nth], remove_other).unwrap();
    }
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "true", "both were ready, one ran");
}

#[test]
fn timer_10_timers_made_and_cancelled_leave_the_heap_small() {
    let start = start();
    let mut timers = Timers::new();
    let mut largest = 0;
    for nth in 0..10_000_u32 {
        let key = timers.insert(start + FAR + nth * MS, nth);
        timers.cancel(key);
        timers.sweep();
        largest = largest.max(timers.scheduled());
    }
    assert_eq!(largest, 0, "a lone cancelled timer is the head, and goes at once");

    let mut timers = Timers::new();
    timers.insert(start, 0);
    for nth in 0..10_000_u32 {
        let key = timers.insert(start + FAR + nth * MS, nth);
        timers.cancel(key);
        timers.sweep();
        largest = largest.max(timers.scheduled());
    }
    assert!(largest <= 101, "behind a live head they wait for the sweep: {largest}");
}

#[test]
fn timer_10_cancelled_timers_hold_up_neither_the_loop_nor_the_clock() {
    let (mut event_loop, handle, start) = manual();
    for nth in 1..=10_000 {
        handle.call_later(nth * MS, || ()).cancel();
    }
    let turns = event_loop.enter().unwrap();
    let fired = Rc::new(Cell::new(false));
    let flag = Rc::clone(&fired);
    handle.call_later(FAR, move || flag.set(true));
    assert_eq!(turns_until(&turns, || fired.get()), 1);
    assert_eq!(handle.time(), start + FAR);
}

#[test]
fn timer_11_a_handle_prints_its_callback_and_origin() {
    let (_event_loop, handle) = real();
    let callback = handle.call_soon(|| ());
    let line = line!() - 1;
    let text = format!("{callback:?}");
    assert!(text.starts_with("<Handle "), "{text}");
    assert!(text.contains("timer_11"), "the type of the callback names its function: {text}");
    assert!(text.ends_with(&format!(" at {}:{line}>", file!())), "{text}");
    callback.cancel();
    callback.cancel();
    assert_eq!(format!("{callback:?}"), "<Handle cancelled>");

    let posted = handle.remote().call_soon_threadsafe(|| ()).unwrap();
    assert!(format!("{posted:?}").contains(file!()));
    posted.cancel();
    assert_eq!(format!("{posted:?}"), "<Handle cancelled>");
}

#[test]
fn timer_12_a_timer_also_says_when() {
    let (_event_loop, handle) = real();
    let timer = handle.call_later(FAR, || ());
    let when = format!("when={:?}", timer.when());
    let text = format!("{timer:?}");
    assert!(text.starts_with(&format!("<TimerHandle {when}")), "{text}");
    assert!(text.contains(file!()));
    timer.cancel();
    assert_eq!(format!("{timer:?}"), format!("<TimerHandle cancelled {when}>"));
}

#[test]
fn timer_13_captured_values_are_never_printed() {
    let (_event_loop, handle) = real();
    handle.set_debug(true);
    let secret = String::from("hunter2");
    let soon = handle.call_soon({
        let secret = secret.clone();
        move || drop(secret)
    });
    let later = handle.call_later(SEC, move || drop(secret));
    assert!(!format!("{soon:?} {later:?}").contains("hunter2"));
}

#[test]
fn timer_14_a_sleep_of_zero_lasts_exactly_one_turn() {
    let (mut event_loop, handle, start) = manual();
    let notes = Notes::default();
    let (inside, seen) = (handle.clone(), notes.clone());
    let done = Rc::new(Cell::new(false));
    let flag = Rc::clone(&done);
    let _task = handle.create_task(async move {
        inside.sleep(Duration::ZERO).await;
        seen.add("slept");
        flag.set(true);
    });
    handle.call_soon(notes.adder("neighbour"));
    let turns = event_loop.enter().unwrap();
    assert_eq!(turns_until(&turns, || done.get()), 2);
    assert_eq!(notes.take(), "neighbour slept");
    assert_eq!(handle.time(), start);
}

#[test]
fn timer_15_a_dropped_sleep_takes_its_timer_with_it() {
    let (mut event_loop, handle, start) = manual();
    let inside = handle.clone();
    event_loop
        .run_until_complete(async move {
            // Polled once, so that the timer is set, and then dropped by the time-out.
            assert!(inside.timeout(SEC, inside.sleep(FAR)).await.is_err());
        })
        .unwrap();
    let fired = Rc::new(Cell::new(false));
    let flag = Rc::clone(&fired);
    handle.call_later(2 * FAR, move || flag.set(true));
    let turns = event_loop.enter().unwrap();
    assert_eq!(turns_until(&turns, || fired.get()), 1, "nothing wakes the loop in between");
    assert_eq!(handle.time(), start + SEC + 2 * FAR);
}
