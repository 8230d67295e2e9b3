//! Address families, socket types, and IP literals.

use std::net::{IpAddr, SocketAddr};

use super::{Host, Port};

/// Address family.
///
/// ```
/// use loopctl::plan::Family;
///
/// let family = Family::of(&"2001:db8::1".parse().unwrap());
/// assert!(Family::Inet6.admits(family) && Family::Unspecified.admits(family));
/// assert!(!Family::Inet.admits(family));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4 and IPv6 (`AF_UNSPEC`).
    #[default]
    Unspecified,
    /// IPv4 (`AF_INET`).
    Inet,
    /// IPv6 (`AF_INET6`).
    Inet6,
}

/// Socket type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketKind {
    /// Connection (`SOCK_STREAM`).
    #[default]
    Stream,
    /// Datagrams (`SOCK_DGRAM`).
    Datagram,
    /// Any type (`0`): one result for each type.
    Any,
}

/// IP protocol numbers; `0` leaves the choice open.
const TCP: i32 = 6;
const UDP: i32 = 17;

impl Family {
    /// Family of an address.
    pub fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Inet,
            IpAddr::V6(_) => Self::Inet6,
        }
    }

    /// Whether this includes the family `other`.
    pub fn admits(self, other: Self) -> bool {
        self == Self::Unspecified || self == other
    }
}

/// Address and IP protocol number of a literal `host` and `port`: asyncio's `_ipaddr_info`.
///
/// Returns `None` if a resolver is needed. No resolver is needed for an address of the given family with a port
/// number. `kind` must be a stream or datagrams, and `proto` 0, 6 (TCP) or 17 (UDP); the kind decides the protocol.
///
/// ```
/// use loopctl::plan::{Family, Host, Port, SocketKind, literal};
///
/// let (host, port) = (Host::from("192.0.2.1"), Port::Number(80));
/// let found = literal(&host, &port, Family::Unspecified, SocketKind::Stream, 0);
/// assert_eq!(found, Some(("192.0.2.1:80".parse().unwrap(), 6)));
/// assert_eq!(literal(&host, &port, Family::Inet6, SocketKind::Stream, 0), None);
/// ```
pub fn literal(
    host: &Host,
    port: &Port,
    family: Family,
    kind: SocketKind,
    proto: i32,
) -> Option<(SocketAddr, i32)> {
    let (Host::Literal(ip), Port::Number(port)) = (host, port) else { return None };
    let proto = match (proto, kind) {
        (0 | TCP | UDP, SocketKind::Stream) => TCP,
        (0 | TCP | UDP, SocketKind::Datagram) => UDP,
        _ => return None,
    };
    family.admits(Family::of(ip)).then(|| (SocketAddr::new(*ip, *port), proto))
}
