//! Jobs: the entries of the ready queue, run one at a time.
//!
//! | job | trait | implemented by | held by |
//! |---|---|---|---|
//! | `Call` | none | callbacks of `call_soon`, stored in the queue | [`Handle`] |
//! | `Run` | [`Run`] | timers, readers and writers, signal handlers, transports | [`Handle`], [`TimerHandle`] |
//! | `ThreadsafeCall` | [`RunThreadsafe`] | callbacks from other threads | [`RemoteHandle`](super::RemoteHandle) |
//! | `Step` | none | async-task; [`StepOwner`] names its task in reports | [`Task`](crate::Task) |
//! | `Main` | none | the future of `run_until_complete` | the run |

use std::any::type_name;
use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::LoopHandle;
use super::panic::{PanicError, Payload, catch};
use super::ready::{Call, CallDescription, QueuedCall};
use super::remote::Remote;
use crate::BoxError;
use crate::plan::TimerKey;

/// Entry of the ready queue.
pub(crate) enum Job {
    Call(Call),
    Run(Rc<dyn Run>),
    ThreadsafeCall(Arc<dyn RunThreadsafe>),
    Step(Step),
    /// A callback that was cancelled; its place in the queue stays.
    Cancelled,
    /// The future given to `run_until_complete`.
    Main,
}

/// Step of a task: one poll of its future. The loop only runs it; `task` schedules it.
pub(crate) type Step = async_task::Runnable<StepOwner>;

/// Task of a step: the loop on which it runs, and its description for reports.
pub(crate) struct StepOwner {
    pub(crate) remote: Remote,
    pub(crate) slot: u32,
    /// Reference that can still describe the task in this slot after it has ended.
    pub(crate) reference: fn(&LoopHandle, u32) -> Rc<dyn Describe>,
}

/// Description of the task of a step, for reports.
pub(crate) trait Describe {
    fn describe(&self) -> JobInfo;
}

/// Callback that stays on the loop's thread; transports and watchers may run many times.
pub(crate) trait Run {
    fn run(self: Rc<Self>) -> Result<(), BoxError>;
    /// Part of the description that the run may end, such as the type of a protocol; asked before the run.
    fn subject(&self) -> Option<&'static str> {
        None
    }
    /// Description, with the subject before the run.
    fn info(&self, subject: Option<&'static str>) -> JobInfo;
    fn cancel(&self);
    fn is_cancelled(&self) -> bool;
}

/// Callback from another thread, which runs on the loop's thread.
pub(crate) trait RunThreadsafe: Send + Sync {
    fn run(&self) -> Result<(), BoxError>;
    fn cancel(&self) -> bool;
    fn is_cancelled(&self) -> bool;
    fn info(&self) -> JobInfo;
}

/// Return type of a callback: `()`, or a `Result` whose error goes to the exception handler.
///
/// ```
/// # let event_loop = loopctl::EventLoop::new()?;
/// let handle = event_loop.handle();
/// handle.call_soon(|| ());
/// handle.call_soon(|| std::fs::remove_file("/no/such/file"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait CallbackOutput {
    /// Converts the return value into a `Result`.
    fn into_result(self) -> Result<(), BoxError>;
}

impl CallbackOutput for () {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> CallbackOutput for Result<(), E> {
    fn into_result(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// Kind of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobKind {
    /// `call_soon`, `call_soon_threadsafe`.
    Call,
    /// `call_later`, `call_at`.
    Timer,
    /// A step of a task, or of the future given to `run_until_complete`.
    Task,
    /// A reader, a writer or a transport.
    Io,
    /// A signal handler.
    Signal,
}

/// Description of a job, with the source line that scheduled it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobInfo {
    /// Kind of the job.
    pub kind: JobKind,
    /// Name of the task, or type of the callback. Captured values never appear in it.
    pub name: String,
    /// Line that scheduled or created the job; recorded with and without debug mode.
    pub origin: Option<&'static Location<'static>>,
}

impl JobInfo {
    /// Job without an origin.
    pub fn new(kind: JobKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), origin: None }
    }
}

