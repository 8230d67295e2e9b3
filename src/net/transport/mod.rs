//! A connection in use: sends, receives, and tells its protocol.

pub(super) mod base;
pub(super) mod connection;

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
#[cfg(feature = "tls")]
use crate::net::tls::Secure;
use crate::net::{Address, BufferedProtocol, Connection, Protocol, SocketView};
use crate::plan::{Flow, LimitsError, WriteLimits};
use crate::task::yield_now;
pub use base::Endpoint;
use connection::{Life, StreamTransport};
use raw_stream::RawStream;

/// Counted handle to a connection, for code on the loop's thread; asyncio's `Transport`.
///
/// A transport never calls its protocol: what a call provokes is delivered by the loop, in a later turn. It
/// lives until it is closed, whether handles are left or not; closing the loop closes it without a call to
/// its protocol, and says so in debug mode.
///
/// ```
/// use loopctl::{Flow, Protocol, Transport};
///
/// /// Sends so many lines, as fast as the peer takes them.
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
    /// Puts a protocol on a connected socket: `connection_made` first, then the first read. A server's `admit`
    /// sees the transport before its protocol does.
    pub(in crate::net) fn attach(
        event_loop: &LoopHandle,
        socket: Socket,
        names: AddressPair,
        receiver: ProtocolRef,
        admit: impl FnOnce(&Self),
    ) -> io::Result<Self> {
        Ok(Self(StreamTransport::start(
            event_loop,
            RawStream::Socket(socket),
            names,
            receiver,
            admit,
        )?))
    }

    /// As [`attach`](Self::attach), with a TLS handshake before `connection_made`. Without a receiver, the
    /// connection waits for [one to adopt it](StreamTransport::adopt).
    #[cfg(feature = "tls")]
    pub(in crate::net) fn attach_with_tls(
        event_loop: &LoopHandle,
        socket: Socket,
        names: AddressPair,
        receiver: Option<ProtocolRef>,
        secure: Secure,
        admit: impl FnOnce(&Self),
    ) -> io::Result<Self> {
        let wire = RawStream::Socket(socket);
        Ok(Self(StreamTransport::start_with_tls(event_loop, wire, names, receiver, secure, admit)?))
    }

    /// Calls `then` once the connection is over and its protocol has heard of it, or the loop is closed.
    pub(crate) fn on_lost(&self, then: impl FnOnce() + 'static) {
        self.0.on_lost(Box::new(then));
    }
}

/// Writing.
impl Transport {
    /// Sends what the socket takes now and keeps a copy of the rest.
    ///
    /// A send that fails, now or later, ends the connection, but a peer that answers early and closes has its
    /// answer heard: the protocol receives what had come by then before `connection_lost` is called.
    ///
    /// On a connection that is closed, or whose end was sent with [`write_eof`](Self::write_eof), nothing is
    /// taken and the answer is [`Flow::Closed`]; for those who do not look at it, the log has a warning: for
    /// each write after `write_eof`, and from the fifth write after the end of the connection.
    pub fn write(&self, data: &[u8]) -> Flow {
        self.0.write(&mut [IoSlice::new(data)])
    }

    /// As [`write`](Self::write), for several pieces in one call to the system.
    ///
    /// ```
    /// # use loopctl::{Protocol, Transport};
    /// # struct Greeter;
    /// # impl Protocol for Greeter {
    /// fn connection_made(&mut self, transport: &Transport) {
    ///     transport.writelines(&["HTTP/1.1 200 OK\r\n", "Content-Length: 0\r\n", "\r\n"]);
    /// }
    /// # fn data_received(&mut self, _: &Transport, _: &[u8]) {}
    /// # }
    /// ```
    pub fn writelines(&self, pieces: &[impl AsRef<[u8]>]) -> Flow {
        let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece.as_ref())).collect();
        self.0.write(&mut slices)
    }

    /// Tells the peer, once everything is sent, that no more will come. Reading goes on. Harmless twice, and
    /// on a closing connection.
    ///
    /// Over TLS the peer is told by TLS (`close_notify`), not by TCP. Many implementations close their end, too,
    /// when they hear of it, as TLS 1.2 had it.
    pub fn write_eof(&self) {
        self.0.write_eof();
    }

    /// Whether [`write_eof`](Self::write_eof) can be used: on every stream socket.
    pub fn can_write_eof(&self) -> bool {
        true
    }

    /// How many bytes wait to be sent; those that are encrypted already, as they are.
    pub fn write_buffer_size(&self) -> usize {
        self.0.unsent()
    }

    /// Sets at how many waiting bytes the protocol is told to pause and to resume, and judges what waits now
    /// by it. What is not given follows from the other: see [`WriteLimits::new`].
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
    /// When `high` is less than `low`.
    pub fn set_write_buffer_limits(
        &self,
        high: Option<usize>,
        low: Option<usize>,
    ) -> Result<(), LimitsError> {
        self.0.set_limits(WriteLimits::new(high, low)?);
        Ok(())
    }

    /// The limits in force.
    pub fn write_buffer_limits(&self) -> WriteLimits {
        self.0.limits()
    }

    /// Waits until the protocol may write again: at once, unless the last write said [`Flow::Full`].
    ///
    /// On a closing connection it lets the loop have a turn, so that an error that is under way is seen.
    ///
    /// # Errors
    /// `ConnectionReset` when the connection is lost; before that, the error of the send that ends it.
    pub async fn drain(&self) -> io::Result<()> {
        if matches!(self.0.state().life, Life::Broken | Life::Closing) {
            yield_now().await;
        }
        self.0
            .wait(|connection| connection.state().life == Life::Lost || !connection.is_full())
            .await;
        if self.0.state().life == Life::Lost {
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, "Connection lost"));
        }
        self.0.failure().map_or(Ok(()), Err)
    }
}

