//! The queue of a transport: copies of unsent data, so that the caller's buffer is free at once. Its high-water mark is
//! in `plan/watermarks.rs`.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use super::raw_stream::{ByteStream, MAX_PIECES, send_pieces};

/// Minimum size in bytes of an allocation that small pieces share.
const MIN_ALLOCATION: usize = 4096;

/// Unsent bytes, in order.
#[derive(Default)]
pub(in crate::net) struct WriteQueue {
    pieces: VecDeque<Vec<u8>>,
    /// The number of bytes of the first piece that are sent.
    sent: usize,
    size: usize,
}

impl WriteQueue {
    /// The number of unsent bytes.
    pub(in crate::net) fn size(&self) -> usize {
        self.size
    }

    /// Appends a copy.
    pub(in crate::net) fn push(&mut self, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        self.size += data.len();
        match self.pieces.back_mut() {
            Some(last) if last.capacity() - last.len() >= data.len() => {
                last.extend_from_slice(data)
            }
            Some(_) => {
                let mut piece = Vec::with_capacity(data.len().max(MIN_ALLOCATION));
                piece.extend_from_slice(data);
                self.pieces.push_back(piece);
            }
            None => self.pieces.push_back(data.to_vec()),
        }
    }

    /// Appends a queue of which nothing is sent yet, without copying.
    pub(in crate::net) fn append(&mut self, mut other: Self) {
        self.size += other.size;
        self.pieces.append(&mut other.pieces);
    }

    /// Sends until the queue is empty or the stream is full.
    pub(in crate::net) fn flush(&mut self, stream: &dyn ByteStream) -> io::Result<()> {
        while self.size > 0 {
            let pieces = self.pieces.iter().take(MAX_PIECES);
            let mut slices: Vec<_> = pieces.map(|piece| IoSlice::new(piece)).collect();
            let mut left = &mut slices[..];
            IoSlice::advance_slices(&mut left, self.sent);
            let offered = total(left);
            let result = send_pieces(stream, &mut left);
            let left = total(left);
            self.remove_sent(offered - left);
            result?;
            if left > 0 {
                break;
            }
        }
        Ok(())
    }

    /// Removes the first `count` bytes, and frees pieces that are sent completely.
    fn remove_sent(&mut self, mut count: usize) {
        self.size -= count;
        while let Some(first) = self.pieces.front() {
            let left = first.len() - self.sent;
            if count < left {
                self.sent += count;
                return;
            }
            count -= left;
            self.sent = 0;
            self.pieces.pop_front();
        }
    }
}

fn total(pieces: &[IoSlice<'_>]) -> usize {
    pieces.iter().map(|piece| piece.len()).sum()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Accepts the given number of bytes in each call, then no more.
    struct Scripted {
        counts: RefCell<VecDeque<usize>>,
        calls: RefCell<Vec<usize>>,
        got: RefCell<Vec<u8>>,
    }

    impl Scripted {
        fn new(counts: impl IntoIterator<Item = usize>) -> Self {
            let counts = RefCell::new(counts.into_iter().collect());
            Self { counts, calls: RefCell::default(), got: RefCell::default() }
        }
    }

    impl ByteStream for Scripted {
        fn recv(&self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }

        fn has_more(&self) -> bool {
            false
        }

        fn send(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
            let count = self.counts.borrow_mut().pop_front();
            let count = count.ok_or(io::ErrorKind::WouldBlock)?;
            self.calls.borrow_mut().push(pieces.len());
            let all = pieces.iter().flat_map(|piece| piece.iter().copied());
            let before = self.got.borrow().len();
            self.got.borrow_mut().extend(all.take(count));
            Ok(self.got.borrow().len() - before)
        }

        fn shutdown(&self) -> io::Result<()> {
            Ok(())
        }

        fn take_error(&self) -> io::Result<Option<io::Error>> {
            Ok(None)
        }
    }

    /// Pieces that do not share memory.
    fn filled(pieces: &[&[u8]]) -> WriteQueue {
        let mut queue = WriteQueue::default();
        for piece in pieces {
            queue.size += piece.len();
            queue.pieces.push_back(piece.to_vec());
        }
        queue
    }

    #[test]
    fn trans_10_a_queue_is_sent_in_calls_of_at_most_iov_max_pieces() {
        let pieces = vec![&b"abc"[..]; 2500];
        let (mut queue, stream) = (filled(&pieces), Scripted::new([usize::MAX; 9]));
        queue.flush(&stream).unwrap();
        assert_eq!(queue.size(), 0);
        assert!(queue.pieces.is_empty(), "the memory is free");
        assert_eq!(*stream.calls.borrow(), [1024, 1024, 452]);
        assert_eq!(*stream.got.borrow(), b"abc".repeat(2500));
    }

    #[test]
    fn trans_11_what_is_partly_sent_is_trimmed_exactly() {
        let (mut queue, stream) = (filled(&[b"data1", b"data2"]), Scripted::new([2]));
        queue.flush(&stream).unwrap();
        assert_eq!((queue.size(), queue.sent), (8, 2));
        let rest = Scripted::new([1, 4, usize::MAX]);
        queue.flush(&rest).unwrap();
        queue.flush(&rest).unwrap();
        assert_eq!(*rest.got.borrow(), b"ta1da");
        queue.flush(&rest).unwrap();
        assert_eq!((queue.size(), &rest.got.borrow()[..]), (0, &b"ta1data2"[..]));
    }

    #[test]
    fn trans_11_every_way_to_cut_a_queue_gives_the_same_bytes() {
        for first in 0..=15 {
            for second in 0..=15 {
                let mut queue = filled(&[b"data1", b"data2", b"data3"]);
                let stream = Scripted::new([first, second, usize::MAX]);
                while queue.size() > 0 {
                    queue.flush(&stream).unwrap();
                }
                assert_eq!(*stream.got.borrow(), b"data1data2data3", "{first} {second}");
            }
        }
    }

    #[test]
    fn trans_12_small_pieces_share_memory() {
        let mut queue = WriteQueue::default();
        (0..10_000).for_each(|_| queue.push(b"tiny"));
        assert_eq!(queue.size(), 40_000);
        assert!(queue.pieces.len() <= 12, "{} pieces", queue.pieces.len());
        queue.push(b"");
        assert_eq!(queue.size(), 40_000);
    }
}
