//! TLS as a part of an attempt: the race goes on until a handshake is over.

use std::io;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::Contest;
use super::attempt_state::Lane;
use crate::net::connect::attempt::{Attempt, Fault};
use crate::net::connect::outcome::Prize;
use crate::net::connect::tls::Held;
use crate::net::socket::address_pair::AddressPair;
use crate::net::tls::Established;
use crate::net::{EventKind, SocketSnapshot};

/// A handshake under way. Dropping it closes the connection without a word: nothing was said yet that could be
/// taken for the whole, and to a server it looks like any client that has gone elsewhere. Fields drop in order: the
/// wait before the connection, which by then is closed unless its handshake is over.
pub(super) struct Securing {
    established: Established,
    held: Held,
    /// The attempt, not the handshake.
    pub(super) started: Instant,
    /// When TCP was up. A handshake that fails closes the socket before anybody can ask it.
    snapshot: SocketSnapshot,
}

impl Securing {
    pub(super) fn snapshot(&self) -> SocketSnapshot {
        let transport = self.established.transport();
        let look = |socket: &_| SocketSnapshot::of(socket, self.snapshot.options.is_some());
        transport.0.with_socket(|socket| socket.map_or_else(|| self.snapshot.clone(), look))
    }
}

impl Contest<'_> {
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
            Ok(established) => {
                let held = Held::new(established.transport());
                let securing = Securing { established, held, started, snapshot };
                self.lanes[number] = Lane::Securing(Box::new(securing));
                self.handshake(number, cx);
            }
            Err(error) => self.fail(number, Fault::of_tls(error), started, snapshot),
        }
    }

    fn begin_tls(
        &mut self,
        number: usize,
        attempt: Attempt,
        names: AddressPair,
    ) -> io::Result<Established> {
        let sessions = self.setup.sessions.as_mut().ok_or(io::ErrorKind::Unsupported)?;
        let (secure, socket) = (sessions.next()?, attempt.into_socket());
        if names.is_inet() {
            socket.set_tcp_nodelay(self.setup.nodelay)?;
        }
        let established = Established::begin(&self.event_loop, socket, names, None, secure)?;
        Ok(established.of_attempt(Some(number)))
    }

    /// Takes note of how far a handshake is.
    pub(super) fn handshake(&mut self, number: usize, cx: &mut Context<'_>) {
        let Lane::Securing(securing) = &mut self.lanes[number] else { return };
        let tracer = &mut *self.tracer;
        let shaken = securing.established.poll(cx, &mut |at, kind| tracer.tell(at, kind));
        let Poll::Ready(result) = shaken else { return };
        let snapshot = self.snapshot(number);
        let lane = std::mem::replace(&mut self.lanes[number], Lane::Canceled);
        let Lane::Securing(securing) = lane else { return };
        match result {
            Ok(()) => self.succeed(number, Prize::Secure(securing.held), snapshot),
            Err(error) => self.fail(number, Fault::of_tls(error), securing.started, snapshot),
        }
    }

    /// A handshake that was told of has an end that is told of: its own, if it has come meanwhile, or that of the
    /// wait for it.
    pub(super) fn end_handshake(
        &mut self,
        number: usize,
        now: Instant,
        end: impl FnOnce(&Established) -> Option<EventKind>,
    ) {
        let Some(Lane::Securing(securing)) = self.lanes.get_mut(number) else { return };
        let (tracer, established) = (&mut *self.tracer, &mut securing.established);
        let nobody = &mut Context::from_waker(Waker::noop());
        let is_over = established.poll(nobody, &mut |at, kind| tracer.tell(at, kind)).is_ready();
        if let Some(ended) = end(established).filter(|_| !is_over) {
            tracer.tell(now, ended);
        }
    }
}
