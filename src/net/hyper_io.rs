//! Streams of the loop under hyper, without another runtime.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Executor, Read, ReadBufCursor, Write};

use super::{StreamReader, StreamWriter};
use crate::event_loop::LoopHandle;
use crate::plan::Flow;

/// Connection of the loop for hyper: its [`Read`] and [`Write`].
///
/// ```
/// use http_body_util::{BodyExt, Empty};
/// use hyper::body::Bytes;
/// use loopctl::HyperIo;
///
/// loopctl::run(async |event_loop| {
///     let serving = event_loop.create_server("127.0.0.1", 0).serve_streams(async |mut reader, mut writer| {
///         let _ = reader.read_until(b"\r\n\r\n").await;
///         let _ = writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
///     });
///     let server = serving.await?;
///     let (reader, writer) =
///         event_loop.create_connection_to([server.local_addrs()[0]]).open_stream().await?;
///     let io = HyperIo::new(reader, writer);
///     let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
///     let driving = event_loop.create_task(connection);
///     let request = hyper::Request::builder().uri("/").body(Empty::<Bytes>::new())?;
///     let body = sender.send_request(request).await?.into_body().collect().await?.to_bytes();
///     assert_eq!(body, "hello");
///     drop(driving);
///     Ok::<_, loopctl::BoxError>(())
/// })??;
/// # Ok::<(), loopctl::BoxError>(())
/// ```
pub struct HyperIo {
    reader: StreamReader,
    writer: StreamWriter,
    /// Wait for room in the queue of the transport.
    draining: Option<Pin<Box<dyn Future<Output = io::Result<()>>>>>,
}

impl HyperIo {
    /// Both ends of a stream.
    pub fn new(reader: StreamReader, writer: StreamWriter) -> Self {
        Self { reader, writer, draining: None }
    }

    /// Waits until the queue of the transport has room, if the last write filled it.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(draining) = &mut self.draining else { return Poll::Ready(Ok(())) };
        let drained = ready!(draining.as_mut().poll(cx));
        self.draining = None;
        Poll::Ready(drained)
    }
}

impl Read for HyperIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let available = ready!(self.reader.poll_some(cx, buffer.remaining()))?;
        buffer.put_slice(&available);
        Poll::Ready(Ok(()))
    }
}

impl Write for HyperIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(cx))?;
        match self.writer.write(data) {
            Flow::Closed => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Flow::Full => {
                let transport = self.writer.transport().clone();
                self.draining = Some(Box::pin(async move { transport.drain().await }));
            }
            _ => {}
        }
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The transport sends as soon as the socket accepts data.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.write_eof();
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for HyperIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<HyperIo {:?}>", self.writer.transport())
    }
}

/// Executor of hyper's HTTP/2: each future is a task of the loop.
#[derive(Debug, Clone)]
pub struct HyperExecutor(LoopHandle);

impl HyperExecutor {
    /// Executor of a loop.
    pub fn new(event_loop: &LoopHandle) -> Self {
        Self(event_loop.clone())
    }
}

impl<F: Future + 'static> Executor<F> for HyperExecutor
where
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        drop(self.0.create_task(future));
    }
}
