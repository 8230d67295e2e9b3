//! The receive buffer: state shared by the protocol, the reader and the writer of a stream.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::task::Waker;

use crate::net::error::copy_of;

/// Capacity in bytes that an empty buffer keeps.
const MAX_IDLE_CAPACITY: usize = 4096;

/// Error of a read.
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamError {
    /// The stream ended before the requested data.
    Incomplete {
        /// The data before the end.
        partial: Vec<u8>,
        /// The requested number of bytes, if there was one.
        expected: Option<usize>,
    },
    /// The separator is beyond the limit.
    LimitOverrun {
        /// The number of bytes searched; they stay in the buffer.
        consumed: usize,
        /// True if the separator was found, at offset `consumed`.
        is_found: bool,
    },
    /// The connection failed.
    Io(io::Error),
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete { partial, expected: Some(expected) } => {
                write!(f, "{} bytes read on a total of {expected} expected bytes", partial.len())
            }
            Self::Incomplete { partial, expected: None } => {
                write!(f, "{} bytes read on a total of undefined expected bytes", partial.len())
            }
            Self::LimitOverrun { is_found: true, .. } => {
                f.write_str("Separator is found, but chunk is longer than limit")
            }
            Self::LimitOverrun { is_found: false, .. } => {
                f.write_str("Separator is not found, and chunk exceed the limit")
            }
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StreamError {}

impl From<io::Error> for StreamError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Io(error) => error,
            StreamError::Incomplete { .. } => Self::new(io::ErrorKind::UnexpectedEof, error),
            StreamError::LimitOverrun { .. } => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}

pub(super) type SharedBuffer = Rc<RefCell<ReadBuffer>>;

/// Received bytes, and the state of the stream's end. The protocol and the reader pause and resume the transport.
#[derive(Default)]
pub(super) struct ReadBuffer {
    bytes: Vec<u8>,
    /// The number of bytes at the front that were taken.
    taken: usize,
    pub(super) limit: usize,
    pub(super) is_paused: bool,
    pub(super) end: End,
    pub(super) error: Option<io::Error>,
    pub(super) reader: Option<Waker>,
    pub(super) open_ends: OpenEnds,
}

/// State of the stream's end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum End {
    #[default]
    Open,
    /// The peer has ended its sending direction. A later error, such as a reset, is not returned by reads.
    Eof,
    /// The connection has ended.
    Lost,
}

/// The ends of a stream that have not been dropped.
#[derive(Default)]
pub(super) struct OpenEnds {
    pub(super) reader: bool,
    pub(super) writer: bool,
}

impl ReadBuffer {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// Whether more than twice the limit is unread, so that reading must pause.
    pub(super) fn overflows(&self) -> bool {
        self.unread().len() > self.limit.saturating_mul(2)
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        if self.taken > self.bytes.len() / 2 {
            self.bytes.drain(..std::mem::take(&mut self.taken));
        }
        self.bytes.extend_from_slice(data);
    }

    /// Takes the next `count` bytes, which must be available.
    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        if self.taken == 0 && count == self.bytes.len() {
            return std::mem::take(&mut self.bytes);
        }
        let bytes = self.unread()[..count].to_vec();
        self.skip(count);
        bytes
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.taken += count;
        if self.taken == self.bytes.len() {
            self.taken = 0;
            self.bytes.clear();
            self.bytes.shrink_to(MAX_IDLE_CAPACITY);
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end != End::Open
    }

    /// A copy of the error that ended the stream.
    pub(super) fn error(&self) -> Option<io::Error> {
        self.error.as_ref().map(copy_of)
    }
}

/// Search for a separator in a growing buffer, without searching bytes twice.
pub(super) struct Search<'a> {
    separator: &'a [u8],
    limit: usize,
    /// The separator does not begin before this offset.
    pub(super) offset: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(separator: &'a [u8], limit: usize) -> Self {
        Self { separator, limit, offset: 0 }
    }

    /// The number of bytes up to the end of the separator, once it is found.
    pub(super) fn advance(&mut self, unread: &[u8]) -> Result<Option<usize>, StreamError> {
        let length = self.separator.len();
        let rest = unread.get(self.offset..).unwrap_or_default();
        let found = rest.windows(length).position(|window| window == self.separator);
        if let Some(at) = found.map(|at| self.offset + at) {
            let is_near = at <= self.limit;
            let overrun = StreamError::LimitOverrun { consumed: at, is_found: true };
            return if is_near { Ok(Some(at + length)) } else { Err(overrun) };
        }
        self.offset = self.offset.max((unread.len() + 1).saturating_sub(length));
        if self.offset > self.limit {
            return Err(StreamError::LimitOverrun { consumed: self.offset, is_found: false });
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strm_01_a_separator_is_found_however_the_bytes_arrive() {
        let text = b"one\r\r\ntwo\r\n";
        for step in 1..=text.len() {
            let (mut search, mut found) = (Search::new(b"\r\n", 64), None);
            for end in (step..text.len() + step).step_by(step) {
                let now = search.advance(&text[..end.min(text.len())]).unwrap();
                found = found.or(now);
            }
            assert_eq!(found, Some(6), "in steps of {step}");
        }
    }

    #[test]
    fn strm_01_the_limit_counts_what_comes_before_the_separator() {
        let look = |text: &[u8]| Search::new(b"\r\n", 3).advance(text).map_err(|e| e.to_string());
        assert_eq!(look(b"abc\r\n"), Ok(Some(5)));
        let too_long = "Separator is found, but chunk is longer than limit";
        assert_eq!(look(b"abcd\r\n"), Err(too_long.to_owned()));
        assert_eq!(look(b"abcd"), Ok(None), "the last byte may begin a separator");
        let not_found = "Separator is not found, and chunk exceed the limit";
        assert_eq!(look(b"abcde"), Err(not_found.to_owned()));
    }

    #[test]
    fn strm_01_bytes_come_out_in_order_and_memory_is_given_back() {
        let mut buffer = ReadBuffer::new(10);
        let all: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        let mut out = Vec::new();
        for piece in all.chunks(1000) {
            buffer.push(piece);
            out.extend(buffer.take(700));
        }
        assert!(buffer.overflows());
        let left = buffer.unread().len();
        out.extend_from_slice(buffer.unread());
        buffer.skip(left);
        assert!(out == all);
        assert!(buffer.bytes.capacity() <= MAX_IDLE_CAPACITY, "{} bytes", buffer.bytes.capacity());
    }
}
