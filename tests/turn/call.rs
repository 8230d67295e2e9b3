//! CALL: `call_soon`, `call_later`, `call_at`, and what they promise about order and time.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use loopctl::{EventLoop, LoopHandle, Remote};

use crate::support::{FAR, MS, Notes, SEC, manual, one_turn, real, turns_until};

#[test]
fn call_01_calls_run_first_come_first_served_and_once() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    (0..5).for_each(|number| drop(handle.call_soon(notes.adder(number))));
    one_turn(&mut event_loop);
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "0 1 2 3 4");
}

#[test]
fn call_04_a_cancelled_call_never_runs_and_leaves_the_others_alone() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    handle.call_soon(notes.adder("first"));
    let cancelled_before = handle.call_soon(notes.adder("never"));
    let victim = handle.call_soon(notes.adder("nor"));
    handle.call_soon(notes.adder("last"));
    cancelled_before.cancel();
    let in_turn = victim.clone();
    handle.call_later(FAR, || ()).cancel();
    one_turn_with(&mut event_loop, &handle, move || in_turn.cancel());
    assert_eq!(notes.take(), "first nor last", "cancelling what has run changes nothing");
    assert!(cancelled_before.is_cancelled() && victim.is_cancelled());
}

/// One turn in which `call` runs after what is queued.
fn one_turn_with(event_loop: &mut EventLoop, handle: &LoopHandle, call: impl FnOnce() + 'static) {
    handle.call_soon(call);
    one_turn(event_loop);
}

#[test]
fn call_04_a_call_cancelled_by_an_earlier_one_of_the_same_turn_does_not_run() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let slot: Rc<Cell<Option<loopctl::Handle>>> = Rc::default();
    let victim = Rc::clone(&slot);
    handle.call_soon(move || victim.take().map_or((), |handle| handle.cancel()));
    slot.set(Some(handle.call_soon(notes.adder("never"))));
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "");
}

#[test]
fn call_05_captures_are_freed_when_the_call_ran_or_was_cancelled() {
    let (mut event_loop, handle) = real();
    let token = Rc::new(());
    let hold = || {
        let token = Rc::clone(&token);
        move || drop(Rc::clone(&token))
    };
    let (ran, cancelled) = (handle.call_soon(hold()), handle.call_soon(hold()));
    let (due, timer) = (handle.call_at(handle.time(), hold()), handle.call_later(FAR, hold()));
    assert_eq!(Rc::strong_count(&token), 5);
    cancelled.cancel();
    timer.cancel();
    assert_eq!(Rc::strong_count(&token), 3, "at once, not when their turn would have come");
    one_turn(&mut event_loop);
    assert_eq!(Rc::strong_count(&token), 1);
    assert!(!ran.is_cancelled() && !due.is_cancelled());
}

/// Holds for every type, and for types that are `Send` in two ways, so that a call on those is ambiguous.
trait NotSend<Marker> {
    fn holds() {}
}

impl<T: ?Sized> NotSend<()> for T {}
impl<T: ?Sized + Send> NotSend<u8> for T {}

#[test]
fn call_08_only_the_remote_crosses_threads() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Remote>();
    is_send_and_sync::<loopctl::RemoteHandle>();
    // These compile only because the types are not `Send`.
    <LoopHandle as NotSend<_>>::holds();
    <EventLoop as NotSend<_>>::holds();
    <loopctl::Handle as NotSend<_>>::holds();
    <loopctl::Task<()> as NotSend<_>>::holds();
}

#[test]
fn call_14_call_later_is_call_at_from_now_on() {
    let (_event_loop, handle, start) = manual();
    assert_eq!(handle.call_later(SEC, || ()).when(), start + SEC);
    assert_eq!(handle.call_at(start + SEC, || ()).when(), start + SEC);
}

