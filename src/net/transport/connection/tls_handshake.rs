//! TLS on a connection: the handshake, during which its protocol hears nothing, and the farewell.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::{Life, Link, State};
use crate::event_loop::LoopHandle;
use crate::net::Transport;
use crate::net::protocol::Receiver;
use crate::net::socket::view::Names;
use crate::net::tls::{Below, Secure, Step, Tls, TlsError, TlsInfo};
use crate::net::transport::raw_stream::Wire;

impl State {
    /// Whether both directions are there for a handshake.
    pub(in crate::net) fn takes_tls(self) -> bool {
        self.life == Life::Open
            && !self.is_veiled
            && !self.is_lent()
            && !self.reading.at_eof
            && !self.writing.wants_eof
    }
}

impl Link {
    /// As [`start`](Self::start), with a handshake before the receiver hears of the connection; `admit` sees it
    /// before that. Without a receiver, nothing is read behind the handshake until one is [there](Self::adopt).
    pub(in crate::net) fn start_veiled(
        event_loop: &LoopHandle,
        wire: Wire,
        names: Names,
        receiver: Option<Receiver>,
        secure: Secure,
        admit: impl FnOnce(&Transport),
    ) -> io::Result<Rc<Self>> {
        let link = Self::watch(event_loop, wire, names)?;
        admit(&Transport(Rc::clone(&link)));
        link.pause_reading(receiver.is_none());
        link.veil(secure, receiver, Vec::new())?;
        Ok(link)
    }

    /// Gives a connection that was started without a receiver its own, which hears first that there is one.
    ///
    /// # Errors
    /// The one that ended the connection meanwhile.
    pub(in crate::net) fn adopt(self: &Rc<Self>, receiver: Receiver) -> io::Result<()> {
        if self.state().life != Life::Open {
            let gone = || io::Error::new(io::ErrorKind::NotConnected, "the connection is over");
            return Err(self.failure().unwrap_or_else(gone));
        }
        self.pause_reading(false);
        self.introduce(receiver);
        self.enqueue_if_due();
        Ok(())
    }

    fn introduce(self: &Rc<Self>, receiver: Receiver) {
        self.parts.borrow_mut().receiver = Some(receiver);
        self.tell("protocol.connection_made() call failed.", Receiver::connection_made);
    }

    /// Puts TLS on the wire, which may be TLS already. A `receiver` is told of the connection when the handshake
    /// is over.
    pub(in crate::net) fn veil(
        self: &Rc<Self>,
        secure: Secure,
        receiver: Option<Receiver>,
        already_read: Vec<u8>,
    ) -> io::Result<()> {
        let limit = secure.limits().handshake;
        let mut parts = self.parts.borrow_mut();
        let wire = parts.wire.take().map(Below::Wire);
        let rare = parts.rare();
        let Some(below) = wire.or_else(|| rare.tls.take().map(Below::Tls)) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        // What was written before goes in plain, and counts as unsent as it did.
        let before = std::mem::take(&mut rare.outbox);
        let tls = Box::new(Tls::new(secure, below, before, already_read));
        tls.pending.replace(receiver);
        tls.set_timer(Some(self.call_later(limit, move |link| link.end_handshake(limit))));
        rare.tls = Some(tls);
        drop(parts);
        self.update(|state| state.is_veiled = true);
        self.shake_hands();
        Ok(())
    }

    /// Goes on with the handshake as far as it goes now.
    pub(super) fn shake_hands(self: &Rc<Self>) {
        if self.state().life != Life::Open {
            return;
        }
        let Some(step) = self.with_tls(Tls::shake_hands) else { return };
        match step {
            Ok(Step::Waits) => self.update(|state| state.reading.has_data = false),
            Ok(Step::Done) => self.unveil(),
            Err(error) => self.fail_handshake(error),
        }
    }

    fn unveil(self: &Rc<Self>) {
        // The last message of the handshake may have come with the first of what follows.
        self.update(|state| {
            state.is_veiled = false;
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
        self.break_off(Some(error));
    }

    fn end_handshake(self: &Rc<Self>, limit: Duration) {
        if self.state().is_veiled {
            self.fail_handshake(TlsError::handshake_timed_out(limit).into());
        }
    }

    /// A closed connection that sends nothing for a while is cut off.
    pub(super) fn limit_farewell(self: &Rc<Self>) {
        let Some(limit) = self.with_tls(|tls| tls.limits.shutdown) else { return };
        let before = self.unsent();
        let timer = self.call_later(limit, move |link| {
            if link.state().life != Life::Closing {
                return;
            }
            if link.unsent() < before {
                link.limit_farewell();
            } else {
                link.break_off(Some(TlsError::shutdown_timed_out().into()));
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
        let link = Rc::downgrade(self);
        self.event_loop.call_later(delay, move || {
            if let Some(link) = link.upgrade() {
                call(&link);
            }
        })
    }
}
