//! Layer 1: the event loop. One ready queue, one heap of timers, one poller, one thread.
//!
//! The loop knows neither tasks nor sockets. It runs jobs, reports readiness to sources and fires timers; [`turn`]
//! contains all of it.

mod clock;
mod closing;
mod debug;
mod errors;
mod job;
mod loop_local;
mod panic;
mod reactor;
mod readers;
mod ready;
mod remote;
mod signal;
mod turn;

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::panic::Location;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::plan::{TimerKey, Timers};

pub use clock::Clock;
pub use debug::{SlowCallback, SlowTurn};
pub use errors::{ErrorContext, ExceptionHandler};
pub use job::{CallbackOutput, Handle, JobInfo, JobKind, TimerHandle};
pub use panic::LoopExit;
pub use remote::{LoopClosed, Remote, RemoteHandle};
pub use signal::SignalWait;
pub use turn::EnteredLoop;

pub(crate) use clock::deadline;
pub(crate) use job::{Describe, Job, Run, Step, StepOwner, short_type_name};
pub(crate) use loop_local::LoopLocal;
pub(crate) use panic::{PanicError, Payload, catch};
pub(crate) use reactor::{Interest, Readiness, Registration, Source};
pub(crate) use signal::is_unhandled;

use clock::LoopClock;
use closing::Closing;
use debug::Diagnostics;
use errors::Handlers;
use job::TimerCallback;
use loop_local::LoopLocals;
use reactor::Reactor;
use ready::{QueuedCall, ReadyQueue, Ticket};

/// Event loop, as in asyncio: it owns the poller, the queues and the clock. It stays on one thread.
///
/// ```
/// use loopctl::EventLoop;
///
/// let mut event_loop = EventLoop::new()?;
/// let handle = event_loop.handle();
/// let answer = event_loop.run_until_complete(async move {
///     handle.sleep(std::time::Duration::from_millis(1)).await;
///     42
/// })?;
/// assert_eq!(answer, 42);
/// event_loop.close();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping it closes the loop"]
pub struct EventLoop {
    handle: LoopHandle,
}

/// Reference-counted handle to a loop, for code on its thread.
///
/// The handle may outlive the loop: a callback that is scheduled on a closed loop is cancelled.
#[derive(Clone)]
pub struct LoopHandle(Rc<Core>);

/// State of a loop. Other layers use it through the methods of [`LoopHandle`].
struct Core {
    clock: LoopClock,
    ready: RefCell<ReadyQueue>,
    timers: RefCell<Timers<TimerAction>>,
    reactor: Reactor,
    remote: Remote,
    diagnostics: Diagnostics,
    handlers: Handlers,
    locals: LoopLocals,
    closing: Closing,
}

/// Action of a timer at its deadline.
pub(crate) enum TimerAction {
    /// Add the callback to the ready queue.
    Run(Rc<dyn Run>),
    /// Wake a task, so that its step runs in the same turn.
    Wake(Waker),
}

/// Error of a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// [`stop`](LoopHandle::stop) was called before the future completed.
    Stopped,
    /// Another loop is running on this thread; loops do not nest.
    Nested,
    /// SIGINT cancelled the main future of [`run`](crate::run).
    Interrupted,
    /// The poller failed.
    Io(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("event loop stopped before the future completed"),
            Self::Nested => {
                f.write_str("cannot run the event loop while a loop runs on this thread")
            }
            Self::Interrupted => f.write_str("interrupted by SIGINT"),
            // The cause is the source, which a report of the chain prints.
            Self::Io(_) => f.write_str("cannot wait for events"),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Stopped | Self::Nested | Self::Interrupted => None,
        }
    }
}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

thread_local! {
    /// Loops of this thread, so that a waker on it reaches the ready queue without a lock.
    static LOOPS: RefCell<Vec<(u64, Weak<Core>)>> = const { RefCell::new(Vec::new()) };
    static RUNNING: RefCell<Option<LoopHandle>> = const { RefCell::new(None) };
}

/// Loop with this id, if it belongs to this thread.
fn local_loop(id: u64) -> Option<LoopHandle> {
    let find = |loops: &RefCell<Vec<(u64, Weak<Core>)>>| {
        loops.borrow().iter().find(|(known, _)| *known == id)?.1.upgrade().map(LoopHandle)
    };
    LOOPS.try_with(find).ok().flatten()
}

/// Queues a step of a task if this loop is running on this thread. Otherwise it returns the step.
fn push_on_running_loop(id: u64, step: Step) -> Result<(), Step> {
    let mut step = Some(step);
    let push = |running: &RefCell<Option<LoopHandle>>| match &*running.borrow() {
        Some(event_loop) if event_loop.0.remote.id() == id => {
            let Some(step) = step.take() else { return };
            event_loop.0.ready.borrow_mut().push(Job::Step(step));
        }
        _ => {}
    };
    // Not possible while the thread ends; then the step is returned.
    let _ = RUNNING.try_with(push);
    step.map_or(Ok(()), Err)
}

