//! Watch for stalls of this process while it races, because it reads answers late after them.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use loopctl::LoopHandle;

use crate::report::Report;
use crate::report::stalls::{MIN_STALL, Stall};

/// Time between two looks at the clock.
const TICK: Duration = Duration::from_millis(10);

/// Times at which this process ran, while there is a race.
#[derive(Debug, Default)]
pub(super) struct StallWatch {
    races: Cell<usize>,
    last: Cell<Option<Instant>>,
    /// Latest stall: its start and its end.
    stall: Cell<Option<(Instant, Instant)>>,
}

/// A race that is watched until this value is dropped.
pub(super) struct Watched(Rc<StallWatch>);

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.races.set(self.0.races.get() - 1);
    }
}

impl StallWatch {
    pub(super) fn watch(self: &Rc<Self>, event_loop: &LoopHandle) -> Watched {
        let others = self.races.replace(self.races.get() + 1);
        if others == 0 {
            self.last.set(None);
            tick(event_loop, Rc::clone(self));
        }
        Watched(Rc::clone(self))
    }

    /// Adds the latest stall to a report. An answer that waited for the end of a stall is read before the timer runs.
    pub(super) fn note(&self, report: &mut Report, now: Instant) {
        self.look(now);
        if let Some((start, end)) = self.stall.get() {
            let (start, end) = (report.since_start(start), report.since_start(end));
            report.note_stall(Stall { start, end });
        }
    }

    fn look(&self, now: Instant) {
        let last = self.last.get().unwrap_or(now);
        // Because an event may be reported later than its timestamp.
        self.last.set(Some(now.max(last)));
        if now.saturating_duration_since(last) >= MIN_STALL {
            self.stall.set(Some((last, now)));
        }
    }
}

/// Looks at the clock again and again, until no race is left.
fn tick(event_loop: &LoopHandle, watch: Rc<StallWatch>) {
    if watch.races.get() == 0 {
        return;
    }
    watch.look(event_loop.time());
    let handle = event_loop.clone();
    drop(event_loop.call_later(TICK, move || tick(&handle, watch)));
}
