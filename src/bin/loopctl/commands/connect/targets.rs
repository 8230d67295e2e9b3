//! Every target, each in a task of its own.

use std::rc::Rc;

use loopctl::LoopHandle;

use super::Session;
use crate::config::Mode;
use crate::exit::Exit;
use crate::report::target_result::Told;

impl Session {
    pub(super) async fn feed(self: &Rc<Self>, event_loop: &LoopHandle) -> Exit {
        let total = self.request.targets.len();
        let mut exits = Vec::with_capacity(total);
        let tell = |result: Option<Told>| {
            exits.push(result.as_ref().map_or(Exit::Mixed, Told::exit));
            self.tell(result);
        };
        let begin = |number| self.begin(event_loop, number);
        self.finished.feed(event_loop, (total, self.request.concurrency), begin, tell).await;
        Exit::of_all(&exits)
    }

    /// A task of its own, so that slow steps are told apart by target.
    fn begin(self: &Rc<Self>, event_loop: &LoopHandle, number: usize) {
        let place = self.finished.place(number);
        let (session, inside) = (Rc::clone(self), event_loop.clone());
        let task = event_loop.create_task(async move {
            let told = session.visit(&inside, number).await;
            place.hand_in(told);
        });
        task.set_name(&self.request.targets[number].text);
    }

    async fn visit(self: &Rc<Self>, event_loop: &LoopHandle, number: usize) -> Told {
        let target = &self.request.targets[number];
        match self.request.mode {
            Mode::Once => Told::Report(Box::new(self.race(event_loop, target, number).await)),
            Mode::Repeat(repeat) => {
                Told::Series(Box::new(self.repeat(event_loop, target, number, repeat).await))
            }
            Mode::Compare(how) => {
                Told::Report(Box::new(self.compare(event_loop, target, number, how).await))
            }
            Mode::Wait(limit) => {
                Told::Report(Box::new(self.wait(event_loop, target, number, limit).await))
            }
        }
    }

    pub(super) fn tell(&self, result: Option<Told>) {
        let Some(mut told) = result else { return };
        let slow = self.slow.take();
        if let Told::Report(report) = &mut told {
            report.beside.slow = slow.clone();
        }
        self.output.borrow_mut().tell(&told);
        if let Some(threshold) = self.request.slow.threshold {
            self.output.borrow_mut().slow(&slow, threshold);
        }
    }
}
