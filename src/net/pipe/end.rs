//! Descriptor of a pipe, non-blocking while it is in use here.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};

/// Kind of the file behind a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Fifo,
    Socket,
    Device,
}

/// An owned descriptor that is set back to blocking at the end. The mode belongs to the open file, which a shell
/// shares with every program of a pipeline: a changed mode makes the next program fail with `EAGAIN`.
pub(crate) struct PipeEnd {
    shared: Arc<Shared>,
    pub(crate) kind: Kind,
}

struct Shared {
    fd: OwnedFd,
    /// Device and inode, if the open file may be shared with other processes. Both ends of one pipe have the
    /// same, so equality does not prove that the open file is the same.
    file: Option<(u64, u64)>,
    must_restore: AtomicBool,
}

/// Descriptors in use whose open file may be shared with other processes.
static IN_USE: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

impl PipeEnd {
    /// Takes a descriptor of the caller. A regular file is refused with `refusal`.
    pub(crate) fn new(fd: OwnedFd, refusal: &str) -> io::Result<Self> {
        let stat = fstat(&fd)?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            FileType::CharacterDevice => Kind::Device,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, refusal)),
        };
        let file = Some((stat.st_dev, stat.st_ino));
        // Under the lock, because the drop of another end reads the flag that is set here.
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        let must_restore = AtomicBool::new(set_blocking(fd.as_fd(), false)?);
        let shared = Arc::new(Shared { fd, file, must_restore });
        in_use.retain(|end| end.strong_count() > 0);
        in_use.push(Arc::downgrade(&shared));
        Ok(Self { shared, kind })
    }

    /// The parent's end of a pipe made for a child. No other process has it, so the mode need not be restored.
    pub(crate) fn of_child(fd: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        let shared = Shared { fd, file: None, must_restore: AtomicBool::new(false) };
        Ok(Self { shared: Arc::new(shared), kind: Kind::Fifo })
    }
}

impl AsFd for PipeEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.fd.as_fd()
    }
}

impl Drop for PipeEnd {
    /// Restores blocking mode. On a terminal, stdin and stdout are usually one open file: when the first of
    /// them ends, the other must stay non-blocking, and restores the mode later.
    fn drop(&mut self) {
        if self.shared.file.is_none() {
            return;
        }
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        // Removed first: from here on no other thread can pass the duty of restoring to this end.
        in_use.retain(|end| !std::ptr::eq(end.as_ptr(), Arc::as_ptr(&self.shared)));
        if !self.shared.must_restore.load(Ordering::SeqCst) {
            return;
        }
        // An error means that the descriptor is unusable, and so is its mode.
        let _ = set_blocking(self.as_fd(), true);
        for other in in_use.iter().filter_map(Weak::upgrade) {
            if other.file == self.shared.file
                && matches!(set_blocking(other.fd.as_fd(), false), Ok(true))
            {
                other.must_restore.store(true, Ordering::SeqCst);
                break;
            }
        }
    }
}

/// Sets the blocking mode. Returns whether it was another one before.
fn set_blocking(fd: BorrowedFd<'_>, blocking: bool) -> io::Result<bool> {
    let flags = fcntl_getfl(fd)?;
    if flags.contains(OFlags::NONBLOCK) != blocking {
        return Ok(false);
    }
    fcntl_setfl(fd, flags ^ OFlags::NONBLOCK)?;
    Ok(true)
}
