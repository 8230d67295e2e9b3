//! Ciphertext that has come and is not yet understood.

use std::cell::RefCell;
use std::io;

use crate::net::transport::raw_stream::ByteStream;

/// As much as a transport reads in a turn.
const MOST: usize = 64 * 1024;

thread_local! {
    /// One buffer for all sessions of a thread, and another for each that is inside another. What is read is
    /// most often understood before the next one reads.
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes in the order in which they came. Between two reads it holds no more memory than it has bytes.
#[derive(Default)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    unread: std::ops::Range<usize>,
}

impl Incoming {
    /// Bytes that someone else has read.
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

    /// Receives at most about `most` bytes in the place of what was there; 0 at the end of the stream.
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

    /// Lets go of the shared buffer; the little that is left in it is kept aside.
    pub(super) fn rest(&mut self) {
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
