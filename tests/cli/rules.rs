//! The rules of `connect` where nothing is said, and what flags make of them.

use std::net::{Ipv4Addr, TcpListener};

use serde_json::{Value, json};

use crate::json::assert_valid;
use crate::support::{Dead, good, has_localhost, refusing, run};

fn document(args: &[&str]) -> Value {
    let ran = run(&[&["connect", "--json"], args].concat());
    let document = ran.json();
    assert_valid(&document);
    assert_eq!(document["exit_code"], ran.code.unwrap());
    document
}

fn policy(args: &[&str]) -> Value {
    let (_listener, address) = good("127.0.0.1");
    document(&[args, &[&address.to_string()]].concat())["policy"].clone()
}

#[test]
fn race_r4_happy_eyeballs_3_is_the_rule() {
    let found = policy(&[]);
    assert_eq!((&found["name"], &found["changed"]), (&"hev3".into(), &json!([])));
    let numbers =
        ["connection_attempt_delay_ms", "resolution_delay_ms", "min_connection_attempt_delay_ms"];
    assert_eq!(numbers.map(|name| found[name].as_f64()), [Some(250.0), Some(50.0), Some(10.0)]);
    assert_eq!((&found["max_parallel"], &found["max_addresses"]), (&6.into(), &16.into()));
}

#[test]
fn race_r4_what_flags_change_is_named() {
    let found = policy(&["--happy-eyeballs=100ms", "--resolution-delay=20ms", "--interleave=2"]);
    let changed = ["connection_attempt_delay_ms", "resolution_delay_ms", "interleave"];
    assert_eq!((&found["name"], &found["changed"]), (&"hev3".into(), &json!(changed)));
    // What is said as the policy has it changes nothing.
    assert_eq!(policy(&["--happy-eyeballs=250ms"])["changed"], json!([]));
    let found = policy(&["--happy-eyeballs=off"]);
    assert_eq!((&found["name"], &found["changed"]), (&"sequential".into(), &json!([])));
    assert_eq!(found["resolution_delay_ms"], Value::Null);
    let found = policy(&["--policy=curl", "--happy-eyeballs=off"]);
    let changed = ["connection_attempt_delay_ms", "interleave"];
    assert_eq!((&found["name"], &found["changed"]), (&"curl".into(), &json!(changed)));
}

#[test]
fn race_r4_the_rules_are_a_line_with_v() {
    let (_listener, address) = good("127.0.0.1");
    let ran = run(&["connect", "-v", &address.to_string()]);
    assert!(
        ran.stdout.contains("  policy   hev3 (CAD 250, RD 50, min CAD 10)\n"),
        "{}",
        ran.stdout
    );
    let ran = run(&["connect", "-v", "--happy-eyeballs=100ms", &address.to_string()]);
    assert!(ran.stdout.contains("  policy   hev3, changed (CAD 100, RD 50, min CAD 10)\n"));
    assert!(!run(&["connect", &address.to_string()]).stdout.contains("policy"));
}

/// A refusal starts the next attempt, but not within 10 ms of the packet that was refused.
#[test]
fn race_r5_starts_keep_their_distance() {
    let (_listener, address) = good("127.0.0.2");
    let target = format!("host.test:{}", address.port());
    let found = document(&["--resolve", "host.test:127.0.0.1,127.0.0.2", &target]);
    let start = |number: usize| found["attempts"][number]["start_ms"].as_f64().unwrap();
    assert!(start(1) - start(0) >= 10.0 - 0.002, "{found:#}");
    assert_eq!(found["attempts"][1]["reason"], "attempt_ended");
}

