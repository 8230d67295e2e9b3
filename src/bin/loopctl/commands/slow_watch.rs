//! Slow callbacks, while the loop runs.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use loopctl::LoopHandle;
use loopctl::plan::SlowLog;

use crate::config::SlowRequest;

/// Maximum number of kinds of slow callback in a report.
const MAX_KINDS: usize = 10;

/// Records the slow callbacks of a loop.
pub(crate) struct SlowWatch {
    request: SlowRequest,
    log: Rc<RefCell<SlowLog>>,
}

impl SlowWatch {
    pub(crate) fn new(request: SlowRequest) -> Self {
        Self { request, log: Rc::new(RefCell::new(SlowLog::new(MAX_KINDS))) }
    }

    /// Turns on debug mode and hooks, if requested.
    pub(crate) fn start(&self, event_loop: &LoopHandle) {
        event_loop.set_debug(self.request.debug || event_loop.debug());
        let Some(threshold) = self.request.threshold else { return };
        event_loop.set_slow_callback_duration(threshold);
        let log = Rc::clone(&self.log);
        event_loop.on_slow_callback(move |slow| {
            log.borrow_mut().record(&slow.job.name, slow.job.origin, slow.took);
        });
        let log = Rc::clone(&self.log);
        event_loop.on_slow_turn(move |slow| log.borrow_mut().record("whole turn", None, slow.took));
    }

    /// The duration from which a callback is slow, if slow callbacks are reported.
    pub(crate) fn threshold(&self) -> Option<Duration> {
        self.request.threshold
    }

    /// The slow callbacks since the last call.
    pub(crate) fn take(&self) -> SlowLog {
        self.log.replace(SlowLog::new(MAX_KINDS))
    }
}
