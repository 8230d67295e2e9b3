//! Local and remote address of a connection.

use std::fmt;
use std::io;
use std::net::SocketAddr::V4;
use std::net::SocketAddrV4;

use socket2::{SockAddr, Socket};

use crate::net::Address::{self, Inet};

/// Both addresses of a connection, kept after its end. IPv4 addresses are stored in place and others on the heap,
/// because a server keeps a pair for each client.
#[derive(Clone, Default)]
pub(crate) enum AddressPair {
    #[default]
    None,
    V4(SocketAddrV4, SocketAddrV4),
    Other(Box<(Option<Address>, Option<Address>)>),
}

impl AddressPair {
    /// The addresses that the kernel reports for a socket.
    pub(crate) fn of(socket: &Socket) -> Self {
        Self::new(name(socket.local_addr()), name(socket.peer_addr()))
    }

    /// The addresses of an accepted socket. `peer` is the result of `accept`, because the kernel no longer knows the
    /// address of a peer that has left.
    pub(crate) fn of_accepted(socket: &Socket, peer: Option<Address>) -> Self {
        Self::new(name(socket.local_addr()), peer.or_else(|| name(socket.peer_addr())))
    }

    /// The addresses of a socket that has connected to `to`. The kernel is asked for the peer's address only if
    /// it may differ: it replaces an unspecified address, and a path may lead to a socket bound by another path.
    pub(crate) fn of_connection(socket: &Socket, to: &Address) -> Self {
        match to.as_inet() {
            Some(to) if !to.ip().is_unspecified() => {
                Self::new(name(socket.local_addr()), Some(Inet(to)))
            }
            _ => Self::of(socket),
        }
    }

    fn new(local: Option<Address>, peer: Option<Address>) -> Self {
        match (local, peer) {
            (Some(Inet(V4(local))), Some(Inet(V4(peer)))) => Self::V4(local, peer),
            (None, None) => Self::None,
            names => Self::Other(Box::new(names)),
        }
    }

    pub(crate) fn is_inet(&self) -> bool {
        self.local().is_some_and(|local| local.as_inet().is_some())
    }

    pub(crate) fn local(&self) -> Option<Address> {
        match self {
            Self::None => None,
            Self::V4(local, _) => Some(Inet(V4(*local))),
            Self::Other(names) => names.0.clone(),
        }
    }

    pub(crate) fn peer(&self) -> Option<Address> {
        match self {
            Self::None => None,
            Self::V4(_, peer) => Some(Inet(V4(*peer))),
            Self::Other(names) => names.1.clone(),
        }
    }
}

fn name(address: io::Result<SockAddr>) -> Option<Address> {
    Address::named(&address.ok()?)
}

impl fmt::Debug for AddressPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (local, peer) = (self.local(), self.peer());
        if local.is_none() && peer.is_none() {
            return f.write_str("a connection without addresses");
        }
        let word = |name: Option<Address>| name.map_or_else(|| "unnamed".into(), |a| a.to_string());
        write!(f, "{} -> {}", word(local), word(peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trans_33_the_names_of_a_connection_are_as_small_as_a_pair_of_ipv4_addresses() {
        assert_eq!(size_of::<AddressPair>(), 2 * size_of::<SocketAddrV4>() + 4);
    }
}
