//! Jobs from other threads: the only part of a loop that is shared between threads.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::job::{CallbackOutput, Job, JobInfo, JobKind, RunThreadsafe, Step, short_type_name};
use super::reactor::Wakeup;
use super::ready::ReadyQueue;
use super::{LoopHandle, local_loop, push_on_running_loop};
use crate::BoxError;

/// Handle for other threads, which schedules callbacks on a loop.
///
/// ```
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// let handle = event_loop.handle();
/// let remote = handle.remote();
/// let worker = std::thread::Builder::new().spawn(move || {
///     let stop = remote.clone();
///     remote.call_soon_threadsafe(move || stop.stop())
/// })?;
/// event_loop.run_forever()?;
/// assert!(worker.join().unwrap().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Remote(Arc<Shared>);

struct Shared {
    id: u64,
    /// Jobs that the loop has not collected yet.
    injector: Mutex<Vec<RemoteJob>>,
    /// Set by the first job of a batch, so that a batch costs one write to the poller.
    notified: AtomicBool,
    wakeup: Wakeup,
    running: AtomicBool,
    stopping: AtomicBool,
    closed: AtomicBool,
}

/// Job that another thread adds to a loop's queue.
pub(crate) enum RemoteJob {
    Call(Arc<dyn RunThreadsafe>),
    Step(Step),
    Main,
}

impl From<RemoteJob> for Job {
    fn from(job: RemoteJob) -> Self {
        match job {
            RemoteJob::Call(call) => Self::ThreadsafeCall(call),
            RemoteJob::Step(step) => Self::Step(step),
            RemoteJob::Main => Self::Main,
        }
    }
}

/// Error of an operation on a closed loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopClosed;

impl fmt::Display for LoopClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("event loop is closed")
    }
}

impl std::error::Error for LoopClosed {}

impl From<LoopClosed> for std::io::Error {
    fn from(closed: LoopClosed) -> Self {
        Self::other(closed)
    }
}

impl Remote {
    pub(crate) fn new(wakeup: Wakeup) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(Arc::new(Shared {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            injector: Mutex::default(),
            notified: AtomicBool::new(false),
            wakeup,
            running: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }))
    }

    /// Schedules `call` on the loop and wakes it; asyncio's `call_soon_threadsafe`.
    ///
    /// Calls run in the order in which they were scheduled, each at most once. On the loop's own thread that includes
    /// the calls of [`call_soon`](LoopHandle::call_soon).
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let remote = event_loop.handle().remote();
    /// let task = event_loop.handle().run_in_executor(move || {
    ///     let from_the_worker = remote.call_soon_threadsafe(|| println!("on the loop's thread"));
    ///     from_the_worker.is_ok()
    /// });
    /// assert_eq!(event_loop.run_until_complete(task)?, Ok(true));
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    ///
    /// # Errors
    /// [`LoopClosed`] if the loop has been closed; this thread then drops the callback.
    #[track_caller]
    pub fn call_soon_threadsafe<O: CallbackOutput>(
        &self,
        call: impl FnOnce() -> O + Send + 'static,
    ) -> Result<RemoteHandle, LoopClosed> {
        if self.is_closed() {
            return Err(LoopClosed);
        }
        let call = ThreadsafeCallback {
            state: Mutex::new(State::Waiting(call)),
            origin: Location::caller(),
        };
        let call: Arc<dyn RunThreadsafe> = Arc::new(call);
        match local_loop(self.id()) {
            Some(event_loop) => event_loop.push(Job::ThreadsafeCall(Arc::clone(&call))),
            None => self.inject(RemoteJob::Call(Arc::clone(&call)))?,
        }
        Ok(RemoteHandle(call))
    }

    /// Stops the loop at the end of the current turn; asyncio's `stop`, from any thread.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let remote = event_loop.handle().remote();
    /// let worker = std::thread::Builder::new().spawn(move || remote.stop())?;
    /// event_loop.run_forever()?;
    /// # worker.join().unwrap();
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::Release);
        self.0.wakeup.wake();
    }

    /// Whether the loop is running.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// assert!(!event_loop.handle().remote().is_running());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_running(&self) -> bool {
        self.0.running.load(Ordering::Acquire)
    }

    /// Whether the loop has been closed.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// let remote = event_loop.handle().remote();
    /// event_loop.close();
    /// assert!(remote.is_closed());
    /// assert!(remote.call_soon_threadsafe(|| ()).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    pub(crate) fn set_running(&self, running: bool) {
        self.0.running.store(running, Ordering::Release);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Acquire)
    }

    pub(crate) fn clear_stop(&self) {
        self.0.stopping.store(false, Ordering::Release);
    }

    /// Refuses calls from now on, but accepts task steps, because their futures must be dropped on the loop's thread.
    pub(crate) fn close(&self) {
        // The lock makes this wait for a thread that has passed its check and is about to add a job.
        let _injector = self.injector();
        self.0.closed.store(true, Ordering::Release);
    }

    /// Queues a step of a task on its loop, on any thread.
    pub(crate) fn schedule(step: Step) {
        let id = step.metadata().remote.id();
        let Err(step) = push_on_running_loop(id, step) else { return };
        match local_loop(id) {
            Some(event_loop) => event_loop.push(Job::Step(step)),
            None => {
                let remote = step.metadata().remote.clone();
                // Steps are accepted by a closed loop as well.
                let _ = remote.inject(RemoteJob::Step(step));
            }
        }
    }

    pub(crate) fn schedule_main(&self) {
        match local_loop(self.id()) {
            Some(event_loop) => event_loop.push(Job::Main),
            None => drop(self.inject(RemoteJob::Main)),
        }
    }

    fn inject(&self, job: RemoteJob) -> Result<(), LoopClosed> {
        let mut injector = self.injector();
        if self.is_closed() && !matches!(job, RemoteJob::Step(_)) {
            return Err(LoopClosed);
        }
        injector.push(job);
        drop(injector);
        if !self.has_remote_jobs() && !self.0.notified.swap(true, Ordering::AcqRel) {
            self.0.wakeup.wake();
        }
        Ok(())
    }

    /// Whether jobs have arrived since the last [`collect`](Self::collect).
    pub(crate) fn has_remote_jobs(&self) -> bool {
        self.0.notified.load(Ordering::Acquire)
    }

    /// Moves the jobs that have arrived to the end of the ready queue.
    pub(crate) fn collect(&self, ready: &mut ReadyQueue) {
        // Cleared before the jobs are taken, because a job that arrives afterwards has to wake the poller again.
        self.0.notified.store(false, Ordering::Release);
        ready.extend(self.injector().drain(..).map(Job::from));
    }

    /// Removes all jobs, including those whose wakeup is still to come.
    pub(crate) fn drain(&self) -> Vec<RemoteJob> {
        std::mem::take(&mut *self.injector())
    }

    fn injector(&self) -> MutexGuard<'_, Vec<RemoteJob>> {
        self.0.injector.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Remote running={} closed={}>", self.is_running(), self.is_closed())
    }
}

