//! Attempts of a race, with an index for each question about them: an answer may have thousands of addresses.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::{Duration, Instant};

use super::super::Policy;

/// Time for a TLS handshake, in TCP handshakes, before the next attempt starts beside it: two round trips
/// (TLS 1.2), and one for the computation.
const TLS_HANDSHAKE_FACTOR: u32 = 3;

#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) candidate: usize,
    pub(super) started: Instant,
    /// Connection Attempt Delay until the next attempt.
    pub(super) delay: Option<Duration>,
    /// End of the TCP handshake, if a TLS handshake follows.
    connected: Option<Instant>,
    pub(super) end: Option<(Instant, Outcome)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Succeeded,
    Failed,
    /// This host refused the attempt before a packet left.
    Unsent,
    TimedOut,
    Replaced,
}

/// All attempts in the order of their starts. No method takes longer than logarithmic time in their number, except
/// those over the attempts in a TLS handshake.
#[derive(Debug, Clone, Default)]
pub(super) struct Attempts {
    all: Vec<Attempt>,
    running: BTreeSet<usize>,
    /// Running attempts without a TCP connection.
    connecting: BTreeSet<usize>,
    /// Attempts whose TLS handshake was under way when the newest attempt started, or began later.
    handshakes: BTreeSet<usize>,
    /// The lowest number of an attempt that succeeded.
    success: Option<usize>,
    /// Attempts of which a packet left, as far as is known.
    sent: BTreeSet<usize>,
    /// Ends with the numbers of the attempts.
    ends: BTreeSet<(Instant, usize)>,
    /// The latest end of an attempt that was not replaced.
    last_end_unless_replaced: Option<(Instant, usize)>,
    /// The newest attempt of each of the two queues.
    newest_of_queue: [Option<usize>; 2],
}

impl Attempts {
    /// Adds an attempt and returns its number.
    pub(super) fn start(
        &mut self,
        candidate: usize,
        queue: usize,
        started: Instant,
        policy: &Policy,
    ) -> usize {
        let (number, delay) = (self.all.len(), policy.delay(self.running.len()));
        self.forget_old_handshakes(started, policy);
        self.all.push(Attempt { candidate, started, delay, connected: None, end: None });
        for set in [&mut self.running, &mut self.connecting, &mut self.sent] {
            set.insert(number);
        }
        self.newest_of_queue[queue] = Some(number);
        number
    }

    /// Forgets handshakes that can no longer extend a Connection Attempt Delay, which begins at `now` or later.
    fn forget_old_handshakes(&mut self, now: Instant, policy: &Policy) {
        let Some(longest) = policy.delay(usize::MAX) else { return self.handshakes.clear() };
        let all = &self.all;
        self.handshakes.retain(|&number| {
            let attempt = &all[number];
            let extends = attempt.extends_until(longest).is_none_or(|until| until > now);
            attempt.is_running() && extends
        });
    }

    /// Records the end of the TCP handshake of a running attempt, where a TLS handshake follows.
    pub(super) fn connected(&mut self, number: usize, now: Instant) {
        if self.running.contains(&number) {
            self.all[number].connected.get_or_insert(now);
            self.connecting.remove(&number);
            self.handshakes.insert(number);
        }
    }

    /// Records the end of a running attempt; returns whether it was running.
    pub(super) fn end(&mut self, number: usize, outcome: Outcome, now: Instant) -> bool {
        if !self.running.remove(&number) {
            return false;
        }
        self.connecting.remove(&number);
        self.all[number].end = Some((now, outcome));
        self.ends.insert((now, number));
        match outcome {
            Outcome::Replaced => return true,
            Outcome::Succeeded => {
                self.success = Some(self.success.map_or(number, |first| first.min(number)));
            }
            Outcome::Unsent => _ = self.sent.remove(&number),
            Outcome::Failed | Outcome::TimedOut => {}
        }
        self.last_end_unless_replaced = self.last_end_unless_replaced.max(Some((now, number)));
        true
    }

    pub(super) fn get(&self, number: usize) -> Option<&Attempt> {
        self.all.get(number)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn first(&self) -> Option<&Attempt> {
        self.all.first()
    }

    pub(super) fn newest(&self) -> Option<&Attempt> {
        self.all.last()
    }

    pub(super) fn newest_of_queue(&self, queue: usize) -> Option<(usize, &Attempt)> {
        self.newest_of_queue[queue].map(|number| (number, &self.all[number]))
    }

    /// The newest attempt of which a packet left, as far as is known.
    pub(super) fn newest_sent(&self) -> Option<&Attempt> {
        self.sent.last().map(|&number| &self.all[number])
    }

    /// Numbers of the attempts under way.
    pub(super) fn running(&self) -> impl ExactSizeIterator<Item = usize> {
        self.running.iter().copied()
    }

    /// The oldest attempt under way, which is the first to reach a time limit.
    pub(super) fn oldest_running(&self) -> Option<(usize, &Attempt)> {
        self.running.first().map(|&number| (number, &self.all[number]))
    }

    /// The oldest attempt without a TCP connection, otherwise the oldest.
    pub(super) fn replaceable(&self) -> Option<usize> {
        self.connecting.first().or_else(|| self.running.first()).copied()
    }

    /// The lowest number of an attempt that succeeded.
    pub(super) fn success(&self) -> Option<usize> {
        self.success
    }

    /// The latest end of an attempt, and the number of the attempt.
    pub(super) fn last_end(&self) -> Option<(Instant, usize)> {
        self.ends.last().copied()
    }

    /// The latest end of an attempt that was not replaced: a replacement has already started.
    pub(super) fn last_end_unless_replaced(&self) -> Option<(Instant, usize)> {
        self.last_end_unless_replaced
    }

    /// The first end of an attempt after this instant.
    pub(super) fn next_end_after(&self, at: Instant) -> Option<Instant> {
        let later = (Bound::Excluded((at, usize::MAX)), Bound::Unbounded);
        self.ends.range(later).next().map(|(at, _)| *at)
    }

    /// A Connection Attempt Delay that ends at `at`, extended by each connection in its TLS handshake until that is
    /// old enough or has ended.
    pub(super) fn extended_by_tls(&self, mut at: Instant, delay: Duration) -> Option<Instant> {
        for &number in &self.handshakes {
            let attempt = &self.all[number];
            if attempt.connected.is_some_and(|connected| connected <= at) {
                let until = attempt.extends_until(delay)?;
                at = at.max(attempt.end.map_or(until, |(end, _)| end.min(until)));
            }
        }
        Some(at)
    }
}

impl Attempt {
    fn is_running(&self) -> bool {
        self.end.is_none()
    }

    /// Time until which the TLS handshake of this attempt extends a Connection Attempt Delay.
    fn extends_until(&self, delay: Duration) -> Option<Instant> {
        let connected = self.connected?;
        let tcp_handshake = connected.saturating_duration_since(self.started);
        connected.checked_add(delay.max(tcp_handshake.saturating_mul(TLS_HANDSHAKE_FACTOR)))
    }

    /// The end of the attempt, unless it was replaced.
    pub(super) fn end_unless_replaced(&self) -> Option<Instant> {
        self.end.filter(|(_, outcome)| *outcome != Outcome::Replaced).map(|(at, _)| at)
    }
}
