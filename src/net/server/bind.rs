//! Resolving hosts and binding a socket for each address.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::{Domain, Protocol, Socket, Type};

use super::bound::BoundSocket;
use super::error::{BindError, ServerError};
use crate::event_loop::LoopHandle;
use crate::net::socket::prepare_stream;
use crate::net::{AddrInfo, Address, Keepalive, Lookup, Phase, ResolveError};

/// Limit of ports tried to find one that is free on all addresses. With half of all ports in use, the chance to
/// find none is one in four thousand million.
const MAX_SAME_PORT_TRIES: usize = 32;

/// Options of the IP sockets of a server.
#[derive(Debug, Clone)]
pub(super) struct ListenOptions {
    pub(super) reuse_address: bool,
    pub(super) reuse_port: bool,
    pub(super) v6_only: bool,
    pub(super) same_port: bool,
    /// Accepted sockets inherit this option and the next one.
    pub(super) nodelay: bool,
    pub(super) keep_alive: Option<Keepalive>,
}

/// Sockets that were bound, and addresses that are not available.
#[derive(Debug, Default)]
pub(super) struct BoundSockets {
    pub(super) sockets: Vec<BoundSocket>,
    pub(super) skipped: Vec<BindError>,
}

impl BoundSockets {
    pub(super) fn one(socket: BoundSocket) -> Self {
        Self { sockets: vec![socket], skipped: Vec::new() }
    }
}

impl BoundSocket {
    /// Takes a bound socket of the caller. Its file, if it has one, is left to the caller.
    pub(super) fn from_socket(
        socket: OwnedFd,
        options: &ListenOptions,
    ) -> Result<Self, ServerError> {
        let socket = Socket::from(socket);
        prepare_stream(&socket).map_err(ServerError::Socket)?;
        let address = socket.local_addr().map_err(ServerError::Socket)?;
        let unsupported = || std::io::Error::other("the socket is neither an IP nor a Unix socket");
        let address = Address::of(&address).ok_or_else(|| ServerError::Socket(unsupported()))?;
        if matches!(address, Address::Inet(_)) {
            socket.set_tcp_nodelay(options.nodelay).map_err(ServerError::Socket)?;
        }
        Ok(Self { _file: None, socket, address })
    }
}

/// Resolves all hosts concurrently. The addresses are unique, in the order of the hosts and of the resolver.
pub(super) async fn resolve(
    event_loop: &LoopHandle,
    lookups: Vec<Lookup>,
) -> Result<Vec<SocketAddr>, ServerError> {
    let start = |lookup| PendingLookup::Waiting(Box::pin(event_loop.getaddrinfo(lookup)));
    let mut pending: Vec<_> = lookups.into_iter().map(start).collect();
    poll_fn(|cx| {
        // Every lookup is polled, because a lookup starts with its first poll.
        let waiting =
            pending.iter_mut().filter_map(|pending| pending.poll(cx).is_pending().then_some(()));
        if waiting.count() == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let mut addresses = Vec::new();
    for answer in pending {
        let PendingLookup::Answered(answer) = answer else { continue };
        for found in answer.map_err(ServerError::Resolve)? {
            if !addresses.contains(&found.address) {
                addresses.push(found.address);
            }
        }
    }
    Ok(addresses)
}

type Answer = Result<Vec<AddrInfo>, ResolveError>;

enum PendingLookup<F> {
    Waiting(Pin<Box<F>>),
    Answered(Answer),
}

impl<F: Future<Output = Answer>> PendingLookup<F> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Waiting(future) = self {
            *self = Self::Answered(std::task::ready!(future.as_mut().poll(cx)));
        }
        Poll::Ready(())
    }
}

/// Binds all addresses that are available on this host.
pub(super) fn bind_all(
    mut addresses: Vec<SocketAddr>,
    options: &ListenOptions,
) -> Result<BoundSockets, ServerError> {
    if !options.v6_only {
        // A dual-stack socket is bound first, because any socket bound before would occupy its port.
        addresses.sort_by_key(|address| !is_dual_stack(address));
    }
    for _ in 1..MAX_SAME_PORT_TRIES {
        match bind_each(&addresses, options) {
            // The sockets bound so far are closed by now, and the kernel chooses another port.
            Err(refused) if options.same_port && is_collision(&refused, &addresses) => {}
            result => return finish(result),
        }
    }
    finish(bind_each(&addresses, options))
}

/// Whether the address is `::`, which also receives IPv4 connections without `IPV6_V6ONLY`.
fn is_dual_stack(address: &SocketAddr) -> bool {
    address.is_ipv6() && address.ip().is_unspecified()
}

fn finish(result: Result<BoundSockets, BindError>) -> Result<BoundSockets, ServerError> {
    let bounds = result?;
    if bounds.sockets.is_empty() {
        return Err(ServerError::NoneAvailable(bounds.skipped));
    }
    for skipped in &bounds.skipped {
        log::warn!("skipped: {skipped}");
    }
    Ok(bounds)
}

/// Whether the port that the kernel chose for one address is in use on another.
fn is_collision(refused: &BindError, addresses: &[SocketAddr]) -> bool {
    let is_chosen = |refused: SocketAddr| {
        let chosen = SocketAddr::new(refused.ip(), 0);
        addresses.iter().any(|wanted| wanted.ip() == chosen.ip() && wanted.port() == 0)
            && refused.port() != 0
    };
    refused.error.raw_os_error() == Some(libc::EADDRINUSE)
        && refused.address.as_inet().is_some_and(is_chosen)
}

fn bind_each(addresses: &[SocketAddr], options: &ListenOptions) -> Result<BoundSockets, BindError> {
    let mut bounds = BoundSockets::default();
    for wanted in addresses {
        let covers_ipv4 =
            |bound: &BoundSocket| bound.address.as_inet().is_some_and(|it| is_dual_stack(&it));
        if !options.v6_only && wanted.is_ipv4() && bounds.sockets.iter().any(covers_ipv4) {
            continue;
        }
        let mut address = *wanted;
        let chosen = bounds.sockets.first().and_then(|first: &BoundSocket| first.address.as_inet());
        if let (true, 0, Some(chosen)) = (options.same_port, wanted.port(), chosen) {
            address.set_port(chosen.port());
        }
        match bind(address, options) {
            Ok(bound) => bounds.sockets.push(bound),
            Err(error) if error.is_unavailable() => bounds.skipped.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok(bounds)
}

fn bind(to: SocketAddr, options: &ListenOptions) -> Result<BoundSocket, BindError> {
    let address = Address::from(to);
    let kind = Type::STREAM.nonblocking();
    let socket = Socket::new(Domain::for_address(to), kind, Some(Protocol::TCP))
        .map_err(BindError::at(Phase::Socket, &address))?;
    options.apply(&socket, to).map_err(BindError::at(Phase::Options, &address))?;
    let local = socket.bind(&to.into()).and_then(|()| socket.local_addr());
    let local = local.map_err(BindError::at(Phase::Bind, &address))?;
    Ok(BoundSocket { _file: None, socket, address: Address::of(&local).unwrap_or(address) })
}

impl ListenOptions {
    fn apply(&self, socket: &Socket, to: SocketAddr) -> std::io::Result<()> {
        socket.set_reuse_address(self.reuse_address)?;
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if to.is_ipv6() {
            socket.set_only_v6(self.v6_only)?;
        }
        if let Some(keep_alive) = self.keep_alive {
            keep_alive.set(socket)?;
        }
        socket.set_tcp_nodelay(self.nodelay)
    }
}
