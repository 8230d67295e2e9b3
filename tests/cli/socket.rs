//! Socket options: asked for, refused, in force; and expectations.

use crate::json::assert_valid;
use crate::support::{Dead, good, run};

#[test]
fn options_in_force_are_read_back() {
    let (_listener, address) = good("127.0.0.1");
    let ran = run(&[
        "connect",
        "--json",
        "--ttl=5",
        "--dscp=10",
        "--nodelay",
        "--keepalive=30s,5s,3",
        &address.to_string(),
    ]);
    let document = ran.json();
    assert_valid(&document);
    let socket = &document["attempts"][0]["socket"];
    assert_eq!((&socket["ttl"], &socket["dscp"]), (&5.into(), &10.into()));
    assert_eq!(socket["nodelay"], true);
    assert_eq!(socket["keepalive"]["idle_ms"], 30_000.0);
    assert_eq!(socket["keepalive"]["count"], 3);
    assert_eq!(document["attempts"][0]["refused_options"], serde_json::json!([]));
    let human = run(&["connect", "--ttl=5", "--keepalive", &address.to_string()]).stdout;
    assert!(human.contains("socket   ttl 5") && human.contains("keepalive 7200s,75s,9"), "{human}");
    let without = run(&["connect", "--json", &address.to_string()]).json();
    assert!(without["attempts"][0]["socket"].is_null(), "nothing was asked for");
}

#[test]
fn what_the_kernel_refuses_is_told_and_the_attempt_goes_on() {
    let (_listener, address) = good("127.0.0.1");
    let document = run(&["connect", "--json", "--mark=7", "--mptcp", &address.to_string()]).json();
    assert_valid(&document);
    assert_eq!(document["outcome"], "success");
    let attempt = &document["attempts"][0];
    let refused: Vec<_> = attempt["refused_options"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["option"].clone())
        .collect();
    let in_force = attempt["socket"]["mark"] == 7;
    assert_ne!(
        in_force,
        refused.contains(&"mark".into()),
        "either in force or refused: {attempt:#}"
    );
}

#[test]
fn an_interface_that_is_not_there_is_45() {
    let (_listener, address) = good("127.0.0.1");
    let ran = run(&["connect", "--json", "--interface", "nosuch0", &address.to_string()]);
    assert_eq!(ran.code, Some(45));
    assert_valid(&ran.json());
    assert!(ran.stderr.contains("interface nosuch0"), "{}", ran.stderr);
    let ran = run(&["connect", "--json", "--interface", "lo", &address.to_string()]);
    assert_eq!(ran.json()["attempts"][0]["socket"]["interface"], "lo");
}

#[test]
fn tfo_is_set_on_the_socket_and_the_handshake_is_still_timed() {
    let (_listener, address) = good("127.0.0.1");
    let fast_open = |document: &serde_json::Value| document["attempts"][0]["socket"]["tfo"].clone();
    let plain = run(&["connect", "--json", &address.to_string()]).json();
    assert_ne!(fast_open(&plain), true);
    let document = run(&["connect", "--json", "--tfo", &address.to_string()]).json();
    assert_valid(&document);
    assert_eq!(fast_open(&document), true, "as the socket itself says");
    assert_eq!(document["outcome"], "success");
    assert!(document["tcp_info"]["rtt_us"].as_u64().unwrap() > 0, "a handshake took place");
}

#[test]
fn exit_3_when_the_connection_is_not_as_expected() {
    let dead = Dead::new("127.0.0.1");
    let port = dead.address.port();
    let _good = std::net::TcpListener::bind(("127.0.0.2", port)).unwrap();
    let target = format!("h.test:{port}");
    let base = [
        "connect",
        "--resolve",
        "h.test:127.0.0.1,127.0.0.2",
        "--happy-eyeballs=50ms",
        "--json",
        &target,
    ];
    let cases: [(&[&str], &str, &str); 3] = [
        (&["--require", "6"], "require", "which is not IPv6"),
        (&["--fail-on-fallback"], "fail-on-fallback", "not to the first address 127.0.0.1"),
        (&["--max-cost", "20ms"], "max-cost", "more than 20.0 ms"),
    ];
    for (flags, name, reason) in cases {
        let ran = run(&[&base[..], flags].concat());
        assert_eq!(ran.code, Some(3), "{name}");
        let document = ran.json();
        assert_valid(&document);
        assert_eq!((&document["outcome"], &document["exit_code"]), (&"success".into(), &3.into()));
        assert_eq!(document["unmet"][0]["expectation"], name);
        assert!(
            ran.stderr.contains(&format!("--{name}: ")) && ran.stderr.contains(reason),
            "{}",
            ran.stderr
        );
    }
    let met = ["--require", "4", "--max-cost", "5s"];
    assert_eq!(run(&[&base[..], &met].concat()).code, Some(0));
}
