//! What has been received and not yet taken: the state that the ends of a stream share.

use std::fmt;
use std::io;
use std::task::Waker;

use crate::net::error::copy_of;

/// A buffer that has grown beyond this many bytes is given back when it is empty.
const KEPT: usize = 4096;

/// Why a read did not give what it was asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamError {
    /// The stream ended first.
    Incomplete {
        /// What came before the end.
        partial: Vec<u8>,
        /// How many bytes were asked for, where a number was.
        expected: Option<usize>,
    },
    /// The separator is farther away than the limit.
    LimitOverrun {
        /// How many bytes have been searched; they are still to be read.
        consumed: usize,
        /// Whether the separator has been found, `consumed` bytes away.
        is_found: bool,
    },
    /// The connection broke.
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

/// The bytes, and what is known of their end. No I/O: the two ends pause and resume the transport.
#[derive(Default)]
pub(in crate::net) struct ReadBuffer {
    bytes: Vec<u8>,
    /// How many of the first bytes are taken.
    taken: usize,
    pub(in crate::net) limit: usize,
    pub(in crate::net) is_paused: bool,
    pub(in crate::net) end: End,
    pub(in crate::net) error: Option<io::Error>,
    pub(in crate::net) reader: Option<Waker>,
    pub(in crate::net) held: Held,
}

/// Whether more can come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::net) enum End {
    #[default]
    Open,
    /// The peer has said that it sends no more. What comes after, such as a reset, takes nothing away from what
    /// there is to read.
    Eof,
    /// The connection is gone.
    Lost,
}

/// Which ends of a stream someone still has.
#[derive(Default)]
pub(in crate::net) struct Held {
    pub(in crate::net) reader: bool,
    pub(in crate::net) writer: bool,
}

impl ReadBuffer {
    pub(in crate::net) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    pub(in crate::net) fn unread(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// Whether so much waits that the peer must be held up: more than twice the limit.
    pub(in crate::net) fn overflows(&self) -> bool {
        self.unread().len() > self.limit.saturating_mul(2)
    }

    pub(in crate::net) fn push(&mut self, data: &[u8]) {
        if self.taken > self.bytes.len() / 2 {
            self.bytes.drain(..std::mem::take(&mut self.taken));
        }
        self.bytes.extend_from_slice(data);
    }

    /// The next `count` bytes, which must be there.
    pub(in crate::net) fn take(&mut self, count: usize) -> Vec<u8> {
        if self.taken == 0 && count == self.bytes.len() {
            return std::mem::take(&mut self.bytes);
        }
        let bytes = self.unread()[..count].to_vec();
        self.skip(count);
        bytes
    }

    pub(in crate::net) fn skip(&mut self, count: usize) {
        self.taken += count;
        if self.taken == self.bytes.len() {
            self.taken = 0;
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
        }
    }

    pub(in crate::net) fn has_ended(&self) -> bool {
        self.end != End::Open
    }

    /// The error that ended the stream, as often as someone asks.
    pub(in crate::net) fn error(&self) -> Option<io::Error> {
        self.error.as_ref().map(copy_of)
    }
}

/// Looks for a separator in bytes that grow, without looking twice.
pub(in crate::net) struct Search<'a> {
    separator: &'a [u8],
    limit: usize,
    /// The separator begins at no place before this one.
    pub(in crate::net) offset: usize,
}

impl<'a> Search<'a> {
    pub(in crate::net) fn new(separator: &'a [u8], limit: usize) -> Self {
        Self { separator, limit, offset: 0 }
    }

    /// How many bytes there are up to the end of the separator, as soon as that is known.
    pub(in crate::net) fn look(&mut self, unread: &[u8]) -> Result<Option<usize>, StreamError> {
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
                let now = search.look(&text[..end.min(text.len())]).unwrap();
                found = found.or(now);
            }
            assert_eq!(found, Some(6), "in steps of {step}");
        }
    }

    #[test]
    fn strm_01_the_limit_counts_what_comes_before_the_separator() {
        let look = |text: &[u8]| Search::new(b"\r\n", 3).look(text).map_err(|e| e.to_string());
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
        assert!(buffer.bytes.capacity() <= KEPT, "{} bytes", buffer.bytes.capacity());
    }
}
