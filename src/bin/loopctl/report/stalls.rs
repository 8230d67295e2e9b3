//! Stalls of this process during the work on a target, and the answers that it read late because of them.

use std::time::Duration;

use loopctl::plan::Reason;

use super::{Attempt, Outcome, Report};

/// Shorter stalls are those of any busy host, and are not recorded.
pub(crate) const MIN_STALL: Duration = Duration::from_millis(50);

/// Time after a stall in which this process reads what came during it. A busy host interrupts that as well.
const GRACE: Duration = Duration::from_millis(30);

/// Time in which this process did not run, as far as its timers show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stall {
    /// Last time before it at which this process ran for certain.
    pub(crate) start: Duration,
    pub(crate) end: Duration,
}

impl Stall {
    pub(crate) fn took(&self) -> Duration {
        self.end.saturating_sub(self.start)
    }
}

impl Report {
    /// Records a stall. What is seen of one stall several times is recorded once.
    pub(crate) fn note_stall(&mut self, stall: Stall) {
        match self.surroundings.stalls.last_mut() {
            Some(last) if stall.start <= last.end => last.end = last.end.max(stall.end),
            _ => self.surroundings.stalls.push(stall),
        }
    }

    /// Longest time for which an answer that was read at this time can have waited for this process.
    fn stalled_before(&self, at: Duration) -> Duration {
        let ends_there = |stall: &&Stall| stall.start < at && at <= stall.end + GRACE;
        let stall = self.surroundings.stalls.iter().find(ends_there);
        stall.map_or(Duration::ZERO, |stall| at.min(stall.end).saturating_sub(stall.start))
    }

    /// Time within these limits in which this process did not run.
    pub(crate) fn stalled_within(&self, from: Duration, until: Duration) -> Duration {
        let overlap = |stall: &Stall| stall.end.min(until).saturating_sub(stall.start.max(from));
        self.surroundings.stalls.iter().map(overlap).sum()
    }

    /// Longest time for which the end of an attempt can have waited for this process. Of a connection, the kernel
    /// knows it; of a rejection, the stall before limits it.
    pub(crate) fn end_lag(&self, attempt: &Attempt) -> Duration {
        match &attempt.outcome {
            Outcome::Failure(_, failure) if attempt.tls.is_none() && !failure.at_once => {
                self.stalled_before(attempt.start + attempt.took).min(attempt.took)
            }
            _ => attempt.end_lag,
        }
    }

    /// Delay of the attempt that won by this host: late starts, and rejections that were read late.
    pub(crate) fn own_delay(&self) -> Duration {
        let until = self.selected.map_or(0, |selected| selected + 1);
        let attempts = self.attempts.iter().take(until);
        let by_start = |attempt: &Attempt| attempt.schedule.start_lag;
        let by_end = |attempt: &Attempt| match attempt.schedule.reason {
            Reason::AttemptEnded(number) => {
                self.attempts.get(number).map_or(Duration::ZERO, |ended| self.end_lag(ended))
            }
            _ => Duration::ZERO,
        };
        attempts.map(|attempt| by_start(attempt) + by_end(attempt)).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use loopctl::plan::{Family, Preset};

    use super::*;
    use crate::config::NamedPolicy;
    use crate::report::{StartTime, Subject, SystemLimits, TransportKind, Via};

    const MS: Duration = Duration::from_millis(1);

    fn report(stalls: &[(u32, u32)]) -> Report {
        let at = loopctl::EventLoop::new().unwrap().handle().time();
        let subject = Subject {
            text: "h.test:443".to_owned(),
            host: None,
            port: None,
            transport: TransportKind::Tcp,
            family: Family::Unspecified,
            policy: NamedPolicy::from(Preset::Hev3),
            timeout: 1000 * MS,
            limits: SystemLimits::default(),
            tls: None,
        };
        let wall = SystemTime::UNIX_EPOCH;
        let mut report = Report::new(subject, Via::Given, StartTime { at, wall });
        for (start, end) in stalls {
            report.note_stall(Stall { start: *start * MS, end: *end * MS });
        }
        report
    }

    #[test]
    fn an_answer_is_late_by_the_stall_that_it_was_read_after() {
        let report = report(&[(100, 600), (1000, 1200)]);
        assert_eq!(report.stalled_before(601 * MS), 500 * MS);
        assert_eq!(report.stalled_before(1150 * MS), 150 * MS);
        for between in [50, 100, 631, 900, 1000] {
            assert_eq!(report.stalled_before(between * MS), Duration::ZERO, "{between}");
        }
    }

    #[test]
    fn a_phase_has_its_part_of_each_stall() {
        let report = report(&[(100, 600), (1000, 1200)]);
        assert_eq!(report.stalled_within(200 * MS, 1100 * MS), 500 * MS);
        assert_eq!(report.stalled_within(600 * MS, 1000 * MS), Duration::ZERO);
    }

    #[test]
    fn a_stall_that_is_seen_twice_is_one() {
        let report = report(&[(100, 600), (100, 602), (601, 640), (700, 800)]);
        let stalls: Vec<u128> =
            report.surroundings.stalls.iter().map(|stall| stall.took().as_millis()).collect();
        assert_eq!(stalls, [540, 100]);
    }
}
