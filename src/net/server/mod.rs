//! Servers: listening sockets and the clients accepted on them.
//!
//! [`create`] is the builder, [`bind`] and [`unix`] open the sockets, [`accept`] accepts connections, and
//! [`shared`] is the state behind the handle that is defined here.

mod accept;
mod bind;
mod bound;
mod create;
mod error;
mod hosts;
mod shared;
pub(super) mod unix;

use std::cell::Cell;
use std::fmt;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::Duration;

use super::Address;
use crate::event_loop::LoopHandle;
use shared::{ServerState, SharedServer};

pub use create::CreateServer;
pub use error::{BindError, ServerError};
pub use hosts::Hosts;

/// A server: listening sockets and accepted clients; asyncio's `Server`.
///
/// Dropping it closes its sockets, as [`close`](Self::close) does; clients stay connected. An asyncio server
/// keeps serving when it is dropped. To share a server, use `Rc<Server>`.
///
/// ```
/// use loopctl::{Protocol, Transport};
/// use std::time::Duration;
///
/// struct Echo;
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
///         let _ = transport.write(data);
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
///     println!("{} connections closed, {} aborted", end.closed, end.aborted);
///     Ok::<(), loopctl::ServerError>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping it closes the sockets"]
pub struct Server {
    shared: Rc<SharedServer>,
    skipped: Vec<BindError>,
    is_serving_forever: Cell<bool>,
}

/// Clients ended by [`Server::shutdown`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shutdown {
    /// The number of clients that received all queued data, or left by themselves.
    pub closed: usize,
    /// The number of clients aborted at the time limit.
    pub aborted: usize,
}

impl Server {
    fn new(shared: Rc<SharedServer>, skipped: Vec<BindError>) -> Self {
        Self { shared, skipped, is_serving_forever: Cell::default() }
    }

    /// The IP addresses it listens on, with the ports that the kernel chose, in the order of the hosts and of the
    /// resolver. Empty once it is closed.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.addresses().iter().filter_map(Address::as_inet).collect()
    }

    /// The addresses it listens on, including Unix sockets. Empty once it is closed.
    pub fn addresses(&self) -> Vec<Address> {
        self.shared.listeners().iter().map(|listener| listener.address.clone()).collect()
    }

    /// Calls `look` with each listening socket, to read or set its options; asyncio's `sockets`. There are none
    /// once the server is closed.
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
        let listeners = self.shared.listeners();
        listeners.iter().filter_map(|listener| listener.with_socket(&mut look)).collect()
    }

    /// Requested addresses that this host does not have.
    pub fn skipped(&self) -> &[BindError] {
        &self.skipped
    }

    /// The event loop of the server; asyncio's `get_loop`.
    pub fn handle(&self) -> LoopHandle {
        self.shared.event_loop.clone()
    }

    /// The number of clients for which `connection_lost` has not been called.
    pub fn client_count(&self) -> usize {
        self.shared.client_count()
    }

    /// Whether the server accepts connections.
    pub fn is_serving(&self) -> bool {
        self.shared.state() == ServerState::Serving
    }

    /// Starts accepting, from the next turn on. No effect when called again.
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
    /// [`ServerError::Closed`] after [`close`](Self::close). [`ServerError::Bind`] when listen(2) fails, for
    /// example because another process listens on the address; the server is closed then.
    pub fn start_serving(&self) -> Result<(), ServerError> {
        self.shared.start()
    }

    /// Stops accepting until [`resume_accepting`](Self::resume_accepting). New connections wait in the backlog. It
    /// takes effect at once, so that a protocol's `connection_made` can refuse the next client.
    pub fn pause_accepting(&self) {
        self.shared.set_paused(true);
    }

    /// Accepts again, first those that have waited.
    pub fn resume_accepting(&self) {
        self.shared.set_paused(false);
    }

    /// Accepts connections until the server is closed; asyncio's `serve_forever`.
    ///
    /// Dropping the future closes the server. Clients stay connected in both cases, and
    /// [`shutdown`](Self::shutdown) ends them; asyncio waits for them here without a time limit.
    ///
    /// # Errors
    /// [`ServerError::AlreadyServing`] while another call is in progress; otherwise as
    /// [`start_serving`](Self::start_serving).
    pub async fn serve_forever(&self) -> Result<(), ServerError> {
        let _serving = ServeForever::begin(self)?;
        self.start_serving()?;
        self.shared.wait_until(|shared| shared.state() == ServerState::Closed).await;
        Ok(())
    }

    /// Closes the listening sockets at once: new connections are refused, clients stay connected, and
    /// [`serve_forever`](Self::serve_forever) returns. Protocols may call it. No effect when called again.
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
        self.shared.close();
    }

    /// Waits until the server is closed and `connection_lost` has been called for its last client. It closes
    /// nothing itself.
    ///
    /// Any number of tasks may wait, before or after the close. CPython before 3.12.1 returned too early in some
    /// cases (gh-79033).
    pub async fn wait_closed(&self) {
        let is_over = |shared: &SharedServer| {
            shared.state() == ServerState::Closed && shared.client_count() == 0
        };
        self.shared.wait_until(is_over).await;
    }

    /// Closes all clients once their queued data is sent. Returns the number of clients.
    pub fn close_clients(&self) -> usize {
        self.shared.clients().iter().map(super::Transport::close).count()
    }

    /// Aborts all clients and drops their queued data. Returns the number of clients; they end within two
    /// turns.
    pub fn abort_clients(&self) -> usize {
        self.shared.clients().iter().map(super::Transport::abort).count()
    }

    /// Closes the server and its clients, and aborts clients that are still connected after `grace`. All clients
    /// have ended when this returns.
    ///
    /// Without a time limit, a client that never reads would block [`wait_closed`](Self::wait_closed) for ever.
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
        if self.shared.event_loop.timeout(grace, self.wait_closed()).await.is_ok() {
            return Shutdown { closed: clients, aborted: 0 };
        }
        let aborted = self.abort_clients();
        self.wait_closed().await;
        Shutdown { closed: clients.saturating_sub(aborted), aborted }
    }
}

/// A `serve_forever` in progress. Dropping it closes the server.
struct ServeForever<'a>(&'a Server);

impl<'a> ServeForever<'a> {
    fn begin(server: &'a Server) -> Result<Self, ServerError> {
        if server.shared.state() == ServerState::Closed {
            return Err(ServerError::Closed);
        }
        if server.is_serving_forever.replace(true) {
            return Err(ServerError::AlreadyServing);
        }
        Ok(Self(server))
    }
}

impl Drop for ServeForever<'_> {
    fn drop(&mut self) {
        self.0.is_serving_forever.set(false);
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
