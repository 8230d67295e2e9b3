//! `connect --policy`: the rules of others.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::json::assert_valid;
use crate::support::{Dead, good, has_ipv6, run};

/// Races a silent IPv6 address and an IPv4 address that works.
fn race(args: &[&str]) -> Value {
    // The port may be taken on the other address.
    let pair = (0..16).find_map(|_| {
        let dead = Dead::new("[::1]");
        let listener = TcpListener::bind(("127.0.0.1", dead.address.port())).ok()?;
        Some((dead, listener))
    });
    let (dead, _listener) = pair.unwrap();
    let port = dead.address.port();
    let target = format!("h.test:{port}");
    let pins = ["--resolve", "h.test:::1,127.0.0.1", &target];
    let ran = run(&[&["connect", "--json"], args, &pins].concat());
    let document = ran.json();
    assert_valid(&document);
    document
}

/// When the second attempt began, in milliseconds since the first.
fn gap(document: &Value) -> f64 {
    let start = |number: usize| document["attempts"][number]["start_ms"].as_f64().unwrap();
    start(1) - start(0)
}

#[test]
fn race_t02_each_policy_has_its_delay() {
    if !has_ipv6() {
        return;
    }
    let cases = [
        ("hev3", 250.0),
        ("rfc8305", 250.0),
        ("asyncio", 250.0),
        ("curl", 200.0),
        ("curl-7.88", 200.0),
        ("node", 250.0),
        ("go", 300.0),
        ("firefox-nightly", 50.0),
        ("simultaneous", 0.0),
    ];
    for (policy, delay) in cases {
        let document = race(&["--policy", policy]);
        assert_eq!(document["selected"], 2, "{policy}: {document:#}");
        let gap = gap(&document);
        assert!(gap >= delay - 0.1, "{policy}: {gap}");
    }
    // The best of several has to be near.
    let best = |policy: &str| {
        let gaps = (0..5).map(|_| gap(&race(&["--policy", policy])));
        gaps.fold(f64::MAX, f64::min)
    };
    for (policy, delay) in [("curl", 200.0), ("simultaneous", 0.0)] {
        assert!(best(policy) < delay + 15.0, "{policy}");
    }
}

#[test]
fn race_t02_node_gives_an_attempt_up_where_others_let_it_go_on() {
    if !has_ipv6() {
        return;
    }
    let document = race(&["--policy", "node"]);
    let first = &document["attempts"][0];
    assert_eq!(first["result"], "canceled");
    let end = first["start_ms"].as_f64().unwrap() + first["duration_ms"].as_f64().unwrap();
    let next = document["attempts"][1]["start_ms"].as_f64().unwrap();
    assert!(end <= next + 0.5, "the first is closed before the second begins: {document:#}");
}

#[test]
fn race_t02_later_flags_override_a_policy() {
    if !has_ipv6() {
        return;
    }
    let gaps = [0; 3].map(|_| gap(&race(&["--policy", "go", "--happy-eyeballs=100ms"])));
    assert!(gaps.iter().all(|gap| *gap >= 100.0 - 0.1), "{gaps:?}");
    assert!(gaps.iter().any(|gap| *gap < 300.0), "the best of several: {gaps:?}");
    let began = Instant::now();
    let limited = ["--policy", "sequential", "--attempt-timeout", "300ms"];
    assert_eq!(race(&limited)["selected"], 2);
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[test]
fn an_unknown_policy_is_told_with_those_that_there_are() {
    let (_listener, address) = good("127.0.0.1");
    let ran = run(&["connect", "--policy", "netscape", &address.to_string()]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("hev3") && ran.stderr.contains("curl-7.88"), "{}", ran.stderr);
}
