//! A part of a file, on its way to a client.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::num::NonZero;
use std::os::unix::fs::FileExt;

use loopctl::Sendfile;

/// How much of a file is in memory for a client.
const PIECE: u64 = 256 * 1024;

/// A part of a file that is open, and has not been read yet.
#[derive(Debug)]
pub(super) struct Excerpt {
    file: File,
    offset: u64,
    left: u64,
}

impl Excerpt {
    pub(super) fn new(file: File, start: u64, end: u64) -> Self {
        Self { file, offset: start, left: end - start }
    }

    pub(super) fn left(&self) -> u64 {
        self.left
    }

    pub(super) fn is_over(&self) -> bool {
        self.left == 0
    }

    /// What is left, for the kernel to send.
    pub(super) fn rest(&self) -> Option<Sendfile<'_>> {
        let left = NonZero::new(self.left)?;
        Some(Sendfile::new(&self.file).offset(self.offset).count(left))
    }

    /// Appends the next piece, all of it or nothing.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let (start, count) = (buffer.len(), self.left.min(PIECE));
        buffer.resize(start + count as usize, 0);
        let read = self.file.read_exact_at(&mut buffer[start..], self.offset);
        if read.is_err() {
            buffer.truncate(start);
        }
        self.offset += count;
        self.left -= count;
        read.map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => became_shorter(),
            _ => error,
        })
    }
}

/// Its length has been told already.
pub(super) fn became_shorter() -> io::Error {
    io::Error::other("the file became shorter meanwhile")
}
