//! What those see who wait for a handshake.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use socket2::Socket;

use super::error::TlsError;
use super::info::{TlsInfo, TlsPeer};
use super::session::NewSession;
use crate::event_loop::LoopHandle;
use crate::net::error::copy_of;
use crate::net::protocol::ProtocolRef;
use crate::net::socket::address_pair::AddressPair;
use crate::net::transport::connection::StreamTransport;
use crate::net::{EventKind, Failure, Transport};

/// How far a handshake has got, and when: noted by the connection, read by who waits.
pub(in crate::net) struct HandshakeProgress {
    event_loop: LoopHandle,
    started: Instant,
    first_byte: Cell<Option<Instant>>,
    outcome: RefCell<Option<Outcome>>,
    waker: Cell<Option<Waker>>,
}

struct Outcome {
    at: Instant,
    result: Result<Rc<TlsInfo>, (io::Error, TlsPeer)>,
}

impl HandshakeProgress {
    /// It begins now.
    pub(in crate::net) fn new(event_loop: &LoopHandle) -> Rc<Self> {
        Rc::new(Self {
            event_loop: event_loop.clone(),
            started: event_loop.time(),
            first_byte: Cell::default(),
            outcome: RefCell::default(),
            waker: Cell::default(),
        })
    }

    /// The peer has said something.
    pub(super) fn record_first_byte(&self) {
        if self.first_byte.get().is_none() {
            self.first_byte.set(Some(self.event_loop.time()));
            self.wake();
        }
    }

    pub(in crate::net) fn established(&self, info: Rc<TlsInfo>) {
        self.conclude(Ok(info));
    }

    pub(in crate::net) fn failed(&self, error: &io::Error, peer: TlsPeer) {
        self.conclude(Err((copy_of(error), peer)));
    }

    /// The connection is gone, which is news only if nothing has been concluded.
    pub(super) fn end(&self) {
        if self.outcome.borrow().is_none() {
            self.conclude(Err((TlsError::Canceled.into(), TlsPeer::default())));
        }
    }

    fn conclude(&self, result: Result<Rc<TlsInfo>, (io::Error, TlsPeer)>) {
        let at = self.event_loop.time();
        self.outcome.borrow_mut().get_or_insert(Outcome { at, result });
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Waits for the end of a handshake. Dropping it half-way closes the connection.
pub(in crate::net) struct HandshakeFuture {
    connection: Rc<StreamTransport>,
    progress: Rc<HandshakeProgress>,
    /// The attempt of a race whose connection it is.
    attempt: Option<usize>,
    emitted: Emitted,
}

/// What the listener knows.
#[derive(Default)]
struct Emitted {
    started: bool,
    first_byte: bool,
}

impl HandshakeFuture {
    pub(in crate::net) fn new(
        connection: Rc<StreamTransport>,
        progress: Rc<HandshakeProgress>,
    ) -> Self {
        Self { connection, progress, attempt: None, emitted: Emitted::default() }
    }

    /// Begins TLS on a socket that is connected. The receiver hears of the connection when the handshake is over;
    /// without one, the connection waits to be [adopted](StreamTransport::set_first_protocol).
    pub(in crate::net) fn begin(
        event_loop: &LoopHandle,
        socket: Socket,
        names: AddressPair,
        receiver: Option<ProtocolRef>,
        secure: NewSession,
    ) -> io::Result<Self> {
        let progress = HandshakeProgress::new(event_loop);
        let secure = secure.watched(&progress);
        let transport =
            Transport::attach_with_tls(event_loop, socket, names, receiver, secure, |_| ())?;
        Ok(Self::new(transport.0, progress))
    }

    pub(in crate::net) fn of_attempt(mut self, attempt: Option<usize>) -> Self {
        self.attempt = attempt;
        self
    }

    pub(in crate::net) fn transport(&self) -> Transport {
        Transport(Rc::clone(&self.connection))
    }

    pub(in crate::net) fn now(&self) -> Instant {
        self.progress.event_loop.time()
    }

    pub(in crate::net) fn started(&self) -> Instant {
        self.progress.started
    }

    /// Tells the listener what has happened since it was told last.
    pub(in crate::net) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        tell: &mut dyn FnMut(Instant, EventKind),
    ) -> Poll<io::Result<()>> {
        let (progress, attempt) = (&self.progress, self.attempt);
        if !std::mem::replace(&mut self.emitted.started, true) {
            tell(progress.started, EventKind::TlsStarted { attempt });
        }
        if let Some(at) = progress.first_byte.get().filter(|_| !self.emitted.first_byte) {
            self.emitted.first_byte = true;
            tell(at, EventKind::TlsFirstByte { attempt });
        }
        let outcome = progress.outcome.borrow();
        let Some(Outcome { at, result }) = &*outcome else {
            drop(progress.waker.replace(Some(cx.waker().clone())));
            return Poll::Pending;
        };
        match result {
            Ok(info) => {
                let info = Box::new((**info).clone());
                tell(*at, EventKind::TlsEstablished { attempt, info });
                Poll::Ready(Ok(()))
            }
            Err((error, peer)) => {
                let failed = EventKind::TlsFailed {
                    attempt,
                    error: TlsError::within(error).cloned(),
                    failure: Failure::from(error),
                    peer: Box::new(peer.clone()),
                };
                tell(*at, failed);
                Poll::Ready(Err(copy_of(error)))
            }
        }
    }

    /// What the listener has to be told when nobody waits any more; `None` where there is nothing.
    pub(in crate::net) fn abandoned(&self) -> Option<EventKind> {
        self.ended_by(TlsError::Canceled)
    }

    /// The same where a time limit is what ended the wait.
    pub(in crate::net) fn timed_out(&self) -> Option<EventKind> {
        self.ended_by(TlsError::HandshakeTimedOut { limit: None })
    }

    fn ended_by(&self, error: TlsError) -> Option<EventKind> {
        if self.progress.outcome.borrow().is_some() {
            return None;
        }
        let failure = Failure::from(&io::Error::from(error.clone()));
        let (attempt, error, peer) = (self.attempt, Some(error), Box::default());
        Some(EventKind::TlsFailed { attempt, error, failure, peer })
    }
}

impl Drop for HandshakeFuture {
    fn drop(&mut self) {
        if self.progress.outcome.borrow().is_none() {
            self.connection.abort(None);
        }
    }
}
