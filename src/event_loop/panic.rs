//! Panics of callbacks and futures, caught so that the loop survives them.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Panic payload that is never caught: it ends the run and propagates out of `run_forever`.
///
/// ```should_panic
/// # let mut event_loop = loopctl::EventLoop::new().unwrap();
/// event_loop.handle().call_soon(|| -> () { std::panic::resume_unwind(Box::new(loopctl::LoopExit)) });
/// event_loop.run_forever().unwrap();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopExit;

pub(crate) type Payload = Box<dyn Any + Send>;

/// Runs `call` and returns its panic as an error, except [`LoopExit`], which propagates.
pub(crate) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, Payload> {
    catch_unwind(AssertUnwindSafe(call))
        .map_err(|payload| if payload.is::<LoopExit>() { resume_unwind(payload) } else { payload })
}

/// Message of a panic, as an error.
#[derive(Debug)]
pub(crate) struct PanicError(String);

impl From<Payload> for PanicError {
    fn from(payload: Payload) -> Self {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Self(text.unwrap_or_else(|| "no message".to_owned()))
    }
}

impl fmt::Display for PanicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.0)
    }
}

impl std::error::Error for PanicError {}
