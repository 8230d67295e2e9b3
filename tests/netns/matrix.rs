//! The condition matrix of Happy Eyeballs with the real program: every row of `tests/races/hev3` that needs no
//! handshake after TCP, with each of the usual delays.

use std::collections::BTreeSet;

use crate::bed::{Bed, Recording};
use crate::conditions::{Scenario, USUAL, scenarios};
use crate::course::Peer;
use crate::document::Document;
use crate::timeline::Timeline;
use crate::tries::{Slip, best_of_three};
use crate::world::{Line, World, ip_of, remote_of};

const FILES: [&str; 3] = ["hev3/one_of_each", "hev3/lookups", "hev3/many"];

/// The row that is strict about attempts which send no packet. No flag asks for that; `rows` has what the program does.
const NO_FLAG: &str = "T05-no-route-here-strictly";

/// Times are told in microseconds.
const EXACT: f64 = 0.01;

macro_rules! rows {
    ($($test:ident => $row:literal,)*) => {
        $(
            #[test]
            fn $test() {
                holds($row);
            }
        )*

        const TESTED: &[&str] = &[$($row,)* NO_FLAG];
    };
}

rows! {
    race_t01_both_work => "T01-both-work",
    race_t02_first_is_silent => "T02-first-is-silent",
    race_t03_first_refuses => "T03-first-refuses",
    race_t04_router_says_unreachable => "T04-router-says-unreachable",
    race_t06_first_is_60_ms_away => "T06-first-is-60-ms-away",
    race_t07_first_is_225_ms_away => "T07-first-is-225-ms-away",
    race_t08_first_is_275_ms_away => "T08-first-is-275-ms-away",
    race_t09_first_is_400_ms_away => "T09-first-is-400-ms-away",
    race_t10_both_are_400_ms_away => "T10-both-are-400-ms-away",
    race_t11_four_far_away => "T11-four-far-away",
    race_t12a_aaaa_20_ms_later => "T12a-aaaa-20-ms-later",
    race_t12b_aaaa_40_ms_later => "T12b-aaaa-40-ms-later",
    race_t12c_aaaa_100_ms_later => "T12c-aaaa-100-ms-later",
    race_t12d_aaaa_1_s_later => "T12d-aaaa-1-s-later",
    race_t13_a_1_s_later => "T13-a-1-s-later",
    race_t13b_a_1_s_later_and_first_is_silent => "T13b-a-1-s-later-and-first-is-silent",
    race_t14_aaaa_fails => "T14-aaaa-fails",
    race_t15_aaaa_has_no_answer => "T15-aaaa-has-no-answer",
    race_t16_a_has_no_answer => "T16-a-has-no-answer",
    race_t17_a_fails => "T17-a-fails",
    race_t18_one_family_first_dead => "T18-one-family-first-dead",
    race_t19_a_dead_family_of_four => "T19-a-dead-family-of-four",
    race_t20_only_the_last_of_six => "T20-only-the-last-of-six",
    race_t21_one_packet_lost => "T21-one-packet-lost",
    race_t22_first_refuses_the_rest_work => "T22-first-refuses-the-rest-work",
    race_t24_all_refuse => "T24-all-refuse",
    race_t26_both_are_dead => "T26-both-are-dead",
    race_t29_a_dead_family_of_eight_by_two => "T29-a-dead-family-of-eight-by-two",
}

#[test]
fn race_t01_to_t29_are_all_tested() {
    let known = FILES.into_iter().flat_map(scenarios).map(|(name, _)| name);
    let known: BTreeSet<String> = known.collect();
    let tested: BTreeSet<String> = TESTED.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(known, tested);
    assert_eq!(TESTED.len(), tested.len(), "a row is tested twice");
}

/// Runs a row with all of its delays, and the ones that were late once more.
fn holds(name: &str) {
    let all = FILES.into_iter().flat_map(scenarios);
    let (_, row) = all.into_iter().find(|(known, _)| known == name).expect("a row");
    let Some(bed) = Bed::open() else { return };
    let world = World::of(name, &row);
    let mut late = USUAL.to_vec();
    best_of_three(name, || {
        let commands: Vec<_> = late.iter().map(|delay| command(&row, delay)).collect();
        let recordings = bed.record_each(&world.network(), &commands);
        assert_eq!(recordings.len(), late.len());
        let runs: Vec<_> = late.iter().copied().zip(&recordings).collect();
        let slips: Vec<_> =
            runs.iter().map(|(delay, run)| judge(&world, &row, delay, run)).collect();
        let is_late = |slips: &&Vec<Slip>| !slips.iter().all(Slip::is_within_bounds);
        let judged = slips.iter().zip(&runs).filter(|(slips, _)| is_late(slips));
        late = judged.map(|(_, (delay, _))| *delay).collect();
        slips.into_iter().flatten().collect()
    });
}

