//! Failures that can be copied, and the phase in which they occurred.

mod failure;
mod icmp;
#[cfg(any(feature = "dns", feature = "tls"))]
mod timestamp;

use std::fmt;
use std::io;

pub(super) use failure::BindFailure;
pub use failure::Failure;
pub use icmp::IcmpError;
#[cfg(any(feature = "dns", feature = "tls"))]
pub(super) use timestamp::rfc3339;

/// Step of a connection attempt, or of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// `socket(2)`.
    Socket,
    /// `setsockopt(2)`.
    Options,
    /// `bind(2)`.
    Bind,
    /// `connect(2)` and the TCP handshake.
    Connect,
    /// `listen(2)`.
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

/// Copy of an error for a second reader: errno, or TLS error, or kind and text.
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
