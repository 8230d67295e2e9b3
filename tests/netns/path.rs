//! `--path`: where packets end, behind two routers.

use serde_json::Value;

use crate::hosts::{Ran, behind_routers, has_nftables};

/// Addresses of the server and of the routers before it, by family.
const FAMILIES: [(&str, [&str; 2], &str); 2] = [
    ("10.0.3.9", ["10.0.1.1", "10.0.2.2"], "10.0.3.9:80"),
    ("fd00:3::9", ["fd00:1::1", "fd00:2::2"], "[fd00:3::9]:80"),
];

/// A server that listens on port 80 and is seen to.
const LISTENS: &str = "
on server \"$1\" serve --mode discard -q 10.0.3.9:80 '[fd00:3::9]:80' &
for _ in $(seq 200); do on server ss -Htln | grep -q ']:80' && break; sleep 0.05; done
";

fn path(change: &str, args: &[&str]) -> Option<(Ran, Value)> {
    let probes = if args.contains(&"--probes") { &[][..] } else { &["--probes", "1"] };
    let ran = behind_routers(change, &[&["--path", "--json"], probes, args].concat())?;
    let document = ran.json();
    assert_eq!(document["schema"], "loopctl.path.v1");
    assert_eq!(document["exit_code"], ran.status.unwrap());
    Some((ran, document))
}

fn hop(path: &Value, number: usize) -> &Value {
    let hop = &path["hops"][number - 1];
    assert_eq!(hop["hop"], number, "{path:#}");
    hop
}

/// The routers come before the target, and each answers for itself.
fn assert_routers(path: &Value, routers: &[&str]) {
    for (number, router) in routers.iter().enumerate() {
        let answer = &hop(path, number + 1)["answers"][0];
        assert_eq!(answer["ip"], *router, "{path:#}");
        assert_eq!(answer["kind"], "time_exceeded");
    }
}

#[test]
fn netns_a_closed_port_is_the_target_all_the_same() {
    for (ip, routers, target) in FAMILIES {
        let Some((ran, document)) = path("", &[target]) else { return };
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        let path = &document["paths"][0];
        assert_routers(path, &routers);
        assert_eq!(path["result"], "reached");
        assert_eq!((&path["last_hop"], &path["last_ip"]), (&3.into(), &ip.into()));
        assert_eq!(hop(path, 3)["answers"][0]["kind"], "refused");
        assert!(hop(path, 3)["rtt_min_ms"].as_f64().unwrap() > 0.0, "{path:#}");
    }
}

#[test]
fn netns_an_open_port_is_reached_by_its_syn_ack() {
    for (_, routers, target) in FAMILIES {
        let Some((ran, document)) = path(LISTENS, &[target]) else { return };
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        let path = &document["paths"][0];
        assert_routers(path, &routers);
        assert_eq!(hop(path, 3)["answers"][0]["kind"], "connected", "{path:#}");
        assert_eq!(path["hops"].as_array().unwrap().len(), 3, "nothing beyond the target");
    }
}

#[test]
fn netns_dropped_packets_end_after_the_last_router_that_answers() {
    if !has_nftables() {
        return;
    }
    for (_, routers, target) in FAMILIES {
        let change = "filter r2 forward tcp dport 80 drop";
        let Some((ran, document)) = path(change, &[target]) else { return };
        assert_eq!(ran.status, Some(28));
        let path = &document["paths"][0];
        assert_routers(path, &routers);
        assert_eq!((&path["result"], &path["last_hop"]), (&"silent".into(), &2.into()));
        assert_eq!(path["last_ip"], routers[1]);
        assert!(ran.stderr.contains(&format!("hop 2 (`{}`)", routers[1])), "{}", ran.stderr);
    }
}

#[test]
fn netns_a_rejection_is_that_of_its_sender() {
    if !has_nftables() {
        return;
    }
    for (ip, routers, target) in FAMILIES {
        let change = "filter r2 forward tcp dport 80 reject with icmpx admin-prohibited";
        let Some((ran, document)) = path(change, &[target]) else { return };
        assert_eq!(ran.status, Some(7));
        let path = &document["paths"][0];
        assert_eq!(path["result"], "rejected", "{path:#}");
        let answer = &hop(path, 3)["answers"][0];
        let code = if ip.contains(':') { (1, 1) } else { (3, 13) };
        assert_eq!(
            (&answer["icmp"]["type"], &answer["icmp"]["code"]),
            (&code.0.into(), &code.1.into())
        );
        assert!(ran.stderr.contains("administratively prohibited"), "{}", ran.stderr);
        assert_ne!(path["last_ip"], ip, "not the target's word");
        let _ = routers;
    }
}