/// Returns the loop that is running on this thread; asyncio's `get_running_loop`.
///
/// ```
/// assert!(loopctl::running_loop().is_none());
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// event_loop.run_until_complete(async { assert!(loopctl::running_loop().is_some()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "get_running_loop")]
#[doc(alias = "get_event_loop")]
pub fn running_loop() -> Option<LoopHandle> {
    RUNNING.try_with(|running| running.borrow().clone()).ok().flatten()
}

impl EventLoop {
    /// Creates a loop. `LOOPCTL_DEBUG` selects debug mode; callbacks are slow from 100 ms.
    ///
    /// ```
    /// let event_loop = loopctl::EventLoop::new()?;
    /// assert!(!event_loop.handle().is_running());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the system cannot create a poller, for example because the process is out of descriptors.
    #[doc(alias = "new_event_loop")]
    pub fn new() -> io::Result<Self> {
        Self::with_clock(Clock::System)
    }

    /// Creates a loop with this [`Clock`].
    ///
    /// ```
    /// # use loopctl::{Clock, EventLoop};
    /// let t0 = EventLoop::new()?.handle().time();
    /// let event_loop = EventLoop::with_clock(Clock::Manual(t0))?;
    /// assert_eq!(event_loop.handle().time(), t0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// The same as for [`new`](Self::new).
    pub fn with_clock(clock: Clock) -> io::Result<Self> {
        let clock = LoopClock::from(clock);
        let (reactor, wakeup) = Reactor::new(clock.is_manual())?;
        let core = Rc::new(Core {
            clock,
            ready: RefCell::default(),
            timers: RefCell::default(),
            reactor,
            remote: Remote::new(wakeup),
            diagnostics: Diagnostics::from_environment(),
            handlers: Handlers::default(),
            locals: LoopLocals::default(),
            closing: Closing::default(),
        });
        LOOPS.with_borrow_mut(|loops| {
            loops.retain(|(_, core)| core.strong_count() > 0);
            loops.push((core.remote.id(), Rc::downgrade(&core)));
        });
        Ok(Self { handle: LoopHandle(core) })
    }

    /// Handle with which code on this thread schedules callbacks.
    ///
    /// ```
    /// let event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// drop(event_loop);
    /// assert!(handle.is_closed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn handle(&self) -> LoopHandle {
        self.handle.clone()
    }

    /// Runs until [`stop`](LoopHandle::stop). The current turn is completed; the callbacks that it has scheduled wait for
    /// the next run. A stop before the run limits it to one turn.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// handle.clone().call_soon(move || handle.stop());
    /// event_loop.run_forever()?;
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    ///
    /// # Errors
    /// [`RunError::Nested`] inside a running loop; [`RunError::Io`] when the poller fails.
    pub fn run_forever(&mut self) -> Result<(), RunError> {
        let entered = self.enter()?;
        loop {
            entered.turn(None)?;
            if entered.is_stopping() {
                return Ok(());
            }
        }
    }

    /// Runs until `future` completes and returns its output. A panic of the future propagates.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let task = handle.create_task(async { "done" });
    /// assert_eq!(event_loop.run_until_complete(task)?, Ok("done"));
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    ///
    /// # Errors
    /// [`RunError::Stopped`] if the loop was stopped first; otherwise those of [`run_forever`](Self::run_forever).
    #[track_caller]
    pub fn run_until_complete<T>(
        &mut self,
        future: impl Future<Output = T>,
    ) -> Result<T, RunError> {
        self.handle.diagnostics().set_main_origin(Location::caller());
        let mut future = pin!(future);
        let mut output = Poll::Pending;
        let entered = self.enter()?;
        let main = Arc::new(MainWaker {
            remote: entered.handle().remote(),
            is_queued: AtomicBool::new(true),
        });
        let waker = Waker::from(Arc::clone(&main));
        entered.handle().push(Job::Main);
        while output.is_pending() {
            entered.turn_with(None, &mut || {
                // Before the poll, because a wake during it asks for another one.
                main.is_queued.store(false, Ordering::Release);
                if output.is_pending() {
                    output = catch(|| future.as_mut().poll(&mut Context::from_waker(&waker)))
                        .map_or_else(|payload| Poll::Ready(Err(payload)), |poll| poll.map(Ok));
                }
            })?;
            if entered.is_stopping() {
                break;
            }
        }
        drop(entered);
        match output {
            Poll::Ready(Ok(value)) => Ok(value),
            Poll::Ready(Err(payload)) => std::panic::resume_unwind(payload),
            Poll::Pending => Err(RunError::Stopped),
        }
    }

    /// Marks the loop as running, so that another loop can drive it turn by turn.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// event_loop.handle().call_soon(|| ());
    /// let entered = event_loop.enter()?;
    /// entered.turn(Some(std::time::Duration::ZERO))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RunError::Nested`] inside a running loop.
    pub fn enter(&mut self) -> Result<EnteredLoop<'_>, RunError> {
        EnteredLoop::enter(self)
    }

    /// Closes the loop: drops all tasks, callbacks and timers, removes signal handlers, and shuts down the default
    /// executor without waiting for its threads. Dropping the loop does the same.
    ///
    /// Code that is dropped here may wake tasks and schedule callbacks: they are dropped one after another, never one
    /// inside another. A panic of a destructor is reported to the exception handler, and the rest is dropped.
    ///
    /// ```
    /// let event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// event_loop.close();
    /// assert!(handle.call_soon(|| ()).is_cancelled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn close(self) {
        self.handle.diagnostics().record_close();
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        self.handle.close();
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

