//! Failures that can be copied, and the phase in which they occurred.

mod failure;

use std::fmt;
use std::io;

pub(super) use failure::BindFailure;
pub use failure::Failure;

/// The operation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Creating the socket.
    Socket,
    /// Setting socket options.
    Options,
    /// Binding to a local address.
    Bind,
    /// Connecting.
    Connect,
    /// Listening.
    Listen,
    /// The TLS handshake.
    Tls,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Socket => "socket",
            Self::Options => "socket options",
            Self::Bind => "bind",
            Self::Connect => "connect",
            Self::Listen => "listen",
            Self::Tls => "TLS handshake with",
        })
    }
}

/// A copy of an error, which keeps its errno or its TLS error.
pub(super) fn copy_of(error: &io::Error) -> io::Error {
    #[cfg(feature = "tls")]
    if let Some(tls) = super::TlsError::within(error) {
        return tls.clone().into();
    }
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
