//! The stream under hyper, which notes when bytes go and come.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use loopctl::{DuplexStream, Failure, LoopHandle, TcpInfo, Transport};

/// Bytes of the answer that are kept, to tell which protocol it is.
const PREFIX: usize = 128;

/// Bytes that are read at a time.
const CHUNK: usize = 16 * 1024;

/// Times and bytes of an exchange.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The kernel had taken the whole request.
    pub(super) sent: Option<Instant>,
    pub(super) first_byte: Option<Instant>,
    /// Figures of the kernel at the first byte.
    pub(super) tcp: Option<TcpInfo>,
    /// First bytes of the answer.
    pub(super) prefix: Vec<u8>,
    pub(super) received: u64,
    pub(super) has_ended: bool,
    pub(super) failures: Failures,
    sending: Sending,
}

/// Errors of the connection.
#[derive(Debug, Default)]
pub(super) struct Failures {
    pub(super) send: Option<Failure>,
    pub(super) receive: Option<Failure>,
}

#[derive(Debug, Default)]
struct Sending {
    is_http2: bool,
    /// Whether the request is being written. Over HTTP/2, settings are written before it.
    is_request: bool,
    /// Whether bytes of the request wait for a flush.
    is_unflushed: bool,
}

impl Seen {
    /// Notes that the request follows.
    pub(super) fn begin(&mut self, is_http2: bool) {
        self.sending = Sending { is_http2, is_request: true, is_unflushed: false };
    }
}

/// A stream that notes what it sees.
pub(super) struct Observed {
    stream: DuplexStream,
    transport: Transport,
    event_loop: LoopHandle,
    seen: Rc<RefCell<Seen>>,
}

impl Observed {
    pub(super) fn new(
        event_loop: &LoopHandle,
        stream: DuplexStream,
        transport: Transport,
        seen: &Rc<RefCell<Seen>>,
    ) -> Self {
        Self { stream, transport, event_loop: event_loop.clone(), seen: Rc::clone(seen) }
    }

    fn note_received(&self, data: &[u8]) {
        let mut seen = self.seen.borrow_mut();
        if data.is_empty() {
            seen.has_ended = true;
            return;
        }
        if seen.first_byte.is_none() {
            // Because an early answer may come before the end of the request.
            seen.sending.is_request &= seen.sending.is_http2;
            seen.first_byte = Some(self.event_loop.time());
            seen.tcp = self.transport.socket().tcp_info();
        }
        let room = PREFIX.saturating_sub(seen.prefix.len()).min(data.len());
        seen.prefix.extend_from_slice(&data[..room]);
        seen.received += data.len() as u64;
    }

    fn note_failure(&self, error: &io::Error, is_sending: bool) {
        let mut seen = self.seen.borrow_mut();
        // Because a TLS connection that ends without close_notify has ended all the same.
        if error.kind() == io::ErrorKind::UnexpectedEof {
            seen.has_ended = true;
            return;
        }
        let place = if is_sending { &mut seen.failures.send } else { &mut seen.failures.receive };
        place.get_or_insert_with(|| Failure::from(error));
    }
}

impl Read for Observed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; CHUNK];
        let room = buffer.remaining().min(CHUNK);
        let mut piece = ReadBuf::new(&mut bytes[..room]);
        match ready!(Pin::new(&mut self.stream).poll_read(cx, piece.unfilled())) {
            Ok(()) => {
                self.note_received(piece.filled());
                buffer.put_slice(piece.filled());
                Poll::Ready(Ok(()))
            }
            Err(error) => {
                self.note_failure(&error, false);
                Poll::Ready(Err(error))
            }
        }
    }
}

impl Write for Observed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, data));
        match &written {
            Ok(count) => {
                let mut seen = self.seen.borrow_mut();
                seen.sending.is_unflushed |= *count > 0 && seen.sending.is_request;
            }
            Err(error) => self.note_failure(error, true),
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        let now = self.event_loop.time();
        match &flushed {
            Ok(()) => {
                let mut seen = self.seen.borrow_mut();
                if std::mem::take(&mut seen.sending.is_unflushed) {
                    seen.sent = Some(now);
                    // Because later frames are no part of the request.
                    seen.sending.is_request &= !seen.sending.is_http2;
                }
            }
            Err(error) => self.note_failure(error, true),
        }
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
