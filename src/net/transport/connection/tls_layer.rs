//! TLS on a connection: the handshake, during which the protocol is not called, and `close_notify`.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use socket2::Socket;

use super::{State, StreamTransport};
use crate::event_loop::{LoopHandle, TimerHandle};
use crate::net::protocol::ProtocolRef;
use crate::net::socket::address_pair::AddressPair;
use crate::net::tls::{HandshakeStep, NewSession, TlsError, TlsInfo, Underlying};
use crate::net::transport::close_state::CloseState;
use crate::net::transport::raw_stream::RawStream;
use crate::net::{TcpInfo, TlsErrorKind, Transport};

pub(super) use crate::net::tls::Tls;

/// Whether the error is an alert from the peer: it says why the peer leaves, which a later reset does not.
pub(super) fn is_peer_alert(error: &io::Error) -> bool {
    TlsError::within(error).is_some_and(|error| error.kind() == TlsErrorKind::Alert)
}

impl State {
    /// Whether a TLS handshake can be started: both directions are open and not used otherwise.
    pub(in crate::net) fn can_start_tls(self) -> bool {
        self.is_open()
            && !self.is_handshaking
            && !self.has_exclusive_writer()
            && !self.reading.at_eof
            && !self.writing.eof_requested
    }
}

impl Transport {
    /// Connects a protocol after a TLS handshake; otherwise as [`attach`](Self::attach). Without a protocol, the
    /// connection waits for [one](StreamTransport::set_first_protocol).
    pub(in crate::net) fn attach_with_tls(
        event_loop: &LoopHandle,
        socket: Socket,
        addresses: AddressPair,
        protocol: Option<ProtocolRef>,
        session: NewSession,
        admit: impl FnOnce(&Self),
    ) -> io::Result<Self> {
        let raw = RawStream::Socket(socket);
        let connection = StreamTransport::watch(event_loop, raw, addresses)?;
        let transport = Self(connection);
        admit(&transport);
        // Without a protocol, what follows the handshake must stay in the socket.
        transport.0.pause_reading(protocol.is_none());
        transport.0.start_tls(session, protocol, Vec::new())?;
        Ok(transport)
    }
}

impl StreamTransport {
    /// Gives a protocol to a connection that was started without one; `connection_made` is called first.
    ///
    /// # Errors
    /// The one that has ended the connection in the meantime.
    pub(in crate::net) fn set_first_protocol(
        self: &Rc<Self>,
        protocol: ProtocolRef,
    ) -> io::Result<()> {
        if !self.state().is_open() {
            let gone = || io::Error::new(io::ErrorKind::NotConnected, "the connection is over");
            return Err(self.failure().unwrap_or_else(gone));
        }
        self.pause_reading(false);
        self.connect_protocol(protocol);
        self.enqueue_if_due();
        Ok(())
    }

    /// Puts TLS on the stream, which may be TLS already. `protocol` is connected when the handshake has
    /// finished; `already_read` is ciphertext that was received as plain data.
    pub(in crate::net) fn start_tls(
        self: &Rc<Self>,
        session: NewSession,
        protocol: Option<ProtocolRef>,
        already_read: Vec<u8>,
    ) -> io::Result<()> {
        let limit = session.limits().handshake;
        let mut io = self.io.borrow_mut();
        let raw = io.raw.take().map(Underlying::RawStream);
        let cold = io.cold();
        let Some(below) = raw.or_else(|| cold.tls.take().map(Underlying::Tls)) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        // Data written before goes in plain, so it moves below the session and still counts as unsent.
        let written_before = std::mem::take(&mut cold.queue);
        let tls = Box::new(Tls::new(
            session,
            below,
            written_before,
            already_read,
            self.event_loop.time(),
        ));
        tls.pending.replace(protocol);
        let timeout = self.call_later(limit, move |connection| {
            if connection.state().is_handshaking {
                connection.fail_handshake(TlsError::handshake_timed_out(limit).into());
            }
        });
        tls.set_timer(Some(timeout));
        cold.tls = Some(tls);
        drop(io);
        self.update(|state| state.is_handshaking = true);
        self.continue_handshake();
        Ok(())
    }

    /// Continues the handshake as far as the received data allows.
    pub(super) fn continue_handshake(self: &Rc<Self>) {
        if !self.state().is_open() {
            return;
        }
        let Some(step) = self.with_tls(Tls::handshake) else { return };
        match step {
            Ok(HandshakeStep::Pending) => self.update(|state| state.reading.is_readable = false),
            Ok(HandshakeStep::Done) => self.finish_handshake(),
            Err(error) => self.fail_handshake(error),
        }
    }

    fn finish_handshake(self: &Rc<Self>) {
        // The last message of the handshake may have come together with data: read without a new event.
        self.update(|state| {
            state.is_handshaking = false;
            state.reading.is_readable = true;
        });
        self.with_tls(Tls::establish);
        if let Some(started) = self.with_tls(|tls| tls.started) {
            let took = self.event_loop.time().saturating_duration_since(started);
            self.debug_log(format_args!("TLS handshake took {:.1} ms", took.as_secs_f64() * 1e3));
        }
        let pending = self.with_tls(|tls| tls.pending.take()).flatten();
        if let Some(protocol) = pending {
            self.connect_protocol(protocol);
        }
        // Data written during the handshake was queued.
        self.flush();
        self.enqueue();
    }

    /// Ends the connection. The exception handler is not called, because handshakes fail for reasons of the
    /// peer: scanners, health checks, clients that trust another authority.
    fn fail_handshake(self: &Rc<Self>, error: io::Error) {
        log::debug!("{:?}: TLS handshake failed: {error}", self.addresses);
        let tcp = self.with_socket(|socket| TcpInfo::of(socket?));
        self.with_tls(|tls| {
            if let Some(progress) = &tls.progress {
                progress.failed(&error, tls.peer(), tcp);
            }
        });
        self.abort(Some(error));
    }

    /// Limits how long a closed connection may send nothing before it is aborted, while queued data and
    /// `close_notify` are on their way.
    pub(super) fn limit_close_notify(self: &Rc<Self>) {
        let Some(limit) = self.with_tls(|tls| tls.limits.shutdown) else { return };
        let before = self.unsent();
        let timer = self.call_later(limit, move |connection| {
            if connection.state().close != CloseState::Closing {
                return;
            }
            if connection.unsent() < before {
                connection.limit_close_notify();
            } else {
                connection.abort(Some(TlsError::shutdown_timed_out().into()));
            }
        });
        self.with_tls(|tls| tls.set_timer(Some(timer)));
    }

    pub(in crate::net) fn tls_info(&self) -> Option<Rc<TlsInfo>> {
        self.with_tls(Tls::info).flatten()
    }

    fn with_tls<R>(&self, call: impl FnOnce(&Tls) -> R) -> Option<R> {
        self.io.borrow().tls().map(call)
    }

    fn call_later(
        self: &Rc<Self>,
        delay: Duration,
        call: impl FnOnce(&Rc<Self>) + 'static,
    ) -> TimerHandle {
        let connection = Rc::downgrade(self);
        self.event_loop.call_later(delay, move || {
            if let Some(connection) = connection.upgrade() {
                call(&connection);
            }
        })
    }
}
