//! Layer 2: tasks, futures, sleeps and the executor. A step of a task is a job of the loop.

mod asyncgen;
mod cancel_on_drop;
mod executor;
mod group;
mod info;
mod promise;
mod runner;
mod sleep;
mod table;
mod yield_now;

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::panic::{Location, resume_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_task::{Builder, FallibleTask};

use crate::event_loop::{
    Describe, ErrorContext, Job, LoopHandle, PanicError, Payload, Step, catch,
};

pub use asyncgen::{AsyncGenerator, TrackedGenerator};
pub use cancel_on_drop::CancelOnDrop;
pub use executor::Executor;
pub use group::{GroupError, GroupOutput, TaskGroup};
pub use info::TaskRef;
pub use promise::{Cancelled, Deferred, Promise};
pub use runner::run;
pub use sleep::{Elapsed, Sleep};

pub(crate) use sleep::Alarm;
pub use table::{LocalFuture, TaskFactory};
pub(crate) use yield_now::yield_now;

use info::TaskInfo;
use table::{TableEntry, Tasks};

/// Future that the loop runs on its own queue: asyncio's `Task`.
///
/// Awaiting it returns the output of the future, or [`Cancelled`]. A panic of the future propagates to the awaiting
/// task, or else goes to the exception handler ("Task exception was never retrieved"). Dropping the handle does not
/// cancel the task.
///
/// A task is an ordinary future. For asyncio's `gather`, `wait` and `as_completed`, use `join_all`, `try_join_all`,
/// `select` and `FuturesUnordered` of futures-util, or those of another library.
#[doc(alias = "gather")]
#[doc(alias = "wait")]
#[doc(alias = "as_completed")]
#[doc(alias = "shield")]
#[doc(alias = "ensure_future")]
pub struct Task<T> {
    /// `None` only while the handle is being dropped.
    running: Option<Running<T>>,
    reference: TaskRef,
    of_this_thread: PhantomData<Rc<()>>,
}

type Running<T> = FallibleTask<Result<T, NoOutput>, Arc<dyn Describe>>;

/// End of a task without an output.
enum NoOutput {
    Cancelled,
    Panicked(Payload),
}

impl LoopHandle {
    /// Runs `future` as a task, with its first step in the next turn; asyncio's `create_task`.
    ///
    /// On a closed loop the future is dropped and the task is cancelled.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// let task = handle.create_task(async { 6 * 7 });
    /// assert_eq!(task.name(), "Task-1");
    /// assert_eq!(event_loop.run_until_complete(task)?, Ok(42));
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    #[track_caller]
    pub fn create_task<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Task<T> {
        self.create_task_at(Location::caller(), future)
    }

    /// Creates a task for a caller of the library, whose line reports name.
    pub(crate) fn create_task_at<T: 'static>(
        &self,
        origin: &'static Location<'static>,
        future: impl Future<Output = T> + 'static,
    ) -> Task<T> {
        let tasks = self.local::<Tasks>();
        match tasks.factory() {
            None => spawn(self, &tasks, origin, future, Some),
            Some(factory) => spawn(self, &tasks, origin, wrap(&factory, self, future), |it| it),
        }
    }

    /// Task whose step is running now; asyncio's `current_task`.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let inside = handle.clone();
    /// let task = handle.create_task(async move { inside.current_task().map(|task| task.name()) });
    /// assert_eq!(event_loop.run_until_complete(task)?, Ok(Some("Task-1".to_owned())));
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn current_task(&self) -> Option<TaskRef> {
        let info = self.local::<Tasks>().current()?;
        Some(TaskRef::new(self, info))
    }

    /// Unfinished tasks, oldest first; asyncio's `all_tasks`.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let _task = handle.create_task(std::future::pending::<()>());
    /// let names: Vec<_> = handle.all_tasks().iter().map(|task| task.name()).collect();
    /// assert_eq!(names, ["Task-1"]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn all_tasks(&self) -> Vec<TaskRef> {
        let alive = self.local::<Tasks>().alive();
        alive.into_iter().map(|info| TaskRef::new(self, info)).collect()
    }

    /// Sets a function that wraps the future of every new task; asyncio's `set_task_factory`. `None` removes it.
    ///
    /// A factory that drops its future cancels the task.
    ///
    /// ```
    /// # use std::rc::Rc;
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// handle.set_task_factory(Some(Rc::new(|_, future| Box::pin(async move {
    ///     println!("begins");
    ///     future.await;
    ///     println!("ends");
    /// }))));
    /// let task = handle.create_task(async { "result" });
    /// assert_eq!(event_loop.run_until_complete(task)?, Ok("result"));
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn set_task_factory(&self, factory: Option<TaskFactory>) {
        self.local::<Tasks>().set_factory(factory);
    }

    /// Current factory; asyncio's `get_task_factory`.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// assert!(handle.task_factory().is_none());
    /// handle.set_task_factory(Some(std::rc::Rc::new(|_, future| future)));
    /// assert!(handle.task_factory().is_some());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "get_task_factory")]
    pub fn task_factory(&self) -> Option<TaskFactory> {
        self.local::<Tasks>().factory()
    }
}

/// Wraps a future by the factory. The output bypasses the factory, whose futures have none.
fn wrap<T: 'static>(
    factory: &TaskFactory,
    event_loop: &LoopHandle,
    future: impl Future<Output = T> + 'static,
) -> impl Future<Output = Option<T>> + 'static {
    let result = Rc::new(Cell::new(None));
    let slot = Rc::clone(&result);
    let wrapped = factory(event_loop, Box::pin(async move { slot.set(Some(future.await)) }));
    async move {
        wrapped.await;
        result.take()
    }
}

