//! State of this host around a connection: interfaces, local ports, proxy variables.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;

use loopctl::Interface;

use super::Attempt;
use super::stalls::Stall;
use crate::config::proxy::Proxy;

/// State of this host. Interfaces and ports are read after a failure only.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    pub(crate) interfaces: Vec<Interface>,
    /// Ports that the kernel chooses for sockets without one.
    pub(crate) local_ports: Option<RangeInclusive<u16>>,
    /// Interface requested for the connection (--interface).
    pub(crate) requested_interface: Option<String>,
    /// Proxy that HTTP clients would use for the target.
    pub(crate) proxy: Option<Proxy>,
    /// Connections that full accept queues of this host dropped during the run, as far as that is known.
    pub(crate) listen_overflows: Option<u64>,
    /// IPv6 addresses of the name that shows a NAT64 prefix; `None` if it was not asked for.
    pub(crate) nat64: Option<Vec<Ipv6Addr>>,
    /// Stalls of this process, in the order of time.
    pub(crate) stalls: Vec<Stall>,
}

impl Attempt {
    /// Whether the packets of an attempt do not leave this host, so that no path can lose them.
    pub(crate) fn is_on_this_host(&self) -> bool {
        let Some(to) = self.address.as_inet().map(|address| address.ip()) else { return false };
        to.is_loopback() || self.socket.local.is_some_and(|local| local.ip() == to)
    }
}

impl Surroundings {
    pub(crate) fn interface(&self, name: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.name == name)
    }

    /// Whether an address is one of this host; `None` if the interfaces are not known.
    pub(crate) fn has_address(&self, ip: IpAddr) -> Option<bool> {
        let mut interfaces = self.interfaces.iter();
        (!self.interfaces.is_empty())
            .then(|| interfaces.any(|interface| interface.addresses.contains(&ip)))
    }
}
