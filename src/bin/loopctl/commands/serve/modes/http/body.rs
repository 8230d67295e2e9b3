//! Framing of a request's content by Content-Length or chunks (RFC 9112, sections 6 and 7). The bytes are counted
//! and dropped.

use httparse::{EMPTY_HEADER, parse_chunk_size, parse_headers};

use super::bad_request::{BadRequest, MAX_FIELDS, MAX_HEAD};

#[derive(Debug)]
pub(super) struct Body {
    expected: Expected,
    /// Bytes of content so far.
    length: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// Bytes left of the content.
    Data(u64),
    ChunkSize,
    /// Bytes left of a chunk.
    Chunk(u64),
    ChunkEnd,
    TrailerSection,
}

const NOTHING: Expected = Expected::Data(0);

impl Body {
    pub(super) fn with_length(length: u64) -> Self {
        Self { expected: Expected::Data(length), length: 0 }
    }

    pub(super) fn chunked() -> Self {
        Self { expected: Expected::ChunkSize, length: 0 }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.expected == NOTHING
    }

    /// Bytes of content so far, without the framing.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Removes the content from the front of `bytes`; returns whether it is complete.
    pub(super) fn consume(&mut self, bytes: &mut Vec<u8>) -> Result<bool, BadRequest> {
        while !self.is_complete() {
            let Some((used, next)) = self.step(bytes)? else { return Ok(false) };
            bytes.drain(..used);
            self.expected = next;
        }
        Ok(true)
    }

    /// Number of bytes of the next element, and what is expected after it. `None` while it is incomplete.
    fn step(&mut self, bytes: &[u8]) -> Result<Option<(usize, Expected)>, BadRequest> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let step = match self.expected {
            Expected::Data(left) => {
                let used = self.count(left, bytes);
                Some((used, Expected::Data(left - used as u64)))
            }
            Expected::Chunk(left) => {
                let used = self.count(left, bytes);
                let rest = left - used as u64;
                Some((used, if rest == 0 { Expected::ChunkEnd } else { Expected::Chunk(rest) }))
            }
            Expected::ChunkSize => match parse_chunk_size(bytes) {
                Ok(size) => complete(size).map(|(used, size)| (used, after_size(size))),
                Err(_) => return Err(BadRequest::malformed("a chunk's size is malformed")),
            },
            Expected::ChunkEnd => match bytes {
                [b'\r', b'\n', ..] => Some((2, Expected::ChunkSize)),
                [b'\r'] => None,
                _ => return Err(BadRequest::malformed("a chunk is longer than its size")),
            },
            Expected::TrailerSection => {
                complete(parse_headers(bytes, &mut [EMPTY_HEADER; MAX_FIELDS])?)
                    .map(|(used, _)| (used, NOTHING))
            }
        };
        match step {
            None if bytes.len() > MAX_HEAD => {
                Err(BadRequest::malformed("a chunk's size line is too long"))
            }
            step => Ok(step),
        }
    }

    fn count(&mut self, left: u64, bytes: &[u8]) -> usize {
        let used = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.length += used as u64;
        used
    }
}

fn complete<T>(status: httparse::Status<T>) -> Option<T> {
    match status {
        httparse::Status::Complete(parsed) => Some(parsed),
        httparse::Status::Partial => None,
    }
}

/// The last chunk is empty, and the trailer section follows it.
fn after_size(size: u64) -> Expected {
    if size == 0 { Expected::TrailerSection } else { Expected::Chunk(size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Length and remainder, the same for every division into pieces.
    fn consumed(body: fn() -> Body, text: &str) -> Result<(u64, String), u16> {
        let whole = consume(body(), text, text.len());
        for piece in 1..text.len() {
            assert_eq!(consume(body(), text, piece), whole, "{text:?} by {piece}");
        }
        whole
    }

    fn consume(mut body: Body, text: &str, piece: usize) -> Result<(u64, String), u16> {
        let mut bytes = Vec::new();
        let mut pieces = text.as_bytes().chunks(piece);
        loop {
            if body.consume(&mut bytes).map_err(|error| error.status.code)? {
                bytes.extend(pieces.flatten());
                return Ok((body.length(), String::from_utf8(bytes).unwrap()));
            }
            bytes.extend(pieces.next().ok_or(0_u16)?);
        }
    }

    #[test]
    fn a_body_consumes_no_more_than_its_content() {
        let next = |count, rest: &str| Ok((count, rest.to_owned()));
        assert_eq!(consumed(|| Body::with_length(5), "12345GET"), next(5, "GET"));
        assert_eq!(consumed(|| Body::with_length(0), "GET"), next(0, "GET"));
        assert_eq!(consumed(|| Body::with_length(5), "1234"), Err(0), "more has to come");
        assert_eq!(consumed(Body::chunked, "0\r\n\r\nGET"), next(0, "GET"));
        let two = "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\nGET";
        assert_eq!(consumed(Body::chunked, two), next(13, "GET"));
        assert_eq!(consumed(Body::chunked, "1\r\na\r\n0\r\nSum: 1\r\n\r\n."), next(1, "."));
    }

    #[test]
    fn malformed_chunks_are_rejected() {
        for malformed in
            ["x\r\n", "-1\r\n", "fffffffffffffffff\r\n", "3\r\nabcd\r\n", "0\r\n\u{1}: 2\r\n\r\n"]
        {
            assert_eq!(consumed(Body::chunked, malformed), Err(400), "{malformed:?}");
        }
        let endless = format!("1;{}", "x".repeat(2 * MAX_HEAD));
        assert_eq!(consume(Body::chunked(), &endless, 1000), Err(400));
    }
}
