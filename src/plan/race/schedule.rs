//! Which attempt starts next, when, and why then.

use std::time::Instant;

use super::super::{AddressQueues, AdvanceOn, Success};
use super::{Attempt, Outcome, Race, RaceAddress, Reason};

/// A start to come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Next {
    pub(super) candidate: usize,
    pub(super) lane: usize,
    pub(super) at: Instant,
    pub(super) reason: Reason,
}

/// How many times what TCP took a TLS handshake may take before the next attempt starts beside it: two round
/// trips (TLS 1.2), and one for the computing.
const TLS_TO_TCP: u32 = 3;

impl<A: RaceAddress> Race<A> {
    /// The next start, if nothing happens before; `None`: only something that happens can start another.
    pub(super) fn next_start(&self) -> Option<Next> {
        let most = self.policy.selection.max_addresses;
        if most.is_some_and(|most| self.attempts.len() >= most.get()) || !self.has_room() {
            return None;
        }
        let next = match self.policy.pacing.queues {
            AddressQueues::Single => self.next_in_line(),
            AddressQueues::PerFamily | AddressQueues::Shared => self.next_in_lanes(),
        };
        Some(self.hold_back(next?))
    }

    /// When the first attempt may start.
    pub(super) fn first_due(&self) -> Option<(Instant, Reason)> {
        let (at, ready) = self.questions.ready(self.policy.resolution)?;
        Some((at, Reason::First(ready)))
    }

    fn has_room(&self) -> bool {
        self.policy.replaces_oldest() || self.pending().count() < self.policy.max_parallel()
    }

    fn next_in_line(&self) -> Option<Next> {
        let candidate = self.field.untried().next()?;
        let (at, reason) = match self.attempts.last() {
            None => self.first_due()?,
            Some(newest) => {
                // At the same instant, the end of an attempt explains more than the time.
                let timer = self.timer(newest).map(|at| (at, Reason::Timer));
                self.kick(newest).into_iter().chain(timer).min_by_key(|(at, _)| *at)?
            }
        };
        Some(Next { candidate, lane: 0, at, reason })
    }

    /// When the Connection Attempt Delay starts the successor of the newest attempt.
    fn timer(&self, newest: &Attempt) -> Option<Instant> {
        let delay = newest.delay?;
        let mut at = newest.started.checked_add(delay)?;
        if self.policy.pacing.success == Success::Tls {
            for attempt in &self.attempts {
                // What is up when the time has come holds it up, until it is old enough or has ended.
                if let Some(up) = attempt.connected.filter(|up| *up <= at) {
                    let took = up.saturating_duration_since(attempt.started);
                    let until = up.checked_add(delay.max(took.saturating_mul(TLS_TO_TCP)))?;
                    at = at.max(attempt.end.map_or(until, |(end, _)| end.min(until)));
                }
            }
        }
        Some(at)
    }

    /// When the end of an attempt starts the successor of the newest one.
    fn kick(&self, newest: &Attempt) -> Option<(Instant, Reason)> {
        let delay = self.policy.connection_attempt_delay;
        let ends = self.attempts.iter().enumerate();
        let mut ends =
            ends.filter_map(|(nth, it)| Some((it.end_that_kicks()?, Reason::AttemptEnded(nth))));
        match delay.map_or(AdvanceOn::NewestEnded, |_| self.policy.pacing.advance_on) {
            AdvanceOn::NewestEnded => newest.end_that_kicks().and_then(|_| ends.next_back()),
            AdvanceOn::AllEnded if self.pending().next().is_none() => {
                ends.max_by_key(|(at, _)| *at)
            }
            AdvanceOn::AllEnded | AdvanceOn::DelayOnly => None,
        }
    }

    /// What has to wait for its address, for room, or for the Minimum Connection Attempt Delay.
    fn hold_back(&self, next: Next) -> Next {
        let Next { mut at, mut reason, .. } = next;
        let is_first = self.attempts.is_empty();
        let known = self.field.since(next.candidate).filter(|_| !is_first);
        for (other, why) in [(known, Reason::LateAnswer), (self.room_since, Reason::ParallelLimit)]
        {
            if let Some(later) = other.filter(|other| *other > at) {
                (at, reason) = (later, why);
            }
        }
        let least = self.floor().filter(|least| *least > at);
        Next { at: least.unwrap_or(at), reason, ..next }
    }

    /// Before when nothing may start.
    fn floor(&self) -> Option<Instant> {
        let floor = self.policy.pacing.minimum_delay;
        let counts = |attempt: &&Attempt| {
            !floor.exempts_unsent || attempt.outcome() != Some(Outcome::Unsent)
        };
        let last = self.attempts.iter().rfind(counts)?;
        last.started.checked_add(floor.delay)
    }
}

impl Attempt {
    /// Its end, if that is a reason to start another: not where another has taken its place already.
    pub(super) fn end_that_kicks(&self) -> Option<Instant> {
        self.end.filter(|(_, outcome)| *outcome != Outcome::Replaced).map(|(at, _)| at)
    }
}
