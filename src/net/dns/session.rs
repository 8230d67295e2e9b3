//! Connection to a server that queries share: one of them opens it, and the others wait for it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::task::{Poll, Waker};

/// Place of a connection.
pub(super) struct Slot<T>(RefCell<State<T>>);

enum State<T> {
    Empty,
    /// Being opened, with those that wait.
    Opening(Vec<Waker>),
    Open(T),
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(RefCell::new(State::Empty))
    }
}

impl<T: Clone> Slot<T> {
    /// The open connection, or one that `open` makes; `None` from `open` is a connection that is not shared. The flag
    /// is set if it was open before.
    pub(super) async fn get(
        &self,
        is_usable: impl Fn(&T) -> bool,
        open: impl Future<Output = io::Result<Option<T>>>,
    ) -> io::Result<Option<(T, bool)>> {
        let known = poll_fn(|cx| self.poll_known(&is_usable, cx.waker())).await;
        if let Some(known) = known {
            return Ok(Some((known, true)));
        }
        let opening = Opening(self);
        let opened = open.await?;
        if let Some(opened) = &opened {
            opening.fill(State::Open(opened.clone()));
        }
        Ok(opened.map(|opened| (opened, false)))
    }

    /// Forgets an open connection that has failed.
    pub(super) fn clear(&self, has_failed: impl Fn(&T) -> bool) {
        if matches!(&*self.0.borrow(), State::Open(known) if has_failed(known)) {
            self.0.replace(State::Empty);
        }
    }

    fn poll_known(&self, is_usable: impl Fn(&T) -> bool, waker: &Waker) -> Poll<Option<T>> {
        let mut state = self.0.borrow_mut();
        match &mut *state {
            State::Open(known) if is_usable(known) => Poll::Ready(Some(known.clone())),
            State::Opening(waiting) => {
                waiting.push(waker.clone());
                Poll::Pending
            }
            State::Empty | State::Open(_) => {
                *state = State::Opening(Vec::new());
                Poll::Ready(None)
            }
        }
    }
}

/// A connection that is being opened. Dropping it lets one that waits try.
struct Opening<'a, T: Clone>(&'a Slot<T>);

impl<T: Clone> Opening<'_, T> {
    fn fill(&self, state: State<T>) {
        let before = self.0.0.replace(state);
        if let State::Opening(waiting) = before {
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

impl<T: Clone> Drop for Opening<'_, T> {
    fn drop(&mut self) {
        if matches!(*self.0.0.borrow(), State::Opening(_)) {
            self.fill(State::Empty);
        }
    }
}
