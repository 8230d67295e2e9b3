//! Failures of name resolution.

use std::fmt;
use std::io;
use std::sync::Arc;

#[cfg(feature = "dns")]
use crate::net::{DnsError, DnsErrorKind};
use crate::plan::Answer;
use crate::sys::addrinfo;
use crate::task::Cancelled;

/// Reason why a name has no address.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ResolveError {
    /// `getaddrinfo(3)` or `getnameinfo(3)` failed.
    System {
        /// Name or address that was looked up.
        host: String,
        /// The `EAI_*` error.
        code: EaiCode,
        /// The `errno` of `EAI_SYSTEM`.
        errno: Option<i32>,
        /// Description by `gai_strerror(3)`, or of `errno`.
        message: String,
    },
    /// A query to a name server failed, on the loop by a `DnsClient`.
    #[cfg(feature = "dns")]
    Dns(Box<DnsError>),
    /// The resolver succeeded without any address.
    NoAddresses {
        /// Name that was looked up.
        host: String,
    },
    /// The name contains a NUL and cannot be passed to `getaddrinfo(3)`.
    BadName {
        /// Name that was looked up.
        host: String,
    },
    /// The name is `onion`, or below it. It is not in DNS, so that the system's resolver was not asked, which would pass
    /// it to name servers (RFC 7686 section 2).
    Onion {
        /// Name that was looked up.
        host: String,
    },
    /// The zone of an IPv6 address is no interface of this host (RFC 4007 section 11).
    NoInterface {
        /// Address with its zone.
        host: String,
        /// Zone.
        zone: String,
    },
    /// A [`Resolver`](super::Resolver) of the application failed.
    Other {
        /// Name that was looked up.
        host: String,
        /// The resolver's error. Its text should name the host.
        error: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The time limit of the connection passed first.
    TimedOut,
    /// The loop was closed, or the lookup was dropped.
    Cancelled,
}

/// Error code of `getaddrinfo(3)`: an `EAI_*` number of this platform (RFC 3493 section 6.1).
///
/// ```
/// use loopctl::EaiCode;
///
/// assert_eq!(EaiCode::NONAME.symbol(), Some("EAI_NONAME"));
/// assert_eq!(EaiCode(-2), EaiCode::NONAME);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EaiCode(pub i32);

impl EaiCode {
    /// The host has no address of the requested family (glibc).
    pub const ADDRFAMILY: Self = Self(addrinfo::EAI_ADDRFAMILY);
    /// Temporary failure: no name server answered, or it failed.
    pub const AGAIN: Self = Self(libc::EAI_AGAIN);
    /// Invalid flags.
    pub const BADFLAGS: Self = Self(libc::EAI_BADFLAGS);
    /// Permanent failure of the name server.
    pub const FAIL: Self = Self(libc::EAI_FAIL);
    /// The address family is not supported.
    pub const FAMILY: Self = Self(libc::EAI_FAMILY);
    /// Out of memory.
    pub const MEMORY: Self = Self(libc::EAI_MEMORY);
    /// The name exists and has no address (glibc).
    pub const NODATA: Self = Self(libc::EAI_NODATA);
    /// The name or the service is not known.
    pub const NONAME: Self = Self(libc::EAI_NONAME);
    /// A buffer is too small.
    pub const OVERFLOW: Self = Self(libc::EAI_OVERFLOW);
    /// The service is not known for the socket type.
    pub const SERVICE: Self = Self(libc::EAI_SERVICE);
    /// The socket type is not supported.
    pub const SOCKTYPE: Self = Self(libc::EAI_SOCKTYPE);
    /// System error; see `errno`.
    pub const SYSTEM: Self = Self(libc::EAI_SYSTEM);

    /// The symbol, such as `EAI_NONAME`; `None` for a number without one.
    pub fn symbol(self) -> Option<&'static str> {
        Some(match self {
            Self::ADDRFAMILY => "EAI_ADDRFAMILY",
            Self::AGAIN => "EAI_AGAIN",
            Self::BADFLAGS => "EAI_BADFLAGS",
            Self::FAIL => "EAI_FAIL",
            Self::FAMILY => "EAI_FAMILY",
            Self::MEMORY => "EAI_MEMORY",
            Self::NODATA => "EAI_NODATA",
            Self::NONAME => "EAI_NONAME",
            Self::OVERFLOW => "EAI_OVERFLOW",
            Self::SERVICE => "EAI_SERVICE",
            Self::SOCKTYPE => "EAI_SOCKTYPE",
            Self::SYSTEM => "EAI_SYSTEM",
            _ => return None,
        })
    }
}

