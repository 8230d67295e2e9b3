//! Incidents with one cause each, and the words that name it. Causes that look alike stand side by side: what is said
//! of them differs, or names both.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::skip::skipped;

/// The exit status of a network that this machine does not allow.
const SKIPPED: i32 = 77;

/// A finished run: the document, and the text of another run.
pub(crate) struct Run {
    pub(crate) document: Value,
    text: String,
}

impl Run {
    pub(crate) fn attempt(&self) -> &Value {
        &self.document["attempts"][0]
    }

    fn icmp(&self) -> (u64, u64, &str) {
        let icmp = &self.attempt()["icmp"];
        let number = |key: &str| icmp[key].as_u64().unwrap();
        (number("type"), number("code"), icmp["from"].as_str().unwrap())
    }

    /// The reason of a kind.
    pub(crate) fn why(&self, kind: &str) -> &Value {
        let mut all = self.document["why"].as_array().unwrap().iter();
        all.find(|why| why["kind"] == kind)
            .unwrap_or_else(|| panic!("{kind}: {}", self.document["why"]))
    }

    pub(crate) fn hint(&self) -> &str {
        self.document["hint"].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn says(&self, words: &str) {
        assert!(self.text.contains(words), "`{words}` is not in:\n{}", self.text);
    }

    #[track_caller]
    pub(crate) fn is_silent_about(&self, words: &str) {
        assert!(!self.text.contains(words), "`{words}` is in:\n{}", self.text);
    }
}

/// Runs `loopctl connect` in a network; `None`, and a line on standard error, where it cannot be made.
fn run(network: &[&str], arguments: &[&str]) -> Option<Run> {
    let start = |more: &[&str]| {
        let mut words =
            network.iter().chain(["--", env!("CARGO_BIN_EXE_loopctl"), "connect"].iter());
        let program = words.next().unwrap();
        let mut command = Command::new(program);
        command.args(words).args(more).args(arguments);
        let output = command.env_remove("LOOPCTL_DEBUG").output().unwrap();
        (output.status.code() != Some(SKIPPED)).then_some(output)
    };
    let (Some(json), Some(text)) = (start(&["--json"]), start(&[])) else {
        skipped("a network namespace with a TUN device and nftables");
        return None;
    };
    let errors = String::from_utf8_lossy(&json.stderr);
    let document = serde_json::from_slice(&json.stdout).unwrap_or_else(|e| panic!("{e}: {errors}"));
    let text = [text.stdout, text.stderr].concat();
    Some(Run { document, text: String::from_utf8(text).unwrap() })
}

/// Runs in a network whose other end is `wire.py`.
pub(crate) fn on_wire(plan: &[&str], arguments: &[&str]) -> Option<Run> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/netns/wire.py");
    let network = [&["python3", script.to_str().unwrap()], plan].concat();
    run(&network, arguments)
}

/// Runs on a host that commands of the shell set up.
pub(crate) fn on_host(setup: &str, arguments: &[&str]) -> Option<Run> {
    let script = format!(
        "ip link set lo up || exit {SKIPPED}; {{ {setup}; }} || exit {SKIPPED}; shift; exec \"$@\""
    );
    run(&["unshare", "-n", "sh", "-c", &script, "sh"], arguments)
}

const OWN_NETWORK: &str = "ip link add v0 type veth peer name v1 && ip addr add 10.7.0.1/24 dev v0 && \
     ip addr add fd07::1/64 dev v0 nodad && ip link set v0 up && ip link set v1 up && \
     ip route add default via 10.7.0.254 && ip -6 route add default via fd07::fe";

fn rejected(by: &str) -> String {
    format!(
        "nft 'add table inet t; add chain inet t o {{ type filter hook output priority 0; }}' && \
         nft 'add rule inet t o tcp dport 80 reject {by}' && {OWN_NETWORK}"
    )
}

#[test]
fn netns_an_icmp_error_is_named_by_code_and_sender() {
    let codes = [
        ("3/0", "network unreachable"),
        ("3/1", "host unreachable"),
        ("3/5", "source route failed"),
        ("3/7", "destination host unknown"),
        ("3/9", "destination network administratively prohibited"),
        ("3/10", "destination host administratively prohibited"),
        ("3/13", "communication administratively prohibited"),
        ("11/0", "time to live exceeded in transit"),
        ("12/0", "parameter problem"),
    ];
    for (code, meaning) in codes {
        let plan = format!("192.0.2.1=icmp:{code}@203.0.113.9");
        let Some(run) = on_wire(&[&plan], &["192.0.2.1:443"]) else { return };
        run.says(&format!("ICMP {code}"));
        run.says(meaning);
        run.says("203.0.113.9");
        run.is_silent_about("this host");
        let (icmp_type, number, from) = run.icmp();
        assert_eq!((format!("{icmp_type}/{number}"), from), (code.to_owned(), "203.0.113.9"));
        assert_eq!(run.attempt()["icmp"]["from_this_host"], false);
    }
}

