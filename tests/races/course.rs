//! Runs a race in virtual time and keeps what happened.

use std::fmt;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use loopctl::plan::{
    Answer, AnswerEffect, AnswerTiming, CancelReason, Family, Policy, Race, RaceAddress, Start,
    Step,
};

/// Where virtual time begins. Any instant will do, but only a loop may read the clock.
pub(crate) static START: LazyLock<Instant> =
    LazyLock::new(|| loopctl::EventLoop::new().expect("a poller").handle().time());

pub(crate) fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// An address: `6a` and `6b` are of one family.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Peer(pub(crate) String);

impl RaceAddress for Peer {
    fn family(&self) -> Family {
        if self.0.starts_with('4') { Family::Inet } else { Family::Inet6 }
    }
}

/// What becomes of an attempt, and how long after its start. Nothing at all: `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) after: Option<Duration>,
    pub(crate) then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Connects,
    Fails,
    /// This host refuses, and no packet leaves.
    Unsent,
    /// TCP is up; how long TLS takes then, and whether it comes to a good end.
    Handshakes(Option<Duration>, bool),
}

/// A question's answer, and how long after the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) family: Family,
    pub(crate) after: Option<Duration>,
    pub(crate) answer: Answer<Peer>,
}

/// What the outcomes of an attempt are called in the qlog draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Failure,
    Timeout,
    Canceled,
}

/// What happened, as the qlog draft tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Asked(Family),
    Answered(Family, AnswerEffect),
    Started(Start),
    Ended(usize, Outcome),
    Selected(usize),
    Aborted,
}

/// Everything that happened in a race, with the time since it began, and the addresses by attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Course {
    pub(crate) events: Vec<(Duration, Event)>,
    pub(crate) peers: Vec<String>,
}

/// How far the owner of a race is from perfect.
#[derive(Debug, Clone, Default)]
pub(crate) struct Owner {
    /// It comes this much too late to what it waits for, by turns.
    pub(crate) late: Vec<Duration>,
    /// Of several outcomes at a time it tells the later attempt's first.
    pub(crate) backwards: bool,
    /// It asks again, and tells again, without need.
    pub(crate) nervous: bool,
}

/// The attempts and questions under way, and what will come of them.
struct World {
    race: Race<Peer>,
    fates: Vec<(Peer, Fate)>,
    replies: Vec<Reply>,
    open: Vec<(Instant, Reply)>,
    running: Vec<Running>,
    course: Course,
    now: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    attempt: usize,
    fate: Fate,
    since: Instant,
}

impl Course {
    /// The course of a race among addresses with these fates, `0` to `n` and of one family.
    pub(crate) fn of(policy: &Policy, fates: &[Fate], owner: &Owner) -> Self {
        let fates = fates.iter().enumerate().map(|(nth, fate)| (Peer(format!("#{nth}")), *fate));
        Self::among(policy, &fates.collect::<Vec<_>>(), owner)
    }

    /// The course of a race among these addresses.
    pub(crate) fn among(policy: &Policy, fates: &[(Peer, Fate)], owner: &Owner) -> Self {
        let peers = fates.iter().map(|(peer, _)| peer.clone());
        World::new(Race::with_addresses(peers, policy.clone()), fates, &[]).run(owner)
    }

    /// The course of a race that asks for its addresses.
    pub(crate) fn resolving(
        policy: &Policy,
        replies: &[Reply],
        fates: &[(Peer, Fate)],
        owner: &Owner,
    ) -> Self {
        let families = replies.iter().map(|reply| reply.family);
        World::new(Race::with_queries(families, policy.clone()), fates, replies).run(owner)
    }

    /// Who started, and when.
    pub(crate) fn starts(&self) -> Vec<(usize, Duration)> {
        self.reasons().into_iter().map(|(at, start)| (start.attempt, at)).collect()
    }

    /// Who started, when, and why then.
    pub(crate) fn reasons(&self) -> Vec<(Duration, Start)> {
        let started = |(at, event): &(Duration, Event)| match event {
            Event::Started(start) => Some((*at, *start)),
            _ => None,
        };
        self.events.iter().filter_map(started).collect()
    }

