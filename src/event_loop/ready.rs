//! Ready queue, and the callbacks that are stored in it.
//!
//! A callback of [`call_soon`](LoopHandle::call_soon) needs no allocation: its captures lie in the entry of the queue if
//! they fit in three words. A handle knows the number of its entry, the ticket. Entries leave in the order of their
//! tickets, so the place of an entry is the difference between its ticket and the first one.

use std::cell::{Cell, OnceCell};
use std::collections::VecDeque;
use std::panic::Location;
use std::rc::Rc;

use smallbox::{SmallBox, smallbox};

use super::LoopHandle;
use super::job::{CallbackOutput, Job, JobInfo, JobKind, short_type_name};
use crate::BoxError;

/// Jobs that are ready, each with a ticket.
#[derive(Default)]
pub(crate) struct ReadyQueue {
    jobs: VecDeque<Job>,
    /// Ticket of the first job: the number of jobs that have left to be run.
    first: Ticket,
}

pub(super) type Ticket = u64;

/// Number of jobs for which an idle queue keeps memory: 16 KiB.
const IDLE_CAPACITY: usize = 256;

impl ReadyQueue {
    #[inline]
    pub(crate) fn push(&mut self, job: Job) -> Ticket {
        let ticket = self.first + self.jobs.len() as u64;
        self.jobs.push_back(job);
        ticket
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Job> {
        let job = self.jobs.pop_front()?;
        self.first += 1;
        Some(job)
    }

    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Frees memory that a burst of jobs has left. Called when the queue is empty and the loop is about to wait.
    pub(crate) fn shrink(&mut self) {
        if self.jobs.capacity() > IDLE_CAPACITY {
            self.jobs.shrink_to(IDLE_CAPACITY);
        }
    }

    /// Takes all jobs, for a loop that is closed. They keep their tickets, because they did not run.
    pub(crate) fn take(&mut self) -> VecDeque<Job> {
        std::mem::take(&mut self.jobs)
    }

    /// Removes the callback with this ticket, for the caller to drop. Its place in the queue stays.
    fn cancel(&mut self, ticket: Ticket) -> Option<Job> {
        let at = usize::try_from(ticket.checked_sub(self.first)?).ok()?;
        self.jobs.get_mut(at).map(|job| std::mem::replace(job, Job::Cancelled))
    }
}

impl Extend<Job> for ReadyQueue {
    fn extend<I: IntoIterator<Item = Job>>(&mut self, jobs: I) {
        self.jobs.extend(jobs);
    }
}

/// Callback that runs once.
pub(crate) struct Call {
    body: SmallBox<dyn CallOnce, [usize; 3]>,
    origin: &'static Location<'static>,
}

/// Callback of any type, taken out when it is called, so that its captures end with the call.
trait CallOnce {
    fn call(&mut self) -> Result<(), BoxError>;
    fn name(&self) -> &'static str;
}

impl<F: FnOnce() -> O, O: CallbackOutput> CallOnce for Option<F> {
    fn call(&mut self) -> Result<(), BoxError> {
        self.take().map_or(Ok(()), |call| call().into_result())
    }

    fn name(&self) -> &'static str {
        short_type_name::<F>()
    }
}

impl Call {
    pub(crate) fn run(&mut self) -> Result<(), BoxError> {
        self.body.call()
    }

    pub(crate) fn description(&self) -> CallDescription {
        CallDescription { name: self.body.name(), origin: self.origin }
    }
}

/// Description of a callback, without its captures.
#[derive(Clone, Copy)]
pub(crate) struct CallDescription {
    name: &'static str,
    origin: &'static Location<'static>,
}

impl CallDescription {
    pub(crate) fn info(self) -> JobInfo {
        JobInfo { kind: JobKind::Call, name: self.name.to_owned(), origin: Some(self.origin) }
    }
}

/// Reference to a callback in the ready queue, for its handle.
#[derive(Clone)]
pub(crate) struct QueuedCall {
    event_loop: LoopHandle,
    ticket: Ticket,
    origin: &'static Location<'static>,
    name: fn() -> &'static str,
    cancelled: SharedFlag,
}

impl QueuedCall {
    /// Queues `call`. On a closed loop it is dropped and counts as cancelled.
    pub(crate) fn new<F: FnOnce() -> O + 'static, O: CallbackOutput>(
        event_loop: &LoopHandle,
        origin: &'static Location<'static>,
        call: F,
    ) -> Self {
        let call = Call { body: smallbox!(Some(call)), origin };
        Self {
            ticket: event_loop.enqueue(Job::Call(call)),
            event_loop: event_loop.clone(),
            origin,
            name: short_type_name::<F>,
            cancelled: SharedFlag::default(),
        }
    }

    /// Frees the callback and its captures now rather than when it would have run.
    pub(crate) fn cancel(&self) {
        self.cancelled.set();
        let call = self.event_loop.core().ready.borrow_mut().cancel(self.ticket);
        drop(call);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        let has_left = || self.ticket < self.event_loop.core().ready.borrow().first;
        self.cancelled.get() || self.event_loop.is_closed() && !has_left()
    }

    pub(crate) fn info(&self) -> JobInfo {
        CallDescription { name: (self.name)(), origin: self.origin }.info()
    }
}

/// Flag that all clones share. Only a clone costs an allocation.
#[derive(Default)]
struct SharedFlag {
    own: Cell<bool>,
    shared: OnceCell<Rc<Cell<bool>>>,
}

impl SharedFlag {
    fn set(&self) {
        self.shared.get().map_or(&self.own, |shared| shared).set(true);
    }

    fn get(&self) -> bool {
        self.shared.get().map_or(&self.own, |shared| shared).get()
    }
}

impl Clone for SharedFlag {
    fn clone(&self) -> Self {
        let shared = self.shared.get_or_init(|| Rc::new(Cell::new(self.own.get())));
        Self { own: Cell::default(), shared: OnceCell::from(Rc::clone(shared)) }
    }
}
