//! One turn, top to bottom: sweep, wait, collect, run.

use std::io;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use super::job::{Failure, Job};
use super::{ErrorContext, EventLoop, LoopHandle, RUNNING, RunError, TimerAction};

/// asyncio's `MAXIMUM_SELECT_TIMEOUT`: no wait is longer than a day, whatever the next timer says.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// A loop that is marked as running, to be turned by hand; see [`EventLoop::enter`].
///
/// Dropping it, also while a panic passes through, leaves the loop as it was before.
#[derive(Debug)]
pub struct EnteredLoop<'a> {
    event_loop: LoopHandle,
    borrowed: PhantomData<&'a mut EventLoop>,
}

impl<'a> EnteredLoop<'a> {
    pub(crate) fn enter(event_loop: &'a mut EventLoop) -> Result<Self, RunError> {
        let handle = event_loop.handle();
        RUNNING.with_borrow_mut(|running| match running {
            Some(_) => Err(RunError::Nested),
            None => {
                *running = Some(handle.clone());
                Ok(())
            }
        })?;
        handle.core().remote.set_running(true);
        Ok(Self { event_loop: handle, borrowed: PhantomData })
    }

    pub(crate) fn handle(&self) -> &LoopHandle {
        &self.event_loop
    }

    /// Whether [`stop`](LoopHandle::stop) was called since the run began.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let turns = event_loop.enter()?;
    /// handle.clone().call_soon(move || handle.stop());
    /// while !turns.is_stopping() {
    ///     turns.turn(None)?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_stopping(&self) -> bool {
        self.event_loop.core().remote.is_stopping()
    }

    /// One turn, waiting for events no longer than `max_wait`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let turns = event_loop.enter()?;
    /// turns.turn(Some(Duration::from_millis(1)))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the poller fails.
    pub fn turn(&self, max_wait: Option<Duration>) -> io::Result<()> {
        self.turn_with(max_wait, &mut || ())
    }

    /// One turn; `main` is the step of the future that `run_until_complete` runs.
    pub(crate) fn turn_with(
        &self,
        max_wait: Option<Duration>,
        main: &mut dyn FnMut(),
    ) -> io::Result<()> {
        self.event_loop.sweep();
        self.event_loop.wait(max_wait)?;
        self.event_loop.collect();
        self.event_loop.run_ready(main);
        Ok(())
    }
}

impl Drop for EnteredLoop<'_> {
    fn drop(&mut self) {
        let remote = &self.event_loop.core().remote;
        remote.clear_stop();
        remote.set_running(false);
        RUNNING.with_borrow_mut(Option::take);
    }
}

impl LoopHandle {
    fn sweep(&self) {
        self.core().timers.borrow_mut().sweep();
    }

    fn wait(&self, max_wait: Option<Duration>) -> io::Result<()> {
        let core = self.core();
        let deadline = core.timers.borrow().next_deadline();
        let timeout = if !core.ready.borrow().is_empty() || core.remote.is_stopping() {
            Some(Duration::ZERO)
        } else {
            let until = deadline.map(|at| at.saturating_duration_since(self.time()));
            until.into_iter().chain(max_wait).min()
        };
        let timeout = timeout.map(|wait| {
            if core.clock.is_manual() {
                core.clock.advance(wait);
                return Duration::ZERO;
            }
            wait.min(LONGEST_WAIT)
        });
        log::trace!("poll: {} timers, waits {timeout:?}", core.timers.borrow().scheduled());
        core.reactor.wait(timeout)
    }

    /// Moves what has become ready into the queue: posts, then I/O, then due timers.
    fn collect(&self) {
        let core = self.core();
        if core.remote.has_posts() {
            core.remote.collect(&mut core.ready.borrow_mut());
        }
        core.reactor.dispatch(self);
        if core.timers.borrow().next_deadline().is_some() {
            let now = self.time();
            while let Some(due) = self.pop_due(now) {
                log::trace!("timer: due");
                match due {
                    TimerAction::Run(job) => self.push(job),
                    TimerAction::Wake(waker) => waker.wake(),
                }
            }
        }
    }

    fn pop_due(&self, now: Instant) -> Option<TimerAction> {
        self.core().timers.borrow_mut().pop_due(now)
    }

    /// Runs what is ready now. What that schedules waits for the next turn, so that I/O never starves.
    fn run_ready(&self, main: &mut dyn FnMut()) {
        let batch = self.core().ready.borrow().len();
        let began = self.diagnostics().is_measuring().then(|| self.time());
        for _ in 0..batch {
            let Some(job) = self.pop_ready() else { break };
            self.run_job(job, main);
        }
        if let Some(began) = began {
            self.check_turn(began, batch);
        }
    }

    fn pop_ready(&self) -> Option<Job> {
        self.core().ready.borrow_mut().pop_front()
    }

    fn run_job(&self, job: Job, main: &mut dyn FnMut()) {
        let diagnostics = self.diagnostics();
        if !diagnostics.is_measuring() {
            return self.settle(job.run(main));
        }
        let (label, began) = (job.label(), self.time());
        let current = diagnostics.enter(label.clone());
        let outcome = job.run(main);
        self.settle(outcome);
        drop(current);
        self.check_job(began, &label);
    }

    fn settle(&self, outcome: Result<(), Box<Failure>>) {
        if let Err(failure) = outcome {
            self.report(*failure);
        }
    }

    #[cold]
    fn report(&self, failure: Failure) {
        let context = ErrorContext::new("Exception in callback").error(failure.error);
        self.call_exception_handler(context.job(failure.job));
    }
}
