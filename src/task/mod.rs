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
use std::marker::PhantomData;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use async_task::{Builder, FallibleTask};
use pin_project_lite::pin_project;

use crate::event_loop::{
    ErrorContext, Job, LoopHandle, PanicError, Payload, Remote, StepOwner, catch,
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

type Running<T> = FallibleTask<Result<T, NoOutput>, StepOwner>;

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
            None => spawn(self, &tasks, origin, future, |output| Some(output)),
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
        let tasks = self.local::<Tasks>();
        Some(TaskRef::new(self, &tasks, tasks.current()?))
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
        let tasks = self.local::<Tasks>();
        tasks.alive().into_iter().map(|slot| TaskRef::new(self, &tasks, slot)).collect()
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
    result: impl Fn(F::Output) -> Option<T> + 'static,
) -> Task<T> {
    let reference = TaskRef::create(event_loop, tasks, origin);
    let remote = event_loop.remote();
    let owner = StepOwner { remote, slot: reference.slot(), reference: TaskRef::of_step };
    let entry = TableEntry::new(reference.clone());
    let future = |_: &StepOwner| Supervised { entry, result, future: Some(future) };
    let (step, running) = Builder::new().metadata(owner).spawn_local(future, Remote::schedule);
    event_loop.push(Job::Step(step));
    Task { running: Some(running.fallible()), reference, of_this_thread: PhantomData }
}

pin_project! {
    /// Future of a task. It ends when the user's future returns, panics or is cancelled, and that one is dropped before
    /// the awaiting task is woken.
    struct Supervised<F, R> {
        entry: TableEntry,
        result: R,
        #[pin]
        future: Option<F>,
    }
}

impl<F: Future, R: Fn(F::Output) -> Option<T>, T> Future for Supervised<F, R> {
    type Output = Result<T, NoOutput>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let task = this.entry.task();
        let (is_cancelled, has_waker) = task.begin_step();
        if is_cancelled {
            return Poll::Ready(end(task, this.future, Err(NoOutput::Cancelled)));
        }
        // Outside of the call, because a panic of the future's destructor must not drop the output.
        let mut output = None;
        let ran = task.run_as_current(|| {
            catch(|| {
                let Some(future) = this.future.as_mut().as_pin_mut() else { return };
                if let Poll::Ready(value) = future.poll(cx) {
                    output = Some(value);
                    this.future.set(None);
                }
            })
        });
        let ended = match (ran, output) {
            (Ok(()), None) => {
                if !has_waker {
                    task.set_waker(cx.waker());
                }
                return Poll::Pending;
            }
            (Ok(()), Some(value)) => (this.result)(value).ok_or(NoOutput::Cancelled),
            (Err(payload), _) => Err(NoOutput::Panicked(payload)),
        };
        Poll::Ready(end(task, this.future, ended))
    }
}

/// Drops the future, if it still exists, and passes on how the task has ended.
fn end<F, T>(
    task: &TaskRef,
    mut future: Pin<&mut Option<F>>,
    mut ended: Result<T, NoOutput>,
) -> Result<T, NoOutput> {
    if future.is_some() {
        // Caught as well, because the future's values may panic when they are dropped.
        let dropped = task.run_as_current(|| catch(|| future.set(None)));
        ended = dropped.map_err(NoOutput::Panicked).and(ended);
    }
    if !task.is_detached() {
        return ended;
    }
    // Dropped here, because async-task aborts the process if an output panics when it is dropped.
    discard(task, ended);
    Err(NoOutput::Cancelled)
}

/// Drops the output of a detached task. A panic, of the task or of the drop, is reported.
fn discard<T>(task: &TaskRef, ended: Result<T, NoOutput>) {
    let payload = match ended {
        Err(NoOutput::Panicked(payload)) => payload,
        ended => match catch(|| drop(ended)) {
            Ok(()) => return,
            Err(payload) => payload,
        },
    };
    report_unretrieved(task, payload);
}

#[cold]
fn report_unretrieved(task: &TaskRef, payload: Payload) {
    let context = ErrorContext::new("Task exception was never retrieved")
        .error(PanicError::from(payload))
        .job(task.info())
        .with("future", task.name());
    task.handle().call_exception_handler(context);
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
            self.reference.detach();
            return running.detach();
        }
        let result = Pin::new(&mut running).poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(Some(ended)) = result {
            discard(&self.reference, ended);
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_finished() { "finished" } else { "pending" };
        write!(f, "<Task {state} name={:?}>", self.name())
    }
}