#[test]
fn race_r5_delays_outside_of_the_rfc_are_told() {
    let (_listener, address) = good("127.0.0.1");
    let address = address.to_string();
    let said = |args: &[&str]| run(&[&["connect"], args, &[address.as_str()]].concat());
    for args in [["--happy-eyeballs=50ms"], ["--happy-eyeballs=3s"]] {
        let ran = said(&args);
        assert_eq!(ran.stderr.matches("warning: ").count(), 1, "{}", ran.stderr);
        assert!(ran.stderr.contains("is outside 100ms to 2s (RFC 8305 section 8)"));
        assert_eq!(said(&[args[0], "-q"]).stderr, "");
    }
    for args in [["--happy-eyeballs=0"], ["--policy=simultaneous"]] {
        let ran = said(&args);
        assert_eq!(ran.code, Some(0));
        assert!(ran.stderr.contains("warning: all addresses at once"), "{}", ran.stderr);
    }
    for args in [["--happy-eyeballs=100ms"], ["--happy-eyeballs=2s"], ["--happy-eyeballs=off"]] {
        assert_eq!(said(&args).stderr, "", "{args:?}");
    }
    let ran = said(&["--happy-eyeballs=9ms"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("no delay under 10ms"), "{}", ran.stderr);
}

#[test]
fn race_r5_no_delay_is_all_at_once() {
    let dead = Dead::new("127.0.0.1");
    let port = dead.address.port();
    let others: Vec<_> =
        (2..=8).map(|last| Dead::on((Ipv4Addr::new(127, 0, 0, last), port).into())).collect();
    let _good = TcpListener::bind(("127.0.0.9", port)).unwrap();
    let pins = (1..=9).map(|last| format!("127.0.0.{last}")).collect::<Vec<_>>().join(",");
    let target = format!("host.test:{port}");
    let best = (0..5).map(|_| {
        let found =
            document(&["--resolve", &format!("host.test:{pins}"), "--happy-eyeballs=0", &target]);
        assert_eq!(found["selected"], 9, "more than six at a time: {found:#}");
        let start = |number: usize| found["attempts"][number]["start_ms"].as_f64().unwrap();
        start(8) - start(0)
    });
    // Starts are at least 10 ms apart otherwise.
    assert!(best.fold(f64::MAX, f64::min) < 80.0);
    drop(others);
}

/// More than six at a time, and more than sixteen of them. Without `--all`, those after the sixteenth wait until all
/// others have failed.
#[test]
fn all_probes_every_address() {
    let port = refusing("127.0.0.1").port();
    let pins = (1..=20).map(|last| format!("127.0.0.{last}")).collect::<Vec<_>>().join(",");
    let target = format!("host.test:{port}");
    let args = ["--resolve", &format!("host.test:{pins}"), &target];
    assert_eq!(document(&args)["attempts"].as_array().unwrap().len(), 20);
    let all = document(&[&["--all"], &args[..]].concat());
    assert_eq!(all["attempts"].as_array().unwrap().len(), 20);
    assert_eq!(all["policy"]["changed"], json!(["max_parallel", "max_addresses"]));
}

#[test]
fn race_r2_the_system_is_asked_for_each_family() {
    if !has_localhost() {
        return;
    }
    let (_listener, address) = good("127.0.0.1");
    let found = document(&[&format!("localhost:{}", address.port())]);
    let queries = found["resolve"]["queries"].as_array().unwrap();
    let rows: Vec<_> = queries.iter().map(|it| (&it["via"], &it["type"], &it["name"])).collect();
    let row = |record_type: &'static str| ["system", record_type, "localhost"].map(Value::from);
    let (v6, v4) = (row("AAAA"), row("A"));
    assert_eq!(rows, [(&v6[0], &v6[1], &v6[2]), (&v4[0], &v4[1], &v4[2])]);
    assert_eq!(
        (&queries[1]["result"], &queries[1]["answers"][0]["data"]),
        (&"answered".into(), &"127.0.0.1".into())
    );
    // One family, or rules that wait for both: one question.
    for (args, types) in [(["-4"], "A"), (["--happy-eyeballs=off"], "A,AAAA")] {
        let found = document(&[args[0], &format!("localhost:{}", address.port())]);
        let queries = found["resolve"]["queries"].as_array().unwrap();
        assert_eq!(queries.len(), 1);
        assert_eq!(
            (&queries[0]["type"], &queries[0]["result"]),
            (&types.into(), &"answered".into())
        );
    }
}

#[test]
fn race_t33_a_name_that_does_not_exist_has_two_rows_that_say_so() {
    let found = document(&["nosuchname.invalid:1"]);
    assert_eq!(found["exit_code"], 6);
    let queries = found["resolve"]["queries"].as_array().unwrap();
    assert_eq!(queries.len(), 2);
    assert!(
        queries.iter().all(|query| query["error"]["name"].as_str().unwrap().starts_with("EAI_"))
    );
}
