//! Buffer of received ciphertext.

use std::cell::RefCell;
use std::io;

use crate::net::transport::raw_stream::ByteStream;

/// Size of a transport's read.
const MOST: usize = 64 * 1024;

thread_local! {
    /// Spare buffers of the thread: one for all sessions, and one for TLS inside TLS. A session decrypts most records
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

    /// Reads about `most` bytes in place of the old content; 0 at the end of the stream.
    pub(super) fn refill(&mut self, stream: &dyn ByteStream, most: usize) -> io::Result<usize> {
        if self.bytes.len() != MOST {
            let spare = SPARE.with_borrow_mut(Vec::pop);
            self.bytes = spare.unwrap_or_else(|| vec![0; MOST]);
        }
        self.unread = 0..0;
        let count = stream.recv(&mut self.bytes[..most.clamp(4096, MOST)])?;
        self.unread = 0..count;
        Ok(count)
    }

    /// Returns the shared buffer and keeps the few unread bytes.
    pub(super) fn release(&mut self) {
        const SPARES: usize = 2;
        if self.bytes.len() != MOST {
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
