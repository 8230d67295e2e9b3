//! `connect --compare`: what every policy would get from here, and gets.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::json::assert_valid;
use crate::name_server::{A, Asked, NameServer, send};
use crate::ndjson::records;
use crate::support::{
    Dead, Ran, Signal, good, has_localhost, refusing, run, signal, start, wait_for_syn,
};
use crate::tls_peer::{Files, as_localhost};

/// A silent address, and one that works; a third refuses.
struct Place {
    dead: Dead,
    _listener: TcpListener,
}

impl Place {
    fn new() -> Self {
        let dead = Dead::new("127.0.0.1");
        let listener = TcpListener::bind(("127.0.0.2", dead.address.port())).unwrap();
        Self { dead, _listener: listener }
    }

    fn target(&self) -> String {
        format!("h.test:{}", self.dead.address.port())
    }

    fn run(&self, args: &[&str]) -> Ran {
        let pins = ["--resolve", "h.test:127.0.0.1,127.0.0.2,127.0.0.3", &self.target()];
        run(&[&["connect"], args, &pins].concat())
    }
}

/// The document, which is valid, and whose exit code is that of the program.
fn document(ran: &Ran) -> Value {
    let document = ran.json();
    assert_valid(&document);
    assert_eq!(document["exit_code"], ran.code.unwrap());
    document
}

fn policy<'a>(document: &'a Value, name: &str) -> &'a Value {
    let policies = document["compare"]["policies"].as_array().unwrap();
    policies.iter().find(|policy| policy["name"] == name).unwrap()
}

