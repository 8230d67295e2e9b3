//! CPython's race beside ours: the same SYNs in the same order, at the same times.

use crate::bed::{self, BEDS_OF_A_TEST, Bed, Recording};
use crate::check::Run;
use crate::expected::Case;
use crate::pace;
use crate::tries::{Slip, best_of_three};

#[test]
fn netns_asyncio_races_the_same_way() {
    let Some(bed) = Bed::open() else { return };
    let version = bed.record("healthy", &["python3", "--version"]).stdout;
    let mut cases = Case::all("expected.toml");
    cases.retain(|case| case.asyncio);
    let rows: Vec<Row> = std::thread::scope(|scope| {
        let bed = &bed;
        let start = |cases| scope.spawn(move || side_by_side(bed, cases));
        let beds: Vec<_> = cases.chunks(cases.len().div_ceil(BEDS_OF_A_TEST)).map(start).collect();
        beds.into_iter().flat_map(|bed| bed.join().unwrap()).collect()
    });
    assert!(rows.len() >= 10, "a comparison in {} races says little", rows.len());
    print_table(&rows, version.trim());
}

fn side_by_side(bed: &Bed, cases: &[Case]) -> Vec<Row> {
    let mut rows = Vec::new();
    for case in cases {
        best_of_three(&case.name, || {
            let ours = Run::of(bed, case);
            ours.judge();
            let (ours, theirs) = (ours.pace(), race(bed, case));
            let apart = compare(&ours, &theirs);
            rows.push(Row { case: case.name.clone(), ours, theirs });
            apart
        });
    }
    rows
}

/// One pair of runs.
struct Row {
    case: String,
    ours: Vec<Slip>,
    theirs: Vec<Slip>,
}

/// asyncio in a case's network: how late its SYNs were.
fn race(bed: &Bed, case: &Case) -> Vec<Slip> {
    let script = bed::path("asyncio_connect.py");
    let command = ["python3", script.to_str().unwrap(), "target.test", "7", "0.25"];
    let Recording { status, stdout, timeline, .. } = bed.record(&case.scenario, &command);
    println!("--- {} asyncio\n{timeline}{stdout}", case.scenario);
    let attempts = timeline.attempts();
    pace::assert_order(case, &attempts);
    match &case.winner {
        Some(winner) => assert_eq!((status, stdout.trim()), (0, winner.as_str())),
        None => assert_eq!(status, 7, "{stdout}"),
    }
    pace::slips(case, &attempts)
}

/// How far apart the two are, SYN by SYN.
fn compare(ours: &[Slip], theirs: &[Slip]) -> Vec<Slip> {
    assert_eq!(ours.len(), theirs.len());
    let pairs = ours.iter().zip(theirs);
    pairs.map(|(ours, theirs)| Slip::new(&ours.what, (ours.ms - theirs.ms).abs())).collect()
}

fn print_table(rows: &[Row], version: &str) {
    println!("{:50} {:>8}  {version}", "SYN, later than it should be by (ms)", "loopctl");
    for row in rows {
        for (ours, theirs) in row.ours.iter().zip(&row.theirs) {
            print_line(&format!("{}: {}", row.case, ours.what), ours.ms, theirs.ms);
        }
    }
    let sorted = |slips: fn(&Row) -> &[Slip]| {
        let mut all: Vec<f64> = rows.iter().flat_map(slips).map(|slip| slip.ms).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let (ours, theirs) = (sorted(|row| &row.ours), sorted(|row| &row.theirs));
    print_line("median", ours[ours.len() / 2], theirs[theirs.len() / 2]);
    print_line("max", ours[ours.len() - 1], theirs[theirs.len() - 1]);
}

fn print_line(what: &str, ours: f64, theirs: f64) {
    println!("{what:50} {ours:8.2}  {theirs:8.2}");
}
