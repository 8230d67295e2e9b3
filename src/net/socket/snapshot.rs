//! A socket's addresses, kernel figures and options at the moment of an event.

use std::net::SocketAddr;

use socket2::Socket;

use super::{SocketOptions, TcpInfo};

/// What a socket says of itself at the moment of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SocketSnapshot {
    /// Its own address.
    pub local: Option<SocketAddr>,
    /// What the kernel knows of its connection.
    pub tcp: Option<TcpInfo>,
    /// The options in force, where some were asked for.
    pub options: Option<SocketOptions>,
}

impl SocketSnapshot {
    pub(in crate::net) fn of(socket: &Socket, with_options: bool) -> Self {
        // Without a port the kernel has not chosen one yet.
        let local = socket.local_addr().ok().and_then(|local| local.as_socket());
        let local = local.filter(|local| local.port() != 0);
        let is_ipv6 = local.is_some_and(|local| local.is_ipv6());
        let options = with_options.then(|| SocketOptions::in_force(socket, is_ipv6));
        Self { local, tcp: TcpInfo::of(socket), options }
    }
}
