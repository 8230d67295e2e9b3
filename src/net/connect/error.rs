//! Errors of `create_connection`: one per attempt, and one for the whole operation.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::net::error::Phase;
use crate::net::{Address, ResolveError};

/// Failed connection attempt.
#[derive(Debug)]
#[non_exhaustive]
pub struct AttemptError {
    /// Remote address.
    pub address: Address,
    /// Step that failed.
    pub phase: Phase,
    /// Error of the system. A time limit of this library is [`TimedOut`](io::ErrorKind::TimedOut) without an OS
    /// error.
    pub error: io::Error,
    /// Time from the start of the attempt to its failure.
    pub took: Duration,
}

impl fmt::Display for AttemptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.phase, self.address, self.error)
    }
}

impl std::error::Error for AttemptError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Failure of [`create_connection`](crate::LoopHandle::create_connection).
///
/// ```
/// # use loopctl::{Protocol, Transport};
/// # struct Quiet;
/// # impl Protocol for Quiet { fn data_received(&mut self, _: &Transport, _: &[u8]) {} }
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// let connecting = handle.create_unix_connection("/no/such/socket").open(|| Quiet);
/// let error = event_loop.run_until_complete(connecting)?.unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
/// assert_eq!(error.attempts()[0].phase, loopctl::Phase::Connect);
/// # Ok::<(), loopctl::RunError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name has no address.
    Resolve(ResolveError),
    /// Every attempt failed: one entry each, in the order in which the attempts started.
    Attempts(Vec<AttemptError>),
    /// The time limit of the whole operation passed. Attempts in progress are included.
    TimedOut(Vec<AttemptError>),
    /// The connection was established and TLS failed on it, in [`Phase::Tls`]. The error contains a
    /// [`TlsError`](crate::TlsError) unless the network failed. An unnamed peer of a Unix socket has an empty path as
    /// its address.
    #[cfg(feature = "tls")]
    Tls(AttemptError),
    /// The connected socket cannot be used.
    Transport(io::Error),
}

impl ConnectError {
    /// Failed attempts.
    pub fn attempts(&self) -> &[AttemptError] {
        match self {
            Self::Attempts(attempts) | Self::TimedOut(attempts) => attempts,
            #[cfg(feature = "tls")]
            Self::Tls(attempt) => std::slice::from_ref(attempt),
            Self::Resolve(_) | Self::Transport(_) => &[],
        }
    }

    /// Error kind that all attempts have in common, or [`Other`](io::ErrorKind::Other).
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Resolve(_) => io::ErrorKind::NotFound,
            Self::TimedOut(_) => io::ErrorKind::TimedOut,
            Self::Transport(error) => error.kind(),
            #[cfg(feature = "tls")]
            Self::Tls(attempt) => attempt.error.kind(),
            Self::Attempts(attempts) => {
                let mut kinds = attempts.iter().map(|attempt| attempt.error.kind());
                let first = kinds.next().unwrap_or(io::ErrorKind::TimedOut);
                if kinds.all(|kind| kind == first) { first } else { io::ErrorKind::Other }
            }
        }
    }
}

/// One error as it is; several as in asyncio, with equal texts printed once.
impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempts = match self {
            Self::Resolve(error) => return error.fmt(f),
            Self::Transport(error) => return error.fmt(f),
            #[cfg(feature = "tls")]
            Self::Tls(attempt) => return attempt.fmt(f),
            Self::TimedOut(_) => return f.write_str("timed out"),
            Self::Attempts(attempts) => attempts,
        };
        let texts: Vec<String> = attempts.iter().map(ToString::to_string).collect();
        match texts.as_slice() {
            [] => f.write_str("create_connection failed"),
            [first, rest @ ..] if rest.iter().all(|text| text == first) => f.write_str(first),
            _ => write!(f, "Multiple exceptions: {}", texts.join(", ")),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Resolve(error) => Some(error),
            Self::Transport(error) => Some(error),
            #[cfg(feature = "tls")]
            Self::Tls(attempt) => Some(attempt),
            Self::Attempts(attempts) => match attempts.as_slice() {
                [only] => Some(only),
                _ => None,
            },
            Self::TimedOut(_) => None,
        }
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        Self::new(error.kind(), error)
    }
}
