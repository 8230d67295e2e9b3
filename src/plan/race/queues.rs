//! Two lanes, in each of which one address follows another.

use std::time::Instant;

use super::super::{AddressQueues, Family};
use super::schedule::Next;
use super::{Attempt, Race, RaceAddress, Reason};

/// The lane of the first attempt, and the one that opens later.
const FIRST: usize = 0;
const SECOND: usize = 1;

impl<A: RaceAddress> Race<A> {
    pub(super) fn next_in_lanes(&self) -> Option<Next> {
        let lanes = [FIRST, SECOND].into_iter();
        lanes.filter_map(|lane| self.next_in_lane(lane)).min_by_key(|next| next.at)
    }

    fn next_in_lane(&self, lane: usize) -> Option<Next> {
        let candidate = self.candidate_for(lane)?;
        let (at, reason) = match self.last_in(lane) {
            Some((number, last)) => (last.end?.0, Reason::AttemptEnded(number)),
            None if lane == FIRST => self.first_due()?,
            None => self.opening()?,
        };
        Some(Next { candidate, lane, at, reason })
    }

    /// When the second lane opens: after the delay, or when there is nothing left in the first.
    fn opening(&self) -> Option<(Instant, Reason)> {
        let timer = || self.attempts.first()?.started.checked_add(self.attempts.first()?.delay?);
        let emptied = self.last_in(FIRST).filter(|_| self.candidate_for(FIRST).is_none());
        let kick =
            emptied.and_then(|(number, last)| Some((last.end?.0, Reason::AttemptEnded(number))));
        let timer = timer().map(|at| (at, Reason::Timer));
        kick.into_iter().chain(timer).min_by_key(|(at, _)| *at)
    }

    fn last_in(&self, lane: usize) -> Option<(usize, &Attempt)> {
        self.attempts.iter().enumerate().rfind(|(_, attempt)| attempt.lane == lane)
    }

    fn candidate_for(&self, lane: usize) -> Option<usize> {
        let family = |candidate| self.field.family(candidate);
        let first = |wanted: &dyn Fn(Family) -> bool| {
            self.field.untried().find(|&candidate| wanted(family(candidate)))
        };
        if self.policy.pacing.queues == AddressQueues::PerFamily {
            let leader = self.attempts.first().map(|attempt| attempt.candidate);
            let main = family(leader.or_else(|| self.field.untried().next())?);
            return first(&|family| (family == main) == (lane == FIRST));
        }
        let last = self.last_in(FIRST).map(|(_, attempt)| family(attempt.candidate));
        let wanted = match lane {
            FIRST => first(&|family| last.is_some_and(|last| family != last)),
            _ => first(&|family| family == Family::Inet),
        };
        wanted.or_else(|| self.field.untried().next())
    }
}
