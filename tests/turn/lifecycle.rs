//! LOOP: making, running and stopping a loop. Its closing is next door.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use loopctl::{LoopHandle, Promise, RunError, running_loop};

use crate::support::{
    FAR, MS, Notes, SEC, collect_errors, exit, exits, manual, one_turn, real, throw, thrown,
};

#[test]
fn loop_01_a_new_loop_is_not_running_and_has_no_handlers() {
    let (_event_loop, handle) = real();
    assert!(!handle.is_running());
    assert!(!handle.is_closed());
    assert_eq!(handle.slow_callback_duration(), 100 * MS);
    assert!(handle.exception_handler().is_none());
    assert!(handle.task_factory().is_none());
    assert!(handle.all_tasks().is_empty());
}

#[test]
fn loop_04_running_a_second_loop_inside_the_first_is_refused() {
    let (mut outer, handle) = real();
    let (mut inner, _) = real();
    let refused = Rc::new(Cell::new(0));
    let count = Rc::clone(&refused);
    handle.call_soon(move || {
        assert!(matches!(inner.run_forever(), Err(RunError::Nested)));
        assert!(matches!(inner.run_until_complete(async {}), Err(RunError::Nested)));
        assert!(matches!(inner.enter(), Err(RunError::Nested)));
        count.set(3);
    });
    one_turn(&mut outer);
    assert_eq!(refused.get(), 3);
    assert!(running_loop().is_none(), "the refusal leaves no trace");
}

#[test]
fn loop_05_the_turn_in_which_stop_was_called_runs_to_its_end() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let stop = handle.clone();
    handle.call_soon(move || stop.stop());
    handle.call_soon(notes.adder("after"));
    event_loop.run_forever().unwrap();
    assert_eq!(notes.take(), "after");
}

#[test]
fn loop_06_the_stop_turn_runs_ready_callbacks_but_not_those_they_schedule() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let (inside, late) = (handle.clone(), notes.adder("late"));
    handle.call_soon(notes.adder("a"));
    handle.call_soon(move || {
        inside.stop();
        inside.call_soon(late);
    });
    handle.call_soon(notes.adder("b"));
    event_loop.run_forever().unwrap();
    assert_eq!(notes.take(), "a b");
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "late");
}

#[test]
fn loop_07_a_stop_before_the_run_makes_it_one_turn_without_waiting() {
    let (mut event_loop, handle, start) = manual();
    let notes = Notes::default();
    handle.call_later(SEC, notes.adder("timer"));
    handle.stop();
    event_loop.run_forever().unwrap();
    assert_eq!(notes.take(), "", "nothing was due");
    assert_eq!(handle.time(), start, "and nothing was waited for");

    let stop = handle.clone();
    handle.call_later(2 * SEC, move || stop.stop());
    event_loop.run_forever().unwrap();
    assert_eq!(notes.take(), "timer", "the next run is a normal one");
    assert_eq!(handle.time(), start + 2 * SEC);
}

#[test]
fn loop_08_an_exit_leaves_the_loop_usable() {
    let (mut event_loop, handle) = real();
    let errors = collect_errors(&handle);
    handle.set_debug(true);
    let stop = handle.clone();
    handle.call_soon(move || -> () {
        stop.stop();
        exit()
    });
    assert!(exits(|| event_loop.run_forever()));
    assert!(!handle.is_running());
    assert!(running_loop().is_none());

    handle.call_exception_handler(loopctl::ErrorContext::new("outside"));
    assert_eq!(errors.take(), "outside", "no job is the current one any more");
    let value = event_loop.run_until_complete(handle.sleep(MS));
    assert!(value.is_ok(), "the stop went with the run");
}

#[test]
fn loop_08_an_exit_from_a_task_leaves_no_current_task() {
    let (mut event_loop, handle) = real();
    let task = handle.create_task(async { exit() });
    assert!(exits(|| one_turn(&mut event_loop)));
    assert!(handle.current_task().is_none());
    assert!(handle.all_tasks().is_empty());
    assert!(event_loop.run_until_complete(task).unwrap().is_err());
}

