//! Root servers, where `--trace` begins.

use std::net::{IpAddr, SocketAddr};

use crate::report::trace::NamedServer;

/// Letter, IPv4 and IPv6 address of each `x.root-servers.net`, as IANA publishes them (named.root of 2023-11-27).
const ROOTS: [(char, &str, &str); 13] = [
    ('a', "198.41.0.4", "2001:503:ba3e::2:30"),
    ('b', "170.247.170.2", "2801:1b8:10::b"),
    ('c', "192.33.4.12", "2001:500:2::c"),
    ('d', "199.7.91.13", "2001:500:2d::d"),
    ('e', "192.203.230.10", "2001:500:a8::e"),
    ('f', "192.5.5.241", "2001:500:2f::f"),
    ('g', "192.112.36.4", "2001:500:12::d0d"),
    ('h', "198.97.190.53", "2001:500:1::53"),
    ('i', "192.36.148.17", "2001:7fe::53"),
    ('j', "192.58.128.30", "2001:503:c27::2:30"),
    ('k', "193.0.14.129", "2001:7fd::1"),
    ('l', "199.7.83.42", "2001:500:9f::42"),
    ('m', "202.12.27.33", "2001:dc3::35"),
];

pub(super) fn root_servers() -> Vec<NamedServer> {
    const PORT: u16 = 53;
    let servers = ROOTS.iter().flat_map(|(letter, v4, v6)| {
        let addresses = [v4.parse::<IpAddr>(), v6.parse()].into_iter().flatten();
        addresses.map(move |ip| NamedServer {
            name: Some(format!("{letter}.root-servers.net.")),
            address: SocketAddr::new(ip, PORT),
        })
    });
    servers.collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_address_can_be_read() {
        assert_eq!(super::root_servers().len(), 2 * super::ROOTS.len());
    }
}
