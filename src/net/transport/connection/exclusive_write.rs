//! A connection that somebody else writes to for a while, past its queue: sendfile.
//!
//! Meanwhile nothing is read unless that is wanted, and what is written waits until the connection is given back,
//! so that it follows what was sent past the queue.

use std::io::{self, IoSlice};
use std::rc::Rc;

use socket2::Socket;

use super::waiters::wake;
use super::{Life, Parts, Rare, StreamTransport};
use crate::net::transport::write_queue::WriteQueue;
use crate::plan::Flow;

/// The wire of a connection. Dropping it gives the connection back as it was.
pub(in crate::net) struct Lent(Rc<StreamTransport>);

/// Whether somebody else sends on the wire: then what is written waits. One byte, of which each connection has
/// one. Room: the poller has said that there is some, and no attempt since has said otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Loan {
    #[default]
    None,
    /// Nothing is read meanwhile.
    Deaf,
    DeafWithRoom,
    Hearing,
    HearingWithRoom,
}

impl Loan {
    pub(super) fn lets_read(self) -> bool {
        !matches!(self, Self::Deaf | Self::DeafWithRoom)
    }

    pub(super) fn with_room(self, has_room: bool) -> Self {
        match (self, has_room) {
            (Self::None, _) => Self::None,
            (Self::Deaf | Self::DeafWithRoom, false) => Self::Deaf,
            (Self::Deaf | Self::DeafWithRoom, true) => Self::DeafWithRoom,
            (Self::Hearing | Self::HearingWithRoom, false) => Self::Hearing,
            (Self::Hearing | Self::HearingWithRoom, true) => Self::HearingWithRoom,
        }
    }

    fn has_room(self) -> bool {
        matches!(self, Self::DeafWithRoom | Self::HearingWithRoom)
    }
}

impl StreamTransport {
    /// Lends the wire to one at a time. `hears`: what the peer says is delivered meanwhile.
    ///
    /// # Errors
    /// `BrokenPipe` when nothing more can be sent; `ResourceBusy` when it is lent.
    pub(in crate::net) fn lend(self: &Rc<Self>, hears: bool) -> io::Result<Lent> {
        let state = self.state();
        let refuse = |kind, text: &str| Err(io::Error::new(kind, text));
        if state.is_lent() {
            return refuse(io::ErrorKind::ResourceBusy, "sendfile is in progress");
        }
        if state.life != Life::Open {
            return refuse(io::ErrorKind::BrokenPipe, "Transport is closing");
        }
        if state.writing.wants_eof {
            return refuse(io::ErrorKind::BrokenPipe, "Cannot call sendfile() after write_eof()");
        }
        self.update(|state| state.loan = if hears { Loan::Hearing } else { Loan::Deaf });
        Ok(Lent(Rc::clone(self)))
    }

    /// The poller says that there is room: whoever the wire is lent to goes on in this turn.
    pub(super) fn wake_borrower(&self) {
        let waiting = self.parts.borrow_mut().rare.as_mut().map(|rare| rare.waiting.split_off(0));
        wake(waiting.unwrap_or_default());
    }
}

impl Parts {
    /// Keeps what is written while the wire is lent.
    pub(super) fn keep(&mut self, pieces: &[IoSlice<'_>]) -> Flow {
        let rare = self.rare();
        let later = rare.later.get_or_insert_default();
        pieces.iter().for_each(|piece| later.push(piece));
        rare.marks.grew(rare.unsent())
    }
}

impl Rare {
    /// What waits to be sent, without what waits for the wire to come back.
    fn on_its_way(&self) -> usize {
        self.unsent() - self.later.as_ref().map_or(0, |later| later.size())
    }
}

impl Lent {
    /// Whether there is TLS between the connection and its socket.
    pub(in crate::net) fn is_secure(&self) -> bool {
        self.0.parts.borrow().wire.is_none()
    }

    /// Waits until all that was written has been taken by the system.
    ///
    /// # Errors
    /// The one that ended the connection.
    pub(in crate::net) async fn emptied(&self) -> io::Result<()> {
        let is_empty = |connection: &StreamTransport| {
            connection.parts.borrow().rare.as_ref().is_none_or(|rare| rare.on_its_way() == 0)
        };
        self.0
            .wait(|connection| connection.state().life != Life::Open || is_empty(connection))
            .await;
        self.check()
    }

    /// One attempt at the socket.
    ///
    /// # Errors
    /// That of the attempt, after which the connection is over unless it could be repeated.
    pub(in crate::net) fn attempt<T>(
        &self,
        attempt: impl FnOnce(&Socket) -> io::Result<T>,
    ) -> io::Result<T> {
        self.check()?;
        self.0.update(|state| state.loan = state.loan.with_room(false));
        self.0.with_socket(|socket| match socket {
            Some(socket) => attempt(socket),
            None => Err(io::ErrorKind::NotConnected.into()),
        })
    }

    /// Waits until the socket has room. It is asked again whether it has, so that a short count need not mean
    /// that it has none.
    ///
    /// # Errors
    /// The one that ended the connection.
    pub(in crate::net) async fn room(&self) -> io::Result<()> {
        let watch = |parts: &Parts| parts.watch.as_ref().map_or(Ok(()), |watch| watch.rearm());
        watch(&self.0.parts.borrow())?;
        let has_room = |connection: &StreamTransport| connection.state().loan.has_room();
        self.0
            .wait(|connection| connection.state().life != Life::Open || has_room(connection))
            .await;
        self.check()
    }

    /// Sends through whatever is above the socket, and keeps what does not go.
    ///
    /// # Errors
    /// The one that ended the connection.
    pub(in crate::net) fn pass(&self, data: &[u8]) -> io::Result<()> {
        self.check()?;
        let passed = self.0.parts.borrow_mut().write(&mut [IoSlice::new(data)]);
        passed.map(|_| ()).inspect_err(|error| self.fail(error))
    }

    /// A send has failed, which ends the connection as any other send does.
    pub(in crate::net) fn fail(&self, error: &io::Error) {
        if self.0.state().life == Life::Open {
            self.0.stop_sending(crate::net::error::copy_of(error));
        }
    }

    fn check(&self) -> io::Result<()> {
        if self.0.state().life == Life::Open {
            return Ok(());
        }
        let closed =
            || io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was closed");
        Err(self.0.failure().unwrap_or_else(closed))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let connection = &self.0;
        connection.update(|state| state.loan = Loan::None);
        let mut parts = connection.parts.borrow_mut();
        let later = parts.rare.as_mut().and_then(|rare| rare.later.take());
        if let (Some(later), Some(rare)) = (later, parts.rare.as_mut()) {
            rare.outbox.append(*later);
        }
        drop(parts);
        connection.end_if_sent();
        // The rest in a turn of its own: a future may be dropped anywhere.
        connection.update(|state| state.writing.has_room = true);
        connection.enqueue();
    }
}

/// What is written while the wire is lent, boxed because that is rare among the rare.
pub(super) type Later = Option<Box<WriteQueue>>;
