//! `create_server` and `create_unix_server`: the builder of a server.

use std::fmt;
#[cfg(feature = "tls")]
use std::future::poll_fn;
use std::io;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use socket2::Socket;

use super::bind::{BoundSockets, ListenOptions, bind_all, resolve};
use super::bound::BoundSocket;
use super::shared::{Security, SharedServer, connection_handler};
use super::unix::{self, SocketFileOptions};
use super::{Hosts, Server, ServerError};
use crate::event_loop::LoopHandle;
use crate::net::protocol::ProtocolRef;
use crate::net::socket::prepare_stream;
#[cfg(feature = "tls")]
use crate::net::tls::{HandshakeFuture, TlsServer};
use crate::net::{AddrInfoFlags, Connection, Keepalive, Lookup, Protocol, Transport};
use crate::plan::{Family, Host, Port, SocketKind};

/// Builder of a server; asyncio's `create_server` and `create_unix_server`, with their arguments as methods.
///
/// [`serve`](Self::serve) creates the server. Options of IP sockets have no effect on Unix sockets, and the
/// reverse. A socket of the caller keeps its options.
///
/// ```
/// use loopctl::{Protocol, Transport};
///
/// struct Echo;
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
///         let _ = transport.write(data);
///     }
/// }
///
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// let serving = handle.create_server(["127.0.0.1", "::1"], 0).same_port(true).backlog(32).serve(|| Echo);
/// let server = event_loop.run_until_complete(serving)??;
/// for address in server.local_addrs() {
///     println!("listening on {address}");
/// }
/// for skipped in server.skipped() {
///     println!("not available: {skipped}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing happens until `serve` is awaited"]
pub struct CreateServer {
    event_loop: LoopHandle,
    target: ListenTarget,
    listen_options: ListenOptions,
    file_options: SocketFileOptions,
    backlog: u32,
    max_connections: Option<NonZero<usize>>,
    start_serving: bool,
    security: Security,
}

enum ListenTarget {
    Hosts(HostTarget),
    Unix(PathBuf),
    Socket(OwnedFd),
}

struct HostTarget {
    hosts: Vec<Host>,
    port: Port,
    family: Family,
    flags: AddrInfoFlags,
}

