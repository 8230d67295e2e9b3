//! Rows of the Happy Eyeballs test matrix beyond times: those of `rows.toml`, and those that take more than a network.

use std::collections::BTreeSet;

use serde_json::Value;
use toml::Table;

use crate::bed::{self, Bed};
use crate::check;
use crate::document::Document;
use crate::expected::Case;
use crate::tries::{Slip, best_of_three};

macro_rules! rows {
    ($($test:ident => $row:literal,)*) => {
        $(
            #[test]
            fn $test() {
                check::holds("rows.toml", $row);
            }
        )*

        const TESTED: &[&str] = &[$($row),*];
    };
}

rows! {
    race_t05_no_route_tried_all_the_same => "T05-no-route-tried-all-the-same",
    race_t05_no_route_put_last => "T05-no-route-put-last",
    race_t33_no_such_name_for_ipv6 => "T33-aaaa-nxdomain",
    race_t33_no_such_name_at_all => "T33-both-nxdomain",
    race_t34_truncated_answers_are_asked_for_over_tcp => "T34-truncated",
    race_t35_the_first_name_server_is_dead => "T35-first-server-dead",
    race_t36_an_address_that_comes_twice_is_tried_once => "T36-duplicates",
    race_t37_a_link_local_address_without_its_zone => "T37-link-local-without-zone",
    race_t37_an_ipv4_address_as_ipv6 => "T37-mapped",
    race_t38_a_source_of_ipv4_alone => "T38-source-v4",
    race_t38_a_source_of_ipv6_alone => "T38-source-v6",
    race_t38_a_source_of_each => "T38-source-of-each",
    race_t42_the_hosts_file_has_both => "T42-hosts-file",
    race_t42_the_hosts_file_has_ipv4_alone => "T42-hosts-file-with-ipv4-alone",
    race_t42_a_literal_asks_nobody => "T42-literal",
    race_t42_localhost_listens_on_ipv4_alone => "T42-localhost",
    race_resolv_conf_search_and_ndots => "resolv-conf-search",
    race_resolv_conf_timeout_and_attempts => "resolv-conf-attempts",
}

#[test]
fn race_every_row_is_tested() {
    let rows: BTreeSet<String> = Case::all("rows.toml").into_iter().map(|row| row.name).collect();
    let tested: BTreeSet<String> = TESTED.iter().map(|row| (*row).to_owned()).collect();
    assert_eq!(rows, tested);
}

const LOOPCTL: &str = env!("CARGO_BIN_EXE_loopctl");

/// Addresses in hand, so that nothing but the race opens a descriptor.
const GIVEN: &str = "target.test:2001:db8:5::1,192.0.2.1";

fn network(text: &str) -> Table {
    toml::from_str(text).unwrap()
}

#[test]
fn race_t32_of_a_server_that_refuses_every_other_time_half_is_told() {
    let Some(bed) = Bed::open() else { return };
    let network = network("link = { v4.rtt = 10, v6 = { rtt = 10, refuse_odd = true } }");
    let flags = ["--json", "--via", "dns", "--policy", "hev3", "-c", "20", "-i", "30ms"];
    let command = [&[LOOPCTL, "connect", "target.test:7"], &flags[..]].concat();
    let recording = bed.record_in(&network, &command);
    assert_eq!(recording.status, 0, "{}", recording.stderr);
    let document: Value = serde_json::from_str(&recording.stdout).unwrap();
    assert_eq!((&document["tries"], &document["connected"]), (&20.into(), &20.into()));
    assert_eq!(document["won_by"], serde_json::json!({ "ipv4": 10, "ipv6": 10 }));
    let [v6, v4] = document["addresses"].as_array().unwrap().as_slice() else { panic!() };
    let counts = |address: &Value| ["won", "failed"].map(|key| address[key].as_u64().unwrap());
    assert_eq!((counts(v6), &v6["last_failure"]), ([10, 10], &"refused".into()));
    assert_eq!(counts(v4), [10, 0]);
    // IPv6 each time, and IPv4 after each odd one.
    let attempts = recording.timeline.attempts();
    let seen: Vec<bool> = attempts.iter().map(|attempt| attempt.remote.starts_with('[')).collect();
    assert_eq!(seen, [true, false, true].repeat(10), "{}", recording.timeline);
}