/// Waker of the main future. Further wakes before its next poll add nothing to the queue.
struct MainWaker {
    remote: Remote,
    is_queued: AtomicBool,
}

impl Wake for MainWaker {
    fn wake(self: Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::AcqRel) {
            self.remote.schedule_main();
        }
    }
}

impl LoopHandle {
    /// Current time of the loop's clock; asyncio's `time`.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// assert!(event_loop.handle().time() <= event_loop.handle().time());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn time(&self) -> Instant {
        self.0.clock.now()
    }

    /// Runs `call` in the next turn, after the callbacks queued before it; asyncio's `call_soon`.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// handle.call_soon(|| println!("next turn"));
    /// # handle.stop();
    /// # event_loop.run_forever()?;
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    #[track_caller]
    pub fn call_soon<O: CallbackOutput>(&self, call: impl FnOnce() -> O + 'static) -> Handle {
        Handle::queued(QueuedCall::new(self, Location::caller(), call))
    }

    /// Runs `call` after `delay`, never earlier; asyncio's `call_later`.
    ///
    /// A delay that the clock cannot represent means never.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// let never = event_loop.handle().call_later(std::time::Duration::MAX, || ());
    /// never.cancel();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn call_later<O: CallbackOutput>(
        &self,
        delay: Duration,
        call: impl FnOnce() -> O + 'static,
    ) -> TimerHandle {
        self.call_at(deadline(self.time(), delay), call)
    }

    /// Runs `call` at `when`, or in the next turn if `when` has passed; asyncio's `call_at`.
    ///
    /// Calls with equal deadlines run in the order in which they were scheduled.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// let when = handle.time() + Duration::from_millis(1);
    /// let inside = handle.clone();
    /// assert_eq!(handle.call_at(when, move || inside.stop()).when(), when);
    /// event_loop.run_forever()?;
    /// assert!(handle.time() >= when);
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    #[track_caller]
    pub fn call_at<O: CallbackOutput>(
        &self,
        when: Instant,
        call: impl FnOnce() -> O + 'static,
    ) -> TimerHandle {
        let job = TimerCallback::new(Location::caller(), call);
        let key = self.schedule(when, TimerAction::Run(Rc::clone(&job) as Rc<dyn Run>));
        TimerHandle { job, event_loop: self.clone(), key, when }
    }

    /// Ends the run after the current turn; asyncio's `stop`.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// handle.clone().call_soon(move || {
    ///     handle.stop();
    ///     println!("the turn still runs to its end");
    /// });
    /// event_loop.run_forever()?;
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn stop(&self) {
        self.0.remote.stop();
    }

    /// Whether the loop is running.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// assert!(!handle.is_running());
    /// event_loop.run_until_complete(async { assert!(handle.is_running()) })?;
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn is_running(&self) -> bool {
        self.0.remote.is_running()
    }

    /// Whether the loop has been closed.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// assert!(!handle.is_closed());
    /// drop(event_loop);
    /// assert!(handle.is_closed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        self.0.remote.is_closed()
    }

    /// Queues a job. On a closed loop the job is dropped and counts as cancelled.
    pub(crate) fn push(&self, job: Job) {
        self.enqueue(job);
    }

    #[inline]
    fn enqueue(&self, job: Job) -> Ticket {
        let ticket = self.0.ready.borrow_mut().push(job);
        if self.is_closed() {
            self.drop_jobs();
        }
        ticket
    }

    pub(crate) fn schedule(&self, when: Instant, action: TimerAction) -> TimerKey {
        let key = self.0.timers.borrow_mut().insert(when, action);
        if self.is_closed() {
            self.drop_jobs();
        }
        key
    }

    pub(crate) fn cancel_timer(&self, key: TimerKey) {
        let action = self.0.timers.borrow_mut().cancel(key);
        drop(action);
    }

    /// Registers a descriptor with the poller. It must stay open until the registration is dropped.
    pub(crate) fn register(
        &self,
        fd: impl std::os::fd::AsFd,
        interest: Interest,
        source: Rc<dyn Source>,
    ) -> io::Result<Registration> {
        if self.is_closed() {
            return Err(LoopClosed.into());
        }
        Registration::new(self, fd.as_fd(), interest, source)
    }

    fn core(&self) -> &Core {
        &self.0
    }

    fn diagnostics(&self) -> &Diagnostics {
        &self.0.diagnostics
    }
}

impl fmt::Debug for LoopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (running, closed, debug) = (self.is_running(), self.is_closed(), self.debug());
        write!(f, "<EventLoop running={running} closed={closed} debug={debug}>")
    }
}
