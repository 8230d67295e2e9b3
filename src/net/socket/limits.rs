//! The limit of open descriptors.

use std::io;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The soft limit before it was raised.
static ORIGINAL: OnceLock<u64> = OnceLock::new();

/// Raises the soft limit of open descriptors (`RLIMIT_NOFILE`) to the hard limit, and returns the new limit.
///
/// Programs with many connections call it once at the start. The usual soft limit of 1024 exists for programs
/// that use `select(2)`, which this library does not. Child processes of this library have the original limit.
///
/// ```
/// assert!(loopctl::raise_descriptor_limit()? >= 3);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The system's, from setrlimit(2).
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    if let Some(soft) = limit.current {
        ORIGINAL.get_or_init(|| soft);
    }
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// The limit for child processes, if this process has raised its own.
pub(crate) fn original_limit() -> Option<u64> {
    ORIGINAL.get().copied()
}
