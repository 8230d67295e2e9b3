//! TLS as a part of an attempt: the race goes on until a handshake is over.

use std::io;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::RaceDriver;
use super::attempt_state::AttemptState;
use crate::net::connect::attempt::{Attempt, AttemptFailure};
use crate::net::connect::outcome::Winner;
use crate::net::connect::tls::PendingTransport;
use crate::net::socket::address_pair::AddressPair;
use crate::net::tls::HandshakeFuture;
use crate::net::{EventKind, SocketSnapshot};

/// A handshake under way. Dropping it closes the connection without a word: nothing was said yet that could be
/// taken for the whole, and to a server it looks like any client that has gone elsewhere. Fields drop in order: the
/// wait before the connection, which by then is closed unless its handshake is over.
pub(super) struct TlsHandshake {
    handshake: HandshakeFuture,
    pending: PendingTransport,
    /// The attempt, not the handshake.
    pub(super) started: Instant,
    /// When TCP was up. A handshake that fails closes the socket before anybody can ask it.
    snapshot: SocketSnapshot,
}

impl TlsHandshake {
    pub(super) fn snapshot(&self) -> SocketSnapshot {
        let transport = self.handshake.transport();
        let look = |socket: &_| SocketSnapshot::of(socket, self.snapshot.options.is_some());
        transport.0.with_socket(|socket| socket.map_or_else(|| self.snapshot.clone(), look))
    }
}

impl RaceDriver<'_> {
    /// TCP is up.
    pub(super) fn secure(
        &mut self,
        number: usize,
        attempt: Attempt,
        names: AddressPair,
        snapshot: SocketSnapshot,
        cx: &mut Context<'_>,
    ) {
        let (started, now) = (attempt.started, self.event_loop.time());
        self.race.connected(number, now);
        let connected = EventKind::AttemptConnected { attempt: number, snapshot: snapshot.clone() };
        self.tracer.tell(now, connected);
        match self.begin_tls(number, attempt, names) {
            Ok(handshake) => {
                let pending = PendingTransport::new(handshake.transport());
                let handshake = TlsHandshake { handshake, pending, started, snapshot };
                self.lanes[number] = AttemptState::TlsHandshake(Box::new(handshake));
                self.handshake(number, cx);
            }
            Err(error) => self.fail(number, AttemptFailure::of_tls(error), started, snapshot),
        }
    }

    fn begin_tls(
        &mut self,
        number: usize,
        attempt: Attempt,
        names: AddressPair,
    ) -> io::Result<HandshakeFuture> {
        let sessions = self.setup.sessions.as_mut().ok_or(io::ErrorKind::Unsupported)?;
        let (secure, socket) = (sessions.next()?, attempt.into_socket());
        if names.is_inet() {
            socket.set_tcp_nodelay(self.setup.nodelay)?;
        }
        let handshake = HandshakeFuture::begin(&self.event_loop, socket, names, None, secure)?;
        Ok(handshake.of_attempt(Some(number)))
    }

    /// Takes note of how far a handshake is.
    pub(super) fn handshake(&mut self, number: usize, cx: &mut Context<'_>) {
        let AttemptState::TlsHandshake(handshake) = &mut self.lanes[number] else { return };
        let tracer = &mut *self.tracer;
        let polled = handshake.handshake.poll(cx, &mut |at, kind| tracer.tell(at, kind));
        let Poll::Ready(result) = polled else { return };
        let snapshot = self.snapshot(number);
        let state = std::mem::replace(&mut self.lanes[number], AttemptState::Canceled);
        let AttemptState::TlsHandshake(handshake) = state else { return };
        match result {
            Ok(()) => self.succeed(number, Winner::Tls(handshake.pending), snapshot),
            Err(error) => {
                self.fail(number, AttemptFailure::of_tls(error), handshake.started, snapshot)
            }
        }
    }

    /// A handshake that was told of has an end that is told of: its own, if it has come meanwhile, or that of the
    /// wait for it.
    pub(super) fn finish_handshake(
        &mut self,
        number: usize,
        now: Instant,
        end: impl FnOnce(&HandshakeFuture) -> Option<EventKind>,
    ) {
        let Some(AttemptState::TlsHandshake(handshake)) = self.lanes.get_mut(number) else {
            return;
        };
        let (tracer, handshake) = (&mut *self.tracer, &mut handshake.handshake);
        let nobody = &mut Context::from_waker(Waker::noop());
        let is_over = handshake.poll(nobody, &mut |at, kind| tracer.tell(at, kind)).is_ready();
        if let Some(ended) = end(handshake).filter(|_| !is_over) {
            tracer.tell(now, ended);
        }
    }
}