#[test]
fn call_14_deadlines_in_the_past_run_at_once_the_older_first() {
    let (mut event_loop, handle, start) = manual();
    let notes = Notes::default();
    event_loop.run_until_complete(handle.sleep(10 * SEC)).unwrap();
    handle.call_at(start + 9 * SEC, notes.adder("-1"));
    handle.call_at(start + 8 * SEC, notes.adder("-2"));
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "-2 -1");
    assert_eq!(handle.time(), start + 10 * SEC);
}

#[test]
fn call_16_no_timer_fires_before_its_deadline() {
    let (mut event_loop, handle) = real();
    let early = Rc::new(Cell::new(0));
    let micros = [0, 1, 50, 250, 999, 1_000, 1_001, 2_500, 4_000];
    for wait in micros.map(Duration::from_micros) {
        let (inside, count, when) = (handle.clone(), Rc::clone(&early), handle.time() + wait);
        let timer = handle.call_later(wait, move || {
            count.set(count.get() + usize::from(inside.time() < when));
        });
        assert!(timer.when() >= when);
    }
    event_loop.run_until_complete(handle.sleep(5 * MS)).unwrap();
    assert_eq!(early.get(), 0);
}

#[test]
fn call_17_short_sleeps_do_not_spin() {
    let (mut event_loop, handle) = real();
    let done = Rc::new(Cell::new(false));
    let (flag, inside) = (Rc::clone(&done), handle.clone());
    let _task = handle.create_task(async move {
        for exponent in [-2, -4, -6, -8, -10] {
            inside.sleep(Duration::from_secs_f64(10_f64.powi(exponent))).await;
        }
        flag.set(true);
    });
    let turns = event_loop.enter().unwrap();
    let count = turns_until(&turns, || done.get());
    assert!((6..=20).contains(&count), "{count} turns");
}

#[test]
fn call_18_a_timer_is_due_at_its_very_instant() {
    let (mut event_loop, handle, start) = manual();
    let notes = Notes::default();
    handle.call_at(start, notes.adder("due"));
    handle.call_at(start + Duration::from_nanos(1), notes.adder("not yet"));
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "due");
}

#[test]
fn call_19_equal_deadlines_run_in_the_order_they_were_scheduled() {
    let (mut event_loop, handle, start) = manual();
    let notes = Notes::default();
    for number in 0..12 {
        handle.call_at(start + SEC, notes.adder(number));
    }
    event_loop.run_until_complete(handle.sleep(SEC)).unwrap();
    assert_eq!(notes.take(), "0 1 2 3 4 5 6 7 8 9 10 11");
}

#[test]
fn call_20_delays_count_from_the_call_and_not_from_the_start_of_the_turn() {
    let (mut event_loop, handle) = real();
    let inside = handle.clone();
    let timer = Rc::new(Cell::new(None));
    let slot = Rc::clone(&timer);
    let scheduled = handle.time();
    handle.call_soon(move || {
        std::thread::sleep(2 * MS);
        slot.set(Some(inside.call_later(SEC, || ())));
    });
    one_turn(&mut event_loop);
    let timer = timer.take().expect("the callback has run");
    assert!(timer.when() >= scheduled + SEC + 2 * MS, "{timer:?}");
}

#[test]
fn call_21_manual_time_stands_still_in_callbacks_and_jumps_to_timers() {
    let (mut event_loop, handle, start) = manual();
    let notes = Notes::default();
    for hours in [3, 1, 2] {
        let (notes, inside) = (notes.clone(), handle.clone());
        handle.call_later(hours * FAR, move || notes.add((inside.time() - start).as_secs() / 3600));
    }
    event_loop.run_until_complete(handle.sleep(4 * FAR)).unwrap();
    assert_eq!(notes.take(), "1 2 3");
    assert_eq!(handle.time(), start + 4 * FAR);
}

#[test]
fn call_21_a_manual_clock_refuses_descriptors() {
    let (_event_loop, handle, _) = manual();
    let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let error = handle.add_reader(&ours, || ()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    assert!(handle.add_signal_handler(libc::SIGUSR1, || ()).is_err());
}
