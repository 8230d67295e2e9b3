//! Statistics of repeated runs of one target: a fold over reports.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use loopctl::Address;
use loopctl::plan::Family;

use super::{Attempt, End, FailureKind, Outcome, Report, Subject, Unmet};
use crate::util::cancellation::StopReason;

/// Statistics of the runs, of constant size.
#[derive(Debug, Clone)]
pub(crate) struct RepeatReport {
    pub(crate) subject: Subject,
    pub(crate) started_at: Instant,
    pub(crate) took: Duration,
    pub(crate) runs: RunStats,
    pub(crate) addresses: Vec<AddressStats>,
    /// Times from the first query to the connection.
    pub(crate) times: Times,
    /// Reason of an early end.
    pub(crate) interrupted: Option<StopReason>,
    /// Candidates of the last run, to detect changes of the name.
    candidates: Vec<Address>,
}

/// Outcomes of the runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunStats {
    pub(crate) done: u64,
    pub(crate) connected: u64,
    /// Kinds of runs that did not succeed, each once.
    pub(crate) failures: Vec<RunFailure>,
    /// Number of connections that were not as expected, and the last reason.
    pub(crate) unmet: Option<(u64, Unmet)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunFailure {
    Failed(FailureKind),
    /// Connected, but not as expected.
    Unexpected,
    /// A certificate expires too soon.
    CertificateExpiry,
}

/// Addresses added to and removed from a name between two runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddressChange {
    pub(crate) added: Vec<Address>,
    pub(crate) removed: Vec<Address>,
}

/// One address over all runs.
#[derive(Debug, Clone)]
pub(crate) struct AddressStats {
    pub(crate) address: Address,
    pub(crate) won: u64,
    /// Canceled, because another attempt won.
    pub(crate) lost: u64,
    pub(crate) failed: u64,
    /// The last attempt that failed.
    pub(crate) last_failure: Option<Attempt>,
    /// Durations of its handshakes.
    pub(crate) times: Times,
}

/// Distribution of times, in microseconds, to three digits.
#[derive(Debug, Clone)]
pub(crate) struct Times(Histogram<u64>);

impl Times {
    fn new() -> Self {
        // Three significant digits are always valid; should they ever not be, one digit is.
        let histogram = Histogram::new(3).or_else(|_| Histogram::new(1));
        Self(histogram.unwrap_or_else(|error| unreachable!("{error}")))
    }

    pub(crate) fn record(&mut self, took: Duration) {
        // The histogram grows with its values; only one of centuries could be refused.
        let recorded = self.0.record(took.as_micros().try_into().unwrap_or(u64::MAX));
        debug_assert!(recorded.is_ok(), "{took:?}");
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(quantile).min(self.0.max()))
    }

    pub(crate) fn min(&self) -> Duration {
        Duration::from_micros(self.0.min())
    }

    pub(crate) fn max(&self) -> Duration {
        Duration::from_micros(self.0.max())
    }

    /// Counts in `buckets` equal parts of the range, with the upper bound of each.
    pub(crate) fn buckets(&self, buckets: u64) -> Vec<(Duration, u64)> {
        let (min, max) = (self.0.min(), self.0.max());
        let width = ((max - min) / buckets).max(1);
        let ends = (1..=buckets).map(|nth| if nth == buckets { max } else { min + nth * width });
        let mut from = min;
        ends.map(|end| {
            let count = if from <= end { self.0.count_between(from, end) } else { 0 };
            from = end + 1;
            (Duration::from_micros(end), count)
        })
        .collect()
    }
}

impl RepeatReport {
    pub(crate) fn new(subject: Subject, started_at: Instant) -> Self {
        Self {
            subject,
            started_at,
            took: Duration::ZERO,
            runs: RunStats::default(),
            addresses: Vec::new(),
            times: Times::new(),
            interrupted: None,
            candidates: Vec::new(),
        }
    }

    /// Applies one run, and returns the changes of the addresses.
    pub(crate) fn add(&mut self, report: &Report) -> Option<AddressChange> {
        if matches!(report.end, End::Interrupted(_)) {
            return None;
        }
        self.runs.add(report);
        if let (End::Connected, Some(after)) = (report.end, report.connected_after()) {
            self.times.record(after);
        }
        for (number, attempt) in report.attempts.iter().enumerate() {
            self.of(&attempt.address).add(attempt, report.selected == Some(number));
        }
        self.record_change(&report.resolve.candidates)
    }

