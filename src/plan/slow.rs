//! Log of slow jobs, in bounded memory.

use std::cmp::Reverse;
use std::panic::Location;
use std::time::Duration;

/// Slow jobs, counted by name and by the line that scheduled them.
///
/// Only the `max_jobs` slowest are kept; the totals include all of them.
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
    max_jobs: usize,
    jobs: Vec<SlowJob>,
    totals: SlowTotals,
}

/// Slow runs of jobs with the same name and origin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlowJob {
    /// Name of the job, such as `task Task-3` or `timer`.
    pub name: String,
    /// Line that scheduled it, if known.
    pub origin: Option<&'static Location<'static>>,
    /// Number of slow runs.
    pub count: u64,
    /// Total duration of the slow runs.
    pub total: Duration,
    /// Longest run.
    pub longest: Duration,
}

/// Totals of all slow runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlowTotals {
    /// Number of slow runs.
    pub count: u64,
    /// Total duration.
    pub total: Duration,
}

impl SlowLog {
    /// Log of at most `max_jobs` jobs.
    pub fn new(max_jobs: usize) -> Self {
        Self { max_jobs, ..Self::default() }
    }

    /// Records one slow run.
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
        self.jobs.truncate(self.max_jobs);
    }

    /// Slowest jobs, longest run first.
    pub fn worst(&self) -> &[SlowJob] {
        &self.jobs
    }

    /// Totals of all slow runs, including those of jobs no longer kept.
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
