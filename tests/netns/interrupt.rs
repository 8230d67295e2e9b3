//! SIGINT at random moments.

use std::hash::{BuildHasher, RandomState};

use serde::Deserialize;

use crate::bed::{self, Bed};
use crate::document::Document;

/// What `interrupt.py` prints for each moment.
#[derive(Debug, Deserialize)]
struct Interrupt {
    after_ms: f64,
    before: Vec<String>,
    status: i32,
    took_ms: f64,
    stdout: String,
    stderr: String,
    left: Vec<String>,
}

/// SIGINT's number; Python tells an end by signal as a negative status. A shell makes 130 of it.
const KILLED_BY_SIGINT: i32 = -2;

/// Half of what a user would wait for.
const PROMPTLY_MS: f64 = 500.0;

#[test]
fn netns_sigint_in_a_race_leaves_no_half_open_socket_t40_race_08_race_09() {
    let Some(bed) = Bed::open() else { return };
    let interrupts = interrupt(&bed, "all-blackhole", 20, 600);
    let in_flight = |count| interrupts.iter().filter(|i| i.before.len() == count).count();
    assert!(in_flight(1) > 2 && in_flight(2) > 2, "the moments miss the race: {interrupts:#?}");
    for interrupt in &interrupts {
        let document = interrupt.assert_clean();
        let told = document.attempts.len();
        assert!(told >= interrupt.before.len(), "{told} attempts told: {interrupt:#?}");
        let mut results = document.attempts.iter().map(|attempt| attempt.result.as_str());
        assert!(results.all(|result| result == "canceled"), "{:#?}", document.attempts);
    }
}

#[test]
fn netns_sigint_in_a_lookup_does_not_wait_for_the_resolver() {
    let Some(bed) = Bed::open() else { return };
    // getaddrinfo blocks for many seconds here, and a blocked thread cannot be interrupted.
    for interrupt in interrupt(&bed, "dns-silent", 4, 300) {
        let document = interrupt.assert_clean();
        assert_eq!(document.attempts.len(), 0, "{interrupt:#?}");
    }
}

#[test]
fn race_t40_sigint_with_a_question_open_and_an_attempt_under_way() {
    let Some(bed) = Bed::open() else { return };
    let scenario = "aaaa-silent-v4-dead";
    let output = drive(&bed, scenario, 6, 400, &["--via", "dns", "--policy", "hev3"]);
    let interrupts = output.iter().filter(|interrupt| !interrupt.before.is_empty());
    assert!(interrupts.count() > 2, "the moments miss the race: {output:#?}");
    for interrupt in &output {
        let document = interrupt.assert_clean();
        assert!(document.attempts.iter().all(|attempt| attempt.result == "canceled"));
        assert!(document.attempts.len() >= interrupt.before.len(), "{interrupt:#?}");
    }
}

fn interrupt(bed: &Bed, scenario: &str, times: u32, last_ms: u32) -> Vec<Interrupt> {
    drive(bed, scenario, times, last_ms, &[])
}

fn drive(bed: &Bed, scenario: &str, times: u32, last_ms: u32, flags: &[&str]) -> Vec<Interrupt> {
    let seed = RandomState::new().hash_one(scenario);
    println!("{scenario}, seed {seed}");
    let (seed, times, last_ms) = (seed.to_string(), times.to_string(), last_ms.to_string());
    let script = bed::path("interrupt.py");
    let driver = ["python3", script.to_str().unwrap(), &seed, &times, &last_ms];
    let program = [env!("CARGO_BIN_EXE_loopctl"), "connect", "target.test:7", "--json"];
    let output = bed.run(scenario, &[&driver[..], &program[..], flags].concat());
    let lines = bed::text(&output.stdout);
    let interrupts: Vec<Interrupt> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(interrupts.len().to_string(), times, "{}", bed::text(&output.stderr));
    interrupts
}

impl Interrupt {
    /// A complete document, the right end, soon enough, and nothing left behind.
    fn assert_clean(&self) -> Document {
        assert_eq!(self.status, KILLED_BY_SIGINT, "{self:#?}");
        assert!(self.left.is_empty(), "in SYN_SENT, {} ms: {:?}", self.after_ms, self.left);
        assert!(self.took_ms < PROMPTLY_MS, "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        let document = Document::parse(&self.stdout);
        let end = (document.outcome.as_str(), document.end.as_str(), document.exit_code);
        assert_eq!(end, ("interrupted", "interrupted", 130));
        document
    }
}
