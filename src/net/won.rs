//! What a race gives, and the transport that is made of it.

use socket2::Socket;

use super::protocol::Receiver;
#[cfg(feature = "tls")]
use super::secure::{Held, Securing};
use super::socket_view::Names;
use super::{ConnectError, Transport};
use crate::event_loop::LoopHandle;

/// A connection, as far as its attempt had to bring it.
pub(super) enum Prize {
    /// With the number of its attempt, if a race has made it.
    Socket(Socket, Names, Option<usize>),
    #[cfg(feature = "tls")]
    Secure(Held),
}

/// A connection that has no protocol yet.
pub(super) struct Won {
    pub(super) event_loop: LoopHandle,
    pub(super) prize: Prize,
    /// TLS that is yet to begin.
    #[cfg(feature = "tls")]
    pub(super) securing: Option<Securing>,
}

impl Won {
    pub(super) async fn attach(self, receiver: Receiver) -> Result<Transport, ConnectError> {
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
