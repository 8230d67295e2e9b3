//! Waiting for the readiness of a descriptor in a future.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::event_loop::{Interest, LoopHandle, Readiness, Registration, Source};

/// Registration of one descriptor for one future. It must be dropped before the descriptor is closed.
pub(crate) struct FdReadiness {
    flag: Rc<Flag>,
    _registration: Registration,
}

#[derive(Default)]
struct Flag {
    is_ready: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Source for Flag {
    /// Wakes the task while events are collected, so that it runs in the same turn.
    fn ready(self: Rc<Self>, _: &LoopHandle, _: Readiness) {
        self.is_ready.set(true);
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

    /// Ready if the descriptor has become ready since the last `Ready`; otherwise the task is woken when it
    /// becomes ready.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.flag.is_ready.take() {
            return Poll::Ready(());
        }
        self.flag.waker.replace(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl LoopHandle {
    /// Waits until a descriptor is readable, or its peer has closed it. The descriptor may be any that the poller takes:
    /// a socket of mio, a pipe, a device, a timerfd.
    ///
    /// ```
    /// # use std::io::Write;
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let (reader, mut writer) = std::io::pipe()?;
    /// writer.write_all(b"x")?;
    /// event_loop.run_until_complete(handle.readable(&reader))??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the descriptor cannot be watched, for example a regular file, or if the loop is closed.
    pub async fn readable(&self, fd: &impl AsFd) -> io::Result<()> {
        self.wait_until_ready(fd, Interest::Readable).await
    }

    /// Waits until a descriptor is writable; otherwise as [`readable`](Self::readable).
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let (_reader, writer) = std::io::pipe()?;
    /// event_loop.run_until_complete(handle.writable(&writer))??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`readable`](Self::readable).
    pub async fn writable(&self, fd: &impl AsFd) -> io::Result<()> {
        self.wait_until_ready(fd, Interest::Writable).await
    }

    async fn wait_until_ready(&self, fd: &impl AsFd, interest: Interest) -> io::Result<()> {
        // A new registration reports the present readiness.
        let ready = FdReadiness::new(self, fd, interest)?;
        poll_fn(|cx| ready.poll(cx)).await;
        Ok(())
    }
}

/// Repeats `operation` while it returns `WouldBlock`, and waits for `fd` in between.
///
/// The registration ends with the future, so that a cancelled operation consumes no event of the next one.
pub(crate) async fn retry<T>(
    event_loop: &LoopHandle,
    fd: impl AsFd,
    interest: Interest,
    mut operation: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    let mut registered = None;
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => return result,
        }
        let ready = match &registered {
            Some(ready) => ready,
            None => registered.insert(FdReadiness::new(event_loop, fd.as_fd(), interest)?),
        };
        poll_fn(|cx| ready.poll(cx)).await;
    }
}
