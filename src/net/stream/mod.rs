//! A connection for async code: a reader and a writer on top of a transport.

mod read_buffer;

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::event_loop::LoopHandle;
use crate::net::{
    AfterEof, ConnectError, Connection, CreateConnection, CreateServer, Hosts, Protocol, Server,
    ServerError, Transport,
};
use crate::plan::{Flow, Host, Port};
pub use read_buffer::StreamError;
use read_buffer::{End, Held, ReadBuffer, Search};

/// How much may wait to be read before the peer is held up, in bytes: asyncio's 64 KiB.
const LIMIT: usize = 64 * 1024;

/// How much of a large write is handed to the transport at a time.
const WRITE_PIECE: usize = 64 * 1024;

type Shared = Rc<RefCell<ReadBuffer>>;

/// The protocol under a stream; asyncio's `StreamReaderProtocol`. It fits wherever a protocol is asked for.
///
/// ```
/// use loopctl::{StreamError, StreamProtocol};
/// # use std::os::unix::net::UnixStream;
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// # let (ours, theirs) = UnixStream::pair()?;
/// let line = event_loop.run_until_complete(async move {
///     let inside = handle.clone();
///     // What a server does with each client:
///     let serve = move || {
///         StreamProtocol::serving(&inside, async |mut reader, mut writer| {
///             while let Ok(line) = reader.read_line().await && !line.is_empty() {
///                 let _ = writer.write_all(&line).await;
///             }
///         })
///     };
///     handle.create_connection_on(theirs).open(serve).await?;
///     // What its client does:
///     let (mut reader, mut writer) = handle.create_connection_on(ours).open_stream().await?;
///     writer.write_all(b"hello\nworld\n").await?;
///     Ok::<_, Box<dyn std::error::Error>>(reader.read_line().await?)
/// })??;
/// assert_eq!(line, b"hello\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct StreamProtocol {
    shared: Shared,
    made: Option<Box<dyn FnOnce(StreamReader, StreamWriter)>>,
}

impl StreamProtocol {
    /// A protocol whose ends are taken with [`Connection::into_stream`].
    pub fn new() -> Self {
        let mut buffer = ReadBuffer::new(LIMIT);
        buffer.held = Held { reader: true, writer: true };
        Self { shared: Rc::new(RefCell::new(buffer)), made: None }
    }

    /// A protocol that gives its ends to a task of their own when the connection is made. The connection is
    /// closed, after what is queued has been sent, when the task has dropped both.
    #[track_caller]
    pub fn serving<F: Future<Output = ()> + 'static>(
        event_loop: &LoopHandle,
        handler: impl FnOnce(StreamReader, StreamWriter) -> F + 'static,
    ) -> Self {
        let event_loop = event_loop.clone();
        let made = move |reader, writer| drop(event_loop.create_task(handler(reader, writer)));
        Self { made: Some(Box::new(made)), ..Self::new() }
    }

    /// How many bytes a line may have; reading pauses at more than twice as many, and goes on at as many.
    #[must_use]
    pub fn limit(self, bytes: usize) -> Self {
        self.shared.borrow_mut().limit = bytes;
        self
    }

    fn change(&self, change: impl FnOnce(&mut ReadBuffer)) {
        let mut buffer = self.shared.borrow_mut();
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
        write!(f, "<StreamProtocol unread={}>", self.shared.borrow().unread().len())
    }
}

fn ends(shared: &Shared, transport: &Transport) -> (StreamReader, StreamWriter) {
    let (buffer, transport) = (Rc::clone(shared), transport.clone());
    let reader = StreamReader { buffer: Rc::clone(&buffer), transport: transport.clone() };
    (reader, StreamWriter { buffer, transport })
}

impl Protocol for StreamProtocol {
    fn connection_made(&mut self, transport: &Transport) {
        if let Some(made) = self.made.take() {
            let (reader, writer) = ends(&self.shared, transport);
            made(reader, writer);
        }
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.change(|buffer| {
            // Without a reader, bytes are only a way to notice the end.
            if buffer.held.reader {
                buffer.push(data);
            }
            if buffer.overflows() {
                buffer.is_paused = true;
                transport.pause_reading();
            }
        });
    }

