//! Causes in this host: routes, interfaces, addresses, ports.

use serde_json::Value;

use crate::hosts::{Ran, in_network};

/// An interface with a link, and addresses of both families.
const LINK: &str = "
ip link add v0 type veth peer name v1
ip address add 10.7.0.1/24 dev v0
ip -6 address add fd07::1/64 dev v0 nodad
ip link set v0 up
ip link set v1 up
";

fn connect(change: &str, args: &[&str]) -> Option<(Ran, Value)> {
    let args = [&["--json", "--timeout", "500ms"], args].concat();
    let ran = in_network(&format!("{LINK}\n{change}"), &args)?;
    let document = ran.json();
    Some((ran, document))
}

fn has_kind(document: &Value, kind: &str) -> bool {
    document["why"].as_array().unwrap().iter().any(|why| why["kind"] == kind)
}

#[test]
fn netns_each_kind_of_rejecting_route_is_named_with_its_entry() {
    for (kind, network, target) in [
        ("blackhole", "192.0.2.0/24", "192.0.2.1:443"),
        ("unreachable", "198.51.100.0/25", "198.51.100.1:443"),
        ("prohibit", "203.0.113.7/32", "203.0.113.7:443"),
        ("blackhole", "2001:db8:1::/48", "[2001:db8:1::1]:443"),
        ("unreachable", "2001:db8:2::/64", "[2001:db8:2::1]:443"),
        ("prohibit", "2001:db8:3::/64", "[2001:db8:3::1]:443"),
    ] {
        let family = if target.starts_with('[') { "-6" } else { "-4" };
        let change = format!("ip {family} route add {kind} {network}");
        let Some((ran, document)) = connect(&change, &[target]) else { return };
        assert_eq!(ran.status, Some(7));
        let route = &document["attempts"][0]["route"];
        assert_eq!((&route["kind"], &route["entry"]), (&kind.into(), &network.into()));
        assert!(ran.stderr.contains(&format!("{kind} {network}")), "{}", ran.stderr);
    }
}

#[test]
fn netns_a_route_to_loopback_is_no_silent_target() {
    let change = "ip route add 192.0.2.0/24 dev lo";
    let Some((_, document)) = connect(change, &["192.0.2.1:80"]) else { return };
    assert!(has_kind(&document, "wrong_route"), "{document:#}");
    // Its rival: the same silence, and a route that leaves this host.
    let change = "ip route add 192.0.2.0/24 dev v0";
    let Some((_, document)) = connect(change, &["192.0.2.1:80"]) else { return };
    assert!(!has_kind(&document, "wrong_route"), "{document:#}");
}

#[test]
fn netns_an_interface_without_carrier_is_named() {
    let Some((_, document)) = connect("ip link set v1 down", &["10.7.0.9:80"]) else { return };
    assert!(has_kind(&document, "interface_down"), "{document:#}");
}

#[test]
fn netns_no_address_and_no_route_are_two_things() {
    let Some((_, document)) = connect("ip link delete v0", &["192.0.2.1:80"]) else { return };
    assert!(has_kind(&document, "no_address"), "{document:#}");
    let Some((_, document)) = connect("", &["192.0.2.1:80"]) else { return };
    assert!(!has_kind(&document, "no_address"), "{document:#}");
    assert_eq!(document["attempts"][0]["route"]["kind"], "none");
}

#[test]
fn netns_a_missing_interface_and_a_missing_source_list_what_there_is() {
    let Some((ran, document)) = connect("", &["-I", "nosuch", "10.7.0.1:80"]) else { return };
    assert!(has_kind(&document, "no_interface"), "{document:#}");
    let hint = document["hint"].as_str().unwrap();
    assert!(hint.contains("`lo`") && hint.contains("`v0`"), "{hint} {}", ran.stderr);
    assert_eq!(document["attempts"][0]["error"]["name"], "ENODEV");
    let Some((ran, document)) = connect("", &["--source", "10.9.9.9", "10.7.0.1:80"]) else {
        return;
    };
    assert!(has_kind(&document, "not_own_address"), "{document:#}");
    assert!(document["hint"].as_str().unwrap().contains("10.7.0.1"), "{}", ran.stderr);
}

/// The range is a single port, which a connection to port 9000 uses; 9001 listens as well.
const ONE_PORT: &str = "
        sysctl -qw net.ipv4.ip_local_port_range='50000 50000'
        \"$1\" serve --mode discard -q 127.0.0.1:9000 127.0.0.1:9001 &
        for _ in $(seq 200); do ss -Htln | grep -q ':9001' && break; sleep 0.05; done
        { sleep 60 | \"$1\" connect -q --relay 127.0.0.1:9000 & } >/dev/null
        for _ in $(seq 200); do ss -Htn | grep -q ESTAB && break; sleep 0.05; done";

#[test]
fn netns_used_up_ports_are_no_missing_route() {
    for args in [&["127.0.0.1:9000"][..], &["--source", "127.0.0.1", "127.0.0.1:9000"]] {
        let Some((ran, document)) = connect(ONE_PORT, args) else { return };
        assert_eq!(ran.status, Some(7), "{}", ran.stderr);
        assert!(has_kind(&document, "no_free_port"), "{document:#}");
        let ports = &document["surroundings"]["local_ports"];
        assert_eq!((&ports["first"], &ports["last"]), (&50000.into(), &50000.into()));
        let hint = document["hint"].as_str().unwrap();
        assert!(hint.contains("50000 to 50000"), "{hint}");
        assert!(!ran.stderr.contains("no route"), "{}", ran.stderr);
    }
    let args = ["--source", "127.0.0.1", "127.0.0.1:9001"];
    let Some((ran, document)) = connect(ONE_PORT, &args) else { return };
    assert_eq!(ran.status, Some(0), "another pair of ends is free: {}", ran.stderr);
    assert!(!has_kind(&document, "no_free_port"), "{document:#}");
    // Its rival has the same errno: there is no route.
    let Some((_, document)) = connect("ip -4 address flush dev v0", &["192.0.2.1:9000"]) else {
        return;
    };
    assert!(!has_kind(&document, "no_free_port"), "{document:#}");
}

/// Without a listener, the kernel may give the port that is asked for to the connection itself.
#[test]
fn netns_a_connection_to_itself_is_told_from_a_refusal() {
    let own = "sysctl -qw net.ipv4.ip_local_port_range='50000 50000'";
    let Some((ran, document)) = connect(own, &["127.0.0.1:50000"]) else { return };
    assert_eq!(ran.status, Some(7), "{}", ran.stderr);
    assert!(ran.stderr.contains("connected to itself"), "{}", ran.stderr);
    assert!(document["hint"].as_str().unwrap().contains("reached itself"), "{document:#}");
    let Some((ran, document)) = connect("", &["127.0.0.1:9"]) else { return };
    assert_eq!(ran.status, Some(7), "{}", ran.stderr);
    assert!(!ran.stderr.contains("itself"), "{}", ran.stderr);
    assert!(!document["hint"].as_str().unwrap().contains("itself"), "{document:#}");
}