#[test]
fn race_t39_no_descriptor_is_left_for_the_second_attempt() {
    let Some(bed) = Bed::open() else { return };
    let network = network("link = { v4.rtt = 400, v6.rtt = 400 }");
    // How many it needs before the race is its own affair: what fits is found out.
    let limits = 5..=16;
    let command = |limit: usize| {
        let limit = format!("--nofile={limit}");
        let program = ["prlimit", &limit, LOOPCTL, "connect", "target.test:7", "--json"];
        let flags = ["--policy", "hev3", "--resolve", GIVEN];
        [&program[..], &flags].concat().into_iter().map(str::to_owned).collect()
    };
    let commands: Vec<Vec<String>> = limits.map(command).collect();
    let mut outcomes = Vec::new();
    for recording in bed.record_each(&network, &commands) {
        assert!(!recording.stderr.contains("panicked"), "{}", recording.stderr);
        if recording.stdout.is_empty() {
            // Too few for the loop itself, which is an error in words.
            assert!(recording.stderr.starts_with("error: "), "{}", recording.stderr);
            continue;
        }
        let document = Document::parse(&recording.stdout);
        let told = document.attempts.iter();
        let told =
            told.map(|one| one.error.as_ref().map_or_else(|| one.result.clone(), |it| it.words()));
        let syns = recording.timeline.attempts().len();
        outcomes.push((syns, document.exit_code, told.collect::<Vec<_>>().join(", ")));
    }
    outcomes.dedup();
    let expected =
        [(0, 1, "io EMFILE, io EMFILE"), (1, 0, "success, io EMFILE"), (2, 0, "success, canceled")];
    assert_eq!(outcomes, expected.map(|(syns, exit, told)| (syns, exit, told.to_owned())));
}

/// Runs the program, stopped for a while as soon as so many attempts are under way.
fn suspended<'a>(count: &'a str, ms: &'a str, flags: &[&'a str]) -> Vec<String> {
    let script = bed::path("suspended.py");
    let driver = ["python3", script.to_str().unwrap(), count, ms, LOOPCTL, "connect"];
    let target = ["target.test:7", "--json", "--resolve", GIVEN];
    [&driver, &target[..], flags].concat().into_iter().map(str::to_owned).collect()
}

#[test]
fn race_t41_two_that_connect_at_once_are_one_winner_and_one_loser() {
    let Some(bed) = Bed::open() else { return };
    // Both answers are there when the program looks again.
    let network = network("link = { v4.rtt = 100, v6.rtt = 100 }");
    let command = suspended("2", "300", &["--policy", "simultaneous"]);
    let recording = bed.record_each(&network, &[command]).remove(0);
    let (timeline, document) = (&recording.timeline, Document::parse(&recording.stdout));
    println!("{timeline}{}", recording.stdout);
    let results: Vec<&str> = document.attempts.iter().map(|one| one.result.as_str()).collect();
    assert_eq!((recording.status, results), (0, vec!["success", "canceled"]));
    let attempts = timeline.attempts();
    assert_eq!(attempts.len(), 2);
    for (attempt, told) in attempts.iter().zip(&document.attempts) {
        let answer = attempt.answer.expect("a SYN-ACK");
        assert!(answer - attempt.syn < 300.0, "it came while the program was stopped");
        assert_eq!(told.local.as_ref(), Some(&attempt.local));
        // The loser is connected as well, and ended in order.
        assert!(timeline.ends_of(&attempt.local) > 0, "{}", attempt.local);
    }
}

#[test]
fn race_t43_what_came_due_while_it_was_stopped_starts_when_it_goes_on() {
    let Some(bed) = Bed::open() else { return };
    let network = network("link = { v6.drop = true, v4.rtt = 20 }");
    best_of_three("T43", || {
        let command = suspended("1", "1000", &["--policy", "hev3"]);
        let recording = bed.record_each(&network, &[command]).remove(0);
        println!("{}{}", recording.timeline, recording.stdout);
        let document = Document::parse(&recording.stdout);
        assert_eq!(document.winner().unwrap().ip, "192.0.2.1");
        let attempts = recording.timeline.attempts();
        let [first, second] = attempts.as_slice() else { panic!("{attempts:?}") };
        let between = second.syn - first.syn;
        assert!(between >= 1000.0, "it ran while it was stopped?");
        // The delay was over long before, and the report does not hide it.
        let slip = document.attempts[1].start_lag_ms;
        assert!(slip >= 749.0, "{slip} ms");
        let told = document.attempts[1].start_ms - document.attempts[0].start_ms;
        vec![
            Slip::new("start after the stop", between - 1000.0),
            Slip::new("start_ms", (told - between).abs()),
            Slip::new("start_lag_ms", (slip - (told - 250.0)).abs()),
        ]
    });
}
