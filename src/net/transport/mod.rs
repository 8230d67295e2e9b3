//! Transports: the public handle of a stream connection, and the parts that transports are built of.

pub(super) mod base;
mod close_state;
pub(super) mod connection;
mod on_drop;
pub(super) mod raw_stream;
pub(super) mod write_queue;

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;

use socket2::Socket;

use crate::event_loop::LoopHandle;
use crate::net::protocol::ProtocolRef;
use crate::net::socket::address_pair::AddressPair;
use crate::net::{Address, BufferedProtocol, Connection, Protocol, SocketView};
use crate::plan::{Flow, LimitsError, WriteLimits};
use crate::task::yield_now;
use close_state::CloseState;
use connection::StreamTransport;
use raw_stream::RawStream;

pub use base::Endpoint;

/// Handle to a stream connection, for code on the loop's thread; asyncio's `Transport`.
///
/// Handles are counted references: the connection lives until it is closed, with or without handles. No method
/// calls the protocol; the loop does, in a later turn. Closing the loop closes the connection without a call
/// to its protocol, with a warning in debug mode.
///
/// ```
/// use loopctl::{Flow, Protocol, Transport};
///
/// /// Sends a number of lines, as fast as the peer reads them.
/// struct Lines(usize);
///
/// impl Lines {
///     fn send(&mut self, transport: &Transport) {
///         while self.0 > 0 {
///             self.0 -= 1;
///             if transport.write(b"All work and no play makes Jack a dull boy.\n") == Flow::Full {
///                 return;
///             }
///         }
///         transport.close();
///     }
/// }
///
/// impl Protocol for Lines {
///     fn connection_made(&mut self, transport: &Transport) {
///         self.send(transport);
///     }
///     fn resume_writing(&mut self, transport: &Transport) {
///         self.send(transport);
///     }
///     fn data_received(&mut self, _: &Transport, _: &[u8]) {}
/// }
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// # let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
/// # let reader = std::thread::Builder::new()
/// #     .spawn(move || std::io::copy(&mut theirs, &mut std::io::sink()))?;
/// # event_loop.run_until_complete(async move {
/// let connection = handle.create_connection_on(ours).open(|| Lines(100_000)).await?;
/// connection.transport.wait_closed().await;
/// # Ok::<_, loopctl::ConnectError>(())
/// # })??;
/// # assert_eq!(reader.join().unwrap()?, 4_400_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Transport(pub(in crate::net) Rc<StreamTransport>);

impl Transport {
    /// Connects a protocol to a connected socket: `connection_made` first, then the first read. `admit` is
    /// called before the protocol is.
    pub(in crate::net) fn attach(
        event_loop: &LoopHandle,
        socket: Socket,
        addresses: AddressPair,
        protocol: ProtocolRef,
        admit: impl FnOnce(&Self),
    ) -> io::Result<Self> {
        let raw = RawStream::Socket(socket);
        Ok(Self(StreamTransport::start(event_loop, raw, addresses, protocol, admit)?))
    }

    /// Calls `then` after `connection_lost`, or when the loop is closed.
    pub(crate) fn on_lost(&self, then: impl FnOnce() + 'static) {
        self.0.on_lost(Box::new(then));
    }
}

/// Writing.
impl Transport {
    /// Sends as much as the socket accepts now, and queues a copy of the rest.
    ///
    /// A failed send, now or later, ends the connection. Data that the peer sent before is still delivered,
    /// then `connection_lost` is called: the answer of a peer that answers early and closes is not lost.
    ///
    /// After [`close`](Self::close) and [`write_eof`](Self::write_eof), data is dropped and the result is
    /// [`Flow::Closed`]. The log then has a warning for each write after `write_eof`, and for each write to a
    /// closed connection from the fifth on.
    pub fn write(&self, data: &[u8]) -> Flow {
        self.0.write(&mut [IoSlice::new(data)])
    }

