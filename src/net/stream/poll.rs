//! Readers and writers for traits of the ecosystem, which poll: futures-io and hyper.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::StreamWriter;
use super::writer::WRITE_PIECE;
use crate::plan::Flow;

/// Wait for room in the write queue. On the heap, because it is rare.
pub(super) type Draining = Pin<Box<dyn Future<Output = io::Result<()>>>>;

impl StreamWriter {
    /// Writes as much as one piece when the queue has room.
    pub(super) fn poll_write_piece(
        &mut self,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(cx))?;
        let piece = &data[..data.len().min(WRITE_PIECE)];
        if self.transport.write(piece) == Flow::Closed {
            let closed = || io::Error::new(io::ErrorKind::BrokenPipe, "the writer is closed");
            return Poll::Ready(Err(self.buffer.borrow().error().unwrap_or_else(closed)));
        }
        Poll::Ready(Ok(piece.len()))
    }

    /// Waits until the write queue has room.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.draining.is_none() && !self.transport.0.is_full() {
            return Poll::Ready(self.buffer.borrow().error().map_or(Ok(()), Err));
        }
        let transport = self.transport.clone();
        let draining =
            self.draining.get_or_insert_with(|| Box::pin(async move { transport.drain().await }));
        let drained = ready!(draining.as_mut().poll(cx));
        self.draining = None;
        Poll::Ready(self.buffer.borrow().error().map_or(drained, Err))
    }

    /// Ends the sending direction when the queue is sent.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.transport.is_closing() {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_drain(cx))?;
        self.transport.write_eof();
        Poll::Ready(Ok(()))
    }
}
