//! Handle that cancels a task, or work of the executor, when it is dropped.

use std::fmt;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Handle that cancels a task, or work of the executor, when it is dropped before the end.
///
/// It comes from [`Task::cancel_on_drop`](super::Task::cancel_on_drop) and
/// [`Deferred::cancel_on_drop`](super::Deferred::cancel_on_drop), and is awaited like them. A task that awaits it is
/// cancelled together with what it awaits, as in asyncio.
///
/// ```
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// event_loop.run_until_complete(async {
///     let inner = handle.create_task(std::future::pending::<()>()).cancel_on_drop();
///     let outer = handle.create_task(async { inner.await });
///     handle.sleep(std::time::Duration::ZERO).await;
///     outer.cancel();
///     assert!(outer.await.is_err());
///     handle.sleep(std::time::Duration::ZERO).await;
///     assert!(handle.all_tasks().is_empty());
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping it cancels the task"]
pub struct CancelOnDrop<F> {
    inner: F,
    cancel: fn(&F) -> bool,
}

impl<F> CancelOnDrop<F> {
    pub(super) fn new(inner: F, cancel: fn(&F) -> bool) -> Self {
        Self { inner, cancel }
    }
}

impl<F> Deref for CancelOnDrop<F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.inner
    }
}

impl<F: Future + Unpin> Future for CancelOnDrop<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

impl<F> Drop for CancelOnDrop<F> {
    fn drop(&mut self) {
        (self.cancel)(&self.inner);
    }
}

impl<F: fmt::Debug> fmt::Debug for CancelOnDrop<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
