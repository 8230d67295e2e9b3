//! Connection race: times of the queries and of the attempts, and the winner.

mod attempts;
mod queries;
mod queues;
mod schedule;
mod step;

use std::time::Instant;

use super::address_order::candidates::Candidates;
pub use super::address_order::candidates::RaceAddress;
use attempts::{Attempts, Outcome};
use queries::AddressQueries;
pub use queries::{Answer, AnswerEffect, AnswerTiming, FirstAttemptReason};
use schedule::ScheduledStart;
pub use step::{CancelReason, LossReason, Reason, Start, Step};

use super::{Family, Policy, Success};

/// Race of connection attempts, from the address queries to the connection: asyncio's `staggered_race`, RFC 8305, or
/// the behaviour of a real client, depending on the [`Policy`].
///
/// Attempts are numbered from 0 in the order in which they start. The first starts as soon as the answers allow it
/// ([`Resolution`](super::Resolution)). The next starts after the Connection Attempt Delay, or earlier when an
/// attempt ends ([`Pacing`](super::Pacing)). The first success wins; of several since the last
/// [`poll`](Self::poll), the one with the lowest number. The race is lost when no attempt is under way, every query
/// is answered and no address is left to try.
///
/// The race holds no sockets and reads no clock. Its owner reports what happened ([`answered`](Self::answered),
/// [`connected`](Self::connected), [`succeeded`](Self::succeeded), [`failed`](Self::failed)). It then calls
/// [`poll`](Self::poll) and takes the steps that this returns, until a [`Wait`](Step::Wait) or a final step. Time
/// must not run backwards.
///
/// With known addresses:
///
/// ```
/// use loopctl::plan::{Policy, Race, Reason, Start, Step};
/// use std::net::IpAddr;
/// use std::time::{Duration, Instant};
///
/// let (t0, delay) = (Instant::now(), Duration::from_millis(250));
/// let addresses: [IpAddr; 2] = ["2001:db8::1".parse()?, "192.0.2.1".parse()?];
/// let mut race = Race::with_addresses(addresses, Policy::happy_eyeballs(delay));
/// assert!(matches!(race.poll(t0), Step::Start(Start { attempt: 0, .. })));
/// assert_eq!(race.poll(t0), Step::Wait(Some(t0 + delay)));
/// assert_eq!(race.next_attempt_at(), Some(t0 + delay));
/// let second = Start { attempt: 1, planned: t0 + delay, reason: Reason::Timer };
/// assert_eq!(race.poll(t0 + delay), Step::Start(second), "the first has not answered: try the second beside it");
/// assert_eq!(race.pending().collect::<Vec<_>>(), [0, 1]);
/// race.failed(0, t0 + delay);
/// race.succeeded(1, t0 + delay);
/// assert_eq!(race.poll(t0 + delay), Step::Won(1));
/// assert_eq!((race.winner(), race.address(1)), (Some(1), Some(&addresses[1])));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
///
/// With a name whose AAAA query stays unanswered:
///
/// ```
/// use loopctl::plan::{Answer, Family, FirstAttemptReason, Preset, Race, Reason, Start, Step};
/// use std::net::IpAddr;
/// use std::time::{Duration, Instant};
///
/// let t0 = Instant::now();
/// let mut race = Race::with_queries([Family::Inet6, Family::Inet], Preset::Hev3.into());
/// assert_eq!(race.poll(t0), Step::Query(Family::Inet6));
/// assert_eq!(race.poll(t0), Step::Query(Family::Inet));
/// assert_eq!(race.poll(t0), Step::Wait(None));
/// let answer: IpAddr = "192.0.2.1".parse()?;
/// race.answered(Family::Inet, Answer::Addresses(vec![answer]), t0);
/// let later = t0 + Duration::from_millis(50);
/// assert_eq!(race.poll(t0), Step::Wait(Some(later)), "the Resolution Delay");
/// let reason = Reason::First(FirstAttemptReason::ResolutionDelay);
/// assert_eq!(race.poll(later), Step::Start(Start { attempt: 0, planned: later, reason }));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Race<A> {
    policy: Policy,
    queries: AddressQueries,
    candidates: Candidates<A>,
    attempts: Attempts,
    winner: Option<usize>,
    /// End of the last attempt that had kept the race at `max_parallel`.
    below_limit_since: Option<Instant>,
}

