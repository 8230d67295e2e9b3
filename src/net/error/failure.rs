//! Errors of the system that can be copied.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Copy of an [`io::Error`] with its errno, and the local address that could not be bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Category of the error.
    pub kind: io::ErrorKind,
    /// Error number, where the error came from the system.
    pub errno: Option<i32>,
    /// Text of the error.
    pub message: String,
    /// True if the system call itself failed, so that this host refused and no packet was sent.
    pub at_once: bool,
    /// Local address that could not be bound; the first of several.
    pub local_address: Option<SocketAddr>,
}

impl From<&io::Error> for Failure {
    fn from(error: &io::Error) -> Self {
        Self {
            kind: error.kind(),
            errno: causes(error).find_map(errno),
            message: error.to_string(),
            at_once: false,
            local_address: causes(error)
                .find_map(|cause| cause.downcast_ref::<BindFailure>()?.address),
        }
    }
}

/// The error and its causes, the outermost first.
fn causes(error: &io::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |error| cause(*error))
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    // The source of an io::Error is the source of the error inside it, and not that error.
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn errno(error: &(dyn Error + 'static)) -> Option<i32> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return error.raw_os_error();
    }
    error.downcast_ref::<Failure>().and_then(|failure| failure.errno)
}

impl Failure {
    /// Symbol of the error number, such as `ECONNREFUSED`.
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
            libc::ENODEV => "ENODEV",
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

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {}

/// Failed `bind(2)`, with the text of asyncio.
#[derive(Debug)]
pub(in crate::net) struct BindFailure {
    text: String,
    /// `None` where binding to an interface failed.
    address: Option<SocketAddr>,
    error: io::Error,
}

impl BindFailure {
    pub(in crate::net) fn of_address(address: SocketAddr, error: io::Error) -> Self {
        let text = format!("error while attempting to bind on address {address}: {error}");
        Self { text, address: Some(address), error }
    }

    pub(in crate::net) fn of_interface(interface: &str, error: io::Error) -> Self {
        let text = format!("error while attempting to bind to interface {interface}: {error}");
        Self { text, address: None, error }
    }

    /// The first of several failures, with the texts of all.
    pub(in crate::net) fn first_of(failures: Vec<Self>) -> Option<Self> {
        let texts: Vec<&str> = failures.iter().map(|failure| failure.text.as_str()).collect();
        let text = texts.join(", ");
        failures.into_iter().next().map(|first| Self { text, ..first })
    }
}

impl fmt::Display for BindFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for BindFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

impl From<BindFailure> for io::Error {
    fn from(failure: BindFailure) -> Self {
        Self::new(failure.error.kind(), failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Address, AttemptError, ConnectError, Phase};

    fn refused() -> io::Error {
        io::Error::from_raw_os_error(libc::ECONNREFUSED)
    }

    #[test]
    fn the_errno_is_found_however_deep_it_is() {
        let address: SocketAddr = "192.0.2.1:80".parse().unwrap();
        let attempt = AttemptError {
            address: Address::Inet(address),
            phase: Phase::Connect,
            error: refused(),
            took: std::time::Duration::ZERO,
        };
        let connect = io::Error::from(ConnectError::Attempts(vec![attempt]));
        let nested = io::Error::other(io::Error::other(refused()));
        for error in [refused(), nested, connect] {
            assert_eq!(Failure::from(&error).errno, Some(libc::ECONNREFUSED), "{error:?}");
        }
        assert_eq!(Failure::from(&io::Error::other("no number")).errno, None);
    }

    #[test]
    fn a_failed_bind_keeps_its_address() {
        let addresses = ["192.0.2.1:1", "192.0.2.2:2"].map(|it| it.parse::<SocketAddr>().unwrap());
        let failures = addresses.map(|address| BindFailure::of_address(address, refused()));
        let first = BindFailure::first_of(failures.into()).unwrap();
        let failure = Failure::from(&io::Error::from(first));
        assert_eq!(failure.local_address, Some(addresses[0]));
        assert_eq!(
            (failure.errno, failure.kind),
            (Some(libc::ECONNREFUSED), io::ErrorKind::ConnectionRefused)
        );
        assert!(failure.message.contains("192.0.2.1:1") && failure.message.contains("192.0.2.2:2"));
    }
}
