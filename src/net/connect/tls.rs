//! TLS on a socket that has just been connected, with every step told: inside the race, where it decides who
//! wins, or after it.

use std::future::poll_fn;
use std::time::Instant;

use socket2::Socket;

use crate::event_loop::LoopHandle;
use crate::net::event::Tracer;
use crate::net::protocol::ProtocolRef;
use crate::net::socket::address_pair::AddressPair;
use crate::net::tls::{HandshakeFuture, NewSession, TlsClient};
use crate::net::{
    AbortReason, Address, AttemptError, ConnectError, EventKind, Phase, TlsConfigError, Transport,
};
use crate::plan::Host;

/// Makes the sessions of one operation. The first is there before anybody is connected to, so that a name that
/// cannot be is told before. They are large, and most connections have none: to be boxed.
pub(in crate::net) struct PreparedSessions {
    client: TlsClient,
    host: Option<Host>,
    ready: Option<NewSession>,
}

impl PreparedSessions {
    pub(in crate::net) fn new(
        client: TlsClient,
        host: Option<&Host>,
    ) -> Result<Self, TlsConfigError> {
        let ready = Some(client.new_session(host)?);
        Ok(Self { client, host: host.cloned(), ready })
    }

    /// Makes the next one beforehand: while a packet is on its way there is time.
    pub(in crate::net) fn prepare(&mut self) {
        if self.ready.is_none() {
            // What fails now fails then, too.
            self.ready = self.client.new_session(self.host.as_ref()).ok();
        }
    }

    pub(in crate::net) fn next(&mut self) -> Result<NewSession, TlsConfigError> {
        match self.ready.take() {
            Some(ready) => Ok(ready),
            None => self.client.new_session(self.host.as_ref()),
        }
    }
}

/// A connection with TLS that nobody has taken over. If nobody does it is closed, with a farewell: the session
/// is there, and its end is to be told from one that somebody cut off (RFC 8446, section 6.1).
pub(in crate::net) struct PendingTransport(Option<Transport>);

impl PendingTransport {
    pub(in crate::net) fn new(transport: Transport) -> Self {
        Self(Some(transport))
    }

    pub(in crate::net) fn adopt(
        mut self,
        protocol: ProtocolRef,
    ) -> Result<Transport, ConnectError> {
        let gone = || std::io::Error::from(std::io::ErrorKind::NotConnected);
        let transport = self.0.take().ok_or_else(gone).map_err(ConnectError::Transport)?;
        transport.0.set_first_protocol(protocol).map_err(ConnectError::Transport)?;
        Ok(transport)
    }
}

impl Drop for PendingTransport {
    fn drop(&mut self) {
        if let Some(transport) = &self.0 {
            transport.close();
        }
    }
}

/// Who hears of a handshake after the race, and when it has to be over.
pub(in crate::net) struct TlsAfterConnect {
    pub(in crate::net) sessions: Box<PreparedSessions>,
    pub(in crate::net) tracer: Tracer,
    /// When the whole operation is out of time.
    pub(in crate::net) deadline: Option<Instant>,
}

impl TlsAfterConnect {
    pub(in crate::net) async fn attach(
        mut self,
        event_loop: &LoopHandle,
        (socket, names, attempt): (Socket, AddressPair, Option<usize>),
        protocol: ProtocolRef,
    ) -> Result<Transport, ConnectError> {
        let secure = self.sessions.next().map_err(|e| ConnectError::Transport(e.into()))?;
        let Self { tracer, deadline, .. } = self;
        let address = names.peer().unwrap_or_else(|| Address::Unix(Default::default()));
        let left = deadline.map(|deadline| deadline.saturating_duration_since(event_loop.time()));
        let is_short = left.is_some_and(|left| left < secure.limits().handshake);
        let secure = secure.within(left);
        let handshake = HandshakeFuture::begin(event_loop, socket, names, Some(protocol), secure);
        let handshake = handshake.map_err(ConnectError::Transport)?.of_attempt(attempt);
        let mut traced = TracedHandshake { tracer, handshake };
        let polled = poll_fn(|cx| {
            let TracedHandshake { tracer, handshake } = &mut traced;
            handshake.poll(cx, &mut |at, kind| tracer.tell(at, kind))
        })
        .await;
        let Err(error) = polled else { return Ok(traced.handshake.transport()) };
        let is_late = is_short && deadline.is_some_and(|deadline| deadline <= event_loop.time());
        let reason = if is_late { AbortReason::TimedOut } else { AbortReason::AllFailed };
        traced.tracer.tell(event_loop.time(), EventKind::ConnectionAborted { reason });
        let took = event_loop.time() - traced.handshake.started();
        let attempt = AttemptError { address, phase: Phase::Tls, error, took };
        Err(if is_late {
            ConnectError::TimedOut(vec![attempt])
        } else {
            ConnectError::Tls(attempt)
        })
    }
}

/// Tells the listener when nobody waits any more.
struct TracedHandshake {
    tracer: Tracer,
    handshake: HandshakeFuture,
}

impl Drop for TracedHandshake {
    fn drop(&mut self) {
        if let Some(failed) = self.handshake.abandoned() {
            let now = self.handshake.now();
            self.tracer.tell(now, failed);
            let aborted = EventKind::ConnectionAborted { reason: AbortReason::Canceled };
            self.tracer.tell(now, aborted);
        }
    }
}
