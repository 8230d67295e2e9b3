//! `--count` and `--interval`: the same race again and again.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use loopctl::LoopHandle;

use super::Session;
use super::race::Try;
use crate::config::RepeatRequest;
use crate::config::TargetRequest;
use crate::diagnose::cause;
use crate::report::repeat::RepeatReport;
use crate::report::{End, Report, Subject, Via};

impl Session {
    pub(super) async fn repeat(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        target: &TargetRequest,
        number: usize,
        repeat: RepeatRequest,
    ) -> RepeatReport {
        let race = &*target.race;
        let timeout = race.timeout;
        let call = self.request.call(target);
        let http = call.as_ref();
        let subject = Subject::of(target, race, timeout);
        let series = Rc::new(RefCell::new(RepeatReport::new(subject, event_loop.time())));
        self.series.borrow_mut().insert(number, Rc::clone(&series));
        let (mut next, mut known) = (event_loop.time(), None);
        for nth in 1..=repeat.count.unwrap_or(u64::MAX) {
            let session = format!("{}.{nth}", number + 1);
            let this = Try { target, session, known: known.clone(), timeout, race, http };
            let report = self.race_and_follow(event_loop, &this).await;
            if !repeat.fresh_dns {
                known = known.or_else(|| answer(&report));
            }
            let news = series.borrow_mut().add(&report);
            if !matches!(report.end, End::Interrupted(_)) {
                self.printer.borrow_mut().run_ended(
                    number,
                    nth,
                    &report,
                    news.as_ref().map(cause::address_change),
                );
            }
            next += repeat.interval;
            let is_last = repeat.count == Some(nth);
            let pause = next.saturating_duration_since(event_loop.time());
            if self.token.reason().is_some()
                || (!is_last
                    && self.token.run_until_cancelled(event_loop.sleep(pause)).await.is_none())
            {
                series.borrow_mut().interrupted = self.cancelled();
                break;
            }
            // A try that took longer than the interval does not make the next ones hurry.
            next = next.max(event_loop.time());
        }
        self.series.borrow_mut().remove(&number);
        let mut series = series.borrow().clone();
        series.took = event_loop.time() - series.started_at;
        series
    }
}

/// The addresses that the resolver gave, in the order in which they are tried. Where the race was over before all
/// questions had their answers, it is not all of them: the next try asks again.
fn answer(report: &Report) -> Option<Vec<SocketAddr>> {
    let resolved =
        matches!(report.resolve.via, Via::System | Via::Dns) && report.resolve.error.is_none();
    let addresses: Vec<_> = report.resolve.candidates.iter().filter_map(|a| a.as_inet()).collect();
    let is_whole = report.resolve.queries.are_all_answered();
    (resolved && is_whole && !addresses.is_empty()).then_some(addresses)
}
