//! Tasks of a loop: the unfinished ones, the current one, and the task factory.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use slab::Slab;

use super::info::TaskInfo;
use crate::event_loop::{Describe, ErrorContext, LoopHandle, LoopLocal};

/// Boxed future for one thread.
pub type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// Function that wraps the futures of new tasks; see [`LoopHandle::set_task_factory`].
pub type TaskFactory = Rc<dyn Fn(&LoopHandle, LocalFuture) -> LocalFuture>;

#[derive(Default)]
pub(crate) struct Tasks {
    alive: RefCell<Slab<Entry>>,
    created: Cell<u64>,
    /// Slot of the task whose step is running.
    current: Cell<Option<usize>>,
    factory: RefCell<Option<TaskFactory>>,
}

struct Entry {
    info: Arc<TaskInfo>,
    waker: Option<Waker>,
}

impl Tasks {
    pub(crate) fn factory(&self) -> Option<TaskFactory> {
        self.factory.borrow().clone()
    }

    pub(crate) fn set_factory(&self, factory: Option<TaskFactory>) {
        let previous = self.factory.replace(factory);
        drop(previous);
    }

    pub(crate) fn current(&self) -> Option<Arc<TaskInfo>> {
        let alive = self.alive.borrow();
        self.current.get().and_then(|slot| alive.get(slot)).map(|entry| Arc::clone(&entry.info))
    }

    /// Unfinished tasks, oldest first.
    pub(crate) fn alive(&self) -> Vec<Arc<TaskInfo>> {
        let mut alive: Vec<_> =
            self.alive.borrow().iter().map(|(_, entry)| Arc::clone(&entry.info)).collect();
        alive.sort_by_key(|info| info.number);
        alive
    }

    pub(crate) fn set_waker(&self, info: &TaskInfo, waker: Waker) {
        if let Some(entry) = self.alive.borrow_mut().get_mut(info.slot) {
            entry.waker = Some(waker);
        }
    }

    /// Marks the task as cancelled and wakes it. Returns `false` if it has ended.
    pub(crate) fn cancel(&self, info: &TaskInfo) -> bool {
        let waker = match self.alive.borrow().get(info.slot) {
            Some(entry) if entry.info.number == info.number => entry.waker.clone(),
            _ => return false,
        };
        info.cancel();
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    fn insert(&self, origin: &'static Location<'static>) -> Arc<TaskInfo> {
        self.created.set(self.created.get() + 1);
        let mut alive = self.alive.borrow_mut();
        let vacancy = alive.vacant_entry();
        let info = TaskInfo::new(self.created.get(), vacancy.key(), origin);
        vacancy.insert(Entry { info: Arc::clone(&info), waker: None });
        info
    }
}

impl LoopLocal for Tasks {
    /// Cancels all tasks; on a closed loop the next step of a task drops its future.
    fn close(&self, event_loop: &LoopHandle) {
        self.set_factory(None);
        for info in self.alive() {
            if event_loop.debug() && !info.is_cancelled() {
                let context = ErrorContext::new("Task was destroyed but it is pending!");
                event_loop.call_exception_handler(context.job(info.describe()));
            }
            self.cancel(&info);
        }
    }

    fn is_idle(&self) -> bool {
        self.alive.borrow().is_empty()
    }
}

/// Entry of a task in the table; the task's future holds it, and dropping it removes the entry.
pub(crate) struct TableEntry {
    event_loop: LoopHandle,
    tasks: Rc<Tasks>,
    info: Arc<TaskInfo>,
}

impl TableEntry {
    pub(crate) fn new(
        event_loop: &LoopHandle,
        tasks: &Rc<Tasks>,
        origin: &'static Location<'static>,
    ) -> Self {
        Self { event_loop: event_loop.clone(), tasks: Rc::clone(tasks), info: tasks.insert(origin) }
    }

    pub(crate) fn handle(&self) -> &LoopHandle {
        &self.event_loop
    }

    pub(crate) fn info(&self) -> &Arc<TaskInfo> {
        &self.info
    }

    /// Runs one step with this task as the current one.
    pub(crate) fn run_as_current<T>(&self, step: impl FnOnce() -> T) -> T {
        let outer = self.tasks.current.replace(Some(self.info.slot));
        let _restore = RestoreCurrent { tasks: &self.tasks, current: outer };
        step()
    }
}

/// Restores the previous current task, even if a [`LoopExit`](crate::LoopExit) unwinds.
struct RestoreCurrent<'a> {
    tasks: &'a Tasks,
    current: Option<usize>,
}

impl Drop for RestoreCurrent<'_> {
    fn drop(&mut self) {
        self.tasks.current.set(self.current);
    }
}

impl Drop for TableEntry {
    fn drop(&mut self) {
        let entry = self.tasks.alive.borrow_mut().try_remove(self.info.slot);
        drop(entry);
    }
}
