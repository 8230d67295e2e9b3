//! Address queries of a race: their answers, and the earliest start of the first attempt.

use std::time::Instant;

use super::super::{DelayFrom, Family, NegativeAnswers, Resolution};

/// Answer to the query for the addresses of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer<A> {
    /// Addresses. An empty list means the same as [`NoData`](Self::NoData).
    Addresses(Vec<A>),
    /// The name exists but has no address of this family.
    NoData,
    /// The name does not exist (NXDOMAIN).
    NoName,
    /// The servers answered with an error (SERVFAIL, REFUSED, FORMERR and the like).
    Failed,
    /// No server answered.
    TimedOut,
}

/// Effect of an answer on the race.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerEffect {
    /// Arrival relative to the attempts.
    pub timing: AnswerTiming,
    /// Number of addresses added to the race.
    pub added: usize,
    /// Number of addresses dropped because the race already knew them.
    pub duplicates: usize,
}

/// Arrival of an answer, relative to the attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerTiming {
    /// Before the first attempt.
    InTime,
    /// After the first attempt: its addresses were merged into those left to try.
    Merged,
    /// After the end of the race: ignored.
    TooLate,
    /// Without a query, or after an earlier answer to the same query: ignored.
    Unexpected,
}

/// Reason for starting the first attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstAttemptReason {
    /// The addresses were known from the start.
    Known,
    /// The preferred family's addresses had arrived.
    PreferredFamily,
    /// All queries had been answered.
    AllAnswered,
    /// The preferred family was known to have no address.
    NegativeAnswer,
    /// The Resolution Delay had passed.
    ResolutionDelay,
}

/// An [`Answer`] without its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerKind {
    Addresses,
    NoData,
    NoName,
    Failed,
    TimedOut,
}

/// All queries of a race, in the order in which they are sent; the first is for the preferred family.
#[derive(Debug, Clone)]
pub(super) struct AddressQueries {
    all: Vec<AddressQuery>,
    /// Number of queries already sent.
    sent: usize,
    race_start: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct AddressQuery {
    family: Family,
    answer: Option<(Instant, AnswerKind)>,
}

impl<A> Answer<A> {
    pub(super) fn parts(self) -> (AnswerKind, Vec<A>) {
        match self {
            Self::Addresses(addresses) if addresses.is_empty() => (AnswerKind::NoData, addresses),
            Self::Addresses(addresses) => (AnswerKind::Addresses, addresses),
            Self::NoData => (AnswerKind::NoData, Vec::new()),
            Self::NoName => (AnswerKind::NoName, Vec::new()),
            Self::Failed => (AnswerKind::Failed, Vec::new()),
            Self::TimedOut => (AnswerKind::TimedOut, Vec::new()),
        }
    }
}

impl AnswerEffect {
    pub(super) fn none(timing: AnswerTiming) -> Self {
        Self { timing, added: 0, duplicates: 0 }
    }
}

impl AddressQueries {
    pub(super) fn new(families: impl IntoIterator<Item = Family>) -> Self {
        let all = families.into_iter().map(|family| AddressQuery { family, answer: None });
        Self { all: all.collect(), sent: 0, race_start: None }
    }

    /// Returns the next query to send, and counts it as sent.
    pub(super) fn send_next(&mut self, now: Instant) -> Option<Family> {
        self.race_start.get_or_insert(now);
        let query = self.all.get(self.sent)?;
        self.sent += 1;
        Some(query.family)
    }

    /// Records an answer and returns the index of its query; `None` if no such query is open.
    pub(super) fn record(
        &mut self,
        family: Family,
        answer: AnswerKind,
        now: Instant,
    ) -> Option<usize> {
        let sent = self.all[..self.sent].iter_mut().enumerate();
        let mut open = sent.filter(|(_, query)| query.answer.is_none());
        let (rank, query) = open.find(|(_, query)| query.family == family)?;
        query.answer = Some((now, answer));
        Some(rank)
    }

    /// Whether an answer is missing.
    pub(super) fn are_open(&self) -> bool {
        self.unanswered().next().is_some()
    }

    pub(super) fn unanswered(&self) -> impl Iterator<Item = Family> {
        self.all.iter().filter(|query| query.answer.is_none()).map(|query| query.family)
    }

    /// Earliest start of the first attempt with the answers so far, and the reason. `None`: another answer has to
    /// arrive first.
    pub(super) fn first_attempt(&self, rule: Resolution) -> Option<(Instant, FirstAttemptReason)> {
        let race_start = self.race_start?;
        match (rule, self.all.as_slice()) {
            (_, []) => Some((race_start, FirstAttemptReason::Known)),
            (Resolution::Joint { requires_ipv4 }, all) => {
                Some((joint_result(all, requires_ipv4)?, FirstAttemptReason::AllAnswered))
            }
            (Resolution::Separate { delay, delay_from, ended_by }, [preferred, others @ ..]) => {
                let other_known = others.iter().filter_map(AddressQuery::addresses_at).min();
                let negative = preferred.negative_at(ended_by).zip(other_known);
                let resolution_delay_end = other_known.and_then(|known| match delay_from {
                    DelayFrom::FirstAnswer => known.checked_add(delay),
                    DelayFrom::RaceStart => Some(known.max(race_start.checked_add(delay)?)),
                });
                let starts = [
                    preferred.addresses_at().map(|at| (at, FirstAttemptReason::PreferredFamily)),
                    negative.map(|(negative, other)| {
                        (negative.max(other), FirstAttemptReason::NegativeAnswer)
                    }),
                    resolution_delay_end.map(|at| (at, FirstAttemptReason::ResolutionDelay)),
                ];
                starts.into_iter().flatten().min_by_key(|(at, _)| *at)
            }
        }
    }
}

/// Arrival of the last answer of a joint lookup, if the lookup succeeds.
fn joint_result(all: &[AddressQuery], requires_ipv4: bool) -> Option<Instant> {
    let is_fatal = |query: &AddressQuery| {
        let timed_out = query.answer.is_some_and(|(_, kind)| kind == AnswerKind::TimedOut);
        requires_ipv4 && query.family == Family::Inet && timed_out
    };
    if all.iter().any(is_fatal) || all.iter().all(|query| query.addresses_at().is_none()) {
        return None;
    }
    let answers: Option<Vec<Instant>> = all.iter().map(|query| Some(query.answer?.0)).collect();
    answers?.into_iter().max()
}

impl AddressQuery {
    /// Arrival of an answer with addresses.
    fn addresses_at(&self) -> Option<Instant> {
        self.answer.filter(|(_, kind)| *kind == AnswerKind::Addresses).map(|(at, _)| at)
    }

    /// Arrival of an answer without addresses, of a kind that ends the Resolution Delay.
    fn negative_at(&self, rule: NegativeAnswers) -> Option<Instant> {
        let counts = |kind: AnswerKind| match rule {
            NegativeAnswers::Any => kind != AnswerKind::Addresses,
            NegativeAnswers::NoDataOnly => kind == AnswerKind::NoData,
        };
        self.answer.filter(|(_, kind)| counts(*kind)).map(|(at, _)| at)
    }
}
