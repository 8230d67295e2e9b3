//! Common parts of errors: the phase, and copies of `io::Error`.

use std::error::Error;
use std::fmt;
use std::io;

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

/// A copyable [`io::Error`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The kind of the error.
    pub kind: io::ErrorKind,
    /// The errno, if the error came from the system.
    pub errno: Option<i32>,
    /// The message.
    pub message: String,
    /// True if the system call itself failed: this host refused, without an answer from the network.
    pub at_once: bool,
}

impl From<&io::Error> for Failure {
    fn from(error: &io::Error) -> Self {
        let (kind, errno, message) = (error.kind(), os_error(error), error.to_string());
        Self { kind, errno, message, at_once: false }
    }
}

/// The errno, also of an [`InContext`].
fn os_error(error: &io::Error) -> Option<i32> {
    let within = || error.get_ref()?.source()?.downcast_ref::<io::Error>()?.raw_os_error();
    error.raw_os_error().or_else(within)
}

impl Failure {
    /// The symbol of the errno, such as `ECONNREFUSED`.
    ///
    /// ```
    /// let refused = loopctl::Failure::from(&std::io::Error::from_raw_os_error(111));
    /// assert_eq!(refused.name(), Some("ECONNREFUSED"));
    /// ```
    pub fn name(&self) -> Option<&'static str> {
        Some(match self.errno? {
            libc::EACCES => "EACCES",
            libc::EADDRINUSE => "EADDRINUSE",
            libc::EADDRNOTAVAIL => "EADDRNOTAVAIL",
            libc::EAFNOSUPPORT => "EAFNOSUPPORT",
            libc::EAGAIN => "EAGAIN",
            libc::ECONNABORTED => "ECONNABORTED",
            libc::ECONNREFUSED => "ECONNREFUSED",
            libc::ECONNRESET => "ECONNRESET",
            libc::EDQUOT => "EDQUOT",
            libc::EFBIG => "EFBIG",
            libc::EHOSTDOWN => "EHOSTDOWN",
            libc::EHOSTUNREACH => "EHOSTUNREACH",
            libc::EINVAL => "EINVAL",
            libc::EIO => "EIO",
            libc::EISDIR => "EISDIR",
            libc::EMFILE => "EMFILE",
            libc::ENETDOWN => "ENETDOWN",
            libc::ENETUNREACH => "ENETUNREACH",
            libc::ENFILE => "ENFILE",
            libc::ENOBUFS => "ENOBUFS",
            libc::ENOENT => "ENOENT",
            libc::ENOMEM => "ENOMEM",
            libc::ENOPROTOOPT => "ENOPROTOOPT",
            libc::ENOSPC => "ENOSPC",
            libc::ENOTSOCK => "ENOTSOCK",
            libc::EPERM => "EPERM",
            libc::EPIPE => "EPIPE",
            libc::EPROTOTYPE => "EPROTOTYPE",
            libc::EROFS => "EROFS",
            libc::ETIMEDOUT => "ETIMEDOUT",
            _ => return None,
        })
    }
}

/// A system error with a message that says what it concerns.
#[derive(Debug)]
pub(crate) struct InContext {
    text: String,
    error: io::Error,
}

impl InContext {
    pub(crate) fn wrap(text: String, error: io::Error) -> io::Error {
        io::Error::new(error.kind(), Self { text, error })
    }
}

impl fmt::Display for InContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for InContext {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
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
