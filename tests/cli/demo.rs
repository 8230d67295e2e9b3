//! `loopctl demo`: the main job, without a network.

use crate::json::assert_valid;
use crate::support::run;

#[test]
fn the_demo_races_a_silent_a_refusing_and_a_good_address() {
    let ran = run(&["demo", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let document = ran.json();
    assert_valid(&document);
    let results: Vec<_> =
        document["attempts"].as_array().unwrap().iter().map(|a| a["result"].clone()).collect();
    assert_eq!(results, ["canceled", "failure", "success"]);
    let starts: Vec<f64> = document["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| attempt["start_ms"].as_f64().unwrap())
        .collect();
    assert!(starts[1] - starts[0] >= 250.0, "the delay is never cut short: {starts:?}");
    assert_eq!(document["attempts"][2]["ip"], "127.0.0.2");
}

#[test]
fn the_demo_explains_itself() {
    let ran = run(&["demo", "--happy-eyeballs=100ms"]);
    assert!(ran.stdout.starts_with("demo.test is this machine: "), "{}", ran.stdout);
    assert!(ran.stdout.contains("lost, no answer") && ran.stdout.contains("refused"));
    assert!(ran.stderr.contains("`--all` shows whether it is slow or down"), "{}", ran.stderr);
}

#[test]
fn the_best_of_several_demos_is_close_to_what_the_delays_add_up_to() {
    let total = || run(&["demo", "--json"]).json()["total_ms"].as_f64().unwrap();
    let best = (0..3).map(|_| total()).fold(f64::INFINITY, f64::min);
    // The address that refuses is the second: the third starts 10 ms after it (RFC 8305 section 8).
    assert!((260.0..275.0).contains(&best), "{best} ms");
}
