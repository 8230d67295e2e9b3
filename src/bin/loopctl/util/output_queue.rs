//! A queue in front of a [`Sink`], so that a slow reader of the output does not block its writers.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::select;
use loopctl::{LoopHandle, Task};

use crate::util::stdio::Sink;

/// High-water mark: [`ready`](OutputQueue::ready) waits while more bytes than this are queued.
const MAX_QUEUED: usize = 256 * 1024;

/// Shared by its clones. A task writes what is queued, while there is something.
#[derive(Clone)]
pub(crate) struct OutputQueue(Rc<Inner>);

struct Inner {
    event_loop: LoopHandle,
    sink: Sink,
    queue: RefCell<Vec<u8>>,
    /// Writes the queue to the sink, until the queue is empty.
    writer: RefCell<Option<Task<()>>>,
    /// Started by [`OutputQueue::on_failure`].
    watcher: RefCell<Option<Task<()>>>,
    failure: RefCell<Option<io::Error>>,
    waiters: RefCell<Vec<Waker>>,
}

impl OutputQueue {
    pub(crate) fn new(event_loop: &LoopHandle, sink: Sink) -> Self {
        Self(Rc::new(Inner {
            event_loop: event_loop.clone(),
            sink,
            queue: RefCell::default(),
            writer: RefCell::default(),
            watcher: RefCell::default(),
            failure: RefCell::default(),
            waiters: RefCell::default(),
        }))
    }

    /// Queues bytes. After a failure, drops them.
    pub(crate) fn push(&self, bytes: &[u8]) {
        if self.has_failed() {
            return;
        }
        self.0.queue.borrow_mut().extend_from_slice(bytes);
        let mut writer = self.0.writer.borrow_mut();
        if writer.as_ref().is_none_or(Task::is_finished) {
            let queue = self.clone();
            *writer = Some(self.0.event_loop.create_task(async move { queue.write_all().await }));
        }
    }

    /// Waits until the queue is below its high-water mark, or has failed.
    pub(crate) async fn ready(&self) {
        poll_fn(|cx| {
            if !self.is_full() || self.has_failed() {
                return Poll::Ready(());
            }
            self.wait(cx)
        })
        .await;
    }

    /// Waits until the sink has taken everything, or has failed. The write buffer of a pipe may still be full.
    pub(crate) async fn wait_empty(&self) {
        poll_fn(|cx| {
            if self.0.writer.borrow().as_ref().is_none_or(Task::is_finished) || self.has_failed() {
                return Poll::Ready(());
            }
            self.wait(cx)
        })
        .await;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.queue.borrow().len() > MAX_QUEUED
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.0.failure.borrow().is_some()
    }

    /// The first error, until [`finish`](Self::finish) returns it.
    pub(crate) fn error<E: for<'a> From<&'a io::Error>>(&self) -> Option<E> {
        self.0.failure.borrow().as_ref().map(E::from)
    }

    /// Calls `callback` when a write fails or the reader closes its end.
    pub(crate) fn on_failure(&self, callback: impl FnOnce() + 'static) {
        let queue = self.clone();
        let watcher = self.0.event_loop.create_task(async move {
            queue.wait_failed().await;
            callback();
        });
        self.0.watcher.replace(Some(watcher));
    }

    async fn wait_failed(&self) {
        let broken = async { self.fail(self.0.sink.wait_broken().await) };
        let failed = poll_fn(|cx| match self.has_failed() {
            true => Poll::Ready(()),
            false => self.wait(cx),
        });
        select(pin!(broken), pin!(failed)).await;
    }

    /// Waits until everything is written, and closes the sink.
    ///
    /// # Errors
    /// The first error of a write; `TimedOut` when the reader takes longer than `timeout`.
    pub(crate) async fn finish(&self, timeout: Duration) -> io::Result<()> {
        // The close below is not a failure to be reported.
        if let Some(watcher) = self.0.watcher.take() {
            watcher.cancel();
        }
        let writer = self.0.writer.take();
        let finish = async {
            if let Some(writer) = writer {
                // An error of the task is in `failure`.
                let _ = writer.await;
            }
            self.0.sink.finish().await
        };
        let timed_out =
            |_| Err(io::Error::new(io::ErrorKind::TimedOut, "its reader has stopped reading"));
        let finished = self.0.event_loop.timeout(timeout, finish).await.unwrap_or_else(timed_out);
        self.0.failure.take().map_or(finished, Err)
    }

    async fn write_all(&self) {
        loop {
            let bytes = self.0.queue.take();
            self.wake();
            if bytes.is_empty() {
                return;
            }
            if let Err(error) = self.0.sink.write_all(&bytes).await {
                return self.fail(error);
            }
        }
    }

    fn wait(&self, cx: &Context<'_>) -> Poll<()> {
        let mut waiters = self.0.waiters.borrow_mut();
        if !waiters.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiters.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn fail(&self, error: io::Error) {
        self.0.failure.borrow_mut().get_or_insert(error);
        self.wake();
    }

    fn wake(&self) {
        self.0.waiters.take().into_iter().for_each(Waker::wake);
    }
}
