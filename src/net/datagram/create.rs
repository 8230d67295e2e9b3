//! `create_datagram_endpoint`: the builder of a datagram endpoint.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use socket2::{Domain, Protocol, Socket, Type};

use super::{DatagramProtocol, DatagramTransport};
use crate::event_loop::LoopHandle;
use crate::net::server::unix;
use crate::net::{AddrInfo, Address, AttemptError, ConnectError, Endpoint, Lookup, Phase};
use crate::plan::{Family, Host, Port, SocketKind};

/// Builder of a datagram endpoint; asyncio's `create_datagram_endpoint`, with its arguments as methods.
///
/// There is no `reuse_address`: with `SO_REUSEADDR`, another process can bind the same address and receive the
/// datagrams (bpo-37228). asyncio removed it as well.
///
/// ```
/// use loopctl::{Address, DatagramProtocol, DatagramTransport};
///
/// #[derive(Default)]
/// struct Mailbox(Vec<Vec<u8>>);
/// impl DatagramProtocol for Mailbox {
///     fn datagram_received(&mut self, transport: &DatagramTransport, data: &[u8], _: Option<&Address>) {
///         self.0.push(data.to_owned());
///         transport.close();
///     }
/// }
///
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// event_loop.run_until_complete(async {
///     let receiving = handle.create_datagram_endpoint().local("127.0.0.1", 0).open(Mailbox::default).await?;
///     let to = receiving.transport.local_addr().and_then(Address::as_inet).unwrap();
///     let sending = handle.create_datagram_endpoint().remote_addr(to).open(Mailbox::default).await?;
///     sending.transport.send_to(b"hello", None)?;
///     receiving.transport.wait_closed().await;
///     assert_eq!(receiving.with(|mailbox| mailbox.0.clone()), [b"hello"]);
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing happens until `open` is awaited"]
pub struct CreateDatagram {
    event_loop: LoopHandle,
    local: Option<EndpointAddress>,
    remote: Option<EndpointAddress>,
    family: Family,
    /// IP protocol number; 0 for the default.
    protocol: i32,
    reuse_port: bool,
    allow_broadcast: bool,
    socket: Option<OwnedFd>,
}

#[derive(Clone)]
enum EndpointAddress {
    Host(Lookup),
    Address(SocketAddr),
    Path(PathBuf),
}

/// Local and remote address to try together.
struct Candidate {
    domain: Domain,
    protocol: i32,
    local: Option<Address>,
    remote: Option<Address>,
}

impl LoopHandle {
    /// Creates an endpoint that sends and receives datagrams; see [`CreateDatagram`].
    pub fn create_datagram_endpoint(&self) -> CreateDatagram {
        CreateDatagram {
            event_loop: self.clone(),
            local: None,
            remote: None,
            family: Family::default(),
            protocol: 0,
            reuse_port: false,
            allow_broadcast: false,
            socket: None,
        }
    }
}

impl CreateDatagram {
    /// Sets the local address by host name or address. With port 0 the system chooses a port.
    pub fn local(mut self, host: impl Into<Host>, port: impl Into<Port>) -> Self {
        self.local = Some(EndpointAddress::Host(Lookup::new(host, port)));
        self
    }

    /// Sets the local address, without the resolver.
    pub fn local_addr(mut self, address: SocketAddr) -> Self {
        self.local = Some(EndpointAddress::Address(address));
        self
    }

