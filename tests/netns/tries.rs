//! Upper bounds on a machine that has other things to do.

use std::fmt;
use std::sync::LazyLock;

/// How late something may be, in milliseconds: 15, for a busy machine; the goal on an idle one is 3, and
/// `NETNS_TOLERANCE_MS=3` holds to it.
fn tolerance() -> f64 {
    static TOLERANCE: LazyLock<f64> = LazyLock::new(|| {
        let given = std::env::var("NETNS_TOLERANCE_MS");
        given.map_or(15.0, |text| text.parse().expect("NETNS_TOLERANCE_MS: milliseconds"))
    });
    *TOLERANCE
}

/// Runs of which the best is judged. What the program itself adds, it adds to each of them.
const RUNS: usize = 3;

/// How late something was.
pub(crate) struct Slip {
    pub(crate) what: String,
    pub(crate) ms: f64,
}

impl Slip {
    pub(crate) fn new(what: impl Into<String>, ms: f64) -> Self {
        Self { what: what.into(), ms }
    }

    pub(crate) fn is_within_bounds(&self) -> bool {
        self.ms <= tolerance()
    }
}

impl fmt::Display for Slip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:+.1} ms", self.what, self.ms)
    }
}

/// Runs until nothing is late, at most three times. All that must hold on every run, `run` asserts itself.
pub(crate) fn best_of_three(name: &str, mut run: impl FnMut() -> Vec<Slip>) {
    let mut late = Vec::new();
    for number in 1..=RUNS {
        let slips = run();
        let over: Vec<String> =
            slips.iter().filter(|slip| !slip.is_within_bounds()).map(Slip::to_string).collect();
        if over.is_empty() {
            return;
        }
        println!("{name}: run {number} was late: {}", over.join(", "));
        late.push(over.join(", "));
    }
    panic!("{name}: every run was more than {} ms late: {late:#?}", tolerance());
}
