//! Every target, each in its own task.

use std::rc::Rc;

use loopctl::LoopHandle;

use super::Session;
use crate::config::ConnectMode;
use crate::diagnose::exit_status;
use crate::exit::Exit;
use crate::report::target_result::TargetResult;

impl Session {
    /// Visits the targets in the order of the command line, some of them at a time.
    pub(super) async fn visit_all(self: &Rc<Self>, event_loop: &LoopHandle) -> Exit {
        let total = self.request.targets.len();
        let mut exits = Vec::with_capacity(total);
        let start = |number| self.start(event_loop, number);
        let print = |result: Option<TargetResult>| {
            exits.push(result.as_ref().map_or(Exit::Mixed, exit_status::for_target));
            self.print(exits.len() - 1, result);
        };
        self.pool.run_ordered(event_loop, total, self.request.concurrency, start, print).await;
        Exit::of_all(&exits)
    }

    /// Starts a task for the target, so that slow steps are listed by target.
    fn start(self: &Rc<Self>, event_loop: &LoopHandle, number: usize) {
        let slot = self.pool.slot(number);
        let (session, inside) = (Rc::clone(self), event_loop.clone());
        let task = event_loop.create_task(async move {
            slot.complete(session.visit(&inside, number).await);
        });
        task.set_name(&self.request.targets[number].text);
    }

    async fn visit(self: &Rc<Self>, event_loop: &LoopHandle, number: usize) -> TargetResult {
        let target = &self.request.targets[number];
        match self.request.mode {
            ConnectMode::Once => {
                TargetResult::Report(Box::new(self.race(event_loop, target, number).await))
            }
            ConnectMode::Repeat(repeat) => TargetResult::Repeat(Box::new(
                self.repeat(event_loop, target, number, repeat).await,
            )),
            ConnectMode::Compare(how) => {
                TargetResult::Report(Box::new(self.compare(event_loop, target, number, how).await))
            }
            ConnectMode::Wait(limit) => {
                TargetResult::Report(Box::new(self.wait(event_loop, target, number, limit).await))
            }
        }
    }

    /// Prints the result of the target with this number.
    pub(super) fn print(&self, number: usize, result: Option<TargetResult>) {
        let Some(mut result) = result else { return };
        let slow = self.slow.take();
        if let TargetResult::Report(report) = &mut result {
            report.slow = slow.clone();
        }
        self.printer.borrow_mut().print(number, &result);
        if let Some(threshold) = self.slow.threshold() {
            self.printer.borrow_mut().print_slow(&slow, threshold);
        }
    }
}
