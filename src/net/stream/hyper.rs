//! hyper on this loop: the I/O of its connections, its timer and its executor. Nothing of tokio's runtime runs.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Executor, Read, ReadBufCursor, Sleep, Timer, Write};

use super::DuplexStream;
use crate::event_loop::{LoopHandle, LoopLocal, TimerHandle, deadline, running_loop};

impl Read for DuplexStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let max = buffer.remaining();
        ready!(self.reader.poll_read_with(cx, max, |data| buffer.put_slice(data)))?;
        Poll::Ready(Ok(()))
    }
}

impl Write for DuplexStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writer.poll_write_piece(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.poll_drain(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.poll_end(cx)
    }
}

/// Executor of hyper that makes each future a task of the loop.
///
/// ```
/// # let event_loop = loopctl::EventLoop::new()?;
/// let executor = loopctl::HyperExecutor::new(&event_loop.handle());
/// hyper::rt::Executor::execute(&executor, async {});
/// assert_eq!(event_loop.handle().all_tasks().len(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct HyperExecutor(LoopHandle);

impl HyperExecutor {
    /// Executor of this loop.
    pub fn new(event_loop: &LoopHandle) -> Self {
        Self(event_loop.clone())
    }
}

impl<F: Future<Output: 'static> + 'static> Executor<F> for HyperExecutor {
    fn execute(&self, future: F) {
        drop(self.0.create_task(future));
    }
}

/// Timer of hyper on the clock of the loop that polls it.
///
/// ```
/// use hyper::rt::Timer;
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// let sleep = loopctl::HyperTimer::new().sleep(std::time::Duration::from_millis(1));
/// event_loop.run_until_complete(sleep)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct HyperTimer;

impl HyperTimer {
    /// Timer of the running loop.
    pub fn new() -> Self {
        Self
    }
}

impl Timer for HyperTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(HyperSleep { until: Err(duration), shared: Arc::default(), timer: None })
    }

    fn sleep_until(&self, until: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(HyperSleep { until: Ok(until), shared: Arc::default(), timer: None })
    }
}

/// Sleep that may move between threads, as hyper demands. Its timer stays on the loop.
struct HyperSleep {
    /// The end; before the first poll, which knows the loop, the duration.
    until: Result<Instant, Duration>,
    shared: Arc<Mutex<Option<Waker>>>,
    timer: Option<u64>,
}

/// Timers of the sleeps of one loop.
#[derive(Default)]
struct Sleeps(RefCell<HashMap<u64, TimerHandle>>);

impl LoopLocal for Sleeps {
    fn close(&self, _: &LoopHandle) {
        self.0.take();
    }
}

impl Future for HyperSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let Some(event_loop) = running_loop() else { return Poll::Pending };
        let until = self.until.unwrap_or_else(|wait| deadline(event_loop.time(), wait));
        self.until = Ok(until);
        if event_loop.time() >= until {
            return Poll::Ready(());
        }
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        if self.timer.is_none() {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let shared = Arc::clone(&self.shared);
            let timer = event_loop.call_at(until, move || {
                let waker = shared.lock().unwrap_or_else(PoisonError::into_inner).take();
                waker.into_iter().for_each(Waker::wake);
            });
            event_loop.local::<Sleeps>().0.borrow_mut().insert(number, timer);
            self.timer = Some(number);
        }
        Poll::Pending
    }
}

impl Sleep for HyperSleep {}

impl Drop for HyperSleep {
    fn drop(&mut self) {
        if let (Some(number), Some(event_loop)) = (self.timer, running_loop()) {
            let timer = event_loop.local::<Sleeps>().0.borrow_mut().remove(&number);
            timer.iter().for_each(TimerHandle::cancel);
        }
    }
}

impl fmt::Debug for HyperSleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<HyperSleep until={:?}>", self.until)
    }
}
