//! IL and DNS-03 to DNS-10: what comes before the race, against vectors made by CPython's own functions.

use std::net::SocketAddr;

use loopctl::plan::{Family, Host, Policy, Port, SocketKind, interleave, literal};

/// `6a` and `6b` are of one family.
fn family(address: &&str) -> u8 {
    address.as_bytes()[0]
}

fn interleaved(addresses: &str, first: usize) -> String {
    interleave(addresses.split_whitespace(), first, family).join(" ")
}

#[test]
fn il_01_to_05_and_08_vectors() {
    let vectors: Vec<(String, usize, String)> =
        serde_json::from_str(include_str!("interleave.json")).unwrap();
    assert_eq!(vectors.len(), 55);
    for (addresses, first, expected) in vectors {
        assert_eq!(interleaved(&addresses, first), expected, "`{addresses}` by {first}");
    }
}

#[test]
fn il_05_an_empty_list_stays_empty() {
    assert_eq!(interleaved("", 2), "");
}

#[test]
fn il_06_a_race_interleaves_and_a_plain_policy_keeps_the_order() {
    let delay = std::time::Duration::from_millis(250);
    assert_eq!(Policy::happy_eyeballs(delay).interleave, 1);
    assert_eq!(Policy::default().interleave, 0);
    assert_eq!(Policy::default().connection_attempt_delay, None);
}

#[test]
fn il_07_the_resolver_decides_which_family_is_first() {
    assert_eq!(interleaved("4a 4b 6a", 1), "4a 6a 4b");
    assert_eq!(interleaved("6a 4a 4b", 1), "6a 4a 4b");
}

#[test]
fn il_09_duplicates_are_kept() {
    assert_eq!(interleaved("6a 6a 4a 4a", 1), "6a 4a 6a 4a");
}

/// Host, port, family, kind and protocol, and the address and protocol that come of them.
type Vector = (String, String, String, String, i32, Option<(SocketAddr, i32)>);

#[test]
fn dns_03_to_10_literal_vectors() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("literals.json")).unwrap();
    assert_eq!(vectors.len(), 162);
    assert_eq!(vectors.iter().filter(|vector| vector.5.is_some()).count(), 32);
    for (host, port, family, kind, proto, expected) in &vectors {
        let family = match family.as_str() {
            "4" => Family::Inet,
            "6" => Family::Inet6,
            _ => Family::Unspecified,
        };
        let kind = match kind.as_str() {
            "stream" => SocketKind::Stream,
            "dgram" => SocketKind::Datagram,
            _ => SocketKind::Any,
        };
        let (host, port): (Host, Port) = (host.as_str().into(), port.parse().unwrap());
        let found = literal(&host, &port, family, kind, *proto);
        assert_eq!(found, *expected, "{host} {port} {family:?} {kind:?} {proto}");
    }
}

#[test]
fn dns_04_a_kind_other_than_stream_or_datagram_needs_the_resolver() {
    let (host, port) = (Host::from("192.0.2.1"), Port::Number(80));
    for proto in [0, 6, 17] {
        assert_eq!(literal(&host, &port, Family::Unspecified, SocketKind::Any, proto), None);
    }
}

#[test]
fn dns_05_service_names_are_for_the_resolver() {
    for name in ["http", "x11-1", "z39.50"] {
        let port: Port = name.parse().unwrap();
        assert_eq!(port, Port::Service(name.to_owned()));
        let host = Host::from("192.0.2.1");
        assert_eq!(literal(&host, &port, Family::Unspecified, SocketKind::Stream, 0), None);
    }
}

#[test]
fn dns_06_invalid_ports_that_asyncio_accepts_are_refused() {
    for text in ["-1", "65536", "+5", " 6 ", "", "99999999999999999999", "8 0", "８０"] {
        assert!(text.parse::<Port>().is_err(), "`{text}`");
    }
    assert_eq!("65535".parse(), Ok(Port::Number(65535)));
    assert_eq!("0".parse(), Ok(Port::Number(0)));
}

#[test]
fn dns_07_a_zone_is_kept_for_the_resolver() {
    assert_eq!(Host::from("fe80::1%eth0"), Host::Name("fe80::1%eth0".to_owned()));
}

#[test]
fn dns_08_an_ipv6_literal_has_no_flow_and_no_scope() {
    let (host, port) = (Host::from("fe80::1"), Port::Number(80));
    let found = literal(&host, &port, Family::Inet6, SocketKind::Stream, 0);
    let Some((SocketAddr::V6(address), 6)) = found else { panic!("{found:?}") };
    assert_eq!((address.flowinfo(), address.scope_id()), (0, 0));
}

#[test]
fn dns_10_non_strict_addresses_are_names() {
    for text in ["1.2.3", "01.2.3.4", "0x7f.1", "[::1]", "1.2.3.4.", "::ffff:1.2.3", "1.2.3.4/8"] {
        assert_eq!(Host::from(text), Host::Name(text.to_owned()));
    }
}