impl LoopHandle {
    /// Creates a server on a host, on several hosts, or on all interfaces (an empty string); see
    /// [`CreateServer`].
    ///
    /// With port 0 the kernel chooses a port, which [`Server::local_addrs`] returns.
    ///
    /// ```
    /// # use loopctl::{Protocol, Transport};
    /// # struct Mute;
    /// # impl Protocol for Mute { fn data_received(&mut self, _: &Transport, _: &[u8]) {} }
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let max = std::num::NonZero::new(1000).unwrap();
    /// let serving = handle.create_server("localhost", 0).max_connections(max).serve(|| Mute);
    /// let server = event_loop.run_until_complete(serving)??;
    /// assert_ne!(server.local_addrs()[0].port(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_server(&self, hosts: impl Into<Hosts>, port: impl Into<Port>) -> CreateServer {
        let (hosts, port) = (hosts.into().into_vec(), port.into());
        let (family, flags) = (Family::Unspecified, AddrInfoFlags::PASSIVE);
        CreateServer::new(self, ListenTarget::Hosts(HostTarget { hosts, port, family, flags }))
    }

    /// Creates a server on a bound stream socket of any family; asyncio's `create_server(sock=…)`. The socket
    /// may listen already, as sockets passed by systemd do. The server owns it.
    ///
    /// ```
    /// # use loopctl::{Protocol, Transport};
    /// # struct Mute;
    /// # impl Protocol for Mute { fn data_received(&mut self, _: &Transport, _: &[u8]) {} }
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let address = socket.local_addr()?;
    /// let server = event_loop.run_until_complete(handle.create_server_on(socket).serve(|| Mute))??;
    /// assert_eq!(server.local_addrs(), [address]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_server_on(&self, socket: impl Into<OwnedFd>) -> CreateServer {
        CreateServer::new(self, ListenTarget::Socket(socket.into()))
    }

    /// Creates a server on a Unix socket; asyncio's `create_unix_server`. A path with a leading NUL is an
    /// abstract name, which has no file.
    ///
    /// An existing socket file without a listener is removed. With a listener it stays, and the result is
    /// `AddrInUse`, where asyncio removes it. Other files are never removed. A closing server removes its own
    /// file, unless it was replaced.
    ///
    /// ```
    /// # use loopctl::{Protocol, Transport};
    /// # struct Mute;
    /// # impl Protocol for Mute { fn data_received(&mut self, _: &Transport, _: &[u8]) {} }
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("app.sock");
    /// let serving = handle.create_unix_server(&path).permissions(0o600).serve(|| Mute);
    /// let server = event_loop.run_until_complete(serving)??;
    /// assert!(path.exists());
    /// drop(server);
    /// assert!(!path.exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_unix_server(&self, path: impl Into<PathBuf>) -> CreateServer {
        CreateServer::new(self, ListenTarget::Unix(path.into()))
    }

    /// Attaches a protocol to an accepted connection; asyncio's `connect_accepted_socket`. The connection
    /// belongs to no [`Server`].
    ///
    /// It does not wait, so it is not a future and callbacks can call it.
    ///
    /// ```
    /// # use loopctl::{Protocol, Transport};
    /// # struct Mute;
    /// # impl Protocol for Mute { fn data_received(&mut self, _: &Transport, _: &[u8]) {} }
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let connection = handle.connect_accepted_socket(listener.accept()?.0, || Mute)?;
    /// assert_eq!(connection.transport.peer_addr()?, client.local_addr()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` if the socket is not a stream socket; the system's if it cannot be registered.
    pub fn connect_accepted_socket<P: Protocol>(
        &self,
        socket: impl Into<OwnedFd>,
        protocol: impl FnOnce() -> P,
    ) -> io::Result<Connection<P>> {
        let socket = Socket::from(socket.into());
        let addresses = prepare_stream(&socket)?;
        if addresses.is_inet() {
            socket.set_tcp_nodelay(true)?;
        }
        let (protocol, protocol_ref) = ProtocolRef::plain(protocol());
        let transport = Transport::attach(self, socket, addresses, protocol_ref, |_| ())?;
        if self.debug() {
            log::debug!("accepted socket handled: {transport:?}");
        }
        Ok(Connection { transport, protocol })
    }

    /// Attaches a protocol to an accepted connection, after a TLS handshake; otherwise as
    /// [`connect_accepted_socket`](Self::connect_accepted_socket). Dropping the future closes the connection.
    ///
    /// ```
    /// # use loopctl::{Protocol, TlsClient, TlsServer, Transport};
    /// # struct Mute;
    /// # impl Protocol for Mute { fn data_received(&mut self, _: &Transport, _: &[u8]) {} }
    /// # let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()])?;
    /// # let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    /// # let tls = TlsServer::builder().identity_pem(&certificate, key).build()?;
    /// # let client = TlsClient::builder().ca_pem(certificate).build()?.server_name("a.example")?;
    /// # loopctl::run(async |event_loop| {
    /// # let (accepted, theirs) = std::os::unix::net::UnixStream::pair()?;
    /// # let connecting = event_loop.create_connection_on(theirs).tls(client).open(|| Mute);
    /// # event_loop.create_task(async { connecting.await.map(drop) });
    /// let connection = event_loop.connect_accepted_tls(accepted, tls, || Mute).await?;
    /// assert!(connection.transport.tls().is_some());
    /// # Ok::<_, loopctl::BoxError>(())
    /// # })??;
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// As [`connect_accepted_socket`](Self::connect_accepted_socket), and the error of the handshake.
    #[cfg(feature = "tls")]
    pub async fn connect_accepted_tls<P: Protocol>(
        &self,
        socket: impl Into<OwnedFd>,
        tls: TlsServer,
        protocol: impl FnOnce() -> P,
    ) -> io::Result<Connection<P>> {
        let socket = Socket::from(socket.into());
        let addresses = prepare_stream(&socket)?;
        if addresses.is_inet() {
            socket.set_tcp_nodelay(true)?;
        }
        let (protocol, protocol_ref) = ProtocolRef::plain(protocol());
        let (receiver, tls) = (Some(protocol_ref), tls.new_session()?);
        let mut established = HandshakeFuture::begin(self, socket, addresses, receiver, tls)?;
        poll_fn(|cx| established.poll(cx, &mut |_, _| ())).await?;
        Ok(Connection { transport: established.transport(), protocol })
    }
}