#[test]
fn netns_an_icmpv6_error_is_named_by_code_and_sender() {
    let codes = [
        ("1/0", "no route to destination"),
        ("1/1", "administratively prohibited"),
        ("1/3", "address unreachable"),
        ("1/6", "reject route to destination"),
        ("3/0", "hop limit exceeded in transit"),
        ("4/1", "unrecognized next header type"),
    ];
    for (code, meaning) in codes {
        let plan = format!("2001:db8:5::1=icmp:{code}@2001:db8:9::9");
        let Some(run) = on_wire(&[&plan], &["[2001:db8:5::1]:443"]) else { return };
        run.says(&format!("ICMPv6 {code}"));
        run.says(meaning);
        run.says("2001:db8:9::9");
    }
}

#[test]
fn netns_a_rst_a_router_and_the_own_firewall_refuse_in_different_words() {
    let Some(rst) = on_wire(&["192.0.2.1=rst"], &["192.0.2.1:80"]) else { return };
    let Some(router) = on_wire(&["192.0.2.1=icmp:3/3@203.0.113.9"], &["192.0.2.1:80"]) else {
        return;
    };
    let Some(own) = on_host(&rejected(""), &["192.0.2.1:80"]) else { return };
    for run in [&rst, &router, &own] {
        assert_eq!(run.attempt()["error"]["name"], "ECONNREFUSED");
        assert_eq!(run.document["exit_code"], 7);
    }
    assert_eq!(rst.attempt()["icmp"], Value::Null);
    rst.says("connection refused");
    assert_eq!(router.icmp(), (3, 3, "203.0.113.9"));
    router.says("203.0.113.9 reported: port unreachable");
    assert!(router.hint().contains("does not say whether the host is up"), "{}", router.hint());
    assert_eq!(own.icmp(), (3, 3, "10.7.0.1"));
    own.says("rejected by a firewall of this host");
    assert_eq!(own.why("own_firewall")["basis"], "inference");
}

#[test]
fn netns_the_own_firewall_is_named_for_each_code_and_both_families() {
    for (by, target) in [
        ("with icmpx admin-prohibited", "127.0.0.1:80"),
        ("with icmpx admin-prohibited", "[::1]:80"),
        ("with icmpx port-unreachable", "[2001:db8::1]:80"),
        ("with icmp net-prohibited", "192.0.2.1:80"),
    ] {
        let Some(run) = on_host(&rejected(by), &[target]) else { return };
        run.says("rejected by a firewall of this host");
        run.is_silent_about("router");
        assert_eq!(run.attempt()["icmp"]["from_this_host"], true, "{by} {target}");
    }
}

#[test]
fn netns_a_silent_gateway_and_a_silent_neighbour_differ_from_a_routers_word() {
    let Some(gateway) = on_host(OWN_NETWORK, &["192.0.2.1:443"]) else { return };
    let Some(neighbour) = on_host(OWN_NETWORK, &["10.7.0.9:443"]) else { return };
    let Some(router) = on_wire(&["192.0.2.1=icmp:3/1@203.0.113.9"], &["192.0.2.1:443"]) else {
        return;
    };
    gateway.says("the gateway 10.7.0.254 of this host does not answer to ARP");
    neighbour.says("no host on its network answers for that address (ARP)");
    neighbour.is_silent_about("gateway");
    router.says("203.0.113.9 reported: host unreachable");
    router.is_silent_about("ARP");
    assert_eq!(gateway.attempt()["icmp"]["from_this_host"], true);
}

#[test]
fn netns_a_silent_gateway_of_ipv6_is_named() {
    let Some(run) = on_host(OWN_NETWORK, &["[2001:db8::1]:443"]) else { return };
    run.says("the gateway fd07::fe of this host does not answer to neighbour discovery");
}

#[test]
fn netns_an_own_firewall_that_plays_a_dead_host_is_told_with_its_rival() {
    let Some(run) = on_host(&rejected("with icmp host-unreachable"), &["192.0.2.1:80"]) else {
        return;
    };
    run.says("rejected by this host");
    run.says("a firewall, or no answer to ARP");
}

#[test]
fn netns_a_slow_path_and_a_lost_syn_differ_by_the_round_trip() {
    let Some(slow) = on_wire(&["192.0.2.1=slow:1400"], &["192.0.2.1:443"]) else { return };
    let Some(lost) = on_wire(&["192.0.2.1=lost"], &["192.0.2.1:443"]) else { return };
    for run in [&slow, &lost] {
        run.says("SYN resent 1");
        run.is_silent_about("SYN lost");
        assert!(run.document["total_ms"].as_f64().unwrap() >= 1000.0);
    }
    slow.says("a slow path, or its answer was lost");
    lost.says("lost on the way, or its accept queue was full");
    let rtt = |run: &Run| run.document["tcp_info"]["rtt_us"].as_u64().unwrap();
    assert!(rtt(&slow) >= 1_400_000, "{}", rtt(&slow));
    assert!(rtt(&lost) < 900_000, "{}", rtt(&lost));
}

