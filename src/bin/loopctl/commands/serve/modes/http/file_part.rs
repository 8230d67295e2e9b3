//! A byte range of an open file, to be sent to a client.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::num::NonZero;
use std::os::unix::fs::FileExt;

use loopctl::Sendfile;

/// Largest single read, in bytes.
const MAX_READ: u64 = 256 * 1024;

#[derive(Debug)]
pub(super) struct FilePart {
    file: File,
    /// Offset of the next byte to send.
    offset: u64,
    /// Bytes left to send.
    left: u64,
}

impl FilePart {
    pub(super) fn new(file: File, start: u64, end: u64) -> Self {
        Self { file, offset: start, left: end - start }
    }

    pub(super) fn left(&self) -> u64 {
        self.left
    }

    pub(super) fn is_complete(&self) -> bool {
        self.left == 0
    }

    /// The bytes left, for sendfile(2). `None` if there are none.
    pub(super) fn sendfile(&self) -> Option<Sendfile<'_>> {
        let left = NonZero::new(self.left)?;
        Some(Sendfile::new(&self.file).offset(self.offset).count(left))
    }

    /// Appends the next piece to the buffer, or nothing on an error.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let (start, count) = (buffer.len(), self.left.min(MAX_READ));
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

/// The file has fewer bytes than the Content-Length that has been sent.
pub(super) fn became_shorter() -> io::Error {
    io::Error::other("the file became shorter while it was sent")
}
