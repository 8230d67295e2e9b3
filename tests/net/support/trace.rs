//! What a listener hears, and what must always be true of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use loopctl::{AbortReason, Event, EventKind, Phase};

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Succeeded,
    Failed(Phase),
    TimedOut,
    Canceled,
}

/// Keeps every event.
#[derive(Clone, Default)]
pub(crate) struct Trace(Rc<RefCell<Vec<Event>>>);

impl Trace {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn listener(&self) -> impl FnMut(&Event) + 'static {
        let events = Rc::clone(&self.0);
        move |event| events.borrow_mut().push(event.clone())
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.0.borrow().clone()
    }

    /// When each attempt began, in order.
    pub(crate) fn starts(&self) -> Vec<Instant> {
        let events = self.events();
        let starts =
            events.iter().filter(|event| matches!(event.kind, EventKind::AttemptStarted { .. }));
        starts.map(|event| event.at).collect()
    }

    /// How long after the first start each attempt began.
    pub(crate) fn offsets(&self) -> Vec<Duration> {
        let starts = self.starts();
        starts.iter().map(|start| *start - starts[0]).collect()
    }

    /// Every outcome, in order of time.
    pub(crate) fn outcomes(&self) -> Vec<(usize, Outcome)> {
        self.events().iter().filter_map(|event| outcome(&event.kind)).collect()
    }

    pub(crate) fn selected(&self) -> Option<usize> {
        self.events().iter().find_map(|event| match event.kind {
            EventKind::ConnectionSelected { attempt } => Some(attempt),
            _ => None,
        })
    }

    pub(crate) fn aborted(&self) -> Option<AbortReason> {
        self.events().iter().find_map(|event| match event.kind {
            EventKind::ConnectionAborted { reason } => Some(reason),
            _ => None,
        })
    }

    /// How many attempts were under way at the same time, at most.
    pub(crate) fn most_at_a_time(&self) -> usize {
        let (mut now, mut most) = (0_usize, 0);
        for event in self.events() {
            if let EventKind::AttemptStarted { .. } = event.kind {
                now += 1;
                most = most.max(now);
            } else if outcome(&event.kind).is_some() {
                now -= 1;
            }
        }
        most
    }

    /// What is true of every story that has come to its end.
    pub(crate) fn check(&self) {
        let events = self.events();
        assert!(events.is_sorted_by_key(|event| event.at), "time runs backwards: {events:#?}");
        let mut open = Vec::new();
        let mut started = 0;
        for event in &events {
            if let EventKind::AttemptStarted { attempt, .. } = event.kind {
                assert_eq!(attempt, started, "attempts are numbered as they start: {events:#?}");
                started += 1;
                open.push(attempt);
            } else if let Some((attempt, _)) = outcome(&event.kind) {
                let at = open.iter().position(|known| *known == attempt);
                let at = at.unwrap_or_else(|| panic!("a second outcome of {attempt}: {events:#?}"));
                open.remove(at);
            }
        }
        assert!(open.is_empty(), "no outcome of {open:?}: {events:#?}");
        check_timer(&events);
        let ends = events.iter().filter(|event| is_end(&event.kind)).count();
        assert_eq!(ends, 1, "one end: {events:#?}");
        assert!(
            events.last().is_some_and(|event| is_end(&event.kind)),
            "the end is last: {events:#?}"
        );
    }
}

/// The Connection Attempt Delay: set (again, when a failure started an attempt before it had passed), then
/// fired, not early, or cancelled.
fn check_timer(events: &[Event]) {
    let mut due = None;
    for event in events {
        match event.kind {
            EventKind::NextAttemptTimerSet { delay } => due = Some(event.at + delay),
            EventKind::NextAttemptTimerFired => {
                assert!(due.take().is_some_and(|due| due <= event.at), "fired early: {events:#?}");
            }
            EventKind::NextAttemptTimerCanceled { .. } => {
                assert!(due.take().is_some(), "cancelled without being set: {events:#?}");
            }
            _ => {}
        }
    }
    assert_eq!(due, None, "the timer outlives the race: {events:#?}");
}

fn outcome(kind: &EventKind) -> Option<(usize, Outcome)> {
    match *kind {
        EventKind::AttemptSucceeded { attempt, .. } => Some((attempt, Outcome::Succeeded)),
        EventKind::AttemptFailed { attempt, phase, .. } => Some((attempt, Outcome::Failed(phase))),
        EventKind::AttemptTimedOut { attempt, .. } => Some((attempt, Outcome::TimedOut)),
        EventKind::AttemptCanceled { attempt, .. } => Some((attempt, Outcome::Canceled)),
        _ => None,
    }
}

fn is_end(kind: &EventKind) -> bool {
    matches!(kind, EventKind::ConnectionSelected { .. } | EventKind::ConnectionAborted { .. })
}
