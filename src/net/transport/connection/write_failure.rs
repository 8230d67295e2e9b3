//! Delivery of received data after a failed send, for a peer that answers early and closes.
//!
//! The error of a send overtakes data that the kernel has received before. The writer sees the error at once,
//! from `write` and `drain`; the protocol gets `connection_lost` when all data is delivered.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::io::Io;
use super::{StreamTransport, wake};
use crate::net::error::copy_of;
use crate::net::transport::close_state::CloseState;

/// Time for which paused reading keeps a connection whose send has failed. Linux keeps an orphaned connection
/// with a silent peer as long (`tcp_fin_timeout`).
const LINGER: Duration = Duration::from_secs(60);

impl Io {
    /// Whether the connection waits for `resume_reading` to deliver its last data.
    pub(super) fn lingers(&self) -> bool {
        self.cold.as_ref().is_some_and(|cold| cold.linger_timer.is_some())
    }

    fn has_more(&self) -> bool {
        self.layer().stream().is_some_and(|stream| stream.has_more())
    }
}

impl StreamTransport {
    /// Ends sending after an error. Received data, if there is any, is delivered first.
    pub(super) fn fail_sending(self: &Rc<Self>, error: io::Error) {
        let reading = self.state().reading;
        let may_receive = self.state().is_open() && !reading.at_eof;
        if !may_receive || reading.is_paused && !self.io.borrow().has_more() {
            return self.abort(Some(error));
        }
        let mut io = self.io.borrow_mut();
        let unsent = io.abort_sending(Some(error));
        let cold = io.cold();
        if reading.is_paused {
            // A protocol that paused reading until it may write again must be resumed.
            cold.watermarks.shrank(0);
        } else {
            cold.watermarks.reset();
        }
        let waiters = std::mem::take(&mut cold.waiters);
        drop(io);
        drop(unsent);
        self.update(|state| {
            state.close = CloseState::WriteFailed;
            state.writing.is_resuming = false;
            // The poller may not have reported the last data yet, and need not report it again.
            state.reading.is_readable = true;
            state.reading.peer_finished = true;
        });
        wake(waiters);
        self.enqueue();
    }

    /// The error that ended sending, or the connection, until `connection_lost` is called.
    pub(in crate::net) fn failure(&self) -> Option<io::Error> {
        let io = self.io.borrow();
        io.cold.as_ref()?.error.as_ref().map(copy_of)
    }

    /// Whether an empty read means that the peer has finished. After a reset whose error a send has consumed,
    /// the kernel also reports the end of the stream; `BrokenPipe` means that the end came before the reset.
    pub(super) fn is_eof_genuine(&self) -> bool {
        let io = self.io.borrow();
        let error = io.cold.as_ref().and_then(|cold| cold.error.as_ref());
        error.is_none_or(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Closes a connection whose send has failed, once all received data is delivered.
    pub(super) fn close_if_read(self: &Rc<Self>) {
        let reading = self.state().reading;
        let is_read = reading.at_eof || !reading.is_readable;
        if is_read || reading.is_paused && !self.io.borrow().has_more() {
            self.close();
        } else if reading.is_paused && !self.io.borrow().lingers() {
            let connection = Rc::downgrade(self);
            let timer = self.event_loop.call_later(LINGER, move || {
                if let Some(connection) = connection.upgrade() {
                    connection.close_unread();
                }
            });
            self.io.borrow_mut().cold().linger_timer = Some(timer);
        }
    }

    pub(super) fn cancel_linger_timer(&self) {
        let mut io = self.io.borrow_mut();
        let timer = io.cold.as_mut().and_then(|cold| cold.linger_timer.take());
        drop(io);
        if let Some(timer) = timer {
            timer.cancel();
        }
    }

    fn close_unread(self: &Rc<Self>) {
        let (addresses, pause) = (&self.addresses, LINGER.as_secs());
        log::warn!(
            "{addresses:?}: received data is lost: a send failed, and reading has been paused for {pause} s"
        );
        self.close();
    }
}
