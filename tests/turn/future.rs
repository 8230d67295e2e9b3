//! FUT: `create_future`, its two ends.

use std::cell::Cell;
use std::rc::Rc;

use loopctl::{Cancelled, Deferred, Executor, Promise};

use crate::support::{Notes, collect_errors, manual, one_turn, real, throw, thrown};

#[test]
fn fut_01_a_new_future_is_pending_and_awaited() {
    let (_event_loop, handle) = real();
    let (promise, deferred) = handle.create_future::<u8>();
    assert!(promise.is_awaited());
    assert!(!deferred.is_done());
}

#[test]
fn fut_02_there_is_no_result_before_it_is_set_and_only_one_after() {
    let (_event_loop, handle) = real();
    let (promise, mut deferred) = handle.create_future();
    assert_eq!(deferred.try_result(), None);
    promise.set(1);
    assert_eq!(deferred.try_result(), Some(Ok(1)));
    assert_eq!(deferred.try_result(), None, "taken");
    assert!(deferred.is_done());
}

#[test]
fn fut_04_cancel_is_true_once_and_wakes_the_awaiting_task() {
    let (mut event_loop, handle) = real();
    let (promise, deferred) = handle.create_future::<()>();
    let deferred = Rc::new(Cell::new(Some(deferred)));
    assert!(with(&deferred, Deferred::cancel));
    assert!(!with(&deferred, Deferred::cancel), "it is done");
    assert!(!promise.is_awaited());
    let waiting = deferred.take().unwrap();
    assert_eq!(event_loop.run_until_complete(waiting).unwrap(), Err(Cancelled::default()));

    let (promise, deferred) = handle.create_future();
    promise.set(());
    assert!(!deferred.cancel(), "done before");
}

/// Looks at a future without awaiting it.
fn with<T, R>(slot: &Cell<Option<Deferred<T>>>, look: impl FnOnce(&Deferred<T>) -> R) -> R {
    let deferred = slot.take().expect("a future");
    let seen = look(&deferred);
    slot.set(Some(deferred));
    seen
}

#[test]
fn fut_04_either_end_sees_that_the_other_was_dropped() {
    let (mut event_loop, handle) = real();
    let (promise, deferred) = handle.create_future::<()>();
    drop(deferred);
    assert!(!promise.is_awaited());

    let (promise, deferred) = handle.create_future::<()>();
    handle.call_soon(move || drop(promise));
    assert!(event_loop.run_until_complete(deferred).unwrap().is_err());
}

#[test]
fn fut_05_a_cancelled_future_says_why() {
    let (event_loop, handle) = real();
    event_loop.close();
    let error = handle.run_in_executor(|| ()).try_result().unwrap().unwrap_err();
    assert_eq!(error.reason(), Some("event loop is closed"));
    assert_eq!(error.to_string(), "cancelled: event loop is closed");
    assert_eq!(Cancelled::default().to_string(), "cancelled");
}

/// A task that waits for a promise and notes that it has come.
fn waiter(event_loop: &loopctl::LoopHandle, notes: &Notes, name: &'static str) -> Promise<()> {
    let (promise, deferred) = event_loop.create_future();
    let notes = notes.clone();
    drop(event_loop.create_task(async move {
        deferred.await.expect("set");
        notes.add(name);
    }));
    promise
}

#[test]
fn fut_06_the_awaiting_task_runs_in_the_next_turn_and_never_inside_set() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let (first, second) = (waiter(&handle, &notes, "first"), waiter(&handle, &notes, "second"));
    one_turn(&mut event_loop);
    let setter = notes.clone();
    handle.call_soon(move || {
        second.set(());
        first.set(());
        setter.add("set");
    });
    handle.call_soon(notes.adder("same turn"));
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "set same turn");
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "second first", "in the order they were set");
}

#[test]
fn fut_07_awaiting_a_done_future_takes_no_turn() {
    let (mut event_loop, handle) = real();
    let (promise, deferred) = handle.create_future();
    promise.set(5);
    handle.stop();
    assert_eq!(event_loop.run_until_complete(deferred).unwrap(), Ok(5));
}

#[test]
fn fut_09_a_panic_that_is_never_retrieved_is_reported() {
    let (mut event_loop, handle) = real();
    let errors = collect_errors(&handle);
    let pool = Executor::new("one", 1);
    let mut work = handle.run_in(&pool, || throw("lost"));
    // One thread: when this has come back, the panic has happened.
    event_loop.run_until_complete(handle.run_in(&pool, || ())).unwrap().unwrap();
    assert!(work.is_done());
    assert_eq!(errors.take(), "", "not while it can still be retrieved");
    drop(work);
    let report = "Future exception was never retrieved\ncaused by: panicked: lost";
    assert_eq!(errors.take(), report);

    work = handle.run_in(&pool, || throw("found"));
    assert!(thrown(|| event_loop.run_until_complete(work)).is_some());
    drop(handle.run_in_executor(|| "a value"));
    assert_eq!(errors.take(), "", "neither retrieved panics nor values are");
}

#[test]
fn fut_10_setting_a_future_without_an_awaiting_end_is_silent() {
    let (_event_loop, handle) = real();
    let errors = collect_errors(&handle);
    let token = Rc::new(());
    let (promise, deferred) = handle.create_future();
    drop(deferred);
    promise.set(Rc::clone(&token));
    let (promise, deferred) = handle.create_future();
    deferred.cancel();
    promise.set(Rc::clone(&token));
    assert_eq!((errors.take().as_str(), Rc::strong_count(&token)), ("", 1));
}

#[test]
fn fut_13_debug_text_says_the_state_and_not_the_value() {
    let (_event_loop, handle, _) = manual();
    let (promise, mut deferred) = handle.create_future();
    assert_eq!(format!("{deferred:?} {promise:?}"), "<Future pending> <Promise awaited=true>");
    promise.set("hunter2");
    assert_eq!(format!("{deferred:?}"), "<Future finished>");
    assert!(deferred.try_result().is_some());
    assert_eq!(format!("{deferred:?}"), "<Future finished, result taken>");
    let (_promise, deferred) = handle.create_future::<()>();
    deferred.cancel();
    assert_eq!(format!("{deferred:?}"), "<Future cancelled>");
}
