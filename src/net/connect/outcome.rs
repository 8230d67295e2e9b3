//! What a race gives, and the transport that is made of it.

use socket2::Socket;

#[cfg(feature = "tls")]
use super::tls::{Held, Securing};
use crate::event_loop::LoopHandle;
use crate::net::protocol::ProtocolRef;
use crate::net::socket::address_pair::AddressPair;
use crate::net::{ConnectError, Transport};

/// A connection, as far as its attempt had to bring it.
pub(in crate::net) enum Prize {
    /// With the number of its attempt, if a race has made it.
    Socket(Socket, AddressPair, Option<usize>),
    #[cfg(feature = "tls")]
    Secure(Held),
}

/// A connection that has no protocol yet.
pub(in crate::net) struct Won {
    pub(in crate::net) event_loop: LoopHandle,
    pub(in crate::net) prize: Prize,
    /// TLS that is yet to begin.
    #[cfg(feature = "tls")]
    pub(in crate::net) securing: Option<Securing>,
}

impl Won {
    pub(in crate::net) async fn attach(
        self,
        receiver: ProtocolRef,
    ) -> Result<Transport, ConnectError> {
        let (socket, names, _attempt) = match self.prize {
            Prize::Socket(socket, names, attempt) => (socket, names, attempt),
            #[cfg(feature = "tls")]
            Prize::Secure(held) => return held.adopt(receiver),
        };
        #[cfg(feature = "tls")]
        if let Some(securing) = self.securing {
            return securing.attach(&self.event_loop, (socket, names, _attempt), receiver).await;
        }
        let attached = Transport::attach(&self.event_loop, socket, names, receiver, |_| ());
        attached.map_err(ConnectError::Transport)
    }
}
