//! TASK: tasks, their names, their end; time-outs.

use std::cell::Cell;
use std::future::{pending, ready};
use std::rc::Rc;
use std::time::Duration;

use loopctl::{Elapsed, LocalFuture, LoopHandle, TaskRef};

use crate::support::{
    FAR, Notes, SEC, collect_errors, exit, exits, manual, one_turn, real, throw, thrown,
};

/// Notes when it is dropped, as a future's locals do.
struct OnDrop(Notes, &'static str);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add(self.1);
    }
}

/// A future that notes its beginning, waits for ever and notes its end.
fn endless(notes: &Notes) -> impl Future<Output = ()> + use<> {
    let notes = notes.clone();
    async move {
        notes.add("began");
        let _end = OnDrop(notes.clone(), "dropped");
        pending().await
    }
}

#[test]
fn task_01_a_task_of_a_closed_loop_is_cancelled_and_its_future_dropped() {
    let (event_loop, handle) = real();
    let notes = Notes::default();
    event_loop.close();
    let guard = OnDrop(notes.clone(), "dropped");
    let task = handle.create_task(async move {
        let _guard = guard;
        throw("never begins")
    });
    assert_eq!(notes.take(), "dropped");
    let (mut other, _) = real();
    assert!(other.run_until_complete(task).unwrap().is_err());
    assert!(handle.all_tasks().is_empty());
}

#[test]
fn task_02_names_are_counted_up_unless_given() {
    let (_event_loop, handle) = real();
    let first = handle.create_task(pending::<()>());
    let second = handle.create_task(pending::<()>());
    let third = handle.create_task(pending::<()>());
    second.set_name("dns");
    assert_eq!([first.name(), second.name(), third.name()], ["Task-1", "dns", "Task-3"]);
    let (_other_loop, other) = real();
    assert_eq!(other.create_task(async {}).name(), "Task-1", "each loop counts its own");
}

#[test]
fn task_03_a_factory_wraps_new_tasks_until_it_is_taken_away() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let seen = notes.clone();
    handle.set_task_factory(Some(Rc::new(move |_: &LoopHandle, future| {
        let seen = seen.clone();
        Box::pin(async move {
            seen.add("in");
            future.await;
            seen.add("out");
        })
    })));
    assert!(handle.task_factory().is_some());
    let wrapped = handle.create_task(async { 1 });
    handle.set_task_factory(None);
    assert!(handle.task_factory().is_none());
    let plain = handle.create_task(async { 2 });
    let sum = event_loop.run_until_complete(async { Ok(wrapped.await? + plain.await?) });
    assert_eq!(sum.unwrap(), Ok::<_, loopctl::Cancelled>(3));
    assert_eq!(notes.take(), "in out");
}

#[test]
fn task_04_a_factory_gets_the_loop_and_may_refuse_the_future() {
    let (mut event_loop, handle) = real();
    let seen = Rc::new(Cell::new(None));
    let slot = Rc::clone(&seen);
    handle.set_task_factory(Some(Rc::new(move |handle: &LoopHandle, future| -> LocalFuture {
        slot.set(Some(handle.is_closed()));
        drop(future);
        Box::pin(async {})
    })));
    let task = handle.create_task(async { unreachable!() });
    task.set_name("refused");
    assert_eq!((task.name().as_str(), seen.get()), ("refused", Some(false)));
    assert_eq!(event_loop.run_until_complete(task).unwrap(), Err::<(), _>(Default::default()));
}

#[test]
fn task_05_cancel_drops_the_future_at_its_next_step() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let task = handle.create_task(endless(&notes));
    one_turn(&mut event_loop);
    assert!(task.cancel());
    assert!(!task.is_finished());
    assert_eq!(notes.take(), "began", "not inside cancel");
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "dropped");
    assert!(task.is_finished());
    assert!(event_loop.run_until_complete(task).unwrap().is_err());
}

