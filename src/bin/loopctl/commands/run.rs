//! Common part of all commands: an event loop with the watch for slow callbacks.

use std::io;

use loopctl::{LoopHandle, RunError};
use signal_hook::consts::SIGINT;

use super::slow_watch::SlowWatch;
use crate::exit::{Exit, FatalError};

/// Runs a command on a new event loop, with slow callbacks watched.
///
/// # Errors
/// The command's, or the event loop's.
pub(crate) fn run_on_loop(
    slow: &SlowWatch,
    command: impl AsyncFnOnce(&LoopHandle) -> Result<Exit, FatalError>,
) -> Result<Exit, FatalError> {
    let result = loopctl::run(async |event_loop| {
        slow.start(&event_loop);
        command(&event_loop).await
    });
    result.unwrap_or_else(|error| match error {
        RunError::Interrupted => Ok(Exit::Signal(SIGINT)),
        error => Err(FatalError::new(Exit::Mixed, error.to_string())),
    })
}

/// The error of a signal handler that cannot be set.
pub(crate) fn no_signals(error: io::Error) -> FatalError {
    FatalError::new(Exit::Mixed, format!("cannot handle signals: {error}"))
}
