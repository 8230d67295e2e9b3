//! Which part of a file goes next: sendfile's arithmetic.

use std::num::NonZero;

/// The largest offset that a file can have.
const LAST: u64 = i64::MAX as u64;

/// Deals out a part of a file: from an offset, so many bytes or all there are.
///
/// The caller says how many bytes went. A file may be shorter than was thought, or become so meanwhile: a chunk
/// of which nothing went is its end.
///
/// ```
/// use loopctl::plan::Chunks;
/// use std::num::NonZero;
///
/// let mut chunks = Chunks::new(1000, NonZero::new(250));
/// assert_eq!((chunks.offset(), chunks.next(100)), (1000, 100));
/// chunks.advance(100);
/// assert_eq!((chunks.offset(), chunks.next(1000)), (1100, 150));
/// chunks.advance(20);
/// assert_eq!((chunks.offset(), chunks.next(1000)), (1120, 130), "what did not go is next");
/// chunks.advance(0);
/// assert_eq!((chunks.sent(), chunks.next(1000)), (120, 0), "the file has no more");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunks {
    start: u64,
    end: u64,
    sent: u64,
}

impl Chunks {
    /// The part that begins at `offset`, in bytes from the start of the file. Without a `count` it has no end
    /// but the file's.
    pub fn new(offset: u64, count: Option<NonZero<u64>>) -> Self {
        let start = offset.min(LAST);
        let end = count.map_or(LAST, |count| start.saturating_add(count.get()).min(LAST));
        Self { start, end, sent: 0 }
    }

    /// Whether a file can have such an offset at all (it is a signed number for the system).
    pub fn is_valid_offset(offset: u64) -> bool {
        offset <= LAST
    }

    /// How many bytes to send next, at most `most`; 0 when all has gone.
    pub fn next(&self, most: usize) -> usize {
        usize::try_from(self.end - self.offset()).map_or(most, |left| left.min(most))
    }

    /// Counts bytes that went. None are the end of the file.
    pub fn advance(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        self.sent = self.sent.saturating_add(bytes).min(self.end - self.start);
        if bytes == 0 {
            self.end = self.offset();
        }
    }

    /// Where the next chunk begins, in bytes from the start of the file.
    pub fn offset(&self) -> u64 {
        self.start + self.sent
    }

    /// How many bytes went so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a file of `size` bytes, at most `room` at a time; the chunks as (offset, bytes).
    fn send(mut chunks: Chunks, size: u64, most: usize, room: usize) -> Vec<(u64, usize)> {
        let mut went = Vec::new();
        loop {
            let left = size.saturating_sub(chunks.offset());
            let wanted = chunks.next(most);
            if wanted == 0 {
                return went;
            }
            let bytes = usize::try_from(left).unwrap_or(usize::MAX).min(wanted).min(room);
            went.push((chunks.offset(), bytes));
            chunks.advance(bytes);
        }
    }

    fn part(offset: u64, count: u64) -> Chunks {
        Chunks::new(offset, NonZero::new(count))
    }

    #[test]
    fn sf_02_offset_and_count_bound_what_goes() {
        assert_eq!(send(part(1000, 2000), 10_000, 1500, 9999), [(1000, 1500), (2500, 500)]);
        assert_eq!(send(part(0, 1), 10_000, 1500, 9999), [(0, 1)]);
    }

    #[test]
    fn sf_04_sf_05_sf_06_the_end_of_the_file_is_the_end() {
        assert_eq!(send(part(10, 0), 10, 64, 64), [(10, 0)], "offset = size");
        assert_eq!(send(part(0, 0), 0, 64, 64), [(0, 0)], "an empty file");
        assert_eq!(send(part(4, 100), 10, 64, 64), [(4, 6), (10, 0)], "a count beyond the end");
        assert_eq!(send(part(99, 1), 10, 64, 64), [(99, 0)], "an offset beyond the end");
    }

    #[test]
    fn sf_17_every_way_to_take_a_file_sends_each_byte_once() {
        for size in 0..40_u64 {
            for (most, room) in [(1, 1), (7, 3), (8, 100), (100, 8), (13, 12)] {
                let went = send(part(0, 0), size, most, room);
                let mut at = 0;
                for (offset, bytes) in &went {
                    assert_eq!(*offset, at, "{size} {most} {room}");
                    at += *bytes as u64;
                }
                assert_eq!((at, went.last().unwrap().1), (size, 0), "{size} {most} {room}");
            }
        }
    }

    #[test]
    fn sf_17_offsets_beyond_32_bits_are_offsets() {
        const GIB: u64 = 1 << 30;
        let chunks = part(5 * GIB - 3, 7);
        assert_eq!(send(chunks, 5 * GIB, 4, 4), [(5 * GIB - 3, 3), (5 * GIB, 0)]);
        let mut last = part(i64::MAX as u64 - 1, u64::MAX);
        assert_eq!((last.next(usize::MAX), Chunks::is_valid_offset(1 << 63)), (1, false));
        last.advance(usize::MAX);
        assert_eq!((last.sent(), last.next(1)), (1, 0), "nothing overflows");
    }
}