#[test]
fn task_05_cancelling_an_awaiting_task_does_not_cancel_the_awaited_one() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let inner = handle.create_task(endless(&notes));
    let outer = handle.create_task(inner);
    one_turn(&mut event_loop);
    outer.cancel();
    one_turn(&mut event_loop);
    assert!(outer.is_finished());
    assert_eq!(notes.take(), "began", "a handle that is dropped does not cancel");
    assert_eq!(handle.all_tasks().len(), 1);
}

#[test]
fn task_06_a_task_cancelled_before_its_first_step_never_begins() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let task = handle.create_task(endless(&notes));
    assert!(task.cancel());
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "");
    assert!(task.is_finished());
}

#[test]
fn task_08_cancelling_an_ended_task_returns_false() {
    let (mut event_loop, handle) = real();
    let task = handle.create_task(async { 3 });
    let reference = handle.all_tasks().remove(0);
    one_turn(&mut event_loop);
    assert!(!task.cancel());
    assert!(!reference.cancel());
    let successor = handle.create_task(pending::<()>());
    assert!(!reference.cancel(), "not even when another task has taken its place");
    assert_eq!(event_loop.run_until_complete(task).unwrap(), Ok(3), "and the result stays");
    assert!(!successor.is_finished());
}

#[test]
fn task_10_tasks_pending_at_the_end_are_reported_in_debug_mode() {
    let (mut event_loop, handle) = real();
    let errors = collect_errors(&handle);
    handle.set_debug(true);
    let (line, ended) = (line!() + 1, handle.create_task(async {}));
    let _pending = handle.create_task(pending::<()>());
    let asked_to_end = handle.create_task(pending::<()>());
    one_turn(&mut event_loop);
    asked_to_end.cancel();
    event_loop.close();
    let place = format!("{}:{}", file!(), line);
    assert!(ended.is_finished());
    let report = format!("Task was destroyed but it is pending!\nhandle: <Task Task-2 at {place}>");
    assert_eq!(errors.take(), report);
}

#[test]
fn task_11_an_exit_inside_a_task_leaves_the_loop() {
    let (mut event_loop, handle) = real();
    let errors = collect_errors(&handle);
    let _task = handle.create_task(async { exit() });
    assert!(exits(|| one_turn(&mut event_loop)));
    assert_eq!(errors.take(), "");
}

#[test]
fn task_11_a_panic_comes_out_where_the_task_is_awaited() {
    let (mut event_loop, handle) = real();
    let errors = collect_errors(&handle);
    let task = handle.create_task(async { throw("boom") });
    one_turn(&mut event_loop);
    assert_eq!(errors.take(), "", "the loop lives, and somebody may still ask");
    let payload = thrown(|| event_loop.run_until_complete(task)).unwrap();
    assert_eq!(payload.downcast_ref(), Some(&"boom"));
    assert_eq!(errors.take(), "");
}

#[test]
fn fut_09_a_panic_of_a_detached_task_is_reported_once() {
    let report = |name: &str, line: u32| {
        let task = format!("<Task {name} at {}:{line}>", file!());
        format!(
            "Task exception was never retrieved\nfuture: {name}\nhandle: {task}\ncaused by: \
             panicked: boom"
        )
    };
    let (mut event_loop, handle) = real();
    let errors = collect_errors(&handle);
    drop(handle.create_task(async { throw("boom") }));
    one_turn(&mut event_loop);
    assert_eq!(errors.take(), report("Task-1", line!() - 2), "dropped before it ran");
    let task = handle.create_task(async { throw("boom") });
    one_turn(&mut event_loop);
    drop(task);
    assert_eq!(errors.take(), report("Task-2", line!() - 3), "dropped afterwards");
}

/// Panics when it is dropped.
struct Mine;

impl Drop for Mine {
    fn drop(&mut self) {
        throw("dropped the wrong way");
    }
}

#[test]
fn exc_02_a_future_that_panics_when_dropped_does_not_end_the_loop() {
    let (mut event_loop, handle) = real();
    let errors = collect_errors(&handle);
    let mine = Mine;
    let task = handle.create_task(async move {
        let _mine = mine;
        pending::<()>().await
    });
    one_turn(&mut event_loop);
    task.cancel();
    one_turn(&mut event_loop);
    assert!(task.is_finished());
    drop(task);
    assert!(errors.take().ends_with("caused by: panicked: dropped the wrong way"));
    assert!(handle.all_tasks().is_empty());
}

