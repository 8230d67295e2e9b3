//! What a place to listen means: hosts for a server, addresses for those who bind by themselves.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use loopctl::plan::{Family, Host, Port, SocketKind, Target};
use loopctl::{AddrInfoFlags, Lookup};

use super::refusal::{Refusal, not_resolved};
use super::session::Session;
use crate::config::Place;

const LOCALHOST: &str = "localhost";

impl Place {
    /// Where nothing else is said: a free port, on loopback only.
    pub(super) fn localhost() -> Self {
        let target = Target::Tcp(Host::from(LOCALHOST), Port::Number(0));
        Self { text: format!("{LOCALHOST}:0"), target, everywhere: false }
    }

    /// None for a Unix socket.
    pub(super) fn hosts(&self, family: Family) -> Vec<Host> {
        match &self.target {
            Target::Unix(_) => Vec::new(),
            // The empty name is every interface.
            Target::Tcp(..) if self.everywhere => vec![Host::from("")],
            Target::Tcp(Host::Name(name), _) if name == LOCALHOST => loopback(family),
            Target::Tcp(host, _) => vec![host.clone()],
        }
    }

    /// Whether IPv4 clients are to come to an IPv6 socket: only if that is all that was asked for.
    pub(super) fn takes_both_families(&self) -> bool {
        let unspecified = Host::Literal(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        !self.everywhere && matches!(&self.target, Target::Tcp(host, _) if *host == unspecified)
    }
}

/// Both families, whatever the hosts file has (RFC 6761, section 6.3).
fn loopback(family: Family) -> Vec<Host> {
    let both = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
    let wanted = both.into_iter().filter(|ip| family.admits(Family::of(ip)));
    wanted.map(Host::Literal).collect()
}

impl Session {
    /// The addresses of a place, each once.
    pub(super) async fn addresses_of(
        &self,
        place: &Place,
        kind: SocketKind,
    ) -> Result<Vec<SocketAddr>, Refusal> {
        let Target::Tcp(_, port) = &place.target else { return Ok(Vec::new()) };
        let family = self.request.listen.family;
        let mut addresses = Vec::new();
        for host in place.hosts(family) {
            let lookup = Lookup::new(host, port.clone()).family(family).kind(kind);
            let found = self.event_loop.getaddrinfo(lookup.flags(AddrInfoFlags::PASSIVE)).await;
            let found = found.map_err(|error| not_resolved(&place.text, &error))?;
            addresses.extend(found.into_iter().map(|info| info.address));
        }
        let mut seen = Vec::new();
        addresses.retain(|address| {
            !seen.contains(address) && {
                seen.push(*address);
                true
            }
        });
        Ok(addresses)
    }
}
