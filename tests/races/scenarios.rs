//! The conditions of the Happy Eyeballs test matrix and what must come of them, from `*.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZero;
use std::path::Path;

use loopctl::plan::{Policy, interleave};
use serde::Deserialize;

use crate::course::{Course, Fate, Owner, ms};

/// One condition. Times are milliseconds since the first start, or since an attempt's own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    /// In the resolver's order: `6a ok@10, 4a fails@10, 4b dead`.
    addresses: String,
    interleave: Option<usize>,
    max_parallel: Option<NonZero<usize>>,
    attempt_timeout: Option<u64>,
    #[serde(default)]
    run_all: bool,
    /// By Connection Attempt Delay (`off`: none, `any`: each of the usual ones): `6a@0 4a@250 -> 4a@260`.
    delay: BTreeMap<String, String>,
}

/// How long the kernel tries: it resends the SYN six times, then gives up.
const DEAD: u64 = 131_000;
const USUAL: [&str; 4] = ["10", "100", "250", "2000"];

#[test]
fn every_scenario_takes_its_course() {
    let mut failures = Vec::new();
    let mut checked = 0;
    for (name, scenario) in scenarios() {
        for (delay, expected) in &scenario.delay {
            let delays = if delay == "any" { &USUAL[..] } else { &[delay.as_str()] };
            for delay in delays {
                checked += 1;
                let course = scenario.run(delay);
                if course != *expected {
                    failures.push(format!("{name} at {delay}: {course}, expected {expected}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert!(checked >= 80, "only {checked} courses were checked");
}

#[test]
fn the_matrix_is_complete() {
    let known: Vec<String> = scenarios().into_iter().map(|(name, _)| name).collect();
    let expected = (1..=11).chain(18..=22).chain([24, 26, 29]);
    for number in expected {
        let id = format!("T{number:02}");
        assert!(known.iter().any(|name| name.starts_with(&id)), "{id} is missing");
    }
}

fn scenarios() -> Vec<(String, Scenario)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/races");
    let files = fs::read_dir(folder).expect("the folder of the scenarios");
    let mut scenarios = Vec::new();
    for file in files.map(|file| file.expect("a file").path()) {
        if file.extension().is_some_and(|extension| extension == "toml") {
            let text = fs::read_to_string(&file).expect("a readable scenario");
            let parsed: BTreeMap<String, Scenario> =
                toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            scenarios.extend(parsed);
        }
    }
    scenarios
}

impl Scenario {
    /// The course in the words of the file.
    fn run(&self, delay: &str) -> String {
        let addresses = self.addresses.split(", ").map(address).collect::<Vec<_>>();
        let delay = delay.parse().ok().map(ms);
        let policy = Policy {
            connection_attempt_delay: delay,
            interleave: self.interleave.unwrap_or_else(|| usize::from(delay.is_some())),
            max_parallel: self.max_parallel,
            attempt_timeout: self.attempt_timeout.map(ms),
            run_all: self.run_all,
        };
        let ordered = match policy.interleave {
            0 => addresses,
            first => interleave(addresses, first, |(name, _)| name.as_bytes()[0]),
        };
        let fates: Vec<Fate> = ordered.iter().map(|(_, fate)| *fate).collect();
        let course = Course::of(&policy, &fates, &Owner::default());
        let name = |number: usize| ordered[number].0;
        let starts: Vec<String> = course
            .starts()
            .iter()
            .map(|(number, at)| format!("{}@{}", name(*number), at.as_millis()))
            .collect();
        let (winner, at) = course.end();
        format!("{} -> {}@{}", starts.join(" "), winner.map_or("lost", name), at.as_millis())
    }
}

/// `6a ok@10` is an address and its fate.
fn address(text: &str) -> (&str, Fate) {
    let (name, fate) = text.split_once(' ').expect("an address and its fate");
    let (word, after) = fate.split_once('@').unwrap_or((fate, ""));
    let after = match word {
        "dead" => DEAD,
        "ok" | "fails" => after.parse().expect("milliseconds"),
        _ => panic!("`{word}` is no fate"),
    };
    (name, Fate { after: Some(ms(after)), connects: word == "ok" })
}