#[test]
fn netns_a_router_that_never_answers_is_a_gap_and_no_end() {
    if !has_nftables() {
        return;
    }
    let change = "
        filter r1 output icmp type time-exceeded drop
        on r1 nft add rule inet t c icmpv6 type time-exceeded drop";
    for (ip, routers, target) in FAMILIES {
        let Some((ran, document)) = path(change, &[target]) else { return };
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        let path = &document["paths"][0];
        assert_eq!(hop(path, 1)["answers"].as_array().unwrap().len(), 0);
        assert_eq!(hop(path, 2)["answers"][0]["ip"], routers[1]);
        assert_eq!(path["last_ip"], ip);
    }
}

/// Its answers that are missing are no loss, and a late one is no slow router.
#[test]
fn netns_a_router_that_limits_its_errors_is_neither_slow_nor_the_end() {
    if !has_nftables() {
        return;
    }
    let change = "
        filter r1 output icmp type time-exceeded limit rate 1/minute burst 1 packets accept
        on r1 nft add rule inet t c icmp type time-exceeded drop";
    let Some((ran, document)) = path(change, &["--probes", "2", "10.0.3.9:80"]) else { return };
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let limited = hop(&document["paths"][0], 1);
    assert!(limited["sent"].as_u64().unwrap() >= 2, "{document:#}");
    assert_eq!(limited["answered"], 1, "{document:#}");
    assert!(
        limited["rtt_max_ms"].as_f64().unwrap() < 900.0,
        "no second is a round trip: {document:#}"
    );
    let args = ["--path", "--probes", "2", "10.0.3.9:80"];
    let Some(ran) = behind_routers(change, &args) else { return };
    assert!(ran.stdout.contains("routers limit their errors"), "{}", ran.stdout);
}

#[test]
fn netns_packets_that_go_in_a_circle_are_a_loop() {
    let change =
        "on r2 ip route add 10.9.0.0/16 via 10.0.2.1\non r1 ip route add 10.9.0.0/16 via 10.0.2.2";
    let args = ["--max-hops", "6", "10.9.0.1:80"];
    let Some((ran, document)) = path(change, &args) else { return };
    assert_eq!(document["paths"][0]["result"], "loop", "{document:#}");
    assert_eq!(ran.status, Some(7));
}

#[test]
fn netns_datagrams_find_the_same_path() {
    for (ip, routers, target) in FAMILIES {
        let Some((ran, document)) = path("", &["--udp", target]) else { return };
        assert_eq!(ran.status, Some(0), "{}", ran.stderr);
        let path = &document["paths"][0];
        assert_routers(path, &routers);
        assert_eq!(path["last_ip"], ip, "port unreachable is an answer of the target: {path:#}");
    }
}

#[test]
fn netns_the_timeout_ends_a_sweep_and_what_is_known_is_printed() {
    if !has_nftables() {
        return;
    }
    let change = "filter r2 forward tcp dport 80 drop";
    let args = ["--timeout", "400ms", "10.0.3.9:80"];
    let Some((ran, document)) = path(change, &args) else { return };
    assert_eq!(ran.status, Some(28));
    assert!(document["total_ms"].as_f64().unwrap() >= 400.0);
    assert_eq!(document["paths"][0]["complete"], false);
    assert_eq!(document["paths"][0]["last_hop"], 2);
}

#[test]
fn netns_both_families_and_every_row_fits_eighty_columns() {
    let args = ["--path", "--probes", "1", "--resolve", "t.test:10.0.3.9,fd00:3::9", "t.test:80"];
    let Some(ran) = behind_routers("", &args) else { return };
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("to 10.0.3.9:80") && ran.stdout.contains("to [fd00:3::9]:80"));
    for line in ran.stdout.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}