/// Reading.
impl Transport {
    /// Has the protocol receive nothing until [`resume_reading`](Self::resume_reading). Harmless twice; no data
    /// arrives at all where `connection_made` does this. While it lasts, neither the peer's end nor a reset
    /// is noticed, so that no bytes are lost.
    ///
    /// A send that fails is noticed: nothing more can be written, and if nothing has been received that the
    /// protocol does not have, the connection is lost at once. Otherwise `connection_lost` waits for
    /// `resume_reading`, and the bytes come first; a protocol that was told to pause writing is told to resume,
    /// in case that is what it waits for. A pause that then lasts a minute ends the connection, and the log
    /// says that bytes were lost.
    pub fn pause_reading(&self) {
        self.0.pause_reading(true);
    }

    /// Ends a [`pause_reading`](Self::pause_reading).
    pub fn resume_reading(&self) {
        self.0.pause_reading(false);
        self.0.enqueue_if_due();
    }

    /// Whether reading is neither paused nor over because of a close.
    pub fn is_reading(&self) -> bool {
        self.0.state().is_reading()
    }
}

/// The end.
impl Transport {
    /// Sends what is queued, then closes. Nothing more is received.
    ///
    /// Over TLS the peer is told that nothing is missing, and its answer is not waited for. A handshake under way
    /// is broken off.
    pub fn close(&self) {
        self.0.close();
    }

    /// Closes at once; what is queued is lost. With [linger](SocketView::set_linger) set to zero, the peer sees
    /// a reset.
    pub fn abort(&self) {
        self.0.abort(None);
    }

    /// Whether the connection is closed or about to be.
    pub fn is_closing(&self) -> bool {
        self.0.state().life != Life::Open
    }

    /// Waits until `connection_lost` has been called and the descriptor is closed.
    pub async fn wait_closed(&self) {
        self.0.wait(|connection| connection.state().life == Life::Lost).await;
    }
}

/// What belongs to it.
impl Transport {
    /// Puts another protocol in the place of the one that is told what happens. `connection_made` is not
    /// called. The old one hears no more; after the connection is lost, neither does the new one.
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
    ///         transport.write(data);
    ///     }
    /// }
    /// ```
    pub fn set_protocol<P: Protocol>(&self, protocol: P) -> Connection<P> {
        let (protocol, receiver) = ProtocolRef::plain(protocol);
        self.0.set_receiver(receiver);
        Connection { transport: self.clone(), protocol }
    }

    /// As [`set_protocol`](Self::set_protocol), for a protocol with buffers of its own.
    pub fn set_buffered_protocol<P: BufferedProtocol>(&self, protocol: P) -> Connection<P> {
        let (protocol, receiver) = ProtocolRef::buffered(protocol);
        self.0.set_receiver(receiver);
        Connection { transport: self.clone(), protocol }
    }

    /// The peer's name, also after the connection has ended; asyncio's `peername`.
    ///
    /// It is what `accept` or the kernel said when there was a transport. Most clients of Unix sockets have no
    /// name: that is `None`, where asyncio has an empty text. On the client's side it is the path that the
    /// server gave its socket, which a client may know by another; an abstract name has a leading NUL.
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
    pub fn peer(&self) -> Option<Address> {
        self.0.names.peer()
    }

    /// Our name, also after the connection has ended; asyncio's `sockname`. `None` for a Unix socket without
    /// one, as with [`peer`](Self::peer).
    pub fn local(&self) -> Option<Address> {
        self.0.names.local()
    }

    /// The peer's address, also after the connection has ended; [`peer`](Self::peer) knows those of other
    /// kinds, too.
    ///
    /// # Errors
    /// When the connection is not over IP, or was gone before there was a transport.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        inet(self.peer())
    }

    /// Our address, also after the connection has ended.
    ///
    /// # Errors
    /// When the connection is not over IP.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        inet(self.local())
    }

    /// The socket, for its options.
    pub fn socket(&self) -> SocketView<'_> {
        SocketView(&self.0)
    }

    /// The loop that serves the connection.
    pub fn handle(&self) -> LoopHandle {
        self.0.event_loop.clone()
    }
}

fn inet(name: Option<Address>) -> io::Result<SocketAddr> {
    name.and_then(|name| name.as_inet()).ok_or_else(|| io::ErrorKind::Unsupported.into())
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Its state in asyncio's words: `polling` is a direction in which something is waited for.
impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state();
        f.write_str("<Transport")?;
        match state.life {
            Life::Open => {}
            Life::Broken | Life::Closing => f.write_str(" closing")?,
            Life::Lost => return f.write_str(" closed>"),
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
