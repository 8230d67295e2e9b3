//! Timer heap with lazy cancellation.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use slab::Slab;

/// Number of scheduled timers up to which a full sweep costs more than it frees (asyncio:
/// `_MIN_SCHEDULED_TIMER_HANDLES`).
const MIN_SCHEDULED: usize = 100;

/// Priority queue of timers, earliest deadline first; equal deadlines in the order of insertion.
///
/// Cancelling drops the item at once but leaves its entry in the heap. [`sweep`](Self::sweep) removes these entries:
/// all of them once more than 100 timers are scheduled and more than half of them are cancelled, otherwise those at
/// the head (asyncio's `_run_once`). So memory stays proportional to the live timers, and cancelling never
/// searches the heap.
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
    heap: BinaryHeap<Reverse<HeapEntry>>,
    live: Slab<(Sequence, T)>,
    next: Sequence,
    cancelled: usize,
}

/// Key of a scheduled timer. After the timer has fired or was cancelled, the key has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerKey {
    slot: u32,
    sequence: Sequence,
}

type Sequence = u64;

/// Entry ordered by deadline, then by sequence number. Sequence numbers are unique, so the slot never decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct HeapEntry {
    when: Instant,
    sequence: Sequence,
    slot: u32,
}

impl<T> Timers<T> {
    /// Empty queue.
    pub fn new() -> Self {
        Self { heap: BinaryHeap::new(), live: Slab::new(), next: 0, cancelled: 0 }
    }

    /// Schedules `item` for `when`.
    pub fn insert(&mut self, when: Instant, item: T) -> TimerKey {
        let sequence = self.next;
        self.next += 1;
        let slot = self.live.insert((sequence, item)) as u32;
        self.heap.push(Reverse(HeapEntry { when, sequence, slot }));
        TimerKey { slot, sequence }
    }

    /// Cancels a timer and returns its item, unless it was popped or cancelled before.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let item = self.take(key.slot, key.sequence)?;
        self.cancelled += 1;
        Some(item)
    }

    /// Removes entries of cancelled timers where that is cheap or overdue. Called once a turn.
    pub fn sweep(&mut self) {
        let scheduled = self.heap.len();
        if scheduled > MIN_SCHEDULED && self.cancelled * 2 > scheduled {
            let live = &self.live;
            self.heap.retain(|Reverse(entry)| is_live(live, entry));
            self.cancelled = 0;
        } else {
            self.pop_cancelled_head();
        }
    }

    /// Earliest deadline. It may be that of a cancelled timer, except directly after a [`sweep`](Self::sweep).
    pub fn next_deadline(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(entry)| entry.when)
    }

    /// Removes and returns the earliest timer whose deadline is not after `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<T> {
        loop {
            let entry = self.heap.peek().filter(|Reverse(entry)| entry.when <= now)?.0;
            self.heap.pop();
            match self.take(entry.slot, entry.sequence) {
                Some(item) => return Some(item),
                None => self.cancelled -= 1,
            }
        }
    }

    /// Number of entries in the heap, including cancelled ones.
    pub fn scheduled(&self) -> usize {
        self.heap.len()
    }

    /// Number of cancelled timers whose entries are still in the heap.
    pub fn cancelled(&self) -> usize {
        self.cancelled
    }

    /// Removes every entry and returns the live items in arbitrary order.
    pub fn drain(&mut self) -> Vec<T> {
        self.heap.clear();
        self.cancelled = 0;
        self.live.drain().map(|(_, item)| item).collect()
    }

    fn pop_cancelled_head(&mut self) {
        while self.cancelled > 0
            && self.heap.peek().is_some_and(|Reverse(entry)| !is_live(&self.live, entry))
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

fn is_live<T>(live: &Slab<(Sequence, T)>, entry: &HeapEntry) -> bool {
    live.get(entry.slot as usize).is_some_and(|(owner, _)| *owner == entry.sequence)
}
