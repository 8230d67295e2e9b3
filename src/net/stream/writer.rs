//! The sending end of a stream.

use std::fmt;
use std::io;

use super::read_buffer::SharedBuffer;
use crate::net::Transport;
#[cfg(feature = "tls")]
use crate::net::{StartTls, TlsRole};
use crate::plan::Flow;

/// Size of the pieces in which a large write is passed to the transport.
pub(super) const WRITE_PIECE: usize = 64 * 1024;

/// The sending end of a stream; asyncio's `StreamWriter`.
#[must_use = "dropping it ends the sending direction"]
pub struct StreamWriter {
    pub(super) buffer: SharedBuffer,
    pub(super) transport: Transport,
    /// Wait for room in the queue, for traits of the ecosystem.
    #[cfg(any(feature = "futures-io", feature = "hyper"))]
    pub(super) draining: Option<super::poll::Draining>,
}

impl StreamWriter {
    pub(super) fn new(buffer: SharedBuffer, transport: Transport) -> Self {
        Self {
            buffer,
            transport,
            #[cfg(any(feature = "futures-io", feature = "hyper"))]
            draining: None,
        }
    }

    /// Sends as much as the socket accepts now, and queues the rest without limit; see [`Transport::write`].
    pub fn write(&mut self, data: &[u8]) -> Flow {
        self.transport.write(data)
    }

    /// Sends several pieces in one system call; see [`Transport::writelines`].
    pub fn writelines(&mut self, pieces: &[impl AsRef<[u8]>]) -> Flow {
        self.transport.writelines(pieces)
    }

    /// Sends all of `data`, as fast as the peer reads. The queue has at most 64 KiB above the
    /// [high-water mark](Transport::set_write_buffer_limits). If the future is dropped, a part has been sent.
    ///
    /// # Errors
    /// As [`drain`](Self::drain).
    pub async fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        for piece in data.chunks(WRITE_PIECE) {
            if self.transport.write(piece) == Flow::Closed {
                self.drain().await?;
                return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the writer is closed"));
            }
            self.drain().await?;
        }
        Ok(())
    }

    /// Waits until the queue has shrunk to the low-water mark, if the last write returned [`Flow::Full`].
    ///
    /// # Errors
    /// The one that ended the connection; `ConnectionReset` if it ended without one.
    pub async fn drain(&mut self) -> io::Result<()> {
        let drained = self.transport.drain().await;
        match self.buffer.borrow().error() {
            Some(error) => Err(error),
            None => drained,
        }
    }

    /// Ends the sending direction once all data is sent; see [`Transport::write_eof`].
    pub fn write_eof(&mut self) {
        self.transport.write_eof();
    }

    /// Whether the sending direction can be ended; see [`Transport::can_write_eof`].
    pub fn can_write_eof(&self) -> bool {
        self.transport.can_write_eof()
    }

    /// Starts TLS; asyncio's `StreamWriter.start_tls`; see [`Transport::start_tls`]. A server passes unread data
    /// of the reader to TLS, so that the handshake fails unless it is ClientHello. A client rejects unread
    /// data, because a server sends nothing before ClientHello.
    ///
    /// # Errors
    /// As [`Transport::start_tls`]. For a client, `InvalidData` if data is unread; the connection is not changed.
    #[cfg(feature = "tls")]
    pub fn start_tls(&mut self, role: impl Into<TlsRole>) -> StartTls {
        let role = role.into();
        match self.take_unread(matches!(role, TlsRole::Client(_))) {
            Ok(already_read) => self.transport.start_tls(role, already_read),
            Err(error) => StartTls::refused(error),
        }
    }

    /// Takes unread data from the reader.
    #[cfg(feature = "tls")]
    fn take_unread(&self, is_client: bool) -> io::Result<Vec<u8>> {
        let mut buffer = self.buffer.borrow_mut();
        let unread = buffer.unread().len();
        if is_client && unread > 0 {
            let text = "the peer has sent something in plain that TLS would have hidden";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let already_read = buffer.take(unread);
        let was_paused = std::mem::take(&mut buffer.is_paused);
        drop(buffer);
        if was_paused {
            self.transport.resume_reading();
        }
        Ok(already_read)
    }

    /// Sends queued data, then closes the connection; see [`Transport::close`].
    pub fn close(&mut self) {
        self.transport.close();
    }

    /// Whether the connection is closed or about to be.
    pub fn is_closing(&self) -> bool {
        self.transport.is_closing()
    }

    /// Waits until the connection has ended.
    ///
    /// # Errors
    /// The one that ended it.
    pub async fn wait_closed(&self) -> io::Result<()> {
        self.transport.wait_closed().await;
        self.buffer.borrow().error().map_or(Ok(()), Err)
    }

    /// The transport of the connection.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }
}

/// Ends the sending direction. If the reader was dropped as well, or has seen the end, the connection is closed.
impl Drop for StreamWriter {
    fn drop(&mut self) {
        let mut buffer = self.buffer.borrow_mut();
        buffer.open_ends.writer = false;
        let is_over = buffer.has_ended() || !buffer.open_ends.reader;
        drop(buffer);
        if is_over { self.transport.close() } else { self.transport.write_eof() }
    }
}

impl fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<StreamWriter {:?}>", self.transport)
    }
}