    /// Sets the local address of a Unix domain socket: the socket file to create. An existing socket file is
    /// replaced. A path with a leading NUL is an abstract name, without a file.
    pub fn local_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.local = Some(EndpointAddress::Path(path.into()));
        self
    }

    /// Sets the destination of datagrams sent without an address. The socket is connected to it, unless
    /// [`allow_broadcast`](Self::allow_broadcast) is set. A connected socket receives from that address only, and
    /// receives ICMP errors.
    pub fn remote(mut self, host: impl Into<Host>, port: impl Into<Port>) -> Self {
        self.remote = Some(EndpointAddress::Host(Lookup::new(host, port)));
        self
    }

    /// Sets the remote address, without the resolver.
    pub fn remote_addr(mut self, address: SocketAddr) -> Self {
        self.remote = Some(EndpointAddress::Address(address));
        self
    }

    /// Sets the remote address of a Unix domain socket.
    pub fn remote_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.remote = Some(EndpointAddress::Path(path.into()));
        self
    }

    /// Restricts the addresses to one family. Without addresses a family is required, and the system binds the
    /// socket at its first datagram.
    pub fn family(mut self, family: Family) -> Self {
        self.family = family;
        self
    }

    /// Sets the IP protocol number, such as 17 for UDP; default 0, any.
    pub fn protocol(mut self, protocol: i32) -> Self {
        self.protocol = protocol;
        self
    }

    /// Allows other sockets of the same user to bind the same address, with datagrams distributed among them
    /// (`SO_REUSEPORT`); default false.
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// Allows broadcast addresses (`SO_BROADCAST`); default false.
    pub fn allow_broadcast(mut self, allow: bool) -> Self {
        self.allow_broadcast = allow;
        self
    }

    /// Uses an existing datagram socket. It cannot be combined with other settings.
    pub fn socket(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.socket = Some(socket.into());
        self
    }

    /// Creates the endpoint: `connection_made` has been called when this returns.
    ///
    /// Every local address is combined with every remote address of its family, and the first pair that works is
    /// used. The socket is closed on error and when the future is dropped.
    ///
    /// # Errors
    /// [`ConnectError::Attempts`] with every pair that failed, in order; [`ConnectError::Resolve`];
    /// [`ConnectError::Transport`] for invalid arguments: no address and no family, addresses without a common
    /// family, settings together with an existing socket, or a socket that is not a datagram socket.
    pub async fn open<P: DatagramProtocol>(
        mut self,
        protocol: impl FnOnce() -> P,
    ) -> Result<Endpoint<DatagramTransport, P>, ConnectError> {
        let (socket, remote) = match self.socket.take() {
            Some(socket) => {
                (self.check_socket(socket.into()).map_err(ConnectError::Transport)?, None)
            }
            None => self.first_working(self.candidates().await?)?,
        };
        let endpoint = DatagramTransport::attach(&self.event_loop, socket, remote, protocol)
            .map_err(ConnectError::Transport)?;
        if self.event_loop.debug() {
            log::debug!("Datagram endpoint {self:?} created: {:?}", endpoint.transport);
        }
        Ok(endpoint)
    }

    fn check_socket(&self, socket: Socket) -> io::Result<Socket> {
        let settings = [
            ("local_addr", self.local.is_some()),
            ("remote_addr", self.remote.is_some()),
            ("family", self.family != Family::Unspecified),
            ("proto", self.protocol != 0),
            ("reuse_port", self.reuse_port),
            ("allow_broadcast", self.allow_broadcast),
        ];
        let set: Vec<&str> = settings.iter().filter(|it| it.1).map(|it| it.0).collect();
        if !set.is_empty() {
            return Err(invalid(&format!(
                "socket modifier keyword arguments can not be used when sock is specified. ({})",
                set.join(", ")
            )));
        }
        if socket.r#type()? != Type::DGRAM {
            return Err(invalid(&format!("A datagram socket was expected, got {socket:?}")));
        }
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    async fn candidates(&self) -> Result<Vec<Candidate>, ConnectError> {
        let pairs = match (&self.local, &self.remote) {
            (None, None) => self.without_addresses().into_iter().collect(),
            (Some(EndpointAddress::Path(_)), _) | (_, Some(EndpointAddress::Path(_))) => {
                self.unix_pair()?
            }
            (local, remote) => {
                let (local, remote) = (self.resolve(local).await?, self.resolve(remote).await?);
                join(&local, &remote)
            }
        };
        match pairs.as_slice() {
            [] if self.local.is_none() && self.remote.is_none() => {
                Err(ConnectError::Transport(invalid("unexpected address family")))
            }
            [] => Err(no_common_family()),
            _ => Ok(pairs),
        }
    }

    fn without_addresses(&self) -> Option<Candidate> {
        let domain = match self.family {
            Family::Unspecified => return None,
            Family::Inet => Domain::IPV4,
            Family::Inet6 => Domain::IPV6,
        };
        Some(Candidate { domain, protocol: self.protocol, local: None, remote: None })
    }

    fn unix_pair(&self) -> Result<Vec<Candidate>, ConnectError> {
        let path = |place: &Option<EndpointAddress>| match place {
            None => Ok(None),
            Some(EndpointAddress::Path(path)) => Ok(Some(Address::Unix(path.clone()))),
            Some(_) => Err(no_common_family()),
        };
        let (local, remote) = (path(&self.local)?, path(&self.remote)?);
        Ok(vec![Candidate { domain: Domain::UNIX, protocol: 0, local, remote }])
    }

    /// Resolves an address; the result has one `None` if there is none to resolve.
    async fn resolve(
        &self,
        place: &Option<EndpointAddress>,
    ) -> Result<Vec<Option<AddrInfo>>, ConnectError> {
        let lookup = match place {
            None => return Ok(vec![None]),
            Some(EndpointAddress::Path(_)) => return Ok(Vec::new()),
            Some(EndpointAddress::Address(address))
                if !self.family.admits(Family::of(&address.ip())) =>
            {
                return Ok(Vec::new());
            }
            Some(EndpointAddress::Address(address)) => {
                let (socktype, protocol) = (libc::SOCK_DGRAM, self.protocol);
                let (address, canonical_name) = (*address, None);
                return Ok(vec![Some(AddrInfo { socktype, protocol, address, canonical_name })]);
            }
            Some(EndpointAddress::Host(lookup)) => lookup.clone(),
        };
        let lookup = lookup.kind(SocketKind::Datagram).family(self.family).protocol(self.protocol);
        let found = self.event_loop.getaddrinfo(lookup).await.map_err(ConnectError::Resolve)?;
        Ok(found.into_iter().map(Some).collect())
    }

    fn first_working(
        &self,
        pairs: Vec<Candidate>,
    ) -> Result<(Socket, Option<Address>), ConnectError> {
        let mut failed = Vec::new();
        for pair in pairs {
            let started = self.event_loop.time();
            match self.make(&pair) {
                Ok(socket) => return Ok((socket, pair.remote)),
                Err((phase, error)) => {
                    let address = pair.address_in(phase);
                    let took = self.event_loop.time().saturating_duration_since(started);
                    failed.push(AttemptError { address, phase, error, took });
                }
            }
        }
        Err(ConnectError::Attempts(failed))
    }

    fn make(&self, pair: &Candidate) -> Result<Socket, (Phase, io::Error)> {
        let at = |phase| move |error| (phase, error);
        let protocol = (pair.protocol != 0).then(|| Protocol::from(pair.protocol));
        let socket = Socket::new(pair.domain, Type::DGRAM.nonblocking(), protocol)
            .map_err(at(Phase::Socket))?;
        if self.reuse_port {
            socket.set_reuse_port(true).map_err(at(Phase::Options))?;
        }
        if self.allow_broadcast {
            socket.set_broadcast(true).map_err(at(Phase::Options))?;
        }
        if let Some(local) = &pair.local {
            remove_stale(local);
            let bound = local.to_sock_addr().and_then(|address| socket.bind(&address));
            bound.map_err(at(Phase::Bind))?;
        }
        if let Some(remote) = pair.remote.as_ref().filter(|_| !self.allow_broadcast) {
            let connected = remote.to_sock_addr().and_then(|address| socket.connect(&address));
            connected.map_err(at(Phase::Connect))?;
        }
        Ok(socket)
    }
}

