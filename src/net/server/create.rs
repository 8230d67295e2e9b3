//! `create_server` and `create_unix_server`: what is asked for, and the way from there to a server.

use std::fmt;
#[cfg(feature = "tls")]
use std::future::poll_fn;
use std::io;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use socket2::Socket;

use super::bind::{Bound, Bounds, SocketRules, bind_all, resolve};
use super::hub::{Hub, Security, welcome};
use super::unix::{self, FileRules};
use super::{Hosts, Server, ServerError};
use crate::event_loop::LoopHandle;
use crate::net::protocol::ProtocolRef;
use crate::net::socket::prepare_stream;
#[cfg(feature = "tls")]
use crate::net::tls::{HandshakeFuture, TlsServer};
use crate::net::{AddrInfoFlags, Connection, Keepalive, Lookup, Protocol, Transport};
use crate::plan::{Family, Host, Port, SocketKind};

/// A server to be made; asyncio's `create_server` and `create_unix_server`, with their arguments as methods.
///
/// [`serve`](Self::serve) is the last word. What concerns IP passes over Unix sockets, and the other way
/// round; a socket that was handed in keeps its options.
///
/// ```
/// use loopctl::{Protocol, Transport};
///
/// struct Echo;
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
///         transport.write(data);
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
///     println!("not there: {skipped}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing happens until it is served"]
pub struct CreateServer {
    event_loop: LoopHandle,
    at: Place,
    sockets: SocketRules,
    file: FileRules,
    backlog: u32,
    max_connections: Option<NonZero<usize>>,
    start_serving: bool,
    security: Security,
}

enum Place {
    Hosts(Names),
    Unix(PathBuf),
    Socket(OwnedFd),
}

struct Names {
    hosts: Vec<Host>,
    port: Port,
    family: Family,
    flags: AddrInfoFlags,
}

impl LoopHandle {
    /// A server on a host, several hosts, or all interfaces (an empty text); see [`CreateServer`].
    ///
    /// Port 0 lets the kernel choose; [`Server::local_addrs`] tells what it chose.
    ///
    /// ```
    /// # use loopctl::{Protocol, Transport};
    /// # struct Mute;
    /// # impl Protocol for Mute { fn data_received(&mut self, _: &Transport, _: &[u8]) {} }
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let most = std::num::NonZero::new(1000).unwrap();
    /// let serving = handle.create_server("localhost", 0).max_connections(most).serve(|| Mute);
    /// let server = event_loop.run_until_complete(serving)??;
    /// assert_ne!(server.local_addrs()[0].port(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_server(&self, hosts: impl Into<Hosts>, port: impl Into<Port>) -> CreateServer {
        let (hosts, port) = (hosts.into().into_vec(), port.into());
        let (family, flags) = (Family::Unspecified, AddrInfoFlags::PASSIVE);
        CreateServer::new(self, Place::Hosts(Names { hosts, port, family, flags }))
    }

    /// A server on a stream socket that is bound already, of any family; asyncio's `create_server(sock=…)`.
    /// It may listen already, as those that systemd hands over do. The server owns it from now on.
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
        CreateServer::new(self, Place::Socket(socket.into()))
    }

    /// A server on a Unix socket; asyncio's `create_unix_server`. A path with a leading NUL is an abstract
    /// name, which has no file.
    ///
    /// A socket file in the way is removed if nobody listens on it any more. asyncio removes it in any case;
    /// here the server that has it keeps it, and the address is in use. Anything but a socket is never
    /// removed. When the server closes it removes its file, unless that has been replaced meanwhile.
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
        CreateServer::new(self, Place::Unix(path.into()))
    }

    /// A transport for a connection that was accepted elsewhere; asyncio's `connect_accepted_socket`.
    ///
    /// There is nothing to wait for, so this is no future: a callback may call it. The connection belongs to
    /// no [`Server`].
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
    /// `InvalidInput` for what is no stream socket; the system's where it cannot be watched.
    pub fn connect_accepted_socket<P: Protocol>(
        &self,
        socket: impl Into<OwnedFd>,
        protocol: impl FnOnce() -> P,
    ) -> io::Result<Connection<P>> {
        let socket = Socket::from(socket.into());
        let names = prepare_stream(&socket)?;
        if names.is_inet() {
            socket.set_tcp_nodelay(true)?;
        }
        let (protocol, receiver) = ProtocolRef::plain(protocol());
        let transport = Transport::attach(self, socket, names, receiver, |_| ())?;
        if self.debug() {
            log::debug!("accepted socket handled: {transport:?}");
        }
        Ok(Connection { transport, protocol })
    }

    /// As [`connect_accepted_socket`](Self::connect_accepted_socket), with a TLS handshake before
    /// `connection_made`, which is what is waited for. Dropping the future half-way closes the connection.
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
    /// As [`connect_accepted_socket`](Self::connect_accepted_socket), and that of the handshake.
    #[cfg(feature = "tls")]
    pub async fn connect_accepted_tls<P: Protocol>(
        &self,
        socket: impl Into<OwnedFd>,
        tls: TlsServer,
        protocol: impl FnOnce() -> P,
    ) -> io::Result<Connection<P>> {
        let socket = Socket::from(socket.into());
        let names = prepare_stream(&socket)?;
        if names.is_inet() {
            socket.set_tcp_nodelay(true)?;
        }
        let (protocol, receiver) = ProtocolRef::plain(protocol());
        let receiver = Some(receiver);
        let mut established =
            HandshakeFuture::begin(self, socket, names, receiver, tls.new_session()?)?;
        poll_fn(|cx| established.poll(cx, &mut |_, _| ())).await?;
        Ok(Connection { transport: established.transport(), protocol })
    }
}

