//! Closing a loop: everything on it is dropped, one after another and never one inside another.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::job::Job;
use super::panic::PanicError;
use super::{ErrorContext, LoopHandle, TimerAction};

/// State of the end of a loop.
#[derive(Default)]
pub(super) struct Closing {
    /// Whether jobs are being dropped, so that those they cause join the queue instead of nesting.
    is_dropping: Cell<bool>,
}

impl LoopHandle {
    /// Drops everything on the loop, on this thread. Code that this runs cannot schedule anything new.
    pub(super) fn close(&self) {
        if self.is_closed() {
            return;
        }
        let core = self.core();
        core.diagnostics.report_close(self);
        core.remote.close();
        core.closing.is_dropping.set(true);
        core.locals.close(self);
        while self.drop_batch() || !core.locals.are_idle() {
            // Because another thread has begun to schedule a step, and will add it in a moment.
            if core.ready.borrow().is_empty() {
                std::thread::yield_now();
            }
        }
        core.reactor.clear(self);
        core.closing.is_dropping.set(false);
        self.drop_jobs();
        self.drop_or_report(core.diagnostics.take_hooks());
        self.drop_or_report(core.handlers.take());
    }

    /// Drops the jobs of a closed loop, and those that this adds, one after another. Inside such a drop it does
    /// nothing, because the outer call goes on.
    pub(super) fn drop_jobs(&self) {
        let is_dropping = &self.core().closing.is_dropping;
        if !is_dropping.replace(true) {
            while self.drop_batch() {}
            is_dropping.set(false);
        }
    }

    /// Returns `false` if there was nothing to drop.
    fn drop_batch(&self) -> bool {
        let core = self.core();
        let remote_jobs = core.remote.drain();
        let jobs = core.ready.borrow_mut().take();
        let timers = core.timers.borrow_mut().drain();
        let had_any = !(remote_jobs.is_empty() && jobs.is_empty() && timers.is_empty());
        let jobs = remote_jobs.into_iter().map(Job::from).chain(jobs);
        jobs.for_each(|job| self.call_or_report(|| job.discard()));
        for action in timers {
            self.call_or_report(|| match action {
                TimerAction::Run(call) => call.cancel(),
                TimerAction::Wake(waker) => drop(waker),
            });
        }
        had_any
    }

    /// Drops a value of the user. A panic is reported.
    pub(crate) fn drop_or_report<T>(&self, value: T) {
        self.call_or_report(|| drop(value));
    }

    /// Calls a destructor of the user. A panic is reported, even a [`LoopExit`](super::LoopExit): a loop that is
    /// closed has nothing to leave.
    pub(crate) fn call_or_report(&self, call: impl FnOnce()) {
        let Err(payload) = catch_unwind(AssertUnwindSafe(call)) else { return };
        let context =
            ErrorContext::new("Exception in a destructor").error(PanicError::from(payload));
        // The handler may leave the loop as well, which has no meaning here either.
        let _ = catch_unwind(AssertUnwindSafe(|| self.call_exception_handler(context)));
    }
}
