//! Routes, interfaces and addresses of this host, as `ip route get` and `ip address` show them.

mod interfaces;
mod lookup;
mod netlink;
mod table;

use std::fmt;
use std::net::IpAddr;

pub use interfaces::{Interface, interfaces};
pub use lookup::route_to;

/// Route of this host to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// Kind of the route.
    pub kind: RouteKind,
    /// Next router; `None` for an address on the interface's own network.
    pub gateway: Option<IpAddr>,
    /// Name of the outgoing interface.
    pub interface: Option<String>,
    /// Local address that packets leave from, unless the socket has another.
    pub source: Option<IpAddr>,
    /// Entry of the routing table, for a route that rejects or discards. `None` if a rule of `ip rule` does.
    pub entry: Option<RoutePrefix>,
}

/// Kind of a route (rtnetlink(7), `rtm_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RouteKind {
    /// A gateway, or a network of this host.
    Unicast,
    /// An address of this host.
    Local,
    /// A broadcast or multicast address.
    Broadcast,
    /// Packets are discarded; `connect(2)` fails with `EINVAL`.
    Blackhole,
    /// Packets are rejected; `connect(2)` fails with `EHOSTUNREACH`.
    Unreachable,
    /// Packets are rejected; `connect(2)` fails with `EACCES`.
    Prohibit,
    /// There is no route; `connect(2)` fails with `ENETUNREACH`.
    None,
}

/// Network of a route: `192.0.2.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RoutePrefix {
    /// First address of the network.
    pub address: IpAddr,
    /// Number of leading bits that the addresses share.
    pub length: u8,
}

impl RouteKind {
    /// Word of ip-route(8); `none` if there is no route.
    ///
    /// ```
    /// assert_eq!(loopctl::RouteKind::Blackhole.name(), "blackhole");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Unicast => "unicast",
            Self::Local => "local",
            Self::Broadcast => "broadcast",
            Self::Blackhole => "blackhole",
            Self::Unreachable => "unreachable",
            Self::Prohibit => "prohibit",
            Self::None => "none",
        }
    }
}

impl RoutePrefix {
    /// Whether the address belongs to the network.
    ///
    /// ```
    /// let network = loopctl::RoutePrefix { address: [192, 0, 2, 0].into(), length: 24 };
    /// assert!(network.contains([192, 0, 2, 1].into()));
    /// assert!(!network.contains([192, 0, 3, 1].into()));
    /// assert_eq!(network.to_string(), "192.0.2.0/24");
    /// ```
    pub fn contains(&self, ip: IpAddr) -> bool {
        let (width, network, address) = match (self.address, ip) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                (32, network.to_bits().into(), ip.to_bits().into())
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => (128, network.to_bits(), ip.to_bits()),
            _ => return false,
        };
        let differing: u128 = network ^ address;
        let host_bits = u32::saturating_sub(width, self.length.into());
        differing.checked_shr(host_bits).unwrap_or_default() == 0
    }
}

impl fmt::Display for RoutePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length {
            0 => f.write_str("default"),
            length => write!(f, "{}/{length}", self.address),
        }
    }
}