impl fmt::Display for JobInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = match self.kind {
            JobKind::Timer => "TimerHandle",
            JobKind::Task => "Task",
            _ => "Handle",
        };
        write!(f, "<{class} {}", self.name)?;
        match self.origin {
            Some(origin) => write!(f, " at {}:{}>", origin.file(), origin.line()),
            None => f.write_str(">"),
        }
    }
}

/// Callback of a timer, in one allocation.
pub(crate) struct TimerCallback<F> {
    call: Cell<Option<F>>,
    cancelled: Cell<bool>,
    origin: &'static Location<'static>,
}

impl<F> TimerCallback<F> {
    pub(crate) fn new(origin: &'static Location<'static>, call: F) -> Rc<Self> {
        Rc::new(Self { call: Cell::new(Some(call)), cancelled: Cell::new(false), origin })
    }
}

impl<F: FnOnce() -> O, O: CallbackOutput> Run for TimerCallback<F> {
    fn run(self: Rc<Self>) -> Result<(), BoxError> {
        self.call.take().map_or(Ok(()), |call| call().into_result())
    }

    fn info(&self, _: Option<&'static str>) -> JobInfo {
        JobInfo {
            kind: JobKind::Timer,
            name: short_type_name::<F>().to_owned(),
            origin: Some(self.origin),
        }
    }

    /// Frees the callback and its captures now rather than when it would have run.
    fn cancel(&self) {
        self.cancelled.set(true);
        drop(self.call.take());
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }
}

/// Type name such as `app::main::{{closure}}`, without generic arguments, because these can fill a screen.
pub(crate) fn short_type_name<F>() -> &'static str {
    let full = type_name::<F>();
    full.split_once('<').map_or(full, |(name, _)| name)
}

impl Job {
    /// Runs the job. A panic becomes a failure, so that the loop survives it.
    pub(crate) fn run(self, main: &mut dyn FnMut()) -> Result<(), Box<Failure>> {
        match self {
            Self::Call(mut call) => outcome(catch(|| call.run()), || call.description().info()),
            Self::Run(call) => {
                outcome(catch(|| Rc::clone(&call).run()), || call.info(call.subject()))
            }
            Self::ThreadsafeCall(call) => outcome(catch(|| call.run()), || call.info()),
            Self::Step(step) => {
                step.run();
                Ok(())
            }
            Self::Cancelled => Ok(()),
            Self::Main => {
                main();
                Ok(())
            }
        }
    }

    /// Drops the job on a closed loop, with the captures of its callback, even if a handle still exists. A task's
    /// step drops its future, and its panic is caught there.
    pub(crate) fn discard(self) {
        match self {
            Self::Call(call) => drop(call),
            Self::Run(call) => call.cancel(),
            Self::ThreadsafeCall(call) => drop(call.cancel()),
            Self::Step(step) => drop(step.run()),
            Self::Cancelled | Self::Main => {}
        }
    }

    /// Reference that can still describe the job after it has run.
    ///
    /// Returns `None` for a callback that was cancelled.
    pub(crate) fn label(&self, event_loop: &LoopHandle) -> Option<Label> {
        Some(match self {
            Self::Call(call) => Label::Call(call.description()),
            Self::Run(call) => Label::Run(Rc::clone(call), call.subject()),
            Self::ThreadsafeCall(call) => Label::ThreadsafeCall(Arc::clone(call)),
            Self::Step(step) => {
                let owner = step.metadata();
                Label::Step((owner.reference)(event_loop, owner.slot))
            }
            Self::Cancelled => return None,
            Self::Main => Label::Main(event_loop.diagnostics().main_origin()),
        })
    }
}

/// Failed job and its error.
pub(crate) struct Failure {
    pub(crate) error: BoxError,
    pub(crate) job: JobInfo,
}

fn outcome(
    ran: Result<Result<(), BoxError>, Payload>,
    job: impl FnOnce() -> JobInfo,
) -> Result<(), Box<Failure>> {
    let result = ran.unwrap_or_else(|payload| Err(PanicError::from(payload).into()));
    result.map_err(|error| Box::new(Failure { error, job: job() }))
}