impl<A: RaceAddress> Race<A> {
    /// Race to known addresses, which are in the resolver's order.
    pub fn with_addresses(addresses: impl IntoIterator<Item = A>, policy: Policy) -> Self {
        let mut race = Self::with_queries([], policy);
        race.candidates.add(addresses, None, 0, &race.policy);
        race
    }

    /// Race that starts with one address query for each of these families. The queries are sent back to back, in
    /// this order. The first family is the preferred one.
    pub fn with_queries(families: impl IntoIterator<Item = Family>, policy: Policy) -> Self {
        Self {
            queries: AddressQueries::new(families),
            candidates: Candidates::default(),
            attempts: Attempts::default(),
            winner: None,
            below_limit_since: None,
            policy,
        }
    }

    /// Returns the next step. Poll again after every step except [`Wait`](Step::Wait) and the final ones.
    pub fn poll(&mut self, now: Instant) -> Step {
        if let Some(family) = self.queries.send_next(now) {
            return Step::Query(family);
        }
        self.winner = self.winner.or_else(|| self.attempts.success());
        if let Some(end) = self.final_step() {
            return end;
        }
        if let Some(attempt) = self.expired(now) {
            return self.cancel(attempt, CancelReason::TimedOut, now);
        }
        match self.next_start() {
            Some(next) if next.at <= now => self.start(next, now),
            next => {
                let start = next.map(|next| next.at);
                Step::Wait(start.into_iter().chain(self.next_expiry()).min())
            }
        }
    }

    /// Reports the answer to the query for this family. An unexpected, repeated or late answer has no effect.
    pub fn answered(&mut self, family: Family, answer: Answer<A>, now: Instant) -> AnswerEffect {
        let (kind, addresses) = answer.parts();
        let Some(rank) = self.queries.record(family, kind, now) else {
            return AnswerEffect::none(AnswerTiming::Unexpected);
        };
        if self.is_decided() {
            return AnswerEffect::none(AnswerTiming::TooLate);
        }
        let timing =
            if self.attempts.is_empty() { AnswerTiming::InTime } else { AnswerTiming::Merged };
        let (added, duplicates) = self.candidates.add(addresses, Some(now), rank, &self.policy);
        AnswerEffect { timing, added, duplicates }
    }

    /// Reports the end of the attempt's TCP handshake. Unless a TLS handshake has to follow
    /// ([`Success`]), the attempt has succeeded.
    pub fn connected(&mut self, attempt: usize, now: Instant) {
        if self.policy.pacing.success == Success::Tcp {
            self.succeeded(attempt, now);
        } else {
            self.attempts.connected(attempt, now);
        }
    }

    /// Reports that the attempt has completed its last handshake.
    pub fn succeeded(&mut self, attempt: usize, now: Instant) {
        self.end_attempt(attempt, Outcome::Succeeded, now);
    }

    /// Reports that the attempt has ended without a connection.
    pub fn failed(&mut self, attempt: usize, now: Instant) {
        self.end_attempt(attempt, Outcome::Failed, now);
    }

    /// Reports that this host refused the attempt before a packet left ([`failed`](Self::failed) otherwise).
    pub fn failed_unsent(&mut self, attempt: usize, now: Instant) {
        self.end_attempt(attempt, Outcome::Unsent, now);
    }

    /// Sorts the addresses before families are interleaved, for example by RFC 6724. The sort is stable. Without it
    /// the addresses are in the order of the queries. Call it after each answer.
    pub fn sort_by_key<K: Ord>(&mut self, mut key: impl FnMut(&A) -> K) {
        self.candidates.sort_by_key(&mut key, &self.policy);
    }

    /// Address of an attempt.
    pub fn address(&self, attempt: usize) -> Option<&A> {
        Some(self.candidates.address(self.attempts.get(attempt)?.candidate))
    }

