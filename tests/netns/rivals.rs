//! Causes that look alike, side by side: each pair is told in different words, or both words name both.

use serde_json::Value;
use toml::Table;

use crate::bed::{Bed, text};
use crate::incidents::{Run, on_host, on_wire};

#[test]
fn netns_a_peer_that_resets_after_accepting_has_connected_each_time_and_one_that_refuses_has_not() {
    // How far the RST is behind the answer decides what connect(2) sees of it.
    for plan in ["reset:0", "reset:0", "reset:0", "reset:1", "reset:20"] {
        let Some(run) = on_wire(&[&format!("192.0.2.1={plan}")], &["192.0.2.1:80"]) else { return };
        assert_eq!(run.document["exit_code"], 0, "{plan}: {:#}", run.document);
        assert_eq!(run.attempt()["result"], "success", "{plan}");
        run.says("connected in");
        run.is_silent_about("refused");
    }
    let Some(refused) = on_wire(&["192.0.2.1=rst"], &["192.0.2.1:80"]) else { return };
    assert_eq!(refused.document["exit_code"], 7);
    assert_eq!(refused.attempt()["reset"], false);
    refused.is_silent_about("connected in");
}

#[test]
fn netns_a_reset_that_came_while_this_host_stood_still_is_a_connection_too() {
    let plan = ["192.0.2.1=stop-reset:100:300"];
    let Some(run) = on_wire(&plan, &["192.0.2.1:80"]) else { return };
    assert_eq!(run.document["exit_code"], 0, "{:#}", run.document);
    assert_eq!(run.attempt()["reset"], true);
    run.says("then reset");
}

/// A service whose accept queue is full for longer than the program runs, at port 9000 of this host.
const FULL_QUEUE: &str = r#"ready=$(mktemp -u); mkfifo $ready; python3 -c '
import socket, sys, time
listener = socket.create_server(("127.0.0.1", 9000), backlog=1)
fillers = [socket.socket() for _ in range(4)]
for filler in fillers:
    filler.setblocking(False)
    filler.connect_ex(("127.0.0.1", 9000))
print("full", flush=True)
time.sleep(8)' >$ready 2>/dev/null </dev/null & read _ <$ready; rm $ready"#;

/// A rule of this host that drops SYNs to the port without a word.
const DROPPED: &str = "nft 'add table inet t; add chain inet t i { type filter hook input priority 0; }' && \
     nft 'add rule inet t i tcp dport 9000 drop'";

#[test]
fn netns_a_full_accept_queue_of_this_host_a_drop_on_it_and_a_black_hole_are_three_things() {
    let arguments = ["--timeout", "1500ms", "127.0.0.1:9000"];
    let Some(full) = on_host(FULL_QUEUE, &arguments) else { return };
    let Some(dropped) = on_host(DROPPED, &arguments) else { return };
    let elsewhere = ["--timeout", "1500ms", "192.0.2.1:9000"];
    let Some(hole) = on_wire(&["192.0.2.1=drop"], &elsewhere) else { return };
    for run in [&full, &dropped, &hole] {
        assert_eq!(run.document["exit_code"], 28, "{:#}", run.document);
    }
    let evidence = full.why("accept_queue")["evidence"].to_string();
    assert!(evidence.contains("ListenOverflows rose by"), "{evidence}");
    assert!(
        full.hint().contains("accept queue") && full.hint().contains(":9000"),
        "{}",
        full.hint()
    );
    assert!(!full.hint().contains("firewall"), "{}", full.hint());
    assert!(dropped.why("dropped_here")["evidence"].to_string().contains("did not rise"));
    assert!(dropped.hint().contains("this host drops them"), "{}", dropped.hint());
    assert!(!dropped.hint().contains("accept queue is full"), "{}", dropped.hint());
    // Elsewhere, nothing tells one from the other.
    for rival in ["firewall", "host is down", "accept queue"] {
        assert!(hole.hint().contains(rival), "{}", hole.hint());
    }
    assert!(hole.hint().contains("--path 192.0.2.1:9000"), "{}", hole.hint());
    let kinds = |run: &Run| run.document["why"].to_string();
    assert!(!kinds(&hole).contains("accept_queue") && !kinds(&hole).contains("dropped_here"));
}

