//! Waiting for a descriptor inside a future.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::event_loop::{Interest, LoopHandle, Readiness, Registration, Source};

/// A watch over one descriptor, for one future. Must be dropped before the descriptor is closed.
pub(crate) struct FdReadiness {
    flag: Rc<Flag>,
    _registration: Registration,
}

#[derive(Default)]
struct Flag {
    raised: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Source for Flag {
    /// Wakes while the loop collects, so that the future's step runs in the same turn.
    fn ready(self: Rc<Self>, _: &LoopHandle, _: Readiness) {
        self.raised.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl FdReadiness {
    pub(crate) fn new(
        event_loop: &LoopHandle,
        fd: impl AsFd,
        interest: Interest,
    ) -> io::Result<Self> {
        let flag = Rc::<Flag>::default();
        let registration = event_loop.register(fd, interest, Rc::clone(&flag) as Rc<dyn Source>)?;
        Ok(Self { flag, _registration: registration })
    }

    /// Whether the descriptor has become ready since the last call that said so; otherwise the task is woken
    /// when it does.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.flag.raised.take() {
            return Poll::Ready(());
        }
        self.flag.waker.replace(Some(cx.waker().clone()));
        Poll::Pending
    }
}

/// Tries `operation` until it does not say that it would block, waiting for `fd` in between.
///
/// The watch begins with the first wait and ends with the future, so that a cancelled operation leaves
/// nothing behind and takes nothing from the next one.
pub(crate) async fn retry<T>(
    event_loop: &LoopHandle,
    fd: impl AsFd,
    interest: Interest,
    mut operation: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    let mut watch = None;
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => return result,
        }
        let ready = match &watch {
            Some(ready) => ready,
            None => watch.insert(FdReadiness::new(event_loop, fd.as_fd(), interest)?),
        };
        poll_fn(|cx| ready.poll(cx)).await;
    }
}