    fn eof_received(&mut self, _: &Transport) -> AfterEof {
        self.change(|buffer| buffer.end = End::Eof);
        if self.shared.borrow().held.writer { AfterEof::KeepOpen } else { AfterEof::Close }
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.change(|buffer| {
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
        ends(&self.protocol.borrow().shared, &self.transport)
    }
}

impl CreateConnection {
    /// Connects, and gives the connection as a reader and a writer.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_stream(self) -> Result<(StreamReader, StreamWriter), ConnectError> {
        Ok(self.open(StreamProtocol::new).await?.into_stream())
    }
}

impl CreateServer {
    /// Serves every connection with a task of its own, which has the reader and the writer; see
    /// [`StreamProtocol::serving`].
    ///
    /// # Errors
    /// As [`serve`](Self::serve).
    pub async fn serve_streams<F: Future<Output = ()> + 'static>(
        self,
        handler: impl Fn(StreamReader, StreamWriter) -> F + 'static,
    ) -> Result<Server, ServerError> {
        let (event_loop, handler) = (self.handle().clone(), Rc::new(handler));
        let factory = move || {
            let handler = Rc::clone(&handler);
            StreamProtocol::serving(&event_loop, move |reader, writer| handler(reader, writer))
        };
        self.serve(factory).await
    }
}

impl LoopHandle {
    /// Serves every connection to a host, to several hosts, or to all interfaces (an empty text) with a task of
    /// its own; asyncio's `start_server`. For options, see [`CreateServer::serve_streams`].
    ///
    /// ```
    /// loopctl::run(async |event_loop| {
    ///     let server = event_loop.start_server("127.0.0.1", 0, async |mut reader, mut writer| {
    ///         while let Ok(line) = reader.read_line().await && !line.is_empty() {
    ///             let _ = writer.write_all(&line.to_ascii_uppercase()).await;
    ///         }
    ///     });
    ///     let server = server.await?;
    ///     let port = server.local_addrs()[0].port();
    ///     let (mut reader, mut writer) = event_loop.open_connection("127.0.0.1", port).await?;
    ///     writer.write_all(b"hello\n").await?;
    ///     assert_eq!(reader.read_line().await?, b"HELLO\n");
    ///     Ok::<_, loopctl::BoxError>(())
    /// })??;
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// [`ServerError`], with the address that failed.
    pub async fn start_server<F: Future<Output = ()> + 'static>(
        &self,
        hosts: impl Into<Hosts>,
        port: impl Into<Port>,
        handler: impl Fn(StreamReader, StreamWriter) -> F + 'static,
    ) -> Result<Server, ServerError> {
        self.create_server(hosts, port).serve_streams(handler).await
    }

    /// Connects to a host, and gives the connection as a reader and a writer; asyncio's `open_connection`. For
    /// options, see [`CreateConnection::open_stream`].
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let listener = loopctl::listen("127.0.0.1:0".parse()?, 1)?;
    /// let port = listener.local_addr()?.port();
    /// let (reader, writer) =
    ///     event_loop.run_until_complete(handle.open_connection("127.0.0.1", port))??;
    /// assert!(!reader.at_eof() && !writer.is_closing());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ConnectError`], with every attempt that was made.
    pub async fn open_connection(
        &self,
        host: impl Into<Host>,
        port: impl Into<Port>,
    ) -> Result<(StreamReader, StreamWriter), ConnectError> {
        self.create_connection(host, port).open_stream().await
    }
}

/// The receiving end of a stream; asyncio's `StreamReader`.
///
/// What came before an error can be read; then every read gives the error, unless the peer had said before that
/// it sends no more: then that is the end. Dropping a read half-way loses nothing, unless it says otherwise.
pub struct StreamReader {
    buffer: Shared,
    transport: Transport,
}