    /// Sends several pieces in one system call; otherwise as [`write`](Self::write).
    ///
    /// ```
    /// # use loopctl::{Protocol, Transport};
    /// # struct Greeter;
    /// # impl Protocol for Greeter {
    /// fn connection_made(&mut self, transport: &Transport) {
    ///     let _ = transport.writelines(&["HTTP/1.1 200 OK\r\n", "Content-Length: 0\r\n", "\r\n"]);
    /// }
    /// # fn data_received(&mut self, _: &Transport, _: &[u8]) {}
    /// # }
    /// ```
    pub fn writelines(&self, pieces: &[impl AsRef<[u8]>]) -> Flow {
        let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece.as_ref())).collect();
        self.0.write(&mut slices)
    }

    /// Ends the sending direction once all data is sent; reading continues. No effect on a closing connection,
    /// or when called again.
    ///
    /// Over TLS it sends `close_notify`, and no TCP FIN. Many implementations then close their side too, as
    /// TLS 1.2 required.
    pub fn write_eof(&self) {
        self.0.write_eof();
    }

    /// Whether [`write_eof`](Self::write_eof) is supported: always true for stream sockets.
    pub fn can_write_eof(&self) -> bool {
        true
    }

    /// The number of unsent bytes; for encrypted data, the number of ciphertext bytes.
    #[doc(alias = "get_write_buffer_size")]
    pub fn write_buffer_size(&self) -> usize {
        self.0.unsent()
    }

    /// Sets the high-water and low-water marks of the queue, at which the protocol gets `pause_writing` and
    /// `resume_writing`. They apply at once. A missing mark is derived from the other: see
    /// [`WriteLimits::new`].
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// # let (ours, _theirs) = std::os::unix::net::UnixStream::pair()?;
    /// # event_loop.run_until_complete(async move {
    /// # struct Quiet;
    /// # impl loopctl::Protocol for Quiet {
    /// #     fn data_received(&mut self, _: &loopctl::Transport, _: &[u8]) {}
    /// # }
    /// let transport = handle.create_connection_on(ours).open(|| Quiet).await?.transport;
    /// transport.set_write_buffer_limits(Some(1 << 20), None)?;
    /// assert_eq!(transport.write_buffer_limits().low, 256 * 1024);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`LimitsError`] when `high` is less than `low`.
    pub fn set_write_buffer_limits(
        &self,
        high: Option<usize>,
        low: Option<usize>,
    ) -> Result<(), LimitsError> {
        self.0.set_limits(WriteLimits::new(high, low)?);
        Ok(())
    }

    /// The current high-water and low-water marks.
    #[doc(alias = "get_write_buffer_limits")]
    pub fn write_buffer_limits(&self) -> WriteLimits {
        self.0.limits()
    }

    /// Waits until the queue has fallen below the low-water mark: returns at once, unless the last write
    /// returned [`Flow::Full`].
    ///
    /// On a closing connection it yields to the loop once, so that a pending error is seen.
    ///
    /// # Errors
    /// `ConnectionReset` after `connection_lost`; before that, the error of the send that ends the connection.
    pub async fn drain(&self) -> io::Result<()> {
        if matches!(self.0.state().close, CloseState::WriteFailed | CloseState::Closing) {
            yield_now().await;
        }
        self.0.wait_until(|it| it.state().close == CloseState::Closed || !it.is_full()).await;
        if self.0.state().close == CloseState::Closed {
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, "Connection lost"));
        }
        self.0.failure().map_or(Ok(()), Err)
    }
}

/// Reading.
impl Transport {
    /// Suspends delivery of data until [`resume_reading`](Self::resume_reading). When called in
    /// `connection_made`, no data is delivered at all. The peer's end of file and a reset are not noticed
    /// either, so that no bytes are lost.
    ///
    /// A failed send is noticed. Without undelivered data, the connection is lost at once. Otherwise
    /// `connection_lost` waits for `resume_reading`, and the data comes first; a protocol that has paused
    /// writing is resumed. If reading stays paused for a minute, the connection ends, and a warning says that
    /// data was lost.
    pub fn pause_reading(&self) {
        self.0.pause_reading(true);
    }

    /// Resumes delivery of data after [`pause_reading`](Self::pause_reading).
    pub fn resume_reading(&self) {
        self.0.pause_reading(false);
        self.0.enqueue_if_due();
    }

    /// Whether data is delivered: reading is not paused, and the connection is not closing.
    pub fn is_reading(&self) -> bool {
        self.0.state().is_reading()
    }
}

/// Closing.
impl Transport {
    /// Sends queued data, then closes the connection. Received data is no longer delivered.
    ///
    /// Over TLS it sends `close_notify` and does not wait for the peer's. A handshake in progress is aborted.
    pub fn close(&self) {
        self.0.close();
    }

    /// Closes the connection at once and drops queued data. With [linger](SocketView::set_linger) set to zero,
    /// the peer receives a reset.
    pub fn abort(&self) {
        self.0.abort(None);
    }

    /// Whether the connection is closed or about to be.
    pub fn is_closing(&self) -> bool {
        self.0.state().close != CloseState::Open
    }

    /// Waits until `connection_lost` has been called and the descriptor is closed.
    pub async fn wait_closed(&self) {
        self.0.wait_until(|it| it.state().close == CloseState::Closed).await;
    }
}

