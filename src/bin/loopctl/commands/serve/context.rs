//! State of a running server that its clients may see: the request, the phase, the output.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Instant;

use fastrand::Rng;
use loopctl::LoopHandle;

use super::fault_plan::FaultPlan;
use crate::config::fault::Side;
use crate::config::{Faults, ServeRequest, Service};
use crate::output::serve::ServePrinter;
use crate::report::served::TransferRecord;

/// Shared by the server and its clients. It knows no client.
pub(super) struct ServerContext {
    pub(super) event_loop: LoopHandle,
    pub(super) request: ServeRequest,
    pub(super) printer: RefCell<ServePrinter>,
    rng: RefCell<Rng>,
    faults: RefCell<Rc<Faults>>,
    /// Number of changes of the faults, and the time of the last.
    faults_changed: Cell<(u64, Instant)>,
    phase: Cell<ServerPhase>,
    stop_reason: Cell<Option<StopReason>>,
    /// The task that runs the server.
    waiter: Cell<Option<Waker>>,
    /// Whether the default of `--max-conns` has been reported as reached.
    pub(super) has_warned: Cell<bool>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ServerPhase {
    #[default]
    Serving,
    /// No client is accepted; those connected may finish within `--grace`.
    Draining,
    /// The grace period is over: connections are aborted.
    Aborting,
}

/// Cause of a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopReason {
    /// `--count` clients have been served.
    AllServed,
    /// `--timeout` is over.
    Timeout,
    Signal(i32),
    /// Standard output or the file of a sink cannot be written.
    OutputFailed,
}

impl ServerContext {
    pub(super) fn new(
        event_loop: &LoopHandle,
        request: ServeRequest,
        printer: ServePrinter,
    ) -> Self {
        Self {
            event_loop: event_loop.clone(),
            rng: RefCell::new(Rng::with_seed(request.faults.seed)),
            faults: RefCell::new(Rc::new(request.faults.clone())),
            faults_changed: Cell::new((0, event_loop.time())),
            request,
            printer: RefCell::new(printer),
            phase: Cell::default(),
            stop_reason: Cell::default(),
            waiter: Cell::default(),
            has_warned: Cell::default(),
        }
    }

    /// Whether `--allow` admits this client.
    pub(super) fn allows(&self, peer: Option<SocketAddr>) -> bool {
        let allowed = &self.request.limits.allow;
        // Access to a Unix socket is decided by the permissions of its file.
        let Some(peer) = peer.filter(|_| !allowed.is_empty()) else { return true };
        let ip = peer.ip().to_canonical();
        allowed.iter().any(|network| network.contains(&ip))
    }

    /// Random numbers for a client or datagram, which the seed repeats.
    pub(super) fn fork_rng(&self) -> Rng {
        self.rng.borrow_mut().fork()
    }

    /// Samples the faults of a connection.
    pub(super) fn sample_faults(&self, side: Side, rng: Rng) -> Option<Rc<FaultPlan>> {
        // The limit is that of clients.
        let rate = self.request.limits.rate.filter(|_| side == Side::Client);
        FaultPlan::sample(&self.faults.borrow(), side, rate, rng).map(Rc::from)
    }

    /// Number of the set of faults in force.
    pub(super) fn faults_version(&self) -> u64 {
        self.faults_changed.get().0
    }

    /// The time since when the faults are in force.
    pub(super) fn faults_since(&self) -> Instant {
        self.faults_changed.get().1
    }

    /// Replaces the faults. The caller wakes the clients.
    pub(super) fn set_faults(&self, faults: Faults) {
        self.faults.replace(Rc::new(faults));
        self.faults_changed.set((self.faults_version() + 1, self.event_loop.time()));
    }

    pub(super) fn is_blackhole(&self) -> bool {
        matches!(self.request.service, Service::Blackhole)
    }

    pub(super) fn is_sink(&self) -> bool {
        matches!(self.request.service, Service::Sink(_))
    }

    /// Prints something, and stops the server when that fails.
    pub(super) fn print(&self, print: impl FnOnce(&mut ServePrinter)) {
        let mut printer = self.printer.borrow_mut();
        print(&mut printer);
        if printer.has_failed() {
            drop(printer);
            self.request_stop(StopReason::OutputFailed);
        }
    }

    /// Prints the record of a transfer to a sink, if there is one.
    pub(super) fn print_transfer(&self, record: Option<&TransferRecord>) {
        self.print(|printer| record.into_iter().for_each(|record| printer.stored(record)));
    }

    pub(super) fn phase(&self) -> ServerPhase {
        self.phase.get()
    }

    /// Sets the phase. The caller wakes the clients.
    pub(super) fn set_phase(&self, phase: ServerPhase) {
        self.phase.set(phase);
    }

    pub(super) fn request_stop(&self, reason: StopReason) {
        self.stop_reason.set(Some(reason));
        self.notify();
    }

    pub(super) fn take_stop_reason(&self) -> Option<StopReason> {
        self.stop_reason.take()
    }

    /// Has [`wait_for`](Self::wait_for) look again.
    pub(super) fn notify(&self) {
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }

    /// Waits until `look` finds something. One task at a time may wait.
    pub(super) async fn wait_for<T>(&self, look: impl Fn() -> Option<T>) -> T {
        poll_fn(|cx| match look() {
            Some(value) => Poll::Ready(value),
            None => {
                self.waiter.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}
