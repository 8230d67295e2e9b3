//! A request's body: where it ends, and how much there was of it.

use httparse::{EMPTY_HEADER, parse_chunk_size, parse_headers};

use super::refused::{LONGEST, MOST_FIELDS, Refused};

/// How far it has come. Nobody wants its bytes: they are counted.
#[derive(Debug)]
pub(super) struct Body {
    at: At,
    received: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// So many bytes are left.
    Data(u64),
    Size,
    /// So many bytes are left of a chunk.
    Chunk(u64),
    ChunkEnd,
    Trailer,
}

const OVER: At = At::Data(0);

impl Body {
    pub(super) fn of_length(length: u64) -> Self {
        Self { at: At::Data(length), received: 0 }
    }

    pub(super) fn chunked() -> Self {
        Self { at: At::Size, received: 0 }
    }

    pub(super) fn is_over(&self) -> bool {
        self.at == OVER
    }

    /// How many bytes it had, without what frames them.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Takes what belongs to it, and tells whether that was all.
    pub(super) fn take(&mut self, bytes: &mut Vec<u8>) -> Result<bool, Refused> {
        while !self.is_over() {
            let Some((used, next)) = self.step(bytes)? else { return Ok(false) };
            bytes.drain(..used);
            self.at = next;
        }
        Ok(true)
    }

    /// How many bytes the next step uses, and what follows. `None` if more has to come.
    fn step(&mut self, bytes: &[u8]) -> Result<Option<(usize, At)>, Refused> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let step = match self.at {
            At::Data(left) => {
                let used = self.count(left, bytes);
                Some((used, At::Data(left - used as u64)))
            }
            At::Chunk(left) => {
                let used = self.count(left, bytes);
                let rest = left - used as u64;
                Some((used, if rest == 0 { At::ChunkEnd } else { At::Chunk(rest) }))
            }
            At::Size => match parse_chunk_size(bytes) {
                Ok(size) => found(size).map(|(used, size)| (used, after_size(size))),
                Err(_) => return Err(Refused::malformed("a chunk's size is malformed")),
            },
            At::ChunkEnd => match bytes {
                [b'\r', b'\n', ..] => Some((2, At::Size)),
                [b'\r'] => None,
                _ => return Err(Refused::malformed("a chunk is longer than it said")),
            },
            At::Trailer => found(parse_headers(bytes, &mut [EMPTY_HEADER; MOST_FIELDS])?)
                .map(|(used, _)| (used, OVER)),
        };
        match step {
            None if bytes.len() > LONGEST => Err(Refused::malformed("a chunk's head is too long")),
            step => Ok(step),
        }
    }

    fn count(&mut self, left: u64, bytes: &[u8]) -> usize {
        let used = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.received += used as u64;
        used
    }
}

fn found<T>(status: httparse::Status<T>) -> Option<T> {
    match status {
        httparse::Status::Complete(found) => Some(found),
        httparse::Status::Partial => None,
    }
}

/// The last chunk is empty.
fn after_size(size: u64) -> At {
    if size == 0 { At::Trailer } else { At::Chunk(size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a body's end and length are, however its bytes are dealt out.
    fn taken(body: fn() -> Body, text: &str) -> Result<(u64, String), u16> {
        let whole = take(body(), text, text.len());
        for piece in 1..text.len() {
            assert_eq!(take(body(), text, piece), whole, "{text:?} by {piece}");
        }
        whole
    }

    fn take(mut body: Body, text: &str, piece: usize) -> Result<(u64, String), u16> {
        let mut bytes = Vec::new();
        let mut pieces = text.as_bytes().chunks(piece);
        loop {
            if body.take(&mut bytes).map_err(|why| why.status.code)? {
                bytes.extend(pieces.flatten());
                return Ok((body.received(), String::from_utf8(bytes).unwrap()));
            }
            bytes.extend(pieces.next().ok_or(0_u16)?);
        }
    }

    #[test]
    fn a_body_takes_what_is_its_own() {
        let next = |count, rest: &str| Ok((count, rest.to_owned()));
        assert_eq!(taken(|| Body::of_length(5), "12345GET"), next(5, "GET"));
        assert_eq!(taken(|| Body::of_length(0), "GET"), next(0, "GET"));
        assert_eq!(taken(|| Body::of_length(5), "1234"), Err(0), "more has to come");
        assert_eq!(taken(Body::chunked, "0\r\n\r\nGET"), next(0, "GET"));
        let two = "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\nGET";
        assert_eq!(taken(Body::chunked, two), next(13, "GET"));
        assert_eq!(taken(Body::chunked, "1\r\na\r\n0\r\nSum: 1\r\n\r\n."), next(1, "."));
    }

    #[test]
    fn chunks_that_make_no_sense_are_refused() {
        for malformed in
            ["x\r\n", "-1\r\n", "fffffffffffffffff\r\n", "3\r\nabcd\r\n", "0\r\n\u{1}: 2\r\n\r\n"]
        {
            assert_eq!(taken(Body::chunked, malformed), Err(400), "{malformed:?}");
        }
        let endless = format!("1;{}", "x".repeat(2 * LONGEST));
        assert_eq!(take(Body::chunked(), &endless, 1000), Err(400));
    }
}
