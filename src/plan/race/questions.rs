//! What is asked, what was answered, and when there is enough to begin.

use std::time::Instant;

use super::super::{Family, GivesUp, Resolution, Since};

/// What came of a question for addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<A> {
    /// These. None at all is as good as [`NoData`](Self::NoData).
    Addresses(Vec<A>),
    /// The name exists and has none of this family.
    NoData,
    /// The name does not exist (NXDOMAIN).
    NoName,
    /// Servers answered, and could not tell (SERVFAIL, REFUSED, FORMERR and the like).
    Failed,
    /// No server answered.
    TimedOut,
}

/// What a race made of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intake {
    /// When it came.
    pub stage: Stage,
    /// How many of its addresses may be tried.
    pub added: usize,
    /// How many of them are left out, because they were known already.
    pub duplicates: usize,
}

/// How far a race was when an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nothing had started.
    InTime,
    /// Attempts had started without it; its addresses were merged into what is left to try.
    Merged,
    /// The race was over; nothing was made of it.
    TooLate,
    /// Nobody had asked, or there was an answer already; nothing was made of it.
    Unasked,
}

/// Why the first attempt may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// The addresses were known from the beginning.
    Known,
    /// Those of the preferred family have come.
    Preferred,
    /// All questions have their answers.
    Complete,
    /// The preferred family has no address to wait for.
    GaveUp,
    /// The Resolution Delay has passed.
    DelayPassed,
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

impl Intake {
    pub(super) fn nothing(stage: Stage) -> Self {
        Self { stage, added: 0, duplicates: 0 }
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
    pub(super) fn ready(&self, rule: Resolution) -> Option<(Instant, Ready)> {
        let begun = self.begun?;
        match (rule, self.all.as_slice()) {
            (_, []) => Some((begun, Ready::Known)),
            (Resolution::Together { needs_ipv4 }, all) => {
                Some((complete(all, needs_ipv4)?, Ready::Complete))
            }
            (Resolution::Apart { delay, since, gives_up }, [preferred, others @ ..]) => {
                let at_hand = others.iter().filter_map(Question::positive).min();
                let given_up = preferred.given_up(gives_up).zip(at_hand);
                let patience = at_hand.and_then(|at| match since {
                    Since::Answer => at.checked_add(delay),
                    Since::Beginning => Some(at.max(begun.checked_add(delay)?)),
                });
                let ways = [
                    preferred.positive().map(|at| (at, Ready::Preferred)),
                    given_up.map(|(one, other)| (one.max(other), Ready::GaveUp)),
                    patience.map(|at| (at, Ready::DelayPassed)),
                ];
                ways.into_iter().flatten().min_by_key(|(at, _)| *at)
            }
        }
    }
}

/// When the last question was answered, if that makes a list of addresses.
fn complete(all: &[Question], needs_ipv4: bool) -> Option<Instant> {
    let is_fatal = |question: &Question| {
        let is_silent = question.answer.is_some_and(|(_, verdict)| verdict == Verdict::TimedOut);
        needs_ipv4 && question.family == Family::Inet && is_silent
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
    fn given_up(&self, rule: GivesUp) -> Option<Instant> {
        let counts = |verdict: Verdict| match rule {
            GivesUp::AtAnyAnswer => verdict != Verdict::Positive,
            GivesUp::AtNoData => verdict == Verdict::NoData,
        };
        self.answer.filter(|(_, verdict)| counts(*verdict)).map(|(at, _)| at)
    }
}
