//! GEN: streams with an asynchronous close.

use std::future::pending;

use log::Level;
use loopctl::{AsyncGenerator, BoxError, LoopHandle};

use crate::support::{Logged, Notes, SEC, collect_errors, manual, one_turn, throw};

/// Counts, and takes a second to close.
struct Counter {
    event_loop: LoopHandle,
    notes: Notes,
    name: &'static str,
    next: u32,
}

impl Counter {
    fn new(event_loop: &LoopHandle, notes: &Notes, name: &'static str) -> Self {
        Self { event_loop: event_loop.clone(), notes: notes.clone(), name, next: 0 }
    }
}

impl AsyncGenerator for Counter {
    type Item = u32;

    async fn anext(&mut self) -> Option<u32> {
        self.next += 1;
        match self.name {
            "hangs" => pending().await,
            _ => Some(self.next),
        }
    }

    async fn aclose(&mut self) -> Result<(), BoxError> {
        self.event_loop.sleep(SEC).await;
        self.notes.add(format!("closed {}", self.name));
        match self.name {
            "fails" => Err("not this one".into()),
            "panics" => throw("nor this one"),
            _ => Ok(()),
        }
    }
}

#[test]
fn gen_01_shutdown_closes_every_generator_that_was_used_and_waits_for_them() {
    let (mut event_loop, handle, start) = manual();
    let notes = Notes::default();
    let (inside, seen) = (handle.clone(), notes.clone());
    event_loop
        .run_until_complete(async move {
            let track = |name| inside.track_asyncgen(Counter::new(&inside, &seen, name));
            let (mut a, mut b, mut unused) = (track("a"), track("b"), track("unused"));
            assert_eq!((a.anext().await, a.anext().await), (Some(1), Some(2)));
            assert_eq!(b.anext().await, Some(1));
            inside.shutdown_asyncgens().await;
            seen.add("then");
            assert_eq!((a.anext().await, b.anext().await), (None, None));
            assert_eq!(unused.anext().await, Some(1), "it had not begun");
            std::mem::forget(unused);
        })
        .unwrap();
    assert_eq!(notes.take(), "closed a closed b then");
    assert_eq!(handle.time(), start + SEC, "beside each other, not one after the other");
}

#[test]
fn gen_01_errors_and_panics_of_closing_are_reported_and_the_others_are_closed() {
    let (mut event_loop, handle, _) = manual();
    let (errors, notes) = (collect_errors(&handle), Notes::default());
    let (inside, seen) = (handle.clone(), notes.clone());
    event_loop
        .run_until_complete(async move {
            let track = |name| inside.track_asyncgen(Counter::new(&inside, &seen, name));
            let mut generators = [track("fails"), track("panics"), track("works")];
            for generator in &mut generators {
                assert_eq!(generator.anext().await, Some(1));
            }
            inside.shutdown_asyncgens().await;
        })
        .unwrap();
    assert_eq!(notes.take(), "closed fails closed panics closed works");
    let message = "an error occurred during closing of asynchronous generator\ncaused by:";
    let expected = format!("{message} not this one {message} panicked: nor this one");
    assert_eq!(errors.take(), expected);
}

#[test]
fn gen_01_a_dropped_generator_is_closed_by_the_loop() {
    let (mut event_loop, handle, _) = manual();
    let (errors, notes) = (collect_errors(&handle), Notes::default());
    for name in ["dropped", "fails"] {
        let mut generator = handle.track_asyncgen(Counter::new(&handle, &notes, name));
        let unused = handle.track_asyncgen(Counter::new(&handle, &notes, "unused"));
        let used = async move { generator.anext().await };
        assert_eq!(event_loop.run_until_complete(used).unwrap(), Some(1));
        drop(unused);
        assert_eq!(handle.all_tasks().len(), 1, "a task closes the one that had begun");
        event_loop.run_until_complete(handle.sleep(2 * SEC)).unwrap();
        assert_eq!(notes.take(), format!("closed {name}"));
    }
    assert_eq!(errors.take().matches("not this one").count(), 1);
}

#[test]
fn gen_01_closing_by_hand_closes_once_and_returns_the_error() {
    let (mut event_loop, handle, _) = manual();
    let (errors, notes) = (collect_errors(&handle), Notes::default());
    let (inside, seen) = (handle.clone(), notes.clone());
    let closed = event_loop.run_until_complete(async move {
        let mut generator = inside.track_asyncgen(Counter::new(&inside, &seen, "fails"));
        generator.anext().await;
        let closed = generator.aclose().await;
        inside.shutdown_asyncgens().await;
        closed
    });
    assert_eq!(closed.unwrap().unwrap_err().to_string(), "not this one");
    assert_eq!((notes.take().as_str(), errors.take().as_str()), ("closed fails", ""));
}

#[test]
fn gen_01_a_generator_begun_after_the_shutdown_is_warned_of() {
    let logged = Logged::start();
    let (mut event_loop, handle, _) = manual();
    let inside = handle.clone();
    let mut late = handle.track_asyncgen(Counter::new(&handle, &Notes::default(), "late"));
    event_loop
        .run_until_complete(async move {
            inside.shutdown_asyncgens().await;
            assert_eq!(late.anext().await, Some(1));
        })
        .unwrap();
    let text = "asynchronous generator was scheduled after shutdown_asyncgens() call".to_owned();
    assert_eq!(logged.take(), [(Level::Warn, text)]);
}

#[test]
fn gen_01_a_generator_cancelled_in_its_step_can_still_be_closed() {
    let (mut event_loop, handle, _) = manual();
    let notes = Notes::default();
    let inside = handle.clone();
    let mut hangs = handle.track_asyncgen(Counter::new(&handle, &notes, "hangs"));
    event_loop
        .run_until_complete(async move {
            assert!(inside.timeout(SEC, hangs.anext()).await.is_err());
            inside.shutdown_asyncgens().await;
            assert_eq!(hangs.anext().await, None);
        })
        .unwrap();
    assert_eq!(notes.take(), "closed hangs");
}

#[test]
fn gen_01_closing_a_loop_drops_open_generators() {
    let (mut event_loop, handle, _) = manual();
    let notes = Notes::default();
    let mut generator = handle.track_asyncgen(Counter::new(&handle, &notes, "open"));
    let task = handle.create_task(async move {
        generator.anext().await;
        pending::<()>().await;
    });
    one_turn(&mut event_loop);
    event_loop.close();
    assert!(task.is_finished());
    assert!(handle.all_tasks().is_empty());
    assert_eq!(notes.take(), "", "there is no loop left to close it on");
}

/// Generator without an end.
pub(crate) struct Endless;

impl AsyncGenerator for Endless {
    type Item = ();

    async fn anext(&mut self) -> Option<()> {
        Some(())
    }

    async fn aclose(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}
