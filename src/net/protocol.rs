//! What reacts to a byte stream.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::Rc;

use super::Transport;

/// Reacts to one byte stream; asyncio's `Protocol`.
///
/// Only the loop calls it, one call at a time, in this order: `connection_made` once, `data_received` any
/// number of times, `eof_received` at most once, `connection_lost` once. A method that panics is reported to
/// the exception handler; in `data_received` and `eof_received` that ends the connection.
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
/// }
/// ```
pub trait Protocol: 'static {
    /// There is a connection.
    fn connection_made(&mut self, transport: &Transport) {
        let _ = transport;
    }

    /// The peer sent something.
    fn data_received(&mut self, transport: &Transport, data: &[u8]);

    /// The peer will send no more.
    fn eof_received(&mut self, transport: &Transport) -> AfterEof {
        let _ = transport;
        AfterEof::Close
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

impl<P: Protocol> Connection<P> {
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
    /// # let lp = event_loop.lp();
    /// # let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    /// # std::io::Write::write_all(&mut &theirs, b"hello")?;
    /// # drop(theirs);
    /// let connecting = lp.create_connection_on(ours).open(|| Counter(0));
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
