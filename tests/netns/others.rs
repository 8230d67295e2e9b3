//! Clients that would have fared worse, where a name server or an address is silent.

use serde_json::Value;
use toml::Table;

use crate::bed::Bed;

fn others(bed: &Bed, network: &str) -> Value {
    let network: Table = toml::from_str(network).unwrap();
    let program = env!("CARGO_BIN_EXE_loopctl");
    let command: Vec<String> =
        [program, "connect", "--json", "target.test:7"].map(str::to_owned).into();
    let recordings = bed.record_each(&network, &[command]);
    let document: Value = serde_json::from_str(&recordings[0].stdout).unwrap();
    assert_eq!(document["exit_code"], 0, "{document:#}");
    document["other_clients"].clone()
}

#[test]
fn race_others_a_silent_query_is_waited_for_by_getaddrinfo() {
    let Some(bed) = Bed::open() else { return };
    for (network, query) in [("dns.AAAA.silent = true", "AAAA"), ("dns.A.silent = true", "A")] {
        let others = others(&bed, network);
        assert_eq!((&others["cause"], &others["query"]), (&"answer".into(), &query.into()));
        let clients = others["clients"].as_array().unwrap();
        let of = |policy: &str| clients.iter().find(|client| client["policy"] == policy);
        for policy in ["go", "node", "sequential", "curl-7.88"] {
            let client = of(policy).unwrap_or_else(|| panic!("{policy}: {others:#}"));
            assert_eq!(client["outcome"], "hangs", "{policy}");
            assert!(client["ms"].as_f64().unwrap() >= 5000.0, "{policy}");
        }
    }
}

#[test]
fn race_others_an_answer_that_is_only_late_is_not() {
    let Some(bed) = Bed::open() else { return };
    assert_eq!(others(&bed, "dns.AAAA.delay = 200"), Value::Null);
    assert_eq!(others(&bed, "link = { v6.rtt = 40, v4.rtt = 10 }"), Value::Null);
}

#[test]
fn race_others_a_silent_address_is_waited_for_as_long_as_the_kernel_says() {
    let Some(bed) = Bed::open() else { return };
    let network = r#"
        link = { v6.drop = true, v4.rtt = 10 }
        sysctl."net.ipv4.tcp_syn_retries" = 2
    "#;
    let others = others(&bed, network);
    let clients = others["clients"].as_array().unwrap();
    assert_eq!(clients.len(), 1, "{others:#}");
    assert_eq!(clients[0]["policy"], "sequential");
    let after = clients[0]["ms"].as_f64().unwrap();
    assert!(
        (7000.0..12_000.0).contains(&after),
        "1 s, 2 s, 4 s and what linear timeouts add: {after}"
    );
}
