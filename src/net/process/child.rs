//! A child process with a pidfd: its exit is an event of the poller, and it never stays a zombie.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};

/// asyncio's exit code of a child whose status other code has consumed.
const UNKNOWN_STATUS: i32 = 255;

/// A child that has not been reaped. Dropping it kills and reaps it.
///
/// Signals go through the pidfd, because a process ID may be reused by another process.
pub(crate) struct ChildProcess {
    child: RefCell<Child>,
    pidfd: OwnedFd,
}

impl ChildProcess {
    pub(crate) fn new(mut child: Child) -> io::Result<Self> {
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Self { child: RefCell::new(child), pidfd }),
            Err(error) => {
                // Safe by process ID, because the child has not been reaped.
                let _ = child.kill();
                let _ = child.wait();
                Err(error.into())
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.borrow().id()
    }

    /// The exit status; `None` while the child runs.
    pub(crate) fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        let waited = self.child.borrow_mut().try_wait();
        match waited {
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => {
                let pid = self.pid();
                log::warn!(
                    "Unknown child process pid {pid}, will report returncode {UNKNOWN_STATUS}"
                );
                Ok(Some(ExitStatus::from_raw(UNKNOWN_STATUS << 8)))
            }
            result => result,
        }
    }

    /// Sends a signal. Returns `false` if the child has exited.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<bool> {
        match pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a signal to the group that the child leads; `false` if it leads none. The process ID is not reused
    /// before the child is reaped.
    pub(crate) fn signal_group(&self, signal: Signal) -> io::Result<bool> {
        match kill_process_group(Pid::from_child(&self.child.borrow()), signal) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for ChildProcess {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for ChildProcess {
    /// Kills and reaps the child. The wait after SIGKILL is short.
    fn drop(&mut self) {
        let is_running = matches!(self.child.borrow_mut().try_wait(), Ok(None));
        if is_running && matches!(self.signal(Signal::KILL), Ok(true)) {
            let _ = self.child.borrow_mut().wait();
        }
    }
}