/// The symbol, or the number.
impl fmt::Display for EaiCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.symbol() {
            Some(symbol) => f.write_str(symbol),
            None => write!(f, "error {}", self.0),
        }
    }
}

impl ResolveError {
    /// The `EAI_*` error of the system's resolver.
    ///
    /// ```
    /// # use loopctl::{AddrInfoFlags, EaiCode, Lookup};
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let not_an_address = Lookup::new("example.test", 80).flags(AddrInfoFlags::NUMERICHOST);
    /// let error = event_loop.run_until_complete(handle.getaddrinfo(not_an_address))?.unwrap_err();
    /// assert_eq!(error.code(), Some(EaiCode::NONAME));
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn code(&self) -> Option<EaiCode> {
        match self {
            Self::System { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The failed query, where name servers were queried on the loop.
    #[cfg(feature = "dns")]
    pub fn dns(&self) -> Option<&DnsError> {
        match self {
            Self::Dns(error) => Some(error),
            _ => None,
        }
    }

    /// System error number: of `EAI_SYSTEM`, or of the socket to a name server.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::System { errno, .. } => *errno,
            #[cfg(feature = "dns")]
            Self::Dns(error) => error.errno(),
            _ => None,
        }
    }

    /// Meaning of the failure for a [race](crate::plan::Race) that asked for addresses. `EAI_AGAIN` counts as a
    /// timeout, because glibc has no code for one.
    ///
    /// ```
    /// use loopctl::plan::Answer;
    /// # use loopctl::{AddrInfoFlags, Lookup};
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let not_an_address = Lookup::new("example.test", 80).flags(AddrInfoFlags::NUMERICHOST);
    /// let error = event_loop.run_until_complete(handle.getaddrinfo(not_an_address))?.unwrap_err();
    /// assert_eq!(error.answer::<std::net::IpAddr>(), Answer::NoName);
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn answer<A>(&self) -> Answer<A> {
        match self {
            #[cfg(feature = "dns")]
            Self::Dns(error) => match error.kind {
                DnsErrorKind::NxDomain => Answer::NoName,
                DnsErrorKind::NoData => Answer::NoData,
                DnsErrorKind::TimedOut => Answer::TimedOut,
                _ => Answer::Failed,
            },
            Self::NoAddresses { .. } => Answer::NoData,
            Self::Onion { .. } => Answer::NoName,
            Self::System { code: EaiCode::NODATA | EaiCode::ADDRFAMILY, .. } => Answer::NoData,
            Self::System { code: EaiCode::NONAME, .. } => Answer::NoName,
            Self::System { code: EaiCode::AGAIN, .. } => Answer::TimedOut,
            _ => Answer::Failed,
        }
    }

    pub(super) fn system(host: &str, failure: addrinfo::Failure) -> Self {
        let errno = failure.system.as_ref().and_then(io::Error::raw_os_error);
        let described = addrinfo::describe(failure.code);
        let message = failure.system.map_or(described, |error| error.to_string());
        Self::System { host: host.to_owned(), code: EaiCode(failure.code), errno, message }
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { host, code, message, .. } => match code.symbol() {
                Some(symbol) => write!(f, "cannot resolve `{host}`: {message} ({symbol})"),
                None => write!(f, "cannot resolve `{host}`: {message}"),
            },
            #[cfg(feature = "dns")]
            Self::Dns(error) => error.fmt(f),
            Self::NoAddresses { host } => write!(f, "getaddrinfo(`{host}`) returned empty list"),
            Self::NoInterface { host, zone } => {
                write!(f, "cannot resolve `{host}`: this host has no interface `{zone}`")
            }
            Self::BadName { host } => write!(f, "`{}` cannot be a name", host.escape_debug()),
            Self::Onion { host } => {
                write!(f, "`{host}` is a name of Tor, and no resolver is asked for it (RFC 7686)")
            }
            Self::Other { error, .. } => error.fmt(f),
            Self::TimedOut => f.write_str("timed out"),
            Self::Cancelled => f.write_str("name resolution was cancelled"),
        }
    }
}

impl std::error::Error for ResolveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            #[cfg(feature = "dns")]
            Self::Dns(error) => Some(error.as_ref()),
            Self::Other { error, .. } => Some(error.as_ref()),
            _ => None,
        }
    }
}

impl From<Cancelled> for ResolveError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl From<ResolveError> for io::Error {
    fn from(error: ResolveError) -> Self {
        Self::new(io::ErrorKind::NotFound, error)
    }
}
