//! Schedule of a race: the next attempt, its start and the reason for it.

use std::time::Instant;

use super::super::{AddressQueues, AdvanceOn, Success};
use super::{Attempt, Outcome, Race, RaceAddress, Reason};

/// Start of an attempt that has not started yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScheduledStart {
    pub(super) candidate: usize,
    pub(super) queue: usize,
    pub(super) at: Instant,
    pub(super) reason: Reason,
}

/// Time for a TLS handshake, in TCP handshakes, before the next attempt starts beside it: two round trips
/// (TLS 1.2), and one for the computation.
const TLS_HANDSHAKE_FACTOR: u32 = 3;

impl<A: RaceAddress> Race<A> {
    /// The next start, if nothing happens before. `None`: no start without an answer or the end of an attempt.
    pub(super) fn next_start(&self) -> Option<ScheduledStart> {
        let max = self.policy.selection.max_addresses;
        let is_at_max = max.is_some_and(|max| self.attempts.len() >= max.get());
        // Because all that were tried have failed, the rest is better than no connection.
        let waits_for_others = is_at_max && self.pending().next().is_some();
        if waits_for_others || !self.may_start() {
            return None;
        }
        let next = match self.policy.pacing.queues {
            AddressQueues::Single => self.next_in_single_queue(),
            AddressQueues::PerFamily | AddressQueues::Shared => self.next_in_two_queues(),
        };
        let mut next = next?;
        if let Some((at, number)) = self.last_end().filter(|(at, _)| is_at_max && *at > next.at) {
            (next.at, next.reason) = (at, Reason::AttemptEnded(number));
        }
        Some(self.postpone(next))
    }

    /// The latest end of an attempt, and the number of the attempt.
    fn last_end(&self) -> Option<(Instant, usize)> {
        let attempts = self.attempts.iter().enumerate();
        attempts.filter_map(|(number, attempt)| Some((attempt.end?.0, number))).max()
    }

    /// Earliest start of the first attempt.
    pub(super) fn first_start(&self) -> Option<(Instant, Reason)> {
        let (at, reason) = self.queries.first_attempt(self.policy.resolution)?;
        Some((at, Reason::First(reason)))
    }

    /// Whether `max_parallel` permits another attempt.
    fn may_start(&self) -> bool {
        self.policy.replaces_oldest() || self.pending().count() < self.policy.max_parallel()
    }

    fn next_in_single_queue(&self) -> Option<ScheduledStart> {
        let candidate = self.candidates.untried().next()?;
        let (at, reason) = match self.attempts.last() {
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
        let mut at = newest.started.checked_add(delay)?;
        if self.policy.pacing.success == Success::Tls {
            for attempt in &self.attempts {
                // A connection in its TLS handshake extends the delay until it is old enough or has ended.
                if let Some(connected) = attempt.connected.filter(|connected| *connected <= at) {
                    let tcp_handshake = connected.saturating_duration_since(attempt.started);
                    let tls_handshake = tcp_handshake.saturating_mul(TLS_HANDSHAKE_FACTOR);
                    let until = connected.checked_add(delay.max(tls_handshake))?;
                    at = at.max(attempt.end.map_or(until, |(end, _)| end.min(until)));
                }
            }
        }
        Some(at)
    }

    /// The end of an attempt that starts the next one ([`AdvanceOn`]).
    fn end_that_advances(&self, newest: &Attempt) -> Option<(Instant, Reason)> {
        let mut ends = self.attempts.iter().enumerate().filter_map(|(number, attempt)| {
            Some((attempt.end_unless_replaced()?, Reason::AttemptEnded(number)))
        });
        let advance_on = match self.policy.connection_attempt_delay {
            None => AdvanceOn::NewestEnded,
            Some(_) => self.policy.pacing.advance_on,
        };
        match advance_on {
            AdvanceOn::NewestEnded => newest.end_unless_replaced().and_then(|_| ends.next_back()),
            AdvanceOn::AllEnded if self.pending().next().is_none() => {
                ends.max_by_key(|(at, _)| *at)
            }
            AdvanceOn::AllEnded | AdvanceOn::DelayOnly => None,
        }
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
        let counts = |attempt: &&Attempt| {
            !minimum.exempts_unsent || attempt.outcome() != Some(Outcome::Unsent)
        };
        let last = self.attempts.iter().rfind(counts)?;
        last.started.checked_add(minimum.delay)
    }
}

impl Attempt {
    /// The end of the attempt. A replaced one does not count, because its replacement has already started.
    pub(super) fn end_unless_replaced(&self) -> Option<Instant> {
        self.end.filter(|(_, outcome)| *outcome != Outcome::Replaced).map(|(at, _)| at)
    }
}
