//! Every condition of the Happy Eyeballs test matrix takes its course.

use crate::conditions::{USUAL, scenarios};

/// Every file of conditions, and how many courses are in it.
const FILES: [(&str, usize); 8] = [
    ("one_dead", 50),
    ("many", 29),
    ("limits", 13),
    ("hev3/one_of_each", 48),
    ("hev3/lookups", 40),
    ("hev3/many", 28),
    ("hev3/tls", 11),
    ("clients/courses", 23),
];

#[test]
fn every_scenario_takes_its_course() {
    let mut failures = Vec::new();
    let mut counts = Vec::new();
    for (file, _) in FILES {
        let mut checked = 0;
        for (name, scenario) in scenarios(file) {
            for (delay, expected) in &scenario.delay {
                let delays = if delay == "any" { &USUAL[..] } else { &[delay.as_str()] };
                for delay in delays {
                    checked += 1;
                    let course = scenario.run(delay).line();
                    if course != *expected {
                        failures.push(format!("{name} at {delay}: {course}, expected {expected}"));
                    }
                }
            }
        }
        counts.push((file, checked));
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert_eq!(counts, FILES, "courses that were checked");
}

#[test]
fn the_matrix_is_complete() {
    let rows = [1..=11, 13..=22].into_iter().flatten().chain([24, 26, 29]);
    let rows = rows.map(|row| format!("T{row:02}"));
    let known: Vec<String> = FILES
        .iter()
        .filter(|(file, _)| file.starts_with("hev3/"))
        .flat_map(|(file, _)| scenarios(file).into_iter().map(|(name, _)| name))
        .collect();
    let others = ["T12a", "T12b", "T12c", "T12d", "T13b"].map(str::to_owned);
    for id in rows.chain(others) {
        assert!(known.iter().any(|name| name.starts_with(&format!("{id}-"))), "{id} is missing");
    }
}
