//! One end of a pipe, made non-blocking for as long as it is in use here.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};

/// What is at the other side of the descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Fifo,
    Socket,
    Device,
}

/// Owns the descriptor. Whether it blocks is a property of the open file, which a shell shares with every
/// program of a pipeline: who leaves it changed makes the next one fail with `EAGAIN`. So it is put back.
pub(crate) struct PipeEnd {
    shared: Arc<Shared>,
    pub(crate) kind: Kind,
}

struct Shared {
    fd: OwnedFd,
    /// Device and inode, where the open file may be someone else's as well. Two ends of one pipe have the
    /// same, so this alone proves nothing.
    file: Option<(u64, u64)>,
    must_restore: AtomicBool,
}

/// The ends in use whose open file may be someone else's as well.
static IN_USE: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

impl PipeEnd {
    /// An end that came from elsewhere. A regular file is refused with `refusal`.
    pub(crate) fn adopt(fd: OwnedFd, refusal: &str) -> io::Result<Self> {
        let stat = fstat(&fd)?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            FileType::CharacterDevice => Kind::Device,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, refusal)),
        };
        let file = Some((stat.st_dev, stat.st_ino));
        // Under the lock: another end's restoration looks at what we set here.
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        let must_restore = AtomicBool::new(set_blocking(fd.as_fd(), false)?);
        let shared = Arc::new(Shared { fd, file, must_restore });
        in_use.retain(|end| end.strong_count() > 0);
        in_use.push(Arc::downgrade(&shared));
        Ok(Self { shared, kind })
    }

    /// Our end of a pipe that was made for a child: nobody else has it, so nothing need be put back.
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
    /// On a terminal, stdin and stdout are most often one open file: when the first of them ends, the other
    /// must go on without blocking, and takes over the duty to put it back.
    fn drop(&mut self) {
        if self.shared.file.is_none() {
            return;
        }
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        // From here on no other thread hands us a duty that we would not see.
        in_use.retain(|end| !std::ptr::eq(end.as_ptr(), Arc::as_ptr(&self.shared)));
        if !self.shared.must_restore.load(Ordering::SeqCst) {
            return;
        }
        // A descriptor that cannot be asked has no flags that anyone could miss.
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

/// Tells whether that changed anything.
fn set_blocking(fd: BorrowedFd<'_>, blocking: bool) -> io::Result<bool> {
    let flags = fcntl_getfl(fd)?;
    if flags.contains(OFlags::NONBLOCK) != blocking {
        return Ok(false);
    }
    fcntl_setfl(fd, flags ^ OFlags::NONBLOCK)?;
    Ok(true)
}
