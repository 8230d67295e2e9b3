//! Network interfaces of this host, with their state and addresses.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use rustix::net::{self, SocketFlags, SocketType, netdevice};

use super::netlink::{Request, ask};

/// Network interface of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interface {
    /// Number of the interface, as in the zone of a link-local address.
    pub index: u32,
    /// Name, such as `eth0`.
    pub name: String,
    /// True if the interface is set up (`IFF_UP`).
    pub is_up: bool,
    /// True if the link works (`IFF_LOWER_UP`): the cable is plugged in.
    pub has_carrier: bool,
    /// Addresses of this host on the interface.
    pub addresses: Vec<IpAddr>,
}

/// Lists the interfaces of this host in the order of the kernel, as `ip address`.
///
/// ```
/// let interfaces = loopctl::interfaces()?;
/// assert!(interfaces.iter().any(|interface| interface.name == "lo"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The system's, where rtnetlink(7) is not available.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let links = ask(RouteNetlinkMessage::GetLink(LinkMessage::default()), Request::Dump)?;
    let mut interfaces: Vec<Interface> = links.into_iter().filter_map(interface).collect();
    let addresses = ask(RouteNetlinkMessage::GetAddress(AddressMessage::default()), Request::Dump)?;
    for (index, address) in addresses.into_iter().filter_map(address) {
        let of_index = interfaces.iter_mut().find(|interface| interface.index == index);
        if let Some(interface) = of_index {
            interface.addresses.push(address);
        }
    }
    Ok(interfaces)
}

fn interface(answer: RouteNetlinkMessage) -> Option<Interface> {
    let RouteNetlinkMessage::NewLink(link) = answer else { return None };
    let name = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    });
    Some(Interface {
        index: link.header.index,
        name: name?,
        is_up: link.header.flags.contains(LinkFlags::Up),
        has_carrier: link.header.flags.contains(LinkFlags::LowerUp),
        addresses: Vec::new(),
    })
}

/// Address with the number of its interface. The local end of a point-to-point link comes before its peer.
fn address(answer: RouteNetlinkMessage) -> Option<(u32, IpAddr)> {
    let RouteNetlinkMessage::NewAddress(message) = answer else { return None };
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(ip) => Some(*ip),
        _ => None,
    });
    let any = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(ip) => Some(*ip),
        _ => None,
    });
    Some((message.header.index, local.or(any)?))
}

/// Number of an interface.
pub(super) fn index_of(name: &str) -> io::Result<u32> {
    Ok(netdevice::name_to_index(any_socket()?, name)?)
}

/// Name of an interface.
pub(super) fn name_of(index: u32) -> Option<String> {
    netdevice::index_to_name(any_socket().ok()?, index).ok()
}

/// The descriptor that netdevice(7) needs; its kind does not matter.
fn any_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    Ok(net::socket_with(net::AddressFamily::UNIX, SocketType::DGRAM, flags, None)?)
}
