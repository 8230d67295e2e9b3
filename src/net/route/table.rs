//! Entries of the routing tables.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteType, RouteVia};

use super::lookup::{ip, kind};
use super::netlink::{Request, ask, family};
use super::{RouteKind, RoutePrefix};

/// The narrowest entry of this kind that has the address.
///
/// The kernel sends entries of this kind only, because a table may have a million others.
pub(super) fn entry_of(of_kind: RouteKind, to: IpAddr) -> io::Result<Option<RoutePrefix>> {
    let mut request = RouteMessage::default();
    request.header.address_family = family(to);
    request.header.kind = match of_kind {
        RouteKind::Blackhole => RouteType::BlackHole,
        RouteKind::Prohibit => RouteType::Prohibit,
        _ => RouteType::Unreachable,
    };
    let answers = ask(RouteNetlinkMessage::GetRoute(request), Request::Dump)?;
    let entries = answers.into_iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewRoute(entry) if kind(entry.header.kind) == of_kind => Some(entry),
        _ => None,
    });
    let networks = entries.map(|entry| prefix(&entry, to)).filter(|network| network.contains(to));
    Ok(networks.max_by_key(|network| network.length))
}

/// Network of an entry; a default route has no attribute for it.
fn prefix(entry: &RouteMessage, to: IpAddr) -> RoutePrefix {
    let unspecified: IpAddr = match to {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let address = entry.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(address) => ip(address),
        _ => None,
    });
    let length = entry.header.destination_prefix_length;
    RoutePrefix { address: address.unwrap_or(unspecified), length }
}

/// Gateway of the other family (RFC 8950).
pub(super) fn via(via: &RouteVia) -> Option<IpAddr> {
    match via {
        RouteVia::Inet(ip) => Some((*ip).into()),
        RouteVia::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}
