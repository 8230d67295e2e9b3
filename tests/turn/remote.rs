//! CALL-10 to CALL-13, LOOP-21: calls from other threads, also while the loop closes.

use std::cell::Cell;
use std::collections::HashSet;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, ThreadId};

use loopctl::{LoopClosed, Promise, Remote, running_loop};

use crate::support::{FAR, Notes, one_turn, real, watchdog};

#[test]
fn call_10_call_soon_threadsafe_wakes_a_waiting_loop() {
    let (mut event_loop, handle) = real();
    let barked = watchdog(&handle);
    let remote = handle.remote();
    for _ in 0..100 {
        thread::scope(|scope| {
            // The loop waits by now, or will not: both must work, and a hundred rounds see both.
            scope.spawn(|| {
                let stop = remote.clone();
                remote.call_soon_threadsafe(move || stop.stop())
            });
            event_loop.run_forever().unwrap();
        });
    }
    assert!(!barked.get());
}

#[test]
fn call_11_posts_of_the_same_thread_keep_their_place_among_calls() {
    let (mut event_loop, handle) = real();
    let notes = Notes::of_this_thread();
    let note = |text: &'static str| move || Notes::of_this_thread().add(text);
    handle.call_soon(notes.adder("a"));
    handle.remote().call_soon_threadsafe(note("b")).unwrap();
    handle.call_soon(notes.adder("c"));
    handle.remote().call_soon_threadsafe(note("d")).unwrap();
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "a b c d");
}

const THREADS: usize = 4;
const POSTS: usize = 1024;

#[test]
fn call_12_of_4096_posts_among_cancelled_timers_none_is_lost_and_none_doubled() {
    let (mut event_loop, handle) = real();
    let barked = watchdog(&handle);
    let runs: Arc<Vec<AtomicU32>> = Arc::new((0..THREADS * POSTS).map(|_| 0.into()).collect());
    let prevented: HashSet<usize> = thread::scope(|scope| {
        let posters: Vec<_> = (0..THREADS)
            .map(|nth| {
                let (remote, runs) = (handle.remote(), Arc::clone(&runs));
                scope.spawn(move || post_all(&remote, &runs, nth * POSTS))
            })
            .collect();
        let remote = handle.remote();
        let joined = scope.spawn(move || {
            let prevented = posters.into_iter().flat_map(|poster| poster.join().unwrap()).collect();
            // Everything else was posted before, and posts keep their order.
            let stop = remote.clone();
            remote.call_soon_threadsafe(move || stop.stop()).unwrap();
            prevented
        });
        event_loop.run_forever().unwrap();
        joined.join().unwrap()
    });
    assert!(!barked.get(), "a wake-up got lost");
    for (number, runs) in runs.iter().enumerate() {
        let expected = u32::from(!prevented.contains(&number));
        assert_eq!(runs.load(Ordering::Relaxed), expected, "post {number}");
    }
}

/// Posts the numbers from `first` on, takes every seventh back, and returns those that were in time.
fn post_all(remote: &Remote, runs: &Arc<Vec<AtomicU32>>, first: usize) -> Vec<usize> {
    let mut prevented = Vec::new();
    for number in first..first + POSTS {
        let runs = Arc::clone(runs);
        let handle = remote.call_soon_threadsafe(move || {
            runs[number].fetch_add(1, Ordering::Relaxed);
            if number % 3 == 0 {
                let event_loop = running_loop().expect("posts run on the loop");
                event_loop.call_later(FAR, || ()).cancel();
            }
        });
        if number % 7 == 0 && handle.is_ok_and(|handle| handle.cancel()) {
            prevented.push(number);
        }
    }
    prevented
}

#[test]
fn call_12_posts_of_one_thread_run_in_order() {
    let (mut event_loop, handle) = real();
    let remote = handle.remote();
    thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..1000 {
                remote.call_soon_threadsafe(move || Notes::of_this_thread().add(number)).unwrap();
            }
            let stop = remote.clone();
            remote.call_soon_threadsafe(move || stop.stop()).unwrap();
        });
        event_loop.run_forever().unwrap();
    });
    let expected: Vec<_> = (0..1000).map(|number| number.to_string()).collect();
    assert_eq!(Notes::of_this_thread().take(), expected.join(" "));
}

#[test]
fn call_13_a_post_can_be_cancelled_from_any_thread_until_it_begins() {
    let (mut event_loop, handle) = real();
    let token = Arc::new(());
    let held = Arc::clone(&token);
    let posted = handle.remote().call_soon_threadsafe(move || drop(held)).unwrap();
    let prevented = thread::scope(|scope| scope.spawn(|| posted.cancel()).join().unwrap());
    assert!(prevented && posted.is_cancelled());
    assert_eq!(Arc::strong_count(&token), 1, "what it captured is freed at once");
    assert!(!posted.cancel(), "nothing left to prevent");
    one_turn(&mut event_loop);
}

