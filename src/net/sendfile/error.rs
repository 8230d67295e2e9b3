//! Errors of a transfer.

use std::fmt;
use std::io;

use crate::net::Address;

/// Error of a transfer, with the number of bytes sent before it.
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
    /// The number of bytes that the system accepted; over TLS, in whole blocks.
    pub bytes: u64,
    /// The operation that failed.
    pub phase: SendfilePhase,
    /// The peer's address, if it has one.
    pub peer: Option<Address>,
    /// The system's error, or `InvalidInput` for invalid arguments.
    pub error: io::Error,
}

/// Phase of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendfilePhase {
    /// Checking the arguments; nothing was sent.
    Check,
    /// Reading the file.
    Read,
    /// Sending to the peer.
    Send,
}

impl SendfileError {
    /// The kind of [`error`](Self::error).
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

/// The side of sendfile(2) that an error concerns: errors not listed here are the file's.
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
        // An error of this library: the connection was closed.
        None => SendfilePhase::Send,
        Some(_) => SendfilePhase::Read,
    }
}
