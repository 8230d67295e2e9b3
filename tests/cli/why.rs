//! `connect` says why: what had a part in it, and what it cost.

use std::net::TcpListener;

use serde_json::Value;

use crate::json::assert_valid;
use crate::name_server::{A, Act, Asked, NameServer, send};
use crate::support::{Dead, Ran, good, run, skipped};

/// A name server that takes so long, in milliseconds, to answer about IPv6: `None` is for ever.
fn late(v6: Option<u64>) -> NameServer {
    NameServer::new(move |asked: &Asked| match (asked.kind, v6) {
        (A, _) => send(asked.answer().a(60, [127, 0, 0, 1])),
        (_, Some(ms)) => {
            let wait = Act::Wait(std::time::Duration::from_millis(ms));
            [wait].into_iter().chain(send(asked.answer().aaaa(60, "::1"))).collect()
        }
        (_, None) => Vec::new(),
    })
}

fn connect(server: &NameServer, args: &[&str]) -> Ran {
    let server = server.address.to_string();
    run(&[&["connect", "--server", server.as_str()], args].concat())
}

fn document(server: &NameServer, args: &[&str]) -> Value {
    let document = connect(server, &[&["--json"], args].concat()).json();
    assert_valid(&document);
    document
}

fn ms(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn why_t15_an_answer_that_never_came_has_the_blame() {
    let (_listener, address) = good("127.0.0.1");
    let target = format!("host.test:{}", address.port());
    let found = document(&late(None), &[&target]);
    let why = &found["why"][0];
    assert_eq!((&why["kind"], &why["query"]), (&"late_answer".into(), &"AAAA".into()), "{found:#}");
    assert!(
        why["message"]
            .as_str()
            .unwrap()
            .starts_with("v4 because AAAA had no answer within 50 ms of A")
    );
    assert!(ms(&why["cost_ms"]) >= 49.0, "{why:#}");
    assert!(ms(&found["he_cost_ms"]) >= ms(&why["cost_ms"]));
    assert!(ms(&found["cost_ms"]) < 49.0, "no address was waited for: {found:#}");
    // Nobody waited for it any more: that is no timeout.
    let query = &found["resolve"]["queries"][0];
    assert_eq!((&query["type"], &query["result"]), (&"AAAA".into(), &"canceled".into()));
    assert_eq!(query["error"], Value::Null);
    let ran = connect(&late(None), &[&target]);
    assert!(ran.stdout.contains(" + wait for AAAA 5"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains(
            "  why      v4 because AAAA had no answer within 50 ms of A (Resolution Delay)"
        )
    );
    assert!(
        ran.stdout.contains("no answer before the connection was established"),
        "{}",
        ran.stdout
    );
}

#[test]
fn why_t12_an_answer_that_was_waited_for_is_told_with_its_time() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        return skipped("IPv6");
    };
    let target = format!("host.test:{}", listener.local_addr().unwrap().port());
    let server = late(Some(200));
    let found = document(&server, &["--resolution-delay=5s", &target]);
    let why = &found["why"][0];
    assert_eq!((&why["kind"], &why["query"]), (&"waited".into(), &"AAAA".into()), "{found:#}");
    assert_eq!(found["attempts"][0]["family"], "ipv6");
    assert!(ms(&why["cost_ms"]) >= 190.0, "{why:#}");
}

#[test]
fn race_r5_a_cost_that_is_too_much_counts_answers_as_well() {
    let (_listener, address) = good("127.0.0.1");
    let target = format!("host.test:{}", address.port());
    let ran = connect(&late(None), &["--max-cost=20ms", &target]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    let (_, cost) = ran.stderr.split_once("--max-cost: waiting cost ").expect(&ran.stderr);
    let (cost_ms, _) = cost.split_once(" ms").expect(cost);
    assert!(cost_ms.parse::<f64>().unwrap() >= 50.0, "the Resolution Delay: {cost}");
    assert_eq!(connect(&late(None), &["--max-cost=5s", &target]).code, Some(0));
}

#[test]
fn why_a_first_address_that_wins_needs_no_words() {
    let (_listener, address) = good("127.0.0.1");
    let ran = run(&["connect", &address.to_string()]);
    assert!(!ran.stdout.contains("why"), "{}", ran.stdout);
    let found = run(&["connect", "--json", &address.to_string()]).json();
    assert_eq!((&found["why"], &found["selected"]), (&Value::Array(Vec::new()), &1.into()));
}

#[test]
fn why_t02_the_parts_of_the_total_add_up_to_it() {
    let dead = Dead::new("127.0.0.1");
    let port = dead.address.port();
    let _good = TcpListener::bind(("127.0.0.3", port)).unwrap();
    let target = format!("host.test:{port}");
    let pins = "host.test:127.0.0.1,127.0.0.2,127.0.0.3";
    for _ in 0..3 {
        let ran = run(&["connect", "--happy-eyeballs=100ms", "--resolve", pins, &target]);
        let line = ran.stdout.lines().find(|line| line.starts_with("  total ")).unwrap();
        let numbers: Vec<f64> =
            line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let (total, parts) = numbers.split_first().unwrap();
        let sum: f64 = parts.iter().sum();
        assert!((sum - total).abs() < 0.0501, "{line}");
        let why: Vec<&str> =
            ran.stdout.lines().skip_while(|it| !it.starts_with("  why ")).collect();
        let silent = why[0].strip_prefix("  why      `127.0.0.1` silent for ").expect(&ran.stdout);
        let (silent_ms, _) = silent.split_once(" ms").expect(silent);
        assert!(silent_ms.parse::<f64>().unwrap() >= 100.0, "{silent}");
        // A busy host may have a line between them.
        let refused = |line: &&str| line.starts_with("           `127.0.0.2` refused after ");
        assert!(why.iter().copied().any(|line| refused(&line)), "{}", ran.stdout);
    }
    let found = run(&["connect", "--json", "--resolve", pins, &target]).json();
    assert_valid(&found);
    // Delays of a busy host are no cost of the race.
    let is_of_race = |why: &&Value| why["kind"] != "late_start" && why["kind"] != "late_end";
    let race = found["why"].as_array().unwrap().iter().filter(is_of_race);
    let blamed: f64 = race.map(|why| ms(&why["cost_ms"])).sum();
    assert!((blamed - ms(&found["he_cost_ms"])).abs() < 5.0, "all of it has its blame: {found:#}");
}

#[test]
fn race_r6_a_loser_says_where_it_came_from_with_v() {
    let dead = Dead::new("127.0.0.1");
    let port = dead.address.port();
    let _good = TcpListener::bind(("127.0.0.2", port)).unwrap();
    let target = format!("host.test:{port}");
    let args = ["--resolve", "host.test:127.0.0.1,127.0.0.2", "--happy-eyeballs=1500ms", &target];
    let ran = run(&[&["connect", "-v"], &args[..]].concat());
    assert!(ran.stderr.contains("#1 given up, from 127.0.0.1:"), "{}", ran.stderr);
    assert!(ran.stderr.contains(", SYN resent 1\n"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("#2 127.0.0.2:") && ran.stderr.contains(" started, no answer yet\n")
    );
    assert!(ran.stdout.contains("no answer, SYN resent 1"), "{}", ran.stdout);
}
