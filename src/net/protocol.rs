//! Protocols: the callbacks of stream connections.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::Rc;

use super::Transport;
use crate::event_loop::short_type_name;

/// Callbacks of a stream connection; asyncio's `Protocol`.
///
/// The loop makes one call at a time, in this order: `connection_made` once, `data_received` any number of
/// times, `eof_received` at most once, `connection_lost` once. Calls of `pause_writing` and `resume_writing`
/// alternate in between. Calls that a callback causes, on any transport, are made after it has returned.
///
/// A panic is reported to the exception handler; in `data_received` and `eof_received` it ends the connection.
///
/// ```
/// use loopctl::{Protocol, Transport};
///
/// struct Echo;
///
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
///         let _ = transport.write(data);
///     }
///     // Stops reading from a peer that sends without reading.
///     fn pause_writing(&mut self, transport: &Transport) {
///         transport.pause_reading();
///     }
///     fn resume_writing(&mut self, transport: &Transport) {
///         transport.resume_reading();
///     }
/// }
/// ```
pub trait Protocol: 'static {
    /// Called when the connection is ready.
    fn connection_made(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// Called with received data, at most 64 KiB at a time.
    fn data_received(&mut self, transport: &Transport, data: &[u8]);

    /// Called when the peer has ended its sending direction.
    fn eof_received(&mut self, transport: &Transport) -> AfterEof {
        let _ = transport;
        AfterEof::Close
    }

    /// Called when the write queue has grown above the [high-water mark](Transport::set_write_buffer_limits).
    fn pause_writing(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// Called when the write queue has shrunk to the low-water mark. Writes from here are accepted even if the
    /// transport was closed and is still sending its queue.
    fn resume_writing(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// Called at the end, with the error that ended the connection; without one after a close. Over TLS,
    /// `UnexpectedEof` means that the stream ended without `close_notify` and may be truncated.
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }
}

/// Callbacks of a stream connection that provide the receive buffer; asyncio's `BufferedProtocol`.
///
/// The order of calls is that of [`Protocol`], with `get_buffer` and `buffer_updated` for `data_received`.
///
/// ```
/// use loopctl::{BufferedProtocol, Transport};
///
/// /// A header of four bytes.
/// #[derive(Default)]
/// struct Header {
///     bytes: [u8; 4],
///     filled: usize,
/// }
///
/// impl BufferedProtocol for Header {
///     fn get_buffer(&mut self) -> &mut [u8] {
///         &mut self.bytes[self.filled..]
///     }
///     fn buffer_updated(&mut self, transport: &Transport, count: usize) {
///         self.filled += count;
///         if self.filled == self.bytes.len() {
///             transport.close();
///         }
///     }
/// }
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
/// std::io::Write::write_all(&mut theirs, b"abcdef")?;
/// let header = event_loop.run_until_complete(async move {
///     let connecting = handle.create_connection_on(ours);
///     let connection = connecting.open_buffered(Header::default).await?;
///     connection.transport.wait_closed().await;
///     Ok::<_, loopctl::ConnectError>(connection.with(|header| header.bytes))
/// })??;
/// assert_eq!(&header, b"abcd");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait BufferedProtocol: 'static {
    /// Called when the connection is ready.
    fn connection_made(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// Returns the buffer for the next read, of which at most 64 KiB are filled. An empty buffer is an error that
    /// ends the connection.
    fn get_buffer(&mut self) -> &mut [u8];

    /// Called when the first `count` bytes of the buffer have been filled.
    fn buffer_updated(&mut self, transport: &Transport, count: usize);

    /// Called when the peer has ended its sending direction.
    fn eof_received(&mut self, transport: &Transport) -> AfterEof {
        let _ = transport;
        AfterEof::Close
    }

    /// See [`Protocol::pause_writing`].
    fn pause_writing(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// See [`Protocol::resume_writing`].
    fn resume_writing(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// Called at the end; see [`Protocol::connection_lost`].
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }
}

/// Action after the peer has ended its sending direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AfterEof {
    /// Close the connection once queued data is sent.
    #[default]
    Close,
    /// Keep the connection open for writing.
    KeepOpen,
}

/// Transport and protocol of a stream connection: the pair that asyncio returns.
pub struct Connection<P> {
    /// The transport.
    pub transport: Transport,
    pub(crate) protocol: Rc<RefCell<P>>,
}

impl<P> Connection<P> {
    /// Calls `look` with the protocol.
    ///
    /// ```
    /// # use loopctl::{Protocol, Transport};
    /// struct Counter(usize);
    /// impl Protocol for Counter {
    ///     fn data_received(&mut self, _: &Transport, data: &[u8]) {
    ///         self.0 += data.len();
    ///     }
    /// }
    ///
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// # let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    /// # std::io::Write::write_all(&mut &theirs, b"hello")?;
    /// # drop(theirs);
    /// let connecting = handle.create_connection_on(ours).open(|| Counter(0));
    /// let connection = event_loop.run_until_complete(connecting)??;
    /// event_loop.run_until_complete(connection.transport.wait_closed())?;
    /// assert_eq!(connection.with(|counter| counter.0), 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// When called from a method of the protocol itself.
    pub fn with<R>(&self, look: impl FnOnce(&mut P) -> R) -> R {
        look(&mut self.protocol.borrow_mut())
    }
}

impl<P> fmt::Debug for Connection<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.transport.fmt(f)
    }
}

