//! Rejections: ICMP errors about attempts, by their senders.

use std::net::IpAddr;
use std::time::Duration;

use loopctl::IcmpError;

use super::findings::{Basis, FindingKind};
use crate::report::{Attempt, Outcome};

/// Shorter waits are not those of ARP or neighbour discovery, which ask several times (RFC 4861, section 10).
const MIN_DISCOVERY: Duration = Duration::from_millis(900);

/// An ICMPv6 error within connect(2) ends an attempt at its second SYN, which follows the first after a second.
const MIN_DISCOVERY_V6: Duration = Duration::from_millis(1500);

/// ICMP error that ended an attempt, with its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) icmp: IcmpError,
    pub(crate) source: Source,
}

/// Source of an ICMP error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A firewall of this host.
    OwnFirewall,
    /// This host, because the gateway of the route does not answer to ARP or neighbour discovery.
    SilentGateway(IpAddr),
    /// This host, because the address is on its own network and does not answer to ARP or neighbour discovery.
    SilentNeighbour,
    /// This host, for a reason that the evidence leaves open.
    ThisHost,
    /// The address that was tried.
    Target,
    /// Another address: a router.
    Router(IpAddr),
    /// The kernel has not kept the sender.
    Unknown,
}

/// The ICMP error that ended an attempt.
pub(crate) fn rejection(attempt: &Attempt) -> Option<Rejection> {
    let Outcome::Failure(..) = &attempt.outcome else { return None };
    let icmp = attempt.icmp?;
    let source = source(attempt, &icmp);
    // Because the kernel of the target refuses a datagram in this way, as it refuses TCP with a RST.
    let is_refusal =
        source == Source::Target && attempt.tcp.is_none() && is_port_unreachable(&icmp);
    (!is_refusal).then_some(Rejection { icmp, source })
}

fn source(attempt: &Attempt, icmp: &IcmpError) -> Source {
    let target = attempt.address.as_inet().map(|address| address.ip().to_canonical());
    // Because a closed UDP port is answered with this message, also by this host.
    let is_closed_port = attempt.tcp.is_none() && is_port_unreachable(icmp);
    match icmp.from {
        None => Source::Unknown,
        from if from == target && (is_closed_port || !icmp.is_from_this_host) => Source::Target,
        Some(_) if icmp.is_from_this_host => own_source(attempt, icmp),
        Some(from) => Source::Router(from),
    }
}

/// Part of this host that sent the error: the firewall, or the next hop's absence.
fn own_source(attempt: &Attempt, icmp: &IcmpError) -> Source {
    // Linux reports a next hop without an answer as "host unreachable" and "address unreachable".
    if (icmp.icmp_type, icmp.code) != if icmp.is_v6 { (1, 3) } else { (3, 1) } {
        return Source::OwnFirewall;
    }
    let min = if icmp.is_v6 { MIN_DISCOVERY_V6 } else { MIN_DISCOVERY };
    match &attempt.socket.route {
        _ if attempt.took < min => Source::ThisHost,
        Some(route) => route.gateway.map_or(Source::SilentNeighbour, Source::SilentGateway),
        None => Source::ThisHost,
    }
}

/// Whether the error is about the port, as ICMP 3/3 and ICMPv6 1/4.
pub(crate) fn is_port_unreachable(icmp: &IcmpError) -> bool {
    (icmp.icmp_type, icmp.code) == if icmp.is_v6 { (1, 4) } else { (3, 3) }
}

/// Whether the error says that a rule prohibits the packet.
pub(crate) fn is_prohibited(icmp: &IcmpError) -> bool {
    match icmp.is_v6 {
        true => icmp.icmp_type == 1 && matches!(icmp.code, 1 | 5 | 6),
        false => icmp.icmp_type == 3 && matches!(icmp.code, 9 | 10 | 13),
    }
}

/// Whether the hop limit was used up.
pub(crate) fn is_hop_limit(icmp: &IcmpError) -> bool {
    (icmp.icmp_type, icmp.code) == if icmp.is_v6 { (3, 0) } else { (11, 0) }
}

impl Rejection {
    /// Protocol, type and code: `ICMP 3/13`.
    pub(crate) fn code(&self) -> String {
        let IcmpError { icmp_type, code, .. } = self.icmp;
        format!("{} {icmp_type}/{code}", self.icmp.protocol())
    }