/// Starts a task. `result` returns `None` if a factory cancelled the future.
fn spawn<F: Future + 'static, T: 'static>(
    event_loop: &LoopHandle,
    tasks: &Rc<Tasks>,
    origin: &'static Location<'static>,
    future: F,
    result: fn(F::Output) -> Option<T>,
) -> Task<T> {
    let entry = TableEntry::new(event_loop, tasks, origin);
    let reference = TaskRef::new(event_loop, Arc::clone(entry.info()));
    let described = Arc::clone(entry.info()) as Arc<dyn Describe>;
    let remote = event_loop.remote();
    let (step, running) = Builder::new().metadata(described).spawn_local(
        move |_| supervise(entry, future, result),
        move |step: Step| remote.schedule(step),
    );
    tasks.set_waker(reference.info(), step.waker());
    event_loop.push(Job::Step(step));
    Task { running: Some(running.fallible()), reference, of_this_thread: PhantomData }
}

/// Polls the future until it returns, panics or is cancelled, and drops it before the awaiting task is woken.
async fn supervise<F: Future, T>(
    entry: TableEntry,
    future: F,
    result: fn(F::Output) -> Option<T>,
) -> Result<T, NoOutput> {
    let mut future = pin!(Some(future));
    let ended = poll_fn(|cx| {
        let Some(future) = future.as_mut().as_pin_mut() else { return Poll::Pending };
        if entry.info().is_cancelled() || entry.handle().is_closed() {
            return Poll::Ready(Err(NoOutput::Cancelled));
        }
        let polled = entry.run_as_current(|| catch(|| future.poll(cx)));
        match polled {
            Ok(poll) => poll.map(|output| result(output).ok_or(NoOutput::Cancelled)),
            Err(payload) => Poll::Ready(Err(NoOutput::Panicked(payload))),
        }
    })
    .await;
    // Caught as well, because the future's values may panic when they are dropped.
    let dropped = entry.run_as_current(|| catch(|| future.set(None)));
    let ended = dropped.map_err(NoOutput::Panicked).and(ended);
    if !entry.info().is_detached() {
        return ended;
    }
    // Dropped here, because async-task aborts the process if an output panics when it is dropped.
    discard(entry.handle(), entry.info(), ended);
    Err(NoOutput::Cancelled)
}

/// Drops the output of a detached task. A panic, of the task or of the drop, is reported.
fn discard<T>(event_loop: &LoopHandle, info: &TaskInfo, ended: Result<T, NoOutput>) {
    let payload = match ended {
        Err(NoOutput::Panicked(payload)) => payload,
        ended => match catch(|| drop(ended)) {
            Ok(()) => return,
            Err(payload) => payload,
        },
    };
    report_unretrieved(event_loop, info, payload);
}

fn report_unretrieved(event_loop: &LoopHandle, info: &TaskInfo, payload: Payload) {
    let context = ErrorContext::new("Task exception was never retrieved")
        .error(PanicError::from(payload))
        .job(info.describe())
        .with("future", info.name());
    event_loop.call_exception_handler(context);
}

impl<T> Task<T> {
    /// Cancels the task: its next step drops the future. Returns `false` if it has already ended.
    ///
    /// Unlike a coroutine of asyncio, a Rust future cannot refuse: it is dropped at its current `await`.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let task = handle.create_task(std::future::pending::<()>());
    /// assert!(task.cancel());
    /// assert!(event_loop.run_until_complete(task)?.is_err());
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn cancel(&self) -> bool {
        !self.is_finished() && self.reference.cancel()
    }

    /// Whether the task has returned, panicked or been cancelled.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let task = handle.create_task(async {});
    /// assert!(!task.is_finished(), "its first step runs in the next turn");
    /// event_loop.run_until_complete(handle.sleep(std::time::Duration::ZERO))?;
    /// assert!(task.is_finished());
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    #[doc(alias = "done")]
    pub fn is_finished(&self) -> bool {
        self.running.as_ref().is_none_or(FallibleTask::is_finished)
    }

    /// Name of the task: `Task-1` and so on, unless [`set_name`](Self::set_name) changed it.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let task = handle.create_task(async {});
    /// assert_eq!(task.name(), "Task-1");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "get_name")]
    pub fn name(&self) -> String {
        self.reference.name()
    }

    /// Sets the name of the task for reports.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let task = handle.create_task(async {});
    /// task.set_name("fetch");
    /// assert_eq!(task.name(), "fetch");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.reference.set_name(name);
    }
}

impl<T: 'static> Task<T> {
    /// Cancels the task when the returned handle is dropped, instead of detaching it.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let task = handle.create_task(async { 42 }).cancel_on_drop();
    /// assert_eq!(event_loop.run_until_complete(task)?, Ok(42));
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn cancel_on_drop(self) -> CancelOnDrop<Self> {
        CancelOnDrop::new(self, Self::cancel)
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, Cancelled>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(running) = &mut self.running else { return Poll::Ready(Err(Cancelled::new())) };
        match std::task::ready!(Pin::new(running).poll(cx)) {
            Some(Ok(value)) => Poll::Ready(Ok(value)),
            Some(Err(NoOutput::Panicked(payload))) => resume_unwind(payload),
            Some(Err(NoOutput::Cancelled)) | None => Poll::Ready(Err(Cancelled::new())),
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        if !running.is_finished() {
            self.reference.info().detach();
            return running.detach();
        }
        let result = Pin::new(&mut running).poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(Some(ended)) = result {
            discard(self.reference.handle(), self.reference.info(), ended);
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_finished() { "finished" } else { "pending" };
        write!(f, "<Task {state} name={:?}>", self.name())
    }
}
