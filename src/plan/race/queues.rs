//! Two address queues, each with at most one attempt at a time ([`AddressQueues`]).

use std::time::Instant;

use super::super::{AddressQueues, Family};
use super::schedule::ScheduledStart;
use super::{Race, RaceAddress, Reason};

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
        let (at, reason) = match self.attempts.newest_of_queue(queue) {
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
        let delay_end = delay_end.filter(|at| *at > ended);
        let events = self.attempts.next_end_after(ended).into_iter().chain(delay_end);
        events.chain(ended.checked_add(interval)).min()
    }

    /// Start of the second queue: after the delay, or when the first queue is empty.
    fn second_queue_start(&self) -> Option<(Instant, Reason)> {
        let first = self.attempts.first()?;
        let delay_end = first.delay.and_then(|delay| first.started.checked_add(delay));
        let last = self.attempts.newest_of_queue(FIRST);
        let last = last.filter(|_| self.next_candidate(FIRST).is_none());
        let empty_at =
            last.and_then(|(number, last)| Some((last.end?.0, Reason::AttemptEnded(number))));
        let timer = delay_end.map(|at| (at, Reason::Timer));
        empty_at.into_iter().chain(timer).min_by_key(|(at, _)| *at)
    }

    /// The address that the queue would try next.
    fn next_candidate(&self, queue: usize) -> Option<usize> {
        let family = |candidate| self.candidates.family(candidate);
        let first = |wanted: &dyn Fn(Family) -> bool| self.candidates.first_untried(wanted);
        if self.policy.pacing.queues == AddressQueues::PerFamily {
            let tried = self.attempts.first().map(|attempt| attempt.candidate);
            let main = family(tried.or_else(|| first(&|_| true))?);
            return first(&|family| (family == main) == (queue == FIRST));
        }
        let last = self.attempts.newest_of_queue(FIRST).map(|(_, last)| family(last.candidate));
        let preferred = match queue {
            FIRST => first(&|family| last.is_some_and(|last| family != last)),
            _ => first(&|family| family == Family::Inet),
        };
        preferred.or_else(|| first(&|_| true))
    }
}