fn command(row: &Scenario, delay: &str) -> Vec<String> {
    let program = env!("CARGO_BIN_EXE_loopctl");
    let line = format!(
        "{program} connect target.test:7 --json --via dns --policy hev3 --happy-eyeballs={delay}ms \
         --interleave {} --timeout 20s",
        row.policy(delay).interleave,
    );
    line.split(' ').map(str::to_owned).collect()
}

/// Asserts what holds on every run; gives what may be late.
fn judge(world: &World, row: &Scenario, delay: &str, recording: &Recording) -> Vec<Slip> {
    let Recording { timeline, stdout, stderr, .. } = recording;
    println!("--- {} {delay} ms\n{timeline}{stdout}{stderr}", world.id);
    let line = row.delay.get(delay).or_else(|| row.delay.get("any")).expect("a course");
    let nominal = world.nominal(line);
    let document = Document::parse(stdout);
    let course = Line::of(&world.course(&row.policy(delay), timeline));
    assert_order(&course, recording, &document);
    if course.names() != nominal.names() {
        // An answer came after the timer that it should have come before. That is the bed's doing, not the program's.
        return vec![Slip::new(format!("{} at {delay}: the network", world.id), f64::INFINITY)];
    }
    assert_not_early(&nominal, timeline);
    let mut slips = slips(&format!("{} at {delay}", world.id), &course, recording, &document);
    // Where the machine stood still a start is late, and another may win; that run is to be repeated.
    let (starts, _) = slips.split_at(nominal.starts.len());
    if starts.iter().all(Slip::is_within_bounds) {
        assert_end(&nominal, recording, &document);
    }
    if world.is_hopeless() {
        // The kernel is not exact about when it gives up.
        slips.retain(|slip| !slip.what.contains("end"));
        assert!(document.end_ms() - document.resolve.asked_ms() >= nominal.end);
    }
    slips
}

/// The SYNs in the order of the race in virtual time, also by the program's own word.
fn assert_order(course: &Line, recording: &Recording, document: &Document) {
    let attempts = recording.timeline.attempts();
    let seen: Vec<&str> = attempts.iter().map(|attempt| attempt.remote.as_str()).collect();
    let peers = || course.names().into_iter().map(|name| Peer(name.to_owned()));
    assert_eq!(seen, peers().map(|peer| remote_of(&peer)).collect::<Vec<_>>(), "the SYNs");
    let told: Vec<&str> = document.attempts.iter().map(|told| told.ip.as_str()).collect();
    assert_eq!(told, peers().map(|peer| ip_of(&peer)).collect::<Vec<_>>(), "attempts told");
    for (attempt, told) in attempts.iter().zip(&document.attempts) {
        assert_eq!(told.local.as_ref(), Some(&attempt.local));
    }
}

/// No SYN before the time that the row says.
fn assert_not_early(nominal: &Line, timeline: &Timeline) {
    let asked = timeline.first_query().expect("a question");
    for (attempt, (name, start)) in timeline.attempts().iter().zip(&nominal.starts) {
        let at = attempt.syn - asked;
        assert!(at >= *start, "{name} at {at:.3} ms, not before {start}");
    }
}

/// The right winner, and the right exit status.
fn assert_end(nominal: &Line, recording: &Recording, document: &Document) {
    let attempts = recording.timeline.attempts();
    let winner = nominal.winner.clone().map(|name| ip_of(&Peer(name)));
    assert_eq!(document.winner().map(|winner| winner.ip.clone()), winner);
    let status = match nominal.winner {
        Some(_) => 0,
        None if attempts.iter().all(|attempt| attempt.answer.is_some()) => 7,
        None => 28,
    };
    assert_eq!((recording.status, document.exit_code), (status, status));
}

/// How much later than in virtual time, by the packets and by the program's word.
fn slips(what: &str, course: &Line, recording: &Recording, document: &Document) -> Vec<Slip> {
    let timeline = &recording.timeline;
    let asked = timeline.first_query().expect("a question");
    let attempts = timeline.attempts();
    assert_eq!(attempts.len(), course.starts.len(), "{what}: {course:?}");
    let mut slips = Vec::new();
    for (attempt, (name, start)) in attempts.iter().zip(&course.starts) {
        let late = attempt.syn - asked - start;
        assert!(late >= -EXACT, "{what}: {name} {late:.3} ms after its time");
        slips.push(Slip::new(format!("{what}: {name} at {start:.1}"), late));
    }
    let by_program = document.end_ms() - document.resolve.asked_ms();
    slips.push(Slip::new(format!("{what}: end at {:.1}", course.end), by_program - course.end));
    slips.iter().for_each(|slip| println!("{slip}"));
    slips
}