struct ThreadsafeCallback<F> {
    state: Mutex<State<F>>,
    origin: &'static Location<'static>,
}

enum State<F> {
    Waiting(F),
    Started,
    Cancelled,
}

impl<F> ThreadsafeCallback<F> {
    /// Replaces the state `Waiting`. Only one caller ever gets the callback, so it runs at most once.
    fn leave_waiting(&self, next: State<F>) -> Option<F> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*state, State::Waiting(_)) {
            return None;
        }
        match std::mem::replace(&mut *state, next) {
            State::Waiting(call) => Some(call),
            State::Started | State::Cancelled => None,
        }
    }
}

impl<F: FnOnce() -> O + Send, O: CallbackOutput> RunThreadsafe for ThreadsafeCallback<F> {
    fn run(&self) -> Result<(), BoxError> {
        self.leave_waiting(State::Started).map_or(Ok(()), |call| call().into_result())
    }

    fn cancel(&self) -> bool {
        self.leave_waiting(State::Cancelled).is_some()
    }

    fn is_cancelled(&self) -> bool {
        matches!(*self.state.lock().unwrap_or_else(PoisonError::into_inner), State::Cancelled)
    }

    fn info(&self) -> JobInfo {
        JobInfo {
            kind: JobKind::Call,
            name: short_type_name::<F>().to_owned(),
            origin: Some(self.origin),
        }
    }
}

/// Handle of a callback scheduled from another thread; any thread can cancel it.
///
/// ```
/// # let event_loop = loopctl::EventLoop::new()?;
/// let handle = event_loop.handle().remote().call_soon_threadsafe(|| ())?;
/// assert!(handle.cancel(), "it had not begun");
/// assert!(!handle.cancel(), "nothing left to prevent");
/// assert!(handle.is_cancelled());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RemoteHandle(Arc<dyn RunThreadsafe>);

impl RemoteHandle {
    /// Cancels the call. Returns `false` if it has already begun or was cancelled before.
    pub fn cancel(&self) -> bool {
        self.0.cancel()
    }

    /// Whether the call was cancelled, by [`cancel`](Self::cancel) or because the loop was closed first.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl fmt::Debug for RemoteHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_cancelled() {
            return f.write_str("<Handle cancelled>");
        }
        fmt::Display::fmt(&self.0.info(), f)
    }
}

impl LoopHandle {
    /// Handle to this loop for other threads.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// fn crosses_threads(_: impl Send + Sync) {}
    /// crosses_threads(event_loop.handle().remote());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn remote(&self) -> Remote {
        self.core().remote.clone()
    }
}
