//! Servers: addresses, the connections made to them, and how both come to an end.
//!
//! [`create`] is what is asked for, [`bind`] and [`unix`] find and open the sockets, [`accept`] takes
//! connections off them, [`hub`] is what all of these share. Here is the handle to it.

mod accept;
mod bind;
mod create;
mod error;
mod hosts;
mod hub;
mod unix;

use std::cell::Cell;
use std::fmt;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::Duration;

use super::Address;
use crate::event_loop::LoopHandle;
use hub::{Hub, Stage};

pub use create::CreateServer;
pub use error::{BindError, ServerError};
pub use hosts::Hosts;

/// A server: its listening sockets, and the clients it has accepted; asyncio's `Server`.
///
/// Dropping it closes its sockets, as [`close`](Self::close) does, and leaves its clients to their protocols.
/// (asyncio's goes on serving without a handle; here a server lives as long as someone can close it.) Share
/// it as `Rc<Server>`.
///
/// ```
/// use loopctl::{Protocol, Transport};
/// use std::time::Duration;
///
/// struct Echo;
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
///         transport.write(data);
///     }
/// }
///
/// loopctl::run(async |event_loop| {
///     let server = event_loop.create_server("127.0.0.1", 0).serve(|| Echo).await?;
///     # let port = server.local_addrs()[0].port();
///     # event_loop.create_connection("127.0.0.1", port).open(|| Echo).await.unwrap();
///     // A signal handler would end this.
///     let _ = event_loop.timeout(Duration::from_millis(1), server.serve_forever()).await;
///     let end = server.shutdown(Duration::from_secs(1)).await;
///     println!("{} connections closed, {} cut off", end.closed, end.aborted);
///     Ok::<(), loopctl::ServerError>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Server {
    hub: Rc<Hub>,
    skipped: Vec<BindError>,
    is_awaited: Cell<bool>,
}

/// How the clients of a server ended that was [shut down](Server::shutdown).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shutdown {
    /// Clients that got all that was left to send them, or left by themselves.
    pub closed: usize,
    /// Clients that were cut off when the time was up.
    pub aborted: usize,
}

impl Server {
    fn new(hub: Rc<Hub>, skipped: Vec<BindError>) -> Self {
        Self { hub, skipped, is_awaited: Cell::default() }
    }

