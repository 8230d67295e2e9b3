//! Offsets and sizes of the chunks in which sendfile sends a file.

use std::num::NonZero;

/// Largest offset of a file, because `off_t` is signed.
const MAX_OFFSET: u64 = i64::MAX as u64;

/// Part of a file to send, divided into chunks: from an offset, a number of bytes or the rest of the file.
///
/// The caller reports the number of bytes sent. A file can be shorter than expected, or shrink during the transfer,
/// so a chunk of 0 bytes marks its end.
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
/// assert_eq!((chunks.offset(), chunks.next(1000)), (1120, 130), "the unsent bytes are next");
/// chunks.advance(0);
/// assert_eq!((chunks.sent(), chunks.next(1000)), (120, 0), "end of the file");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunks {
    start: u64,
    end: u64,
    sent: u64,
}

impl Chunks {
    /// Part that begins at `offset`, in bytes from the start of the file. Without a `count` it ends with the file.
    pub fn new(offset: u64, count: Option<NonZero<u64>>) -> Self {
        let start = offset.min(MAX_OFFSET);
        let end =
            count.map_or(MAX_OFFSET, |count| start.saturating_add(count.get()).min(MAX_OFFSET));
        Self { start, end, sent: 0 }
    }

    /// Whether the offset fits into an `off_t`, which is signed.
    pub fn is_valid_offset(offset: u64) -> bool {
        offset <= MAX_OFFSET
    }

    /// Size of the next chunk, at most `max` bytes; 0 at the end.
    pub fn next(&self, max: usize) -> usize {
        usize::try_from(self.end - self.offset()).map_or(max, |left| left.min(max))
    }

    /// Counts `bytes` as sent. 0 marks the end of the file.
    pub fn advance(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        self.sent = self.sent.saturating_add(bytes).min(self.end - self.start);
        if bytes == 0 {
            self.end = self.offset();
        }
    }

    /// Start of the next chunk, in bytes from the start of the file.
    pub fn offset(&self) -> u64 {
        self.start + self.sent
    }

    /// Number of bytes sent so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a file of `size` bytes to a socket that takes `capacity` bytes; returns the chunks as (offset, bytes).
    fn send(mut chunks: Chunks, size: u64, max: usize, capacity: usize) -> Vec<(u64, usize)> {
        let mut sent = Vec::new();
        loop {
            let left = size.saturating_sub(chunks.offset());
            let wanted = chunks.next(max);
            if wanted == 0 {
                return sent;
            }
            let bytes = usize::try_from(left).unwrap_or(usize::MAX).min(wanted).min(capacity);
            sent.push((chunks.offset(), bytes));
            chunks.advance(bytes);
        }
    }

    fn part(offset: u64, count: u64) -> Chunks {
        Chunks::new(offset, NonZero::new(count))
    }

    #[test]
    fn sf_02_offset_and_count_limit_the_bytes_sent() {
        assert_eq!(send(part(1000, 2000), 10_000, 1500, 9999), [(1000, 1500), (2500, 500)]);
        assert_eq!(send(part(0, 1), 10_000, 1500, 9999), [(0, 1)]);
    }

    #[test]
    fn sf_04_sf_05_sf_06_sending_stops_at_the_end_of_the_file() {
        assert_eq!(send(part(10, 0), 10, 64, 64), [(10, 0)], "offset = size");
        assert_eq!(send(part(0, 0), 0, 64, 64), [(0, 0)], "an empty file");
        assert_eq!(send(part(4, 100), 10, 64, 64), [(4, 6), (10, 0)], "a count beyond the end");
        assert_eq!(send(part(99, 1), 10, 64, 64), [(99, 0)], "an offset beyond the end");
    }

    #[test]
    fn sf_17_any_chunk_size_sends_each_byte_once() {
        for size in 0..40_u64 {
            for (max, capacity) in [(1, 1), (7, 3), (8, 100), (100, 8), (13, 12)] {
                let sent = send(part(0, 0), size, max, capacity);
                let mut at = 0;
                for (offset, bytes) in &sent {
                    assert_eq!(*offset, at, "{size} {max} {capacity}");
                    at += *bytes as u64;
                }
                assert_eq!((at, sent.last().unwrap().1), (size, 0), "{size} {max} {capacity}");
            }
        }
    }

    #[test]
    fn sf_17_offsets_beyond_32_bits() {
        const GIB: u64 = 1 << 30;
        let chunks = part(5 * GIB - 3, 7);
        assert_eq!(send(chunks, 5 * GIB, 4, 4), [(5 * GIB - 3, 3), (5 * GIB, 0)]);
        let mut last = part(i64::MAX as u64 - 1, u64::MAX);
        assert_eq!((last.next(usize::MAX), Chunks::is_valid_offset(1 << 63)), (1, false));
        last.advance(usize::MAX);
        assert_eq!((last.sent(), last.next(1)), (1, 0), "nothing overflows");
    }
}
