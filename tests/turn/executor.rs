//! EXEC: blocking work on threads.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use log::Level;
use loopctl::{Elapsed, Executor, Lookup, LoopHandle};

use crate::support::{FAR, Logged, SEC, collect_errors, manual, one_turn, real, throw};

/// Work that begins, says so, and lasts until the gate is opened or dropped.
fn gated() -> (impl FnOnce() -> bool + Send, Sender<()>, Receiver<()>) {
    let (open, gate) = mpsc::channel();
    let (tell, begun) = mpsc::channel();
    let work = move || {
        let _ = tell.send(());
        gate.recv().is_ok()
    };
    (work, open, begun)
}

#[test]
fn exec_01_work_runs_on_another_thread_and_its_result_arrives_on_the_loop() {
    let (mut event_loop, handle) = real();
    let work = handle.run_in_executor(|| (thread::current().id(), 42));
    let (id, value) = event_loop.run_until_complete(work).unwrap().unwrap();
    assert_ne!(id, thread::current().id());
    assert_eq!(value, 42);
}

#[test]
fn exec_01_the_loop_turns_while_work_is_under_way() {
    let (mut event_loop, handle) = real();
    let (work, open, _begun) = gated();
    let result = handle.run_in_executor(work);
    handle.call_soon(move || open.send(()));
    assert_eq!(event_loop.run_until_complete(result).unwrap(), Ok(true));
}

fn name_of(
    event_loop: &LoopHandle,
    pool: &Executor,
) -> impl Future<Output = Option<String>> + use<> {
    let name = event_loop.run_in(pool, || thread::current().name().map(str::to_owned));
    async { name.await.ok().flatten() }
}

#[test]
fn exec_02_threads_are_made_as_work_comes_and_named() {
    let (mut event_loop, handle) = real();
    let pool = Executor::new("disk", 2);
    assert_eq!(format!("{pool:?}"), "<Executor disk threads=0 queued=0>", "none before the work");
    let first = event_loop.run_until_complete(name_of(&handle, &pool)).unwrap();
    assert_eq!(first.as_deref(), Some("disk-0"));

    let (slow, open, begun) = gated();
    let slow = handle.run_in(&pool, slow);
    begun.recv().unwrap();
    let second = event_loop.run_until_complete(name_of(&handle, &pool)).unwrap();
    assert!(second.is_some_and(|name| ["disk-0", "disk-1"].contains(&name.as_str())));
    open.send(()).unwrap();
    assert_eq!(event_loop.run_until_complete(slow).unwrap(), Ok(true));
}

#[test]
fn exec_02_a_pool_never_has_more_threads_than_it_may() {
    let (mut event_loop, handle) = real();
    let pool = Executor::new("two", 2);
    let most = Arc::new(Mutex::new((0, 0)));
    let work: Vec<_> = (0..50)
        .map(|_| {
            let most = Arc::clone(&most);
            handle.run_in(&pool, move || {
                let enter = |by: i32| {
                    let mut count = most.lock().unwrap();
                    *count = (count.0 + by, count.1.max(count.0 + by));
                };
                enter(1);
                thread::yield_now();
                enter(-1);
            })
        })
        .collect();
    for done in work {
        event_loop.run_until_complete(done).unwrap().unwrap();
    }
    assert!(most.lock().unwrap().1 <= 2);
}

#[test]
fn exec_03_after_the_shutdown_only_explicit_executors_work() {
    let (mut event_loop, handle) = real();
    event_loop.run_until_complete(handle.shutdown_default_executor(SEC)).unwrap().unwrap();
    let refused = handle.run_in_executor(|| ()).try_result().unwrap().unwrap_err();
    assert_eq!(refused.reason(), Some("executor shutdown has been called"));
    let own = Executor::new("own", 1);
    assert_eq!(event_loop.run_until_complete(handle.run_in(&own, || 1)).unwrap(), Ok(1));
    own.shutdown();
    assert!(handle.run_in(&own, || 1).try_result().unwrap().is_err());
}

#[test]
fn exec_04_the_shutdown_waits_for_work_without_blocking_the_loop() {
    let (mut event_loop, handle) = real();
    let (work, open, begun) = gated();
    let queued_too = Executor::new("one", 1);
    handle.set_default_executor(queued_too);
    let mut running = handle.run_in_executor(work);
    let mut queued = handle.run_in_executor(|| "also");
    begun.recv().unwrap();
    // The gate is opened by the loop, so a loop that blocked would never see the end.
    handle.call_soon(move || open.send(()));
    let joined = event_loop.run_until_complete(handle.shutdown_default_executor(FAR)).unwrap();
    assert_eq!(joined, Ok(()));
    assert_eq!(running.try_result(), Some(Ok(true)));
    assert_eq!(queued.try_result(), Some(Ok("also")));
}

#[test]
fn exec_05_a_shutdown_gives_up_after_its_limit_and_says_so() {
    let logged = Logged::start();
    // The limit passes on a manual clock, the work lasts on a real thread.
    let (mut event_loop, handle, start) = manual();
    let (work, _open, begun) = gated();
    let stuck = handle.run_in_executor(work);
    begun.recv().unwrap();
    let joined = event_loop.run_until_complete(handle.shutdown_default_executor(2 * SEC)).unwrap();
    assert_eq!(joined, Err(Elapsed));
    assert_eq!(handle.time(), start + 2 * SEC);
    let text = "the executor did not finish joining its threads within 2s".to_owned();
    assert_eq!(logged.take(), [(Level::Warn, text)]);
    assert!(!stuck.is_done());
}

