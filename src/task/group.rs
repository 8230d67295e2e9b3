//! Task groups: tasks that end together, as asyncio's `TaskGroup`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::panic::{Location, resume_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::{Deferred, TaskRef};
use crate::BoxError;
use crate::event_loop::{LoopHandle, Payload, catch};

/// Group of tasks that ends when the last of them has ended; asyncio's `TaskGroup`.
///
/// It is given to the body of [`LoopHandle::task_group`]. A clone is another reference to the same group, with which a
/// task adds others.
#[derive(Clone)]
pub struct TaskGroup(Rc<Group>);

struct Group {
    event_loop: LoopHandle,
    /// Tasks that were created, without those that have ended.
    tasks: RefCell<BTreeMap<u64, TaskRef>>,
    created: Cell<u64>,
    state: Cell<GroupState>,
    errors: RefCell<Vec<BoxError>>,
    panicked: Cell<Option<Payload>>,
    /// The future of [`LoopHandle::task_group`].
    waker: Cell<Option<Waker>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GroupState {
    Running,
    /// A task has failed, and the others were cancelled.
    Aborting,
    Ended,
}

/// Output of a task of a group, or of its body: `()`, or a [`Result`], whose error cancels the group.
pub trait GroupOutput {
    /// Type of the value without the error.
    type Value;

    /// Converts the output.
    ///
    /// # Errors
    /// The error that cancels the group.
    fn into_group_result(self) -> Result<Self::Value, BoxError>;
}

impl GroupOutput for () {
    type Value = ();

    fn into_group_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<T, E: Into<BoxError>> GroupOutput for Result<T, E> {
    type Value = T;

    fn into_group_result(self) -> Result<T, BoxError> {
        self.map_err(Into::into)
    }
}

/// Errors of the tasks of a group; asyncio's `ExceptionGroup`.
#[derive(Debug)]
pub struct GroupError {
    errors: Vec<BoxError>,
}

impl GroupError {
    /// The errors, in the order in which the tasks ended.
    pub fn errors(&self) -> &[BoxError] {
        &self.errors
    }

