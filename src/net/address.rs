//! Addresses of peers.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use rustix::net::{SocketAddrAny, SocketAddrUnix};
use socket2::SockAddr;

use crate::plan::Family;

/// Address of an IP socket or a Unix domain socket.
///
/// ```
/// use loopctl::Address;
///
/// let address = Address::from("[2001:db8::1]:443".parse::<std::net::SocketAddr>().unwrap());
/// assert_eq!(address.to_string(), "[2001:db8::1]:443");
/// assert_eq!(address.family(), Some(loopctl::plan::Family::Inet6));
/// assert_eq!(Address::Unix("/run/x".into()).as_inet(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// IP address and port.
    Inet(SocketAddr),
    /// Path of a socket file. An abstract name has a leading NUL and is displayed as `@name`.
    Unix(PathBuf),
}

impl Address {
    /// Address and port of an IP socket; `None` for a Unix socket.
    pub fn as_inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Family of the packets to an IP address; `None` for a Unix socket. An IPv4-mapped address (RFC 4291 section
    /// 2.5.5.2) is IPv4.
    pub fn family(&self) -> Option<Family> {
        self.as_inet().map(|address| Family::of(&address.ip().to_canonical()))
    }

    /// Address of a socket; `None` where it is neither IP nor Unix.
    pub(crate) fn of(address: &SockAddr) -> Option<Self> {
        let unnamed = || address.is_unix().then(PathBuf::new).map(Self::Unix);
        Self::named(address).or_else(unnamed)
    }

    /// Address of a socket; `None` also for an unnamed Unix socket.
    pub(crate) fn named(address: &SockAddr) -> Option<Self> {
        let inet = || address.as_socket().map(Self::Inet);
        let path = || address.as_pathname().map(|path| Self::Unix(path.to_owned()));
        let hidden = || address.as_abstract_namespace().and_then(Self::hidden);
        inet().or_else(path).or_else(hidden)
    }

    /// Address that a system call returned; see [`named`](Self::named).
    pub(crate) fn of_peer(address: SocketAddrAny) -> Option<Self> {
        if let Ok(inet) = address.clone().try_into() {
            return Some(Self::Inet(inet));
        }
        let unix = SocketAddrUnix::try_from(address).ok()?;
        let path = || {
            let path = unix.path()?.into_owned().into_bytes();
            Some(Self::Unix(OsString::from_vec(path).into()))
        };
        unix.abstract_name().and_then(Self::hidden).or_else(path)
    }

    fn hidden(name: &[u8]) -> Option<Self> {
        let path = || OsString::from_vec([b"\0", name].concat());
        (!name.is_empty()).then(|| Self::Unix(path().into()))
    }

    pub(crate) fn to_sock_addr(&self) -> io::Result<SockAddr> {
        match self {
            Self::Inet(address) => Ok(SockAddr::from(*address)),
            Self::Unix(path) => SockAddr::unix(path),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(path) => match path.as_os_str().as_bytes().strip_prefix(b"\0") {
                Some(name) => write!(f, "unix:@{}", OsStr::from_bytes(name).display()),
                None => write!(f, "unix:{}", path.display()),
            },
        }
    }
}
