//! Name, origin and state of a task, apart from its future.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::table::Tasks;
use crate::event_loop::{Describe, JobInfo, JobKind, LoopHandle};

/// Data that the task shares with its steps, which other threads may hold.
#[derive(Debug)]
pub(crate) struct TaskInfo {
    pub(crate) number: u64,
    pub(crate) slot: usize,
    origin: &'static Location<'static>,
    name: Mutex<Option<String>>,
    cancelled: AtomicBool,
    detached: AtomicBool,
}

impl TaskInfo {
    pub(crate) fn new(number: u64, slot: usize, origin: &'static Location<'static>) -> Arc<Self> {
        Arc::new(Self {
            number,
            slot,
            origin,
            name: Mutex::new(None),
            cancelled: AtomicBool::new(false),
            detached: AtomicBool::new(false),
        })
    }

    pub(crate) fn name(&self) -> String {
        let name = self.name.lock().unwrap_or_else(PoisonError::into_inner);
        name.clone().unwrap_or_else(|| format!("Task-{}", self.number))
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Records that the handle is gone, so a panic has to be reported.
    pub(crate) fn detach(&self) {
        self.detached.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_detached(&self) -> bool {
        self.detached.load(Ordering::Relaxed)
    }
}

impl Describe for TaskInfo {
    fn describe(&self) -> JobInfo {
        JobInfo { kind: JobKind::Task, name: self.name(), origin: Some(self.origin) }
    }
}

/// Reference to a task without its output, as in the list of [`all_tasks`](LoopHandle::all_tasks).
#[derive(Clone)]
pub struct TaskRef {
    event_loop: LoopHandle,
    info: Arc<TaskInfo>,
}

impl TaskRef {
    pub(crate) fn new(event_loop: &LoopHandle, info: Arc<TaskInfo>) -> Self {
        Self { event_loop: event_loop.clone(), info }
    }

    pub(crate) fn handle(&self) -> &LoopHandle {
        &self.event_loop
    }

    pub(crate) fn info(&self) -> &TaskInfo {
        &self.info
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
        self.event_loop.local::<Tasks>().cancel(&self.info)
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
        self.info.name()
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
        *self.info.name.lock().unwrap_or_else(PoisonError::into_inner) = Some(name.into());
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
        self.info.origin
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.info.describe(), f)
    }
}