/// Cheap reference to a job, which is formatted only for a report.
#[derive(Clone)]
pub(crate) enum Label {
    Call(CallDescription),
    Run(Rc<dyn Run>, Option<&'static str>),
    ThreadsafeCall(Arc<dyn RunThreadsafe>),
    Step(Rc<dyn Describe>),
    Main(&'static Location<'static>),
}

impl Label {
    pub(crate) fn info(&self) -> JobInfo {
        match self {
            Self::Call(call) => call.info(),
            Self::Run(call, subject) => call.info(*subject),
            Self::ThreadsafeCall(call) => call.info(),
            Self::Step(task) => task.describe(),
            Self::Main(origin) => {
                JobInfo { kind: JobKind::Task, name: "main".to_owned(), origin: Some(origin) }
            }
        }
    }
}

/// Handle of a scheduled callback: asyncio's `Handle`.
///
/// Dropping a handle does not cancel its callback.
///
/// ```
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// let handle = event_loop.handle();
/// let callback = handle.call_soon(|| println!("never printed"));
/// callback.cancel();
/// assert!(callback.is_cancelled());
/// # handle.stop();
/// # event_loop.run_forever()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Handle(Scheduled);

#[derive(Clone)]
enum Scheduled {
    Once(QueuedCall),
    Often(Rc<dyn Run>),
}

impl Handle {
    pub(crate) fn queued(call: QueuedCall) -> Self {
        Self(Scheduled::Once(call))
    }

    pub(crate) fn watcher(watcher: Rc<dyn Run>) -> Self {
        Self(Scheduled::Often(watcher))
    }

    /// Cancels the call if it has not begun, and frees the callback's captures. Has no effect the second time.
    pub fn cancel(&self) {
        match &self.0 {
            Scheduled::Once(call) => call.cancel(),
            Scheduled::Often(watcher) => watcher.cancel(),
        }
    }

    /// Whether [`cancel`](Self::cancel) was called, or the loop was closed before the callback could run.
    pub fn is_cancelled(&self) -> bool {
        match &self.0 {
            Scheduled::Once(call) => call.is_cancelled(),
            Scheduled::Often(watcher) => watcher.is_cancelled(),
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_cancelled() {
            return f.write_str("<Handle cancelled>");
        }
        let info = match &self.0 {
            Scheduled::Once(call) => call.info(),
            Scheduled::Often(watcher) => watcher.info(None),
        };
        fmt::Display::fmt(&info, f)
    }
}

/// Handle of a callback scheduled for an instant: asyncio's `TimerHandle`.
///
/// ```
/// # let event_loop = loopctl::EventLoop::new()?;
/// let handle = event_loop.handle();
/// let timer = handle.call_later(std::time::Duration::from_secs(5), || ());
/// assert!(timer.when() > handle.time());
/// timer.cancel();
/// assert!(timer.is_cancelled());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct TimerHandle {
    pub(crate) job: Rc<dyn Run>,
    pub(crate) event_loop: LoopHandle,
    pub(crate) key: TimerKey,
    pub(crate) when: Instant,
}

impl TimerHandle {
    /// Cancels the call if it has not begun, and frees the callback's captures. Has no effect the second time.
    pub fn cancel(&self) {
        self.job.cancel();
        self.event_loop.cancel_timer(self.key);
    }

    /// Whether [`cancel`](Self::cancel) was called, or the loop was closed before the callback could run.
    pub fn is_cancelled(&self) -> bool {
        self.job.is_cancelled()
    }

    /// Deadline; it stays the same after the call or a cancellation.
    pub fn when(&self) -> Instant {
        self.when
    }
}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_cancelled() {
            write!(f, "<TimerHandle cancelled when={:?}>", self.when)
        } else {
            write!(f, "<TimerHandle when={:?} {}>", self.when, self.job.info(None))
        }
    }
}
