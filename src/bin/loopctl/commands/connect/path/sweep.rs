//! The sweep over the hops of one path: all hops at once, the packets to each of them spaced.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use loopctl::LoopHandle;

use super::Shared;
use super::probe::{Probe, ProbeEnd};
use crate::commands::connect::Session;
use crate::commands::connect::race::Try;
use crate::config::PathRequest;
use crate::report::path::Path;

/// Time between the starts of neighbouring hops. Because hops beyond the target reach it as well, the sweep does not
/// send them all before the target can answer.
const STAGGER: Duration = Duration::from_millis(20);

/// Time between two packets to one hop: Linux sends one ICMP error a second to a host (icmp_ratelimit, ip-sysctl).
const SPACING: Duration = Duration::from_millis(1010);

/// Time to wait for the last answer. It is longer than ARP takes to fail, which is 3 s.
const GRACE: Duration = Duration::from_millis(600);

/// The sweep to one address of a target.
pub(super) struct Sweep<'a> {
    pub(super) session: &'a Rc<Session>,
    pub(super) event_loop: &'a LoopHandle,
    pub(super) this: &'a Try<'a>,
    pub(super) report: &'a Shared,
    /// Index into the paths of the report.
    pub(super) number: usize,
    pub(super) request: PathRequest,
}

type HopFuture<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

impl Sweep<'_> {
    /// Probes every hop up to the end of the path.
    pub(super) async fn run(&self) {
        let to = self.path(|path| path.to);
        let mut hops: Vec<(u8, HopFuture<'_>)> = (1..=self.request.max_hops)
            .map(|hop| (hop, Box::pin(self.probe_hop(to, hop)) as HopFuture<'_>))
            .collect();
        poll_fn(|cx| {
            hops.retain_mut(|(hop, probing)| {
                self.is_wanted(*hop) && probing.as_mut().poll(cx).is_pending()
            });
            // An answer of this turn may have shown that others are beyond the end.
            hops.retain(|(hop, _)| self.is_wanted(*hop));
            if hops.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.change(|path| path.is_complete = true);
    }

    /// Whether a hop is not beyond the end of the path, and this host can send.
    fn is_wanted(&self, hop: u8) -> bool {
        self.path(|path| path.unsent.is_none() && path.last_hop().is_none_or(|last| hop <= last))
    }

    /// Sends the packets to one hop. A packet without an answer is sent again by the kernel, or by the probe.
    async fn probe_hop(&self, to: SocketAddr, hop: u8) {
        self.event_loop.sleep(STAGGER * u32::from(hop - 1)).await;
        let end = self.event_loop.time() + SPACING * self.request.probes + GRACE;
        let mut sent = 0;
        while sent < self.request.probes {
            let left = end.saturating_duration_since(self.event_loop.time());
            if left.is_zero() {
                return;
            }
            let begun = self.event_loop.time();
            // Counted at once, because the sweep may end before the probe does.
            self.change(|path| path.hops[usize::from(hop) - 1].sent += 1);
            let is_last = sent + 1 >= self.request.probes;
            let probe =
                Probe { event_loop: self.event_loop, race: self.this.race, to, hop, is_last };
            let ended = probe.run(left).await;
            let packets = ended.resent + 1;
            sent += packets;
            self.record(hop, &ended);
            if sent < self.request.probes {
                let next = begun + SPACING * packets;
                self.event_loop.sleep(next.saturating_duration_since(self.event_loop.time())).await;
            }
        }
    }

    /// Adds the end of a probe to the report.
    fn record(&self, hop: u8, ended: &ProbeEnd) {
        self.change(|path| {
            let number = usize::from(hop) - 1;
            path.hops[number].sent += ended.resent;
            path.hops[number].answers.extend(ended.answer);
            path.mtu = ended.mtu.or(path.mtu);
            if let (Some(failure), None) = (&ended.unsent, &path.unsent) {
                path.unsent = Some(failure.clone());
            }
        });
    }

    fn path<T>(&self, look: impl FnOnce(&Path) -> T) -> T {
        look(&self.report.borrow().paths[self.number])
    }

    fn change(&self, change: impl FnOnce(&mut Path)) {
        change(&mut self.report.borrow_mut().paths[self.number]);
        let report = self.report.borrow();
        self.session.printer.borrow_mut().path_changed(&self.this.session, &report);
    }
}
