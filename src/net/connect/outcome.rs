//! Result of a race, and the transport made from it.

use socket2::Socket;

#[cfg(feature = "tls")]
use super::tls::{PendingTransport, TlsAfterConnect};
use crate::event_loop::LoopHandle;
use crate::net::protocol::ProtocolRef;
use crate::net::socket::address_pair::AddressPair;
use crate::net::{ConnectError, Transport};

/// Connection that won the race.
pub(in crate::net) enum Winner {
    /// A socket, with the number of its attempt if a race connected it.
    Socket(Socket, AddressPair, Option<usize>),
    #[cfg(feature = "tls")]
    Tls(PendingTransport),
}

/// Connection without a protocol yet.
pub(in crate::net) struct RaceOutcome {
    pub(in crate::net) event_loop: LoopHandle,
    pub(in crate::net) winner: Winner,
    /// TLS handshake that follows the race.
    #[cfg(feature = "tls")]
    pub(in crate::net) tls: Option<TlsAfterConnect>,
}

impl RaceOutcome {
    pub(in crate::net) async fn attach(
        self,
        protocol: ProtocolRef,
    ) -> Result<Transport, ConnectError> {
        let (event_loop, protocol_name) = (self.event_loop.clone(), protocol.name());
        let transport = self.make_transport(protocol).await?;
        if event_loop.debug() {
            let peer = transport.peer().map_or_else(|| "unix".to_owned(), |it| it.to_string());
            log::debug!("connected to {peer}: ({transport:?}, {})", protocol_name());
        }
        Ok(transport)
    }

    async fn make_transport(self, protocol: ProtocolRef) -> Result<Transport, ConnectError> {
        let (socket, addresses, _attempt) = match self.winner {
            Winner::Socket(socket, addresses, attempt) => (socket, addresses, attempt),
            #[cfg(feature = "tls")]
            Winner::Tls(pending) => return pending.adopt(protocol),
        };
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls {
            return tls.attach(&self.event_loop, (socket, addresses, _attempt), protocol).await;
        }
        let attached = Transport::attach(&self.event_loop, socket, addresses, protocol, |_| ());
        attached.map_err(ConnectError::Transport)
    }
}
