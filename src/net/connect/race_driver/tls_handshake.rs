//! TLS handshake as part of an attempt.

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

/// Attempt whose TLS handshake is in progress. Dropping it closes the connection without `close_notify`, because no
/// data has been exchanged that could be truncated. Fields drop in order: the handshake goes before the transport.
pub(super) struct TlsHandshake {
    handshake: HandshakeFuture,
    pending: PendingTransport,
    /// Start of the attempt, not of the handshake.
    pub(super) started: Instant,
    /// Statistics when TCP was connected: a failed handshake closes the socket before it can be asked.
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
    /// Starts the TLS handshake of an attempt that is connected.
    pub(super) fn start_tls(
        &mut self,
        number: usize,
        attempt: Attempt,
        addresses: AddressPair,
        snapshot: SocketSnapshot,
        cx: &mut Context<'_>,
    ) {
        let (started, now) = (attempt.started, self.event_loop.time());
        self.race.connected(number, now);
        let connected = EventKind::AttemptConnected { attempt: number, snapshot: snapshot.clone() };
        self.tracer.emit(now, connected);
        match self.begin_tls(number, attempt, addresses) {
            Ok(handshake) => {
                let pending = PendingTransport::new(handshake.transport());
                let handshake = TlsHandshake { handshake, pending, started, snapshot };
                self.attempts[number] = AttemptState::TlsHandshake(Box::new(handshake));
                self.handshake(number, cx);
            }
            Err(error) => self.fail(number, AttemptFailure::of_tls(error), started, snapshot),
        }
    }

    fn begin_tls(
        &mut self,
        number: usize,
        attempt: Attempt,
        addresses: AddressPair,
    ) -> io::Result<HandshakeFuture> {
        let sessions = self.setup.sessions.as_mut().ok_or(io::ErrorKind::Unsupported)?;
        let (session, socket) = (sessions.next()?, attempt.into_socket());
        if addresses.is_inet() {
            socket.set_tcp_nodelay(self.setup.nodelay)?;
        }
        let handshake = HandshakeFuture::begin(&self.event_loop, socket, addresses, None, session)?;
        Ok(handshake.of_attempt(Some(number)))
    }

    /// Handles the progress of a handshake.
    pub(super) fn handshake(&mut self, number: usize, cx: &mut Context<'_>) {
        let AttemptState::TlsHandshake(handshake) = &mut self.attempts[number] else { return };
        let tracer = &mut *self.tracer;
        let polled = handshake.handshake.poll(cx, &mut |at, kind| tracer.emit(at, kind));
        let Poll::Ready(result) = polled else { return };
        let snapshot = self.snapshot(number);
        let state = std::mem::replace(&mut self.attempts[number], AttemptState::Canceled);
        let AttemptState::TlsHandshake(handshake) = state else { return };
        match result {
            Ok(()) => self.succeed(number, Winner::Tls(handshake.pending), snapshot),
            Err(error) => {
                self.fail(number, AttemptFailure::of_tls(error), handshake.started, snapshot)
            }
        }
    }

    /// Emits the end of a handshake that is given up, or its outcome if that has already come.
    pub(super) fn finish_handshake(
        &mut self,
        number: usize,
        now: Instant,
        end: impl FnOnce(&HandshakeFuture) -> Option<EventKind>,
    ) {
        let Some(AttemptState::TlsHandshake(handshake)) = self.attempts.get_mut(number) else {
            return;
        };
        let (tracer, handshake) = (&mut *self.tracer, &mut handshake.handshake);
        let no_task = &mut Context::from_waker(Waker::noop());
        let is_over = handshake.poll(no_task, &mut |at, kind| tracer.emit(at, kind)).is_ready();
        if let Some(ended) = end(handshake).filter(|_| !is_over) {
            tracer.emit(now, ended);
        }
    }
}
