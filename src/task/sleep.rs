//! Sleeps and timeouts.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::{Cancelled, Task};
use crate::event_loop::{LoopHandle, TimerAction, deadline};
use crate::plan::TimerKey;

/// Future that completes at an instant; dropping it cancels its timer.
#[must_use = "a sleep does nothing until it is awaited"]
pub struct Sleep {
    alarm: Alarm,
    until: Instant,
    /// Whether it was polled before: even the shortest sleep lasts one turn.
    yielded: bool,
}

/// Timer that wakes a task and can be set again. Dropping it cancels the timer.
pub(crate) struct Alarm {
    event_loop: LoopHandle,
    set: Option<(Instant, TimerKey, Waker)>,
}

impl Alarm {
    pub(crate) fn new(event_loop: &LoopHandle) -> Self {
        Self { event_loop: event_loop.clone(), set: None }
    }

    /// Sets the timer to this instant, instead of an earlier setting.
    pub(crate) fn set(&mut self, when: Option<Instant>, waker: &Waker) {
        if let (Some(when), Some((at, _, known))) = (when, &self.set)
            && *at == when
            && known.will_wake(waker)
        {
            return;
        }
        self.clear();
        self.set = when.map(|when| {
            (when, self.event_loop.schedule(when, TimerAction::Wake(waker.clone())), waker.clone())
        });
    }

    fn clear(&mut self) {
        if let Some((_, key, _)) = self.set.take() {
            self.event_loop.cancel_timer(key);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Timeout: the future did not complete in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timed out")
    }
}

impl std::error::Error for Elapsed {}

impl LoopHandle {
    /// Completes after `delay`, never earlier; asyncio's `sleep`. A delay of zero lets all other ready jobs run once.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// let start = handle.time();
    /// event_loop.run_until_complete(handle.sleep(std::time::Duration::from_millis(2)))?;
    /// assert!(handle.time() - start >= std::time::Duration::from_millis(2));
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn sleep(&self, delay: Duration) -> Sleep {
        self.sleep_until(deadline(self.time(), delay))
    }

    /// Completes at an instant of the loop's clock, never earlier. If it has passed, all other ready jobs run once.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// let when = handle.time() + std::time::Duration::from_millis(1);
    /// event_loop.run_until_complete(handle.sleep_until(when))?;
    /// assert!(handle.time() >= when);
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn sleep_until(&self, when: Instant) -> Sleep {
        Sleep { alarm: Alarm::new(self), until: when, yielded: false }
    }

    /// Runs `future` for at most `limit`; asyncio's `timeout`. After a timeout the future has been dropped.
    ///
    /// Dropping a [`Task`](crate::Task) only detaches it: a task that is to end with the timeout is given to
    /// [`wait_for`](Self::wait_for). An output that is ready at the deadline counts. The future is polled at least once.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// let slow = handle.sleep(Duration::from_secs(60));
    /// let result = event_loop.run_until_complete(handle.timeout(Duration::from_millis(1), slow))?;
    /// assert_eq!(result, Err(loopctl::Elapsed));
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    ///
    /// # Errors
    /// [`Elapsed`] if the deadline came first.
    #[doc(alias = "wait_for")]
    pub async fn timeout<T>(
        &self,
        limit: Duration,
        future: impl Future<Output = T>,
    ) -> Result<T, Elapsed> {
        self.timeout_at(deadline(self.time(), limit), future).await
    }

    /// Runs `future` until an instant of the loop's clock; asyncio's `timeout_at`. Otherwise as
    /// [`timeout`](Self::timeout).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// let deadline = handle.time() + Duration::from_millis(1);
    /// let never = handle.timeout_at(deadline, std::future::pending::<()>());
    /// assert_eq!(event_loop.run_until_complete(never)?, Err(loopctl::Elapsed));
    /// assert!(handle.time() >= deadline);
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    ///
    /// # Errors
    /// [`Elapsed`] if the deadline came first.
    pub async fn timeout_at<T>(
        &self,
        when: Instant,
        future: impl Future<Output = T>,
    ) -> Result<T, Elapsed> {
        let (mut future, mut sleep) = (pin!(future), pin!(self.sleep_until(when)));
        poll_fn(|cx| {
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(value));
            }
            sleep.as_mut().poll(cx).map(|()| Err(Elapsed))
        })
        .await
    }

    /// Awaits a task for at most `limit`, and cancels it after that; asyncio's `wait_for`.
    ///
    /// After a timeout, it waits until the task has ended: its future has been dropped when this returns. A value that
    /// the task still returns counts. If this future is dropped, the task is cancelled.
    ///
    /// With a limit of zero, a task that has not begun never begins. [`Duration::MAX`] is no limit. For a future that is
    /// not a task, [`timeout`](Self::timeout) does the same.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// let task = handle.create_task(std::future::pending::<()>());
    /// let result = event_loop.run_until_complete(handle.wait_for(Duration::from_millis(1), task))?;
    /// assert_eq!(result, Err(loopctl::Elapsed));
    /// assert!(handle.all_tasks().is_empty());
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    ///
    /// # Errors
    /// [`Elapsed`] if the deadline came first.
    pub async fn wait_for<T: 'static>(
        &self,
        limit: Duration,
        task: Task<T>,
    ) -> Result<Result<T, Cancelled>, Elapsed> {
        let mut task = task.cancel_on_drop();
        if !limit.is_zero() || task.is_finished() {
            let waited = self.timeout(limit, &mut task).await;
            if waited.is_ok() {
                return waited;
            }
        }
        task.cancel();
        match task.await {
            Err(_) => Err(Elapsed),
            value => Ok(value),
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded && self.alarm.event_loop.time() >= self.until {
            self.alarm.clear();
            return Poll::Ready(());
        }
        self.yielded = true;
        let until = self.until;
        self.alarm.set(Some(until), cx.waker());
        Poll::Pending
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Sleep until={:?}>", self.until)
    }
}
