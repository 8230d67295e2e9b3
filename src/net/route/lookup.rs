//! The route that the kernel would take now.

use std::io;
use std::net::IpAddr;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};

use super::netlink::{Request, ask, family};
use super::{Route, RouteKind, interfaces, table};

/// Looks up the route of this host to an address, as `ip route get`; through an interface, if one is named.
///
/// ```
/// let route = loopctl::route_to([127, 0, 0, 1].into(), None)?;
/// assert_eq!(route.kind, loopctl::RouteKind::Local);
/// assert_eq!(route.interface.as_deref(), Some("lo"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The system's. A missing or rejecting route is no error, but a [`RouteKind`]. `ENODEV` if there is no such
/// interface.
pub fn route_to(to: IpAddr, interface: Option<&str>) -> io::Result<Route> {
    let index = interface.map(interfaces::index_of).transpose()?;
    match ask(RouteNetlinkMessage::GetRoute(request(to, index)), Request::One) {
        Ok(answers) => answers.into_iter().find_map(route).ok_or_else(unexpected),
        Err(error) => rejected(to, error),
    }
}

fn request(to: IpAddr, interface: Option<u32>) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(to);
    message.header.destination_prefix_length = if to.is_ipv4() { 32 } else { 128 };
    message.attributes.push(RouteAttribute::Destination(to.into()));
    message.attributes.extend(interface.map(RouteAttribute::Oif));
    message
}

fn route(answer: RouteNetlinkMessage) -> Option<Route> {
    let RouteNetlinkMessage::NewRoute(message) = answer else { return None };
    let mut route = Route {
        kind: kind(message.header.kind),
        gateway: None,
        interface: None,
        source: None,
        entry: None,
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Gateway(gateway) => route.gateway = ip(gateway),
            RouteAttribute::Via(via) => route.gateway = table::via(via),
            RouteAttribute::PrefSource(source) => route.source = ip(source),
            RouteAttribute::Oif(index) => route.interface = interfaces::name_of(*index),
            _ => {}
        }
    }
    Some(route)
}

/// Route of an address that the lookup rejects: its error is that of `connect(2)`.
fn rejected(to: IpAddr, error: io::Error) -> io::Result<Route> {
    let kind = match error.raw_os_error() {
        Some(libc::EINVAL) => RouteKind::Blackhole,
        Some(libc::EHOSTUNREACH) => RouteKind::Unreachable,
        Some(libc::EACCES) => RouteKind::Prohibit,
        Some(libc::ENETUNREACH) => RouteKind::None,
        _ => return Err(error),
    };
    let entry = match kind {
        RouteKind::None => None,
        kind => table::entry_of(kind, to)?,
    };
    Ok(Route { kind, gateway: None, interface: None, source: None, entry })
}

pub(super) fn kind(kind: RouteType) -> RouteKind {
    match kind {
        RouteType::Local => RouteKind::Local,
        RouteType::Broadcast | RouteType::Anycast | RouteType::Multicast => RouteKind::Broadcast,
        RouteType::BlackHole => RouteKind::Blackhole,
        RouteType::Unreachable => RouteKind::Unreachable,
        RouteType::Prohibit => RouteKind::Prohibit,
        _ => RouteKind::Unicast,
    }
}

pub(super) fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

fn unexpected() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer has no route")
}
