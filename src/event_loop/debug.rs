//! Debug mode, and reports of slow callbacks and turns.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::LoopHandle;
use super::job::{JobInfo, Label};

/// Default of asyncio's `slow_callback_duration`.
const DEFAULT_SLOW_CALLBACK_DURATION: Duration = Duration::from_millis(100);

/// Report of a callback or task step that delayed the loop.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SlowCallback {
    /// Description of the job and the line that scheduled it.
    pub job: JobInfo,
    /// Duration of the run.
    pub took: Duration,
    /// Start, on the loop's clock.
    pub at: Instant,
}

/// Report of a turn that took long through many short callbacks.
///
/// Callbacks that are slow by themselves are reported by themselves, and do not count here.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SlowTurn {
    /// Number of jobs that it ran, without those that were slow by themselves.
    pub jobs: usize,
    /// Total duration of these jobs, without the wait for events.
    pub took: Duration,
    /// Start of the first job, on the loop's clock.
    pub at: Instant,
}

type Hook<T> = RefCell<Option<Rc<dyn Fn(&T)>>>;

/// Debug mode and the hooks for slow jobs.
pub(crate) struct Diagnostics {
    debug: Cell<bool>,
    threshold: Cell<Duration>,
    on_job: Hook<SlowCallback>,
    on_turn: Hook<SlowTurn>,
    /// Computed from the fields above, because every job checks it.
    is_measuring: Cell<bool>,
    current: RefCell<Option<Label>>,
    is_closed_explicitly: Cell<bool>,
    /// Slow jobs of this turn, with their total duration.
    reported: Cell<(usize, Duration)>,
    /// Caller of the run, for reports about the main future.
    main_origin: Cell<&'static Location<'static>>,
}

impl Diagnostics {
    pub(crate) fn from_environment() -> Self {
        let watch = Self {
            debug: Cell::new(std::env::var_os("LOOPCTL_DEBUG").is_some_and(|on| !on.is_empty())),
            threshold: Cell::new(DEFAULT_SLOW_CALLBACK_DURATION),
            on_job: RefCell::default(),
            on_turn: RefCell::default(),
            is_measuring: Cell::new(false),
            current: RefCell::default(),
            is_closed_explicitly: Cell::new(false),
            reported: Cell::default(),
            main_origin: Cell::new(Location::caller()),
        };
        watch.update();
        watch
    }

    /// Whether the clock is read around every job: in debug mode, or with a hook.
    pub(crate) fn is_measuring(&self) -> bool {
        self.is_measuring.get()
    }

    fn update(&self) {
        let wanted =
            self.debug.get() || self.on_job.borrow().is_some() || self.on_turn.borrow().is_some();
        self.is_measuring.set(wanted && self.threshold.get() != Duration::MAX);
    }

    /// Makes this job the current one until the guard is dropped.
    pub(crate) fn enter(&self, job: Label) -> Current<'_> {
        self.current.replace(Some(job));
        Current(self)
    }

    /// Job that is running now; only known while jobs are measured.
    pub(crate) fn current_job(&self) -> Option<JobInfo> {
        self.current.borrow().as_ref().map(Label::info)
    }

    pub(crate) fn set_main_origin(&self, origin: &'static Location<'static>) {
        self.main_origin.set(origin);
    }

    pub(crate) fn main_origin(&self) -> &'static Location<'static> {
        self.main_origin.get()
    }

    pub(crate) fn record_close(&self) {
        self.is_closed_explicitly.set(true);
    }

    pub(crate) fn report_close(&self, event_loop: &LoopHandle) {
        match (self.debug.get(), self.is_closed_explicitly.get()) {
            (false, _) => {}
            (true, true) => log::debug!("Close {event_loop:?}"),
            (true, false) => log::warn!("unclosed event loop {event_loop:?}"),
        }
    }

    /// Removes the hooks, for the caller to drop.
    pub(crate) fn take_hooks(&self) -> impl Sized + use<> {
        let hooks = (self.on_job.take(), self.on_turn.take());
        self.update();
        hooks
    }
}

/// Guard for the current job; it also ends the job if a [`LoopExit`](super::LoopExit) unwinds.
pub(crate) struct Current<'a>(&'a Diagnostics);

impl Drop for Current<'_> {
    fn drop(&mut self) {
        self.0.current.replace(None);
    }
}