#[test]
fn task_14_a_timeout_drops_the_future_before_it_returns() {
    let (mut event_loop, handle, start) = manual();
    let notes = Notes::default();
    let (inside, work, seen) = (handle.clone(), endless(&notes), notes.clone());
    let result = event_loop.run_until_complete(async move {
        let result = inside.timeout(SEC, work).await;
        seen.add("returned");
        result
    });
    assert_eq!(result.unwrap(), Err(Elapsed));
    assert_eq!(Elapsed.to_string(), "timed out");
    assert_eq!(notes.take(), "began dropped returned");
    assert_eq!(handle.time(), start + SEC);
}

#[test]
fn task_14_a_ready_future_never_times_out() {
    let (mut event_loop, handle, start) = manual();
    for limit in [Duration::ZERO, SEC, Duration::MAX] {
        let result = event_loop.run_until_complete(handle.timeout(limit, ready(1)));
        assert_eq!(result.unwrap(), Ok(1));
    }
    let slow = handle.timeout(Duration::MAX, handle.sleep(FAR));
    assert_eq!(event_loop.run_until_complete(slow).unwrap(), Ok(()), "no limit at all");
    assert_eq!(handle.time(), start + FAR);
}

#[test]
fn task_15_a_result_wins_a_tie_with_its_timeout() {
    let (mut event_loop, handle, start) = manual();
    let tie = event_loop.run_until_complete(handle.timeout(SEC, handle.sleep(SEC)));
    assert_eq!(tie.unwrap(), Ok(()));

    let (promise, deferred) = handle.create_future();
    handle.call_later(SEC, move || promise.set("socket"));
    let tie = event_loop.run_until_complete(handle.timeout(SEC, deferred));
    assert_eq!(tie.unwrap(), Ok(Ok("socket")));
    assert_eq!(handle.time(), start + 2 * SEC);
}

#[test]
fn task_17_a_dropped_handle_shields_its_task() {
    let (mut event_loop, handle, start) = manual();
    let notes = Notes::default();
    let (inside, seen) = (handle.clone(), notes.clone());
    let work = handle.create_task(async move {
        inside.sleep(2 * SEC).await;
        seen.add("done");
    });
    let gave_up = event_loop.run_until_complete(handle.timeout(SEC, work)).unwrap();
    assert_eq!(gave_up, Err(Elapsed));
    event_loop.run_until_complete(handle.sleep(2 * SEC)).unwrap();
    assert_eq!(notes.take(), "done");
    assert_eq!(handle.time(), start + 3 * SEC);
}

#[test]
fn task_19_a_task_never_begins_inside_create_task() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let (inside, seen) = (handle.clone(), notes.clone());
    handle.call_soon(move || {
        let eager = seen.clone();
        drop(inside.create_task(async move { eager.add("task") }));
        seen.add("created");
    });
    handle.call_soon(notes.adder("neighbour"));
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "created neighbour");
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "task");
}

#[test]
fn task_20_all_tasks_are_listed_oldest_first_and_the_current_one_is_known() {
    let (mut event_loop, handle) = real();
    let names = |tasks: Vec<TaskRef>| tasks.iter().map(TaskRef::name).collect::<Vec<_>>().join(" ");
    let ends = handle.create_task(async {});
    let inside = handle.clone();
    let asks = handle.create_task(async move { inside.current_task().map(|task| task.name()) });
    let waits = handle.create_task(pending::<()>());
    waits.set_name("waits");
    assert_eq!(names(handle.all_tasks()), "Task-1 Task-2 waits");
    assert!(handle.current_task().is_none());
    let current = event_loop.run_until_complete(asks).unwrap().unwrap();
    assert_eq!(current.as_deref(), Some("Task-2"));
    assert!(ends.is_finished());
    assert_eq!(names(handle.all_tasks()), "waits");
    let text = format!("{:?}", handle.all_tasks()[0]);
    assert!(text.starts_with("<Task waits at ") && text.contains(file!()), "{text}");
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        throw("dropped unread");
    }
}

