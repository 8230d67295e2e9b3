//! `connect --compare=live`: what is foretold from one measurement is what every policy gets on the wire.

use serde_json::Value;

use crate::bed::Bed;
use crate::tries::{Slip, best_of_three};

/// In a scenario, where who wins is no photo finish: the winner of `hev3`, of `asyncio`, and of `sequential`, which may
/// be nobody within the time.
const SCENARIOS: [(&str, [Option<&str>; 3]); 4] = [
    ("v6-blackhole", [Some("192.0.2.1"), Some("192.0.2.1"), None]),
    ("aaaa-slow-100", [Some("192.0.2.1"), Some("2001:db8:5::1"), Some("2001:db8:5::1")]),
    ("a-slow-400", [Some("2001:db8:5::1"), Some("2001:db8:5::1"), Some("2001:db8:5::1")]),
    ("last-of-six-good", [Some("192.0.2.3"), Some("192.0.2.3"), None]),
];

#[test]
fn netns_race_02_every_policy_gets_what_was_foretold() {
    let Some(bed) = Bed::open() else { return };
    let program = [env!("CARGO_BIN_EXE_loopctl"), "connect", "--json", "--compare=live"];
    let limits = ["--attempt-timeout=1600ms", "--timeout=1700ms", "target.test:7"];
    for (scenario, winners) in SCENARIOS {
        best_of_three(scenario, || {
            let recording = bed.record(scenario, &[&program[..], &limits].concat());
            let document: Value = serde_json::from_str(&recording.stdout).unwrap();
            assert_eq!(recording.status, 0, "{scenario}: hev3 connects");
            let policies = document["compare"]["policies"].as_array().unwrap();
            assert_eq!(policies.len(), 14, "{scenario}");
            for (name, winner) in ["hev3", "asyncio", "sequential"].into_iter().zip(winners) {
                let row = policies.iter().find(|row| row["name"] == name).unwrap();
                let expected = winner.map_or(Value::Null, Value::from);
                assert_eq!(row["measured"]["ip"], expected, "{scenario}: {row:#}");
            }
            policies.iter().filter_map(|row| slip(scenario, row)).collect()
        });
    }
}

/// How far a run is from what was foretold. Who wins is as foretold on every run.
fn slip(scenario: &str, row: &Value) -> Option<Slip> {
    let (predicted, measured) = (&row["predicted"], &row["measured"]);
    let Some(expected) = predicted["ms"].as_f64() else {
        assert_eq!(predicted["outcome"], "unknown", "{scenario}: {row:#}");
        assert_eq!(measured["outcome"], "timeout", "{scenario}: {row:#}");
        return None;
    };
    assert_eq!(predicted["ip"], measured["ip"], "{scenario}: {row:#}");
    let name = row["name"].as_str().unwrap();
    Some(Slip::new(name, (measured["ms"].as_f64().unwrap() - expected).abs()))
}
