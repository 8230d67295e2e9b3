//! Name servers behind the system's resolver: which one was silent, slow or failed, and what that cost.

use serde_json::{Value, json};

use crate::json::assert_valid;
use crate::lab::{Lab, PORT, good, odd};

fn zone() -> Value {
    json!({ "box.test": { "A": ["127.0.0.1"] }, "db.last.test": { "A": ["127.0.0.1"] } })
}

fn silent() -> Value {
    odd(json!({}), json!({ "silent": true }))
}

fn connect(lab: &Lab, name: &str) -> Value {
    let document = lab.json(&["connect", &format!("{name}:{PORT}")]);
    assert_valid(&document);
    document
}

/// Finding of a kind, with its message.
fn why<'a>(document: &'a Value, kind: &str) -> &'a Value {
    let found = document["why"].as_array().unwrap().iter().find(|it| it["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind}: {document:#}"))
}

fn has(found: &Value, texts: &[&str]) {
    let message = found["message"].as_str().unwrap();
    assert!(texts.iter().all(|text| message.contains(text)), "{message}");
    assert!(!found["evidence"].as_array().unwrap().is_empty(), "{found:#}");
}

#[test]
fn a_dead_first_server_is_named_with_its_cost() {
    let Some(lab) = Lab::new(&[silent(), silent(), good(zone())]) else { return };
    let lab = lab.conf("options timeout:1\n");
    let document = connect(&lab, "box.test");
    assert_eq!(document["outcome"], "success");
    let total = document["total_ms"].as_f64().unwrap();
    assert!(total >= 1900.0, "{total}");
    let dead = why(&document, "name_server_silent");
    has(dead, &["127.0.0.53 (/etc/resolv.conf:1)"]);
    assert_eq!(dead["basis"], "inference");
    assert!(dead["cost_ms"].as_f64().unwrap() >= 900.0, "{dead:#}");
    let servers = document["resolve"]["probe"]["servers"].as_array().unwrap();
    let replies: Vec<&Value> =
        servers.iter().map(|it| &it["queries"][0]["exchanges"][0]["reply"]).collect();
    assert_eq!(replies, ["silent", "silent", "answered"]);
    assert_eq!(servers[2]["line"], 3);
    let text = lab.run(&["connect", &format!("box.test:{PORT}")]).stdout;
    let lines: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        lines.contains("name server 127.0.0.53 (/etc/resolv.conf:1) does not answer"),
        "{text}"
    );
    assert!(lines.contains("127.0.0.55 (/etc/resolv.conf:3) answers in"), "{text}");
}

#[test]
fn a_slow_server_is_named_with_its_time() {
    let slow = odd(zone(), json!({ "delay": 1200 }));
    let Some(lab) = Lab::new(&[slow]) else { return };
    let document = connect(&lab, "box.test");
    let slow = why(&document, "name_server_slow");
    has(slow, &["127.0.0.53 (/etc/resolv.conf:1)", "1.2 s"]);
    assert!(
        document["why"].as_array().unwrap().iter().all(|it| it["kind"] != "name_server_silent")
    );
}

#[test]
fn a_server_that_answers_one_type_is_named_with_the_type() {
    for (silent, answered) in [("AAAA", "A"), ("A", "AAAA")] {
        let zone = json!({ "box.test": { "A": ["127.0.0.1"], "AAAA": ["::1"] } });
        let server = json!({ "zone": zone, "dns": { silent: { "silent": true } } });
        let Some(lab) = Lab::new(&[server]) else { return };
        let lab = lab.conf("options timeout:2\n");
        let document = lab.json(&["connect", "--timeout", "9s", &format!("box.test:{PORT}")]);
        let found = why(&document, "query_silent");
        has(found, &["127.0.0.53", &format!("not answer {silent}, only {answered}"), "6.0 s"]);
        assert_eq!(found["query"], silent);
    }
}

#[test]
fn a_fast_lookup_asks_nobody_else() {
    let Some(lab) = Lab::new(&[good(zone()), silent()]) else { return };
    let document = connect(&lab, "box.test");
    assert_eq!(document["resolve"]["probe"], Value::Null);
    assert_eq!(document["why"], json!([]), "{document:#}");
}

#[test]
fn every_server_says_why_a_lookup_failed() {
    let servers = [
        odd(json!({}), json!({ "rcode": "SERVFAIL" })),
        odd(json!({}), json!({ "rcode": "REFUSED" })),
        silent(),
    ];
    let Some(lab) = Lab::new(&servers) else { return };
    let lab = lab.conf("options timeout:1 attempts:1\n");
    let ran = lab.run(&["connect", &format!("box.test:{PORT}")]);
    assert_eq!(ran.code, Some(6), "{}", ran.stderr);
    for said in [
        "name server 127.0.0.53 (/etc/resolv.conf:1): SERVFAIL",
        "name server 127.0.0.54 (/etc/resolv.conf:2): REFUSED",
        "name server 127.0.0.55 (/etc/resolv.conf:3): no answer within",
    ] {
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
}

#[test]
fn the_detour_of_a_search_list_has_its_cost() {
    let slow = odd(zone(), json!({ "delay": 250 }));
    let Some(lab) = Lab::new(&[slow]) else { return };
    let lab = lab.conf("search one.test two.test last.test\noptions ndots:3\n");
    let document = connect(&lab, "db");
    let detour = why(&document, "search_list");
    has(detour, &["2 names", "db.one.test.", "db.two.test.", "dot at the end"]);
    assert!(detour["cost_ms"].as_f64().unwrap() >= 450.0, "{detour:#}");
    let ran = lab.run(&["resolve", "db"]);
    assert!(
        ran.stdout.contains("2 names were asked for first; a dot at the end"),
        "{}",
        ran.stdout
    );
    let direct = lab.run(&["resolve", "db.last.test."]);
    assert!(!direct.stdout.contains("asked for first"), "{}", direct.stdout);
}

#[test]
fn resolve_waits_for_the_system_and_names_the_silent_server() {
    let Some(lab) = Lab::new(&[silent(), good(zone())]) else { return };
    let ran = lab.run(&["resolve", "box.test"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("127.0.0.53:53: no answer within"), "{}", ran.stdout);
    let warning =
        "name server 127.0.0.53 (/etc/resolv.conf:1) does not answer; the system waits 5.0 s";
    assert!(ran.stderr.contains(warning), "{}", ran.stderr);
}

#[test]
fn each_server_of_a_query_is_in_the_document() {
    let servers = [odd(json!({}), json!({ "rcode": "REFUSED" })), silent(), good(zone())];
    let Some(lab) = Lab::new(&servers) else { return };
    let document = lab.json(&["resolve", "--via", "dns", "-t", "A", "--timeout", "3s", "box.test"]);
    let exchanges = document["queries"][0]["exchanges"].as_array().unwrap();
    let told: Vec<(&Value, &Value, &Value)> =
        exchanges.iter().map(|it| (&it["server"], &it["reply"], &it["rcode"])).collect();
    assert_eq!(told[0], (&json!("127.0.0.53:53"), &json!("answered"), &json!("REFUSED")));
    assert_eq!(told[1], (&json!("127.0.0.54:53"), &json!("silent"), &Value::Null));
    assert_eq!(told[2], (&json!("127.0.0.55:53"), &json!("answered"), &json!("NOERROR")));
}