/// Protocol, addresses and socket.
impl Transport {
    /// Replaces the protocol. `connection_made` is not called, and the old protocol gets no more calls. After
    /// `connection_lost`, the new one gets none either.
    ///
    /// ```
    /// use loopctl::{Protocol, Transport};
    ///
    /// struct Greeting;
    /// struct Echo;
    ///
    /// impl Protocol for Greeting {
    ///     fn data_received(&mut self, transport: &Transport, _: &[u8]) {
    ///         transport.set_protocol(Echo);
    ///     }
    /// }
    /// impl Protocol for Echo {
    ///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
    ///         let _ = transport.write(data);
    ///     }
    /// }
    /// ```
    pub fn set_protocol<P: Protocol>(&self, protocol: P) -> Connection<P> {
        let (protocol, protocol_ref) = ProtocolRef::plain(protocol);
        self.0.set_protocol(protocol_ref);
        Connection { transport: self.clone(), protocol }
    }

    /// Replaces the protocol by one that provides its own buffers; see [`set_protocol`](Self::set_protocol).
    pub fn set_buffered_protocol<P: BufferedProtocol>(&self, protocol: P) -> Connection<P> {
        let (protocol, protocol_ref) = ProtocolRef::buffered(protocol);
        self.0.set_protocol(protocol_ref);
        Connection { transport: self.clone(), protocol }
    }

    /// The peer's address of any kind, also after the connection has ended; asyncio's `peername`.
    ///
    /// It is the address that `accept` returned, or that the kernel reported when the transport was created.
    /// Most clients of Unix sockets have no name: the result is `None`, where asyncio has an empty string. On
    /// the client's side it is the path that the server bound, which may differ from the path connected to. An
    /// abstract name begins with a NUL.
    ///
    /// ```
    /// use loopctl::Address;
    /// # struct Quiet;
    /// # impl loopctl::Protocol for Quiet {
    /// #     fn data_received(&mut self, _: &loopctl::Transport, _: &[u8]) {}
    /// # }
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("socket");
    /// loopctl::run(async |event_loop| {
    ///     let _server = event_loop.create_unix_server(&path).serve(|| Quiet).await?;
    ///     let client = event_loop.create_unix_connection(&path).open(|| Quiet).await?.transport;
    ///     assert_eq!(client.peer(), Some(Address::Unix(path)));
    ///     assert_eq!(client.local(), None);
    ///     Ok::<_, loopctl::BoxError>(())
    /// })??;
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    #[doc(alias = "get_extra_info")]
    #[doc(alias = "getpeername")]
    pub fn peer(&self) -> Option<Address> {
        self.0.addresses.peer()
    }

    /// The local address of any kind, also after the connection has ended; asyncio's `sockname`. `None` for a
    /// Unix socket without a name.
    #[doc(alias = "get_extra_info")]
    #[doc(alias = "getsockname")]
    pub fn local(&self) -> Option<Address> {
        self.0.addresses.local()
    }

    /// The peer's IP address, also after the connection has ended. See [`peer`](Self::peer) for Unix sockets.
    ///
    /// # Errors
    /// `Unsupported` when the connection is not over IP, or had ended before the transport was created.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        inet(self.peer())
    }

    /// The local IP address, also after the connection has ended.
    ///
    /// # Errors
    /// `Unsupported` when the connection is not over IP.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        inet(self.local())
    }

    /// A view of the socket, to read and set its options.
    #[doc(alias = "get_extra_info")]
    pub fn socket(&self) -> SocketView<'_> {
        SocketView(&self.0)
    }

    /// The event loop of the connection.
    pub fn handle(&self) -> LoopHandle {
        self.0.event_loop.clone()
    }
}

fn inet(address: Option<Address>) -> io::Result<SocketAddr> {
    address.and_then(|address| address.as_inet()).ok_or_else(|| io::ErrorKind::Unsupported.into())
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The state in asyncio's notation: `polling` marks a direction that waits for the socket.
impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state();
        f.write_str("<Transport")?;
        match state.close {
            CloseState::Open => {}
            CloseState::WriteFailed | CloseState::Closing | CloseState::Aborted => {
                f.write_str(" closing")?
            }
            CloseState::Closed => return f.write_str(" closed>"),
        }
        if let Some(number) = self.socket().number() {
            write!(f, " fd={number}")?;
        }
        let (read, unsent) = (word(state.is_polling()), self.write_buffer_size());
        write!(f, " read={read} write=<{}, bufsize={unsent}>>", word(unsent > 0))
    }
}

fn word(is_polling: bool) -> &'static str {
    if is_polling { "polling" } else { "idle" }
}