#[test]
fn netns_a_refusal_that_was_read_late_is_told_from_one_that_came_late() {
    let Some(late) = on_wire(&["192.0.2.1=stop-rst:100:600"], &["192.0.2.1:80"]) else { return };
    let Some(slow) = on_wire(&["192.0.2.1=slow-rst:600"], &["192.0.2.1:80"]) else { return };
    for run in [&late, &slow] {
        assert_eq!(run.document["exit_code"], 7, "{:#}", run.document);
        assert!(run.attempt()["duration_ms"].as_f64().unwrap() >= 590.0);
    }
    let why = late.why("late_end");
    assert_eq!(why["basis"], "inference", "{why:#}");
    assert!(
        why["message"].as_str().unwrap().starts_with("the answer of `192.0.2.1` was read up to")
    );
    assert!(late.attempt()["end_lag_ms"].as_f64().unwrap() >= 500.0);
    assert!(late.why("refused")["message"].as_str().unwrap().contains("refused within"));
    // A busy machine may stall as well, and for less.
    assert!(slow.attempt()["end_lag_ms"].as_f64().unwrap() < 500.0);
    assert!(slow.why("refused")["message"].as_str().unwrap().contains("refused"));
}

#[test]
fn netns_a_late_refusal_starts_the_next_attempt_and_costs_nothing() {
    let plan = ["192.0.2.1=stop-rst:50:200", "192.0.2.2=slow:1"];
    let arguments = ["--happy-eyeballs=5s", "--resolve", "h.test:192.0.2.1,192.0.2.2", "h.test:80"];
    let Some(run) = on_wire(&plan, &arguments) else { return };
    assert_eq!(run.document["exit_code"], 0, "{:#}", run.document);
    assert_eq!(run.document["selected"], 2);
    assert!(run.attempt()["duration_ms"].as_f64().unwrap() >= 190.0, "{:#}", run.document);
    assert!(run.document["cost_ms"].as_f64().unwrap() < 100.0, "{:#}", run.document);
}

/// A host without IPv4, and a name with IPv4 addresses only.
fn without_ipv4(bed: &Bed, zone: &str) -> (Value, String) {
    let network: Table = toml::from_str(&format!(
        "families = \"6\"\nzone.\"target.test\" = {{ A = [\"192.0.2.33\"] }}\n{zone}"
    ))
    .unwrap();
    let program = [env!("CARGO_BIN_EXE_loopctl"), "connect", "--json", "target.test:80"];
    let ran = bed.run_in(&network, &program);
    assert_eq!(ran.status.code(), Some(7), "{}", text(&ran.stderr));
    let document: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let hint = document["hint"].as_str().unwrap().to_owned();
    (document, hint)
}

#[test]
fn netns_a_host_without_ipv4_is_told_whether_its_network_has_nat64() {
    let Some(bed) = Bed::open() else { return };
    let (document, hint) = without_ipv4(&bed, "");
    assert!(hint.ends_with("its name servers know no NAT64 prefix (RFC 7050)"), "{hint}");
    assert_eq!(document["surroundings"]["nat64"].as_array().unwrap().len(), 0);
    let zone = "zone.\"ipv4only.arpa\" = { AAAA = [\"64:ff9b::c000:aa\"] }";
    let (document, hint) = without_ipv4(&bed, zone);
    assert!(hint.ends_with("makes it `[64:ff9b::c000:221]:80`"), "{hint}");
    assert_eq!(document["surroundings"]["nat64"][0], "64:ff9b::c000:aa");
    let evidence = document["why"].to_string();
    assert!(evidence.contains("AAAA of ipv4only.arpa: 64:ff9b::c000:aa"), "{evidence}");
}

#[test]
fn netns_a_long_round_trip_is_not_the_time_of_a_tls_server() {
    let Some(bed) = Bed::open() else { return };
    let network: Table = toml::from_str("families = \"4\"\nlink.v4 = { rtt = 500 }").unwrap();
    let program = [env!("CARGO_BIN_EXE_loopctl"), "connect", "--json", "--tls", "--insecure"];
    let ran = bed.run_in(&network, &[&program[..], &["-4", "target.test:443"]].concat());
    let document: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(document["exit_code"], 0, "{document:#}");
    let kinds = document["why"].to_string();
    assert!(!kinds.contains("tls_server_time"), "{document:#}");
    assert!(document["tcp_info"]["rtt_us"].as_u64().unwrap() >= 400_000, "{document:#}");
}