impl StreamReader {
    /// Receives what is there, at least one byte; 0 at the end of the stream.
    ///
    /// # Errors
    /// The one that ended the connection, such as `ConnectionReset`.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.more_than(0).await?;
        let mut received = self.buffer.borrow_mut();
        let count = buffer.len().min(received.unread().len());
        buffer[..count].copy_from_slice(&received.unread()[..count]);
        received.skip(count);
        drop(received);
        self.resume_if_low();
        Ok(count)
    }

    /// Receives what is there, at least one byte and at most `most`; nothing at the end of the stream.
    /// asyncio's `read(n)`: while it waits, no buffer is held.
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
    pub async fn read_some(&mut self, most: usize) -> io::Result<Vec<u8>> {
        if most == 0 {
            return Ok(Vec::new());
        }
        self.more_than(0).await?;
        let count = most.min(self.unread());
        Ok(self.take(count))
    }

    /// Receives until the end of the stream, and appends it to `all`; returns how many bytes came. What had
    /// come is in `all` also when this is dropped half-way.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_to_end(&mut self, all: &mut Vec<u8>) -> io::Result<usize> {
        let before = all.len();
        while self.more_than(0).await? {
            let mut buffer = self.buffer.borrow_mut();
            let count = buffer.unread().len();
            all.extend_from_slice(buffer.unread());
            buffer.skip(count);
            drop(buffer);
            self.resume_if_low();
        }
        Ok(all.len() - before)
    }

    /// Receives exactly `count` bytes; asyncio's `readexactly`. They may be more than the limit.
    ///
    /// # Errors
    /// [`StreamError::Incomplete`], with what came before the end; as [`read`](Self::read).
    pub async fn read_exactly(&mut self, count: usize) -> Result<Vec<u8>, StreamError> {
        let mut known = self.unread();
        while known < count {
            if !self.more_than(known).await? {
                let partial = self.take(known);
                return Err(StreamError::Incomplete { partial, expected: Some(count) });
            }
            known = self.unread();
        }
        Ok(self.take(count))
    }

    /// Receives up to and with `separator`; asyncio's `readuntil`.
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
    /// [`StreamError::Incomplete`], with what came before the end; [`StreamError::LimitOverrun`], and then the
    /// bytes are still to be read; as [`read`](Self::read); `InvalidInput` for an empty separator.
    pub async fn read_until(&mut self, separator: &[u8]) -> Result<Vec<u8>, StreamError> {
        if separator.is_empty() {
            let text = "Separator should be at least one-byte string";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text).into());
        }
        let limit = self.buffer.borrow().limit;
        let mut search = Search::new(separator, limit);
        loop {
            let found = search.look(self.buffer.borrow().unread())?;
            if let Some(count) = found {
                return Ok(self.take(count));
            }
            let known = self.unread();
            if !self.more_than(known).await? {
                return Err(StreamError::Incomplete { partial: self.take(known), expected: None });
            }
        }
    }

    /// Receives a line, with its line feed. At the end of the stream the rest is a line, and nothing is an
    /// empty one; asyncio's `readline`.
    ///
    /// # Errors
    /// [`StreamError::LimitOverrun`], and then the line, as far as it has come, is gone; as [`read`](Self::read).
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

    /// Whether everything has been read, and no more will come.
    pub fn at_eof(&self) -> bool {
        let buffer = self.buffer.borrow();
        buffer.has_ended() && buffer.unread().is_empty()
    }

    /// The transport below.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    fn unread(&self) -> usize {
        self.buffer.borrow().unread().len()
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let taken = self.buffer.borrow_mut().take(count);
        self.resume_if_low();
        taken
    }

    fn resume_if_low(&self) {
        let mut buffer = self.buffer.borrow_mut();
        if buffer.is_paused && buffer.unread().len() <= buffer.limit {
            buffer.is_paused = false;
            self.transport.resume_reading();
        }
    }

    /// Waits until more than `known` bytes are unread; `false`: no more will come.
    async fn more_than(&mut self, known: usize) -> io::Result<bool> {
        poll_fn(|cx| {
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
            // Who asks for more than the limit would wait for ever otherwise.
            if std::mem::take(&mut buffer.is_paused) {
                self.transport.resume_reading();
            }
            let former: Option<Waker> = buffer.reader.replace(cx.waker().clone());
            drop(buffer);
            drop(former);
            Poll::Pending
        })
        .await
    }
}

