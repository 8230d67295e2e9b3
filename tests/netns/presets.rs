//! The policies named after clients, in the conditions of `tests/races/clients/model.toml` in which clients differ most.

use std::collections::BTreeMap;

use loopctl::plan::{DelayFrom, Policy, Preset, Resolution};

use crate::bed::{Bed, Recording};
use crate::conditions::{ClientTable, addresses, replies};
use crate::course::Peer;
use crate::document::Document;
use crate::timeline::Attempt;
use crate::tries::{Slip, best_of_three};
use crate::world::{Line, World, ip_of, remote_of};

macro_rules! conditions {
    ($($test:ident => $condition:literal,)*) => {
        $(
            #[test]
            fn $test() {
                holds($condition);
            }
        )*
    };
}

conditions! {
    race_presets_t02 => "T02",
    race_presets_t07 => "T07",
    race_presets_t10 => "T10",
    race_presets_t12b => "T12b",
    race_presets_t12c => "T12c",
    race_presets_t13b => "T13b",
    race_presets_t14 => "T14",
    race_presets_t18 => "T18",
    race_presets_t20 => "T20",
    race_presets_t22 => "T22",
    race_presets_t24 => "T24",
}

/// Times are told in microseconds.
const EXACT: f64 = 0.01;

/// How long a run takes at most: some clients need minutes. Name servers have a quarter of it each time they are asked,
/// and in T13 they take a second.
fn limit_ms(id: &str) -> f64 {
    if id.starts_with("T13") { 4500.0 } else { 1800.0 }
}

fn holds(id: &str) {
    let text = include_str!("../races/clients/model.toml");
    let all: BTreeMap<String, ClientTable> = toml::from_str(text).unwrap();
    let (name, condition) =
        all.iter().find(|(name, _)| name.split('-').next() == Some(id)).expect("a condition");
    let Some(bed) = Bed::open() else { return };
    let fates = addresses(&condition.addresses);
    let world =
        World::new(name, &fates, &replies(Some(&condition.aaaa), Some(&condition.a), &fates));
    let mut presets: Vec<&String> = condition.client.keys().collect();
    assert!(presets.len() >= 11);
    best_of_three(name, || {
        let commands: Vec<_> = presets.iter().map(|preset| command(preset, limit_ms(id))).collect();
        let recordings = bed.record_each(&world.network(), &commands);
        assert_eq!(recordings.len(), presets.len());
        let runs = presets.iter().copied().zip(&recordings);
        let judged: Vec<_> = runs
            .map(|(preset, run)| (preset, judge(&world, preset, &condition.client[preset], run)))
            .collect();
        let late = judged.iter().filter(|(_, slips)| !slips.iter().all(Slip::is_within_bounds));
        presets = late.map(|(preset, _)| *preset).collect();
        judged.into_iter().flat_map(|(_, slips)| slips).collect()
    });
}

fn command(preset: &str, limit: f64) -> Vec<String> {
    let program = env!("CARGO_BIN_EXE_loopctl");
    let line = format!(
        "{program} connect target.test:7 --json --via dns --policy {preset} --timeout {limit}ms"
    );
    line.split(' ').map(str::to_owned).collect()
}

/// Asserts order and winner; gives what may be late.
fn judge(world: &World, preset: &str, cell: &str, recording: &Recording) -> Vec<Slip> {
    let Recording { timeline, stdout, stderr, .. } = recording;
    println!("--- {} --policy {preset}: {cell}\n{timeline}{stdout}{stderr}", world.id);
    let policy = Policy::from(preset.parse::<Preset>().expect("a preset"));
    let limit = limit_ms(&world.id);
    let in_time = |line: Line| -> Vec<(String, f64)> {
        line.starts.into_iter().filter(|(_, at)| *at < limit).collect()
    };
    let attempts = timeline.attempts();
    let seen: Vec<&str> = attempts.iter().map(|attempt| attempt.remote.as_str()).collect();
    let course = Line::of(&world.course(&policy, timeline));
    let (end, course) = (course.end, in_time(course));
    let remotes = |starts: &[(String, f64)]| -> Vec<String> {
        starts.iter().map(|(name, _)| remote_of(&Peer(name.clone()))).collect()
    };
    if remotes(&in_time(Line::of(&world.ideal(&policy)))) != seen {
        // An answer came after the timer that it should have come before. That is the bed's doing, not the program's.
        assert_eq!(seen, remotes(&course), "{} --policy {preset}: the SYNs", world.id);
        return vec![Slip::new(format!("{} {preset}: the network", world.id), f64::INFINITY)];
    }
    // The table's own word: `4a 262`, `fail 42`, `4a 131.0s`, `none`.
    let winner = match cell.split_once(' ') {
        Some((name, time)) if name != "lost" && time.parse().is_ok_and(|at: f64| at < limit) => {
            Some(ip_of(&Peer(name.to_owned())))
        }
        _ => None,
    };
    let document = Document::parse(stdout);
    let by_program = document.end_ms() - document.resolve.asked_ms();
    let asked = timeline.first_query().expect("a question");
    // Where the delay counts from the beginning, that is some time before the first question is on the wire.
    let began = (document.began() - timeline.began) * 1000.0;
    let is_from_beginning =
        matches!(policy.resolution, Resolution::Separate { delay_from: DelayFrom::RaceStart, .. });
    let head_start = if is_from_beginning { (asked - began).max(0.0) } else { 0.0 };
    // By name: of those that start together, any may be first.
    let starts = course.iter().filter_map(|(name, at)| {
        let attempt = attempts.iter().find(|it| it.remote == remote_of(&Peer(name.clone())))?;
        let mut late = attempt.syn - asked - at;
        // The course in virtual time cannot know which of two refusals at one time arrived first, and that decides
        // whether the next address of the family waits for a poll.
        if let Some(poll) = policy.pacing.poll_interval
            && follows_a_tie(&attempts, attempt)
            && late >= poll.as_secs_f64() * 1000.0 - EXACT
        {
            late -= poll.as_secs_f64() * 1000.0;
        }
        assert!(late >= -head_start - EXACT, "{preset}: {name} {late:.3} ms after its time");
        Some(Slip::new(format!("{} {preset}: {name} at {at:.1}", world.id), late))
    });
    let mut slips: Vec<Slip> = starts.collect();
    // Where the machine stood still a start is late, and another may win; that run is to be repeated.
    if slips.iter().all(Slip::is_within_bounds) {
        let selected = document.winner().map(|winner| winner.ip.clone());
        assert_eq!(selected, winner, "{preset}: {cell}");
    }
    if winner.is_some() {
        slips.push(Slip::new(format!("{} {preset}: end at {end:.1}", world.id), by_program - end));
    }
    slips.iter().for_each(|slip| println!("{slip}"));
    slips
}

/// Whether the attempt before this one, of the same family, was refused within a millisecond of one of the other family.
fn follows_a_tie(attempts: &[Attempt], attempt: &Attempt) -> bool {
    const AT_ONE_TIME: f64 = 1.0;
    let is_v6 = |it: &Attempt| it.remote.starts_with('[');
    let of_family = |it: &&Attempt| is_v6(it) == is_v6(attempt) && it.syn < attempt.syn;
    let before = attempts.iter().rfind(of_family).and_then(|it| it.answer);
    let mut others = attempts.iter().filter(|it| is_v6(it) != is_v6(attempt));
    before.is_some_and(|end| {
        others.any(|it| it.answer.is_some_and(|other| (other - end).abs() < AT_ONE_TIME))
    })
}
