//! Many jobs, a bounded number at a time, with their results in the order of the jobs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use loopctl::LoopHandle;

/// Jobs started in one turn of the loop. A burst would distort its own times: the answer to the first handshake
/// waits until the last one has been sent.
const MAX_STARTS_PER_TURN: usize = 16;

/// Results that may wait for a slower one before them. With more, no new job starts.
const MAX_AHEAD: usize = 1024;

/// The jobs that run, and the results that have not been emitted yet.
pub(crate) struct OrderedPool<T>(Rc<State<T>>);

struct State<T> {
    /// `None` for a job whose task broke.
    results: RefCell<BTreeMap<usize, Option<T>>>,
    running: Cell<usize>,
    waiting: RefCell<Option<Waker>>,
}

impl<T> Default for OrderedPool<T> {
    fn default() -> Self {
        let state = State {
            results: RefCell::default(),
            running: Cell::new(0),
            waiting: RefCell::default(),
        };
        Self(Rc::new(state))
    }
}

impl<T> OrderedPool<T> {
    /// Starts `total` jobs, at most `concurrency` at a time, and emits the results in order. `start` gives each job
    /// its [`slot`](Self::slot).
    pub(crate) async fn run_ordered(
        &self,
        event_loop: &LoopHandle,
        total: usize,
        concurrency: usize,
        mut start: impl FnMut(usize),
        mut emit: impl FnMut(Option<T>),
    ) {
        let mut started = 0;
        let mut emitted = 0;
        let may_start =
            |unemitted| self.0.running.get() < concurrency && unemitted < concurrency + MAX_AHEAD;
        while emitted < total {
            let this_turn = started + MAX_STARTS_PER_TURN;
            while started < total.min(this_turn) && may_start(started - emitted) {
                start(started);
                started += 1;
            }
            while let Some(result) = self.take(emitted) {
                emit(result);
                emitted += 1;
            }
            if started < total && may_start(started - emitted) {
                event_loop.sleep(Duration::ZERO).await;
            } else if emitted < total {
                self.wait_for(emitted).await;
            }
        }
    }

    /// The slot for the result of a job that starts now.
    pub(crate) fn slot(&self, number: usize) -> Slot<T> {
        self.0.running.set(self.0.running.get() + 1);
        Slot { state: Rc::clone(&self.0), number, result: None }
    }

    fn take(&self, number: usize) -> Option<Option<T>> {
        self.0.results.borrow_mut().remove(&number)
    }

    /// Waits until this result is there, or until another job has ended.
    async fn wait_for(&self, number: usize) {
        let running = self.0.running.get();
        poll_fn(|cx| {
            if self.0.results.borrow().contains_key(&number) || self.0.running.get() < running {
                return Poll::Ready(());
            }
            self.0.waiting.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

/// Slot for the result of one job. If dropped without a result, the job counts as failed.
pub(crate) struct Slot<T> {
    state: Rc<State<T>>,
    number: usize,
    result: Option<T>,
}

impl<T> Slot<T> {
    pub(crate) fn complete(mut self, result: T) {
        self.result = Some(result);
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        let state = &self.state;
        state.running.set(state.running.get() - 1);
        state.results.borrow_mut().insert(self.number, self.result.take());
        if let Some(waker) = state.waiting.take() {
            waker.wake();
        }
    }
}
