//! State that all clones of a client share.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::DnsServer;
use super::answer::EdnsFallback;
use super::channel::SharedConnections;
use super::config::Config;
#[cfg(feature = "dnssec")]
use super::keys::KnownKeys;
use crate::event_loop::LoopHandle;
use crate::net::{CreateConnection, Lookup, ResolveError};
#[cfg(feature = "tls")]
use crate::plan::DnsTransport;
use crate::plan::{SocketKind, Transmit};

/// Configuration, addresses of the servers, and the number of queries so far.
pub(super) struct ClientCore {
    pub(super) event_loop: LoopHandle,
    pub(super) config: Config,
    /// Addresses of each server. Servers with names are looked up once.
    known: RefCell<Vec<Result<Vec<SocketAddr>, ResolveError>>>,
    queries: Cell<u64>,
    /// Experience with each server.
    pub(super) edns: RefCell<Vec<EdnsExperience>>,
    /// Connections to each server.
    pub(super) shared: Vec<Rc<SharedConnections>>,
    /// Keys of zones that have been verified.
    #[cfg(feature = "dnssec")]
    pub(super) keys: KnownKeys,
}

/// Experience with a server's EDNS.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct EdnsExperience {
    /// Whether it has answered a query with EDNS.
    pub(super) is_answered: bool,
    /// Reason to query it without, after it has answered such a query.
    pub(super) fallback: Option<EdnsFallback>,
}

impl ClientCore {
    pub(super) fn new(event_loop: &LoopHandle, config: Config) -> Self {
        Self {
            event_loop: event_loop.clone(),
            edns: RefCell::new(vec![EdnsExperience::default(); config.servers.len()]),
            shared: config.servers.iter().map(|_| Rc::default()).collect(),
            config,
            known: RefCell::default(),
            queries: Cell::new(0),
            #[cfg(feature = "dnssec")]
            keys: KnownKeys::default(),
        }
    }

    /// Number of a query that begins now.
    pub(super) fn next_query(&self) -> u64 {
        self.queries.replace(self.queries.get() + 1)
    }

    /// Index of the server to start with; the next one for each query with `rotate`.
    pub(super) fn first_server(&self) -> usize {
        let number = usize::try_from(self.queries.get()).unwrap_or(0);
        if self.config.options.rotates {
            number.wrapping_sub(1) % self.config.servers.len()
        } else {
            0
        }
    }

    /// Looks up the addresses of servers with names, once.
    pub(super) async fn resolve_servers(&self) {
        if !self.known.borrow().is_empty() {
            return;
        }
        let mut known = Vec::new();
        for server in &self.config.servers {
            known.push(match server.literal() {
                Some(address) => Ok(vec![address]),
                None => self.find(server).await,
            });
        }
        self.known.replace(known);
    }

    async fn find(&self, server: &DnsServer) -> Result<Vec<SocketAddr>, ResolveError> {
        let lookup = Lookup::new(server.host().clone(), server.port()).kind(SocketKind::Datagram);
        let found = self.event_loop.getaddrinfo(lookup).await?;
        Ok(found.into_iter().map(|info| info.address).collect())
    }

    pub(super) fn addresses_of(&self, server: usize) -> io::Result<Vec<SocketAddr>> {
        let known = self.known.borrow().get(server).cloned();
        Ok(known.unwrap_or(Err(ResolveError::Cancelled))?)
    }

    /// Connection to a server, by a race of its addresses.
    pub(super) fn connecting(
        &self,
        ask: Transmit,
        addresses: Vec<SocketAddr>,
    ) -> io::Result<CreateConnection> {
        const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
        let connecting = self.event_loop.create_connection_to(addresses);
        let connecting = connecting.happy_eyeballs_delay(ATTEMPT_DELAY);
        #[cfg(feature = "tls")]
        if let (true, Some(tls)) = (ask.transport.is_encrypted(), &self.config.tls) {
            let name = self.config.servers[ask.server].tls_name();
            let tls = tls.clone().server_name(&name)?;
            let is_https = ask.transport == DnsTransport::Https;
            let tls = if is_https { tls.with_alpn(["h2", "http/1.1"]) } else { tls };
            return Ok(connecting.tls(tls));
        }
        if ask.transport.is_encrypted() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(connecting)
    }
}
