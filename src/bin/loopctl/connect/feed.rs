//! Many targets, a bounded number at a time, told in the order in which they were asked for.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use loopctl::LoopRef;

use super::Session;
use crate::exit::Exit;
use crate::request::Mode;
use crate::told::Told;

/// Targets begun in one turn. A burst would time itself: the answer to the first handshake waits until the
/// last one has been sent.
const STARTS_PER_TURN: usize = 16;

/// Results that wait for a slower one before them. When so many do, nothing new begins.
const AHEAD: usize = 1024;

/// Results that have not been told yet.
#[derive(Default)]
pub(crate) struct Finished {
    /// `None` for a target whose task broke.
    told: RefCell<BTreeMap<usize, Option<Told>>>,
    running: Cell<usize>,
    waiting: RefCell<Option<Waker>>,
}

impl Session {
    pub(super) async fn feed(self: &Rc<Self>, lp: &LoopRef) -> Exit {
        let total = self.request.targets.len();
        let (mut begun, mut told) = (0, 0);
        let mut exits = Vec::with_capacity(total);
        while told < total {
            let mut starts = 0;
            while begun < total && self.has_room(begun - told) && starts < STARTS_PER_TURN {
                self.begin(lp, begun);
                (begun, starts) = (begun + 1, starts + 1);
            }
            while let Some(result) = self.finished.take(told) {
                exits.push(result.as_ref().map_or(Exit::Mixed, Told::exit));
                self.tell(result);
                told += 1;
            }
            if begun < total && self.has_room(begun - told) {
                lp.sleep(Duration::ZERO).await;
            } else if told < total {
                self.finished.next(told).await;
            }
        }
        Exit::of_all(&exits)
    }

    fn has_room(&self, untold: usize) -> bool {
        self.finished.running.get() < self.request.concurrency
            && untold < self.request.concurrency + AHEAD
    }

    /// A task of its own, so that slow steps are told apart by target.
    fn begin(self: &Rc<Self>, lp: &LoopRef, number: usize) {
        self.finished.running.set(self.finished.running.get() + 1);
        let place = Place { session: Rc::clone(self), number, told: None };
        let (session, inside) = (Rc::clone(self), lp.clone());
        let task = lp.create_task(async move {
            let told = session.visit(&inside, number).await;
            place.hand_in(told);
        });
        task.set_name(&self.request.targets[number].text);
    }

    async fn visit(self: &Rc<Self>, lp: &LoopRef, number: usize) -> Told {
        let target = &self.request.targets[number];
        match self.request.mode {
            Mode::Once => Told::Report(Box::new(self.race(lp, target, number).await)),
            Mode::Repeat(repeat) => {
                Told::Series(Box::new(self.repeat(lp, target, number, repeat).await))
            }
            Mode::Wait(limit) => Told::Report(Box::new(self.wait(lp, target, number, limit).await)),
        }
    }

    pub(super) fn tell(&self, result: Option<Told>) {
        let Some(mut told) = result else { return };
        let slow = self.slow.take();
        if let Told::Report(report) = &mut told {
            report.beside.slow = slow.clone();
        }
        self.output.borrow_mut().tell(&told);
        if let Some(threshold) = self.request.slow.threshold {
            self.output.borrow_mut().slow(&slow, threshold);
        }
    }
}

impl Finished {
    fn take(&self, number: usize) -> Option<Option<Told>> {
        self.told.borrow_mut().remove(&number)
    }

    /// Ends when this result has come, or when another one has made room.
    async fn next(&self, number: usize) {
        let running = self.running.get();
        poll_fn(|cx| {
            if self.told.borrow().contains_key(&number) || self.running.get() < running {
                return Poll::Ready(());
            }
            self.waiting.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

/// Hands in the result of a target's task, also when the task was broken off.
struct Place {
    session: Rc<Session>,
    number: usize,
    told: Option<Told>,
}

impl Place {
    fn hand_in(mut self, told: Told) {
        self.told = Some(told);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let finished = &self.session.finished;
        finished.running.set(finished.running.get() - 1);
        finished.told.borrow_mut().insert(self.number, self.told.take());
        if let Some(waker) = finished.waiting.take() {
            waker.wake();
        }
    }
}
