//! Buffer of received ciphertext.

use std::cell::RefCell;
use std::io;

use crate::net::transport::raw_stream::ByteStream;

/// Size of a transport's read.
const BUFFER_SIZE: usize = 64 * 1024;

thread_local! {
    /// Spare buffers of the thread: one for all sessions, and one for TLS inside TLS. A session decrypts max records
    /// before another one reads.
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Ciphertext in order. Between two reads it occupies only the memory of its unread bytes.
#[derive(Default)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    unread: std::ops::Range<usize>,
}

impl Incoming {
    /// Buffer of bytes that were already read.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        let unread = 0..bytes.len();
        Self { bytes, unread }
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.unread.clone()]
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.unread.start += count.min(self.unread.len());
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Reads about `max` bytes in place of the old content; 0 at the end of the stream.
    pub(super) fn refill(&mut self, stream: &dyn ByteStream, max: usize) -> io::Result<usize> {
        if self.bytes.len() != BUFFER_SIZE {
            let spare = SPARE.with_borrow_mut(Vec::pop);
            self.bytes = spare.unwrap_or_else(|| vec![0; BUFFER_SIZE]);
        }
        self.unread = 0..0;
        let count = stream.recv(&mut self.bytes[..max.clamp(4096, BUFFER_SIZE)])?;
        self.unread = 0..count;
        Ok(count)
    }

    /// Returns the shared buffer and keeps the few unread bytes.
    pub(super) fn release(&mut self) {
        const SPARES: usize = 2;
        if self.bytes.len() != BUFFER_SIZE {
            return;
        }
        let kept = self.unread().to_vec();
        let lent = std::mem::replace(self, Self::of(kept)).bytes;
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < SPARES {
                spare.push(lent);
            }
        });
    }
}
