//! `create_connection`: name resolution, the race, and the transport.

mod address_queries;
pub(super) mod attempt;
mod error;
mod outcome;
pub(super) mod race_driver;
#[cfg(feature = "tls")]
mod tls;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::event_loop::LoopHandle;
use crate::net::event::Tracer;
use crate::net::protocol::ProtocolRef;
use crate::net::resolver::ByFamily;
use crate::net::socket::prepare_stream;
#[cfg(feature = "tls")]
use crate::net::tls::TlsClient;
use crate::net::{
    AbortReason, AddrInfo, AddrInfoFlags, Address, BufferedProtocol, Connection, Event, EventKind,
    Lookup, Protocol, ResolveError, Resolver, SocketOptions,
};
#[cfg(feature = "tls")]
use crate::plan::Success;
use crate::plan::{Family, Host, Policy, Port, Resolution};
use crate::task::yield_now;
use address_queries::AddressQueries;
use attempt::SocketSetup;
pub use error::{AttemptError, ConnectError};
use outcome::{RaceOutcome, Winner};
use race_driver::RaceDriver;
#[cfg(feature = "tls")]
use tls::{PreparedSessions, TlsAfterConnect};

/// Builder of a connection: asyncio's `create_connection`, with its arguments as methods.
///
/// Without [`happy_eyeballs_delay`](Self::happy_eyeballs_delay), addresses are tried one after another, as in
/// asyncio. Dropping the future of [`open`](Self::open) at any moment closes every socket and cancels every timer.
///
/// ```
/// use loopctl::{Protocol, Transport};
/// use std::time::Duration;
///
/// struct Greeter;
/// impl Protocol for Greeter {
///     fn connection_made(&mut self, transport: &Transport) {
///         let _ = transport.write(b"hello");
///     }
///     fn data_received(&mut self, _: &Transport, _: &[u8]) {}
/// }
///
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// let listener = loopctl::listen("127.0.0.1:0".parse()?, 1)?;
/// let connecting = handle
///     .create_connection("127.0.0.1", listener.local_addr()?.port())
///     .happy_eyeballs_delay(Duration::from_millis(250))
///     .trace(|event| println!("{event:?}"))
///     .open(|| Greeter);
/// let connection = event_loop.run_until_complete(connecting)??;
/// assert_eq!(connection.transport.peer_addr()?, listener.local_addr()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Every option:
///
/// ```
/// # use loopctl::{AddrInfoFlags, Protocol, SocketOptions, Transport, plan::Family};
/// # use std::{num::NonZero, os::fd::AsFd, time::Duration};
/// # struct Quiet;
/// # impl Protocol for Quiet { fn data_received(&mut self, _: &Transport, _: &[u8]) {} }
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// # let listener = loopctl::listen("127.0.0.1:0".parse()?, 1)?;
/// # let port = listener.local_addr()?.port();
/// let connecting = handle
///     .create_connection("127.0.0.1", port)
///     // which addresses
///     .family(Family::Inet)
///     .protocol(6)
///     .flags(AddrInfoFlags::ADDRCONFIG)
///     // in which order, and when
///     .prefer(Family::Inet6)
///     .happy_eyeballs_delay(Duration::from_millis(250))
///     .interleave(1)
///     .max_parallel(NonZero::new(2).unwrap())
///     .attempt_timeout(Duration::from_secs(2))
///     .timeout(Duration::from_secs(10))
///     // from where, and how
///     .local_addr("127.0.0.1:0".parse()?)
///     .socket_options(SocketOptions { ttl: Some(8), ..Default::default() })
///     .configure(|socket| socket.try_clone_to_owned().map(drop))
///     .nodelay(true);
/// assert!(event_loop.run_until_complete(connecting.open(|| Quiet))?.is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing happens until it is opened"]
pub struct CreateConnection {
    event_loop: LoopHandle,
    to: Destination,
    prefer: Option<Family>,
    policy: Policy,
    timeout: Option<Duration>,
    setup: SocketSetup,
    #[cfg(feature = "tls")]
    tls: Option<TlsClient>,
    tracer: Tracer,
}

