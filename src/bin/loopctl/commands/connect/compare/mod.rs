//! `--compare`: predicted result of every policy from this host; with `live`, also the measured one.

mod measure;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use loopctl::LoopHandle;

use super::Session;
use super::race::Try;
use crate::config::TargetRequest;
use crate::config::{CompareRequest, NamedPolicy, RaceRequest};
use crate::diagnose::prediction::comparison::policies;
use crate::report::compare::{LookupEnd, Measured};
use crate::report::{Comparison, End, NameFailure, Report, Via};

use measure::Prober;

impl Session {
    /// Measures, predicts, and with `live` runs each policy.
    pub(super) async fn compare(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        target: &TargetRequest,
        number: usize,
        how: CompareRequest,
    ) -> Report {
        let (race, session) = (&*target.race, (number + 1).to_string());
        let timeout = race.timeout;
        let this = Try { target, session, known: None, timeout, race, http: None };
        let report = Rc::new(RefCell::new(self.blank(event_loop, &this)));
        let prober = Prober::new(self, event_loop, &this, how.attempt_timeout, &report);
        let measurement = prober.run().await;
        let mut report = report.borrow().clone();
        let epoch = report.started_at.at;
        let mut comparison = Comparison::unfinished(measurement, how.is_live);
        if report.resolve.error.is_none() {
            self.predict_each(event_loop, &race.policy, epoch, &mut comparison).await;
        }
        if how.is_live {
            self.run_each(event_loop, &this, &mut comparison).await;
        }
        report.total = report.since_start(event_loop.time());
        report.conclude(comparison);
        if let Some(reason) = self.cancelled() {
            report.interrupt(reason, event_loop.time());
        }
        report.end_queries();
        report
    }

    /// Adds the row of each policy, and lets the loop handle signals in between.
    async fn predict_each(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        own: &NamedPolicy,
        epoch: Instant,
        comparison: &mut Comparison,
    ) {
        let network = comparison.measurement.model();
        for policy in policies(own) {
            // Because a signal is seen between two turns only.
            event_loop.sleep(Duration::ZERO).await;
            if self.cancelled().is_some() {
                return comparison.rows.clear();
            }
            comparison.rows.push(policy.predict(&network, epoch));
        }
    }

    /// Runs one policy after another, each with a separate lookup.
    async fn run_each(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        this: &Try<'_>,
        comparison: &mut Comparison,
    ) {
        for row in &mut comparison.rows {
            let race = this.race.by(row.policy.clone());
            let session = format!("{}.{}", this.session, row.name);
            let report =
                self.race_once(event_loop, &Try { session, race: &race, ..this.clone() }).await;
            if matches!(report.end, End::Interrupted(_)) {
                return;
            }
            row.measured = Some(Measured::of(&report));
        }
    }
}

impl RaceRequest {
    /// Copy of the request with another policy.
    fn by(&self, policy: NamedPolicy) -> Self {
        Self { policy, ..self.clone() }
    }
}

impl Report {
    /// Reports the measurement as attempts, and the result of the policy in force.
    fn conclude(&mut self, comparison: Comparison) {
        let measurement = &comparison.measurement;
        let mut attempts: Vec<_> =
            measurement.probes.iter().map(|probe| probe.attempt.clone()).collect();
        attempts.sort_by_key(|attempt| attempt.start);
        self.resolve.candidates = attempts.iter().map(|attempt| attempt.address.clone()).collect();
        self.attempts = attempts;
        if matches!(self.resolve.via, Via::System | Via::Dns) {
            self.resolve.started = Some(Duration::ZERO);
            self.resolve.took = measurement.lookups.iter().map(|lookup| lookup.end()).max();
        }
        let failed = measurement.lookups.iter().find_map(|lookup| match &lookup.end {
            LookupEnd::Failed(error) => Some(NameFailure::Resolver(error.clone())),
            LookupEnd::Silent => Some(NameFailure::Unanswered),
            _ => None,
        });
        if self.attempts.is_empty() && self.resolve.error.is_none() {
            self.resolve.error = failed;
        }
        if let Some(own) = comparison.own() {
            let end = own.end(measurement, self.subject.timeout);
            let winner = match &own.measured {
                Some(measured) => measured.to,
                None => own.prediction.end.and_then(|end| end.to()),
            };
            let selected = self.attempts.iter().position(|it| it.address.as_inet() == winner);
            self.end = end;
            self.unmet = own.measured.as_ref().map(|it| it.unmet.clone()).unwrap_or_default();
            self.selected = selected.filter(|_| end == End::Connected && winner.is_some());
            let probe = winner.and_then(|winner| measurement.probe(winner));
            self.tls = probe.filter(|_| self.selected.is_some()).and_then(|it| it.tls.clone());
        }
        self.comparison = Some(Box::new(comparison));
    }
}
