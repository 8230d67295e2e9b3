//! When each question is asked, when each attempt starts, and who won.

mod candidates;
mod queries;
mod queues;
mod schedule;
mod step;

use std::time::{Duration, Instant};

use candidates::Field;
pub use candidates::RaceAddress;
use queries::Questions;
pub use queries::{Answer, AnswerEffect, AnswerTiming, FirstAttemptReason};
use schedule::Next;
pub use step::{CancelReason, LossReason, Reason, Start, Step};

use super::{Family, Policy, Success};

/// A race of connection attempts: asyncio's `staggered_race`, RFC 8305 from the question for addresses to the
/// connection, and what real clients make of it, by the rules of a [`Policy`].
///
/// Attempts are numbered from 0 in the order in which they start. The first starts as soon as the answers allow
/// ([`Resolution`](super::Resolution)); the next when the Connection Attempt Delay has passed, or before that when
/// an attempt ends ([`Pacing`](super::Pacing)). The first success wins; of several since the last
/// [`poll`](Self::poll), the lowest number. The race is lost when no attempt is under way, no question is open and
/// nothing is left to try.
///
/// The race holds no sockets and reads no clock. Its owner tells it what happened ([`answered`](Self::answered),
/// [`connected`](Self::connected), [`succeeded`](Self::succeeded), [`failed`](Self::failed)) and asks what to do now
/// ([`poll`](Self::poll)) until the answer is [`Wait`](Step::Wait) or final. Time must not run backwards.
///
/// With addresses in hand:
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
/// assert_eq!(race.poll(t0 + delay), Step::Start(second), "the first is silent: try the second beside it");
/// assert_eq!(race.pending().collect::<Vec<_>>(), [0, 1]);
/// race.failed(0, t0 + delay);
/// race.succeeded(1, t0 + delay);
/// assert_eq!(race.poll(t0 + delay), Step::Won(1));
/// assert_eq!((race.winner(), race.address(1)), (Some(1), Some(&addresses[1])));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
///
/// With a name, whose IPv6 addresses nobody tells:
///
/// ```
/// use loopctl::plan::{Answer, Family, Preset, Race, FirstAttemptReason, Reason, Start, Step};
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
/// let start = Start { attempt: 0, planned: later, reason: Reason::First(FirstAttemptReason::ResolutionDelay) };
/// assert_eq!(race.poll(later), Step::Start(start));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Race<A> {
    policy: Policy,
    questions: Questions,
    field: Field<A>,
    attempts: Vec<Attempt>,
    winner: Option<usize>,
    /// When an attempt last made room for one that had to wait.
    room_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    candidate: usize,
    lane: usize,
    started: Instant,
    /// The Connection Attempt Delay after it.
    delay: Option<Duration>,
    /// When TCP was up, where more has to follow.
    connected: Option<Instant>,
    end: Option<(Instant, Outcome)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Succeeded,
    Failed,
    /// This host refused, and no packet left.
    Unsent,
    TimedOut,
    Replaced,
}

impl<A: RaceAddress> Race<A> {
    /// A race to these addresses, known from the beginning and in the resolver's order.
    pub fn with_addresses(addresses: impl IntoIterator<Item = A>, policy: Policy) -> Self {
        let mut race = Self::with_queries([], policy);
        race.field.add(addresses, None, 0, &race.policy);
        race
    }

    /// A race to addresses yet to be asked for, one question for each of these families. The questions are asked
    /// in this order, back to back, and the first family is the preferred one.
    pub fn with_queries(families: impl IntoIterator<Item = Family>, policy: Policy) -> Self {
        Self {
            questions: Questions::new(families),
            field: Field::default(),
            attempts: Vec::new(),
            winner: None,
            room_since: None,
            policy,
        }
    }

    /// What to do now. Ask again after every step but [`Wait`](Step::Wait) and the last.
    pub fn poll(&mut self, now: Instant) -> Step {
        if let Some(family) = self.questions.ask(now) {
            return Step::Query(family);
        }
        self.winner = self.winner.or_else(|| self.success());
        if let Some(end) = self.verdict() {
            return end;
        }
        if let Some(attempt) = self.expired(now) {
            return self.cancel(attempt, CancelReason::TimedOut, now);
        }
        match self.next_start() {
            Some(next) if next.at <= now => self.start(next, now),
            next => {
                let start = next.map(|next| next.at);
                Step::Wait(start.into_iter().chain(self.expiries()).min())
            }
        }
    }

    /// The question for this family has an answer. What comes twice, unasked, or after the end changes nothing.
    pub fn answered(&mut self, family: Family, answer: Answer<A>, now: Instant) -> AnswerEffect {
        let (verdict, addresses) = answer.parts();
        let Some(rank) = self.questions.note(family, verdict, now) else {
            return AnswerEffect::nothing(AnswerTiming::Unexpected);
        };
        if self.is_decided() {
            return AnswerEffect::nothing(AnswerTiming::TooLate);
        }
        let timing =
            if self.attempts.is_empty() { AnswerTiming::InTime } else { AnswerTiming::Merged };
        let (added, duplicates) = self.field.add(addresses, Some(now), rank, &self.policy);
        AnswerEffect { timing, added, duplicates }
    }

    /// The attempt has a TCP connection, and its TLS handshake begins. Where TCP is enough, it has succeeded.
    pub fn connected(&mut self, attempt: usize, now: Instant) {
        if self.policy.pacing.success == Success::Tcp {
            self.succeeded(attempt, now);
        } else if let Some(known) = self.attempts.get_mut(attempt).filter(|it| it.is_running()) {
            known.connected.get_or_insert(now);
        }
    }

