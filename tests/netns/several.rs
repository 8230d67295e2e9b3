//! Several targets in one run: what a race leaves behind would still be there during the next.

use crate::bed::Bed;
use crate::tries::{Slip, best_of_three};

#[test]
fn netns_losers_are_closed_while_the_program_goes_on_conn_18_race_09() {
    let Some(bed) = Bed::open() else { return };
    let program = [env!("CARGO_BIN_EXE_loopctl"), "connect", "--json", "--timeout", "600ms"];
    let targets = ["--concurrency=1", "target.test:7", "[2001:db8:5::9]:7"];
    best_of_three("two targets", || {
        let recording = bed.record("v6-blackhole", &[&program[..], &targets].concat());
        println!("{}{}", recording.timeline, recording.stdout);
        let documents: Vec<serde_json::Value> = serde_json::from_str(&recording.stdout).unwrap();
        let codes = documents.iter().map(|document| document["exit_code"].as_i64());
        assert!(codes.eq([Some(0), Some(28)]), "one connects, one does not");
        assert_eq!(recording.status, 1);
        let attempts = recording.timeline.attempts();
        let [loser, winner, next] = attempts.as_slice() else { panic!("{attempts:#?}") };
        let closed = loser.closed.unwrap();
        assert!(closed >= winner.answer.unwrap(), "given up before somebody had won");
        assert!(next.closed.unwrap() >= next.syn + 500.0, "the second target had its time");
        vec![Slip::new("end of the loser", closed - winner.answer.unwrap())]
    });
}