#[test]
fn exec_06_work_may_end_after_the_loop_was_closed() {
    let pool = Executor::new("late", 1);
    let (mut event_loop, handle) = real();
    let (work, open, begun) = gated();
    let late = handle.run_in(&pool, work);
    let waits = handle.create_task(late);
    let shutting = handle.create_task({
        let handle = handle.clone();
        async move { handle.shutdown_default_executor(FAR).await }
    });
    one_turn(&mut event_loop);
    begun.recv().unwrap();
    event_loop.close();
    assert!(waits.is_finished() && shutting.is_finished());
    open.send(()).unwrap();
    let (mut other, handle) = real();
    let after = handle.run_in(&pool, || "the thread is well");
    assert_eq!(other.run_until_complete(after).unwrap(), Ok("the thread is well"));
}

#[test]
fn exec_07_work_given_up_before_it_began_never_runs() {
    let (mut event_loop, handle) = real();
    let pool = Executor::new("one", 1);
    let (busy, open, begun) = gated();
    let busy = handle.run_in(&pool, busy);
    begun.recv().unwrap();
    let (ran, never) = mpsc::channel();
    let second = ran.clone();
    drop(handle.run_in(&pool, move || ran.send("dropped")).cancel_on_drop());
    let cancelled = handle.run_in(&pool, move || second.send("cancelled"));
    assert!(cancelled.cancel());
    open.send(()).unwrap();
    assert_eq!(event_loop.run_until_complete(busy).unwrap(), Ok(true));
    assert_eq!(event_loop.run_until_complete(handle.run_in(&pool, || 1)).unwrap(), Ok(1));
    assert_eq!(never.try_iter().next(), None);
}

/// asyncio and `ThreadPoolExecutor` run it as well.
#[test]
fn exec_07_work_whose_result_is_dropped_runs_all_the_same() {
    let (mut event_loop, handle) = real();
    let (tell, told) = mpsc::channel();
    for _ in 0..100 {
        let tell = tell.clone();
        handle.run_in_executor(move || tell.send(()));
    }
    let joined = handle.shutdown_default_executor(FAR);
    assert_eq!(event_loop.run_until_complete(joined).unwrap(), Ok(()));
    assert_eq!(told.try_iter().count(), 100);
}

#[test]
fn exec_07_a_value_that_panics_when_dropped_unread_is_reported() {
    let (mut event_loop, handle) = real();
    let errors = collect_errors(&handle);
    let pool = Executor::new("one", 1);
    drop(handle.run_in(&pool, || Mine));
    assert_eq!(event_loop.run_until_complete(handle.run_in(&pool, || 1)).unwrap(), Ok(1));
    one_turn(&mut event_loop);
    assert!(errors.take().ends_with("caused by: panicked: dropped on the thread"));
}

#[test]
fn exec_07_work_given_up_while_it_runs_goes_on_and_its_result_is_dropped() {
    let (mut event_loop, handle) = real();
    let errors = collect_errors(&handle);
    let pool = Executor::new("one", 1);
    let (work, open, begun) = gated();
    let token = Arc::new(());
    let held = Arc::clone(&token);
    let result = handle.run_in(&pool, move || {
        assert!(work());
        held
    });
    begun.recv().unwrap();
    drop(result);
    open.send(()).unwrap();
    assert_eq!(event_loop.run_until_complete(handle.run_in(&pool, || 1)).unwrap(), Ok(1));
    assert_eq!((Arc::strong_count(&token), errors.take().as_str()), (1, ""));
}

#[test]
fn exec_07_a_panic_of_work_given_up_is_reported() {
    let (mut event_loop, handle) = real();
    let errors = collect_errors(&handle);
    let pool = Executor::new("one", 1);
    let (work, open, begun) = gated();
    let result = handle.run_in(&pool, move || {
        work();
        throw("too late")
    });
    begun.recv().unwrap();
    drop::<loopctl::Deferred<()>>(result);
    open.send(()).unwrap();
    assert_eq!(event_loop.run_until_complete(handle.run_in(&pool, || 1)).unwrap(), Ok(1));
    one_turn(&mut event_loop);
    assert!(errors.take().ends_with("caused by: panicked: too late"));
}

/// Panics when it is dropped.
struct Mine;

impl Drop for Mine {
    fn drop(&mut self) {
        throw("dropped on the thread");
    }
}

#[test]
fn exec_04_a_thread_survives_a_panic_in_a_drop_of_its_work() {
    let (mut event_loop, handle) = real();
    handle.set_default_executor(Executor::new("one", 1));
    let (busy, open, begun) = gated();
    let busy = handle.run_in_executor(busy);
    begun.recv().unwrap();
    let mine = Mine;
    drop(handle.run_in_executor(move || {
        let _mine = &mine;
    }));
    open.send(()).unwrap();
    assert_eq!(event_loop.run_until_complete(busy).unwrap(), Ok(true));
    let joined = handle.shutdown_default_executor(10 * SEC);
    assert_eq!(event_loop.run_until_complete(joined).unwrap(), Ok(()), "no thread is missing");
}

#[test]
fn exec_09_a_saturated_executor_does_not_delay_names() {
    let (mut event_loop, handle) = real();
    handle.set_default_executor(Executor::new("one", 1));
    let (busy, _open, begun) = gated();
    let busy = handle.run_in_executor(busy);
    begun.recv().unwrap();
    // Needs the resolver, because it is for any kind of socket, but neither files nor network.
    let lookup = Lookup::new("127.0.0.1", 80).kind(loopctl::plan::SocketKind::Any);
    let found = event_loop.run_until_complete(handle.getaddrinfo(lookup)).unwrap().unwrap();
    assert!(!found.is_empty());
    assert!(!busy.is_done());
}
