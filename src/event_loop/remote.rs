//! The inbox for other threads: the only part of a loop that crosses them.

use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::job::{CallbackOutput, Job, JobInfo, JobKind, Step, short_type_name};
use super::reactor::Wakeup;
use super::{LoopHandle, local_loop};
use crate::BoxError;

/// Schedules callbacks on a loop from any thread.
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
    inbox: Mutex<Vec<Parcel>>,
    /// Set by the first post of a batch, so that a batch costs one write to the poller.
    notified: AtomicBool,
    wakeup: Wakeup,
    running: AtomicBool,
    stopping: AtomicBool,
    closed: AtomicBool,
}

/// What other threads may put on a loop's queue.
pub(crate) enum Parcel {
    Call(Arc<dyn Posted>),
    Step(Step),
    Main,
}

impl From<Parcel> for Job {
    fn from(parcel: Parcel) -> Self {
        match parcel {
            Parcel::Call(call) => Self::Posted(call),
            Parcel::Step(step) => Self::Step(step),
            Parcel::Main => Self::Main,
        }
    }
}

/// The loop has been closed; what was asked of it did not happen.
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
            inbox: Mutex::default(),
            notified: AtomicBool::new(false),
            wakeup,
            running: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }))
    }

    /// Schedules `call` on the loop and wakes it; asyncio's `call_soon_threadsafe`.
    ///
    /// Calls run in the order in which they were posted, each at most once. From the loop's own thread
    /// they keep their place among [`call_soon`](LoopHandle::call_soon)s.
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
    /// [`LoopClosed`] when the loop has been closed; the callback is then dropped here.
    #[track_caller]
    pub fn call_soon_threadsafe<O: CallbackOutput>(
        &self,
        call: impl FnOnce() -> O + Send + 'static,
    ) -> Result<RemoteHandle, LoopClosed> {
        if self.is_closed() {
            return Err(LoopClosed);
        }
        let call =
            PostedCall { state: Mutex::new(State::Waiting(call)), origin: Location::caller() };
        let call: Arc<dyn Posted> = Arc::new(call);
        match local_loop(self.id()) {
            Some(event_loop) => event_loop.push(Job::Posted(Arc::clone(&call))),
            None => self.post(Parcel::Call(Arc::clone(&call)))?,
        }
        Ok(RemoteHandle(call))
    }

    /// Stops the loop at the end of the turn under way; asyncio's `stop`, from any thread.
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

    /// Whether the loop runs at this moment.
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
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }

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

    /// Refuses calls from now on. Steps are still taken in: their futures must be dropped on the loop.
    pub(crate) fn close(&self) {
        let _inbox = self.inbox();
        self.0.closed.store(true, Ordering::Release);
    }

    /// Queues a task's step, from whichever thread woke it.
    pub(crate) fn schedule(&self, step: Step) {
        match local_loop(self.id()) {
            Some(event_loop) => event_loop.push(Job::Step(step)),
            None => drop(self.post(Parcel::Step(step))),
        }
    }

    pub(crate) fn schedule_main(&self) {
        match local_loop(self.id()) {
            Some(event_loop) => event_loop.push(Job::Main),
            None => drop(self.post(Parcel::Main)),
        }
    }

    fn post(&self, parcel: Parcel) -> Result<(), LoopClosed> {
        let mut inbox = self.inbox();
        if self.is_closed() && !matches!(parcel, Parcel::Step(_)) {
            return Err(LoopClosed);
        }
        inbox.push(parcel);
        drop(inbox);
        if !self.has_posts() && !self.0.notified.swap(true, Ordering::AcqRel) {
            self.0.wakeup.wake();
        }
        Ok(())
    }

    /// Whether anything has arrived since the last [`collect`](Self::collect).
    pub(crate) fn has_posts(&self) -> bool {
        self.0.notified.load(Ordering::Acquire)
    }

    /// Moves the posts that have arrived to the end of the queue.
    pub(crate) fn collect(&self, ready: &mut VecDeque<Job>) {
        // Cleared before the inbox is read: what is posted after that rings again.
        self.0.notified.store(false, Ordering::Release);
        ready.extend(self.inbox().drain(..).map(Job::from));
    }

    /// Takes out what has arrived, also what has not rung yet.
    pub(crate) fn empty(&self) -> Vec<Parcel> {
        std::mem::take(&mut *self.inbox())
    }

    fn inbox(&self) -> MutexGuard<'_, Vec<Parcel>> {
        self.0.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Remote running={} closed={}>", self.is_running(), self.is_closed())
    }
}

/// Something another thread may hold and the loop runs.
pub(crate) trait Posted: Send + Sync {
    fn run(&self) -> Result<(), BoxError>;
    fn cancel(&self) -> bool;
    fn is_cancelled(&self) -> bool;
    fn info(&self) -> JobInfo;
}

struct PostedCall<F> {
    state: Mutex<State<F>>,
    origin: &'static Location<'static>,
}

enum State<F> {
    Waiting(F),
    Started,
    Cancelled,
}

impl<F> PostedCall<F> {
    /// Moves on from `Waiting`, which only one caller ever finds.
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

impl<F: FnOnce() -> O + Send, O: CallbackOutput> Posted for PostedCall<F> {
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
        JobInfo { kind: JobKind::Call, name: short_type_name::<F>(), origin: Some(self.origin) }
    }
}

/// A callback scheduled from another thread, which any thread can cancel.
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
pub struct RemoteHandle(Arc<dyn Posted>);

impl RemoteHandle {
    /// Prevents the call and tells whether it did: `false` once the call has begun, or was cancelled
    /// before.
    pub fn cancel(&self) -> bool {
        self.0.cancel()
    }

    /// Whether the call was prevented: by [`cancel`](Self::cancel), or because the loop was closed first.
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
    /// The part of this loop that other threads may hold.
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