    /// The attempt has reached all that it is to reach.
    pub fn succeeded(&mut self, attempt: usize, now: Instant) {
        self.settle(attempt, Outcome::Succeeded, now);
    }

    /// The attempt has ended without a connection.
    pub fn failed(&mut self, attempt: usize, now: Instant) {
        self.settle(attempt, Outcome::Failed, now);
    }

    /// As [`failed`](Self::failed), where this host refused and no packet has left.
    pub fn failed_unsent(&mut self, attempt: usize, now: Instant) {
        self.settle(attempt, Outcome::Unsent, now);
    }

    /// Sorts the addresses, stably, before families are interleaved: by the rules of RFC 6724, say. Until this is
    /// called they are in the order of the questions. To be called after each answer.
    pub fn sort_by_key<K: Ord>(&mut self, mut key: impl FnMut(&A) -> K) {
        self.field.sort_by_key(&mut key, &self.policy);
    }

    /// Where an attempt goes to.
    pub fn address(&self, attempt: usize) -> Option<&A> {
        Some(self.field.address(self.attempts.get(attempt)?.candidate))
    }

    /// The addresses not yet tried, in the order of the list; [`AddressQueues`](super::AddressQueues) may take them in another.
    /// How many of them will be is bounded by [`AddressSelection::most`](super::AddressSelection::most).
    pub fn untried(&self) -> impl Iterator<Item = &A> {
        self.field.untried().map(|candidate| self.field.address(candidate))
    }

    /// The families whose addresses have been asked for in vain so far.
    pub fn unanswered(&self) -> impl Iterator<Item = Family> {
        self.questions.unanswered()
    }

    /// The first attempt that succeeded, as of the last [`poll`](Self::poll).
    pub fn winner(&self) -> Option<usize> {
        self.winner
    }

    /// When the next attempt starts if nothing happens before; `None` before the first, and while no time would
    /// start another.
    pub fn next_attempt_at(&self) -> Option<Instant> {
        self.attempts.last()?;
        self.next_start().map(|next| next.at)
    }

    /// The attempts that are under way.
    pub fn pending(&self) -> impl Iterator<Item = usize> {
        let started = self.attempts.iter().enumerate();
        started.filter(|(_, attempt)| attempt.is_running()).map(|(number, _)| number)
    }

    /// Whether an attempt has succeeded that no other can take the victory from.
    pub(crate) fn is_decided(&self) -> bool {
        !self.policy.run_all && self.success().is_some()
    }

    fn verdict(&self) -> Option<Step> {
        match self.winner {
            Some(winner) if !self.policy.run_all || self.is_exhausted() => Some(Step::Won(winner)),
            None if self.is_exhausted() => Some(Step::Lost(match self.attempts.as_slice() {
                [] => LossReason::NoAddress,
                _ => LossReason::AllFailed,
            })),
            _ => None,
        }
    }

    /// Whether nothing can happen any more.
    fn is_exhausted(&self) -> bool {
        let is_idle = self.pending().next().is_none();
        is_idle && !self.questions.is_open() && self.next_start().is_none()
    }

    fn start(&mut self, next: Next, now: Instant) -> Step {
        let others = self.pending().count();
        if others >= self.policy.max_parallel()
            && let Some(oldest) = self.most_hopeless()
        {
            return self.cancel(oldest, CancelReason::Replaced, now);
        }
        let Next { candidate, lane, at, reason } = next;
        self.field.take(candidate);
        let delay = self.policy.delay(others);
        let attempt = Attempt { candidate, lane, started: now, delay, connected: None, end: None };
        self.attempts.push(attempt);
        Step::Start(Start { attempt: self.attempts.len() - 1, planned: at, reason })
    }

    /// The oldest attempt, but rather one that has not even a TCP connection.
    fn most_hopeless(&self) -> Option<usize> {
        let silent = self.pending().find(|&number| self.attempts[number].connected.is_none());
        silent.or_else(|| self.pending().next())
    }

    fn cancel(&mut self, attempt: usize, why: CancelReason, now: Instant) -> Step {
        let outcome = match why {
            CancelReason::TimedOut => Outcome::TimedOut,
            CancelReason::Replaced => Outcome::Replaced,
        };
        self.settle(attempt, outcome, now);
        Step::Cancel { attempt, why }
    }

    fn settle(&mut self, attempt: usize, outcome: Outcome, now: Instant) {
        let was_full = self.pending().count() >= self.policy.max_parallel();
        if let Some(known) = self.attempts.get_mut(attempt).filter(|known| known.is_running()) {
            known.end = Some((now, outcome));
            self.room_since = if was_full { Some(now) } else { self.room_since };
        }
    }

    fn success(&self) -> Option<usize> {
        let succeeded = |attempt: &Attempt| attempt.outcome() == Some(Outcome::Succeeded);
        self.attempts.iter().position(succeeded)
    }

    fn expired(&self, now: Instant) -> Option<usize> {
        self.pending().find(|&number| self.expiry(number).is_some_and(|at| at <= now))
    }

    fn expiries(&self) -> impl Iterator<Item = Instant> {
        self.pending().filter_map(|number| self.expiry(number))
    }

    fn expiry(&self, number: usize) -> Option<Instant> {
        self.attempts[number].started.checked_add(self.policy.attempt_timeout?)
    }
}

impl Attempt {
    fn is_running(&self) -> bool {
        self.end.is_none()
    }

    fn outcome(&self) -> Option<Outcome> {
        Some(self.end?.1)
    }
}
