//! TASK: task groups, which cancel their tasks and wait for them.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::rc::Rc;

use loopctl::{BoxError, TaskGroup};

use crate::support::{MS, Notes, manual, one_turn, real, throw, thrown};

/// Notes its end, one turn after it was cancelled or dropped.
struct OnDrop(Notes, &'static str);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add(self.1);
    }
}

fn endless(notes: &Notes, name: &'static str) -> impl Future<Output = ()> + use<> {
    let end = OnDrop(notes.clone(), name);
    async move {
        let _end = end;
        pending().await
    }
}

#[test]
fn task_05_a_group_waits_for_all_of_its_tasks_and_has_their_values() {
    let (mut event_loop, handle, start) = manual();
    let sum = Rc::new(Cell::new(0));
    let (inside, total) = (handle.clone(), Rc::clone(&sum));
    let values = event_loop.run_until_complete(handle.task_group(async |group| {
        let late = group.create_task({
            let (handle, group, total) = (inside.clone(), group.clone(), Rc::clone(&total));
            async move {
                handle.sleep(3 * MS).await;
                // From a task of the group, while it waits.
                group.create_task(async move { total.set(total.get() + 1) });
                Ok::<_, io::Error>("late")
            }
        });
        let soon = group.create_task(async { Ok::<_, io::Error>("soon") });
        Ok::<_, io::Error>((late, soon))
    }));
    let (mut late, mut soon) = values.unwrap().unwrap();
    assert_eq!((soon.try_result(), late.try_result()), (Some(Ok("soon")), Some(Ok("late"))));
    assert_eq!((sum.get(), handle.time()), (1, start + 3 * MS));
    assert!(handle.all_tasks().is_empty());
}

#[test]
fn task_05_an_error_cancels_the_others_and_the_body_and_all_ends_are_awaited() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let ended = event_loop.run_until_complete(handle.task_group(async |group| {
        let _body = OnDrop(notes.clone(), "body");
        group.create_task(endless(&notes, "endless"));
        group.create_task(async { Err::<(), _>(io::Error::other("first")) });
        pending::<()>().await;
    }));
    let error = ended.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "1 task of the group failed: first");
    assert_eq!(error.into_errors().len(), 1);
    assert!(handle.all_tasks().is_empty());
    assert_eq!(notes.take().split(' ').collect::<std::collections::BTreeSet<_>>().len(), 2);
}

#[test]
fn task_05_an_error_of_the_body_cancels_the_tasks() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let ended = event_loop.run_until_complete(handle.task_group(async |group| {
        group.create_task(endless(&notes, "endless"));
        Err::<(), BoxError>("body".into())
    }));
    assert_eq!(ended.unwrap().unwrap_err().to_string(), "1 task of the group failed: body");
    assert_eq!(notes.take(), "endless");
}

#[test]
fn task_05_a_panic_of_a_task_propagates_when_the_others_have_ended() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let payload = thrown(|| {
        event_loop.run_until_complete(handle.task_group(async |group| {
            group.create_task(endless(&notes, "endless"));
            group.create_task(async { _ = true.then(|| throw("boom")) });
        }))
    });
    assert_eq!(payload.unwrap().downcast_ref(), Some(&"boom"));
    assert_eq!(notes.take(), "endless");
    assert!(handle.all_tasks().is_empty());
}

#[test]
fn task_05_a_dropped_group_cancels_its_tasks_and_takes_no_more() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let kept: Rc<Cell<Option<TaskGroup>>> = Rc::default();
    let scope = handle.create_task({
        let (handle, notes, kept) = (handle.clone(), notes.clone(), Rc::clone(&kept));
        async move {
            let body = async |group: TaskGroup| {
                group.create_task(endless(&notes, "endless"));
                kept.set(Some(group));
            };
            handle.task_group(body).await
        }
    });
    one_turn(&mut event_loop);
    one_turn(&mut event_loop);
    scope.cancel();
    one_turn(&mut event_loop);
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "endless");
    let mut refused = kept.take().unwrap().create_task(async {});
    let reason = refused.try_result().unwrap().unwrap_err().reason();
    assert_eq!(reason, Some("the task group has ended"));
    assert!(handle.all_tasks().is_empty());
}

#[test]
fn task_05_a_task_that_is_cancelled_by_itself_is_no_error() {
    let (mut event_loop, handle) = real();
    let inside = handle.clone();
    let ended = event_loop.run_until_complete(handle.task_group(async |group| {
        group.create_task(pending::<()>());
        group.create_task(async {});
        inside.all_tasks().iter().for_each(|task| _ = task.cancel());
        "body".parse::<String>()
    }));
    assert_eq!(ended.unwrap().unwrap(), "body");
}
