//! Many jobs, a bounded number at a time, told in the order in which they were asked for.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use loopctl::LoopHandle;

/// Jobs begun in one turn. A burst would time itself: the answer to the first handshake waits until the last one
/// has been sent.
const STARTS_PER_TURN: usize = 16;

/// Results that wait for a slower one before them. When so many do, nothing new begins.
const AHEAD: usize = 1024;

/// Results that have not been told yet.
pub(crate) struct Finished<T>(Rc<State<T>>);

struct State<T> {
    /// `None` for a job whose task broke.
    told: RefCell<BTreeMap<usize, Option<T>>>,
    running: Cell<usize>,
    waiting: RefCell<Option<Waker>>,
}

impl<T> Default for Finished<T> {
    fn default() -> Self {
        let (told, running, waiting) = Default::default();
        Self(Rc::new(State { told, running, waiting }))
    }
}

impl<T> Finished<T> {
    /// Begins `total` jobs, at most so many at a time, and tells the results in order. Each job takes its
    /// [`place`](Self::place) when it begins.
    pub(crate) async fn feed(
        &self,
        event_loop: &LoopHandle,
        (total, at_a_time): (usize, usize),
        mut begin: impl FnMut(usize),
        mut tell: impl FnMut(Option<T>),
    ) {
        let (mut begun, mut told) = (0, 0);
        let has_room = |untold| self.0.running.get() < at_a_time && untold < at_a_time + AHEAD;
        while told < total {
            let mut starts = 0;
            while begun < total && has_room(begun - told) && starts < STARTS_PER_TURN {
                begin(begun);
                (begun, starts) = (begun + 1, starts + 1);
            }
            while let Some(result) = self.take(told) {
                tell(result);
                told += 1;
            }
            if begun < total && has_room(begun - told) {
                event_loop.sleep(Duration::ZERO).await;
            } else if told < total {
                self.next(told).await;
            }
        }
    }

    /// Of a job that begins now.
    pub(crate) fn place(&self, number: usize) -> Place<T> {
        self.0.running.set(self.0.running.get() + 1);
        Place { state: Rc::clone(&self.0), number, told: None }
    }

    fn take(&self, number: usize) -> Option<Option<T>> {
        self.0.told.borrow_mut().remove(&number)
    }

    /// Ends when this result has come, or when another one has made room.
    async fn next(&self, number: usize) {
        let running = self.0.running.get();
        poll_fn(|cx| {
            if self.0.told.borrow().contains_key(&number) || self.0.running.get() < running {
                return Poll::Ready(());
            }
            self.0.waiting.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

/// Hands in the result of a job, also when its task was broken off.
pub(crate) struct Place<T> {
    state: Rc<State<T>>,
    number: usize,
    told: Option<T>,
}

impl<T> Place<T> {
    pub(crate) fn hand_in(mut self, told: T) {
        self.told = Some(told);
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        let state = &self.state;
        state.running.set(state.running.get() - 1);
        state.told.borrow_mut().insert(self.number, self.told.take());
        if let Some(waker) = state.waiting.take() {
            waker.wake();
        }
    }
}
