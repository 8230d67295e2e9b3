//! The protocol below a stream.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::panic::Location;
use std::rc::Rc;

use super::read_buffer::{End, OpenEnds, ReadBuffer, SharedBuffer};
use super::{StreamReader, StreamWriter};
use crate::event_loop::{CallbackOutput, ErrorContext, LoopHandle};
use crate::net::{AfterEof, Connection, Protocol, Transport};

/// Default limit of a line in bytes: asyncio's 64 KiB.
const DEFAULT_LIMIT: usize = 64 * 1024;

/// Protocol that feeds a [`StreamReader`]; asyncio's `StreamReaderProtocol`. It can be used wherever a protocol is
/// expected.
///
/// ```
/// use loopctl::{StreamError, StreamProtocol};
/// # use std::os::unix::net::UnixStream;
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// # let (ours, theirs) = UnixStream::pair()?;
/// let line = event_loop.run_until_complete(async move {
///     let inside = handle.clone();
///     // The server side:
///     let serve = move || {
///         StreamProtocol::serving(&inside, async |mut reader, mut writer| {
///             while let Ok(line) = reader.read_line().await && !line.is_empty() {
///                 let _ = writer.write_all(&line).await;
///             }
///         })
///     };
///     handle.create_connection_on(theirs).open(serve).await?;
///     // The client side:
///     let (mut reader, mut writer) = handle.create_connection_on(ours).open_stream().await?;
///     writer.write_all(b"hello\nworld\n").await?;
///     Ok::<_, Box<dyn std::error::Error>>(reader.read_line().await?)
/// })??;
/// assert_eq!(line, b"hello\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "StreamReaderProtocol")]
pub struct StreamProtocol {
    buffer: SharedBuffer,
    on_connected: Option<Box<dyn FnOnce(StreamReader, StreamWriter)>>,
}

impl StreamProtocol {
    /// A protocol for [`Connection::into_stream`].
    pub fn new() -> Self {
        let mut buffer = ReadBuffer::new(DEFAULT_LIMIT);
        buffer.open_ends = OpenEnds { reader: true, writer: true };
        Self { buffer: Rc::new(RefCell::new(buffer)), on_connected: None }
    }

    /// A protocol that starts a task with the reader and the writer when the connection is made. When the task
    /// has dropped both, queued data is sent and the connection is closed.
    ///
    /// The handler may capture what it needs. If it returns an error, the error goes to the exception handler.
    #[track_caller]
    pub fn serving<O: CallbackOutput>(
        event_loop: &LoopHandle,
        handler: impl AsyncFnOnce(StreamReader, StreamWriter) -> O + 'static,
    ) -> Self {
        Self::serving_at(Location::caller(), event_loop, handler)
    }

    /// For a caller of the library, whose line reports name.
    pub(super) fn serving_at<O: CallbackOutput>(
        origin: &'static Location<'static>,
        event_loop: &LoopHandle,
        handler: impl AsyncFnOnce(StreamReader, StreamWriter) -> O + 'static,
    ) -> Self {
        let event_loop = event_loop.clone();
        let start = move |reader: StreamReader, writer: StreamWriter| {
            let (reports_to, transport) = (event_loop.clone(), writer.transport().clone());
            let serve = async move {
                if let Err(error) = handler(reader, writer).await.into_result() {
                    let context = ErrorContext::new("Unhandled exception in client_connected_cb");
                    let context = context.error(error).with("transport", transport);
                    reports_to.call_exception_handler(context);
                }
            };
            drop(event_loop.create_task_at(origin, serve));
        };
        Self { on_connected: Some(Box::new(start)), ..Self::new() }
    }

    /// A protocol that calls `then` with the reader and the writer when the connection is made, in the same step.
    ///
    /// A server that counts its clients counts them there, before the next one is accepted.
    ///
    /// ```
    /// # use std::{cell::Cell, rc::Rc};
    /// use loopctl::StreamProtocol;
    ///
    /// loopctl::run(async |event_loop| {
    ///     let count = Rc::new(Cell::new(0));
    ///     let (handle, counter) = (event_loop.clone(), Rc::clone(&count));
    ///     let server = event_loop.create_server("127.0.0.1", 0).serve(move || {
    ///         let (handle, counter) = (handle.clone(), Rc::clone(&counter));
    ///         StreamProtocol::connecting(move |_, mut writer| {
    ///             counter.set(counter.get() + 1);
    ///             drop(handle.create_task(async move { writer.write_all(b"hello\n").await }));
    ///         })
    ///     });
    ///     let server = server.await?;
    ///     let port = server.local_addrs()[0].port();
    ///     let (mut reader, _writer) = event_loop.open_connection("127.0.0.1", port).await?;
    ///     assert_eq!(reader.read_line().await?, b"hello\n");
    ///     assert_eq!(count.get(), 1);
    ///     Ok::<_, loopctl::BoxError>(())
    /// })??;
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    pub fn connecting(then: impl FnOnce(StreamReader, StreamWriter) + 'static) -> Self {
        Self { on_connected: Some(Box::new(then)), ..Self::new() }
    }

    /// Sets the limit of a line in bytes; default 64 KiB. Reading pauses above twice the limit, and resumes at the
    /// limit.
    #[must_use]
    pub fn limit(self, bytes: usize) -> Self {
        self.buffer.borrow_mut().limit = bytes;
        self
    }

    fn ends(&self, transport: &Transport) -> (StreamReader, StreamWriter) {
        let reader = StreamReader::new(Rc::clone(&self.buffer), transport.clone());
        (reader, StreamWriter::new(Rc::clone(&self.buffer), transport.clone()))
    }

    /// Changes the buffer and wakes the reader.
    fn update(&self, change: impl FnOnce(&mut ReadBuffer)) {
        let mut buffer = self.buffer.borrow_mut();
        change(&mut buffer);
        let waker = buffer.reader.take();
        drop(buffer);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Default for StreamProtocol {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for StreamProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<StreamProtocol unread={}>", self.buffer.borrow().unread().len())
    }
}

impl Protocol for StreamProtocol {
    fn connection_made(&mut self, transport: &Transport) {
        if let Some(start) = self.on_connected.take() {
            let (reader, writer) = self.ends(transport);
            start(reader, writer);
        }
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.update(|buffer| {
            // Without a reader, data is read only to notice the end.
            if buffer.open_ends.reader {
                buffer.push(data);
            }
            if buffer.overflows() {
                buffer.is_paused = true;
                transport.pause_reading();
            }
        });
    }

    fn eof_received(&mut self, _: &Transport) -> AfterEof {
        self.update(|buffer| buffer.end = End::Eof);
        if self.buffer.borrow().open_ends.writer { AfterEof::KeepOpen } else { AfterEof::Close }
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.update(|buffer| {
            if buffer.end == End::Open {
                buffer.end = End::Lost;
            }
            buffer.error = error;
        });
    }
}

impl Connection<StreamProtocol> {
    /// The reader and the writer of the connection.
    pub fn into_stream(self) -> (StreamReader, StreamWriter) {
        self.protocol.borrow().ends(&self.transport)
    }
}
