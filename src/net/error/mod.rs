//! Failures that can be copied, and the phase in which they occurred.

mod failure;

use std::fmt;
use std::io;

pub(super) use failure::BindFailure;
pub use failure::Failure;

/// How far an attempt got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Making the socket.
    Socket,
    /// Setting its options.
    Options,
    /// Binding it to a local address.
    Bind,
    /// Connecting it.
    Connect,
    /// Listening on it.
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

/// For one more who is to hear of it.
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
