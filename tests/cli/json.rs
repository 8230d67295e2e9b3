//! `--json`: every document, whatever happened, is valid and agrees with itself.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use crate::support::{Dead, good, has_localhost, has_services, refusing, run};

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = include_str!("../../schemas/connect.v1.json");
    jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
});

pub(crate) fn assert_valid(document: &Value) {
    let errors: Vec<String> = SCHEMA.iter_errors(document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
    assert_consistent(document);
}

/// What a schema cannot say.
fn assert_consistent(document: &Value) {
    let attempts = document["attempts"].as_array().unwrap();
    let candidates = document["resolve"]["candidates"].as_array().unwrap();
    assert!(attempts.len() <= candidates.len());
    for (number, attempt) in attempts.iter().enumerate() {
        assert_eq!(attempt["attempt_id"], number + 1, "in starting order");
        for key in ["ip", "port", "family"] {
            assert_eq!(attempt[key], candidates[number][key], "attempts follow the candidates");
        }
        let end = attempt["start_ms"].as_f64().unwrap() + attempt["duration_ms"].as_f64().unwrap();
        assert!(end <= document["total_ms"].as_f64().unwrap() + 0.002, "{document:#}");
    }
    assert_costs(document);
    if let Some(selected) = document["selected"].as_u64() {
        assert_eq!(attempts[selected as usize - 1]["result"], "success");
    }
}

/// What Happy Eyeballs cost is what those had who are to blame.
fn assert_costs(document: &Value) {
    /// Reasons for the duration of the lookup, before the race.
    const OF_NAMES: [&str; 6] = [
        "name_server_silent",
        "name_server_slow",
        "name_server_failed",
        "query_silent",
        "search_list",
        "slow_lookup",
    ];
    /// Phases of the selected connection after its start, which are no cost of the race either.
    const OF_CONNECTION: [&str; 9] = [
        "syn_resent",
        "round_trip",
        "starttls",
        "tls_silent",
        "tls_slow",
        "tls_server_time",
        "http_server_time",
        "http_silent",
        "http_body_slow",
    ];
    /// Delays of this host.
    const OF_HOST: [&str; 2] = ["late_start", "late_end"];
    let has_kind = |why: &Value, kinds: &[&str]| kinds.contains(&why["kind"].as_str().unwrap());
    let of_winner = |why: &Value| {
        !why["attempt_id"].is_null()
            && why["attempt_id"] == document["selected"]
            && has_kind(why, &OF_CONNECTION)
    };
    let is_of_race =
        |why: &&Value| !has_kind(why, &OF_NAMES) && !has_kind(why, &OF_HOST) && !of_winner(why);
    let reasons: Vec<&Value> =
        document["why"].as_array().unwrap().iter().filter(is_of_race).collect();
    let blamed: f64 = reasons.iter().map(|why| why["cost_ms"].as_f64().unwrap()).sum();
    let Some(cost) = document["he_cost_ms"].as_f64() else {
        assert_eq!(blamed, 0.0, "{document:#}");
        return;
    };
    assert!(document["cost_ms"].as_f64().unwrap() <= cost, "{document:#}");
    assert!(blamed <= cost + 0.01, "{document:#}");
    for why in reasons {
        let blame = ["attempt_id", "family", "query"].map(|key| !why[key].is_null());
        assert_eq!(blame.into_iter().filter(|is_it| *is_it).count(), 1, "{why:#}");
    }
}

fn document(args: &[&str]) -> Value {
    let ran = run(&[&["connect", "--json"], args].concat());
    assert!(ran.stdout.ends_with("}\n"), "one final newline: {:?}", ran.stdout);
    let document = ran.json();
    assert_valid(&document);
    assert_eq!(document["exit_code"], ran.code.unwrap());
    document
}

#[test]
fn a_connection() {
    let (_listener, address) = good("127.0.0.1");
    let document = document(&[&address.to_string()]);
    assert_eq!(document["outcome"], "success");
    assert_eq!(document["resolve"]["via"], "literal");
    assert!(document["tcp_info"]["rtt_us"].as_u64().unwrap() > 0);
    assert_eq!(document["policy"]["connection_attempt_delay_ms"], 250.0);
    let keys: Vec<_> = document.as_object().unwrap().keys().take(4).collect();
    assert_eq!(keys, ["schema", "version", "target", "host"], "in the order of the contract");
}

#[test]
fn a_refusal() {
    let document = document(&[&refusing("127.0.0.1").to_string()]);
    assert_eq!(document["outcome"], "failure");
    let error = &document["attempts"][0]["error"];
    assert_eq!((&error["kind"], &error["errno"]), (&"refused".into(), &111.into()));
    assert_eq!(document["error"]["name"], "ECONNREFUSED");
}

#[test]
fn a_deadline() {
    let dead = Dead::new("127.0.0.1");
    let document = document(&["--timeout", "150ms", &dead.address.to_string()]);
    assert_eq!(document["outcome"], "timeout");
    assert_eq!(document["attempts"][0]["result"], "timeout");
    assert!(document["total_ms"].as_f64().unwrap() >= 150.0);
}

#[test]
fn a_name_that_does_not_exist() {
    let document = document(&["nosuchname.invalid:80"]);
    assert_eq!(
        (&document["outcome"], &document["error"]["kind"]),
        (&"failure".into(), &"dns".into())
    );
    assert!(document["resolve"]["error"]["message"].as_str().unwrap().contains("EAI_"));
}

#[test]
fn a_service_name_and_the_system_resolver() {
    if !has_localhost() || !has_services() {
        return;
    }
    let document = document(&["localhost:echo"]);
    assert_eq!(document["resolve"]["via"], "system");
    assert!(document["resolve"]["duration_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(document["port"], Value::Null, "the number is the resolver's");
    assert_eq!(document["attempts"][0]["port"], 7);
}

#[test]
fn race_13_a_silent_address_costs_the_connection_attempt_delay() {
    let dead = Dead::new("127.0.0.1");
    let port = dead.address.port();
    let _good = std::net::TcpListener::bind(("127.0.0.2", port)).unwrap();
    let pins = "host.test:127.0.0.1,127.0.0.2";
    let target = format!("host.test:{port}");
    let document = document(&["--resolve", pins, "--happy-eyeballs=100ms", &target]);
    assert_eq!(document["selected"], 2);
    assert_eq!(document["attempts"][0]["result"], "canceled");
    let gap = document["attempts"][1]["start_ms"].as_f64().unwrap()
        - document["attempts"][0]["start_ms"].as_f64().unwrap();
    assert!(gap >= 100.0, "never early: {gap}");
    let (first, second) = (&document["attempts"][0], &document["attempts"][1]);
    assert_eq!(
        (&first["reason"], &second["reason"]),
        (&"addresses_known".into(), &"attempt_delay_passed".into())
    );
    let slip = second["start_lag_ms"].as_f64().unwrap();
    assert!(
        (gap - slip - 100.0).abs() < 0.003,
        "what is over the delay is the program's: {gap}, {slip}"
    );
    assert_eq!(second["after"], Value::Null);
}

#[test]
fn race_02_an_attempt_names_the_one_whose_end_started_it() {
    let (_listener, address) = good("127.0.0.2");
    let target = format!("host.test:{}", address.port());
    let document = document(&["--resolve", "host.test:127.0.0.1,127.0.0.2", &target]);
    let second = &document["attempts"][1];
    assert_eq!((&second["reason"], &second["after"]), (&"attempt_ended".into(), &1.into()));
}

#[test]
fn happy_eyeballs_off_tries_one_after_another() {
    let dead = Dead::new("127.0.0.1");
    let target = format!("host.test:{}", dead.address.port());
    let document = document(&[
        "--resolve",
        "host.test:127.0.0.1,127.0.0.2",
        "--happy-eyeballs=off",
        "--attempt-timeout=300ms",
        &target,
    ]);
    assert_eq!(document["policy"]["connection_attempt_delay_ms"], Value::Null);
    assert_eq!(document["policy"]["interleave"], 0);
    assert!(document["attempts"][1]["start_ms"].as_f64().unwrap() >= 300.0);
}

#[test]
fn all_lets_every_attempt_finish() {
    let (_listener, address) = good("127.0.0.1");
    let target = format!("host.test:{}", address.port());
    let pins = "host.test:127.0.0.1,127.0.0.2,127.0.0.3";
    let document = document(&["--all", "--resolve", pins, &target]);
    let results: Vec<_> =
        document["attempts"].as_array().unwrap().iter().map(|a| a["result"].clone()).collect();
    assert_eq!(results, ["success", "failure", "failure"]);
    assert_eq!(document["selected"], 1);
}

#[test]
fn prefer_and_family_choose_among_addresses() {
    let target = format!("host.test:{}", refusing("127.0.0.1").port());
    let pins = "host.test:::1,127.0.0.1";
    let families = |args: &[&str]| -> Vec<String> {
        let document = document(&[args, &["--resolve", pins, &target]].concat());
        let candidates = document["resolve"]["candidates"].as_array().unwrap().clone();
        candidates.iter().map(|c| c["family"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(families(&[]), ["ipv6", "ipv4"]);
    assert_eq!(families(&["--prefer", "4"]), ["ipv4", "ipv6"]);
    assert_eq!(families(&["-4"]), ["ipv4"]);
    assert_eq!(families(&["-6"]), ["ipv6"]);
}

#[test]
fn a_unix_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let target = format!("unix:{}", path.display());
    let document = document(&[&target]);
    assert_eq!(document["attempts"][0]["path"], path.display().to_string());
    assert_eq!(document["attempts"][0]["ip"], Value::Null);
    let missing = format!("unix:{}/none", dir.path().display());
    let ran = run(&["connect", "--json", &missing]);
    assert_valid(&ran.json());
    assert_eq!(ran.json()["error"]["name"], "ENOENT");
}

#[test]
fn several_targets_are_an_array_with_a_document_each() {
    let (_listener, address) = good("127.0.0.1");
    let bad = refusing("127.0.0.1").to_string();
    let ran = run(&["connect", "--json", &address.to_string(), &bad, "nosuchname.invalid:1"]);
    let documents = ran.json();
    let codes: Vec<_> =
        documents.as_array().unwrap().iter().map(|d| d["exit_code"].clone()).collect();
    assert_eq!(codes, [0, 7, 6]);
    documents.as_array().unwrap().iter().for_each(assert_valid);
    assert_eq!(ran.code, Some(1));
}

#[test]
fn dbg_03_slow_callbacks_are_in_the_document() {
    let (_listener, address) = good("127.0.0.1");
    let document = document(&["--slow-callback", "0", &address.to_string()]);
    let slow = document["slow_callbacks"].as_array().unwrap();
    let step = slow.iter().find(|s| s["what"] == address.to_string().as_str()).unwrap();
    assert!(step["scheduled_at"].as_str().unwrap().contains("connect/targets.rs:"));
    assert!(slow.iter().all(|s| s["what"] != "rest of a turn"), "callbacks explain the turn");
}
