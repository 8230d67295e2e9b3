//! Bytes on their way out, while the loop goes on: a reader that pauses holds nobody up who only talks.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use loopctl::{LoopHandle, Task};

use crate::report::served::Trouble;
use crate::util::select::first;
use crate::util::stdio::Sink;

/// When so many bytes wait, those who add to them are asked to wait, too.
const MOST: usize = 256 * 1024;

/// A queue in front of a sink.
#[derive(Clone)]
pub(crate) struct Spool(Rc<Inner>);

struct Inner {
    event_loop: LoopHandle,
    sink: Sink,
    queue: RefCell<Vec<u8>>,
    writer: RefCell<Option<Task<()>>>,
    watching: RefCell<Option<Task<()>>>,
    failure: RefCell<Option<io::Error>>,
    waiting: RefCell<Vec<Waker>>,
}

impl Spool {
    pub(crate) fn new(event_loop: &LoopHandle, sink: Sink) -> Self {
        let (queue, writer, watching, failure, waiting) = Default::default();
        Self(Rc::new(Inner {
            event_loop: event_loop.clone(),
            sink,
            queue,
            writer,
            watching,
            failure,
            waiting,
        }))
    }

    /// Adds to what is on its way. After a failure there is no way.
    pub(crate) fn push(&self, bytes: &[u8]) {
        if self.has_failed() {
            return;
        }
        self.0.queue.borrow_mut().extend_from_slice(bytes);
        let mut writer = self.0.writer.borrow_mut();
        if writer.as_ref().is_none_or(Task::is_finished) {
            let spool = self.clone();
            *writer = Some(self.0.event_loop.create_task(async move { spool.empty().await }));
        }
    }

    /// Waits until there is room for more, or no hope of it.
    pub(crate) async fn room(&self) {
        poll_fn(|cx| {
            if !self.is_full() || self.has_failed() {
                return Poll::Ready(());
            }
            self.wait(cx)
        })
        .await;
    }

    /// Waits until nothing is on its way here any more, or there is no hope of it. What a pipe has taken may still
    /// be on its way there.
    pub(crate) async fn emptied(&self) {
        poll_fn(|cx| {
            if self.0.writer.borrow().as_ref().is_none_or(Task::is_finished) || self.has_failed() {
                return Poll::Ready(());
            }
            self.wait(cx)
        })
        .await;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.queue.borrow().len() > MOST
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.0.failure.borrow().is_some()
    }

    /// What went wrong, until that has been told.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.0.failure.borrow().as_ref().map(Trouble::from)
    }

    /// Calls `then` when writing has failed, or nobody reads any more.
    pub(crate) fn on_failure(&self, then: impl FnOnce() + 'static) {
        let spool = self.clone();
        let watching = self.0.event_loop.create_task(async move {
            spool.failed().await;
            then();
        });
        self.0.watching.replace(Some(watching));
    }

    async fn failed(&self) {
        let broken = async { self.fail(self.0.sink.broken().await) };
        let failed = poll_fn(|cx| match self.has_failed() {
            true => Poll::Ready(()),
            false => self.wait(cx),
        });
        first(pin!(broken), pin!(failed)).await;
    }

    /// Waits until all is written, so long.
    ///
    /// # Errors
    /// The one that ended it; `TimedOut` where nobody reads.
    pub(crate) async fn finish(&self, longest: Duration) -> io::Result<()> {
        // From here on the end of the sink is no failure.
        if let Some(watching) = self.0.watching.take() {
            watching.cancel();
        }
        let writer = self.0.writer.take();
        let finish = async {
            if let Some(writer) = writer {
                // If it was broken off, its failure is known.
                let _ = writer.await;
            }
            self.0.sink.finish().await
        };
        let nobody_reads = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads it"));
        let finished =
            self.0.event_loop.timeout(longest, finish).await.unwrap_or_else(nobody_reads);
        self.0.failure.take().map_or(finished, Err)
    }

    async fn empty(&self) {
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
        let mut waiting = self.0.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn fail(&self, error: io::Error) {
        self.0.failure.borrow_mut().get_or_insert(error);
        self.wake();
    }

    fn wake(&self) {
        self.0.waiting.take().into_iter().for_each(Waker::wake);
    }
}
