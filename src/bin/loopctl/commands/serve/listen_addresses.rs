//! Addresses of an ADDR argument: hosts for the library's servers, socket addresses for the other listeners.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use loopctl::plan::{Family, Host, Port, SocketKind, Target};
use loopctl::{AddrInfoFlags, Lookup, LoopHandle};

use super::refusal::{Refusal, not_resolved};
use crate::config::ListenSpec;

const LOCALHOST: &str = "localhost";

/// Limit of ports tried to find one that is free on all addresses of an ADDR.
pub(super) const MAX_PORT_TRIES: usize = 32;

impl ListenSpec {
    /// The default without an ADDR: a free port of localhost.
    pub(super) fn localhost() -> Self {
        let target = Target::Tcp(Host::from(LOCALHOST), Port::Number(0));
        Self { text: format!("{LOCALHOST}:0"), target, is_wildcard: false }
    }

    /// Hosts to bind; none for a Unix socket.
    pub(super) fn hosts(&self, family: Family) -> Vec<Host> {
        match &self.target {
            Target::Unix(_) => Vec::new(),
            // The library binds every interface for an empty name.
            Target::Tcp(..) if self.is_wildcard => vec![Host::from("")],
            Target::Tcp(Host::Name(name), _) if name == LOCALHOST => loopback(family),
            Target::Tcp(host, _) => vec![host.clone()],
        }
    }

    /// Whether one IPv6 socket serves IPv4 clients as well: only for `[::]`, as `:port` binds both families.
    pub(super) fn is_dual_stack(&self) -> bool {
        let unspecified = Host::Literal(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        !self.is_wildcard && matches!(&self.target, Target::Tcp(host, _) if *host == unspecified)
    }
}

/// Loopback addresses of localhost, whatever the hosts file says (RFC 6761, section 6.3).
fn loopback(family: Family) -> Vec<Host> {
    let both = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
    let wanted = both.into_iter().filter(|ip| family.admits(Family::of(ip)));
    wanted.map(Host::Literal).collect()
}

/// Resolves an ADDR to socket addresses, each once.
pub(super) async fn resolve(
    event_loop: &LoopHandle,
    spec: &ListenSpec,
    family: Family,
    kind: SocketKind,
) -> Result<Vec<SocketAddr>, Refusal> {
    let Target::Tcp(_, port) = &spec.target else { return Ok(Vec::new()) };
    let mut addresses = Vec::new();
    for host in spec.hosts(family) {
        let lookup = Lookup::new(host, port.clone()).family(family).kind(kind);
        let found = event_loop.getaddrinfo(lookup.flags(AddrInfoFlags::PASSIVE)).await;
        for info in found.map_err(|error| not_resolved(&spec.text, &error))? {
            if !addresses.contains(&info.address) {
                addresses.push(info.address);
            }
        }
    }
    Ok(addresses)
}
