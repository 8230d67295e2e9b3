//! Schedule of a race: the next attempt, its start and the reason for it.

use std::time::Instant;

use super::super::{AddressQueues, AdvanceOn, Success};
use super::attempts::Attempt;
use super::{Race, RaceAddress, Reason};

/// Start of an attempt that has not started yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScheduledStart {
    pub(super) candidate: usize,
    pub(super) queue: usize,
    pub(super) at: Instant,
    pub(super) reason: Reason,
}

impl<A: RaceAddress> Race<A> {
    /// The next start, if nothing happens before. `None`: no start without an answer or the end of an attempt.
    pub(super) fn next_start(&self) -> Option<ScheduledStart> {
        let max = self.policy.selection.max_addresses;
        let is_at_max = max.is_some_and(|max| self.attempts.len() >= max.get());
        // Because all that were tried have failed, the rest is better than no connection.
        let waits_for_others = is_at_max && !self.is_idle();
        if waits_for_others || !self.may_start() {
            return None;
        }
        let next = match self.policy.pacing.queues {
            AddressQueues::Single => self.next_in_single_queue(),
            AddressQueues::PerFamily | AddressQueues::Shared => self.next_in_two_queues(),
        };
        let mut next = next?;
        if let Some((at, number)) =
            self.attempts.last_end().filter(|(at, _)| is_at_max && *at > next.at)
        {
            (next.at, next.reason) = (at, Reason::AttemptEnded(number));
        }
        Some(self.postpone(next))
    }

    /// Earliest start of the first attempt.
    pub(super) fn first_start(&self) -> Option<(Instant, Reason)> {
        let (at, reason) = self.queries.first_attempt(self.policy.resolution)?;
        Some((at, Reason::First(reason)))
    }

    /// Whether `max_parallel` permits another attempt.
    fn may_start(&self) -> bool {
        self.policy.replaces_oldest() || !self.is_at_limit()
    }

    fn next_in_single_queue(&self) -> Option<ScheduledStart> {
        let candidate = self.candidates.first_untried(|_| true)?;
        let (at, reason) = match self.attempts.newest() {
            None => self.first_start()?,
            Some(newest) => {
                // An end at the same instant as the timer is the better explanation, so it comes first.
                let timer = self.attempt_delay_end(newest).map(|at| (at, Reason::Timer));
                self.end_that_advances(newest).into_iter().chain(timer).min_by_key(|(at, _)| *at)?
            }
        };
        Some(ScheduledStart { candidate, queue: 0, at, reason })
    }

    /// End of the Connection Attempt Delay after the newest attempt.
    fn attempt_delay_end(&self, newest: &Attempt) -> Option<Instant> {
        let delay = newest.delay?;
        let at = newest.started.checked_add(delay)?;
        match self.policy.pacing.success {
            Success::Tls => self.attempts.extended_by_tls(at, delay),
            Success::Tcp => Some(at),
        }
    }

    /// The end of an attempt that starts the next one ([`AdvanceOn`]).
    fn end_that_advances(&self, newest: &Attempt) -> Option<(Instant, Reason)> {
        let advance_on = match self.policy.connection_attempt_delay {
            None => AdvanceOn::NewestEnded,
            Some(_) => self.policy.pacing.advance_on,
        };
        let (at, number) = match advance_on {
            AdvanceOn::NewestEnded => (newest.end_unless_replaced()?, self.attempts.len() - 1),
            AdvanceOn::AllEnded if self.is_idle() => self.attempts.last_end_unless_replaced()?,
            AdvanceOn::AllEnded | AdvanceOn::DelayOnly => return None,
        };
        Some((at, Reason::AttemptEnded(number)))
    }

    /// Postpones a start until its address is known, `max_parallel` permits it, and the Minimum Connection
    /// Attempt Delay has passed.
    fn postpone(&self, next: ScheduledStart) -> ScheduledStart {
        let ScheduledStart { mut at, mut reason, .. } = next;
        let is_first = self.attempts.is_empty();
        let known_at = self.candidates.known_at(next.candidate).filter(|_| !is_first);
        let conditions =
            [(known_at, Reason::LateAnswer), (self.below_limit_since, Reason::ParallelLimit)];
        for (condition, why) in conditions {
            if let Some(later) = condition.filter(|condition| *condition > at) {
                (at, reason) = (later, why);
            }
        }
        let earliest = self.minimum_delay_end().filter(|earliest| *earliest > at);
        ScheduledStart { at: earliest.unwrap_or(at), reason, ..next }
    }

    /// End of the Minimum Connection Attempt Delay (RFC 8305 section 8).
    fn minimum_delay_end(&self) -> Option<Instant> {
        let minimum = self.policy.pacing.minimum_delay;
        let last = match minimum.exempts_unsent {
            true => self.attempts.newest_sent()?,
            false => self.attempts.newest()?,
        };
        last.started.checked_add(minimum.delay)
    }
}
