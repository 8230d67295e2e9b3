//! What the loop runs: one callback, one task step, one piece of readiness at a time.

use std::any::type_name;
use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::LoopHandle;
use super::errors::{PanicError, Payload, catch};
use super::remote::Posted;
use crate::BoxError;
use crate::plan::TimerKey;

/// One entry of the ready queue.
pub(crate) enum Job {
    Call(Rc<dyn Run>),
    Posted(Arc<dyn Posted>),
    Step(Step),
    /// The future given to `run_until_complete`.
    Main,
}

/// One step of a task. The kernel only runs it; the task room gives it its meaning.
pub(crate) type Step = async_task::Runnable<Arc<dyn Describe>>;

/// Says what a step belongs to, for reports.
pub(crate) trait Describe: Send + Sync {
    fn describe(&self) -> JobInfo;
}

/// Something to step on the loop's thread.
pub(crate) trait Run {
    fn run(self: Rc<Self>) -> Result<(), BoxError>;
    fn info(&self) -> JobInfo;
    fn cancel(&self);
    fn is_cancelled(&self) -> bool;
}

/// What a callback may return: nothing, or a `Result` whose error goes to the exception handler.
///
/// ```
/// # let event_loop = loopctl::EventLoop::new()?;
/// let handle = event_loop.handle();
/// handle.call_soon(|| ());
/// handle.call_soon(|| std::fs::remove_file("/no/such/file"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait CallbackOutput {
    /// The error, if there is one.
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

/// What kind of thing a job is.
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

/// Which job, and the source line that scheduled it.
#[derive(Debug, Clone)]
pub struct JobInfo {
    /// What kind of thing it is.
    pub kind: JobKind,
    /// What it is called: a task's name, or the type of a callback. Never what it captured.
    pub name: String,
    /// Where it was scheduled or created; kept always, debug mode or not.
    pub origin: Option<&'static Location<'static>>,
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

/// A callback that has been scheduled, in one allocation.
pub(crate) struct Callback<F> {
    call: Cell<Option<F>>,
    cancelled: Cell<bool>,
    kind: JobKind,
    origin: &'static Location<'static>,
}

impl<F> Callback<F> {
    pub(crate) fn new(kind: JobKind, origin: &'static Location<'static>, call: F) -> Rc<Self> {
        Rc::new(Self { call: Cell::new(Some(call)), cancelled: Cell::new(false), kind, origin })
    }
}

impl<F: FnOnce() -> O, O: CallbackOutput> Run for Callback<F> {
    fn run(self: Rc<Self>) -> Result<(), BoxError> {
        self.call.take().map_or(Ok(()), |call| call().into_result())
    }

    fn info(&self) -> JobInfo {
        JobInfo { kind: self.kind, name: short_type_name::<F>(), origin: Some(self.origin) }
    }

    /// Frees the callback and its captures now, not when its turn would have come.
    fn cancel(&self) {
        self.cancelled.set(true);
        drop(self.call.take());
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }
}

/// `app::main::{{closure}}` without generic arguments, which can fill a screen.
pub(crate) fn short_type_name<F>() -> String {
    let full = type_name::<F>();
    full.split_once('<').map_or(full, |(name, _)| name).to_owned()
}

impl Job {
    /// Runs the job. A panic is a failure like any other, so that the loop lives.
    pub(crate) fn run(self, main: &mut dyn FnMut()) -> Result<(), Box<Failure>> {
        match self {
            Self::Call(call) => outcome(catch(|| Rc::clone(&call).run()), || call.info()),
            Self::Posted(call) => outcome(catch(|| call.run()), || call.info()),
            Self::Step(step) => {
                step.run();
                Ok(())
            }
            Self::Main => {
                main();
                Ok(())
            }
        }
    }

    /// On a closed loop: drops the job instead of running it, and what its callback captured, whoever holds a
    /// handle. A task's step drops its future there, behind the net that catches what this throws.
    pub(crate) fn discard(self) {
        match self {
            Self::Call(call) => call.cancel(),
            Self::Posted(call) => drop(call.cancel()),
            Self::Step(step) => drop(step.run()),
            Self::Main => {}
        }
    }

    /// What can still name the job once it has run.
    pub(crate) fn label(&self) -> Label {
        match self {
            Self::Call(call) => Label::Call(Rc::clone(call)),
            Self::Posted(call) => Label::Posted(Arc::clone(call)),
            Self::Step(step) => Label::Step(Arc::clone(step.metadata())),
            Self::Main => Label::Main,
        }
    }
}

/// A job that failed, and how.
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

/// A cheap reference to what a job is, turned into words only when someone reads them.
#[derive(Clone)]
pub(crate) enum Label {
    Call(Rc<dyn Run>),
    Posted(Arc<dyn Posted>),
    Step(Arc<dyn Describe>),
    Main,
}

impl Label {
    pub(crate) fn info(&self) -> JobInfo {
        match self {
            Self::Call(call) => call.info(),
            Self::Posted(call) => call.info(),
            Self::Step(task) => task.describe(),
            Self::Main => JobInfo { kind: JobKind::Task, name: "main".to_owned(), origin: None },
        }
    }
}

/// A scheduled callback, which can be cancelled: asyncio's `Handle`.
///
/// Dropping a handle does not cancel its callback.
///
/// ```
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// let handle = event_loop.handle();
/// let callback = handle.call_soon(|| println!("never printed: cancelled before its turn"));
/// callback.cancel();
/// assert!(callback.is_cancelled());
/// # handle.stop();
/// # event_loop.run_forever()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Handle(pub(crate) Rc<dyn Run>);

impl Handle {
    /// Prevents the call, if it has not begun, and frees what the callback captured. Harmless twice.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether [`cancel`](Self::cancel) was called, or the loop was closed before the callback could run.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_cancelled() {
            return f.write_str("<Handle cancelled>");
        }
        fmt::Display::fmt(&self.0.info(), f)
    }
}

/// A callback scheduled for an instant, which can be cancelled: asyncio's `TimerHandle`.
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
    /// Prevents the call, if it has not begun, and frees what the callback captured. Harmless twice.
    pub fn cancel(&self) {
        self.job.cancel();
        self.event_loop.cancel_timer(self.key);
    }

    /// Whether [`cancel`](Self::cancel) was called, or the loop was closed before the callback could run.
    pub fn is_cancelled(&self) -> bool {
        self.job.is_cancelled()
    }

    /// The deadline, also after the call or a cancellation.
    pub fn when(&self) -> Instant {
        self.when
    }
}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_cancelled() {
            write!(f, "<TimerHandle cancelled when={:?}>", self.when)
        } else {
            write!(f, "<TimerHandle when={:?} {}>", self.when, self.job.info())
        }
    }
}