    /// The errors, in the order in which the tasks ended.
    pub fn into_errors(self) -> Vec<BoxError> {
        self.errors
    }
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.len() {
            1 => f.write_str("1 task of the group failed: ")?,
            count => write!(f, "{count} tasks of the group failed: ")?,
        }
        for (nth, error) in self.errors.iter().enumerate() {
            let separator = if nth > 0 { "; " } else { "" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for GroupError {}

impl LoopHandle {
    /// Runs `body` with a task group, and waits for every task of the group; asyncio's `async with TaskGroup()`.
    ///
    /// If a task or the body returns an error, the body is dropped, the other tasks are cancelled, and this returns when
    /// all have ended. A panic does the same, and then propagates. A task that is cancelled by itself is no error. If
    /// this future is dropped, all tasks are cancelled.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let (one, two) = event_loop.run_until_complete(handle.task_group(async |group| {
    ///     let one = group.create_task(async { Ok::<_, std::io::Error>(1) });
    ///     let two = group.create_task(async { "2".parse::<i32>() });
    ///     Ok::<_, loopctl::Cancelled>((one.await?, two.await?))
    /// }))??;
    /// assert_eq!(one + two, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`GroupError`] with every error of a task or the body.
    #[track_caller]
    pub fn task_group<O: GroupOutput>(
        &self,
        body: impl AsyncFnOnce(TaskGroup) -> O,
    ) -> impl Future<Output = Result<O::Value, GroupError>> {
        let group = TaskGroup(Rc::new(Group {
            event_loop: self.clone(),
            tasks: RefCell::default(),
            created: Cell::default(),
            state: Cell::new(GroupState::Running),
            errors: RefCell::default(),
            panicked: Cell::default(),
            waker: Cell::default(),
        }));
        async move {
            let scope = Scope(Rc::clone(&group.0));
            scope.run(body(group)).await
        }
    }
}

/// The future of a group. Dropping it cancels the tasks.
struct Scope(Rc<Group>);

impl Scope {
    async fn run<O: GroupOutput>(
        &self,
        body: impl Future<Output = O>,
    ) -> Result<O::Value, GroupError> {
        let group = &self.0;
        let value = self.run_body(body).await;
        poll_fn(|cx| {
            group.waker.set(Some(cx.waker().clone()));
            if group.tasks.borrow().is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        group.state.set(GroupState::Ended);
        if let Some(payload) = group.panicked.take() {
            resume_unwind(payload);
        }
        match value {
            Some(value) if group.errors.borrow().is_empty() => Ok(value),
            _ => Err(GroupError { errors: group.errors.take() }),
        }
    }

    /// The value of the body; `None` if it failed, or was dropped because a task has failed.
    async fn run_body<O: GroupOutput>(&self, body: impl Future<Output = O>) -> Option<O::Value> {
        let group = &self.0;
        let mut body = pin!(body);
        let output = poll_fn(|cx| {
            group.waker.set(Some(cx.waker().clone()));
            if group.state.get() == GroupState::Aborting {
                return Poll::Ready(None);
            }
            match catch(|| body.as_mut().poll(cx)) {
                Ok(poll) => poll.map(Some),
                Err(payload) => {
                    group.abort_with(payload);
                    Poll::Ready(None)
                }
            }
        });
        match output.await?.into_group_result() {
            Ok(value) => Some(value),
            Err(error) => {
                group.fail(error);
                None
            }
        }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        self.0.state.set(GroupState::Ended);
        self.0.cancel_tasks();
    }
}

impl TaskGroup {
    /// Creates a task of the group; asyncio's `TaskGroup.create_task`.
    ///
    /// Returns its value, which may be awaited, taken after the group has ended
    /// ([`try_result`](Deferred::try_result)), or dropped. Without a value, because of an error, it is cancelled. After
    /// the end of the group no task is created, and the value is cancelled.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let error = event_loop.run_until_complete(handle.task_group(async |group| {
    ///     group.create_task(std::future::pending::<()>());
    ///     group.create_task(async { "x".parse::<i32>() });
    /// }))?.unwrap_err();
    /// assert_eq!(error.to_string(), "1 task of the group failed: invalid digit found in string");
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    #[track_caller]
    pub fn create_task<O>(&self, future: impl Future<Output = O> + 'static) -> Deferred<O::Value>
    where
        O: GroupOutput<Value: 'static> + 'static,
    {
        let group = &self.0;
        let (promise, deferred) = group.event_loop.create_future();
        if group.state.get() == GroupState::Ended {
            promise.cancel("the task group has ended");
            return deferred;
        }
        let number = group.created.get();
        group.created.set(number + 1);
        let member = Member { group: Rc::clone(group), number };
        let run = async move {
            let mut future = pin!(future);
            let output = poll_fn(|cx| match catch(|| future.as_mut().poll(cx)) {
                Ok(poll) => poll.map(Ok),
                Err(payload) => Poll::Ready(Err(payload)),
            });
            match output.await.map(O::into_group_result) {
                Ok(Ok(value)) => promise.set(value),
                Ok(Err(error)) => member.group.fail(error),
                Err(payload) => member.group.abort_with(payload),
            }
        };
        let task = group.event_loop.create_task_at(Location::caller(), run);
        let reference = task.reference.clone();
        group.tasks.borrow_mut().insert(number, reference.clone());
        if task.is_finished() {
            // On a closed loop.
            group.tasks.borrow_mut().remove(&number);
        } else if group.state.get() == GroupState::Aborting {
            reference.cancel();
        }
        deferred
    }

    /// Cancels every task of the group, without an error. The body goes on.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let ended = event_loop.run_until_complete(handle.task_group(async |group| {
    ///     group.create_task(std::future::pending::<()>());
    ///     group.cancel();
    /// }))?;
    /// assert!(ended.is_ok());
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn cancel(&self) {
        self.0.cancel_tasks();
    }

    /// Number of tasks that have not ended.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// event_loop.run_until_complete(handle.task_group(async |group| {
    ///     group.create_task(async {});
    ///     assert_eq!(group.len(), 1);
    /// }))?.unwrap();
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn len(&self) -> usize {
        self.0.tasks.borrow().len()
    }

    /// Whether every task has ended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for TaskGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<TaskGroup tasks={} {:?}>", self.len(), self.0.state.get())
    }
}

impl Group {
    fn fail(&self, error: BoxError) {
        self.errors.borrow_mut().push(error);
        self.abort();
    }

    /// Keeps the first panic, which propagates.
    fn abort_with(&self, payload: Payload) {
        let first = self.panicked.take().unwrap_or(payload);
        self.panicked.set(Some(first));
        self.abort();
    }

    fn abort(&self) {
        if self.state.get() == GroupState::Running {
            self.state.set(GroupState::Aborting);
            self.cancel_tasks();
            self.wake();
        }
    }

    fn cancel_tasks(&self) {
        let tasks: Vec<_> = self.tasks.borrow().values().cloned().collect();
        tasks.iter().for_each(|task| _ = task.cancel());
    }

    fn wake(&self) {
        self.waker.take().into_iter().for_each(Waker::wake);
    }
}

/// Membership of a task, which ends when its future is dropped.
struct Member {
    group: Rc<Group>,
    number: u64,
}

impl Drop for Member {
    fn drop(&mut self) {
        let ended = self.group.tasks.borrow_mut().remove(&self.number);
        drop(ended);
        if self.group.tasks.borrow().is_empty() {
            self.group.wake();
        }
    }
}