#[test]
fn loop_09_run_until_complete_gives_the_value_or_the_panic() {
    let (mut event_loop, handle) = real();
    let borrowed = String::from("not 'static");
    let length = event_loop.run_until_complete(async { borrowed.len() }).unwrap();
    assert_eq!(length, 11);

    let payload =
        thrown(|| event_loop.run_until_complete(async { throw("out it comes") })).unwrap();
    assert_eq!(payload.downcast_ref(), Some(&"out it comes"));
    assert!(!handle.is_running());
    let error: Result<(), io::Error> =
        event_loop.run_until_complete(async { Err(io::ErrorKind::TimedOut.into()) }).unwrap();
    assert_eq!(error.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[test]
fn loop_10_a_stop_before_the_end_is_an_error() {
    let (mut event_loop, handle) = real();
    let stop = handle.clone();
    handle.call_soon(move || stop.stop());
    let error = event_loop.run_until_complete(pending::<()>()).unwrap_err();
    assert!(matches!(error, RunError::Stopped));
    assert_eq!(error.to_string(), "event loop stopped before the future completed");
}

#[test]
fn loop_10_a_future_that_ends_in_the_stop_turn_has_a_value() {
    let (mut event_loop, handle) = real();
    let stop = handle.clone();
    let value = event_loop.run_until_complete(async move {
        stop.stop();
        7
    });
    assert_eq!(value.unwrap(), 7);
}

#[test]
fn loop_13_the_next_run_is_not_ended_by_the_future_of_the_last() {
    let (mut event_loop, handle, start) = manual();
    let (promise, deferred) = handle.create_future::<()>();
    let stop = handle.clone();
    handle.call_soon(move || stop.stop());
    assert!(event_loop.run_until_complete(deferred).is_err());

    handle.call_soon(move || promise.set(()));
    event_loop.run_until_complete(handle.sleep(SEC)).unwrap();
    assert_eq!(handle.time(), start + SEC, "the second run lasted to its own end");
}

#[test]
fn loop_14_the_main_future_is_no_task_and_never_reported() {
    let (mut event_loop, handle) = real();
    let errors = collect_errors(&handle);
    handle.set_debug(true);
    let inside = handle.clone();
    event_loop
        .run_until_complete(async move {
            assert!(inside.all_tasks().is_empty());
            assert!(inside.current_task().is_none());
        })
        .unwrap();
    handle.stop();
    assert!(event_loop.run_until_complete(pending::<()>()).is_err());
    assert!(thrown(|| event_loop.run_until_complete(async { throw("gone") })).is_some());
    event_loop.close();
    assert_eq!(errors.take(), "");
}

#[test]
fn loop_23_is_running_is_seen_from_other_threads() {
    let (mut event_loop, handle) = real();
    let remote = handle.remote();
    let ask = move || thread::scope(|scope| scope.spawn(|| remote.is_running()).join().unwrap());
    assert!(!ask());
    let inside = event_loop.run_until_complete(async { ask() }).unwrap();
    assert!(inside);
    assert!(!ask());
}

#[test]
fn loop_24_debug_text_has_the_three_flags() {
    let (event_loop, handle) = real();
    assert_eq!(format!("{event_loop:?}"), "<EventLoop running=false closed=false debug=false>");
    handle.set_debug(true);
    event_loop.close();
    assert_eq!(format!("{handle:?}"), "<EventLoop running=false closed=true debug=true>");
}

#[test]
fn loop_30_an_outer_loop_can_drive_this_one() {
    let (mut event_loop, handle, start) = manual();
    let notes = Notes::default();
    handle.call_soon(notes.adder("soon"));
    handle.call_later(SEC, notes.adder("later"));
    let turns = event_loop.enter().unwrap();
    assert!(handle.is_running());
    turns.turn(None).unwrap();
    assert_eq!(notes.take(), "soon");

    turns.turn(Some(100 * MS)).unwrap();
    assert_eq!(handle.time(), start + 100 * MS, "no further than it may wait");
    turns.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(handle.time(), start + 100 * MS);
    assert_eq!(notes.take(), "");
    turns.turn(Some(FAR)).unwrap();
    assert_eq!(handle.time(), start + SEC, "and no further than the next timer");
    assert_eq!(notes.take(), "later");
    drop(turns);
    assert!(!handle.is_running());
}

#[test]
fn loop_33_the_running_loop_is_known_inside_and_only_there() {
    let (mut event_loop, handle) = real();
    assert!(running_loop().is_none());
    let notes = Notes::default();
    let (in_call, in_task) = (notes.clone(), notes.clone());
    let found = || running_loop().is_some_and(|handle| handle.is_running());
    handle.call_soon(move || in_call.add(format!("call {}", found())));
    let task = handle.create_task(async move { in_task.add(format!("task {}", found())) });
    event_loop.run_until_complete(task).unwrap().unwrap();
    assert_eq!(notes.take(), "call true task true");
    assert!(running_loop().is_none());
}

#[test]
fn loop_35_run_cleans_up_behind_main() {
    let notes = Notes::default();
    let (guard, inside) = (DropNote(notes.clone(), "task dropped"), notes.clone());
    let event_loop = loopctl::run(async move |event_loop: LoopHandle| {
        let slow = event_loop.run_in_executor(|| ());
        drop(event_loop.create_task(async move {
            let _guard = guard;
            pending::<()>().await;
        }));
        event_loop.sleep(Duration::ZERO).await;
        slow.await.unwrap();
        inside.add("main ends,");
        event_loop
    })
    .unwrap();
    assert_eq!(notes.take(), "main ends, task dropped");
    assert!(event_loop.is_closed());
    assert!(event_loop.all_tasks().is_empty());
}

struct DropNote(Notes, &'static str);

impl Drop for DropNote {
    fn drop(&mut self) {
        self.0.add(self.1);
    }
}

#[test]
fn loop_35_run_returns_stopped() {
    let held: Rc<RefCell<Option<Promise<()>>>> = Rc::default();
    let slot = Rc::clone(&held);
    let result = loopctl::run(async move |event_loop: LoopHandle| {
        let (promise, deferred) = event_loop.create_future::<()>();
        slot.replace(Some(promise));
        event_loop.stop();
        deferred.await
    });
    assert!(matches!(result, Err(RunError::Stopped)));
    assert!(held.take().is_some_and(|promise| !promise.is_awaited()));
}

#[test]
fn loop_35_run_waits_for_tasks_started_by_cancelled_ones() {
    struct StartsTask(LoopHandle, Notes);

    impl Drop for StartsTask {
        fn drop(&mut self) {
            let (event_loop, notes) = (self.0.clone(), self.1.clone());
            drop(self.0.create_task(async move {
                event_loop.sleep(5 * MS).await;
                notes.add("ended");
            }));
        }
    }

    let notes = Notes::default();
    let inside = notes.clone();
    loopctl::run(async move |event_loop: LoopHandle| {
        let starts_task = StartsTask(event_loop.clone(), inside);
        drop(event_loop.create_task(async move {
            let _starts_task = starts_task;
            pending::<()>().await;
        }));
        event_loop.sleep(Duration::ZERO).await;
    })
    .unwrap();
    assert_eq!(notes.take(), "ended");
}

#[test]
fn loop_35_run_drops_a_task_started_by_a_cancelled_one_after_a_second() {
    struct NotesDrop(Notes);

    impl Drop for NotesDrop {
        fn drop(&mut self) {
            self.0.add("dropped");
        }
    }

    struct StartsTask(LoopHandle, Notes);

    impl Drop for StartsTask {
        fn drop(&mut self) {
            let guard = NotesDrop(self.1.clone());
            drop(self.0.create_task(async move {
                let _guard = guard;
                pending::<()>().await;
            }));
        }
    }

    let notes = Notes::default();
    let inside = notes.clone();
    let (_, clock) = real();
    let start = clock.time();
    loopctl::run(async move |event_loop: LoopHandle| {
        let starts_task = StartsTask(event_loop.clone(), inside);
        drop(event_loop.create_task(async move {
            let _starts_task = starts_task;
            pending::<()>().await;
        }));
        event_loop.sleep(Duration::ZERO).await;
    })
    .unwrap();
    assert_eq!(notes.take(), "dropped");
    assert!(clock.time() - start >= SEC, "the task had its time");
}

#[test]
fn loop_many_wakes_of_the_main_future_are_one_poll() {
    let (mut event_loop, handle) = real();
    let polls = Cell::new(0);
    let main = std::future::poll_fn(|cx| {
        polls.set(polls.get() + 1);
        if polls.get() < 3 {
            (0..1000).for_each(|_| cx.waker().wake_by_ref());
            let waker = cx.waker().clone();
            handle.call_soon(move || (0..1000).for_each(|_| waker.wake_by_ref()));
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(())
    });
    event_loop.run_until_complete(main).unwrap();
    assert_eq!(polls.get(), 3);
}
