//! References to tasks: name, origin, cancellation.

use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::task::Waker;

use super::table::Tasks;
use crate::event_loop::{Describe, JobInfo, JobKind, LoopHandle};

/// Reference to a task without its output, as in the list of [`all_tasks`](LoopHandle::all_tasks).
pub struct TaskRef {
    event_loop: LoopHandle,
    tasks: Rc<Tasks>,
    slot: u32,
}

impl TaskRef {
    /// First reference to a new task.
    pub(super) fn create(
        event_loop: &LoopHandle,
        tasks: &Rc<Tasks>,
        origin: &'static Location<'static>,
    ) -> Self {
        let slot = tasks.insert(origin, event_loop.is_closed());
        Self { event_loop: event_loop.clone(), tasks: Rc::clone(tasks), slot }
    }

    /// Another reference to the task in this slot.
    pub(super) fn new(event_loop: &LoopHandle, tasks: &Rc<Tasks>, slot: u32) -> Self {
        tasks.retain(slot);
        Self { event_loop: event_loop.clone(), tasks: Rc::clone(tasks), slot }
    }

    /// Reference for reports about a step of the task in this slot.
    pub(super) fn of_step(event_loop: &LoopHandle, slot: u32) -> Rc<dyn Describe> {
        Rc::new(Self::new(event_loop, &event_loop.local(), slot))
    }

    pub(super) fn handle(&self) -> &LoopHandle {
        &self.event_loop
    }

    pub(super) fn slot(&self) -> u32 {
        self.slot
    }

    pub(super) fn info(&self) -> JobInfo {
        JobInfo { kind: JobKind::Task, name: self.name(), origin: Some(self.origin()) }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.tasks.with(self.slot, |info| info.is_cancelled)
    }

    /// Returns whether the task was cancelled, and whether its waker is known.
    pub(super) fn begin_step(&self) -> (bool, bool) {
        self.tasks.with(self.slot, |info| (info.is_cancelled, info.has_waker()))
    }

    /// Records that the handle is gone, so a panic has to be reported.
    pub(super) fn detach(&self) {
        self.tasks.with(self.slot, |info| info.is_detached = true);
    }

    pub(super) fn is_detached(&self) -> bool {
        self.tasks.with(self.slot, |info| info.is_detached)
    }

    /// Stores the waker, with which [`cancel`](Self::cancel) wakes the task.
    pub(super) fn set_waker(&self, waker: &Waker) {
        if self.tasks.set_waker(self.slot, waker.clone()) {
            waker.wake_by_ref();
        }
    }

    /// Records that the future is gone.
    pub(super) fn end(&self) {
        self.tasks.end(self.slot);
    }

    /// Runs one step with this task as the current one.
    pub(super) fn run_as_current<T>(&self, step: impl FnOnce() -> T) -> T {
        self.tasks.run_as_current(self.slot, step)
    }

    /// Cancels the task, like [`Task::cancel`](super::Task::cancel).
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let task = handle.create_task(std::future::pending::<()>());
    /// handle.all_tasks().iter().for_each(|task| assert!(task.cancel()));
    /// assert!(event_loop.run_until_complete(task)?.is_err());
    /// assert!(handle.all_tasks().is_empty());
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.tasks.cancel(self.slot)
    }

    /// Name of the task.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let _task = handle.create_task(async {});
    /// let task = &handle.all_tasks()[0];
    /// assert_eq!(task.name(), "Task-1");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn name(&self) -> String {
        self.tasks.with(self.slot, |info| match &info.name {
            Some(name) => name.to_string(),
            None => format!("Task-{}", info.number),
        })
    }

    /// Sets the name of the task for reports.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let _task = handle.create_task(async {});
    /// let task = &handle.all_tasks()[0];
    /// task.set_name("fetch");
    /// assert_eq!(task.name(), "fetch");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        let name = Some(name.into().into_boxed_str());
        self.tasks.with(self.slot, |info| info.name = name);
    }

    /// Line that created the task.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let _task = handle.create_task(async {}); let here = line!();
    /// assert_eq!(handle.all_tasks()[0].origin().line(), here);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn origin(&self) -> &'static Location<'static> {
        self.tasks.with(self.slot, |info| info.origin)
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.info(), f)
    }
}

impl Describe for TaskRef {
    fn describe(&self) -> JobInfo {
        self.info()
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> Self {
        Self::new(&self.event_loop, &self.tasks, self.slot)
    }
}

impl Drop for TaskRef {
    fn drop(&mut self) {
        self.tasks.release(self.slot);
    }
}