/// Combines every local address with every remote address of its family and protocol.
fn join(local: &[Option<AddrInfo>], remote: &[Option<AddrInfo>]) -> Vec<Candidate> {
    let mut pairs = Vec::new();
    for local in local {
        for remote in remote {
            let key = |info: &AddrInfo| (info.address.is_ipv6(), info.protocol);
            let Some(known) = local.as_ref().or(remote.as_ref()) else { continue };
            let agree = [local, remote].into_iter().flatten().all(|it| {
                let (is_ipv6, protocol) = key(known);
                // Protocol 0 matches any protocol.
                key(it).0 == is_ipv6 && (key(it).1 == protocol || key(it).1 == 0 || protocol == 0)
            });
            let address = |info: &Option<AddrInfo>| Some(Address::Inet(info.as_ref()?.address));
            if agree {
                pairs.push(Candidate {
                    domain: Domain::for_address(known.address),
                    protocol: known.protocol,
                    local: address(local),
                    remote: address(remote),
                });
            }
        }
    }
    pairs
}

impl Candidate {
    /// The address that an error concerns.
    fn address_in(&self, phase: Phase) -> Address {
        let (first, second) = match phase {
            Phase::Connect => (&self.remote, &self.local),
            _ => (&self.local, &self.remote),
        };
        let unnamed = || match self.domain {
            Domain::IPV6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
            _ => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        };
        first.as_ref().or(second.as_ref()).cloned().unwrap_or_else(|| unnamed().into())
    }
}

/// Removes the file of a closed socket, because bind(2) fails while it exists. That of a live one stays.
fn remove_stale(local: &Address) {
    if let Address::Unix(path) = local
        && path.as_os_str().as_bytes().first().is_some_and(|first| *first != 0)
        && let Ok(address) = local.to_sock_addr()
    {
        unix::remove_stale(path, &address);
    }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

fn no_common_family() -> ConnectError {
    ConnectError::Transport(invalid("can not get address information"))
}

impl fmt::Display for EndpointAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(lookup) => lookup.host().fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Path(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The text that asyncio logs.
impl fmt::Debug for CreateDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |place: &Option<EndpointAddress>| {
            place.as_ref().map_or_else(|| "None".to_owned(), EndpointAddress::to_string)
        };
        write!(f, "local_addr={} remote_addr={}", text(&self.local), text(&self.remote))
    }
}
