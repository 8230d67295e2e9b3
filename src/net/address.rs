//! What an attempt connects to.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

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
    /// The path of a socket file.
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
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