/// Name of a protocol's type, for reports. A function, because it is half as long as the name.
pub(super) type ProtocolName = fn() -> &'static str;

/// Reference to a protocol of either kind, with the name of its type.
#[derive(Clone)]
pub(super) enum ProtocolRef {
    Plain(Rc<RefCell<dyn Protocol>>, ProtocolName),
    Buffered(Rc<RefCell<dyn BufferedProtocol>>, ProtocolName),
}

/// Calls a method that both kinds of protocol have.
macro_rules! call {
    ($protocol_ref:expr, $method:ident($($argument:expr),*)) => {
        match $protocol_ref {
            Self::Plain(protocol, _) => protocol.borrow_mut().$method($($argument),*),
            Self::Buffered(protocol, _) => protocol.borrow_mut().$method($($argument),*),
        }
    };
}

impl ProtocolRef {
    pub(super) fn plain<P: Protocol>(protocol: P) -> (Rc<RefCell<P>>, Self) {
        let protocol = Rc::new(RefCell::new(protocol));
        let erased = Rc::clone(&protocol) as Rc<RefCell<dyn Protocol>>;
        let protocol_ref = Self::Plain(erased, short_type_name::<P>);
        (protocol, protocol_ref)
    }

    pub(super) fn buffered<P: BufferedProtocol>(protocol: P) -> (Rc<RefCell<P>>, Self) {
        let protocol = Rc::new(RefCell::new(protocol));
        let erased = Rc::clone(&protocol) as Rc<RefCell<dyn BufferedProtocol>>;
        let protocol_ref = Self::Buffered(erased, short_type_name::<P>);
        (protocol, protocol_ref)
    }

    pub(super) fn name(&self) -> ProtocolName {
        match self {
            Self::Plain(_, name) | Self::Buffered(_, name) => *name,
        }
    }

    pub(super) fn connection_made(&self, transport: &Transport) {
        call!(self, connection_made(transport));
    }

    pub(super) fn eof_received(&self, transport: &Transport) -> AfterEof {
        call!(self, eof_received(transport))
    }

    pub(super) fn pause_writing(&self, transport: &Transport) {
        call!(self, pause_writing(transport));
    }

    pub(super) fn resume_writing(&self, transport: &Transport) {
        call!(self, resume_writing(transport));
    }

    pub(super) fn connection_lost(&self, error: Option<io::Error>) {
        call!(self, connection_lost(error));
    }
}
