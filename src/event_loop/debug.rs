//! Debug mode, and slow callbacks: what, where scheduled, how long.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::LoopHandle;
use super::job::{JobInfo, Label};

/// asyncio's `slow_callback_duration`.
const SLOW: Duration = Duration::from_millis(100);

/// A callback or task step that held up the loop.
#[derive(Debug, Clone)]
pub struct SlowCallback {
    /// What it was and where it was scheduled.
    pub job: JobInfo,
    /// How long it ran.
    pub took: Duration,
    /// When it began, on the loop's clock.
    pub at: Instant,
}

/// A whole turn that took long, perhaps of many small callbacks.
#[derive(Debug, Clone)]
pub struct SlowTurn {
    /// How many jobs it ran.
    pub jobs: usize,
    /// How long they ran together; waiting for events does not count.
    pub took: Duration,
    /// When the first of them began, on the loop's clock.
    pub at: Instant,
}

type Hook<T> = RefCell<Option<Rc<dyn Fn(&T)>>>;

pub(crate) struct Diagnostics {
    debug: Cell<bool>,
    threshold: Cell<Duration>,
    on_job: Hook<SlowCallback>,
    on_turn: Hook<SlowTurn>,
    /// Follows from the fields above; every job asks.
    is_measuring: Cell<bool>,
    current: RefCell<Option<Label>>,
    close_asked_for: Cell<bool>,
}

impl Diagnostics {
    pub(crate) fn from_environment() -> Self {
        let watch = Self {
            debug: Cell::new(std::env::var_os("LOOPCTL_DEBUG").is_some_and(|on| !on.is_empty())),
            threshold: Cell::new(SLOW),
            on_job: RefCell::default(),
            on_turn: RefCell::default(),
            is_measuring: Cell::new(false),
            current: RefCell::default(),
            close_asked_for: Cell::new(false),
        };
        watch.update();
        watch
    }

    /// Whether the clock is read around every job: only while someone wants to know.
    pub(crate) fn is_measuring(&self) -> bool {
        self.is_measuring.get()
    }

    fn update(&self) {
        let wanted =
            self.debug.get() || self.on_job.borrow().is_some() || self.on_turn.borrow().is_some();
        self.is_measuring.set(wanted && self.threshold.get() != Duration::MAX);
    }

    /// This job is the current one until the guard is dropped.
    pub(crate) fn enter(&self, job: Label) -> Current<'_> {
        self.current.replace(Some(job));
        Current(self)
    }

    /// The job that runs now, known in debug mode.
    pub(crate) fn current_job(&self) -> Option<JobInfo> {
        self.current.borrow().as_ref().map(Label::info)
    }

    pub(crate) fn note_close(&self) {
        self.close_asked_for.set(true);
    }

    pub(crate) fn report_close(&self, event_loop: &LoopHandle) {
        match (self.debug.get(), self.close_asked_for.get()) {
            (false, _) => {}
            (true, true) => log::debug!("Close {event_loop:?}"),
            (true, false) => log::warn!("unclosed event loop {event_loop:?}"),
        }
    }

    pub(crate) fn clear(&self) {
        let hooks = (self.on_job.take(), self.on_turn.take());
        self.update();
        drop(hooks);
    }
}

/// Ends with the job, also when an exit passes through.
pub(crate) struct Current<'a>(&'a Diagnostics);

impl Drop for Current<'_> {
    fn drop(&mut self) {
        self.0.current.replace(None);
    }
}

impl LoopHandle {
    /// Turns debug mode on or off, at once; asyncio's `set_debug`.
    ///
    /// In debug mode, slow callbacks and slow turns are logged at level `warn` and errors name the callback
    /// in which they arose. `LOOPCTL_DEBUG` (not empty) turns it on for every new loop.
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
    pub fn debug(&self) -> bool {
        self.diagnostics().debug.get()
    }

    /// How long a callback, a step or a turn may take before it is slow (100 ms at first); zero reports
    /// all, [`Duration::MAX`] none. asyncio's `slow_callback_duration`.
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

    /// The threshold in force.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// assert_eq!(event_loop.handle().slow_callback_duration().as_millis(), 100);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn slow_callback_duration(&self) -> Duration {
        self.diagnostics().threshold.get()
    }

    /// Hands every slow callback and step to `report` instead of the log, also without debug mode.
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

    /// Hands every slow turn to `report` instead of the log, also without debug mode.
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
            report(&self.diagnostics().on_job, SlowCallback { job: label.info(), took, at });
        }
    }

    pub(crate) fn check_turn(&self, at: Instant, jobs: usize) {
        let took = self.time().saturating_duration_since(at);
        if took >= self.slow_callback_duration() && jobs > 0 {
            report(&self.diagnostics().on_turn, SlowTurn { jobs, took, at });
        }
    }
}

/// To the hook where there is one, otherwise to the log. The hook may replace itself.
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
