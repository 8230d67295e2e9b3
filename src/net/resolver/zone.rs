//! Zones of IPv6 addresses: RFC 4007 section 11.

use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketType, socket};

/// Index of a zone: the name of an interface, or a number. `None` if this host has no such interface.
///
/// A number is returned as it is, as by getaddrinfo(3).
///
/// ```
/// use loopctl::interface_index;
///
/// assert_eq!(interface_index("7"), Some(7));
/// assert_eq!(interface_index("no such interface"), None);
/// ```
pub fn interface_index(zone: &str) -> Option<u32> {
    if let Ok(index) = zone.parse() {
        return Some(index);
    }
    // Any socket does; those of Unix need no network.
    let any = socket(AddressFamily::UNIX, SocketType::DGRAM, None).ok()?;
    name_to_index(&any, zone).ok()
}
