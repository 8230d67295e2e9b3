//! Executor: a thread pool for blocking calls, whose results arrive on the loop.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use super::{Deferred, Elapsed};
use crate::event_loop::{ErrorContext, LoopHandle, LoopLocal, PanicError, Remote};

/// Pool of named threads for blocking calls: asyncio's `ThreadPoolExecutor`.
///
/// Threads start on demand, up to a limit. They end at [`shutdown`](Self::shutdown), or after the last handle of the
/// pool was dropped.
///
/// ```
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// let handle = event_loop.handle();
/// let disk = loopctl::Executor::new("disk", 2);
/// let work = handle.run_in(&disk, || std::fs::metadata("/").is_ok());
/// assert_eq!(event_loop.run_until_complete(work)?, Ok(true));
/// # Ok::<(), loopctl::RunError>(())
/// ```
#[derive(Clone)]
#[must_use = "its threads end when the last handle is dropped"]
pub struct Executor(Arc<Owner>);

/// Shared by the handles; dropping it ends the threads, which hold only the pool.
struct Owner(Arc<Pool>);

struct Pool {
    name: String,
    max_threads: usize,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Work>,
    threads: usize,
    idle: usize,
    started: usize,
    shut: bool,
    joining: Vec<Waker>,
}

type Work = Box<dyn FnOnce() + Send>;

const SHUT: &str = "executor shutdown has been called";

impl Executor {
    /// Creates a pool of at most `max_threads` threads (at least one), named `NAME-0`, `NAME-1` and so on.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let disk = loopctl::Executor::new("disk", 2);
    /// let name = event_loop.handle().run_in(&disk, || std::thread::current().name().map(str::to_owned));
    /// assert_eq!(event_loop.run_until_complete(name)?, Ok(Some("disk-0".to_owned())));
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn new(name: impl Into<String>, max_threads: usize) -> Self {
        Self(Arc::new(Owner(Arc::new(Pool {
            name: name.into(),
            max_threads: max_threads.max(1),
            state: Mutex::default(),
            work: Condvar::new(),
        }))))
    }

