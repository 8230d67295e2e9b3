//! Waiting for a handshake.

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
use crate::net::{EventKind, Failure, TcpInfo, Transport};

/// Progress of a handshake with its times: recorded by the connection, read by the future.
pub(in crate::net) struct HandshakeProgress {
    event_loop: LoopHandle,
    started: Instant,
    first_byte: Cell<Option<Instant>>,
    outcome: RefCell<Option<Outcome>>,
    waker: Cell<Option<Waker>>,
}

struct Outcome {
    at: Instant,
    tcp: Option<TcpInfo>,
    result: Result<Rc<TlsInfo>, (io::Error, TlsPeer)>,
}

impl HandshakeProgress {
    /// Starts the clock of a handshake.
    pub(in crate::net) fn new(event_loop: &LoopHandle) -> Rc<Self> {
        Rc::new(Self {
            event_loop: event_loop.clone(),
            started: event_loop.time(),
            first_byte: Cell::default(),
            outcome: RefCell::default(),
            waker: Cell::default(),
        })
    }

    /// Records the time of the first byte from the peer.
    pub(super) fn record_first_byte(&self) {
        if self.first_byte.get().is_none() {
            self.first_byte.set(Some(self.event_loop.time()));
            self.wake();
        }
    }

    pub(in crate::net) fn established(&self, info: Rc<TlsInfo>) {
        self.conclude(Ok(info), None);
    }

    /// Records a failure. The figures are asked for now, because the connection is closed before the next poll.
    pub(in crate::net) fn failed(&self, error: &io::Error, peer: TlsPeer, tcp: Option<TcpInfo>) {
        self.conclude(Err((copy_of(error), peer)), tcp);
    }

    /// Records the end of the connection, unless the handshake has an outcome already.
    pub(super) fn end(&self) {
        if self.outcome.borrow().is_none() {
            self.conclude(Err((TlsError::Canceled.into(), TlsPeer::default())), None);
        }
    }

    fn conclude(&self, result: Result<Rc<TlsInfo>, (io::Error, TlsPeer)>, tcp: Option<TcpInfo>) {
        let at = self.event_loop.time();
        self.outcome.borrow_mut().get_or_insert(Outcome { at, tcp, result });
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Future of a handshake. Dropping it before its end closes the connection.
pub(in crate::net) struct HandshakeFuture {
    connection: Rc<StreamTransport>,
    progress: Rc<HandshakeProgress>,
    /// Number of the attempt in a race.
    attempt: Option<usize>,
    emitted: Emitted,
}

/// Events that the listener has received.
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

    /// Starts TLS on a connected socket. The protocol is attached after the handshake; without one, the connection
    /// waits for [`set_first_protocol`](StreamTransport::set_first_protocol).
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

    /// Emits the events since the last poll.
    pub(in crate::net) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        emit: &mut dyn FnMut(Instant, EventKind),
    ) -> Poll<io::Result<()>> {
        let (progress, attempt) = (&self.progress, self.attempt);
        if !std::mem::replace(&mut self.emitted.started, true) {
            emit(progress.started, EventKind::TlsStarted { attempt });
        }
        if let Some(at) = progress.first_byte.get().filter(|_| !self.emitted.first_byte) {
            self.emitted.first_byte = true;
            emit(at, EventKind::TlsFirstByte { attempt });
        }
        let outcome = progress.outcome.borrow();
        let Some(Outcome { at, tcp, result }) = &*outcome else {
            drop(progress.waker.replace(Some(cx.waker().clone())));
            return Poll::Pending;
        };
        match result {
            Ok(info) => {
                let info = Box::new((**info).clone());
                let tcp = self.tcp_info();
                emit(*at, EventKind::TlsEstablished { attempt, info, tcp });
                Poll::Ready(Ok(()))
            }
            Err((error, peer)) => {
                let failed = EventKind::TlsFailed {
                    attempt,
                    error: TlsError::within(error).cloned(),
                    failure: Failure::from(error),
                    peer: Box::new(peer.clone()),
                    tcp: tcp.map(Box::new),
                };
                emit(*at, failed);
                Poll::Ready(Err(copy_of(error)))
            }
        }
    }

    /// Event for a handshake that is dropped; `None` if it has an outcome.
    pub(in crate::net) fn abandoned(&self) -> Option<EventKind> {
        self.ended_by(TlsError::Canceled)
    }

    /// As [`abandoned`](Self::abandoned), for a handshake that a time limit ends.
    pub(in crate::net) fn timed_out(&self) -> Option<EventKind> {
        self.ended_by(TlsError::HandshakeTimedOut { limit: None })
    }

    fn ended_by(&self, error: TlsError) -> Option<EventKind> {
        if self.progress.outcome.borrow().is_some() {
            return None;
        }
        let failure = Failure::from(&io::Error::from(error.clone()));
        let (attempt, error, peer) = (self.attempt, Some(error), Box::default());
        Some(EventKind::TlsFailed { attempt, error, failure, peer, tcp: self.tcp_info() })
    }

    fn tcp_info(&self) -> Option<Box<TcpInfo>> {
        self.connection.with_socket(|socket| TcpInfo::of(socket?)).map(Box::new)
    }
}

impl Drop for HandshakeFuture {
    fn drop(&mut self) {
        if self.progress.outcome.borrow().is_none() {
            self.connection.abort(None);
        }
    }
}
