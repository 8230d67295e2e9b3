//! Tasks of a loop: the unfinished ones, the current one, and the task factory.
//!
//! A task is one allocation, made by async-task. Its name, origin and state are in a slot of this table, which stays
//! until the last reference to the task is dropped.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Waker;

use slab::Slab;

use super::info::TaskRef;
use crate::event_loop::{ErrorContext, LoopHandle, LoopLocal};

/// Boxed future for one thread.
pub type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// Function that wraps the futures of new tasks; see [`LoopHandle::set_task_factory`].
pub type TaskFactory = Rc<dyn Fn(&LoopHandle, LocalFuture) -> LocalFuture>;

#[derive(Default)]
pub(crate) struct Tasks {
    slots: RefCell<Slab<TaskInfo>>,
    created: Cell<u64>,
    /// Slot of the task whose step is running.
    current: Cell<Option<u32>>,
    factory: RefCell<Option<TaskFactory>>,
}

/// Name, origin and state of a task, apart from its future.
pub(super) struct TaskInfo {
    pub(super) number: u64,
    pub(super) origin: &'static Location<'static>,
    /// Name that was set; otherwise it is made from the number.
    pub(super) name: Option<Box<str>>,
    /// Waker of the task, known from its first step that did not complete. Until then a step is queued.
    waker: Option<Waker>,
    /// References to this slot; one of them is the task itself.
    references: u32,
    /// Whether the future exists.
    is_alive: bool,
    pub(super) is_cancelled: bool,
    /// Whether the handle is gone, so that a panic has to be reported.
    pub(super) is_detached: bool,
}

impl TaskInfo {
    pub(super) fn has_waker(&self) -> bool {
        self.waker.is_some()
    }
}

impl Tasks {
    pub(crate) fn factory(&self) -> Option<TaskFactory> {
        self.factory.borrow().clone()
    }

    pub(crate) fn set_factory(&self, factory: Option<TaskFactory>) {
        let previous = self.factory.replace(factory);
        drop(previous);
    }

    pub(super) fn current(&self) -> Option<u32> {
        self.current.get()
    }

    /// Slots of the unfinished tasks, oldest first.
    pub(super) fn alive(&self) -> Vec<u32> {
        let slots = self.slots.borrow();
        let mut alive: Vec<_> = slots.iter().filter(|(_, info)| info.is_alive).collect();
        alive.sort_by_key(|(_, info)| info.number);
        alive.into_iter().map(|(slot, _)| slot as u32).collect()
    }

    /// Adds a task with one reference. A task of a closed loop is cancelled from the start.
    pub(super) fn insert(&self, origin: &'static Location<'static>, is_cancelled: bool) -> u32 {
        let number = self.created.get() + 1;
        self.created.set(number);
        let info = TaskInfo {
            number,
            origin,
            name: None,
            waker: None,
            references: 1,
            is_alive: true,
            is_cancelled,
            is_detached: false,
        };
        // Fits, because 2³² tasks need more than 200 GB.
        self.slots.borrow_mut().insert(info) as u32
    }

    pub(super) fn with<T>(&self, slot: u32, use_info: impl FnOnce(&mut TaskInfo) -> T) -> T {
        use_info(&mut self.slots.borrow_mut()[slot as usize])
    }

    pub(super) fn retain(&self, slot: u32) {
        self.with(slot, |info| info.references += 1);
    }

    pub(super) fn release(&self, slot: u32) {
        let mut slots = self.slots.borrow_mut();
        let info = &mut slots[slot as usize];
        info.references -= 1;
        if info.references == 0 {
            let info = slots.remove(slot as usize);
            drop(slots);
            drop(info);
        }
    }

    /// Stores the waker of a task. Returns whether the task was cancelled before.
    pub(super) fn set_waker(&self, slot: u32, waker: Waker) -> bool {
        self.with(slot, |info| {
            info.waker = Some(waker);
            info.is_cancelled
        })
    }

    /// Records that the future is gone.
    pub(super) fn end(&self, slot: u32) {
        let waker = self.with(slot, |info| {
            info.is_alive = false;
            info.waker.take()
        });
        drop(waker);
    }

    /// Marks the task as cancelled and wakes it. Returns `false` if it has ended.
    pub(super) fn cancel(&self, slot: u32) -> bool {
        let (is_alive, waker) = self.with(slot, |info| {
            info.is_cancelled |= info.is_alive;
            (info.is_alive, info.waker.clone())
        });
        if let Some(waker) = waker {
            waker.wake();
        }
        is_alive
    }

    /// Runs one step with this task as the current one.
    pub(super) fn run_as_current<T>(&self, slot: u32, step: impl FnOnce() -> T) -> T {
        let outer = self.current.replace(Some(slot));
        let _restore = RestoreCurrent { tasks: self, current: outer };
        step()
    }
}

impl LoopLocal for Tasks {
    /// Cancels all tasks; the next step of a cancelled task drops its future.
    fn close(&self, event_loop: &LoopHandle) {
        self.set_factory(None);
        for task in event_loop.all_tasks() {
            if event_loop.debug() && !task.is_cancelled() {
                let context = ErrorContext::new("Task was destroyed but it is pending!");
                event_loop.call_exception_handler(context.job(task.info()));
            }
            task.cancel();
        }
    }

    fn is_idle(&self) -> bool {
        self.slots.borrow().iter().all(|(_, info)| !info.is_alive)
    }
}

/// Entry of a task in the table; the task's future holds it, and dropping it removes the task from the unfinished ones.
pub(super) struct TableEntry(TaskRef);

impl TableEntry {
    pub(super) fn new(task: TaskRef) -> Self {
        Self(task)
    }

    pub(super) fn task(&self) -> &TaskRef {
        &self.0
    }
}

impl Drop for TableEntry {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Restores the previous current task, even if a [`LoopExit`](crate::LoopExit) unwinds.
struct RestoreCurrent<'a> {
    tasks: &'a Tasks,
    current: Option<u32>,
}

impl Drop for RestoreCurrent<'_> {
    fn drop(&mut self) {
        self.tasks.current.set(self.current);
    }
}