#[test]
fn fut_09_an_output_that_panics_when_dropped_is_reported_and_the_loop_lives() {
    let (mut event_loop, handle) = real();
    let errors = collect_errors(&handle);
    drop(handle.create_task(async { Bomb }));
    let finished = handle.create_task(async { Bomb });
    let during = handle.create_task(async { pending::<Bomb>().await });
    one_turn(&mut event_loop);
    assert!(finished.is_finished());
    drop(finished);
    drop(during);
    let reports = errors.take();
    assert_eq!(reports.matches("Task exception was never retrieved").count(), 2, "{reports}");
    assert_eq!(reports.matches("caused by: panicked: dropped unread").count(), 2, "{reports}");
    assert_eq!(event_loop.run_until_complete(async { 1 }).unwrap(), 1);
}

#[test]
fn task_05_a_task_that_is_cancelled_on_drop_ends_with_the_one_that_awaits_it() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let inner = handle.create_task(endless(&notes)).cancel_on_drop();
    assert!(!inner.is_finished());
    let outer = handle.create_task(inner);
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "began");
    outer.cancel();
    assert!(event_loop.run_until_complete(outer).unwrap().is_err());
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "dropped");
    assert!(handle.all_tasks().is_empty());
}

#[test]
fn task_14_wait_for_cancels_the_task_and_waits_for_its_end() {
    let (mut event_loop, handle, start) = manual();
    let notes = Notes::default();
    let task = handle.create_task(endless(&notes));
    let waited = event_loop.run_until_complete(handle.wait_for(2 * SEC, task)).unwrap();
    assert_eq!((waited, handle.time()), (Err(Elapsed), start + 2 * SEC));
    assert_eq!(notes.take(), "began dropped");
    assert!(handle.all_tasks().is_empty());
}

#[test]
fn task_14_wait_for_zero_never_starts_a_task_and_returns_the_result_of_a_finished_one() {
    let (mut event_loop, handle, _) = manual();
    let notes = Notes::default();
    let waited = event_loop.run_until_complete(async {
        let task = handle.create_task(endless(&notes));
        handle.wait_for(Duration::ZERO, task).await
    });
    assert_eq!((waited.unwrap(), notes.take().as_str()), (Err(Elapsed), ""));

    let done = handle.create_task(async { 7 });
    one_turn(&mut event_loop);
    let waited = event_loop.run_until_complete(handle.wait_for(Duration::ZERO, done)).unwrap();
    assert_eq!(waited, Ok(Ok(7)));
    let unlimited = handle.wait_for(Duration::MAX, handle.create_task(async { 8 }));
    assert_eq!(event_loop.run_until_complete(unlimited).unwrap(), Ok(Ok(8)));
}

#[test]
fn task_05_a_dropped_wait_for_cancels_its_task() {
    let (mut event_loop, handle, _) = manual();
    let notes = Notes::default();
    let (inside, inner) = (handle.clone(), handle.create_task(endless(&notes)));
    let outer = handle.create_task(async move { inside.wait_for(FAR, inner).await });
    one_turn(&mut event_loop);
    one_turn(&mut event_loop);
    assert!(outer.cancel());
    one_turn(&mut event_loop);
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "began dropped");
}

#[test]
fn task_14_a_timeout_given_a_task_leaves_it_running() {
    let (mut event_loop, handle, start) = manual();
    let notes = Notes::default();
    let task = handle.create_task(endless(&notes));
    let limit = handle.timeout_at(start + SEC, task);
    assert_eq!(event_loop.run_until_complete(limit).unwrap(), Err(Elapsed));
    assert_eq!((notes.take().as_str(), handle.time()), ("began", start + SEC));
    assert_eq!(handle.all_tasks().len(), 1);
}
