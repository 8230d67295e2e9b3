//! `--ndjson`: the events of draft-kuehlewind-happy-qlog, and its three rules.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::support::{Dead, good, has_localhost, refusing, run};

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = include_str!("../../schemas/event.v1.json");
    jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
});

/// The events of a run, checked one by one and together, and its documents.
pub(crate) fn records(args: &[&str]) -> (Vec<Value>, Vec<Value>) {
    let ran = run(&[&["connect", "--ndjson"], args].concat());
    let lines = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let (events, documents): (Vec<_>, Vec<_>) =
        lines.partition(|record| record["schema"] == "loopctl.event.v1");
    for event in &events {
        let errors: Vec<String> =
            SCHEMA.iter_errors(event).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}\n{event:#}");
    }
    documents.iter().for_each(crate::json::assert_valid);
    assert_conforms(&events);
    (events, documents)
}

fn named<'a>(events: &'a [Value], name: &str) -> impl Iterator<Item = &'a Value> {
    let name = format!("hev3:{name}");
    events.iter().filter(move |event| event["name"] == name.as_str())
}

/// The draft's conformance requirements, for each session.
fn assert_conforms(events: &[Value]) {
    let mut sessions: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in events {
        let session = event["data"]["he_session_id"].as_str().unwrap().to_owned();
        sessions.entry(session).or_default().push(event.clone());
    }
    for events in sessions.values() {
        let outcome_of = |id: &Value| {
            let of_attempt = |event: &&Value| event["data"]["attempt_id"] == *id;
            let outcomes: Vec<_> = named(events, "attempt_outcome").filter(of_attempt).collect();
            assert_eq!(outcomes.len(), 1, "exactly one outcome for attempt {id}");
            outcomes[0]["data"]["result"].clone()
        };
        for started in named(events, "attempt_started") {
            outcome_of(&started["data"]["attempt_id"]);
        }
        assert_eq!(
            named(events, "attempt_started").count(),
            named(events, "attempt_outcome").count()
        );
        let handshakes = |name: &str| {
            let of_tls = events.iter().filter(|event| event["name"] == name);
            let mut ids: Vec<_> =
                of_tls.map(|event| event["data"]["attempt_id"].to_string()).collect();
            ids.sort();
            ids
        };
        let [begun, ended] = ["tls:handshake_started", "tls:handshake_finished"].map(handshakes);
        assert_eq!(begun, ended, "each handshake has an end");
        for selected in named(events, "connection_selected") {
            assert_eq!(outcome_of(&selected["data"]["attempt_id"]), "success");
        }
        assert_eq!(named(events, "metrics").count(), 1, "exactly one metrics event");
        assert_eq!(events.last().unwrap()["name"], "hev3:metrics");
        let times: Vec<f64> = events.iter().map(|e| e["time_ms"].as_f64().unwrap()).collect();
        assert!(times.is_sorted(), "{times:?}");
    }
}

#[test]
fn a_fallback_tells_its_story_in_order() {
    let dead = Dead::new("127.0.0.1");
    let port = dead.address.port();
    let _good = std::net::TcpListener::bind(("127.0.0.2", port)).unwrap();
    let (events, documents) = records(&[
        "--resolve",
        "host.test:127.0.0.1,127.0.0.2",
        "--happy-eyeballs=100ms",
        &format!("host.test:{port}"),
    ]);
    let names: Vec<&str> = events.iter().map(|e| e["name"].as_str().unwrap()).collect();
    let story = [
        "hev3:config_set",
        "hev3:candidate_discovered",
        "hev3:candidate_discovered",
        "hev3:candidates_sorted",
        "hev3:attempt_scheduled",
        "hev3:attempt_started",
        "hev3:next_attempt_timer_set",
        "hev3:attempt_scheduled",
        "hev3:next_attempt_timer_fired",
        "hev3:attempt_started",
        "hev3:attempt_outcome",
        "hev3:attempt_outcome",
        "hev3:connection_selected",
        "hev3:metrics",
    ];
    assert_eq!(names, story);
    assert_eq!(documents.len(), 1);
}

#[test]
fn failures_and_deadlines_end_in_connection_aborted() {
    let dead = Dead::new("127.0.0.1");
    let runs: [(&[&str], &str); 3] = [
        (&[&refusing("127.0.0.1").to_string()], "all attempts failed"),
        (&["--timeout=120ms", &dead.address.to_string()], "timed out"),
        (&["nosuchname.invalid:80"], "no addresses resolved"),
    ];
    for (args, reason) in runs {
        let (events, _) = records(args);
        let aborted: Vec<_> = named(&events, "connection_aborted").collect();
        assert_eq!(aborted.len(), 1);
        assert_eq!(aborted[0]["data"]["reason"], reason);
        assert_eq!(named(&events, "metrics").next().unwrap()["data"]["outcome"], "aborted");
    }
}

#[test]
fn the_system_resolver_has_a_query_for_each_family_or_one_for_all() {
    if !has_localhost() {
        return;
    }
    let types = |args: &[&str]| -> Vec<Value> {
        let (events, _) = records(args);
        let ids = |name| named(&events, name).map(|event| event["data"]["dns_id"].clone());
        let mut ends: Vec<Value> = ids("dns_query_finished").collect();
        ends.sort_by_key(Value::to_string);
        assert_eq!(ends, ids("dns_query_started").collect::<Vec<_>>(), "each has one end");
        let found = named(&events, "dns_query_finished");
        let found = found.filter(|event| event["data"]["answer_type"] == "positive");
        let results = found.map(|event| event["data"]["results"].as_array().unwrap().len());
        assert!(results.sum::<usize>() > 0, "{events:#?}");
        named(&events, "dns_query_started").map(|event| event["data"]["qtypes"].clone()).collect()
    };
    assert_eq!(types(&["localhost:1"]), [json!(["AAAA"]), json!(["A"])]);
    assert_eq!(types(&["-4", "localhost:1"]), [json!(["A"])]);
    assert_eq!(types(&["--policy=asyncio", "localhost:1"]), [json!(["AAAA", "A"])]);
}

#[test]
fn every_target_is_a_session_of_its_own() {
    let (_listener, address) = good("127.0.0.1");
    let (events, documents) = records(&[&address.to_string(), &refusing("127.0.0.1").to_string()]);
    let sessions: Vec<_> =
        named(&events, "config_set").map(|e| e["data"]["he_session_id"].clone()).collect();
    assert_eq!(sessions, ["1", "2"]);
    assert_eq!(documents.len(), 2);
}
