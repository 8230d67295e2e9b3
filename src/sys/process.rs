//! Limits of a child process.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Gives the child a soft limit of open descriptors, between fork(2) and exec(2).
pub(crate) fn limit_descriptors(command: &mut Command, soft: u64) {
    let limit = move || {
        // SAFETY: `rlimit` is a C struct of two integers, for which all zeros is a valid value.
        let mut limit: libc::rlimit = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is valid for the call.
        if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
            return Err(io::Error::last_os_error());
        }
        limit.rlim_cur = soft.min(limit.rlim_max);
        // SAFETY: the pointer is valid for the call.
        match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: the closure makes two system calls that are async-signal-safe, and allocates nothing.
    unsafe { command.pre_exec(limit) };
}