    pub(crate) fn outcomes(&self, attempt: usize) -> Vec<Outcome> {
        let outcome = |(_, event): &(Duration, Event)| match event {
            Event::Ended(number, outcome) if *number == attempt => Some(*outcome),
            _ => None,
        };
        self.events.iter().filter_map(outcome).collect()
    }

    /// What was made of the answer for a family.
    pub(crate) fn effect(&self, family: Family) -> Option<AnswerEffect> {
        self.events.iter().find_map(|(_, event)| match event {
            Event::Answered(of, effect) if *of == family => Some(*effect),
            _ => None,
        })
    }

    /// The winner, if there is one, and when the race was over.
    pub(crate) fn end(&self) -> (Option<usize>, Duration) {
        match self.events.last() {
            Some((at, Event::Selected(winner))) => (Some(*winner), *at),
            Some((at, Event::Aborted)) => (None, *at),
            _ => panic!("the race did not end: {self}"),
        }
    }

    /// The course in the words of the scenarios: `6a@0 4a@250 -> 4a@260`.
    pub(crate) fn line(&self) -> String {
        let starts = self.starts().into_iter();
        let mut words: Vec<String> = starts
            .map(|(attempt, at)| format!("{}@{}", self.peers[attempt], at.as_millis()))
            .collect();
        let (winner, at) = self.end();
        let winner = winner.map_or("lost", |winner| self.peers[winner].as_str());
        words.push(format!("-> {winner}@{}", at.as_millis()));
        words.join(" ")
    }
}

impl World {
    fn new(race: Race<Peer>, fates: &[(Peer, Fate)], replies: &[Reply]) -> Self {
        let (fates, replies, now) = (fates.to_vec(), replies.to_vec(), *START);
        let (open, running, course) = (Vec::new(), Vec::new(), Course::default());
        Self { race, fates, replies, open, running, course, now }
    }

    fn run(mut self, owner: &Owner) -> Course {
        let mut late = owner.late.iter().copied().cycle();
        loop {
            self.hear_answers(owner);
            self.hear_attempts(owner);
            let step = self.race.poll(self.now);
            if owner.nervous && matches!(step, Step::Wait(_)) {
                assert_eq!(self.race.poll(self.now), step, "asking twice changes nothing");
            }
            match step {
                Step::Query(family) => self.ask(family),
                Step::Start(start) => self.start(start),
                Step::Cancel { attempt, why } => self.end(
                    attempt,
                    match why {
                        CancelReason::TimedOut => Outcome::Timeout,
                        CancelReason::Replaced => Outcome::Canceled,
                    },
                ),
                Step::Wait(until) => {
                    assert!(until.is_none_or(|until| until > self.now), "waits never go back");
                    self.now = self.next(until) + late.next().unwrap_or_default();
                }
                Step::Won(winner) => return self.close(Event::Selected(winner)),
                Step::Lost(_) => return self.close(Event::Aborted),
            }
        }
    }

    fn ask(&mut self, family: Family) {
        self.note(Event::Asked(family));
        let reply = self.replies.iter().find(|reply| reply.family == family).expect("a question");
        self.open.push((self.now, reply.clone()));
    }

    fn start(&mut self, start: Start) {
        assert!(start.planned <= self.now, "nobody starts before the time");
        self.note(Event::Started(start));
        let peer = self.race.address(start.attempt).expect("an attempt has an address");
        let (_, fate) = self.fates.iter().find(|(known, _)| known == peer).expect("a fate");
        self.course.peers.push(peer.0.clone());
        self.running.push(Running { attempt: start.attempt, fate: *fate, since: self.now });
    }

