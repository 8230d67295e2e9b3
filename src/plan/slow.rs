//! Which jobs were slow, in bounded memory.

use std::cmp::Reverse;
use std::panic::Location;
use std::time::Duration;

/// Sums up slow jobs by what they are and where they were scheduled.
///
/// Only the `keep` worst kinds of job are held; the totals count all of them.
///
/// ```
/// use loopctl::plan::SlowLog;
/// use std::time::Duration;
///
/// let mut log = SlowLog::new(10);
/// log.record("parse", None, Duration::from_millis(120));
/// log.record("parse", None, Duration::from_millis(300));
/// let worst = &log.worst()[0];
/// assert_eq!((worst.count, worst.longest.as_millis()), (2, 300));
/// assert_eq!(log.totals().count, 2);
/// ```
#[derive(Debug, Clone, Default)]
pub struct SlowLog {
    keep: usize,
    jobs: Vec<SlowJob>,
    totals: SlowTotals,
}

/// One kind of slow job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowJob {
    /// What it is, such as `task Task-3` or `timer`.
    pub name: String,
    /// The line that scheduled it, where there is one.
    pub origin: Option<&'static Location<'static>>,
    /// How often it was slow.
    pub count: u64,
    /// How long its slow runs took together.
    pub total: Duration,
    /// Its longest run.
    pub longest: Duration,
}

/// All slow runs together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlowTotals {
    /// How many slow runs there were.
    pub count: u64,
    /// How long they took together.
    pub total: Duration,
}

impl SlowLog {
    /// A log of the `keep` worst kinds of job.
    pub fn new(keep: usize) -> Self {
        Self { keep, ..Self::default() }
    }

    /// Notes one slow run.
    pub fn record(
        &mut self,
        name: &str,
        origin: Option<&'static Location<'static>>,
        took: Duration,
    ) {
        self.totals.count += 1;
        self.totals.total += took;
        match self.jobs.iter_mut().find(|job| job.name == name && job.origin == origin) {
            Some(job) => job.add(took),
            None => self.jobs.push(SlowJob::first(name, origin, took)),
        }
        self.jobs.sort_by_key(|job| Reverse(job.longest));
        self.jobs.truncate(self.keep);
    }

    /// The worst kinds of job, longest run first.
    pub fn worst(&self) -> &[SlowJob] {
        &self.jobs
    }

    /// Every slow run there was, also of kinds no longer held.
    pub fn totals(&self) -> SlowTotals {
        self.totals
    }
}

impl SlowJob {
    fn first(name: &str, origin: Option<&'static Location<'static>>, took: Duration) -> Self {
        Self { name: name.to_owned(), origin, count: 1, total: took, longest: took }
    }

    fn add(&mut self, took: Duration) {
        self.count += 1;
        self.total += took;
        self.longest = self.longest.max(took);
    }
}
