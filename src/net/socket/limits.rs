//! The limit of open descriptors.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open descriptors (`RLIMIT_NOFILE`) to the hard limit, and returns the new limit.
///
/// Programs with many connections call it once at the start. The usual soft limit of 1024 exists for programs
/// that use `select(2)`, which this library does not.
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
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}
