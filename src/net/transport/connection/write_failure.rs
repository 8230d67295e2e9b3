//! After a send that failed: a peer that answers early and closes has its answer heard.
//!
//! The error of a send overtakes what the kernel has received before. The writer learns of it at once, from
//! what `write` returns and where it waits for room; the protocol hears of the end when all is delivered.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::waiters::wake;
use super::{Life, Parts, StreamTransport};
use crate::net::error::copy_of;

/// How long a pause of reading keeps a broken connection: as long as Linux keeps one that its owner has closed
/// and whose peer says nothing (`tcp_fin_timeout`).
const PATIENCE: Duration = Duration::from_secs(60);

impl Parts {
    /// Whether something is left to deliver that waits for the end of a pause.
    pub(super) fn is_held(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.patience.is_some())
    }

    fn has_more(&self) -> bool {
        self.stream().is_some_and(|stream| stream.has_more())
    }
}

impl StreamTransport {
    /// A send has failed.
    pub(super) fn stop_sending(self: &Rc<Self>, error: io::Error) {
        let reading = self.state().reading;
        let is_open = self.state().life == Life::Open && !reading.at_eof;
        if !is_open || reading.is_paused && !self.parts.borrow().has_more() {
            return self.abort(Some(error));
        }
        let mut parts = self.parts.borrow_mut();
        let unsent = parts.give_up(Some(error));
        let rare = parts.rare();
        if reading.is_paused {
            // Who has paused until there is room to write goes on.
            rare.marks.shrank(0);
        } else {
            rare.marks.reset();
        }
        let waiting = std::mem::take(&mut rare.waiting);
        drop(parts);
        drop(unsent);
        self.update(|state| {
            state.life = Life::Broken;
            state.writing.is_resuming = false;
            // The poller may not have spoken yet, and need not speak again.
            (state.reading.has_data, state.reading.is_last) = (true, true);
        });
        wake(waiting);
        self.enqueue();
    }

    /// The error that ended the sending, or the connection before its protocol has heard of it.
    pub(in crate::net) fn failure(&self) -> Option<io::Error> {
        let parts = self.parts.borrow();
        parts.rare.as_ref()?.error.as_ref().map(copy_of)
    }

    /// Whether a read of nothing means that the peer has finished. After a reset, too, the kernel says so when
    /// the send has taken the error; `BrokenPipe` means that the end had come before the reset.
    pub(super) fn is_end_genuine(&self) -> bool {
        let parts = self.parts.borrow();
        let error = parts.rare.as_ref().and_then(|rare| rare.error.as_ref());
        error.is_none_or(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Ends a broken connection of which all has been read.
    pub(super) fn end_if_read(self: &Rc<Self>) {
        let reading = self.state().reading;
        let is_read = reading.at_eof || !reading.has_data;
        if is_read || reading.is_paused && !self.parts.borrow().has_more() {
            self.close();
        } else if reading.is_paused && !self.parts.borrow().is_held() {
            let connection = Rc::downgrade(self);
            let patience = self.event_loop.call_later(PATIENCE, move || {
                if let Some(connection) = connection.upgrade() {
                    connection.lose_unread();
                }
            });
            self.parts.borrow_mut().rare().patience = Some(patience);
        }
    }

    pub(super) fn end_patience(&self) {
        let patience = self.parts.borrow_mut().rare.as_mut().and_then(|rare| rare.patience.take());
        if let Some(patience) = patience {
            patience.cancel();
        }
    }

    fn lose_unread(self: &Rc<Self>) {
        let (names, pause) = (&self.names, PATIENCE.as_secs());
        log::warn!(
            "{names:?}: what was received is lost: a send failed, and reading has been paused for {pause} s"
        );
        self.close();
    }
}
