//! TASK-16, TASK-18: asyncio's `gather`, `wait` and `as_completed` are futures like any other, so those of futures-util do.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, join_all, select, try_join_all};
use futures_util::stream::FuturesUnordered;
use loopctl::{Elapsed, LoopHandle};

use crate::support::{FAR, MS, Notes, manual};

/// Takes `ms`, notes it, and returns it; fails where it is odd.
fn step(
    event_loop: &LoopHandle,
    ms: u32,
    notes: &Notes,
) -> impl Future<Output = Result<u32, u32>> + use<> {
    let (event_loop, notes) = (event_loop.clone(), notes.clone());
    async move {
        event_loop.sleep(ms * MS).await;
        notes.add(ms.to_string());
        if ms.is_multiple_of(2) { Ok(ms) } else { Err(ms) }
    }
}

#[test]
fn task_16_all_results_come_in_the_order_in_which_they_were_asked_for() {
    let (mut event_loop, handle, start) = manual();
    let notes = Notes::default();
    let steps = [40, 5, 20].map(|ms| handle.create_task(step(&handle, ms, &notes)));
    let results = event_loop.run_until_complete(join_all(steps)).unwrap();
    assert_eq!(results, [Ok(Ok(40)), Ok(Err(5)), Ok(Ok(20))]);
    assert_eq!(notes.take(), "5 20 40");
    assert_eq!(handle.time() - start, 40 * MS);
}

#[test]
fn task_16_the_first_error_wins_and_the_other_tasks_continue() {
    let (mut event_loop, handle, start) = manual();
    let notes = Notes::default();
    let steps = [40, 5, 20].map(|ms| handle.create_task(step(&handle, ms, &notes)));
    let each = steps.map(|task| async { task.await.unwrap() });
    assert_eq!(event_loop.run_until_complete(try_join_all(each)).unwrap(), Err(5));
    assert_eq!(handle.time() - start, 5 * MS);
    event_loop.run_until_complete(handle.sleep(FAR)).unwrap();
    assert_eq!(notes.take(), "5 20 40");
}

#[test]
fn task_16_cancelling_a_join_drops_plain_futures() {
    let (mut event_loop, handle, _) = manual();
    let notes = Notes::default();
    let all = handle.create_task(join_all([40, 20].map(|ms| step(&handle, ms, &notes))));
    event_loop.run_until_complete(handle.sleep(30 * MS)).unwrap();
    all.cancel();
    event_loop.run_until_complete(handle.sleep(FAR)).unwrap();
    assert_eq!(notes.take(), "20");
    assert!(event_loop.run_until_complete(all).unwrap().is_err());
}

#[test]
fn task_18_results_arrive_in_the_order_of_completion() {
    let (mut event_loop, handle, _) = manual();
    let notes = Notes::default();
    let steps: FuturesUnordered<_> =
        [40, 6, 20].map(|ms| step(&handle, ms, &notes)).into_iter().collect();
    let order = event_loop.run_until_complete(steps.map(Result::unwrap).collect::<Vec<_>>());
    assert_eq!(order.unwrap(), [6, 20, 40]);
}

#[test]
fn task_18_after_a_timeout_the_remaining_futures_can_be_awaited_again() {
    let (mut event_loop, handle, start) = manual();
    let (notes, inside) = (Notes::default(), handle.clone());
    let mut steps: FuturesUnordered<_> =
        [40, 6].map(|ms| step(&handle, ms, &notes)).into_iter().collect();
    let waited = async move {
        let first = inside.timeout(10 * MS, steps.next()).await;
        let second = inside.timeout(10 * MS, steps.next()).await;
        let third = inside.timeout(Duration::MAX, steps.next()).await;
        (first, second, third)
    };
    let (first, second, third) = event_loop.run_until_complete(waited).unwrap();
    assert_eq!((first, second, third), (Ok(Some(Ok(6))), Err(Elapsed), Ok(Some(Ok(40)))));
    assert_eq!(handle.time() - start, 40 * MS);
}

#[test]
fn task_18_of_two_the_first_is_enough() {
    let (mut event_loop, handle, start) = manual();
    let notes = Notes::default();
    let [slow, fast] = [40, 6].map(|ms| handle.create_task(step(&handle, ms, &notes)));
    let first = event_loop.run_until_complete(async {
        match select(slow, fast).await {
            Either::Left(_) => None,
            Either::Right((fast, slow)) => Some((fast, slow.cancel())),
        }
    });
    assert_eq!(first.unwrap(), Some((Ok(Ok(6)), true)));
    assert_eq!(handle.time() - start, 6 * MS);
}
