//! One turn, top to bottom: sweep, wait, collect, run.

use std::io;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use super::job::{Failure, Job};
use super::{ErrorContext, EventLoop, LoopHandle, RUNNING, RunError, TimerAction};

/// Longest wait for events, as in asyncio (`MAXIMUM_SELECT_TIMEOUT`).
const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);

/// Loop that is marked as running and driven turn by turn; see [`EventLoop::enter`].
///
/// Dropping it marks the loop as not running, during a panic as well.
#[derive(Debug)]
#[must_use = "dropping it ends the run"]
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

    /// Whether [`stop`](LoopHandle::stop) was called since the start of the run.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let entered = event_loop.enter()?;
    /// handle.clone().call_soon(move || handle.stop());
    /// while !entered.is_stopping() {
    ///     entered.turn(None)?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_stopping(&self) -> bool {
        self.event_loop.core().remote.is_stopping()
    }

    /// Runs one turn, which waits for events for at most `max_wait`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let entered = event_loop.enter()?;
    /// entered.turn(Some(Duration::from_millis(1)))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the poller fails.
    pub fn turn(&self, max_wait: Option<Duration>) -> io::Result<()> {
        self.turn_with(max_wait, &mut || ())
    }

    /// Runs one turn; `main` polls the future of `run_until_complete`.
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
            core.ready.borrow_mut().shrink();
            let until = deadline.map(|at| at.saturating_duration_since(self.time()));
            until.into_iter().chain(max_wait).min()
        };
        let timeout = timeout.map(|wait| {
            if core.clock.is_manual() {
                core.clock.advance(wait);
                return Duration::ZERO;
            }
            wait.min(MAX_WAIT)
        });
        log::trace!("poll: {} timers, waits {timeout:?}", core.timers.borrow().scheduled());
        core.reactor.wait(timeout)
    }

    /// Moves ready jobs into the queue: from other threads, then I/O, then due timers.
    fn collect(&self) {
        let core = self.core();
        if core.remote.has_remote_jobs() {
            core.remote.collect(&mut core.ready.borrow_mut());
        }
        core.reactor.dispatch(self);
        if core.timers.borrow().next_deadline().is_some() {
            let now = self.time();
            while let Some(action) = self.pop_due(now) {
                log::trace!("timer: due");
                match action {
                    TimerAction::Run(call) => self.push(Job::Run(call)),
                    TimerAction::Wake(waker) => waker.wake(),
                }
            }
        }
    }

    fn pop_due(&self, now: Instant) -> Option<TimerAction> {
        self.core().timers.borrow_mut().pop_due(now)
    }

    /// Runs the jobs that are ready now. New ones wait for the next turn, so that I/O never starves.
    fn run_ready(&self, main: &mut dyn FnMut()) {
        let batch = self.core().ready.borrow().len();
        let started_at = self.diagnostics().is_measuring().then(|| self.start_of_turn());
        for _ in 0..batch {
            match self.pop_ready() {
                // By itself, because most jobs are steps, and a job is large.
                Some(Job::Step(step)) if !self.diagnostics().is_measuring() => drop(step.run()),
                Some(job) => self.run_job(job, main),
                None => break,
            }
        }
        if let Some(started_at) = started_at {
            self.check_turn(started_at, batch);
        }
    }

    fn pop_ready(&self) -> Option<Job> {
        self.core().ready.borrow_mut().pop()
    }

    fn run_job(&self, job: Job, main: &mut dyn FnMut()) {
        let diagnostics = self.diagnostics();
        if !diagnostics.is_measuring() {
            return self.report_failure(job.run(main));
        }
        let Some(label) = job.label(self) else { return };
        let started_at = self.time();
        let current = diagnostics.enter(label.clone());
        let outcome = job.run(main);
        self.report_failure(outcome);
        drop(current);
        self.check_job(started_at, &label);
    }

    fn report_failure(&self, outcome: Result<(), Box<Failure>>) {
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
