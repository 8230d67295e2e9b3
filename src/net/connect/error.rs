//! Errors of `create_connection`: one per attempt, and one for the whole operation.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::net::error::Phase;
use crate::net::{Address, ResolveError};

/// One attempt that failed.
#[derive(Debug)]
pub struct AttemptError {
    /// Where it tried to connect.
    pub address: Address,
    /// What failed.
    pub phase: Phase,
    /// The system's error; [`TimedOut`](io::ErrorKind::TimedOut) without a system error where a time limit
    /// of ours ended the attempt.
    pub error: io::Error,
    /// How long it had been under way.
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

/// Why there is no connection.
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
    /// There was nothing to connect to.
    Resolve(ResolveError),
    /// Every attempt failed: one entry for each, in the order of the addresses, not of their failures.
    Attempts(Vec<AttemptError>),
    /// The time for the whole operation was up; the attempts under way are among these.
    TimedOut(Vec<AttemptError>),
    /// There was a connection, but TLS failed on it: the phase is [`Phase::Tls`]. Where the peer of a Unix
    /// socket has no name, its address is an empty path. The error has a [`TlsError`](crate::TlsError) within
    /// if it is one of TLS.
    #[cfg(feature = "tls")]
    Tls(AttemptError),
    /// There is a socket, but it could not be put to use.
    Transport(io::Error),
}

impl ConnectError {
    /// The attempts that were made.
    pub fn attempts(&self) -> &[AttemptError] {
        match self {
            Self::Attempts(attempts) | Self::TimedOut(attempts) => attempts,
            #[cfg(feature = "tls")]
            Self::Tls(attempt) => std::slice::from_ref(attempt),
            Self::Resolve(_) | Self::Transport(_) => &[],
        }
    }

    /// What the attempts have in common: their kind of error if it is the same for all.
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

/// One error as it is; several as asyncio puts it, the same text only once.
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