#[test]
fn call_13_cancelling_a_started_remote_call_returns_false() {
    let (mut event_loop, handle) = real();
    let (give, given) = mpsc::channel::<loopctl::RemoteHandle>();
    let (tell, told) = mpsc::channel();
    let call = move || {
        let own = given.recv().unwrap();
        tell.send((own.cancel(), own.is_cancelled())).unwrap();
    };
    let posted = handle.remote().call_soon_threadsafe(call).unwrap();
    give.send(posted.clone()).unwrap();
    one_turn(&mut event_loop);
    assert_eq!(told.recv().unwrap(), (false, false), "from inside");
    assert!(!posted.cancel() && !posted.is_cancelled(), "afterwards");
}

/// Counts where a token that only the loop's thread may drop was dropped.
struct Witness {
    home: ThreadId,
    dropped: Arc<AtomicUsize>,
    abroad: Arc<AtomicUsize>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        if thread::current().id() != self.home {
            self.abroad.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn loop_21_posting_while_the_loop_closes_runs_or_drops_every_call() {
    for round in 0..50 {
        let (mut event_loop, handle) = real();
        let (token, accepted) = (Arc::new(()), AtomicUsize::new(0));
        let ran = Arc::new(AtomicUsize::new(0));
        let remotes: Vec<_> = (0..2).map(|_| handle.remote()).collect();
        thread::scope(|scope| {
            for remote in &remotes {
                scope.spawn(|| {
                    let (token, ran) = (Arc::clone(&token), Arc::clone(&ran));
                    while post_one(remote, &token, &ran).is_ok() {
                        accepted.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            (0..round % 5).for_each(|_| one_turn(&mut event_loop));
            event_loop.close();
        });
        assert!(ran.load(Ordering::Relaxed) <= accepted.load(Ordering::Relaxed));
        assert_eq!(Arc::strong_count(&token), 1, "nothing is kept, though the remotes live on");
    }
}

fn post_one(remote: &Remote, token: &Arc<()>, ran: &Arc<AtomicUsize>) -> Result<(), LoopClosed> {
    let (token, ran) = (Arc::clone(token), Arc::clone(ran));
    let call = move || {
        ran.fetch_add(1, Ordering::Relaxed);
        drop(token);
    };
    remote.call_soon_threadsafe(call).map(drop)
}

#[test]
fn loop_21_waking_tasks_while_the_loop_closes_drops_their_futures_at_home() {
    const TASKS: usize = 8;
    let home = thread::current().id();
    let (dropped, abroad) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for round in 0..200 {
        let (mut event_loop, handle) = real();
        let promises: Vec<Promise<()>> = (0..TASKS)
            .map(|_| {
                let (promise, deferred) = handle.create_future();
                let (dropped, abroad) = (Arc::clone(&dropped), Arc::clone(&abroad));
                let witness = Witness { home, dropped, abroad };
                drop(handle.create_task(async move {
                    let _witness = witness;
                    let _ = deferred.await;
                    pending::<()>().await;
                }));
                promise
            })
            .collect();
        one_turn(&mut event_loop);
        thread::scope(|scope| {
            scope.spawn(move || promises.into_iter().for_each(|promise| promise.set(())));
            (0..round % 3).for_each(|_| one_turn(&mut event_loop));
            event_loop.close();
        });
        assert_eq!(dropped.load(Ordering::Relaxed), (round + 1) * TASKS);
    }
    assert_eq!(abroad.load(Ordering::Relaxed), 0);
}

#[test]
fn loop_21_a_remote_of_a_closed_loop_is_harmless() {
    let (event_loop, handle) = real();
    let remote = handle.remote();
    drop((event_loop, handle));
    remote.stop();
    assert!(remote.is_closed() && !remote.is_running());
    assert_eq!(remote.call_soon_threadsafe(|| ()).err(), Some(LoopClosed));
}

#[test]
fn call_10_a_stop_from_another_thread_ends_the_run() {
    let (mut event_loop, handle) = real();
    let barked = watchdog(&handle);
    let turns = Rc::new(Cell::new(0));
    let remote = handle.remote();
    thread::scope(|scope| {
        scope.spawn(|| remote.stop());
        event_loop.run_forever().unwrap();
        turns.set(turns.get() + 1);
    });
    assert_eq!((turns.get(), barked.get()), (1, false));
}
