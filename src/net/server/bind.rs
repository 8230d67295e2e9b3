//! From hosts to bound sockets.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::{Domain, Protocol, Socket, Type};

use super::error::{BindError, ServerError};
use super::unix::SocketFile;
use crate::event_loop::LoopHandle;
use crate::net::socket::prepare_stream;
use crate::net::{AddrInfo, Address, Keepalive, Lookup, Phase, ResolveError};

/// How often a port is given back because another family has it already, before that is an error. With half
/// of all ports taken, one in four thousand million servers would still not find one.
const SAME_PORT_TRIES: usize = 32;

/// How every IP socket of a server is made.
#[derive(Debug, Clone)]
pub(super) struct SocketRules {
    pub(super) reuse_address: bool,
    pub(super) reuse_port: bool,
    pub(super) v6_only: bool,
    pub(super) same_port: bool,
    /// The kernel hands these two on to accepted sockets.
    pub(super) nodelay: bool,
    pub(super) keep_alive: Option<Keepalive>,
}

/// A socket that can be listened on. Fields drop in order: the file before the socket.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) _file: Option<SocketFile>,
    pub(super) socket: Socket,
    pub(super) address: Address,
}

/// What could be bound, and what was passed over.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    pub(super) bound: Vec<Bound>,
    pub(super) skipped: Vec<BindError>,
}

impl Bound {
    /// A socket of someone else's. Its file, if it has one, is someone else's as well.
    pub(super) fn adopt(socket: OwnedFd, rules: &SocketRules) -> Result<Self, ServerError> {
        let socket = Socket::from(socket);
        prepare_stream(&socket).map_err(ServerError::Socket)?;
        let address = socket.local_addr().map_err(ServerError::Socket)?;
        let neither = || std::io::Error::other("the socket is neither of IP nor of Unix");
        let address = Address::of(&address).ok_or_else(|| ServerError::Socket(neither()))?;
        if matches!(address, Address::Inet(_)) {
            socket.set_tcp_nodelay(rules.nodelay).map_err(ServerError::Socket)?;
        }
        Ok(Self { _file: None, socket, address })
    }
}

/// The addresses of all hosts, in the order of the hosts and of the resolver, each once. The hosts are asked
/// about all at once.
pub(super) async fn resolve(
    event_loop: &LoopHandle,
    lookups: Vec<Lookup>,
) -> Result<Vec<SocketAddr>, ServerError> {
    let ask = |lookup| Asked::Waiting(Box::pin(event_loop.getaddrinfo(lookup)));
    let mut asked: Vec<_> = lookups.into_iter().map(ask).collect();
    poll_fn(|cx| {
        // Every one is polled, or only the first lookup would be under way.
        let waiting =
            asked.iter_mut().filter_map(|asked| asked.poll(cx).is_pending().then_some(()));
        if waiting.count() == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let mut addresses = Vec::new();
    for answer in asked {
        let Asked::Answered(answer) = answer else { continue };
        for found in answer.map_err(ServerError::Resolve)? {
            if !addresses.contains(&found.address) {
                addresses.push(found.address);
            }
        }
    }
    Ok(addresses)
}

type Answer = Result<Vec<AddrInfo>, ResolveError>;

enum Asked<F> {
    Waiting(Pin<Box<F>>),
    Answered(Answer),
}

impl<F: Future<Output = Answer>> Asked<F> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Waiting(future) = self {
            *self = Self::Answered(std::task::ready!(future.as_mut().poll(cx)));
        }
        Poll::Ready(())
    }
}

/// Binds all that is available.
pub(super) fn bind_all(
    mut addresses: Vec<SocketAddr>,
    rules: &SocketRules,
) -> Result<Bounds, ServerError> {
    if !rules.v6_only {
        // What takes both families goes first: it finds its port taken by anything bound before.
        addresses.sort_by_key(|address| !takes_both(address));
    }
    for _ in 1..SAME_PORT_TRIES {
        match bind_each(&addresses, rules) {
            // The sockets bound so far are closed by now, and the kernel's next choice is another one.
            Err(refused) if rules.same_port && is_collision(&refused, &addresses) => {}
            result => return finish(result),
        }
    }
    finish(bind_each(&addresses, rules))
}

/// Of an IPv6 socket that is not for IPv6 only.
fn takes_both(address: &SocketAddr) -> bool {
    address.is_ipv6() && address.ip().is_unspecified()
}

fn finish(result: Result<Bounds, BindError>) -> Result<Bounds, ServerError> {
    let bounds = result?;
    if bounds.bound.is_empty() {
        return Err(ServerError::NoneAvailable(bounds.skipped));
    }
    for skipped in &bounds.skipped {
        log::warn!("skipped: {skipped}");
    }
    Ok(bounds)
}

/// Whether a port that the kernel chose for one address is taken on another.
fn is_collision(refused: &BindError, addresses: &[SocketAddr]) -> bool {
    let is_ours = |refused: SocketAddr| {
        let chosen = SocketAddr::new(refused.ip(), 0);
        addresses.iter().any(|wanted| wanted.ip() == chosen.ip() && wanted.port() == 0)
            && refused.port() != 0
    };
    refused.error.raw_os_error() == Some(libc::EADDRINUSE)
        && refused.address.as_inet().is_some_and(is_ours)
}

fn bind_each(addresses: &[SocketAddr], rules: &SocketRules) -> Result<Bounds, BindError> {
    let mut bounds = Bounds::default();
    for wanted in addresses {
        let takes_all = |bound: &Bound| bound.address.as_inet().is_some_and(|it| takes_both(&it));
        if !rules.v6_only && wanted.is_ipv4() && bounds.bound.iter().any(takes_all) {
            continue;
        }
        let mut address = *wanted;
        let chosen = bounds.bound.first().and_then(|first: &Bound| first.address.as_inet());
        if let (true, 0, Some(chosen)) = (rules.same_port, wanted.port(), chosen) {
            address.set_port(chosen.port());
        }
        match bind(address, rules) {
            Ok(bound) => bounds.bound.push(bound),
            Err(error) if error.is_unavailable() => bounds.skipped.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok(bounds)
}

fn bind(to: SocketAddr, rules: &SocketRules) -> Result<Bound, BindError> {
    let address = Address::from(to);
    let kind = Type::STREAM.nonblocking();
    let socket = Socket::new(Domain::for_address(to), kind, Some(Protocol::TCP))
        .map_err(BindError::at(Phase::Socket, &address))?;
    rules.apply(&socket, to).map_err(BindError::at(Phase::Options, &address))?;
    let local = socket.bind(&to.into()).and_then(|()| socket.local_addr());
    let local = local.map_err(BindError::at(Phase::Bind, &address))?;
    Ok(Bound { _file: None, socket, address: Address::of(&local).unwrap_or(address) })
}

impl SocketRules {
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