    /// Tells the race of every answer that has come.
    fn hear_answers(&mut self, owner: &Owner) {
        let is_due = |(since, reply): &(Instant, Reply)| {
            reply.after.is_some_and(|after| *since + after <= self.now)
        };
        let (due, open): (Vec<_>, Vec<_>) = self.open.drain(..).partition(is_due);
        self.open = open;
        for (_, Reply { family, answer, .. }) in due {
            let effect = self.race.answered(family, answer.clone(), self.now);
            self.note(Event::Answered(family, effect));
            if owner.nervous {
                let again = self.race.answered(family, answer, self.now);
                assert_eq!((again.timing, again.added), (AnswerTiming::Unexpected, 0));
            }
        }
    }

    /// Tells the race of every attempt that has come to its end.
    fn hear_attempts(&mut self, owner: &Owner) {
        let is_due = |running: &&Running| running.due().is_some_and(|at| at <= self.now);
        let mut due: Vec<Running> = self.running.iter().filter(is_due).copied().collect();
        if owner.backwards {
            due.reverse();
        }
        for running in due {
            for _ in 0..1 + usize::from(owner.nervous) {
                self.tell(running);
            }
            if owner.nervous && !self.race.pending().any(|number| number == running.attempt) {
                // Too late to count: the attempt has its outcome.
                self.race.failed(running.attempt, self.now);
                self.race.succeeded(running.attempt + self.fates.len(), self.now);
            }
        }
        // A handshake may be over before anyone has looked.
        if self.running.iter().any(|running| running.due().is_some_and(|at| at <= self.now)) {
            self.hear_attempts(owner);
        }
    }

    fn tell(&mut self, Running { attempt, fate, .. }: Running) {
        match fate.then {
            Then::Connects => self.race.succeeded(attempt, self.now),
            Then::Fails => self.race.failed(attempt, self.now),
            Then::Unsent => self.race.failed_unsent(attempt, self.now),
            Then::Handshakes(..) => self.race.connected(attempt, self.now),
        }
        let known = self.running.iter_mut().find(|running| running.attempt == attempt);
        match fate.then {
            Then::Handshakes(after, ends_well)
                if self.race.pending().any(|number| number == attempt) =>
            {
                if let Some(known) = known.filter(|known| known.fate == fate) {
                    known.since += fate.after.expect("a connection");
                    let then = if ends_well { Then::Connects } else { Then::Fails };
                    known.fate = Fate { after, then };
                }
            }
            _ if known.is_none() => {}
            Then::Connects | Then::Handshakes(..) => self.end(attempt, Outcome::Success),
            Then::Fails | Then::Unsent => self.end(attempt, Outcome::Failure),
        }
    }

    /// The next instant at which anything can happen.
    fn next(&self, until: Option<Instant>) -> Instant {
        let ends = self.running.iter().filter_map(Running::due);
        let answers = self.open.iter().filter_map(|(since, reply)| Some(*since + reply.after?));
        let first = ends.chain(answers).chain(until).min();
        first.expect("a race that waits for nothing never ends")
    }

    fn end(&mut self, attempt: usize, outcome: Outcome) {
        self.running.retain(|running| running.attempt != attempt);
        self.note(Event::Ended(attempt, outcome));
    }

    fn note(&mut self, event: Event) {
        self.course.events.push((self.now - *START, event));
    }

    /// Cancels who is still under way.
    fn close(mut self, last: Event) -> Course {
        let pending: Vec<usize> = self.race.pending().collect();
        let running: Vec<usize> = self.running.iter().map(|running| running.attempt).collect();
        assert_eq!(pending, running, "the race knows who is under way");
        pending.into_iter().for_each(|attempt| self.end(attempt, Outcome::Canceled));
        for (_, reply) in std::mem::take(&mut self.open) {
            let effect = self.race.answered(reply.family, reply.answer, self.now);
            assert_eq!(
                (effect.timing, effect.added),
                (AnswerTiming::TooLate, 0),
                "nothing is made of it"
            );
        }
        self.note(last);
        self.course
    }
}

impl Running {
    fn due(&self) -> Option<Instant> {
        Some(self.since + self.fate.after?)
    }
}

impl fmt::Display for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.events.iter().try_for_each(|(at, event)| write!(f, "{event:?}@{} ", at.as_millis()))
    }
}
