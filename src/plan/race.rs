//! When each connection attempt starts, and who won.

use std::time::Instant;

use super::Policy;

/// A staggered race: asyncio's `staggered_race`, RFC 8305 section 5.
///
/// Attempts are numbered from 0 in the order in which they may start. The first starts at once. The next
/// one starts when the Connection Attempt Delay has passed since the newest start, or at once when the
/// *newest* attempt fails; without a delay, only then. The failure of an older attempt starts nothing,
/// because its successor is on its way already. The first success wins; of several since the last
/// [`poll`](Self::poll), the lowest number.
///
/// The race holds no sockets and reads no clock. Its owner tells it what happened
/// ([`succeeded`](Self::succeeded), [`failed`](Self::failed)) and asks what to do now
/// ([`poll`](Self::poll)) until the answer is [`Wait`](Step::Wait) or final.
///
/// ```
/// use loopctl::plan::{Policy, Race, Step};
/// use std::time::{Duration, Instant};
///
/// let (t0, delay) = (Instant::now(), Duration::from_millis(250));
/// let mut race = Race::new(2, Policy::happy_eyeballs(delay));
/// assert_eq!(race.poll(t0), Step::Start(0));
/// assert_eq!(race.poll(t0), Step::Wait(Some(t0 + delay)));
/// assert_eq!(race.next_attempt_at(), Some(t0 + delay));
/// assert_eq!(race.poll(t0 + delay), Step::Start(1), "the first is silent: try the second beside it");
/// assert_eq!(race.pending().collect::<Vec<_>>(), [0, 1]);
/// race.failed(0);
/// race.succeeded(1);
/// assert_eq!(race.poll(t0 + delay), Step::Won(1));
/// assert_eq!(race.winner(), Some(1));
/// ```
#[derive(Debug, Clone)]
pub struct Race {
    total: usize,
    policy: Policy,
    started: Vec<Attempt>,
    winner: Option<usize>,
}

/// What the owner of a [`Race`] does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Start this attempt now, then poll again.
    Start(usize),
    /// This attempt has used up its own time: end it, then poll again. It counts as failed already.
    TimeOut(usize),
    /// Nothing to do before this instant unless an attempt ends; `None`: nothing until one ends.
    Wait(Option<Instant>),
    /// Over: this attempt is the connection. Cancel the others.
    Won(usize),
    /// Over: every attempt failed, or there was none.
    Lost,
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    start: Instant,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Pending,
    Succeeded,
    Failed,
}

impl Race {
    /// A race of `total` attempts by the rules of `policy`.
    pub fn new(total: usize, policy: Policy) -> Self {
        Self { total, policy, started: Vec::new(), winner: None }
    }

    /// What to do now. Ask again after every [`Start`](Step::Start) and [`TimeOut`](Step::TimeOut).
    pub fn poll(&mut self, now: Instant) -> Step {
        self.winner = self.winner.or_else(|| self.position(State::Succeeded));
        match self.winner {
            Some(winner) if !self.policy.run_all || self.is_exhausted() => {
                return Step::Won(winner);
            }
            None if self.is_exhausted() => return Step::Lost,
            _ => {}
        }
        if let Some(expired) = self.expired(now) {
            self.failed(expired);
            return Step::TimeOut(expired);
        }
        if self.has_room() && self.is_next_due(now) {
            self.started.push(Attempt { start: now, state: State::Pending });
            return Step::Start(self.started.len() - 1);
        }
        Step::Wait(self.next_attempt_at().into_iter().chain(self.expiries()).min())
    }

    /// The attempt has become a connection.
    pub fn succeeded(&mut self, attempt: usize) {
        self.settle(attempt, State::Succeeded);
    }

    /// The attempt has ended without a connection.
    pub fn failed(&mut self, attempt: usize) {
        self.settle(attempt, State::Failed);
    }

    /// The first attempt that succeeded, as of the last [`poll`](Self::poll).
    pub fn winner(&self) -> Option<usize> {
        self.winner
    }

    /// When the Connection Attempt Delay starts the next attempt; `None` while no timer would.
    pub fn next_attempt_at(&self) -> Option<Instant> {
        let newest = self.started.last().filter(|_| self.has_room())?;
        newest.start.checked_add(self.policy.connection_attempt_delay?)
    }

    /// The attempts that are under way.
    pub fn pending(&self) -> impl Iterator<Item = usize> {
        let started = self.started.iter().enumerate();
        started.filter(|(_, attempt)| attempt.state == State::Pending).map(|(number, _)| number)
    }

    /// Whether an attempt has succeeded that no other can take the victory from.
    pub(crate) fn is_decided(&self) -> bool {
        !self.policy.run_all && self.position(State::Succeeded).is_some()
    }

    fn settle(&mut self, attempt: usize, state: State) {
        if let Some(known) = self.started.get_mut(attempt)
            && known.state == State::Pending
        {
            known.state = state;
        }
    }

    /// Whether another attempt exists and may run beside those under way.
    fn has_room(&self) -> bool {
        self.started.len() < self.total && self.pending().count() < self.policy.max_parallel()
    }

    fn is_next_due(&self, now: Instant) -> bool {
        match self.started.last() {
            Some(newest) if newest.state == State::Pending => {
                self.next_attempt_at().is_some_and(|at| at <= now)
            }
            _ => true,
        }
    }

    fn is_exhausted(&self) -> bool {
        self.started.len() == self.total && self.pending().next().is_none()
    }

    fn position(&self, state: State) -> Option<usize> {
        self.started.iter().position(|attempt| attempt.state == state)
    }

    fn expired(&self, now: Instant) -> Option<usize> {
        self.pending().find(|&number| self.expiry(number).is_some_and(|at| at <= now))
    }

    fn expiries(&self) -> impl Iterator<Item = Instant> {
        self.pending().filter_map(|number| self.expiry(number))
    }

    fn expiry(&self, number: usize) -> Option<Instant> {
        self.started[number].start.checked_add(self.policy.attempt_timeout?)
    }
}
