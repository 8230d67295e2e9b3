//! Parts of the time until the connection.

use std::time::Duration;

use loopctl::plan::{FirstAttemptReason, Reason};

use super::Report;
use super::query::{Query, QueryStatus};

/// Answers closer to each other than this cause no delay.
const TRIFLE: Duration = Duration::from_millis(1);

impl Report {
    /// Time of the first answer that allows an attempt.
    pub(crate) fn resolved_at(&self) -> Duration {
        match (self.resolve.started, self.resolve.took) {
            (Some(started), Some(took)) => started + took,
            _ => Duration::ZERO,
        }
    }

    /// Time of the first usable addresses.
    pub(crate) fn answered_at(&self) -> Duration {
        let resolved = self.resolved_at();
        let Some(awaited) = self.awaited() else { return resolved };
        let queries = self.resolve.queries.0.iter();
        let others = queries.filter(|it| it.types != awaited.types);
        let answers = others.filter(|query| query.verdict() == QueryStatus::Answered);
        let first = answers.map(Query::ended_at).min().unwrap_or(resolved);
        // Because an answer that was there before is not what the first attempt waited for.
        let was_there = awaited.ended_at() <= first;
        if was_there || first + TRIFLE > resolved { resolved } else { first }
    }

    /// Time from the first usable answer to the start of the attempt that won. `None` if each address was tried
    /// separately.
    pub(crate) fn stagger(&self) -> Option<Duration> {
        let raced = self.winner().filter(|_| self.comparison.is_none());
        Some(raced?.start.saturating_sub(self.resolved_at()))
    }

    /// The part of it that other addresses caused: without the delays of this host.
    pub(crate) fn cost(&self) -> Option<Duration> {
        Some(self.stagger()?.saturating_sub(self.own_delay()))
    }

    /// Delay by waiting for other answers while addresses were known.
    pub(crate) fn answer_wait(&self) -> Duration {
        self.resolved_at() - self.answered_at()
    }

    /// Delay added by Happy Eyeballs: the time to the connection without the first answer and without the handshake.
    pub(crate) fn race_cost(&self) -> Option<Duration> {
        Some(self.cost()? + self.answer_cost())
    }

    /// The wait for other answers, without the time in which this process did not run.
    pub(crate) fn answer_cost(&self) -> Duration {
        let stalled = self.stalled_within(self.answered_at(), self.resolved_at());
        self.answer_wait().saturating_sub(stalled)
    }

    /// Query that the first attempt waited for.
    pub(crate) fn awaited(&self) -> Option<&Query> {
        let queries = &self.resolve.queries.0;
        let Reason::First(ready) = self.attempts.first()?.schedule.reason else { return None };
        match ready {
            // Because the preferred family is queried first, its query is the earlier one.
            FirstAttemptReason::PreferredFamily
            | FirstAttemptReason::NegativeAnswer
            | FirstAttemptReason::ResolutionDelay => queries.first(),
            FirstAttemptReason::AllAnswered => queries.iter().max_by_key(|query| query.ended_at()),
            FirstAttemptReason::Known => None,
        }
    }
}