#[test]
fn netns_a_slow_path_without_a_second_syn_is_a_round_trip() {
    let Some(run) = on_wire(&["192.0.2.1=slow:600"], &["192.0.2.1:443"]) else { return };
    let why = run.why("round_trip");
    assert!(why["cost_ms"].as_f64().unwrap() >= 600.0, "{why}");
    assert_eq!(why["basis"], "fact");
    assert_eq!(why["evidence"][0]["source"], "tcp_info");
}

#[test]
fn netns_silence_in_tls_has_three_causes() {
    let arguments = ["--tls", "--insecure", "--timeout", "3s", "192.0.2.1:443"];
    let Some(deaf) = on_wire(&["192.0.2.1=deaf"], &arguments) else { return };
    let Some(hang) = on_wire(&["192.0.2.1=hang"], &arguments) else { return };
    let Some(gap) = on_wire(&["192.0.2.1=gap"], &arguments) else { return };
    deaf.says("never acknowledged");
    deaf.is_silent_about("starttls");
    hang.says("acknowledged the ClientHello and sent nothing");
    gap.says("packets of full size are dropped (path MTU)");
    for run in [&deaf, &hang, &gap] {
        assert_eq!(run.document["exit_code"], 28);
        let mut evidence = run.why("tls_silent")["evidence"].as_array().unwrap().iter();
        assert!(evidence.any(|it| it["message"].as_str().unwrap().contains("acknowledged")));
    }
}

#[test]
fn netns_silence_of_tls_as_part_of_the_attempt_has_a_cause_too() {
    let arguments = ["--tls", "--insecure", "--success", "tls", "--timeout", "3s", "192.0.2.1:443"];
    let Some(deaf) = on_wire(&["192.0.2.1=deaf"], &arguments) else { return };
    deaf.says("never acknowledged");
}

#[test]
fn netns_a_stall_of_this_host_is_not_the_networks() {
    let Some(run) = on_wire(&["192.0.2.1=stop:150:600"], &["192.0.2.1:443"]) else { return };
    let why = run.why("late_end");
    let lag = run.attempt()["end_lag_ms"].as_f64().unwrap();
    assert!((300.0..=run.document["total_ms"].as_f64().unwrap()).contains(&lag), "{lag}");
    assert!(why["message"].as_str().unwrap().contains("this host took"), "{why}");
    assert!(run.document["why"].as_array().unwrap().iter().all(|why| why["kind"] != "round_trip"));
}

#[test]
fn netns_an_answer_that_came_during_a_stall_stops_the_next_attempt() {
    // The Connection Attempt Delay passes while the program stands still, after the answer has come.
    let arguments = ["--resolve", "h.test:192.0.2.1,192.0.2.2", "h.test:443"];
    let Some(run) = on_wire(&["192.0.2.1=stop:150:600", "192.0.2.2=slow:1"], &arguments) else {
        return;
    };
    assert_eq!(
        run.document["attempts"].as_array().unwrap().len(),
        1,
        "{}",
        run.document["attempts"]
    );
    assert_eq!(run.document["selected"], 1);
}

#[test]
fn netns_a_slow_path_is_not_told_as_a_stall() {
    let Some(run) = on_wire(&["192.0.2.1=slow:400"], &["192.0.2.1:443"]) else { return };
    let lag = run.attempt()["end_lag_ms"].as_f64().unwrap();
    let total = run.document["total_ms"].as_f64().unwrap();
    assert!(lag <= total - 400.0, "{lag} of {total}");
}

#[test]
fn netns_each_cause_of_a_mixture_is_named_by_itself() {
    let plan = ["192.0.2.1=rst", "192.0.2.2=icmp:3/13@203.0.113.9"];
    let arguments = ["--resolve", "h.test:192.0.2.1,192.0.2.2", "h.test:443"];
    let Some(run) = on_wire(&plan, &arguments) else { return };
    let hint = run.hint();
    assert!(hint.contains("192.0.2.1 refused") && hint.contains("ICMP 3/13"), "{hint}");
    assert!(!hint.contains("is up"), "{hint}");
}

#[test]
fn netns_a_refused_datagram_is_told_as_refused() {
    let Some(run) = on_host("true", &["--udp", "127.0.0.1:9"]) else { return };
    run.says("refused");
    run.is_silent_about("firewall of this host");
    assert_eq!(run.icmp(), (3, 3, "127.0.0.1"));
}
