//! Two address queues, each with at most one attempt at a time ([`AddressQueues`]).

use std::time::Instant;

use super::super::{AddressQueues, Family};
use super::schedule::ScheduledStart;
use super::{Attempt, Race, RaceAddress, Reason};

/// Queue of the first attempt, and the queue that starts later.
const FIRST: usize = 0;
const SECOND: usize = 1;

impl<A: RaceAddress> Race<A> {
    /// The earlier of the two queues' next starts.
    pub(super) fn next_in_two_queues(&self) -> Option<ScheduledStart> {
        let queues = [FIRST, SECOND].into_iter();
        queues.filter_map(|queue| self.next_in_queue(queue)).min_by_key(|start| start.at)
    }

    fn next_in_queue(&self, queue: usize) -> Option<ScheduledStart> {
        let candidate = self.next_candidate(queue)?;
        let (at, reason) = match self.last_attempt(queue) {
            Some((number, last)) => (self.wake_up(last.end?.0)?, Reason::AttemptEnded(number)),
            None if queue == FIRST => self.first_start()?,
            None => self.second_queue_start()?,
        };
        Some(ScheduledStart { candidate, queue, at, reason })
    }

    /// Time at which the client notices that a queue may go on, after an attempt of it has ended.
    fn wake_up(&self, ended: Instant) -> Option<Instant> {
        let Some(interval) = self.policy.pacing.poll_interval else { return Some(ended) };
        let first = self.attempts.first()?;
        let delay_end = first.delay.and_then(|delay| first.started.checked_add(delay));
        let ends = self.attempts.iter().filter_map(|attempt| Some(attempt.end?.0));
        let events = ends.chain(delay_end).filter(|at| *at > ended);
        events.chain(ended.checked_add(interval)).min()
    }

    /// Start of the second queue: after the delay, or when the first queue is empty.
    fn second_queue_start(&self) -> Option<(Instant, Reason)> {
        let first = self.attempts.first()?;
        let delay_end = first.delay.and_then(|delay| first.started.checked_add(delay));
        let last = self.last_attempt(FIRST).filter(|_| self.next_candidate(FIRST).is_none());
        let empty_at =
            last.and_then(|(number, last)| Some((last.end?.0, Reason::AttemptEnded(number))));
        let timer = delay_end.map(|at| (at, Reason::Timer));
        empty_at.into_iter().chain(timer).min_by_key(|(at, _)| *at)
    }

    fn last_attempt(&self, queue: usize) -> Option<(usize, &Attempt)> {
        self.attempts.iter().enumerate().rfind(|(_, attempt)| attempt.queue == queue)
    }

    /// The address that the queue would try next.
    fn next_candidate(&self, queue: usize) -> Option<usize> {
        let family = |candidate| self.candidates.family(candidate);
        let find = |wanted: &dyn Fn(Family) -> bool| {
            self.candidates.untried().find(|&candidate| wanted(family(candidate)))
        };
        if self.policy.pacing.queues == AddressQueues::PerFamily {
            let first = self.attempts.first().map(|attempt| attempt.candidate);
            let main = family(first.or_else(|| self.candidates.untried().next())?);
            return find(&|family| (family == main) == (queue == FIRST));
        }
        let last = self.last_attempt(FIRST).map(|(_, attempt)| family(attempt.candidate));
        let preferred = match queue {
            FIRST => find(&|family| last.is_some_and(|last| family != last)),
            _ => find(&|family| family == Family::Inet),
        };
        preferred.or_else(|| self.candidates.untried().next())
    }
}
