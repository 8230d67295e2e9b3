//! Slow callbacks, while the loop runs.

use std::cell::RefCell;
use std::rc::Rc;

use loopctl::LoopHandle;
use loopctl::plan::SlowLog;

use crate::config::SlowRequest;

/// How many kinds of slow callback a report lists.
const WORST: usize = 10;

/// Listens to the loop, and remembers what was slow.
pub(crate) struct SlowWatch(Rc<RefCell<SlowLog>>);

impl Default for SlowWatch {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(SlowLog::new(WORST))))
    }
}

impl SlowWatch {
    /// Turns on what was asked for.
    pub(crate) fn listen(&self, event_loop: &LoopHandle, request: &SlowRequest) {
        event_loop.set_debug(request.debug || event_loop.debug());
        if let Some(threshold) = request.threshold {
            event_loop.set_slow_callback_duration(threshold);
            let heard = Rc::clone(&self.0);
            event_loop.on_slow_callback(move |slow| {
                heard.borrow_mut().record(&slow.job.name, slow.job.origin, slow.took);
            });
            let heard = Rc::clone(&self.0);
            event_loop
                .on_slow_turn(move |slow| heard.borrow_mut().record("whole turn", None, slow.took));
        }
    }

    /// What was slow since the last call.
    pub(crate) fn take(&self) -> SlowLog {
        self.0.replace(SlowLog::new(WORST))
    }
}
