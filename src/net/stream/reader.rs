//! The receiving end of a stream.

use std::fmt;
use std::future::poll_fn;
use std::io;
#[cfg(any(feature = "futures-io", feature = "hyper"))]
use std::task::ready;
use std::task::{Context, Poll, Waker};

use super::StreamError;
use super::read_buffer::{End, Search, SharedBuffer};
use crate::net::Transport;

/// The receiving end of a stream; asyncio's `StreamReader`.
///
/// Data received before an error can be read; then every read returns the error. After the peer's end of file, an
/// error is not returned. Dropping the future of a read loses no data, unless stated otherwise.
#[must_use = "the connection is closed when reader and writer are dropped"]
pub struct StreamReader {
    buffer: SharedBuffer,
    transport: Transport,
}

impl StreamReader {
    pub(super) fn new(buffer: SharedBuffer, transport: Transport) -> Self {
        Self { buffer, transport }
    }

    /// Receives available data, at least one byte; 0 at the end of the stream.
    ///
    /// # Errors
    /// The one that ended the connection, such as `ConnectionReset`.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.wait_for_more(0).await?;
        let mut received = self.buffer.borrow_mut();
        let count = buffer.len().min(received.unread().len());
        buffer[..count].copy_from_slice(&received.unread()[..count]);
        received.skip(count);
        drop(received);
        self.resume_reading_if_low();
        Ok(count)
    }

    /// Receives available data, at least one byte and at most `max`; empty at the end of the stream. asyncio's
    /// `read(n)`; no buffer is allocated while it waits.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// # let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    /// std::io::Write::write_all(&mut &theirs, b"hello")?;
    /// drop(theirs);
    /// event_loop.run_until_complete(async move {
    ///     let (mut reader, _writer) = handle.create_connection_on(ours).open_stream().await?;
    ///     assert_eq!(reader.read_some(4).await?, b"hell");
    ///     assert_eq!(reader.read_some(4).await?, b"o");
    ///     assert_eq!(reader.read_some(4).await?, b"");
    ///     Ok::<(), loopctl::BoxError>(())
    /// })??;
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_some(&mut self, max: usize) -> io::Result<Vec<u8>> {
        if max == 0 {
            return Ok(Vec::new());
        }
        self.wait_for_more(0).await?;
        let count = max.min(self.unread());
        Ok(self.take(count))
    }

    /// Receives until the end of the stream, and appends to `all`; returns the number of bytes. If the future is
    /// dropped, `all` has the data received so far.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_to_end(&mut self, all: &mut Vec<u8>) -> io::Result<usize> {
        let before = all.len();
        while self.wait_for_more(0).await? {
            let mut buffer = self.buffer.borrow_mut();
            let count = buffer.unread().len();
            all.extend_from_slice(buffer.unread());
            buffer.skip(count);
            drop(buffer);
            self.resume_reading_if_low();
        }
        Ok(all.len() - before)
    }

    /// Receives exactly `count` bytes, which may exceed the limit; asyncio's `readexactly`.
    ///
    /// # Errors
    /// [`StreamError::Incomplete`], with the data before the end; as [`read`](Self::read).
    #[doc(alias = "readexactly")]
    pub async fn read_exactly(&mut self, count: usize) -> Result<Vec<u8>, StreamError> {
        let mut known = self.unread();
        while known < count {
            if !self.wait_for_more(known).await? {
                let partial = self.take(known);
                return Err(StreamError::Incomplete { partial, expected: Some(count) });
            }
            known = self.unread();
        }
        Ok(self.take(count))
    }

    /// Receives up to and including `separator`; asyncio's `readuntil`.
    ///
    /// ```
    /// # use std::{io::Write, os::unix::net::UnixStream};
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let (ours, mut theirs) = UnixStream::pair()?;
    /// theirs.write_all(b"Host: here\r\n\r\nbody")?;
    /// let head = event_loop.run_until_complete(async move {
    ///     let (mut reader, _writer) = handle.create_connection_on(ours).open_stream().await?;
    ///     Ok::<_, Box<dyn std::error::Error>>(reader.read_until(b"\r\n\r\n").await?)
    /// })??;
    /// assert_eq!(head, b"Host: here\r\n\r\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StreamError::Incomplete`], with the data before the end; [`StreamError::LimitOverrun`], which keeps the
    /// data in the buffer; `InvalidInput` for an empty separator; as [`read`](Self::read).
    #[doc(alias = "readuntil")]
    pub async fn read_until(&mut self, separator: &[u8]) -> Result<Vec<u8>, StreamError> {
        if separator.is_empty() {
            let text = "Separator should be at least one-byte string";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text).into());
        }
        let limit = self.buffer.borrow().limit;
        let mut search = Search::new(separator, limit);
        loop {
            let found = search.advance(self.buffer.borrow().unread())?;
            if let Some(count) = found {
                return Ok(self.take(count));
            }
            let known = self.unread();
            if !self.wait_for_more(known).await? {
                return Err(StreamError::Incomplete { partial: self.take(known), expected: None });
            }
        }
    }

    /// Receives a line with its line feed; asyncio's `readline`. At the end of the stream it returns the rest,
    /// which may be empty.
    ///
    /// # Errors
    /// [`StreamError::LimitOverrun`], which discards the data of the line; as [`read`](Self::read).
    #[doc(alias = "readline")]
    pub async fn read_line(&mut self) -> Result<Vec<u8>, StreamError> {
        match self.read_until(b"\n").await {
            Err(StreamError::Incomplete { partial, .. }) => Ok(partial),
            Err(StreamError::LimitOverrun { consumed, is_found }) => {
                self.take(if is_found { consumed + 1 } else { self.unread() });
                Err(StreamError::LimitOverrun { consumed, is_found })
            }
            result => result,
        }
    }

    /// Whether the stream has ended and all data has been read.
    pub fn at_eof(&self) -> bool {
        let buffer = self.buffer.borrow();
        buffer.has_ended() && buffer.unread().is_empty()
    }

    /// The transport of the connection.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    fn unread(&self) -> usize {
        self.buffer.borrow().unread().len()
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let taken = self.buffer.borrow_mut().take(count);
        self.resume_reading_if_low();
        taken
    }

    fn resume_reading_if_low(&self) {
        let mut buffer = self.buffer.borrow_mut();
        if buffer.is_paused && buffer.unread().len() <= buffer.limit {
            buffer.is_paused = false;
            self.transport.resume_reading();
        }
    }

    /// Waits until more than `known` bytes are unread. Returns `false` at the end of the stream.
    async fn wait_for_more(&mut self, known: usize) -> io::Result<bool> {
        poll_fn(|cx| self.poll_more(cx, known)).await
    }

    fn poll_more(&self, cx: &mut Context<'_>, known: usize) -> Poll<io::Result<bool>> {
        let mut buffer = self.buffer.borrow_mut();
        if buffer.unread().len() > known {
            return Poll::Ready(Ok(true));
        }
        if let Some(error) = buffer.error().filter(|_| buffer.end != End::Eof) {
            return Poll::Ready(Err(error));
        }
        if buffer.has_ended() {
            return Poll::Ready(Ok(false));
        }
        // Resumed, because a request for more than the limit would wait for ever.
        if std::mem::take(&mut buffer.is_paused) {
            self.transport.resume_reading();
        }
        let former: Option<Waker> = buffer.reader.replace(cx.waker().clone());
        drop(buffer);
        drop(former);
        Poll::Pending
    }

    /// Reads without an `async` block, for traits of the ecosystem. 0 bytes are the end.
    #[cfg(any(feature = "futures-io", feature = "hyper"))]
    pub(super) fn poll_read_with(
        &self,
        cx: &mut Context<'_>,
        max: usize,
        put: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        if max == 0 {
            return Poll::Ready(Ok(0));
        }
        ready!(self.poll_more(cx, 0))?;
        let mut received = self.buffer.borrow_mut();
        let count = max.min(received.unread().len());
        put(&received.unread()[..count]);
        received.skip(count);
        drop(received);
        self.resume_reading_if_low();
        Poll::Ready(Ok(count))
    }
}

/// Drops unread and further data. If the writer was dropped as well, the connection is closed.
impl Drop for StreamReader {
    fn drop(&mut self) {
        let mut buffer = self.buffer.borrow_mut();
        buffer.open_ends.reader = false;
        let unread = buffer.unread().len();
        drop(buffer.take(unread));
        drop(buffer);
        self.resume_reading_if_low();
        if !self.buffer.borrow().open_ends.writer {
            self.transport.close();
        }
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<StreamReader unread={} {:?}>", self.unread(), self.transport)
    }
}