impl LoopHandle {
    /// Turns debug mode on or off, with immediate effect; asyncio's `set_debug`.
    ///
    /// Debug mode logs slow callbacks and slow turns at level `warn` and adds the callback to error reports. A
    /// non-empty `LOOPCTL_DEBUG` turns it on for every new loop.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// handle.set_debug(true);
    /// assert!(handle.debug());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_debug(&self, debug: bool) {
        self.diagnostics().debug.set(debug);
        self.diagnostics().update();
    }

    /// Whether debug mode is on; asyncio's `get_debug`.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// handle.set_debug(false);
    /// assert!(!handle.debug());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "get_debug")]
    pub fn debug(&self) -> bool {
        self.diagnostics().debug.get()
    }

    /// Sets the duration from which a callback, a step or a turn is slow; asyncio's `slow_callback_duration`.
    ///
    /// The default is 100 ms. Zero reports all, [`Duration::MAX`] none.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// handle.set_slow_callback_duration(Duration::from_millis(5));
    /// assert_eq!(handle.slow_callback_duration(), Duration::from_millis(5));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_slow_callback_duration(&self, threshold: Duration) {
        self.diagnostics().threshold.set(threshold);
        self.diagnostics().update();
    }

    /// Current threshold.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// assert_eq!(event_loop.handle().slow_callback_duration().as_millis(), 100);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn slow_callback_duration(&self) -> Duration {
        self.diagnostics().threshold.get()
    }

    /// Passes every slow callback and step to `report` instead of the log, with or without debug mode.
    ///
    /// ```
    /// # use std::{cell::Cell, rc::Rc, time::Duration};
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// handle.set_slow_callback_duration(Duration::ZERO);
    /// let line = Rc::new(Cell::new(0));
    /// let seen = Rc::clone(&line);
    /// handle.on_slow_callback(move |slow| seen.set(slow.job.origin.map_or(0, |at| at.line())));
    /// handle.call_soon(|| ()); let here = line!();
    /// # handle.stop();
    /// # event_loop.run_forever()?;
    /// assert_eq!(line.get(), here);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_slow_callback(&self, report: impl Fn(&SlowCallback) + 'static) {
        let previous = self.diagnostics().on_job.replace(Some(Rc::new(report)));
        self.diagnostics().update();
        drop(previous);
    }

    /// Passes every slow turn to `report` instead of the log, with or without debug mode.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// handle.set_slow_callback_duration(Duration::from_millis(20));
    /// handle.on_slow_turn(|slow| println!("{} jobs took {:?}", slow.jobs, slow.took));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_slow_turn(&self, report: impl Fn(&SlowTurn) + 'static) {
        let previous = self.diagnostics().on_turn.replace(Some(Rc::new(report)));
        self.diagnostics().update();
        drop(previous);
    }

    pub(crate) fn check_job(&self, at: Instant, label: &Label) {
        let took = self.time().saturating_duration_since(at);
        if took >= self.slow_callback_duration() {
            let reported = &self.diagnostics().reported;
            let (jobs, total) = reported.get();
            reported.set((jobs + 1, total + took));
            report(&self.diagnostics().on_job, SlowCallback { job: label.info(), took, at });
        }
    }

    pub(crate) fn start_of_turn(&self) -> Instant {
        self.diagnostics().reported.take();
        self.time()
    }

    pub(crate) fn check_turn(&self, at: Instant, jobs: usize) {
        let (reported, explained) = self.diagnostics().reported.take();
        let took = self.time().saturating_duration_since(at).saturating_sub(explained);
        let jobs = jobs.saturating_sub(reported);
        if took >= self.slow_callback_duration() && jobs > 0 {
            report(&self.diagnostics().on_turn, SlowTurn { jobs, took, at });
        }
    }
}

/// Reports to the hook, or to the log without one. The hook is cloned first, because it may replace itself.
fn report<T: fmt::Display>(hook: &Hook<T>, slow: T) {
    let hook = hook.borrow().clone();
    match hook {
        Some(hook) => hook(&slow),
        None => log::warn!("{slow}"),
    }
}

impl fmt::Display for SlowCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Executing {} took {:.3} seconds", self.job, self.took.as_secs_f64())
    }
}

impl fmt::Display for SlowTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "A turn of {} jobs took {:.3} seconds", self.jobs, self.took.as_secs_f64())
    }
}