fn ms(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn race_t02_each_policy_is_foretold_from_one_measurement() {
    let place = Place::new();
    let ran = place.run(&["--compare", "--json", "--attempt-timeout", "400ms"]);
    let document = document(&ran);
    assert_eq!(ran.code, Some(0));
    let probes = document["compare"]["probes"]["addresses"].as_array().unwrap();
    let told: Vec<_> = probes
        .iter()
        .map(|it| [&it["label"], &it["ip"], &it["result"]].map(|it| it.as_str().unwrap()))
        .collect();
    let expected = [
        ["4a", "127.0.0.1", "timeout"],
        ["4b", "127.0.0.2", "success"],
        ["4c", "127.0.0.3", "failure"],
    ];
    assert_eq!(told, expected);
    assert!(ms(&probes[0]["duration_ms"]) >= 400.0, "never early");
    assert_eq!(probes[2]["error"]["name"], "ECONNREFUSED");
    let took = ms(&probes[1]["duration_ms"]);
    for (name, delay) in [
        ("hev3", 250.0),
        ("asyncio", 250.0),
        ("curl", 200.0),
        ("node", 250.0),
        ("firefox-nightly", 50.0),
        ("simultaneous", 0.0),
    ] {
        let predicted = &policy(&document, name)["predicted"];
        assert_eq!(
            (&predicted["outcome"], &predicted["ip"]),
            (&"success".into(), &"127.0.0.2".into())
        );
        assert!((ms(&predicted["ms"]) - delay - took).abs() < 0.01, "{name}: {predicted:#}");
        assert_eq!(predicted["starts"][1]["start_ms"], delay, "{name}");
    }
    // Those for whom one address follows another in a family.
    for name in ["sequential", "go", "curl-7.88", "firefox"] {
        let predicted = &policy(&document, name)["predicted"];
        assert_eq!(predicted["outcome"], "unknown", "{name}");
        assert!(predicted["ms"].is_null() && predicted["ip"].is_null(), "nothing is invented");
        let at_least = ms(&predicted["at_least_ms"]);
        assert!((400.0..1000.0).contains(&at_least), "{name}: {at_least}");
        assert_eq!(predicted["if_silent"]["ip"], "127.0.0.2", "{name}");
        let kernel = ms(&document["compare"]["kernel_timeout_ms"]);
        // curl 7 looks for the next address a second after a failure.
        let pause = if name == "curl-7.88" { 1000.0 } else { 0.0 };
        assert!((ms(&predicted["if_silent"]["ms"]) - kernel - pause - took).abs() < 0.01, "{name}");
    }
    assert!(policy(&document, "hev3")["matches"].is_null(), "nobody has run it");
}

#[test]
fn the_exit_status_is_that_of_the_policy_asked_for() {
    let place = Place::new();
    let exit = |args: &[&str]| {
        let limits = ["--compare", "--json", "--attempt-timeout", "200ms", "--timeout", "2s"];
        let document = document(&place.run(&[&limits, args].concat()));
        (document["exit_code"].as_u64().unwrap(), document["outcome"].clone())
    };
    assert_eq!(exit(&["--policy", "curl"]), (0, "success".into()));
    assert_eq!(exit(&["--policy", "sequential"]), (28, "timeout".into()));
    let refused = refusing("127.0.0.1").to_string();
    let ran = run(&["connect", "--compare", &refused]);
    assert_eq!(ran.code, Some(7), "{}", ran.stdout);
    assert!(ran.stderr.contains("connection refused"), "{}", ran.stderr);
    assert!(ran.stdout.contains("all 14 fail"), "{}", ran.stdout);
    let ran = run(&["connect", "--compare", "--json", "nosuchname.invalid:1"]);
    assert_eq!(document(&ran)["exit_code"], 6);
}

#[test]
fn a_policy_that_others_outdo_is_told_as_such() {
    let place = Place::new();
    let limits = ["--compare", "--attempt-timeout", "200ms", "--timeout", "2s"];
    let ran = place.run(&[&limits[..], &["--policy", "sequential"]].concat());
    assert!(ran.stderr.contains("the policy sequential does not reach `h.test"), "{}", ran.stderr);
    let own = ran.stdout.lines().find(|line| line.starts_with('*')).unwrap();
    let cells = |row: &str| -> Vec<String> {
        let cells = row.trim_start_matches(['*', ' ']).split("  ").map(str::trim);
        cells.filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    let own = cells(own);
    assert_eq!((own[0].as_str(), own[2].as_str()), ("sequential", "-"), "{}", ran.stdout);
    assert!(own[3].starts_with("> ") && own[4].starts_with("4a silent; 4b at "), "{own:?}");
    let other = ran.stdout.lines().find(|line| line.starts_with("  firefox-nightly ")).unwrap();
    assert_eq!(cells(other)[2], "4b", "{}", ran.stdout);
}

#[test]
fn live_runs_are_beside_what_was_foretold() {
    let place = Place::new();
    let ran =
        place.run(&["--compare=live", "--json", "--attempt-timeout", "300ms", "--timeout", "1s"]);
    let document = document(&ran);
    assert_eq!(document["compare"]["live"], true);
    assert!(
        document["cost_ms"].is_null() && document["why"] == serde_json::json!([]),
        "no race of its own"
    );
    for (name, delay) in [("hev3", 250.0), ("curl", 200.0), ("firefox-nightly", 50.0)] {
        let measured = &policy(&document, name)["measured"];
        assert_eq!(
            (&measured["outcome"], &measured["ip"]),
            (&"success".into(), &"127.0.0.2".into())
        );
        assert!(ms(&measured["ms"]) >= delay - 0.1, "{name}: {measured:#}");
    }
    let sequential = policy(&document, "sequential");
    assert_eq!(
        (&sequential["measured"]["outcome"], &sequential["measured"]["exit_code"]),
        (&"timeout".into(), &28.into())
    );
    assert_eq!(sequential["matches"], true, "it hung, as was foretold");
}

#[test]
fn live_runs_that_differ_are_marked() {
    // The name moves after the measurement, to where nobody listens.
    let (_listener, address) = good("127.0.0.1");
    let asked = AtomicUsize::new(0);
    let server = NameServer::new(move |question| {
        let last = if asked.fetch_add(1, Ordering::Relaxed) < 2 { 1 } else { 2 };
        send(match question.kind {
            A => question.answer().a(60, [127, 0, 0, last]),
            _ => question.answer(),
        })
    });
    let (place, target) = (server.address.to_string(), format!("host.test:{}", address.port()));
    let ran = run(&["connect", "--compare=live", "--json", "--server", &place, &target]);
    let document = document(&ran);
    assert_eq!(document["compare"]["probes"]["addresses"][0]["result"], "success");
    for name in ["hev3", "sequential"] {
        let row = policy(&document, name);
        assert_eq!(row["predicted"]["ip"], "127.0.0.1");
        assert_eq!((&row["matches"], &row["mismatch"]), (&false.into(), &"not_connected".into()));
        assert_eq!(row["measured"]["exit_code"], 7);
    }
    assert_eq!(ran.code, Some(7), "the run counts, not what was foretold");
    assert_eq!(document["error"]["message"], "policy hev3: 127.0.0.2 refused");
}

#[test]
fn race_t15_name_servers_that_say_nothing_leave_everything_open() {
    let silent = NameServer::silent();
    let place = silent.address.to_string();
    let args =
        ["connect", "--compare", "--json", "--timeout", "400ms", "--server", &place, "host.test:1"];
    let document = document(&run(&args));
    assert_eq!(document["exit_code"], 6, "as without --compare");
    let asyncio = &policy(&document, "asyncio")["predicted"];
    assert_eq!((&asyncio["outcome"], &asyncio["if_silent"]), (&"unknown".into(), &Value::Null));
    assert!(ms(&asyncio["at_least_ms"]) >= 200.0, "{asyncio:#}");
}

fn slow_aaaa(asked: &Asked) -> Vec<crate::name_server::Act> {
    send(match asked.kind {
        A => asked.answer().a(60, [127, 0, 0, 1]),
        _ => asked.rcode(2),
    })
}

#[test]
fn race_t14_questions_are_measured_one_by_one() {
    let (_listener, address) = good("127.0.0.1");
    let server = NameServer::new(slow_aaaa);
    let place = server.address.to_string();
    let target = format!("host.test:{}", address.port());
    let ran = run(&["connect", "--compare", "--json", "--server", &place, &target]);
    let document = document(&ran);
    let queries = document["compare"]["probes"]["queries"].as_array().unwrap();
    let told: Vec<_> = queries
        .iter()
        .map(|it| (it["types"][0].as_str().unwrap(), it["result"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("AAAA", "error"), ("A", "answered")]);
    let (aaaa, a) = (ms(&queries[0]["duration_ms"]), ms(&queries[1]["duration_ms"]));
    let first = |name: &str| ms(&policy(&document, name)["predicted"]["starts"][0]["start_ms"]);
    let near = |found: f64, expected: f64| {
        assert!((found - expected).abs() < 0.01, "{found}, not {expected}")
    };
    near(first("hev3"), a.max(aaaa));
    near(first("rfc8305"), a + 50.0);
    near(first("asyncio"), a.max(aaaa));
}

#[test]
fn the_system_is_asked_for_each_family_and_for_both() {
    if !has_localhost() {
        return;
    }
    let (_listener, address) = good("127.0.0.1");
    let target = format!("localhost:{}", address.port());
    let document = document(&run(&["connect", "--compare", "--json", &target]));
    let queries = document["compare"]["probes"]["queries"].as_array().unwrap();
    let types: Vec<_> = queries.iter().map(|it| it["types"].clone()).collect();
    assert_eq!(
        types,
        [serde_json::json!(["AAAA"]), serde_json::json!(["A"]), serde_json::json!(["AAAA", "A"])]
    );
    let both = ms(&queries[2]["duration_ms"]);
    let start = ms(&policy(&document, "asyncio")["predicted"]["starts"][0]["start_ms"]);
    assert!((start - both).abs() < 0.01, "{start}, not {both}");
    let only = run(&["connect", "--compare", "--json", "-4", &target]);
    let only = self::document(&only);
    assert_eq!(only["compare"]["probes"]["queries"].as_array().unwrap().len(), 1);
}

#[test]
fn people_get_tables_that_fit_and_a_sentence() {
    let place = Place::new();
    let ran = place.run(&["--compare", "--attempt-timeout", "300ms"]);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with(&format!("{}  tcp  14 policies compared", place.target())));
    let row = |name: &str| *lines.iter().find(|line| line.contains(name)).unwrap();
    assert!(row("4a  127.0.0.1").contains("no answer in 3"), "{}", ran.stdout);
    assert!(row("curl 8.22").contains("+200.0: 4a silent"), "{}", ran.stdout);
    assert!(row("requests").contains("4b at 131 s if nothing changes"), "{}", ran.stdout);
    let last = lines.last().unwrap();
    assert!(
        last.starts_with("10 of 14 connect in ") && last.ends_with("`127.0.0.1` does not answer"),
        "{last}"
    );
    assert_eq!(ran.stderr, "", "no hint beside a table that says all");
}

#[test]
fn each_attempt_of_the_measurement_is_a_race_of_its_own_in_ndjson() {
    let place = Place::new();
    let pins =
        ["--compare", "--attempt-timeout", "200ms", "--resolve", "h.test:127.0.0.1,127.0.0.2"];
    let target = place.target();
    let (events, documents) = records(&[&pins[..], &[&target]].concat());
    assert_valid(&documents[0]);
    let started = events.iter().filter(|event| event["name"] == "hev3:attempt_started");
    let sessions: Vec<_> = started.map(|event| event["data"]["he_session_id"].clone()).collect();
    assert_eq!(sessions, ["1.1", "1.2"]);
}

#[test]
fn an_interrupt_tells_what_was_measured() {
    let place = Place::new();
    let target = place.target();
    let pins = ["connect", "--compare", "--json", "--attempt-timeout", "20s", "--timeout", "20s"];
    let names = ["--resolve", "h.test:127.0.0.2,127.0.0.1", &target];
    let child = start(&[&pins[..], &names].concat());
    wait_for_syn(place.dead.address);
    signal(&child, Signal::INT);
    let ran: Ran = child.wait_with_output().unwrap().into();
    let document: Value = ran.json();
    assert_valid(&document);
    assert_eq!((&document["end"], &document["exit_code"]), (&"interrupted".into(), &130.into()));
    let probes = document["compare"]["probes"]["addresses"].as_array().unwrap();
    assert_eq!(
        (&probes[0]["result"], &probes[1]["result"]),
        (&"success".into(), &"canceled".into())
    );
    assert_eq!(document["compare"]["policies"], serde_json::json!([]), "nothing is foretold");
}

#[test]
fn several_targets_are_compared_one_after_another() {
    let (_one, first) = good("127.0.0.1");
    let second: SocketAddr = refusing("127.0.0.1");
    let ran = run(&["connect", "--compare", "--json", &first.to_string(), &second.to_string()]);
    let documents = ran.json();
    let codes: Vec<_> =
        documents.as_array().unwrap().iter().map(|it| it["exit_code"].clone()).collect();
    assert_eq!(codes, [0, 7]);
    documents.as_array().unwrap().iter().for_each(assert_valid);
    assert_eq!(ran.code, Some(1));
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let cases: [(&[&str], &str); 9] = [
        (&["-c", "2", "a.test:1"], "--count"),
        (&["--wait", "a.test:1"], "--wait"),
        (&["--relay", "a.test:1"], "--relay"),
        (&["--udp", "a.test:1"], "--udp"),
        (&["--all", "a.test:1"], "--all"),
        (&["--csv", "a.test:1"], "--csv"),
        (&["--prom", "a.test:1"], "--prom"),
        (&["--require", "6", "a.test:1"], "--require"),
        (&["unix:/tmp/s"], "a Unix socket has one address"),
    ];
    for (args, word) in cases {
        let ran = run(&[&["connect", "--compare"], args].concat());
        assert_eq!(ran.code, Some(2), "{args:?}");
        assert!(ran.stderr.contains(word) && ran.stderr.contains("--compare"), "{}", ran.stderr);
    }
    let ran = run(&["connect", "--compare=dead", "a.test:1"]);
    assert!(ran.stderr.contains("predict") && ran.stderr.contains("live"), "{}", ran.stderr);
}

/// The silence of a server that speaks no TLS is not the end for those who race for TLS.
#[test]
fn race_t30_each_address_has_its_handshake() {
    let files = Files::new();
    let address = files.server();
    let _silent = TcpListener::bind(("127.0.0.2", address.port())).unwrap();
    let target = format!("localhost:{}", address.port());
    let tls = ["--tls", "--ca", files.ca(), "--resolve", "localhost:127.0.0.2,127.0.0.1", &target];
    let limits = ["connect", "--compare", "--json", "--attempt-timeout", "1s"];
    let document = document(&run(&[&limits[..], &tls].concat()));
    let probes = document["compare"]["probes"]["addresses"].as_array().unwrap();
    let results: Vec<_> = probes.iter().map(|it| it["tls"]["result"].clone()).collect();
    assert_eq!(results, ["timeout", "success"], "{probes:#?}");
    let took = ms(&probes[1]["duration_ms"]) + ms(&probes[1]["tls"]["duration_ms"]);
    let predicted = &policy(&document, "hev3")["predicted"];
    assert_eq!(predicted["ip"], "127.0.0.1", "{predicted:#}");
    // The delay counts from when the silent one had its connection.
    let delay = 250.0 + ms(&probes[0]["duration_ms"]);
    assert!((ms(&predicted["ms"]) - delay - took).abs() < 2.0, "{predicted:#} {probes:#?}");
    let curl = &policy(&document, "curl")["predicted"];
    assert_eq!((&curl["outcome"], &curl["if_silent"]), (&"unknown".into(), &Value::Null));
    // It stays silent for at least as long as it was waited for.
    let silent = ms(&probes[0]["duration_ms"]) + ms(&probes[0]["tls"]["duration_ms"]);
    assert!(ms(&curl["at_least_ms"]) >= silent - 0.01, "{curl:#} {probes:#?}");
}

#[test]
fn a_certificate_that_nobody_trusts_fails_everybody() {
    let (files, others) = (Files::new(), Files::new());
    let target = as_localhost(files.server());
    let target = target.each_ref().map(String::as_str);
    let tls = ["connect", "--compare", "--tls", "--ca", others.ca()];
    let ran = run(&[&tls[..], &["--json"], &target].concat());
    let found = document(&ran);
    assert_eq!((&found["exit_code"], &found["error"]["kind"]), (&60.into(), &"cert".into()));
    assert_eq!(policy(&found, "go")["predicted"]["outcome"], "no_tls");
    let ran = run(&[&tls[..], &target].concat());
    assert!(
        ran.stderr.contains("127.0.0.1:") && ran.stderr.contains("TLS failed"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains("all 14 fail"), "{}", ran.stdout);
}
