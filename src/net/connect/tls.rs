//! TLS after connecting: the sessions of an operation, and the handshake that follows a race.

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

/// TLS sessions of one operation. The first is created before connecting, so that an invalid server name fails at
/// once. Boxed by its users, because sessions are large and most connections have none.
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

    /// Creates the next session in advance, while the SYN is on its way.
    pub(in crate::net) fn prepare(&mut self) {
        if self.ready.is_none() {
            // An error here is repeated by `next`.
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

/// Established TLS connection without a protocol. Dropping it sends `close_notify` (RFC 8446 section 6.1), because
/// the handshake is complete and the peer must not take the end for a truncation.
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

/// TLS handshake on the winner of a race, with its tracer and deadline.
pub(in crate::net) struct TlsAfterConnect {
    pub(in crate::net) sessions: Box<PreparedSessions>,
    pub(in crate::net) tracer: Tracer,
    /// Deadline of the whole operation.
    pub(in crate::net) deadline: Option<Instant>,
}

impl TlsAfterConnect {
    pub(in crate::net) async fn attach(
        mut self,
        event_loop: &LoopHandle,
        (socket, addresses, attempt): (Socket, AddressPair, Option<usize>),
        protocol: ProtocolRef,
    ) -> Result<Transport, ConnectError> {
        let secure = self.sessions.next().map_err(|e| ConnectError::Transport(e.into()))?;
        let Self { tracer, deadline, .. } = self;
        let address = addresses.peer().unwrap_or_else(|| Address::Unix(Default::default()));
        let left = deadline.map(|deadline| deadline.saturating_duration_since(event_loop.time()));
        let is_short = left.is_some_and(|left| left < secure.limits().handshake);
        let secure = secure.within(left);
        let handshake =
            HandshakeFuture::begin(event_loop, socket, addresses, Some(protocol), secure);
        let handshake = handshake.map_err(ConnectError::Transport)?.of_attempt(attempt);
        let mut traced = TracedHandshake { tracer, handshake };
        let polled = poll_fn(|cx| {
            let TracedHandshake { tracer, handshake } = &mut traced;
            handshake.poll(cx, &mut |at, kind| tracer.emit(at, kind))
        })
        .await;
        let Err(error) = polled else { return Ok(traced.handshake.transport()) };
        let is_late = is_short && deadline.is_some_and(|deadline| deadline <= event_loop.time());
        let reason = if is_late { AbortReason::TimedOut } else { AbortReason::AllFailed };
        traced.tracer.emit(event_loop.time(), EventKind::ConnectionAborted { reason });
        let took = event_loop.time() - traced.handshake.started();
        let attempt = AttemptError { address, phase: Phase::Tls, error, took };
        Err(if is_late {
            ConnectError::TimedOut(vec![attempt])
        } else {
            ConnectError::Tls(attempt)
        })
    }
}

/// Handshake in progress. Dropping it emits its cancellation.
struct TracedHandshake {
    tracer: Tracer,
    handshake: HandshakeFuture,
}

impl Drop for TracedHandshake {
    fn drop(&mut self) {
        if let Some(failed) = self.handshake.abandoned() {
            let now = self.handshake.now();
            self.tracer.emit(now, failed);
            let aborted = EventKind::ConnectionAborted { reason: AbortReason::Canceled };
            self.tracer.emit(now, aborted);
        }
    }
}
