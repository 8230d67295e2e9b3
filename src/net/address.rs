//! What an attempt connects to.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use socket2::SockAddr;

use crate::plan::Family;

/// The address of a peer: of an IP socket, or of a Unix domain socket.
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
    /// An IP address and a port.
    Inet(SocketAddr),
    /// The path of a socket file; an abstract name, which needs no file, has a leading NUL here and is
    /// written `@name`.
    Unix(PathBuf),
}

impl Address {
    /// The address and port of an IP socket.
    pub fn as_inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// The family of an IP address.
    pub fn family(&self) -> Option<Family> {
        self.as_inet().map(|address| Family::of(&address.ip()))
    }

    /// What a socket says its address is; `None` where it is of neither kind.
    pub(crate) fn of(address: &SockAddr) -> Option<Self> {
        if let Some(inet) = address.as_socket() {
            return Some(Self::Inet(inet));
        }
        let name = |name: &[u8]| PathBuf::from(OsStr::from_bytes(&[b"\0", name].concat()));
        let path = address.as_pathname().map(Path::to_owned);
        let path = path.or_else(|| address.as_abstract_namespace().map(name));
        path.or_else(|| address.is_unix().then(PathBuf::new)).map(Self::Unix)
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
