//! `--wait`: retries until the port accepts.

use std::rc::Rc;
use std::time::Duration;

use loopctl::LoopHandle;

use super::Session;
use super::race::Try;
use crate::config::TargetRequest;
use crate::diagnose::cause;
use crate::report::{End, FailureKind, Report, WaitReport};

/// The pause after the first try. Each pause is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(2);

impl Session {
    pub(super) async fn wait(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        target: &TargetRequest,
        number: usize,
        limit: Duration,
    ) -> Report {
        let call = self.request.call(target);
        let http = call.as_ref();
        let started_at = event_loop.time();
        let (mut waited, mut pause) = (WaitReport::default(), FIRST_PAUSE);
        let mut nth = 0;
        let mut latest = None;
        loop {
            nth += 1;
            let left = limit.saturating_sub(event_loop.time() - started_at);
            let timeout = target.race.timeout.min(left);
            let session = format!("{}.{nth}", number + 1);
            let mut report = self
                .race_and_follow(
                    event_loop,
                    &Try { target, session, known: None, timeout, race: &target.race, http },
                )
                .await;
            waited.took = event_loop.time() - started_at;
            if !matches!(report.end, End::Failed(_)) {
                report.waited = Some(waited);
                return report;
            }
            let failure = cause::summary(&report);
            waited.count(&report, &failure);
            if latest.as_ref() != Some(&failure) {
                self.printer.borrow_mut().waiting(&report, waited.took);
                latest = Some(failure);
            }
            let is_late = waited.took + pause >= limit;
            let rest = limit.saturating_sub(waited.took);
            let slept = self
                .token
                .run_until_cancelled(event_loop.sleep(if is_late { rest } else { pause }))
                .await;
            if slept.is_none() || is_late {
                waited.took = event_loop.time() - started_at;
                report.waited = Some(waited);
                report.end =
                    self.cancelled().map_or(End::Failed(FailureKind::TimedOut), End::Interrupted);
                return report;
            }
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }
}

impl WaitReport {
    /// Counts a failed run with those that failed in the same way.
    fn count(&mut self, run: &Report, failure: &str) {
        match self.seen.iter_mut().find(|(known, _)| cause::summary(known) == failure) {
            Some((_, count)) => *count += 1,
            None => self.seen.push((run.clone(), 1)),
        }
    }
}