enum Destination {
    Host(Lookup, Option<Rc<dyn Resolver>>),
    Known(Vec<Address>),
    Socket(OwnedFd),
}

impl LoopHandle {
    /// Connects to a host; see [`CreateConnection`].
    ///
    /// ```
    /// # use loopctl::{Protocol, Transport};
    /// # struct Quiet;
    /// # impl Protocol for Quiet { fn data_received(&mut self, _: &Transport, _: &[u8]) {} }
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let listener = loopctl::listen("127.0.0.1:0".parse()?, 1)?;
    /// let port = listener.local_addr()?.port();
    /// let connecting = handle.create_connection("localhost", port).open(|| Quiet);
    /// assert!(event_loop.run_until_complete(connecting)?.is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_connection(
        &self,
        host: impl Into<Host>,
        port: impl Into<Port>,
    ) -> CreateConnection {
        CreateConnection::new(self, Destination::Host(Lookup::new(host, port), None))
    }

    /// Connects to the first of these addresses that the race reaches. No name is resolved.
    ///
    /// ```
    /// # use loopctl::{Protocol, Transport};
    /// # struct Quiet;
    /// # impl Protocol for Quiet { fn data_received(&mut self, _: &Transport, _: &[u8]) {} }
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let listener = loopctl::listen("127.0.0.1:0".parse()?, 1)?;
    /// let connecting = handle.create_connection_to([listener.local_addr()?]).open(|| Quiet);
    /// assert!(event_loop.run_until_complete(connecting)?.is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_connection_to(
        &self,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> CreateConnection {
        let known = addresses.into_iter().map(Address::from).collect();
        CreateConnection::new(self, Destination::Known(known))
    }

    /// Connects to a Unix domain socket; asyncio's `create_unix_connection`.
    ///
    /// ```
    /// # use loopctl::{Protocol, Transport};
    /// # struct Quiet;
    /// # impl Protocol for Quiet { fn data_received(&mut self, _: &Transport, _: &[u8]) {} }
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let error = event_loop.run_until_complete(handle.create_unix_connection("/no/such").open(|| Quiet))?;
    /// assert_eq!(error.unwrap_err().kind(), std::io::ErrorKind::NotFound);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_unix_connection(&self, path: impl Into<PathBuf>) -> CreateConnection {
        CreateConnection::new(self, Destination::Known(vec![Address::Unix(path.into())]))
    }

    /// Uses a socket that is already connected; asyncio's `create_connection(sock=…)`.
    ///
    /// ```
    /// # use loopctl::{Protocol, Transport};
    /// # struct Quiet;
    /// # impl Protocol for Quiet { fn data_received(&mut self, _: &Transport, _: &[u8]) {} }
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let (ours, _theirs) = std::os::unix::net::UnixStream::pair()?;
    /// let connecting = handle.create_connection_on(ours).open(|| Quiet);
    /// assert!(event_loop.run_until_complete(connecting)?.is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_connection_on(&self, socket: impl Into<OwnedFd>) -> CreateConnection {
        CreateConnection::new(self, Destination::Socket(socket.into()))
    }
}

impl CreateConnection {
    fn new(event_loop: &LoopHandle, to: Destination) -> Self {
        Self {
            event_loop: event_loop.clone(),
            to,
            prefer: None,
            policy: Policy::default(),
            timeout: None,
            setup: SocketSetup::default(),
            #[cfg(feature = "tls")]
            tls: None,
            tracer: Tracer::default(),
        }
    }

    /// Limits the lookup to one address family.
    pub fn family(self, family: Family) -> Self {
        self.lookup(|lookup| lookup.family(family))
    }

    /// Limits the lookup to one IP protocol (6 for TCP).
    pub fn protocol(self, protocol: i32) -> Self {
        self.lookup(|lookup| lookup.protocol(protocol))
    }

    /// Flags of the lookup.
    pub fn flags(self, flags: AddrInfoFlags) -> Self {
        self.lookup(|lookup| lookup.flags(flags))
    }

    /// Resolver to use instead of the system's; see [`Resolver`].
    pub fn resolver(mut self, resolver: impl Resolver + 'static) -> Self {
        if let Destination::Host(lookup, _) = self.to {
            self.to = Destination::Host(lookup, Some(Rc::new(resolver)));
        }
        self
    }

