//! Timers ordered by deadline, with cancellation that costs nothing until it has to.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use slab::Slab;

/// Below this many scheduled timers a sweep is not worth its cost (asyncio: `_MIN_SCHEDULED_TIMER_HANDLES`).
const MIN_SCHEDULED: usize = 100;

/// Things to do at given instants, earliest first; equal deadlines in the order they were added.
///
/// Cancelling frees the thing at once but leaves its place in the heap. [`sweep`](Self::sweep) removes
/// such places: all of them once more than 100 timers are scheduled and more than half of them are
/// cancelled, otherwise those at the head (asyncio's `_run_once`). So memory stays in proportion to the
/// live timers, and no cancellation searches the heap.
///
/// ```
/// use loopctl::plan::Timers;
/// use std::time::{Duration, Instant};
///
/// let now = Instant::now();
/// let mut timers = Timers::new();
/// timers.insert(now + Duration::from_secs(2), "later");
/// let soon = timers.insert(now + Duration::from_secs(1), "sooner");
/// assert_eq!(timers.cancel(soon), Some("sooner"));
/// assert_eq!((timers.scheduled(), timers.cancelled()), (2, 1));
/// timers.sweep();
/// assert_eq!(timers.next_deadline(), Some(now + Duration::from_secs(2)));
/// assert_eq!(timers.pop_due(now + Duration::from_secs(3)), Some("later"));
/// assert!(timers.drain().is_empty());
/// ```
#[derive(Debug)]
pub struct Timers<T> {
    heap: BinaryHeap<Reverse<Place>>,
    live: Slab<(Sequence, T)>,
    next: Sequence,
    cancelled: usize,
}

/// Names one scheduled timer. A key outlives its timer harmlessly: it then names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerKey {
    slot: u32,
    sequence: Sequence,
}

type Sequence = u64;

/// Ordered by deadline, then by age; the slot never decides, because no two sequences are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    when: Instant,
    sequence: Sequence,
    slot: u32,
}

impl<T> Timers<T> {
    /// No timers.
    pub fn new() -> Self {
        Self { heap: BinaryHeap::new(), live: Slab::new(), next: 0, cancelled: 0 }
    }

    /// Schedules `thing` for `when`.
    pub fn insert(&mut self, when: Instant, thing: T) -> TimerKey {
        let sequence = self.next;
        self.next += 1;
        let slot = self.live.insert((sequence, thing)) as u32;
        self.heap.push(Reverse(Place { when, sequence, slot }));
        TimerKey { slot, sequence }
    }

    /// Takes a timer back, if it has not been popped or cancelled before.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let thing = self.take(key.slot, key.sequence)?;
        self.cancelled += 1;
        Some(thing)
    }

    /// Forgets cancelled timers where that is cheap or overdue. Called once a turn.
    pub fn sweep(&mut self) {
        let scheduled = self.heap.len();
        if scheduled > MIN_SCHEDULED && self.cancelled * 2 > scheduled {
            let live = &self.live;
            self.heap.retain(|Reverse(place)| is_live(live, place));
            self.cancelled = 0;
        } else {
            self.pop_cancelled_head();
        }
    }

    /// The earliest deadline. Exact after a [`sweep`](Self::sweep); before it, perhaps a cancelled one's.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(place)| place.when)
    }

    /// Removes and returns the earliest timer whose deadline is not after `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<T> {
        loop {
            let place = self.heap.peek().filter(|Reverse(place)| place.when <= now)?.0;
            self.heap.pop();
            match self.take(place.slot, place.sequence) {
                Some(thing) => return Some(thing),
                None => self.cancelled -= 1,
            }
        }
    }

    /// How many places the heap holds, cancelled ones included.
    pub fn scheduled(&self) -> usize {
        self.heap.len()
    }

    /// How many of the scheduled timers are cancelled and still hold a place.
    pub fn cancelled(&self) -> usize {
        self.cancelled
    }

    /// Takes everything out, live timers in no particular order.
    pub fn drain(&mut self) -> Vec<T> {
        self.heap.clear();
        self.cancelled = 0;
        self.live.drain().map(|(_, thing)| thing).collect()
    }

    fn pop_cancelled_head(&mut self) {
        while self.cancelled > 0
            && self.heap.peek().is_some_and(|Reverse(place)| !is_live(&self.live, place))
        {
            self.heap.pop();
            self.cancelled -= 1;
        }
    }

    fn take(&mut self, slot: u32, sequence: Sequence) -> Option<T> {
        match self.live.get(slot as usize) {
            Some((owner, _)) if *owner == sequence => Some(self.live.remove(slot as usize).1),
            _ => None,
        }
    }
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self::new()
    }
}

fn is_live<T>(live: &Slab<(Sequence, T)>, place: &Place) -> bool {
    live.get(place.slot as usize).is_some_and(|(owner, _)| *owner == place.sequence)
}
