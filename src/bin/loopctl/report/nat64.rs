//! NAT64: IPv6 addresses in which a network embeds IPv4 ones (RFC 6052), found by a well-known name (RFC 7050).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Report;

/// Name whose only addresses are `WELL_KNOWN`, so that an IPv6 address of it shows the prefix.
pub(crate) const NAME: &str = "ipv4only.arpa";

const WELL_KNOWN: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 0, 170), Ipv4Addr::new(192, 0, 0, 171)];

/// Lengths of a prefix (RFC 6052, section 2.2), in bytes.
const LENGTHS: [usize; 6] = [12, 8, 7, 6, 5, 4];

impl Report {
    /// Whether this network has NAT64, and what it makes of an address; `None` if that is not known.
    pub(crate) fn nat64_of(&self, ip: IpAddr) -> Option<Option<Ipv6Addr>> {
        let IpAddr::V4(ip) = ip else { return None };
        let known = self.surroundings.nat64.as_ref()?;
        Some(known.iter().find_map(|known| synthesized(*known, ip)))
    }
}

/// The address that embeds `ip` as `known` embeds the well-known address.
fn synthesized(known: Ipv6Addr, ip: Ipv4Addr) -> Option<Ipv6Addr> {
    let has = |length: &&usize| WELL_KNOWN.iter().any(|it| embed(known, *it, **length) == known);
    Some(embed(known, ip, *LENGTHS.iter().find(has)?))
}

fn embed(prefix: Ipv6Addr, ip: Ipv4Addr, length: usize) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets[..length].copy_from_slice(&prefix.octets()[..length]);
    // Because the ninth octet of an interface identifier is reserved, it stays zero.
    let places = (length..16).filter(|place| *place != 8);
    for (place, octet) in places.zip(ip.octets()) {
        octets[place] = octet;
    }
    octets.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_rfc_6052_section_2_4() {
        let ip = Ipv4Addr::new(192, 0, 2, 33);
        let examples = [
            ("2001:db8::", 4, "2001:db8:c000:221::"),
            ("2001:db8:100::", 5, "2001:db8:1c0:2:21::"),
            ("2001:db8:122::", 6, "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::", 7, "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::", 8, "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::", 12, "2001:db8:122:344::192.0.2.33"),
        ];
        for (prefix, length, expected) in examples {
            let (prefix, expected): (Ipv6Addr, Ipv6Addr) =
                (prefix.parse().unwrap(), expected.parse().unwrap());
            assert_eq!(embed(prefix, ip, length), expected);
            let known = embed(prefix, WELL_KNOWN[1], length);
            assert_eq!(synthesized(known, ip), Some(expected), "{prefix} {length}");
        }
        assert_eq!(synthesized("2001:db8::1".parse().unwrap(), ip), None);
    }
}