    /// Source and reason, in a sentence without the address that was tried.
    pub(crate) fn text(&self) -> String {
        let (code, meaning, arp) = (self.code(), self.icmp.meaning(), self.discovery());
        match self.source {
            Source::OwnFirewall => {
                format!("rejected by a firewall of this host: {meaning} ({code})")
            }
            Source::SilentGateway(gateway) => {
                format!("the gateway {gateway} of this host does not answer to {arp}")
            }
            Source::SilentNeighbour => {
                format!("no host on its network answers for that address ({arp})")
            }
            Source::ThisHost => format!(
                "rejected by this host: {meaning} ({code}); a firewall, or no answer to {arp}"
            ),
            Source::Target => format!("that address reported: {meaning} ({code})"),
            Source::Router(from) => format!("{from} reported: {meaning} ({code})"),
            Source::Unknown => format!("{meaning} ({code}), from an unknown sender"),
        }
    }

    /// The same for a table.
    pub(crate) fn short(&self) -> String {
        match self.source {
            Source::OwnFirewall => "rejected by own firewall".to_owned(),
            Source::SilentGateway(gateway) => format!("gateway {gateway} silent"),
            Source::SilentNeighbour => format!("no {} answer", self.discovery()),
            Source::ThisHost => format!("rejected by this host, {}", self.code()),
            Source::Target | Source::Unknown => format!("rejected, {}", self.code()),
            Source::Router(from) => format!("rejected by {from}, {}", self.code()),
        }
    }

    /// Protocol that finds the link address of a next hop.
    fn discovery(&self) -> &'static str {
        if self.icmp.is_v6 { "neighbour discovery" } else { "ARP" }
    }

    /// Kind of the finding, where the source decides it.
    pub(crate) fn kind(&self) -> Option<FindingKind> {
        match self.source {
            Source::OwnFirewall => Some(FindingKind::OwnFirewall),
            Source::SilentGateway(_) => Some(FindingKind::SilentGateway),
            Source::SilentNeighbour => Some(FindingKind::SilentNeighbour),
            _ => None,
        }
    }

    pub(crate) fn basis(&self) -> Basis {
        match self.source {
            Source::Target | Source::Router(_) | Source::Unknown => Basis::Fact,
            _ => Basis::Inference,
        }
    }

    /// Hint about the remedy, or the next step.
    pub(crate) fn hint(&self, attempt: &Attempt) -> Option<String> {
        let address = super::cause::ip_text(attempt);
        let (meaning, code) = (self.icmp.meaning(), self.code());
        Some(match self.source {
            Source::OwnFirewall => format!(
                "a firewall of this host rejects packets to `{address}`: `nft list ruleset` or `iptables -S` shows its rules"
            ),
            Source::SilentGateway(gateway) => format!(
                "the gateway {gateway} of this host does not answer to {}: see `ip neigh` and `ip route get {address}`",
                self.discovery()
            ),
            Source::SilentNeighbour => format!(
                "no host on that network has the address ({} got no reply)",
                self.discovery()
            ),
            Source::ThisHost => format!(
                "this host rejects it ({code}): see `nft list ruleset`, and `ip neigh` for a next hop without an answer"
            ),
            _ if is_hop_limit(&self.icmp) => hop_limit_hint(attempt, &self.icmp),
            Source::Router(from) if is_port_unreachable(&self.icmp) => format!(
                "{from} rejects it for `{address}` ({code}); it does not say whether the host is up"
            ),
            Source::Router(from) => {
                format!("{from} rejects packets to `{address}`: {meaning} ({code})")
            }
            Source::Target => {
                format!("`{address}` rejects it with {code} ({meaning}): a firewall there")
            }
            Source::Unknown => return None,
        })
    }
}

fn hop_limit_hint(attempt: &Attempt, icmp: &IcmpError) -> String {
    let from = icmp.from.map_or_else(|| "a router".to_owned(), |from| from.to_string());
    match attempt.socket.options.as_ref().and_then(|options| options.ttl) {
        Some(ttl) => format!("the hop limit of {ttl} (--ttl) ends at {from}"),
        None => format!("the hop limit was used up at {from}: a routing loop, or a very long path"),
    }
}
