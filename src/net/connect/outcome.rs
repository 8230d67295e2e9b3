//! What a race gives, and the transport that is made of it.

use socket2::Socket;

#[cfg(feature = "tls")]
use super::tls::{PendingTransport, TlsAfterConnect};
use crate::event_loop::LoopHandle;
use crate::net::protocol::ProtocolRef;
use crate::net::socket::address_pair::AddressPair;
use crate::net::{ConnectError, Transport};

/// A connection, as far as its attempt had to bring it.
pub(in crate::net) enum Winner {
    /// With the number of its attempt, if a race has made it.
    Socket(Socket, AddressPair, Option<usize>),
    #[cfg(feature = "tls")]
    Tls(PendingTransport),
}

/// A connection that has no protocol yet.
pub(in crate::net) struct RaceOutcome {
    pub(in crate::net) event_loop: LoopHandle,
    pub(in crate::net) winner: Winner,
    /// TLS that is yet to begin.
    #[cfg(feature = "tls")]
    pub(in crate::net) tls: Option<TlsAfterConnect>,
}

impl RaceOutcome {
    pub(in crate::net) async fn attach(
        self,
        protocol: ProtocolRef,
    ) -> Result<Transport, ConnectError> {
        let (socket, names, _attempt) = match self.winner {
            Winner::Socket(socket, names, attempt) => (socket, names, attempt),
            #[cfg(feature = "tls")]
            Winner::Tls(pending) => return pending.adopt(protocol),
        };
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls {
            return tls.attach(&self.event_loop, (socket, names, _attempt), protocol).await;
        }
        let attached = Transport::attach(&self.event_loop, socket, names, protocol, |_| ());
        attached.map_err(ConnectError::Transport)
    }
}