impl CreateServer {
    fn new(event_loop: &LoopHandle, at: Place) -> Self {
        let sockets = SocketRules {
            reuse_address: true,
            reuse_port: false,
            v6_only: true,
            same_port: false,
            nodelay: true,
            keep_alive: None,
        };
        Self {
            event_loop: event_loop.clone(),
            at,
            sockets,
            file: FileRules { permissions: None, cleanup: true },
            backlog: 100,
            max_connections: None,
            start_serving: true,
            security: Security::default(),
        }
    }

    /// Only addresses of this family.
    pub fn family(mut self, family: Family) -> Self {
        if let Place::Hosts(names) = &mut self.at {
            names.family = family;
        }
        self
    }

    /// How the resolver looks, instead of [`PASSIVE`](AddrInfoFlags::PASSIVE) alone, without which an empty
    /// host means loopback.
    pub fn flags(mut self, flags: AddrInfoFlags) -> Self {
        if let Place::Hosts(names) = &mut self.at {
            names.flags = flags;
        }
        self
    }

    /// How many finished handshakes may wait to be accepted: 100, unless told otherwise, and never more than
    /// the system's limit (`net.core.somaxconn`). The kernel lets one more wait than it is told.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Whether an address can be bound while old connections from it linger (`SO_REUSEADDR`); so it is
    /// unless told otherwise.
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.sockets.reuse_address = reuse;
        self
    }

    /// Whether several servers may share an address, the kernel dealing out connections among them
    /// (`SO_REUSEPORT`). Not unless told so, and never on Unix sockets, for which Linux 6.12.9 and later
    /// refuse it.
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.sockets.reuse_port = reuse;
        self
    }

    /// Whether an IPv6 socket takes IPv6 connections only (`IPV6_V6ONLY`), as it does unless told otherwise,
    /// so that each family has a socket of its own. Without it `::` takes IPv4 connections too, and IPv4
    /// addresses beside it are not bound.
    pub fn v6_only(mut self, only: bool) -> Self {
        self.sockets.v6_only = only;
        self
    }

    /// Tests silent connections (`SO_KEEPALIVE`). asyncio's `keep_alive=True` is `Keepalive::default()`,
    /// which is what the kernel does by default.
    pub fn keep_alive(mut self, keep_alive: Keepalive) -> Self {
        self.sockets.keep_alive = Some(keep_alive);
        self
    }

    /// Whether small writes to clients are sent at once (`TCP_NODELAY`); so it is unless told otherwise.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.sockets.nodelay = nodelay;
        self
    }

    /// Whether port 0 is to become the same port on all addresses. The kernel's choice for the first is
    /// tried on the others, and given back for another one if it is taken there; after 32 tries that is an
    /// error. Without it each address gets a port of its own, as in asyncio.
    pub fn same_port(mut self, same: bool) -> Self {
        self.sockets.same_port = same;
        self
    }

    /// At most this many clients at a time. The others wait in the kernel's queue, as many as the
    /// [`backlog`](Self::backlog) allows, and are accepted as clients leave.
    pub fn max_connections(mut self, most: NonZero<usize>) -> Self {
        self.max_connections = Some(most);
        self
    }

    /// Whether the server accepts from the beginning; so it does unless told otherwise. One that does not
    /// has its addresses, refuses connections, and waits for [`Server::start_serving`].
    pub fn start_serving(mut self, start: bool) -> Self {
        self.start_serving = start;
        self
    }

    /// Mode bits of the socket file, such as `0o600`: who may connect. The process's `umask` decides
    /// otherwise. Nobody can connect before they are set.
    pub fn permissions(mut self, mode: u32) -> Self {
        self.file.permissions = Some(mode);
        self
    }

    /// Whether the socket file is removed when the server closes; so it is unless told otherwise.
    pub fn cleanup_socket(mut self, cleanup: bool) -> Self {
        self.file.cleanup = cleanup;
        self
    }

    /// Speaks TLS with every client: a protocol hears of its client when the handshake is over. Until then the
    /// client counts as one, and can be [closed](Server::close_clients) with the others. A handshake that fails
    /// is the client's affair: the log has it at the level of debugging, the exception handler does not.
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

    /// Binds, and serves every connection with a protocol that `factory` makes for it.
    ///
    /// Addresses that this host does not have are passed over, and [`Server::skipped`] tells which (asyncio
    /// says so in debug mode only). Dropping the future half-way leaves no socket behind.
    ///
    /// A factory that panics loses its one connection, which is reported to the exception handler.
    ///
    /// # Errors
    /// [`ServerError`], with the address that failed; every socket opened on the way is closed then.
    pub async fn serve<P: Protocol>(
        self,
        factory: impl FnMut() -> P + 'static,
    ) -> Result<Server, ServerError> {
        let Self {
            event_loop,
            at,
            sockets,
            file,
            backlog,
            max_connections,
            start_serving,
            security,
        } = self;
        let Bounds { bound, skipped } = match at {
            Place::Hosts(names) => {
                bind_all(resolve(&event_loop, names.lookups()).await?, &sockets)?
            }
            Place::Unix(path) => only(unix::bind(&path, file)?),
            Place::Socket(socket) => only(Bound::adopt(socket, &sockets)?),
        };
        let hub =
            Hub::new(&event_loop, bound, backlog, max_connections, welcome(factory, security));
        let server = Server::new(hub, skipped);
        if start_serving {
            server.start_serving()?;
        }
        if event_loop.debug() {
            log::info!("{server:?} is created");
        }
        Ok(server)
    }
}

fn only(bound: Bound) -> Bounds {
    Bounds { bound: vec![bound], skipped: Vec::new() }
}

impl Names {
    fn lookups(self) -> Vec<Lookup> {
        let Self { hosts, port, family, flags } = self;
        let lookup = |host| Lookup::new(host, port.clone()).family(family).flags(flags);
        hosts.into_iter().map(|host| lookup(host).kind(SocketKind::Stream)).collect()
    }
}

impl fmt::Debug for CreateServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Place::Hosts(names) => write!(f, "<CreateServer {:?} {}>", names.hosts, names.port),
            Place::Unix(path) => write!(f, "<CreateServer {path:?}>"),
            Place::Socket(socket) => write!(f, "<CreateServer {socket:?}>"),
        }
    }
}
