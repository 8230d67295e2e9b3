//! The part of a file that the peer's kernel has acknowledged, also after the connection has broken.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;

use loopctl::{Transport, acknowledged_bytes};

/// Largest plaintext of a TLS record (RFC 8446, section 5.1), in bytes.
const RECORD: u64 = 16_384;

/// Most that a record adds to its plaintext: header, nonce and tag of TLS 1.2 (RFC 5288). TLS 1.3 adds less, so that
/// slightly less is claimed than was acknowledged, and never more.
const RECORD_OVERHEAD: u64 = 5 + 8 + 16;

/// Acknowledged bytes of one transfer.
pub(super) struct Acknowledged {
    /// A descriptor of our own, because the transport closes its when the connection breaks.
    socket: RefCell<Option<OwnedFd>>,
    /// Acknowledged bytes that are not of the file: SYN, TLS handshake, announcement.
    before: Cell<u64>,
    is_encrypted: bool,
    /// Bytes of the file in the queue, and the TLS records that they are in.
    sent: Cell<(u64, u64)>,
}

impl Acknowledged {
    pub(super) fn new(transport: &Transport) -> Self {
        let socket = transport.socket().dup().ok();
        let before = socket.as_ref().and_then(acknowledged_bytes).unwrap_or(0);
        Self {
            socket: RefCell::new(socket),
            before: Cell::new(before),
            is_encrypted: transport.tls().is_some(),
            sent: Cell::default(),
        }
    }

    /// Closes the descriptor, so that the transport can close the connection.
    pub(super) fn close(&self) {
        self.socket.take();
    }

    /// Leaves out bytes that are sent before the file.
    pub(super) fn exclude(&self, bytes: usize) {
        self.before.set(self.before.get() + wire_size(bytes as u64, self.is_encrypted));
    }

    /// Records the number of bytes of the file that are sent or queued so far.
    pub(super) fn record_sent(&self, bytes: u64) {
        let (before, records) = self.sent.get();
        self.sent.set((bytes, records + bytes.saturating_sub(before).div_ceil(RECORD)));
    }

    /// Bytes of the file that the peer has acknowledged; `None` for other sockets than TCP.
    pub(super) fn content(&self) -> Option<u64> {
        let acknowledged = acknowledged_bytes(self.socket.borrow().as_ref()?)?;
        let acknowledged = acknowledged.saturating_sub(self.before.get());
        if !self.is_encrypted {
            return Some(acknowledged);
        }
        // A part of a record is of no use to the peer.
        let (bytes, records) = self.sent.get();
        let average = bytes.checked_div(records).unwrap_or(0);
        Some(acknowledged / (average + RECORD_OVERHEAD) * average)
    }
}

/// Bytes on the wire of a short line.
fn wire_size(bytes: u64, is_encrypted: bool) -> u64 {
    if is_encrypted { bytes + RECORD_OVERHEAD } else { bytes }
}