    /// Number of connections of a family.
    pub(crate) fn won_by(&self, family: Family) -> u64 {
        let of_family =
            self.addresses.iter().filter(|stats| stats.address.family() == Some(family));
        of_family.map(|stats| stats.won).sum()
    }

    fn of(&mut self, address: &Address) -> &mut AddressStats {
        let known = self.addresses.iter().position(|stats| stats.address == *address);
        let at = known.unwrap_or_else(|| {
            self.addresses.push(AddressStats::new(address.clone()));
            self.addresses.len() - 1
        });
        &mut self.addresses[at]
    }

    fn record_change(&mut self, candidates: &[Address]) -> Option<AddressChange> {
        if candidates.is_empty() {
            return None;
        }
        let before = std::mem::replace(&mut self.candidates, candidates.to_vec());
        let added = candidates.iter().filter(|address| !before.contains(address));
        let removed = before.iter().filter(|address| !candidates.contains(address));
        let (added, removed): (Vec<_>, Vec<_>) =
            (added.cloned().collect(), removed.cloned().collect());
        let is_change = !before.is_empty() && added.len() + removed.len() > 0;
        is_change.then_some(AddressChange { added, removed })
    }
}

impl RunStats {
    fn add(&mut self, report: &Report) {
        self.done += 1;
        self.connected += u64::from(report.end == End::Connected);
        if let Some(unmet) = report.unmet.first() {
            let before = self.unmet.as_ref().map_or(0, |(count, _)| *count);
            self.unmet = Some((before + 1, unmet.clone()));
        }
        if let Some(failure) = RunFailure::of(report)
            && !self.failures.contains(&failure)
        {
            self.failures.push(failure);
        }
    }
}

impl RunFailure {
    fn of(report: &Report) -> Option<Self> {
        let is_expiry = |unmet: &Unmet| matches!(unmet, Unmet::CertificateExpiry { .. });
        match report.end {
            End::Failed(kind) => Some(Self::Failed(kind)),
            End::Connected if report.unmet.iter().any(is_expiry) => Some(Self::CertificateExpiry),
            End::Connected if !report.unmet.is_empty() => Some(Self::Unexpected),
            End::Connected | End::Interrupted(_) => None,
        }
    }
}

impl AddressStats {
    fn new(address: Address) -> Self {
        Self { address, won: 0, lost: 0, failed: 0, last_failure: None, times: Times::new() }
    }

    fn add(&mut self, attempt: &Attempt, won: bool) {
        match &attempt.outcome {
            Outcome::Success => {
                self.won += u64::from(won);
                self.lost += u64::from(!won);
                self.times.record(attempt.took);
            }
            Outcome::Canceled | Outcome::Pending => self.lost += 1,
            Outcome::Timeout | Outcome::Failure(..) => {
                self.failed += 1;
                self.last_failure = Some(attempt.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(us: &[u64]) -> Times {
        let mut times = Times::new();
        us.iter().for_each(|us| times.record(Duration::from_micros(*us)));
        times
    }

    #[test]
    fn buckets_cover_the_range_and_count_everything_once() {
        for sample in [vec![5], vec![1, 1000], (1..=100).collect(), vec![7, 7, 7, 8]] {
            let times = times(&sample);
            let buckets = times.buckets(8);
            assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), sample.len() as u64);
            assert_eq!(buckets.last().unwrap().0, times.max());
        }
    }

    #[test]
    fn quantiles_are_never_beyond_the_largest_time() {
        let times = times(&[250_123, 250_456, 251_789]);
        assert!(times.quantile(0.99) <= times.max());
        assert!(times.min() <= times.quantile(0.5));
        let is_close =
            |a: Duration, us: u64| a.abs_diff(Duration::from_micros(us)).as_micros() < 300;
        assert!(is_close(times.min(), 250_123) && is_close(times.max(), 251_789), "{times:?}");
        assert!(is_close(times.quantile(0.5), 250_456), "to three digits");
    }
}
