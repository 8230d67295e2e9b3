//! The bits of a stream connection's state: when each is set, by whom, and what it excludes.

use super::exclusive_write::ExclusiveState;
use crate::net::transport::close_state::CloseState;

/// State of a connection. Twelve bytes, copied out, changed and stored back by
/// [`update`](super::StreamTransport::update), so that no borrow is held while a protocol is called.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::net) struct State {
    /// Progress towards the end. `Open` → `WriteFailed` by a failed send; `Open` or `WriteFailed` → `Closing`
    /// by `close`, `abort` or a failed receive; any → `Closed` once, when the descriptor is released.
    pub(in crate::net) close: CloseState,
    pub(super) reading: Reading,
    pub(super) writing: Writing,
    /// Set while a job of this connection is in the loop's queue. Set by `enqueue`, cleared when the job runs;
    /// it keeps a connection from being queued twice.
    pub(super) is_queued: bool,
    /// Set while a TLS handshake is in progress: by `start_tls`, until the handshake has finished. No data
    /// passes between the protocol and the socket during it. A failed handshake leaves it set, because the
    /// connection is `Closing` then.
    pub(super) is_handshaking: bool,
    /// Set while an [`ExclusiveWriter`](super::ExclusiveWriter) exists.
    pub(super) exclusive: ExclusiveState,
}

/// State of the receiving direction.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reading {
    /// The poller has reported data and no read has returned `WouldBlock` or less than asked for since.
    /// Notification is edge-triggered, so this bit is the only memory of it.
    pub(super) is_readable: bool,
    /// The poller has reported that the peer has sent its last byte (`EPOLLRDHUP`). Never cleared: from then
    /// on a short read does not mean that the socket is drained, because the end of file is still to be read.
    pub(super) peer_finished: bool,
    /// Set by `pause_reading`, cleared by `resume_reading`. Excludes calls of `data_received`.
    pub(super) is_paused: bool,
    /// Set when a read has returned the end of the stream. Never cleared; excludes further reads.
    pub(super) at_eof: bool,
}

/// State of the sending direction.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Writing {
    /// The poller has reported room in the send buffer since the last run, which clears it and flushes.
    pub(super) is_writable: bool,
    /// Set by `write_eof`. Never cleared; excludes further writes. The end is sent when the queue is empty.
    pub(super) eof_requested: bool,
    /// Set while `resume_writing` is being called: its writes are accepted although the transport is
    /// `Closing`. Cleared afterwards, and by everything that ends the connection.
    pub(super) is_resuming: bool,
    /// The number of writes refused because the connection is over.
    pub(super) refused: u8,
}

impl State {
    pub(super) fn is_open(self) -> bool {
        self.close == CloseState::Open
    }

    /// Whether reading is neither paused nor over because of a close.
    pub(in crate::net) fn is_reading(self) -> bool {
        let is_open = matches!(self.close, CloseState::Open | CloseState::WriteFailed);
        is_open && !self.reading.is_paused && self.exclusive.allows_reading()
    }

    /// Whether data would be delivered if it came.
    pub(in crate::net) fn is_polling(self) -> bool {
        self.is_reading() && !self.reading.at_eof
    }

    pub(super) fn may_read(self) -> bool {
        self.is_polling() && self.reading.is_readable && !self.is_handshaking
    }

    pub(super) fn has_exclusive_writer(self) -> bool {
        self.exclusive != ExclusiveState::None
    }

    pub(super) fn refuses_writes(self) -> bool {
        let accepts = match self.close {
            CloseState::Open => true,
            CloseState::Closing => self.writing.is_resuming,
            CloseState::WriteFailed | CloseState::Aborted | CloseState::Closed => false,
        };
        !accepts || self.writing.eof_requested
    }
}
