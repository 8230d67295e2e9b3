//! What reacts to a byte stream.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::Rc;

use super::Transport;

/// Reacts to one byte stream; asyncio's `Protocol`.
///
/// Only the loop calls it, one call at a time, in this order: `connection_made` once, `data_received` any
/// number of times, `eof_received` at most once, `connection_lost` once; `pause_writing` and `resume_writing`
/// by turns, at any time between the first and the last. What a call provokes on its own or another transport
/// is delivered after it has returned.
///
/// A method that panics is reported to the exception handler; in `data_received` and `eof_received` that ends
/// the connection.
///
/// ```
/// use loopctl::{Protocol, Transport};
///
/// struct Echo;
///
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
///         transport.write(data);
///     }
///     // A peer that sends and never reads is not read from.
///     fn pause_writing(&mut self, transport: &Transport) {
///         transport.pause_reading();
///     }
///     fn resume_writing(&mut self, transport: &Transport) {
///         transport.resume_reading();
///     }
/// }
/// ```
pub trait Protocol: 'static {
    /// There is a connection.
    fn connection_made(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// The peer sent something: at most 64 KiB in one call.
    fn data_received(&mut self, transport: &Transport, data: &[u8]);

    /// The peer will send no more.
    fn eof_received(&mut self, transport: &Transport) -> AfterEof {
        let _ = transport;
        AfterEof::Close
    }

    /// More than the high mark of the [write limits](Transport::set_write_buffer_limits) waits to be sent.
    fn pause_writing(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// No more than the low mark waits to be sent. What is written here is sent even on a transport that was
    /// closed meanwhile, if it is still sending what it had queued.
    fn resume_writing(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// The connection is over: with the error that ended it, or with none after a close. Over TLS it is
    /// `UnexpectedEof` where the stream ended and the peer had not said that it would: something may be missing.
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }
}

/// Reacts to one byte stream and says where the bytes go; asyncio's `BufferedProtocol`.
///
/// The calls and their order are those of [`Protocol`], with a pair in the place of `data_received`.
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
    /// There is a connection.
    fn connection_made(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// Where the next bytes go. No bytes is an error that ends the connection; of a buffer of more than 64 KiB
    /// only so much is filled at a time.
    fn get_buffer(&mut self) -> &mut [u8];

    /// The first `count` bytes of the buffer have been filled.
    fn buffer_updated(&mut self, transport: &Transport, count: usize);

    /// The peer will send no more.
    fn eof_received(&mut self, transport: &Transport) -> AfterEof {
        let _ = transport;
        AfterEof::Close
    }

    /// As [`Protocol::pause_writing`].
    fn pause_writing(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// As [`Protocol::resume_writing`].
    fn resume_writing(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// The connection is over: with the error that ended it, or with none after a close.
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }
}

/// What becomes of a connection whose peer has finished.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AfterEof {
    /// It is closed once what is queued has been sent.
    #[default]
    Close,
    /// It stays open for writing.
    KeepOpen,
}

/// A transport and its protocol: asyncio's pair.
pub struct Connection<P> {
    /// The transport.
    pub transport: Transport,
    pub(crate) protocol: Rc<RefCell<P>>,
}

impl<P> Connection<P> {
    /// Lends the protocol.
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
    /// When called from inside one of its own methods.
    pub fn with<R>(&self, look: impl FnOnce(&mut P) -> R) -> R {
        look(&mut self.protocol.borrow_mut())
    }
}

impl<P> fmt::Debug for Connection<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.transport.fmt(f)
    }
}

/// Whom a transport tells.
#[derive(Clone)]
pub(super) enum ProtocolRef {
    Plain(Rc<RefCell<dyn Protocol>>),
    Buffered(Rc<RefCell<dyn BufferedProtocol>>),
}

/// What both kinds of protocol are told in the same words.
macro_rules! tell {
    ($receiver:expr, $method:ident($($argument:expr),*)) => {
        match $receiver {
            Self::Plain(protocol) => protocol.borrow_mut().$method($($argument),*),
            Self::Buffered(protocol) => protocol.borrow_mut().$method($($argument),*),
        }
    };
}

impl ProtocolRef {
    pub(super) fn plain<P: Protocol>(protocol: P) -> (Rc<RefCell<P>>, Self) {
        let protocol = Rc::new(RefCell::new(protocol));
        let receiver = Self::Plain(Rc::clone(&protocol) as Rc<RefCell<dyn Protocol>>);
        (protocol, receiver)
    }

    pub(super) fn buffered<P: BufferedProtocol>(protocol: P) -> (Rc<RefCell<P>>, Self) {
        let protocol = Rc::new(RefCell::new(protocol));
        let receiver = Self::Buffered(Rc::clone(&protocol) as Rc<RefCell<dyn BufferedProtocol>>);
        (protocol, receiver)
    }

    pub(super) fn connection_made(&self, transport: &Transport) {
        tell!(self, connection_made(transport));
    }

    pub(super) fn eof_received(&self, transport: &Transport) -> AfterEof {
        tell!(self, eof_received(transport))
    }

    pub(super) fn pause_writing(&self, transport: &Transport) {
        tell!(self, pause_writing(transport));
    }

    pub(super) fn resume_writing(&self, transport: &Transport) {
        tell!(self, resume_writing(transport));
    }

    pub(super) fn connection_lost(&self, error: Option<io::Error>) {
        tell!(self, connection_lost(error));
    }
}
