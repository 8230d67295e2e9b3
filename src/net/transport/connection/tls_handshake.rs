//! TLS on a connection: the handshake, during which its protocol hears nothing, and the farewell.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::{Life, State, StreamTransport};
use crate::event_loop::LoopHandle;
use crate::net::Transport;
use crate::net::protocol::ProtocolRef;
use crate::net::socket::address_pair::AddressPair;
use crate::net::tls::{Below, Secure, Step, Tls, TlsError, TlsInfo};
use crate::net::transport::raw_stream::RawStream;

impl State {
    /// Whether both directions are there for a handshake.
    pub(in crate::net) fn can_start_tls(self) -> bool {
        self.life == Life::Open
            && !self.is_handshaking
            && !self.is_lent()
            && !self.reading.at_eof
            && !self.writing.wants_eof
    }
}

impl StreamTransport {
    /// As [`start`](Self::start), with a handshake before the receiver hears of the connection; `admit` sees it
    /// before that. Without a receiver, nothing is read behind the handshake until one is [there](Self::adopt).
    pub(in crate::net) fn start_with_tls(
        event_loop: &LoopHandle,
        wire: RawStream,
        names: AddressPair,
        receiver: Option<ProtocolRef>,
        secure: Secure,
        admit: impl FnOnce(&Transport),
    ) -> io::Result<Rc<Self>> {
        let connection = Self::watch(event_loop, wire, names)?;
        admit(&Transport(Rc::clone(&connection)));
        connection.pause_reading(receiver.is_none());
        connection.start_tls(secure, receiver, Vec::new())?;
        Ok(connection)
    }

    /// Gives a connection that was started without a receiver its own, which hears first that there is one.
    ///
    /// # Errors
    /// The one that ended the connection meanwhile.
    pub(in crate::net) fn adopt(self: &Rc<Self>, receiver: ProtocolRef) -> io::Result<()> {
        if self.state().life != Life::Open {
            let gone = || io::Error::new(io::ErrorKind::NotConnected, "the connection is over");
            return Err(self.failure().unwrap_or_else(gone));
        }
        self.pause_reading(false);
        self.introduce(receiver);
        self.enqueue_if_due();
        Ok(())
    }

    fn introduce(self: &Rc<Self>, receiver: ProtocolRef) {
        self.parts.borrow_mut().receiver = Some(receiver);
        self.tell("protocol.connection_made() call failed.", ProtocolRef::connection_made);
    }

    /// Puts TLS on the wire, which may be TLS already. A `receiver` is told of the connection when the handshake
    /// is over.
    pub(in crate::net) fn start_tls(
        self: &Rc<Self>,
        secure: Secure,
        receiver: Option<ProtocolRef>,
        already_read: Vec<u8>,
    ) -> io::Result<()> {
        let limit = secure.limits().handshake;
        let mut parts = self.parts.borrow_mut();
        let wire = parts.wire.take().map(Below::RawStream);
        let rare = parts.rare();
        let Some(below) = wire.or_else(|| rare.tls.take().map(Below::Tls)) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        // What was written before goes in plain, and counts as unsent as it did.
        let before = std::mem::take(&mut rare.outbox);
        let tls = Box::new(Tls::new(secure, below, before, already_read));
        tls.pending.replace(receiver);
        tls.set_timer(Some(
            self.call_later(limit, move |connection| connection.end_handshake(limit)),
        ));
        rare.tls = Some(tls);
        drop(parts);
        self.update(|state| state.is_handshaking = true);
        self.handshake();
        Ok(())
    }

    /// Goes on with the handshake as far as it goes now.
    pub(super) fn handshake(self: &Rc<Self>) {
        if self.state().life != Life::Open {
            return;
        }
        let Some(step) = self.with_tls(Tls::handshake) else { return };
        match step {
            Ok(Step::Waits) => self.update(|state| state.reading.has_data = false),
            Ok(Step::Done) => self.finish_handshake(),
            Err(error) => self.fail_handshake(error),
        }
    }

    fn finish_handshake(self: &Rc<Self>) {
        // The last message of the handshake may have come with the first of what follows.
        self.update(|state| {
            state.is_handshaking = false;
            state.reading.has_data = true;
        });
        self.with_tls(Tls::establish);
        let pending = self.with_tls(|tls| tls.pending.take()).flatten();
        if let Some(receiver) = pending {
            self.introduce(receiver);
        }
        // What was written meanwhile.
        self.flush();
        self.enqueue();
    }

    /// Handshakes fail because of the peer: scanners, health checks, clients that trust someone else. Who waits
    /// for one is told; the exception handler is not.
    fn fail_handshake(self: &Rc<Self>, error: io::Error) {
        log::debug!("{:?}: TLS handshake failed: {error}", self.names);
        self.with_tls(|tls| {
            if let Some(progress) = &tls.progress {
                progress.failed(&error, tls.peer());
            }
        });
        self.abort(Some(error));
    }

    fn end_handshake(self: &Rc<Self>, limit: Duration) {
        if self.state().is_handshaking {
            self.fail_handshake(TlsError::handshake_timed_out(limit).into());
        }
    }

    /// A closed connection that sends nothing for a while is cut off.
    pub(super) fn limit_farewell(self: &Rc<Self>) {
        let Some(limit) = self.with_tls(|tls| tls.limits.shutdown) else { return };
        let before = self.unsent();
        let timer = self.call_later(limit, move |connection| {
            if connection.state().life != Life::Closing {
                return;
            }
            if connection.unsent() < before {
                connection.limit_farewell();
            } else {
                connection.abort(Some(TlsError::shutdown_timed_out().into()));
            }
        });
        self.with_tls(|tls| tls.set_timer(Some(timer)));
    }

    pub(in crate::net) fn tls_info(&self) -> Option<Rc<TlsInfo>> {
        self.with_tls(Tls::info).flatten()
    }

    fn with_tls<R>(&self, look: impl FnOnce(&Tls) -> R) -> Option<R> {
        let parts = self.parts.borrow();
        Some(look(parts.rare.as_ref()?.tls.as_ref()?))
    }

    fn call_later(
        self: &Rc<Self>,
        delay: Duration,
        call: impl FnOnce(&Rc<Self>) + 'static,
    ) -> crate::event_loop::TimerHandle {
        let connection = Rc::downgrade(self);
        self.event_loop.call_later(delay, move || {
            if let Some(connection) = connection.upgrade() {
                call(&connection);
            }
        })
    }
}