    /// The addresses it listens on, in the order of the hosts and of the resolver, with the ports the kernel
    /// chose. None once it is closed, and none for Unix sockets.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.addresses().iter().filter_map(Address::as_inet).collect()
    }

    /// The addresses it listens on, Unix sockets included. None once it is closed.
    pub fn addresses(&self) -> Vec<Address> {
        self.hub.listeners().iter().map(|listener| listener.address.clone()).collect()
    }

    /// Lends each listening socket, to read or set its options; asyncio's `sockets`. None once it is closed.
    ///
    /// ```
    /// # use loopctl::{Protocol, Transport};
    /// # struct Mute;
    /// # impl Protocol for Mute { fn data_received(&mut self, _: &Transport, _: &[u8]) {} }
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let server = event_loop.run_until_complete(handle.create_server("127.0.0.1", 0).serve(|| Mute))??;
    /// let reused = server.with_sockets(|socket| socket2::SockRef::from(&socket).reuse_address());
    /// assert!(matches!(reused[..], [Ok(true)]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_sockets<R>(&self, mut look: impl FnMut(BorrowedFd<'_>) -> R) -> Vec<R> {
        let listeners = self.hub.listeners();
        listeners.iter().filter_map(|listener| listener.with_socket(&mut look)).collect()
    }

    /// Addresses that were asked for and that this host does not have.
    pub fn skipped(&self) -> &[BindError] {
        &self.skipped
    }

    /// The loop it runs on; asyncio's `get_loop`.
    pub fn handle(&self) -> LoopHandle {
        self.hub.event_loop.clone()
    }

    /// How many clients are connected: accepted, and not yet told `connection_lost`.
    pub fn client_count(&self) -> usize {
        self.hub.client_count()
    }

    /// Whether it accepts connections.
    pub fn is_serving(&self) -> bool {
        self.hub.stage() == Stage::Serving
    }

    /// Begins to accept; harmless if it does already. Clients are served from the next turn on.
    ///
    /// ```
    /// # use loopctl::{Protocol, Transport};
    /// # struct Mute;
    /// # impl Protocol for Mute { fn data_received(&mut self, _: &Transport, _: &[u8]) {} }
    /// # loopctl::run(async |event_loop| {
    /// let server = event_loop.create_server("127.0.0.1", 0).start_serving(false).serve(|| Mute).await?;
    /// assert!(!server.is_serving());
    /// server.start_serving()?;
    /// assert!(server.is_serving());
    /// # Ok::<(), loopctl::ServerError>(())
    /// # })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ServerError::Closed`] after [`close`](Self::close). [`ServerError::Bind`] when the system will not
    /// listen, for example because someone else began to on this address; the server is closed then.
    pub fn start_serving(&self) -> Result<(), ServerError> {
        self.hub.start()
    }

    /// Accepts until the server is closed, then returns; asyncio's `serve_forever`.
    ///
    /// Dropping the future closes the server. Its clients are left alone in either case:
    /// [`shutdown`](Self::shutdown) ends them. (asyncio waits for them here, for as long as they like.)
    ///
    /// # Errors
    /// [`ServerError::AlreadyServing`] while another call is under way, which goes on; otherwise as
    /// [`start_serving`](Self::start_serving).
    pub async fn serve_forever(&self) -> Result<(), ServerError> {
        let _awaited = Awaited::begin(self)?;
        self.start_serving()?;
        self.hub.until(|hub| hub.stage() == Stage::Closed).await;
        Ok(())
    }

    /// Closes the listening sockets at once: further connections are refused, those accepted stay.
    /// [`serve_forever`](Self::serve_forever) returns. Harmless twice, and from inside a protocol.
    ///
    /// ```
    /// # use loopctl::{Protocol, Transport};
    /// # struct Mute;
    /// # impl Protocol for Mute { fn data_received(&mut self, _: &Transport, _: &[u8]) {} }
    /// # loopctl::run(async |event_loop| {
    /// let server = std::rc::Rc::new(event_loop.create_server("127.0.0.1", 0).serve(|| Mute).await?);
    /// let closing = std::rc::Rc::clone(&server);
    /// event_loop.call_soon(move || closing.close());
    /// server.serve_forever().await?;
    /// assert!(server.local_addrs().is_empty());
    /// # Ok::<(), loopctl::ServerError>(())
    /// # })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        self.hub.close();
    }

    /// Waits until the server is closed and its last client has been told `connection_lost`, whichever comes
    /// last. It closes nothing by itself.
    ///
    /// Any number of tasks may wait, before or after either. (CPython before 3.12.1 returned at once in half of
    /// these cases, gh-79033.)
    pub async fn wait_closed(&self) {
        let is_over = |hub: &Hub| hub.stage() == Stage::Closed && hub.client_count() == 0;
        self.hub.until(is_over).await;
    }

    /// Closes every client connected now, once what is queued for it is sent; tells how many.
    pub fn close_clients(&self) -> usize {
        self.hub.clients().iter().map(super::Transport::close).count()
    }

    /// Cuts off every client connected now, whatever is still to be sent; tells how many. They are gone
    /// within two turns.
    pub fn abort_clients(&self) -> usize {
        self.hub.clients().iter().map(super::Transport::abort).count()
    }

    /// Closes the server and its clients, and cuts off those that are still there after `grace`. All of
    /// them are gone when this returns.
    ///
    /// A client that does not read what it is sent would hold up [`wait_closed`](Self::wait_closed) for ever.
    ///
    /// ```
    /// # use loopctl::{Protocol, Transport};
    /// # struct Mute;
    /// # impl Protocol for Mute { fn data_received(&mut self, _: &Transport, _: &[u8]) {} }
    /// # use std::time::Duration;
    /// # loopctl::run(async |event_loop| {
    /// let server = event_loop.create_server("127.0.0.1", 0).serve(|| Mute).await?;
    /// let end = server.shutdown(Duration::from_secs(1)).await;
    /// assert_eq!((end.closed, end.aborted), (0, 0));
    /// # Ok::<(), loopctl::ServerError>(())
    /// # })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn shutdown(&self, grace: Duration) -> Shutdown {
        self.close();
        let clients = self.close_clients();
        if self.hub.event_loop.timeout(grace, self.wait_closed()).await.is_ok() {
            return Shutdown { closed: clients, aborted: 0 };
        }
        let aborted = self.abort_clients();
        self.wait_closed().await;
        Shutdown { closed: clients.saturating_sub(aborted), aborted }
    }
}

/// While it lives, `serve_forever` is under way. Its end is the server's.
struct Awaited<'a>(&'a Server);

impl<'a> Awaited<'a> {
    fn begin(server: &'a Server) -> Result<Self, ServerError> {
        if server.hub.stage() == Stage::Closed {
            return Err(ServerError::Closed);
        }
        if server.is_awaited.replace(true) {
            return Err(ServerError::AlreadyServing);
        }
        Ok(Self(server))
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.0.is_awaited.set(false);
        self.0.close();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> = self.addresses().iter().map(ToString::to_string).collect();
        write!(f, "<Server sockets=({})>", addresses.join(", "))
    }
}