impl CreateServer {
    fn new(event_loop: &LoopHandle, target: ListenTarget) -> Self {
        let listen_options = ListenOptions {
            reuse_address: true,
            reuse_port: false,
            v6_only: true,
            same_port: false,
            nodelay: true,
            keep_alive: None,
        };
        Self {
            event_loop: event_loop.clone(),
            target,
            listen_options,
            file_options: SocketFileOptions { permissions: None, cleanup: true },
            backlog: 100,
            max_connections: None,
            start_serving: true,
            security: Security::default(),
        }
    }

    /// Restricts the addresses to one family.
    pub fn family(mut self, family: Family) -> Self {
        if let ListenTarget::Hosts(hosts) = &mut self.target {
            hosts.family = family;
        }
        self
    }

    /// Sets the flags of the resolver; default [`PASSIVE`](AddrInfoFlags::PASSIVE), without which an empty host
    /// means loopback.
    pub fn flags(mut self, flags: AddrInfoFlags) -> Self {
        if let ListenTarget::Hosts(hosts) = &mut self.target {
            hosts.flags = flags;
        }
        self
    }

    /// Sets the limit of connections waiting to be accepted; default 100. The system's limit is
    /// `net.core.somaxconn`. Linux lets one more connection wait.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Allows binding an address that old connections in TIME_WAIT still use (`SO_REUSEADDR`); default true.
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.listen_options.reuse_address = reuse;
        self
    }

    /// Allows several servers to share an address, with connections distributed by the kernel
    /// (`SO_REUSEPORT`); default false. No effect on Unix sockets, where Linux 6.12.9 and later refuse it.
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.listen_options.reuse_port = reuse;
        self
    }

    /// Restricts IPv6 sockets to IPv6 connections (`IPV6_V6ONLY`), so that each family has its own socket;
    /// default true. With false, `::` also accepts IPv4 connections, and IPv4 addresses are not bound
    /// separately.
    pub fn v6_only(mut self, only: bool) -> Self {
        self.listen_options.v6_only = only;
        self
    }

    /// Enables keepalive probes (`SO_KEEPALIVE`). asyncio's `keep_alive=True` is `Keepalive::default()`, with the
    /// kernel's default times.
    pub fn keep_alive(mut self, keep_alive: Keepalive) -> Self {
        self.listen_options.keep_alive = Some(keep_alive);
        self
    }

    /// Sends small writes to clients at once (`TCP_NODELAY`); default true.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.listen_options.nodelay = nodelay;
        self
    }

    /// Requires the same port on all addresses when port 0 is given; default false, as in asyncio. The kernel's
    /// choice for the first address is tried on the others. If it is in use there, another port is tried, at
    /// most 32 times.
    pub fn same_port(mut self, same: bool) -> Self {
        self.listen_options.same_port = same;
        self
    }

    /// Limits the number of clients. Further connections wait in the kernel's queue, as far as the
    /// [`backlog`](Self::backlog) allows, and are accepted as clients leave.
    pub fn max_connections(mut self, max: NonZero<usize>) -> Self {
        self.max_connections = Some(max);
        self
    }

    /// Accepts connections from the beginning; default true. With false, the sockets are bound and refuse
    /// connections until [`Server::start_serving`].
    pub fn start_serving(mut self, start: bool) -> Self {
        self.start_serving = start;
        self
    }

    /// Sets the mode bits of the socket file, such as `0o600`, which control who may connect; default by `umask`.
    /// They are set before the socket listens.
    pub fn permissions(mut self, mode: u32) -> Self {
        self.file_options.permissions = Some(mode);
        self
    }

    /// Removes the socket file when the server closes; default true.
    pub fn cleanup_socket(mut self, cleanup: bool) -> Self {
        self.file_options.cleanup = cleanup;
        self
    }

    /// Serves every client over TLS: `connection_made` is called after the handshake. A client counts as connected
    /// before, and [`Server::close_clients`] closes it too. A failed handshake is logged at debug level; the
    /// exception handler is not called, because the cause is usually the client.
    ///
    /// ```
    /// # use loopctl::{Protocol, Transport};
    /// # struct Mute;
    /// # impl Protocol for Mute { fn data_received(&mut self, _: &Transport, _: &[u8]) {} }
    /// # let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    /// # let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    /// # loopctl::run(async |event_loop| {
    /// let tls = loopctl::TlsServer::builder().identity_pem(chain, key).build()?;
    /// let server = event_loop.create_server("localhost", 0).tls(tls).serve(|| Mute).await?;
    /// # Ok::<_, loopctl::BoxError>(server.close())
    /// # })??;
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsServer) -> Self {
        self.security = Security::Tls(tls);
        self
    }

    pub(in crate::net) fn handle(&self) -> &LoopHandle {
        &self.event_loop
    }

    /// Binds, and serves every connection with a protocol made by `factory`.
    ///
    /// Addresses that this host does not have are skipped; [`Server::skipped`] returns them. Dropping the future
    /// closes all sockets. A panic of the factory closes one connection and is reported to the exception handler.
    ///
    /// # Errors
    /// [`ServerError`], with the address that failed. All sockets are closed on error.
    pub async fn serve<P: Protocol>(
        self,
        factory: impl FnMut() -> P + 'static,
    ) -> Result<Server, ServerError> {
        let Self {
            event_loop,
            target,
            listen_options,
            file_options,
            backlog,
            max_connections,
            start_serving,
            security,
        } = self;
        let BoundSockets { sockets, skipped } = match target {
            ListenTarget::Hosts(hosts) => {
                bind_all(resolve(&event_loop, hosts.lookups()).await?, &listen_options)?
            }
            ListenTarget::Unix(path) => BoundSockets::one(unix::bind(&path, file_options)?),
            ListenTarget::Socket(socket) => {
                BoundSockets::one(BoundSocket::from_socket(socket, &listen_options)?)
            }
        };
        let handler = connection_handler(factory, security);
        let shared = SharedServer::new(&event_loop, sockets, backlog, max_connections, handler);
        let server = Server::new(shared, skipped);
        if start_serving {
            server.start_serving()?;
        }
        if event_loop.debug() {
            log::info!("{server:?} is created");
        }
        Ok(server)
    }
}

impl HostTarget {
    fn lookups(self) -> Vec<Lookup> {
        let Self { hosts, port, family, flags } = self;
        let lookup = |host| Lookup::new(host, port.clone()).family(family).flags(flags);
        hosts.into_iter().map(|host| lookup(host).kind(SocketKind::Stream)).collect()
    }
}

impl fmt::Debug for CreateServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            ListenTarget::Hosts(it) => write!(f, "<CreateServer {:?} {}>", it.hosts, it.port),
            ListenTarget::Unix(path) => write!(f, "<CreateServer {path:?}>"),
            ListenTarget::Socket(socket) => write!(f, "<CreateServer {socket:?}>"),
        }
    }
}
