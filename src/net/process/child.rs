//! A process of ours: its exit is seen through a descriptor, and it never becomes a zombie.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};

/// asyncio's exit code of a child that someone else has waited for.
const UNKNOWN: i32 = 255;

/// A child that has not been reaped. Dropping it kills and reaps it.
///
/// Signals go through the pidfd: a number may belong to another process by the time it is used, a pidfd
/// stands for this one for ever.
pub(crate) struct Reaper {
    child: RefCell<Child>,
    pidfd: OwnedFd,
}

impl Reaper {
    pub(crate) fn new(mut child: Child) -> io::Result<Self> {
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Self { child: RefCell::new(child), pidfd }),
            Err(error) => {
                // Not reaped yet, so its number is still its own.
                let _ = child.kill();
                let _ = child.wait();
                Err(error.into())
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.borrow().id()
    }

    /// `None` while it runs.
    pub(crate) fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        let waited = self.child.borrow_mut().try_wait();
        match waited {
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => {
                let pid = self.pid();
                log::warn!("Unknown child process pid {pid}, will report returncode {UNKNOWN}");
                Ok(Some(ExitStatus::from_raw(UNKNOWN << 8)))
            }
            result => result,
        }
    }

    /// Tells whether there was a process to receive it; one that has exited is none.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<bool> {
        match pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// As [`signal`](Self::signal), to the group that the process leads; `false` where it leads none. Its
    /// number cannot belong to others while the process has not been reaped.
    pub(crate) fn signal_group(&self, signal: Signal) -> io::Result<bool> {
        match kill_process_group(Pid::from_child(&self.child.borrow()), signal) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Reaper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Reaper {
    /// Waiting does not take long after SIGKILL. It costs nothing where the child was reaped before.
    fn drop(&mut self) {
        let is_running = matches!(self.child.borrow_mut().try_wait(), Ok(None));
        if is_running && matches!(self.signal(Signal::KILL), Ok(true)) {
            let _ = self.child.borrow_mut().wait();
        }
    }
}
