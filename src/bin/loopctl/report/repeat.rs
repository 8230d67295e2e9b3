//! Statistics of repeated runs of one target: a fold over reports.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use loopctl::Address;
use loopctl::plan::Family;

use super::times::Times;
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
    pub(crate) http: HttpTimes,
    pub(crate) syn: SynStats,
    /// Reason of an early end.
    pub(crate) interrupted: Option<StopReason>,
    /// Candidates of the last run, to detect changes of the name.
    candidates: Vec<Address>,
}

/// Phases of the HTTP exchanges that succeeded.
#[derive(Debug, Clone)]
pub(crate) struct HttpTimes {
    /// Time of the server, without the round trip.
    pub(crate) server: Times,
    pub(crate) body: Times,
    /// From the first query to the end of the response.
    pub(crate) total: Times,
}

/// SYNs of the attempts that connected. An address that never answers says nothing about loss.
#[derive(Debug, Clone)]
pub(crate) struct SynStats {
    pub(crate) sent: u64,
    pub(crate) resent: u64,
    /// Number of runs won by an attempt with a resent SYN.
    pub(crate) runs: u64,
    /// Number of these runs whose first SYN was answered, late.
    pub(crate) first_answered: u64,
    /// Handshakes that won, with a resent SYN and without.
    with: Times,
    without: Times,
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
    /// A status of 400 or above.
    HttpError,
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

impl RepeatReport {
    pub(crate) fn new(subject: Subject, started_at: Instant) -> Self {
        Self {
            subject,
            started_at,
            took: Duration::ZERO,
            runs: RunStats::default(),
            addresses: Vec::new(),
            times: Times::new(),
            http: HttpTimes { server: Times::new(), body: Times::new(), total: Times::new() },
            syn: SynStats::new(),
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
        self.http.add(report);
        for (number, attempt) in report.attempts.iter().enumerate() {
            self.syn.add(attempt, report.selected == Some(number));
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
        let [old, new]: [HashSet<&Address>; 2] =
            [&before, candidates].map(|list| list.iter().collect());
        let added = candidates.iter().filter(|address| !old.contains(address));
        let removed = before.iter().filter(|address| !new.contains(address));
        let (added, removed): (Vec<_>, Vec<_>) =
            (added.cloned().collect(), removed.cloned().collect());
        let is_change = !before.is_empty() && added.len() + removed.len() > 0;
        is_change.then_some(AddressChange { added, removed })
    }
}

impl HttpTimes {
    fn add(&mut self, report: &Report) {
        let Some(http) = report.http.as_ref().filter(|http| http.failure.is_none()) else { return };
        let rtt = report.round_trip().unwrap_or_default();
        http.server_took(rtt).into_iter().for_each(|took| self.server.record(took));
        http.body_took().into_iter().for_each(|took| self.body.record(took));
        self.total.record(http.ended);
    }
}

impl SynStats {
    fn new() -> Self {
        Self {
            sent: 0,
            resent: 0,
            runs: 0,
            first_answered: 0,
            with: Times::new(),
            without: Times::new(),
        }
    }

    fn add(&mut self, attempt: &Attempt, won: bool) {
        let is_connected = match attempt.outcome {
            Outcome::Success => true,
            Outcome::Canceled => attempt.tcp.is_some_and(|tcp| tcp.established),
            _ => false,
        };
        let Some(tcp) = attempt.tcp.filter(|_| is_connected) else { return };
        self.sent += 1 + u64::from(tcp.retransmits);
        self.resent += u64::from(tcp.retransmits);
        if won {
            self.runs += u64::from(tcp.retransmits > 0);
            // Because timestamps tell which SYN was answered, a round trip as long as the handshake is that of the first.
            let is_of_first = tcp.rtt >= attempt.took.mul_f64(0.9);
            self.first_answered += u64::from(tcp.retransmits > 0 && is_of_first);
            let times = if tcp.retransmits > 0 { &mut self.with } else { &mut self.without };
            times.record(attempt.took);
        }
    }

    /// Share of the SYNs that were sent again, from 0 to 1.
    pub(crate) fn resent_share(&self) -> f64 {
        self.resent as f64 / self.sent.max(1) as f64
    }

    /// Difference of the median handshakes with a resent SYN and without; `None` if there are only such or others.
    pub(crate) fn cost(&self) -> Option<Duration> {
        let has_both = !self.with.is_empty() && !self.without.is_empty();
        has_both.then(|| self.with.median().saturating_sub(self.without.median()))
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
        let is_error = |unmet: &Unmet| matches!(unmet, Unmet::HttpError { .. });
        match report.end {
            End::Failed(kind) => Some(Self::Failed(kind)),
            End::Connected if report.unmet.iter().any(is_expiry) => Some(Self::CertificateExpiry),
            End::Connected if report.unmet.iter().any(is_error) => Some(Self::HttpError),
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
