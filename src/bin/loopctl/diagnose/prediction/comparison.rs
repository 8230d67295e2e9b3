//! Comparison of policies: what each would get from here, and how a run differs from that.

use std::time::{Duration, Instant};

use loopctl::plan::Preset;

use super::predict;
use crate::config::NamedPolicy;
use crate::diagnose::cause;
use crate::report::compare::{Comparison, Measured, Measurement, Mismatch, Probe, Row};
use crate::report::prediction::PredictedResult;
use crate::report::{End, FailureKind, Report};

/// How far a time may be from its prediction: so much, and a tenth.
const TOLERANCE: Duration = Duration::from_millis(15);

/// What a policy is called that flags have made of another.
const OWN: &str = "yours";

impl Comparison {
    /// A row for each preset, and one for the policy that was asked for if it is none of them.
    pub(crate) fn new(
        measurement: Measurement,
        own: &NamedPolicy,
        is_live: bool,
        epoch: Instant,
    ) -> Self {
        let presets = Preset::ALL.map(|preset| (preset.name(), NamedPolicy::from(preset)));
        let is_changed = !own.changed().is_empty();
        let other = is_changed.then(|| (OWN, own.clone()));
        let world = measurement.model();
        let row = |(name, policy): (&'static str, NamedPolicy)| Row {
            name,
            prediction: predict(&policy, &world, epoch),
            is_own: if is_changed { name == OWN } else { policy.base == own.base },
            policy,
            measured: None,
        };
        let rows = presets.into_iter().chain(other).map(row).collect();
        Self { measurement, rows, is_live }
    }
}

impl Row {
    /// How it ended, or would within `limit`, if what was silent stays so.
    pub(crate) fn end(&self, measurement: &Measurement, limit: Duration) -> End {
        if let Some(measured) = &self.measured {
            return measured.end;
        }
        let predicted = self.prediction.end.filter(|end| end.after <= limit).map(|end| end.how);
        End::Failed(match predicted {
            Some(PredictedResult::Connects(_)) => return End::Connected,
            // No name server answered, so that there is no address to connect to.
            None if measurement.probes.is_empty() && measurement.is_dns => FailureKind::NotResolved,
            None => FailureKind::TimedOut,
            Some(PredictedResult::NotResolved) => FailureKind::NotResolved,
            Some(PredictedResult::AllFail) => {
                let tried = self.prediction.starts.iter();
                let tried = tried.filter_map(|it| measurement.probe(it.to));
                // The attempt that came furthest says most.
                tried.map(Probe::failure_kind).max().unwrap_or(FailureKind::NotConnected)
            }
            Some(PredictedResult::NoTls(to)) => {
                measurement.probe(to).map_or(FailureKind::NoTls, Probe::failure_kind)
            }
        })
    }

    /// How the run differs from the prediction; `None` where it does not, or there was none. `limit` is what ended a
    /// run that had not come to its end.
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
            // Only what comes before that contradicts it.
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
            why: (!is_connected).then(|| cause::summary_by_address(report)),
        }
    }
}

impl Probe {
    /// How an attempt to this address alone would end.
    fn failure_kind(&self) -> FailureKind {
        match self.tls.as_ref().and_then(|tls| tls.failure.as_ref()) {
            Some(failure) => failure.kind_of_target(),
            None => FailureKind::NotConnected,
        }
    }
}
