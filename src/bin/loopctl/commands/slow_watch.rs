//! Slow callbacks and stalls, while the loop runs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use loopctl::LoopHandle;
use loopctl::plan::SlowLog;

use crate::config::SlowRequest;

/// Maximum number of kinds of slow callback in a report.
const MAX_KINDS: usize = 10;

/// Shortest time between two looks for a stall.
const MIN_TICK: Duration = Duration::from_millis(10);

/// Records the slow callbacks of a loop, and the stalls of the process.
pub(crate) struct SlowWatch {
    request: SlowRequest,
    records: Rc<Records>,
}

struct Records {
    log: RefCell<SlowLog>,
    /// Time of slow callbacks and slow turns since the last tick, which is no stall.
    explained: Cell<Duration>,
}

impl SlowWatch {
    pub(crate) fn new(request: SlowRequest) -> Self {
        let log = RefCell::new(SlowLog::new(MAX_KINDS));
        let records = Records { log, explained: Cell::default() };
        Self { request, records: Rc::new(records) }
    }

    /// Turns on debug mode and hooks, if requested.
    pub(crate) fn start(&self, event_loop: &LoopHandle) {
        event_loop.set_debug(self.request.debug || event_loop.debug());
        let Some(threshold) = self.request.threshold else { return };
        event_loop.set_slow_callback_duration(threshold);
        let records = Rc::clone(&self.records);
        event_loop.on_slow_callback(move |slow| {
            records.explain(slow.took);
            records.log.borrow_mut().record(&slow.job.name, slow.job.origin, slow.took);
        });
        let records = Rc::clone(&self.records);
        event_loop.on_slow_turn(move |slow| records.end_turn(slow.took));
        tick(event_loop, Rc::clone(&self.records), threshold);
    }

    /// The duration from which a callback is slow, if slow callbacks are reported.
    pub(crate) fn threshold(&self) -> Option<Duration> {
        self.request.threshold
    }

    /// The slow callbacks since the last call.
    pub(crate) fn take(&self) -> SlowLog {
        self.records.log.replace(SlowLog::new(MAX_KINDS))
    }
}

impl Records {
    fn explain(&self, took: Duration) {
        self.explained.set(self.explained.get() + took);
    }

    /// Records what a slow turn took beside its slow callbacks.
    fn end_turn(&self, rest: Duration) {
        self.explain(rest);
        self.log.borrow_mut().record("rest of a turn", None, rest);
    }

    /// Records a timer that was late for another reason than a slow turn: the process did not run.
    fn end_wait(&self, late: Duration, threshold: Duration) {
        let stalled = late.saturating_sub(self.explained.take());
        if stalled >= threshold.max(MIN_TICK) {
            self.log.borrow_mut().record("the process did not run", None, stalled);
        }
    }
}

/// Looks again and again how late a timer is.
fn tick(event_loop: &LoopHandle, records: Rc<Records>, threshold: Duration) {
    let due = event_loop.time() + threshold.max(MIN_TICK);
    let handle = event_loop.clone();
    drop(event_loop.call_at(due, move || {
        records.end_wait(handle.time().saturating_duration_since(due), threshold);
        tick(&handle, records, threshold);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn watch() -> SlowWatch {
        SlowWatch::new(SlowRequest { threshold: Some(20 * MS), debug: false })
    }

    #[test]
    fn a_stall_is_explained_by_no_turn() {
        let watch = watch();
        watch.records.end_turn(100 * MS);
        watch.take();
        watch.records.end_wait(110 * MS, 20 * MS);
        assert_eq!(watch.take().totals().count, 0);
        watch.records.end_wait(110 * MS, 20 * MS);
        assert_eq!(watch.take().worst()[0].name, "the process did not run");
    }
}
