//! Address queries of a race: their answers, and the earliest start of the first attempt.

use std::time::Instant;

use super::super::{DelayFrom, Family, NegativeAnswers, Resolution};

/// Answer to the query for the addresses of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
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
pub(super) enum Verdict {
    Positive,
    NoData,
    NoName,
    Failed,
    TimedOut,
}

/// All questions of a race, the preferred family's first.
#[derive(Debug, Clone)]
pub(super) struct Questions {
    all: Vec<Question>,
    /// How many have been asked.
    asked: usize,
    begun: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Question {
    family: Family,
    answer: Option<(Instant, Verdict)>,
}

impl<A> Answer<A> {
    pub(super) fn parts(self) -> (Verdict, Vec<A>) {
        match self {
            Self::Addresses(addresses) if addresses.is_empty() => (Verdict::NoData, addresses),
            Self::Addresses(addresses) => (Verdict::Positive, addresses),
            Self::NoData => (Verdict::NoData, Vec::new()),
            Self::NoName => (Verdict::NoName, Vec::new()),
            Self::Failed => (Verdict::Failed, Vec::new()),
            Self::TimedOut => (Verdict::TimedOut, Vec::new()),
        }
    }
}

impl AnswerEffect {
    pub(super) fn nothing(timing: AnswerTiming) -> Self {
        Self { timing, added: 0, duplicates: 0 }
    }
}

impl Questions {
    pub(super) fn new(families: impl IntoIterator<Item = Family>) -> Self {
        let all = families.into_iter().map(|family| Question { family, answer: None });
        Self { all: all.collect(), asked: 0, begun: None }
    }

    /// The next question to ask.
    pub(super) fn ask(&mut self, now: Instant) -> Option<Family> {
        self.begun.get_or_insert(now);
        let question = self.all.get(self.asked)?;
        self.asked += 1;
        Some(question.family)
    }

    /// Keeps an answer, and returns its question's rank. `None`: there is no such question open.
    pub(super) fn note(&mut self, family: Family, answer: Verdict, now: Instant) -> Option<usize> {
        let asked = self.all[..self.asked].iter_mut().enumerate();
        let mut open = asked.filter(|(_, question)| question.answer.is_none());
        let (rank, question) = open.find(|(_, question)| question.family == family)?;
        question.answer = Some((now, answer));
        Some(rank)
    }

    pub(super) fn is_open(&self) -> bool {
        self.unanswered().next().is_some()
    }

    pub(super) fn unanswered(&self) -> impl Iterator<Item = Family> {
        self.all.iter().filter(|question| question.answer.is_none()).map(|question| question.family)
    }

    /// When the first attempt may start if nothing else happens, and why. `None`: nothing is known that would
    /// start it.
    pub(super) fn ready(&self, rule: Resolution) -> Option<(Instant, FirstAttemptReason)> {
        let begun = self.begun?;
        match (rule, self.all.as_slice()) {
            (_, []) => Some((begun, FirstAttemptReason::Known)),
            (Resolution::Joint { requires_ipv4 }, all) => {
                Some((complete(all, requires_ipv4)?, FirstAttemptReason::AllAnswered))
            }
            (Resolution::Separate { delay, delay_from, ended_by }, [preferred, others @ ..]) => {
                let at_hand = others.iter().filter_map(Question::positive).min();
                let given_up = preferred.given_up(ended_by).zip(at_hand);
                let patience = at_hand.and_then(|at| match delay_from {
                    DelayFrom::FirstAnswer => at.checked_add(delay),
                    DelayFrom::RaceStart => Some(at.max(begun.checked_add(delay)?)),
                });
                let ways = [
                    preferred.positive().map(|at| (at, FirstAttemptReason::PreferredFamily)),
                    given_up
                        .map(|(one, other)| (one.max(other), FirstAttemptReason::NegativeAnswer)),
                    patience.map(|at| (at, FirstAttemptReason::ResolutionDelay)),
                ];
                ways.into_iter().flatten().min_by_key(|(at, _)| *at)
            }
        }
    }
}

/// When the last question was answered, if that makes a list of addresses.
fn complete(all: &[Question], requires_ipv4: bool) -> Option<Instant> {
    let is_fatal = |question: &Question| {
        let is_silent = question.answer.is_some_and(|(_, verdict)| verdict == Verdict::TimedOut);
        requires_ipv4 && question.family == Family::Inet && is_silent
    };
    if all.iter().any(is_fatal) || all.iter().all(|question| question.positive().is_none()) {
        return None;
    }
    let answers: Option<Vec<Instant>> =
        all.iter().map(|question| Some(question.answer?.0)).collect();
    answers?.into_iter().max()
}

impl Question {
    /// When it was answered with addresses.
    fn positive(&self) -> Option<Instant> {
        self.answer.filter(|(_, verdict)| *verdict == Verdict::Positive).map(|(at, _)| at)
    }

    /// When it was known to have no addresses, as far as these rules would know.
    fn given_up(&self, rule: NegativeAnswers) -> Option<Instant> {
        let counts = |verdict: Verdict| match rule {
            NegativeAnswers::Any => verdict != Verdict::Positive,
            NegativeAnswers::NoDataOnly => verdict == Verdict::NoData,
        };
        self.answer.filter(|(_, verdict)| counts(*verdict)).map(|(at, _)| at)
    }
}
