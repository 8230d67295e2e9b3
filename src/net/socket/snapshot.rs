//! A socket's addresses, kernel figures and options at the moment of an event.

use std::net::SocketAddr;

use socket2::Socket;

use super::{SocketOptions, TcpInfo};
use crate::net::IcmpError;

/// State of a socket at the moment of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SocketSnapshot {
    /// The local address.
    pub local: Option<SocketAddr>,
    /// The kernel's figures of the TCP connection.
    pub tcp: Option<TcpInfo>,
    /// The options in force, if any were requested.
    pub options: Option<SocketOptions>,
    /// The latest ICMP error about the packets of the socket.
    pub icmp: Option<IcmpError>,
    /// True if the peer has reset the connection after it was established.
    pub is_reset: bool,
}

impl SocketSnapshot {
    pub(in crate::net) fn of(socket: &Socket, with_options: bool) -> Self {
        // Port 0 means that the kernel has not chosen an address yet.
        let local = socket.local_addr().ok().and_then(|local| local.as_socket());
        let local = local.filter(|local| local.port() != 0);
        let is_ipv6 = local.is_some_and(|local| local.is_ipv6());
        let options = with_options.then(|| SocketOptions::in_force(socket, is_ipv6));
        Self { local, tcp: TcpInfo::of(socket), options, icmp: None, is_reset: false }
    }
}
