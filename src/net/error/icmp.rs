//! ICMP errors about the packets of a socket.

use std::net::IpAddr;

use crate::sys::error_queue::IcmpEntry;

/// ICMP error about a packet of a socket, with its sender (ip(7), `IP_RECVERR`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct IcmpError {
    /// True for ICMPv6 (RFC 4443), false for ICMP (RFC 792).
    pub is_ipv6: bool,
    /// Type of the message.
    pub kind: u8,
    /// Code of the message.
    pub code: u8,
    /// Sender: a router, the peer, or this host.
    pub from: Option<IpAddr>,
    /// MTU of the next link, in bytes, if the packet was too large for it.
    pub mtu: Option<u32>,
    /// Error number that the kernel gives the message.
    pub errno: i32,
}

impl From<IcmpEntry> for IcmpError {
    fn from(entry: IcmpEntry) -> Self {
        let IcmpEntry { errno, is_ipv6, kind, code, info, offender } = entry;
        let is_too_big = if is_ipv6 { kind == 2 } else { (kind, code) == (3, 4) };
        Self { is_ipv6, kind, code, from: offender, mtu: is_too_big.then_some(info), errno }
    }
}