/// Nobody will read: what comes is dropped, and where nobody will write either, the connection is closed.
impl Drop for StreamReader {
    fn drop(&mut self) {
        let mut buffer = self.buffer.borrow_mut();
        buffer.held.reader = false;
        let unread = buffer.unread().len();
        drop(buffer.take(unread));
        drop(buffer);
        self.resume_if_low();
        if !self.buffer.borrow().held.writer {
            self.transport.close();
        }
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<StreamReader unread={} {:?}>", self.unread(), self.transport)
    }
}

/// The sending end of a stream; asyncio's `StreamWriter`.
pub struct StreamWriter {
    buffer: Shared,
    transport: Transport,
}

impl StreamWriter {
    /// As [`Transport::write`]: sends what the socket takes now and keeps the rest, however much that is.
    pub fn write(&mut self, data: &[u8]) -> Flow {
        self.transport.write(data)
    }

    /// As [`Transport::writelines`].
    pub fn writelines(&mut self, pieces: &[impl AsRef<[u8]>]) -> Flow {
        self.transport.writelines(pieces)
    }

    /// Sends all of `data`, at the pace of the peer: no more than the high mark of the
    /// [write limits](Transport::set_write_buffer_limits) and 64 KiB wait to be sent. When this is dropped
    /// half-way, some of the data has been sent.
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

    /// Waits until what is queued is below the low mark, if the last write said [`Flow::Full`].
    ///
    /// # Errors
    /// The one that ended the connection; `ConnectionReset` where it ended without one.
    pub async fn drain(&mut self) -> io::Result<()> {
        let drained = self.transport.drain().await;
        match self.buffer.borrow().error() {
            Some(error) => Err(error),
            None => drained,
        }
    }

    /// As [`Transport::write_eof`].
    pub fn write_eof(&mut self) {
        self.transport.write_eof();
    }

    /// As [`Transport::can_write_eof`].
    pub fn can_write_eof(&self) -> bool {
        self.transport.can_write_eof()
    }

    /// As [`Transport::start_tls`]; asyncio's `StreamWriter.start_tls`. What the reader has and nobody has read
    /// is given to TLS, and so fails the handshake unless it is the beginning of one. A client lets nothing be
    /// left: a server says nothing before the client's first message.
    ///
    /// # Errors
    /// As [`Transport::start_tls`]. For a client, `InvalidData` where the peer has said more than was read;
    /// the connection is as it was.
    #[cfg(feature = "tls")]
    pub fn start_tls(&mut self, role: impl Into<crate::net::TlsRole>) -> crate::net::StartTls {
        let role = role.into();
        match self.hand_over(matches!(role, crate::net::TlsRole::Client(_))) {
            Ok(already_read) => self.transport.start_tls(role, already_read),
            Err(error) => crate::net::StartTls::refused(error),
        }
    }

    /// Takes what nobody has read.
    #[cfg(feature = "tls")]
    fn hand_over(&self, is_client: bool) -> io::Result<Vec<u8>> {
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

    /// As [`Transport::close`]: sends what is queued; nothing more is received.
    pub fn close(&mut self) {
        self.transport.close();
    }

    /// As [`Transport::is_closing`].
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

    /// The transport below.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }
}

/// Nobody will write: the peer is told, and where nobody will read either, the connection is closed.
impl Drop for StreamWriter {
    fn drop(&mut self) {
        let mut buffer = self.buffer.borrow_mut();
        buffer.held.writer = false;
        let is_over = buffer.has_ended() || !buffer.held.reader;
        drop(buffer);
        if is_over { self.transport.close() } else { self.transport.write_eof() }
    }
}

impl fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<StreamWriter {:?}>", self.transport)
    }
}