    /// Pool of the size of asyncio's default pool: the number of processors plus four, at most 32.
    pub(crate) fn with_default_size(name: &str) -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Self::new(name, (processors + 4).min(32))
    }

    /// Refuses further work and ends the threads when the queue is empty, without waiting for them.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let disk = loopctl::Executor::new("disk", 2);
    /// disk.shutdown();
    /// let refused = event_loop.handle().run_in(&disk, || ());
    /// assert!(event_loop.run_until_complete(refused)?.is_err());
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn shutdown(&self) {
        self.0.0.shut();
    }

    fn submit(&self, work: Work) -> Result<(), &'static str> {
        self.0.0.submit(work)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.shut();
    }
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(self: &Arc<Self>, work: Work) -> Result<(), &'static str> {
        let mut state = self.state();
        if state.shut {
            return Err(SHUT);
        }
        state.queue.push_back(work);
        let has_idle_thread_or_is_full =
            state.idle >= state.queue.len() || state.threads == self.max_threads;
        if !has_idle_thread_or_is_full
            && self.start_thread(&mut state).is_err()
            && state.threads == 0
        {
            state.queue.pop_back();
            return Err("no thread could be started");
        }
        self.work.notify_one();
        Ok(())
    }

    fn start_thread(self: &Arc<Self>, state: &mut State) -> std::io::Result<()> {
        let pool = Arc::clone(self);
        let name = format!("{}-{}", self.name, state.started);
        thread::Builder::new().name(name).spawn(move || pool.work_until_shut())?;
        state.threads += 1;
        state.started += 1;
        Ok(())
    }

    fn work_until_shut(&self) {
        while let Some(work) = self.next() {
            // Caught, because values of a job may panic when they are dropped, and the thread is still counted.
            let _ = catch_unwind(AssertUnwindSafe(work));
        }
        let mut state = self.state();
        state.threads -= 1;
        let joining = std::mem::take(&mut state.joining);
        drop(state);
        joining.into_iter().for_each(Waker::wake);
    }

    fn next(&self) -> Option<Work> {
        let mut state = self.state();
        loop {
            match state.queue.pop_front() {
                Some(work) => return Some(work),
                None if state.shut => return None,
                None => {}
            }
            state.idle += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    fn shut(&self) {
        self.state().shut = true;
        self.work.notify_all();
    }

    fn poll_joined(&self, waker: &Waker) -> Poll<()> {
        let mut state = self.state();
        if state.threads == 0 {
            return Poll::Ready(());
        }
        state.joining.push(waker.clone());
        Poll::Pending
    }
}

/// Default pool of a loop, created on first use.
#[derive(Default)]
struct DefaultExecutor {
    executor: RefCell<Option<Executor>>,
}

impl DefaultExecutor {
    fn executor(&self) -> Executor {
        let mut executor = self.executor.borrow_mut();
        executor.get_or_insert_with(|| Executor::with_default_size("loopctl")).clone()
    }
}

impl LoopLocal for DefaultExecutor {
    fn close(&self, _: &LoopHandle) {
        if let Some(executor) = self.executor.take() {
            executor.shutdown();
        }
    }
}

impl LoopHandle {
    /// Runs `work` on a thread of the default executor; asyncio's `run_in_executor(None, …)`.
    ///
    /// Dropping the result detaches it: the work runs all the same, and its value is dropped. Only
    /// [`cancel`](Deferred::cancel) prevents work that has not begun;
    /// [`cancel_on_drop`](Deferred::cancel_on_drop) does so when the result is dropped. A panic of the work propagates to
    /// the awaiting task, or else goes to the exception handler. After
    /// [`shutdown_default_executor`](Self::shutdown_default_executor) the result is cancelled.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let name = handle.run_in_executor(|| std::thread::current().name().map(str::to_owned));
    /// assert_eq!(event_loop.run_until_complete(name)?, Ok(Some("loopctl-0".to_owned())));
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    #[doc(alias = "to_thread")]
    pub fn run_in_executor<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Deferred<T> {
        let executor = self.local::<DefaultExecutor>().executor();
        self.run_in(&executor, work)
    }

    /// Runs `work` on a thread of `executor`; asyncio's `run_in_executor(executor, …)`.
    ///
    /// The result is that of [`run_in_executor`](Self::run_in_executor).
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let pool = loopctl::Executor::new("sums", 1);
    /// let sum = event_loop.handle().run_in(&pool, || (1..=100).sum::<u32>());
    /// assert_eq!(event_loop.run_until_complete(sum)?, Ok(5050));
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn run_in<T: Send + 'static>(
        &self,
        executor: &Executor,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Deferred<T> {
        let (promise, deferred) = self.create_future();
        if self.is_closed() {
            promise.cancel("event loop is closed");
            return deferred;
        }
        // Shared with the closure, so that the promise can still be cancelled if the executor refuses the work.
        let promise = Arc::new(Mutex::new(Some(promise)));
        let held = Arc::clone(&promise);
        let remote = self.remote();
        let take =
            |slot: &Mutex<Option<_>>| slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let job = move || {
            let Some(promise) = take(&held).filter(super::Promise::is_pending) else { return };
            // Every panic goes to the loop, even a `LoopExit`, because it is the loop that has to exit.
            let unretrieved = match catch_unwind(AssertUnwindSafe(work)) {
                // Caught, because a value that nobody awaits is dropped here.
                Ok(value) => catch_unwind(AssertUnwindSafe(|| promise.set(value))),
                Err(payload) => promise.set_panic(payload),
            };
            if let Err(payload) = unretrieved {
                report_unretrieved(&remote, PanicError::from(payload));
            }
        };
        if let Err(reason) = executor.submit(Box::new(job))
            && let Some(promise) = take(&promise)
        {
            promise.cancel(reason);
        }
        deferred
    }

    /// Replaces the default executor; asyncio's `set_default_executor`.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// event_loop.handle().set_default_executor(loopctl::Executor::new("worker", 4));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_default_executor(&self, executor: Executor) {
        self.local::<DefaultExecutor>().executor.replace(Some(executor));
    }

    /// Shuts down the default executor and waits for its threads for at most `limit`; asyncio's
    /// `shutdown_default_executor`.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// let limit = std::time::Duration::from_secs(1);
    /// event_loop.run_until_complete(handle.shutdown_default_executor(limit))??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Elapsed`] if a thread was still working after `limit`; it continues in the background.
    pub async fn shutdown_default_executor(&self, limit: Duration) -> Result<(), Elapsed> {
        let executor = self.local::<DefaultExecutor>().executor();
        executor.shutdown();
        let joined = poll_fn(|cx| executor.0.0.poll_joined(cx.waker()));
        let result = self.timeout(limit, joined).await;
        if result.is_err() {
            log::warn!("the executor did not finish joining its threads within {limit:?}");
        }
        result
    }
}

/// Reports a panic of work without an awaiting task, from a worker thread. On a closed loop it is dropped.
fn report_unretrieved(remote: &Remote, error: PanicError) {
    let report = move || {
        if let Some(event_loop) = crate::event_loop::running_loop() {
            let context = ErrorContext::new("Future exception was never retrieved");
            event_loop.call_exception_handler(context.error(error));
        }
    };
    let _ = remote.call_soon_threadsafe(report);
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pool, state) = (&self.0.0, self.0.0.state());
        write!(f, "<Executor {} threads={} queued={}>", pool.name, state.threads, state.queue.len())
    }
}
