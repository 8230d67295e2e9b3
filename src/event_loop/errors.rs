//! Exception handler: reports of errors that no caller receives.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::rc::Rc;

use super::LoopHandle;
use super::job::JobInfo;
use super::panic::{PanicError, catch};
use crate::BoxError;

/// Description of an unhandled error: asyncio's exception context.
///
/// ```
/// use loopctl::{ErrorContext, JobInfo, JobKind};
///
/// let job = JobInfo::new(JobKind::Call, "flush");
/// let context = ErrorContext::new("the cache is gone").with("cache", "/var/cache/x");
/// let context = context.job(job).error("no space left");
/// let report = "the cache is gone\ncache: /var/cache/x\nhandle: <Handle flush>\ncaused by: no space left";
/// assert_eq!(context.to_string(), report);
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ErrorContext {
    /// First line of the report.
    pub message: String,
    /// The error itself.
    pub error: Option<BoxError>,
    /// Callback or task in which it occurred.
    pub job: Option<JobInfo>,
    /// Further details by asyncio's keys: `future`, `transport`, `protocol`, `socket`, `asyncgen`.
    pub extra: BTreeMap<&'static str, String>,
}

/// Handler that replaces the default exception handler.
pub type ExceptionHandler = Rc<dyn Fn(&LoopHandle, &ErrorContext)>;

impl ErrorContext {
    /// Context with only a message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// Adds the error.
    #[must_use]
    pub fn error(mut self, error: impl Into<BoxError>) -> Self {
        self.error = Some(error.into());
        self
    }

    /// Adds the job.
    #[must_use]
    pub fn job(mut self, job: JobInfo) -> Self {
        self.job = Some(job);
        self
    }

    /// Adds a detail under a key.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.extra.insert(key, value.to_string());
        self
    }
}

/// Report of the default handler: the message, `key: value` lines sorted by key, then the error and its causes.
impl fmt::Display for ErrorContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message.as_str() {
            "" => f.write_str("Unhandled exception in event loop")?,
            message => f.write_str(message)?,
        }
        let mut lines: BTreeMap<&str, String> =
            self.extra.iter().map(|(key, value)| (*key, value.clone())).collect();
        if let Some(job) = &self.job {
            lines.insert("handle", job.to_string());
        }
        lines.iter().try_for_each(|(key, value)| write!(f, "\n{key}: {value}"))?;
        let mut cause = self.error.as_ref().map(|error| &**error as &dyn std::error::Error);
        while let Some(error) = cause {
            write!(f, "\ncaused by: {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[derive(Default)]
pub(crate) struct Handlers(RefCell<Option<ExceptionHandler>>);

impl Handlers {
    /// Removes the handler, for the caller to drop.
    pub(crate) fn take(&self) -> Option<ExceptionHandler> {
        self.0.take()
    }
}

impl LoopHandle {
    /// Replaces the default handler, or restores it with `None`; asyncio's `set_exception_handler`.
    ///
    /// ```
    /// # use std::{cell::RefCell, rc::Rc};
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// let seen = Rc::new(RefCell::new(String::new()));
    /// let log = Rc::clone(&seen);
    /// handle.set_exception_handler(Some(Rc::new(move |_, context| *log.borrow_mut() = context.to_string())));
    /// handle.call_soon(|| std::fs::remove_file("/no/such/file"));
    /// # handle.stop();
    /// event_loop.run_forever()?;
    /// assert!(seen.borrow().starts_with("Exception in callback"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_exception_handler(&self, handler: Option<ExceptionHandler>) {
        let previous = self.core().handlers.0.replace(handler);
        drop(previous);
    }

    /// Returns the handler that was set; asyncio's `get_exception_handler`.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// assert!(handle.exception_handler().is_none());
    /// handle.set_exception_handler(Some(std::rc::Rc::new(|_, context| println!("{context}"))));
    /// assert!(handle.exception_handler().is_some());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "get_exception_handler")]
    pub fn exception_handler(&self) -> Option<ExceptionHandler> {
        self.core().handlers.0.borrow().clone()
    }

    /// Reports an error to the handler that was set, otherwise to the default one.
    ///
    /// A failure of the handler is reported as well, and never reaches the caller.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// let context = loopctl::ErrorContext::new("the cache is gone").with("cache", "/var/cache/x");
    /// event_loop.handle().call_exception_handler(context);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn call_exception_handler(&self, mut context: ErrorContext) {
        context.job = context.job.or_else(|| self.diagnostics().current_job());
        let Some(handler) = self.exception_handler() else {
            let report = || self.default_exception_handler(&context);
            return report_or_last_resort("Exception in default exception handler", report);
        };
        if let Err(payload) = catch(|| handler(self, &context)) {
            let broken = ErrorContext::new("Unhandled error in exception handler")
                .error(PanicError::from(payload));
            report_or_last_resort(
                "Exception in default exception handler while handling an unexpected error in custom \
                 exception handler",
                || self.default_exception_handler(&broken.with("context", &context)),
            );
        }
    }

    /// Logs the report at level `error`; asyncio's `default_exception_handler`.
    ///
    /// If the process has no logger, the report goes to standard error, so that no error is lost.
    ///
    /// ```
    /// # use std::rc::Rc;
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// event_loop.handle().set_exception_handler(Some(Rc::new(|handle, context| {
    ///     if context.message != "harmless" {
    ///         handle.default_exception_handler(context);
    ///     }
    /// })));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn default_exception_handler(&self, context: &ErrorContext) {
        let report = context.to_string();
        if log::max_level() == log::LevelFilter::Off {
            last_resort(&report);
        } else {
            log::error!("{report}");
        }
    }
}

/// Catches panics of `report`, because the logger and the `Display` of an error are foreign code.
fn report_or_last_resort(failure: &str, report: impl FnOnce()) {
    if let Err(payload) = catch(report) {
        last_resort(&format!("{failure}: {}", PanicError::from(payload)));
    }
}

/// Writes to standard error. A failure there is ignored, because there is no other place to report it.
fn last_resort(report: &str) {
    let mut line = String::new();
    let _ = writeln!(line, "{report}");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
