//! Runs a race in virtual time and keeps what happened.

use std::fmt;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use loopctl::plan::{Policy, Race, Step};

/// Where virtual time begins. Any instant will do, but only a loop may read the clock.
pub(crate) static START: LazyLock<Instant> =
    LazyLock::new(|| loopctl::EventLoop::new().expect("a poller").lp().time());

pub(crate) fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// What becomes of an attempt, and how long after its start. Nothing at all: `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) after: Option<Duration>,
    pub(crate) connects: bool,
}

/// What the qlog draft calls the outcomes of an attempt.
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
    Started(usize),
    Ended(usize, Outcome),
    Selected(usize),
    Aborted,
}

/// Everything that happened in a race, with the time since it began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Course(pub(crate) Vec<(Duration, Event)>);

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

/// The attempts under way, and what will come of them.
struct World {
    race: Race,
    fates: Vec<Fate>,
    running: Vec<(usize, Instant)>,
    course: Course,
    now: Instant,
}

impl Course {
    /// The course of a race whose attempts have these fates.
    pub(crate) fn of(policy: &Policy, fates: &[Fate], owner: &Owner) -> Self {
        let race = Race::new(fates.len(), policy.clone());
        let (fates, now) = (fates.to_vec(), *START);
        let world = World { race, fates, running: Vec::new(), course: Self::default(), now };
        world.run(owner)
    }

    /// Who started, and when.
    pub(crate) fn starts(&self) -> Vec<(usize, Duration)> {
        let started = |(at, event): &(Duration, Event)| match event {
            Event::Started(number) => Some((*number, *at)),
            _ => None,
        };
        self.0.iter().filter_map(started).collect()
    }

    pub(crate) fn outcomes(&self, attempt: usize) -> Vec<Outcome> {
        let outcome = |(_, event): &(Duration, Event)| match event {
            Event::Ended(number, outcome) if *number == attempt => Some(*outcome),
            _ => None,
        };
        self.0.iter().filter_map(outcome).collect()
    }

    /// The winner, if there is one, and when the race was over.
    pub(crate) fn end(&self) -> (Option<usize>, Duration) {
        match self.0.last() {
            Some((at, Event::Selected(winner))) => (Some(*winner), *at),
            Some((at, Event::Aborted)) => (None, *at),
            _ => panic!("the race did not end: {self}"),
        }
    }
}

impl World {
    fn run(mut self, owner: &Owner) -> Course {
        let mut late = owner.late.iter().copied().cycle();
        loop {
            self.deliver(owner);
            let step = self.race.poll(self.now);
            if owner.nervous && matches!(step, Step::Wait(_)) {
                assert_eq!(self.race.poll(self.now), step, "asking twice changes nothing");
            }
            match step {
                Step::Start(number) => {
                    self.note(Event::Started(number));
                    self.running.push((number, self.now));
                }
                Step::TimeOut(number) => self.end(number, Outcome::Timeout),
                Step::Wait(until) => {
                    assert!(until.is_none_or(|until| until > self.now), "waits never go back");
                    self.now = self.next(until) + late.next().unwrap_or_default();
                }
                Step::Won(winner) => return self.close(Event::Selected(winner)),
                Step::Lost => return self.close(Event::Aborted),
            }
        }
    }

    /// Tells the race of every attempt that has come to its end.
    fn deliver(&mut self, owner: &Owner) {
        let is_due = |&&(number, start): &&(usize, Instant)| {
            self.fates[number].after.is_some_and(|after| start + after <= self.now)
        };
        let mut due: Vec<usize> =
            self.running.iter().filter(is_due).map(|(number, _)| *number).collect();
        if owner.backwards {
            due.reverse();
        }
        for number in due {
            let connects = self.fates[number].connects;
            for _ in 0..1 + usize::from(owner.nervous) {
                match connects {
                    true => self.race.succeeded(number),
                    false => self.race.failed(number),
                }
            }
            self.end(number, if connects { Outcome::Success } else { Outcome::Failure });
            if owner.nervous {
                // Too late to count: the attempt has its outcome.
                self.race.failed(number);
                self.race.succeeded(number + self.fates.len());
            }
        }
    }

    /// The next instant at which anything can happen.
    fn next(&self, until: Option<Instant>) -> Instant {
        let ends =
            self.running.iter().filter_map(|&(nth, start)| Some(start + self.fates[nth].after?));
        ends.chain(until).min().expect("a race that waits for nothing never ends")
    }

    fn end(&mut self, number: usize, outcome: Outcome) {
        self.running.retain(|(running, _)| *running != number);
        self.note(Event::Ended(number, outcome));
    }

    fn note(&mut self, event: Event) {
        self.course.0.push((self.now - *START, event));
    }

    /// Cancels who is still under way.
    fn close(mut self, last: Event) -> Course {
        let pending: Vec<usize> = self.race.pending().collect();
        let running: Vec<usize> = self.running.iter().map(|(number, _)| *number).collect();
        assert_eq!(pending, running, "the race knows who is under way");
        pending.into_iter().for_each(|number| self.end(number, Outcome::Canceled));
        self.note(last);
        self.course
    }
}

impl fmt::Display for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(at, event)| write!(f, "{event:?}@{} ", at.as_millis()))
    }
}