    /// Addresses that were not tried yet, in list order; [`AddressQueues`](super::AddressQueues) may try them in
    /// another. Those beyond [`max_addresses`](super::AddressSelection::max_addresses) are tried only after all
    /// others have failed.
    pub fn untried(&self) -> impl Iterator<Item = &A> {
        self.candidates.untried().map(|candidate| self.candidates.address(candidate))
    }

    /// Families whose query has no answer yet.
    pub fn unanswered(&self) -> impl Iterator<Item = Family> {
        self.queries.unanswered()
    }

    /// First attempt that succeeded, as of the last [`poll`](Self::poll).
    pub fn winner(&self) -> Option<usize> {
        self.winner
    }

    /// Start of the next attempt, if nothing happens before. `None` before the first attempt, and while only an
    /// answer or the end of an attempt can start another.
    pub fn next_attempt_at(&self) -> Option<Instant> {
        self.attempts.newest()?;
        self.next_start().map(|next| next.at)
    }

    /// Numbers of the attempts under way.
    pub fn pending(&self) -> impl Iterator<Item = usize> {
        self.attempts.running()
    }

    /// Whether an attempt has succeeded and ends the race.
    pub(crate) fn is_decided(&self) -> bool {
        !self.policy.run_all && self.attempts.success().is_some()
    }

    fn final_step(&self) -> Option<Step> {
        match self.winner {
            Some(winner) if !self.policy.run_all || self.is_exhausted() => Some(Step::Won(winner)),
            None if self.is_exhausted() => Some(Step::Lost(match self.attempts.is_empty() {
                true => LossReason::NoAddress,
                false => LossReason::AllFailed,
            })),
            _ => None,
        }
    }

    /// Whether no attempt is under way, can start, or may still be started by an answer.
    fn is_exhausted(&self) -> bool {
        self.is_idle() && !self.queries.are_open() && self.next_start().is_none()
    }

    /// Whether no attempt is under way.
    fn is_idle(&self) -> bool {
        self.attempts.running().len() == 0
    }

    fn start(&mut self, next: ScheduledStart, now: Instant) -> Step {
        if self.is_at_limit()
            && let Some(oldest) = self.attempts.replaceable()
        {
            // Only the cancellation: the owner takes one step at a time, and the next poll starts the attempt.
            return self.cancel(oldest, CancelReason::Replaced, now);
        }
        let ScheduledStart { candidate, queue, at, reason } = next;
        self.candidates.mark_tried(candidate);
        let attempt = self.attempts.start(candidate, queue, now, &self.policy);
        Step::Start(Start { attempt, planned: at, reason })
    }

    /// Whether `max_parallel` attempts are under way.
    fn is_at_limit(&self) -> bool {
        self.attempts.running().len() >= self.policy.max_parallel()
    }

    fn cancel(&mut self, attempt: usize, why: CancelReason, now: Instant) -> Step {
        let outcome = match why {
            CancelReason::TimedOut => Outcome::TimedOut,
            CancelReason::Replaced => Outcome::Replaced,
        };
        self.end_attempt(attempt, outcome, now);
        Step::Cancel { attempt, why }
    }

    fn end_attempt(&mut self, attempt: usize, outcome: Outcome, now: Instant) {
        let was_at_limit = self.is_at_limit();
        if self.attempts.end(attempt, outcome, now) && was_at_limit {
            self.below_limit_since = Some(now);
        }
    }

    /// The oldest attempt under way, if it has reached its time limit.
    fn expired(&self, now: Instant) -> Option<usize> {
        let (oldest, _) = self.attempts.oldest_running()?;
        self.next_expiry().filter(|at| *at <= now).map(|_| oldest)
    }

    /// Time at which the oldest attempt under way reaches its time limit. The others started later.
    fn next_expiry(&self) -> Option<Instant> {
        let (_, oldest) = self.attempts.oldest_running()?;
        oldest.started.checked_add(self.policy.attempt_timeout?)
    }
}
