//! A file that was not sent, or not as a whole.

use std::fmt;
use std::io;

use super::Address;

/// What stopped a file on its way, and how much of it had gone by then.
///
/// ```
/// use loopctl::{SendfileMethod, SendfilePhase, Sendfile};
///
/// let (ours, _theirs) = std::os::unix::net::UnixStream::pair()?;
/// ours.set_nonblocking(true)?;
/// let device = std::fs::File::open("/dev/zero")?;
/// let sending = Sendfile::new(&device).method(SendfileMethod::Native);
/// let error = loopctl::run(async |event_loop| event_loop.sock_sendfile(&ours, sending).await)?.unwrap_err();
/// assert_eq!((error.bytes, error.phase), (0, SendfilePhase::Check));
/// assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
/// assert_eq!(error.to_string(), "sendfile: not a regular file");
/// # Ok::<(), loopctl::BoxError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct SendfileError {
    /// How many bytes the system has taken; over TLS, whole blocks of them.
    pub bytes: u64,
    /// What failed.
    pub phase: SendfilePhase,
    /// The other end, if it has a name.
    pub peer: Option<Address>,
    /// The system's error, or what cannot be meant.
    pub error: io::Error,
}

/// How far a transfer got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SendfilePhase {
    /// Looking at what is to be done; nothing was sent.
    Check,
    /// Reading the file.
    Read,
    /// Sending to the peer.
    Send,
}

impl SendfileError {
    /// The kind of the error within.
    pub fn kind(&self) -> io::ErrorKind {
        self.error.kind()
    }
}

impl fmt::Display for SendfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.phase, &self.peer) {
            (SendfilePhase::Check, _) => return write!(f, "sendfile: {}", self.error),
            (SendfilePhase::Read, _) => f.write_str("sendfile: reading the file")?,
            (SendfilePhase::Send, Some(peer)) => write!(f, "sendfile: sending to {peer}")?,
            (SendfilePhase::Send, None) => f.write_str("sendfile: sending")?,
        }
        write!(f, ", after {} bytes: {}", self.bytes, self.error)
    }
}

impl std::error::Error for SendfileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<SendfileError> for io::Error {
    fn from(error: SendfileError) -> Self {
        Self::new(error.kind(), error)
    }
}

/// Which side of sendfile(2) an error is about: the socket's errors are known, all others are the file's.
pub(super) fn phase_of(error: &io::Error) -> SendfilePhase {
    const SOCKET: [i32; 13] = [
        libc::ECONNABORTED,
        libc::ECONNREFUSED,
        libc::ECONNRESET,
        libc::EHOSTUNREACH,
        libc::EMSGSIZE,
        libc::ENETDOWN,
        libc::ENETUNREACH,
        libc::ENOBUFS,
        libc::ENOTCONN,
        libc::EPIPE,
        libc::EPROTO,
        libc::ETIMEDOUT,
        libc::EHOSTDOWN,
    ];
    match error.raw_os_error() {
        Some(code) if SOCKET.contains(&code) => SendfilePhase::Send,
        // Ours: the connection was closed.
        None => SendfilePhase::Send,
        Some(_) => SendfilePhase::Read,
    }
}
