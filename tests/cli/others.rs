//! Clients that would have fared worse than the run.

use std::net::TcpListener;

use serde_json::Value;

use crate::json::assert_valid;
use crate::support::{Dead, good, run};

fn policies(others: &Value) -> Vec<&str> {
    let clients = others["clients"].as_array().unwrap();
    clients.iter().map(|client| client["policy"].as_str().unwrap()).collect()
}

#[test]
fn a_silent_address_before_the_winner_is_waited_for_by_others() {
    let dead = Dead::new("127.0.0.1");
    let port = dead.address.port();
    let _good = TcpListener::bind(("127.0.0.2", port)).unwrap();
    let (pins, target) = ("h.test:127.0.0.1,127.0.0.2", format!("h.test:{port}"));
    let ran = run(&["connect", "--happy-eyeballs=50ms", "--resolve", pins, &target]);
    let line = ran.stdout.lines().find(|line| line.starts_with("  others   ")).expect(&ran.stdout);
    assert!(line.contains(" s or more here: `--compare` shows each"), "{line}");
    let document =
        run(&["connect", "--happy-eyeballs=50ms", "--resolve", pins, "--json", &target]).json();
    assert_valid(&document);
    let others = &document["other_clients"];
    assert_eq!(
        (&others["cause"], &others["silent"][0]),
        (&"silent_address".into(), &"127.0.0.1".into())
    );
    // Two addresses of one family: those with a queue for each family wait, too.
    assert_eq!(policies(others), ["go", "sequential", "curl-7.88", "firefox"]);
    let least = |client: &Value| client["ms"].as_f64().unwrap() >= 1000.0;
    assert!(others["clients"].as_array().unwrap().iter().all(least), "{others:#}");
}

#[test]
fn where_nobody_waits_nothing_is_said() {
    let (_listener, address) = good("127.0.0.2");
    let port = address.port();
    for pins in ["h.test:127.0.0.2", "h.test:127.0.0.1,127.0.0.2"] {
        let ran = run(&["connect", "--json", "--resolve", pins, &format!("h.test:{port}")]);
        assert_eq!(ran.json()["other_clients"], Value::Null, "{pins}");
        let ran = run(&["connect", "--resolve", pins, &format!("h.test:{port}")]);
        assert!(!ran.stdout.contains("  others"), "{}", ran.stdout);
    }
}

#[test]
fn refusals_that_one_client_is_slow_about_are_told_with_its_time() {
    let (_listener, address) = good("127.0.0.9");
    let target = format!("h.test:{}", address.port());
    let pins = "h.test:127.0.0.2,127.0.0.3,127.0.0.4,127.0.0.9";
    let document = run(&["connect", "--json", "--resolve", pins, &target]).json();
    let others = &document["other_clients"];
    assert_eq!(policies(others), ["curl-7.88"], "two polls of 1 s, after the first at 200 ms");
    let after = others["clients"][0]["ms"].as_f64().unwrap();
    assert!((2200.0..2300.0).contains(&after), "{others:#}");
    assert_eq!(others["clients"][0]["outcome"], "success");
}

#[test]
fn all_addresses_are_tried_when_all_fail() {
    let (_listener, address) = good("127.0.0.1");
    let others: Vec<String> = (2..=40).map(|nth| format!("127.0.0.{nth}")).collect();
    let target = format!("h.test:{}", address.port());
    let pins = format!("h.test:{},127.0.0.1", others.join(","));
    let document = run(&["connect", "--json", "--resolve", &pins, &target]).json();
    assert_eq!((&document["exit_code"], &document["not_tried"]), (&0.into(), &0.into()));
    assert_eq!(document["attempts"].as_array().unwrap().len(), 40);
}

#[test]
fn addresses_that_were_not_tried_are_counted() {
    let dead = Dead::new("127.0.0.1");
    let port = dead.address.port();
    let pins = "h.test:127.0.0.1,127.0.0.2,127.0.0.3";
    let target = format!("h.test:{port}");
    let args = ["connect", "--happy-eyeballs=off", "--timeout=300ms", "--resolve", pins, &target];
    let ran = run(&args);
    assert_eq!(ran.code, Some(28));
    assert!(ran.stderr.contains("  caused by: 2 addresses were not tried\n"), "{}", ran.stderr);
    assert_eq!(run(&[&args[..], &["--json"]].concat()).json()["not_tried"], 2);
}
