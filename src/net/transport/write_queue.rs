//! What waits to be sent: copies, so that the caller's buffer is free at once.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use super::raw_stream::{ByteStream, MOST_PIECES, send_pieces};

/// Small pieces share one allocation of at least this many bytes.
const SHARED: usize = 4096;

/// Bytes in the order in which they will be sent.
#[derive(Default)]
pub(in crate::net) struct WriteQueue {
    pieces: VecDeque<Vec<u8>>,
    /// How much of the first piece is sent.
    sent: usize,
    size: usize,
}

impl WriteQueue {
    /// How many bytes wait.
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
                let mut piece = Vec::with_capacity(data.len().max(SHARED));
                piece.extend_from_slice(data);
                self.pieces.push_back(piece);
            }
            None => self.pieces.push_back(data.to_vec()),
        }
    }

    /// Appends what waited elsewhere, and of which nothing is sent; its memory stays where it is.
    pub(in crate::net) fn append(&mut self, mut later: Self) {
        self.size += later.size;
        self.pieces.append(&mut later.pieces);
    }

    /// Sends until nothing is left or the stream has no room.
    pub(in crate::net) fn flush(&mut self, stream: &dyn ByteStream) -> io::Result<()> {
        while self.size > 0 {
            let pieces = self.pieces.iter().take(MOST_PIECES);
            let mut slices: Vec<_> = pieces.map(|piece| IoSlice::new(piece)).collect();
            let mut left = &mut slices[..];
            IoSlice::advance_slices(&mut left, self.sent);
            let offered = total(left);
            let result = send_pieces(stream, &mut left);
            let left = total(left);
            self.forget(offered - left);
            result?;
            if left > 0 {
                break;
            }
        }
        Ok(())
    }

    /// Drops the first `count` bytes, and the memory of what is sent as a whole.
    fn forget(&mut self, mut count: usize) {
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

    /// Takes as many bytes a call as it is told to, then no more.
    struct Takes {
        counts: RefCell<VecDeque<usize>>,
        calls: RefCell<Vec<usize>>,
        got: RefCell<Vec<u8>>,
    }

    impl Takes {
        fn new(counts: impl IntoIterator<Item = usize>) -> Self {
            let counts = RefCell::new(counts.into_iter().collect());
            Self { counts, calls: RefCell::default(), got: RefCell::default() }
        }
    }

    impl ByteStream for Takes {
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
        let mut outbox = WriteQueue::default();
        for piece in pieces {
            outbox.size += piece.len();
            outbox.pieces.push_back(piece.to_vec());
        }
        outbox
    }

    #[test]
    fn trans_10_a_queue_is_sent_in_calls_of_at_most_iov_max_pieces() {
        let pieces = vec![&b"abc"[..]; 2500];
        let (mut outbox, stream) = (filled(&pieces), Takes::new([usize::MAX; 9]));
        outbox.flush(&stream).unwrap();
        assert_eq!(outbox.size(), 0);
        assert!(outbox.pieces.is_empty(), "the memory is free");
        assert_eq!(*stream.calls.borrow(), [1024, 1024, 452]);
        assert_eq!(*stream.got.borrow(), b"abc".repeat(2500));
    }

    #[test]
    fn trans_11_what_is_partly_sent_is_trimmed_exactly() {
        let (mut outbox, stream) = (filled(&[b"data1", b"data2"]), Takes::new([2]));
        outbox.flush(&stream).unwrap();
        assert_eq!((outbox.size(), outbox.sent), (8, 2));
        let rest = Takes::new([1, 4, usize::MAX]);
        outbox.flush(&rest).unwrap();
        outbox.flush(&rest).unwrap();
        assert_eq!(*rest.got.borrow(), b"ta1da");
        outbox.flush(&rest).unwrap();
        assert_eq!((outbox.size(), &rest.got.borrow()[..]), (0, &b"ta1data2"[..]));
    }

    #[test]
    fn trans_11_every_way_to_cut_a_queue_gives_the_same_bytes() {
        for first in 0..=15 {
            for second in 0..=15 {
                let mut outbox = filled(&[b"data1", b"data2", b"data3"]);
                let stream = Takes::new([first, second, usize::MAX]);
                while outbox.size() > 0 {
                    outbox.flush(&stream).unwrap();
                }
                assert_eq!(*stream.got.borrow(), b"data1data2data3", "{first} {second}");
            }
        }
    }

    #[test]
    fn trans_12_small_pieces_share_memory() {
        let mut outbox = WriteQueue::default();
        (0..10_000).for_each(|_| outbox.push(b"tiny"));
        assert_eq!(outbox.size(), 40_000);
        assert!(outbox.pieces.len() <= 12, "{} pieces", outbox.pieces.len());
        outbox.push(b"");
        assert_eq!(outbox.size(), 40_000);
    }
}
