//! Comparison of policies: predictions, and differences of runs from them.

use std::time::{Duration, Instant};

use loopctl::plan::Preset;

use super::{NetworkModel, predict};
use crate::config::NamedPolicy;
use crate::report::compare::{Measured, Measurement, Mismatch, Probe, Row};
use crate::report::prediction::PredictedResult;
use crate::report::{End, FailureKind, Report};

/// Tolerance between a time and its prediction, besides a tenth of it.
const TOLERANCE: Duration = Duration::from_millis(15);

/// Name of a policy that flags have changed.
const OWN: &str = "yours";

/// Policy to compare, with its name.
pub(crate) struct ComparedPolicy {
    name: &'static str,
    policy: NamedPolicy,
    is_own: bool,
}

/// All presets, and the requested policy if flags have changed it.
pub(crate) fn policies(own: &NamedPolicy) -> Vec<ComparedPolicy> {
    let is_changed = !own.changed().is_empty();
    let presets = Preset::ALL.map(|preset| {
        let policy = NamedPolicy::from(preset);
        let is_own = !is_changed && policy.base == own.base;
        ComparedPolicy { name: preset.name(), policy, is_own }
    });
    let other = is_changed.then(|| ComparedPolicy { name: OWN, policy: own.clone(), is_own: true });
    presets.into_iter().chain(other).collect()
}

impl ComparedPolicy {
    /// Row with the predicted result in this network.
    pub(crate) fn predict(self, network: &NetworkModel, epoch: Instant) -> Row {
        let Self { name, policy, is_own } = self;
        let prediction = predict(&policy, network, epoch);
        Row { name, policy, is_own, prediction, measured: None }
    }
}

#[cfg(test)]
impl crate::report::Comparison {
    /// Comparison with a row for each policy.
    pub(crate) fn new(
        measurement: Measurement,
        own: &NamedPolicy,
        is_live: bool,
        epoch: Instant,
    ) -> Self {
        let network = measurement.model();
        let rows = policies(own).into_iter().map(|policy| policy.predict(&network, epoch));
        let rows = rows.collect();
        Self { measurement, rows, is_live }
    }
}

impl Row {
    /// End of the run, or the predicted end within `limit` if silent peers stay silent.
    pub(crate) fn end(&self, measurement: &Measurement, limit: Duration) -> End {
        if let Some(measured) = &self.measured {
            return measured.end;
        }
        let predicted = self.prediction.end.filter(|end| end.after <= limit).map(|end| end.how);
        End::Failed(match predicted {
            Some(PredictedResult::Connects(_)) => return End::Connected,
            // Because no name server answered, no address was measured.
            None if measurement.probes.is_empty() && measurement.is_dns => FailureKind::NotResolved,
            None => self.own_limit(measurement).unwrap_or(FailureKind::TimedOut),
            Some(PredictedResult::NotResolved) => FailureKind::NotResolved,
            Some(PredictedResult::AllFail) => {
                let tried = self.prediction.starts.iter();
                let tried = tried.filter_map(|it| measurement.probe(it.to));
                // Because the kinds are ordered by progress, the maximum decides.
                tried.map(Probe::failure_kind).max().unwrap_or(FailureKind::NotConnected)
            }
            Some(PredictedResult::NoTls(to)) => {
                measurement.probe(to).map_or(FailureKind::NoTls, Probe::failure_kind)
            }
        })
    }

    /// Failure of the handshake on which the result depends, if it may be this program's alone.
    fn own_limit(&self, measurement: &Measurement) -> Option<FailureKind> {
        let mut probes = self.prediction.starts.iter().filter_map(|it| measurement.probe(it.to));
        probes.find(|probe| probe.model().is_unmeasurable()).map(Probe::failure_kind)
    }

    /// Difference of the run from the prediction; `None` without a difference or a run.
    /// `limit` is the time limit of the run.
    pub(crate) fn mismatch(&self, limit: Duration) -> Option<Mismatch> {
        let measured = self.measured.as_ref()?;
        let near = |expected: Duration| TOLERANCE + expected / 10;
        let off = |expected: Duration| {
            let is_far = measured.after.abs_diff(expected) > near(expected);
            is_far.then(|| match measured.after < expected {
                true => Mismatch::Earlier(expected - measured.after),
                false => Mismatch::Later(measured.after - expected),
            })
        };
        let prediction = &self.prediction;
        if let Some(from) = prediction.certain_until {
            // Because nothing is certain after that, only an earlier end contradicts.
            let is_early = measured.after + near(from) < from.min(limit);
            return is_early.then(|| Mismatch::Earlier(from - measured.after));
        }
        let expected = prediction.end?;
        match (expected.to(), measured.to) {
            _ if expected.after > limit && measured.end == End::Failed(FailureKind::TimedOut) => {
                None
            }
            (Some(expected), Some(to)) if expected != to => Some(Mismatch::OtherWinner),
            (Some(_), None) => Some(Mismatch::NotConnected),
            (None, Some(_)) => Some(Mismatch::Connected),
            _ => off(expected.after),
        }
    }
}

impl Measured {
    pub(crate) fn of(report: &Report) -> Self {
        let is_connected = report.end == End::Connected;
        let winner = report.winner().filter(|_| is_connected);
        let after = report.connected_after().filter(|_| is_connected);
        Self {
            end: report.end,
            unmet: report.unmet.clone(),
            to: winner.and_then(|winner| winner.address.as_inet()),
            after: after.unwrap_or(report.total),
            failed: (!is_connected).then(|| Box::new(report.clone())),
        }
    }
}

impl Probe {
    /// Kind of failure of an attempt to this address alone.
    fn failure_kind(&self) -> FailureKind {
        match self.tls.as_ref().and_then(|tls| tls.failure.as_ref()) {
            Some(failure) => failure.kind_of_target(),
            None => FailureKind::NotConnected,
        }
    }
}