    /// Races the addresses with this Connection Attempt Delay (RFC 8305 section 5). Families are interleaved unless
    /// [`interleave`](Self::interleave) is called later.
    pub fn happy_eyeballs_delay(mut self, delay: Duration) -> Self {
        self.policy.interleave = self.policy.interleave.max(1);
        self.policy.connection_attempt_delay = Some(delay);
        self
    }

    /// First Address Family Count (RFC 8305 section 4): number of addresses of the first family before the families
    /// alternate. 0 keeps the resolver's order. Call it after [`happy_eyeballs_delay`](Self::happy_eyeballs_delay).
    pub fn interleave(mut self, first_address_family_count: usize) -> Self {
        self.policy.interleave = first_address_family_count;
        self
    }

    /// Maximum number of concurrent attempts.
    pub fn max_parallel(mut self, most: NonZero<usize>) -> Self {
        self.policy.max_parallel = Some(most);
        self
    }

    /// Time limit of one attempt.
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.policy.attempt_timeout = Some(limit);
        self
    }

    /// Replaces all rules of the race.
    ///
    /// ```
    /// # use loopctl::{Protocol, Transport};
    /// # struct Quiet;
    /// # impl Protocol for Quiet { fn data_received(&mut self, _: &Transport, _: &[u8]) {} }
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// # let listener = loopctl::listen("127.0.0.1:0".parse()?, 1)?;
    /// # let port = listener.local_addr()?.port();
    /// use loopctl::plan::Policy;
    /// let policy = Policy::happy_eyeballs(std::time::Duration::from_millis(100));
    /// let connecting = handle.create_connection("127.0.0.1", port).policy(policy);
    /// assert!(event_loop.run_until_complete(connecting.open(|| Quiet))?.is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sorts addresses of this family before all others.
    pub fn prefer(mut self, family: Family) -> Self {
        self.prefer = Some(family);
        self
    }

    /// Time limit of the whole operation: name resolution, all attempts, TLS.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Adds a local address to bind to. The first one of the right family that can be bound is used.
    pub fn local_addr(mut self, address: SocketAddr) -> Self {
        self.setup.local_addresses.push(address);
        self
    }

    /// Options for every TCP socket. Unix sockets are not affected.
    pub fn socket_options(mut self, options: SocketOptions) -> Self {
        self.setup.options = Some(options);
        self
    }

    /// Callback for every new socket, before it is bound and connected.
    pub fn configure(
        mut self,
        configure: impl Fn(BorrowedFd<'_>) -> io::Result<()> + 'static,
    ) -> Self {
        self.setup.configure = Some(Rc::new(configure));
        self
    }

    /// Sets `TCP_NODELAY`, so that small writes are sent at once. Default: on.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.setup.nodelay = nodelay;
        self
    }

    /// Uses TLS: `connection_made` is called after the handshake. The server's name is the host, or that of [the
    /// configuration](TlsClient::server_name), which must have one where there is no host.
    ///
    /// As in asyncio, the race ends before the handshake. With [`Success::Tls`](crate::plan::Success::Tls) the
    /// handshake is part of every attempt, and other attempts continue until one handshake completes. A handshake
    /// that fails or times out starts the next address.
    ///
    /// ```no_run
    /// # loopctl::run(async |event_loop| {
    /// let tls = loopctl::TlsClient::builder().alpn(["http/1.1"]).build()?;
    /// let (mut reader, mut writer) =
    ///     event_loop.create_connection("example.com", 443).tls(tls).open_stream().await?;
    /// writer.write_all(b"HEAD / HTTP/1.1\r\nHost: example.com\r\n\r\n").await?;
    /// println!("{}", String::from_utf8_lossy(&reader.read_line().await?));
    /// # Ok::<_, loopctl::BoxError>(())
    /// # })??;
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsClient) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Calls `listen` with every event, cancellation included. The callback runs on the loop and must not block.
    pub fn trace(mut self, listen: impl FnMut(&Event) + 'static) -> Self {
        self.tracer = Tracer::new(listen);
        self
    }

    /// Connects and attaches the protocol. `connection_made` has been called when this returns.
    ///
    /// # Errors
    /// [`ConnectError`], with every failed attempt.
    pub async fn open<P: Protocol>(
        self,
        protocol: impl FnOnce() -> P,
    ) -> Result<Connection<P>, ConnectError> {
        let outcome = self.connect().await?;
        let (protocol, attached) = ProtocolRef::plain(protocol());
        Ok(Connection { transport: outcome.attach(attached).await?, protocol })
    }

    /// As [`open`](Self::open), for a protocol with its own buffers.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_buffered<P: BufferedProtocol>(
        self,
        protocol: impl FnOnce() -> P,
    ) -> Result<Connection<P>, ConnectError> {
        let outcome = self.connect().await?;
        let (protocol, attached) = ProtocolRef::buffered(protocol());
        Ok(Connection { transport: outcome.attach(attached).await?, protocol })
    }

    async fn connect(mut self) -> Result<RaceOutcome, ConnectError> {
        let deadline = self.timeout.and_then(|limit| self.event_loop.time().checked_add(limit));
        #[cfg(feature = "tls")]
        let sessions = self.sessions()?;
        let nodelay = self.setup.nodelay;
        let winner = self.race(deadline).await?;
        if let Winner::Socket(socket, addresses, _) = &winner
            && addresses.is_inet()
        {
            socket.set_tcp_nodelay(nodelay).map_err(ConnectError::Transport)?;
        }
        Ok(RaceOutcome {
            event_loop: self.event_loop,
            winner,
            #[cfg(feature = "tls")]
            tls: sessions.map(|sessions| TlsAfterConnect {
                sessions,
                tracer: self.tracer,
                deadline,
            }),
        })
    }

    /// TLS sessions for the handshake after the race. Those for handshakes inside the race move to the socket setup.
    #[cfg(feature = "tls")]
    fn sessions(&mut self) -> Result<Option<Box<PreparedSessions>>, ConnectError> {
        let Some(tls) = self.tls.take() else { return Ok(None) };
        let host = match &self.to {
            Destination::Host(lookup, _) => Some(lookup.host()),
            Destination::Known(_) | Destination::Socket(_) => None,
        };
        let sessions = PreparedSessions::new(tls, host);
        let sessions = Box::new(sessions.map_err(|error| ConnectError::Transport(error.into()))?);
        let is_raced = !matches!(self.to, Destination::Socket(_));
        if is_raced && self.policy.pacing.success == Success::Tls {
            self.setup.sessions = Some(sessions);
            return Ok(None);
        }
        Ok(Some(sessions))
    }

    /// Resolves the name and runs the race.
    async fn race(&mut self, deadline: Option<Instant>) -> Result<Winner, ConnectError> {
        let known = Destination::Known(Vec::new());
        let driver = match std::mem::replace(&mut self.to, known) {
            Destination::Socket(socket) => {
                let socket = Socket::from(socket);
                let addresses = prepare_stream(&socket).map_err(ConnectError::Transport)?;
                return Ok(Winner::Socket(socket, addresses, None));
            }
            Destination::Known(candidates) => self.race_among(candidates),
            Destination::Host(lookup, resolver) if self.queries_each_family(&lookup) => {
                self.race_while_resolving(lookup, resolver)
            }
            Destination::Host(lookup, resolver) => {
                let candidates = self.resolve(lookup, resolver, deadline).await?;
                self.race_among(candidates)
            }
        };
        let mut driver = driver.deadline(deadline);
        let won = poll_fn(|cx| driver.poll(cx)).await;
        drop(driver);
        // A peer on this host answers at once. Without a turn of the loop, a task that connects and closes would run
        // out of descriptors, because nothing is closed before the next turn.
        yield_now().await;
        won
    }

    fn race_among(&mut self, candidates: Vec<Address>) -> RaceDriver<'_> {
        let candidates = self.sort(candidates);
        let (setup, policy) = (std::mem::take(&mut self.setup), self.policy.clone());
        RaceDriver::new(&self.event_loop, &mut self.tracer, setup, candidates, policy)
    }

    /// Whether AAAA and A are queried separately. An address, or one family, needs a single query.
    fn queries_each_family(&self, lookup: &Lookup) -> bool {
        let is_apart = matches!(self.policy.resolution, Resolution::Separate { .. });
        let is_name = matches!(lookup.host(), Host::Name(_));
        is_apart && is_name && lookup.wanted_family() == Family::Unspecified
    }

    fn race_while_resolving(
        &mut self,
        lookup: Lookup,
        resolver: Option<Rc<dyn Resolver>>,
    ) -> RaceDriver<'_> {
        let resolver = resolver.unwrap_or_else(|| Rc::new(ByFamily(self.event_loop.clone())));
        let queries = AddressQueries::new(resolver, lookup, self.prefer);
        let (setup, policy) = (std::mem::take(&mut self.setup), self.policy.clone());
        RaceDriver::resolving(&self.event_loop, &mut self.tracer, setup, queries, policy)
    }

    fn lookup(mut self, change: impl FnOnce(Lookup) -> Lookup) -> Self {
        if let Destination::Host(lookup, resolver) = self.to {
            self.to = Destination::Host(change(lookup), resolver);
        }
        self
    }

    async fn resolve(
        &mut self,
        lookup: Lookup,
        resolver: Option<Rc<dyn Resolver>>,
        deadline: Option<Instant>,
    ) -> Result<Vec<Address>, ConnectError> {
        let host = lookup.host().to_string();
        self.emit(EventKind::ResolveStarted { host });
        let mut guard = CancelOnDrop { connecting: self, reason: Some(AbortReason::Canceled) };
        let answer = guard.connecting.ask(lookup, resolver, deadline).await;
        guard.reason = None;
        drop(guard);
        match answer {
            Ok(found) => {
                let addresses: Vec<_> = found.iter().map(|info| info.address).collect();
                self.emit(EventKind::Resolved { addresses: addresses.clone() });
                Ok(addresses.into_iter().map(Address::from).collect())
            }
            Err(error) => {
                let reason = match error {
                    ResolveError::TimedOut => AbortReason::TimedOut,
                    _ => AbortReason::NotResolved,
                };
                self.emit(EventKind::ResolveFailed { error: error.clone() });
                self.emit(EventKind::ConnectionAborted { reason });
                Err(match error {
                    ResolveError::TimedOut => ConnectError::TimedOut(Vec::new()),
                    error => ConnectError::Resolve(error),
                })
            }
        }
    }

    async fn ask(
        &self,
        lookup: Lookup,
        resolver: Option<Rc<dyn Resolver>>,
        deadline: Option<Instant>,
    ) -> Result<Vec<AddrInfo>, ResolveError> {
        let asking = match &resolver {
            None => self.event_loop.resolve(lookup),
            Some(resolver) => resolver.resolve(lookup),
        };
        let Some(deadline) = deadline else { return asking.await };
        let left = deadline.saturating_duration_since(self.event_loop.time());
        self.event_loop.timeout(left, asking).await.unwrap_or(Err(ResolveError::TimedOut))
    }

    /// Sorts the candidates: preferred family first, then the policy's order.
    fn sort(&mut self, mut candidates: Vec<Address>) -> Vec<Address> {
        if let Some(family) = self.prefer {
            candidates.sort_by_key(|address| address.family() != Some(family));
        }
        candidates = self.policy.order(candidates, Address::family);
        self.emit(EventKind::CandidatesSorted { candidates: candidates.clone() });
        candidates
    }

    fn emit(&mut self, kind: EventKind) {
        let now = self.event_loop.time();
        self.tracer.emit(now, kind);
    }
}

/// Emits the end of a lookup that is dropped before its answer.
struct CancelOnDrop<'a> {
    connecting: &'a mut CreateConnection,
    reason: Option<AbortReason>,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(reason) = self.reason {
            let error = ResolveError::Cancelled;
            self.connecting.emit(EventKind::ResolveFailed { error });
            self.connecting.emit(EventKind::ConnectionAborted { reason });
        }
    }
}

impl fmt::Debug for CreateConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<CreateConnection {:?}>", self.policy)
    }
}
