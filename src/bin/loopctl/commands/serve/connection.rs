//! The connection of a client or to its upstream: byte counts, faults, and its part in a shutdown.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::{Either, select};
use loopctl::{Keepalive, LoopHandle, TlsInfo, Transport};

use super::context::{ServerContext, ServerPhase};
use super::disconnect::Disconnect;
use super::fault_plan::{BudgetAction, FaultPlan, Rates, ScheduledFault};
use super::program::Program;
use crate::config::Fault;
use crate::config::fault::Side;
use crate::report::served::{
    Bytes, EndReason, Endpoints, TlsOutcome, UpstreamRace, UpstreamRecord,
};

/// During a shutdown, a client that was quiet for this long is between two requests.
const QUIET: Duration = Duration::from_millis(250);

/// Pause before a quiet client is closed, in which bytes that have already arrived are read.
const RECHECK: Duration = Duration::from_millis(10);

/// Poll interval for detecting that a client has disconnected.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Probes to a client that has finished: their answer distinguishes a half-close from a departure. The network may be
/// down for a minute.
const KEEPALIVE: Keepalive =
    Keepalive { idle: Duration::from_secs(5), interval: Duration::from_secs(5), count: 12 };

/// Shared by the tasks, readers and writers of one client.
pub(super) struct Connection {
    pub(super) context: Rc<ServerContext>,
    pub(super) transport: Transport,
    faults: Faults,
    accepted_at: Instant,
    traffic: Cell<Traffic>,
    /// Kept here because a closed transport has no TLS information.
    tls: Cell<Option<Box<TlsInfo>>>,
    /// The client's task, woken when the server's phase changes.
    task: RefCell<Option<Waker>>,
    /// The program that serves the client. It may outlive the connection.
    program: RefCell<Option<Rc<Program>>>,
    /// The connection to `--upstream`.
    pub(super) upstream: RefCell<UpstreamLink>,
}

/// The way to the upstream of a client.
#[derive(Default)]
pub(super) struct UpstreamLink {
    pub(super) race: Option<Rc<RefCell<UpstreamRace>>>,
    pub(super) connection: Option<Rc<Connection>>,
}

struct Faults {
    side: Side,
    rng: RefCell<Rng>,
    sampled: RefCell<Sampled>,
    /// Names of those that took effect.
    applied: RefCell<Vec<String>>,
}

struct Sampled {
    plan: Option<Rc<FaultPlan>>,
    /// Number of the set of faults that it was sampled from.
    version: u64,
    /// Bytes that had moved before.
    moved_before: u64,
}

#[derive(Debug, Clone, Copy)]
struct Traffic {
    received: u64,
    written: u64,
    /// Bytes written that the kernel has not taken.
    unsent: u64,
    /// `--fault half-close` has shut down our side.
    is_write_closed: bool,
    last_activity: Instant,
    /// End of `accept-delay` and of the TLS handshake.
    opened_at: Instant,
}

impl Connection {
    pub(super) fn new(
        context: Rc<ServerContext>,
        transport: Transport,
        side: Side,
        mut rng: Rng,
    ) -> Self {
        let now = context.event_loop.time();
        let traffic = Traffic {
            received: 0,
            written: 0,
            unsent: 0,
            is_write_closed: false,
            last_activity: now,
            opened_at: now,
        };
        let plan = context.sample_faults(side, rng.fork());
        let version = context.faults_version();
        Self {
            context,
            transport,
            faults: Faults {
                side,
                rng: RefCell::new(rng),
                sampled: RefCell::new(Sampled { plan, version, moved_before: 0 }),
                applied: RefCell::default(),
            },
            accepted_at: now,
            traffic: Cell::new(traffic),
            tls: Cell::default(),
            task: RefCell::default(),
            program: RefCell::default(),
            upstream: RefCell::default(),
        }
    }

    /// Random numbers for the client's connection to the upstream.
    pub(super) fn fork_rng(&self) -> Rng {
        self.faults.rng.borrow_mut().fork()
    }

    pub(super) fn set_program(&self, program: &Rc<Program>) {
        self.program.replace(Some(Rc::clone(program)));
    }

    /// Waits until the client's program has ended, if there is one.
    pub(super) async fn wait_program(&self) {
        let program = self.program.take();
        if let Some(program) = program {
            program.end().await;
        }
    }

    pub(super) fn event_loop(&self) -> &LoopHandle {
        &self.context.event_loop
    }

    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.transport.peer_addr().ok().map(canonical)
    }

    pub(super) fn local(&self) -> Option<SocketAddr> {
        self.transport.local_addr().ok().map(canonical)
    }

    pub(super) fn endpoints(&self) -> Endpoints {
        Endpoints { peer: self.peer(), local: self.local() }
    }

    pub(super) fn age(&self) -> Duration {
        self.event_loop().time() - self.accepted_at
    }

    /// The record of the connection to the upstream.
    pub(super) fn upstream_record(&self) -> Option<UpstreamRecord> {
        let link = self.upstream.borrow();
        let bytes = link.connection.as_ref().map_or_else(Bytes::default, |it| it.bytes());
        link.race.as_ref().map(|race| UpstreamRecord { race: race.borrow().clone(), bytes })
    }

    pub(super) fn record_tls(&self, info: &TlsInfo) {
        self.tls.set(Some(Box::new(info.clone())));
    }

    pub(super) fn take_tls(&self) -> TlsOutcome {
        match self.tls.take() {
            Some(info) => TlsOutcome::Established(info),
            None if self.context.request.listen.tls.is_some() => TlsOutcome::Incomplete,
            None => TlsOutcome::Plaintext,
        }
    }
}

/// Byte counts and times.
impl Connection {
    pub(super) fn bytes(&self) -> Bytes {
        let traffic = self.traffic.get();
        // The unsent bytes of TLS include record overhead, which was never counted as written.
        Bytes { received: traffic.received, sent: traffic.written.saturating_sub(traffic.unsent) }
    }

    pub(super) fn record_received(&self, bytes: usize) {
        self.update(|traffic| traffic.received += bytes as u64);
        self.record_activity();
    }

    pub(super) fn record_written(&self, bytes: usize) {
        self.update(|traffic| traffic.written += bytes as u64);
        self.record_activity();
    }

    /// Records the size of the write buffer, which a broken connection no longer has.
    pub(super) fn record_unsent(&self) {
        let unsent = self.transport.write_buffer_size() as u64;
        if unsent > 0 || !self.transport.is_closing() {
            self.update(|traffic| traffic.unsent = unsent);
        }
    }

    pub(super) fn record_all_sent(&self) {
        self.update(|traffic| traffic.unsent = 0);
    }

    pub(super) fn record_opened(&self) {
        let now = self.event_loop().time();
        self.update(|traffic| (traffic.opened_at, traffic.last_activity) = (now, now));
    }

    pub(super) fn record_write_closed(&self) {
        self.update(|traffic| traffic.is_write_closed = true);
    }

    pub(super) fn record_activity(&self) {
        self.update(|traffic| traffic.last_activity = self.event_loop().time());
    }

    pub(super) fn is_write_closed(&self) -> bool {
        self.traffic.get().is_write_closed
    }

    pub(super) fn last_activity(&self) -> Instant {
        self.traffic.get().last_activity
    }

    pub(super) fn opened_at(&self) -> Instant {
        self.traffic.get().opened_at
    }

    fn update(&self, change: impl FnOnce(&mut Traffic)) {
        let mut traffic = self.traffic.get();
        change(&mut traffic);
        self.traffic.set(traffic);
    }
}

/// Sampled faults.
impl Connection {
    /// The faults, sampled anew where others are in force since.
    fn plan(&self) -> Option<Rc<FaultPlan>> {
        let version = self.context.faults_version();
        let mut sampled = self.faults.sampled.borrow_mut();
        if sampled.version != version {
            let plan =
                self.context.sample_faults(self.faults.side, self.faults.rng.borrow_mut().fork());
            *sampled = Sampled { plan, version, moved_before: self.moved() };
        }
        sampled.plan.clone()
    }

    /// Whether writes need the slow path: a fault was sampled, or `--rate` limits them.
    pub(super) fn has_faults(&self) -> bool {
        self.plan().is_some()
    }

    pub(super) fn has_fault(&self, fault: Fault) -> bool {
        self.plan().is_some_and(|plan| plan.faults.contains(&fault))
    }

    pub(super) fn fault_names(&self) -> Vec<String> {
        let plan = self.plan();
        let faults = plan.iter().flat_map(|plan| plan.faults.iter());
        faults.map(|fault| self.faults.side.name(*fault)).collect()
    }

    /// Names of the faults that took effect, in that order.
    pub(super) fn applied_faults(&self) -> Vec<String> {
        self.faults.applied.borrow().clone()
    }

    /// Names of faults, also of those on the way to the upstream.
    pub(super) fn all_faults(&self, names: impl Fn(&Self) -> Vec<String>) -> Vec<String> {
        let upstream = self.upstream.borrow().connection.as_ref().map(|link| names(link));
        [names(self), upstream.unwrap_or_default()].concat()
    }

    /// Records that a fault takes effect.
    pub(super) fn apply(&self, is_it: impl Fn(&Fault) -> bool) {
        let Some(plan) = self.plan() else { return };
        let Some(fault) = plan.faults.iter().find(|fault| is_it(fault)) else { return };
        let (name, mut applied) = (self.faults.side.name(*fault), self.faults.applied.borrow_mut());
        if !applied.contains(&name) {
            applied.push(name);
        }
    }

    pub(super) fn accept_delay(&self) -> Option<Duration> {
        self.plan()?.accept_delay
    }

    pub(super) fn reply_delay(&self) -> Option<Duration> {
        self.plan()?.sample_delay()
    }

    pub(super) fn slice(&self) -> Option<(usize, Duration)> {
        self.plan()?.slice
    }

    /// Limits in force, and the number of the set of faults that they are from.
    pub(super) fn rates(&self) -> (Rates, u64) {
        let rates = self.plan().map_or_else(Rates::default, |plan| plan.rates);
        (rates, self.context.faults_version())
    }

    /// `close`, `reset` and `half-close`, at their times after the handshake or after the faults have changed.
    pub(super) async fn scheduled_faults(&self) -> Disconnect {
        loop {
            let version = self.context.faults_version();
            let changed = poll_fn(|_| match self.context.faults_version() {
                // `wait_aborting` has registered the task that polls this.
                same if same == version => Poll::Pending,
                _ => Poll::Ready(()),
            });
            match select(pin!(changed), pin!(self.run_schedule())).await {
                Either::Left(_) => {}
                Either::Right((disconnect, _)) => return disconnect,
            }
        }
    }

    async fn run_schedule(&self) -> Disconnect {
        let since = self.opened_at().max(self.context.faults_since());
        let plan = self.plan();
        for (after, fault) in plan.iter().flat_map(|plan| plan.scheduled.iter()) {
            let left = (since + *after).saturating_duration_since(self.event_loop().time());
            if left > Duration::ZERO {
                self.event_loop().sleep(left).await;
            }
            match fault {
                ScheduledFault::Close => {
                    self.apply(|fault| matches!(fault, Fault::Close(_)));
                    return Disconnect::Close(EndReason::Fault, None);
                }
                ScheduledFault::Reset => {
                    self.apply(|fault| matches!(fault, Fault::Reset(_)));
                    return Disconnect::Reset;
                }
                ScheduledFault::HalfClose => {
                    self.apply(|fault| matches!(fault, Fault::HalfClose(_)));
                    self.record_write_closed();
                    self.transport.write_eof();
                }
            }
        }
        pending().await
    }

    /// Limits a read of `bytes` to the budget of `stall-after` and `reset-after`.
    pub(super) fn limit_read(&self, bytes: usize) -> Result<usize, Disconnect> {
        // A mode that sends nothing has its budget counted in received bytes.
        if self.context.request.only_receives() { self.limit(bytes) } else { Ok(bytes) }
    }

    /// Limits a write of `bytes` to the budget of `stall-after` and `reset-after`.
    pub(super) fn limit_write(&self, bytes: usize) -> Result<usize, Disconnect> {
        self.limit(bytes)
    }

    fn limit(&self, bytes: usize) -> Result<usize, Disconnect> {
        let Some(budget) = self.plan().and_then(|plan| plan.budget) else { return Ok(bytes) };
        let moved = self.moved() - self.faults.sampled.borrow().moved_before;
        match (budget.bytes.saturating_sub(moved), budget.action) {
            (0, BudgetAction::Stall) => {
                self.apply(|fault| matches!(fault, Fault::StallAfter(_)));
                Err(Disconnect::Stall)
            }
            (0, BudgetAction::Reset) => {
                self.apply(|fault| matches!(fault, Fault::ResetAfter(_)));
                Err(Disconnect::Reset)
            }
            (left, _) => Ok(usize::try_from(left).map_or(bytes, |left| left.min(bytes))),
        }
    }

    /// Bytes that count for `stall-after` and `reset-after`.
    fn moved(&self) -> u64 {
        let traffic = self.traffic.get();
        if self.context.request.only_receives() { traffic.received } else { traffic.written }
    }
}

/// The end of the connection.
impl Connection {
    /// Drops the write buffer and closes. Lost bytes make it a RST, so that the client does not take a part
    /// for the whole.
    pub(super) fn abort(&self) {
        match self.transport.write_buffer_size() {
            0 => self.abort_now(),
            _ => self.reset(),
        }
    }

    /// Whether the client has not taken everything that was sent.
    pub(super) fn has_unacknowledged(&self) -> bool {
        let is_in_flight = self.transport.socket().is_acknowledged() == Some(false);
        self.transport.write_buffer_size() > 0 || is_in_flight
    }

    /// Waits until the peer's kernel has everything, for a second at most.
    pub(super) async fn wait_acknowledged(&self) {
        const TIMEOUT: Duration = Duration::from_secs(1);
        const POLL_INTERVAL: Duration = Duration::from_millis(1);
        let acknowledged = async {
            while self.has_unacknowledged() {
                // There is no event for an acknowledgement.
                self.event_loop().sleep(POLL_INTERVAL).await;
            }
        };
        let _ = self.event_loop().timeout(TIMEOUT, acknowledged).await;
    }

    /// Drops the write buffer and sends a RST.
    pub(super) fn reset(&self) {
        // SO_LINGER 0 turns the close into a RST. Unix sockets have none, and are just closed.
        let _ = self.transport.socket().set_linger(Some(Duration::ZERO));
        self.abort_now();
    }

    fn abort_now(&self) {
        self.record_unsent();
        self.transport.abort();
    }

    /// Waits until the client has closed a connection on which nothing moves, or the server shuts down.
    pub(super) async fn wait_disconnected(&self) -> Disconnect {
        match self.while_serving(self.wait_departed()).await {
            Ok(disconnect) | Err(disconnect) => disconnect,
        }
    }

    /// Waits until the client has left.
    ///
    /// A client that closed looks like one that waits: the kernel answers with its last ACK either way. The
    /// client's kernel forgets the connection after a minute (Linux, FIN_WAIT_2); then a keep-alive probe gets
    /// a RST.
    pub(super) async fn wait_departed(&self) -> Disconnect {
        // Unix sockets have no keep-alive, and need none.
        let _ = self.transport.socket().set_keepalive(KEEPALIVE);
        while !self.transport.socket().is_hung_up() {
            self.event_loop().sleep(POLL_INTERVAL).await;
        }
        let end = if self.is_write_closed() { EndReason::Eof } else { EndReason::Reset };
        Disconnect::Close(end, None)
    }
}

/// The server's shutdown.
impl Connection {
    /// Runs `future` until the server begins to shut down.
    async fn while_serving<T>(&self, future: impl Future<Output = T>) -> Result<T, Disconnect> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending if self.context.phase() != ServerPhase::Serving => {
                Poll::Ready(Err(Disconnect::Close(EndReason::Shutdown, None)))
            }
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Waits for a shutdown, and then until the client is idle.
    ///
    /// A transfer to a sink counts as busy, however slow: half of it would be worthless.
    pub(super) async fn shutdown_when_idle(&self) -> Disconnect {
        self.wait_draining().await;
        loop {
            let traffic = self.traffic.get();
            if self.context.is_sink() && traffic.received > 0 {
                return pending().await;
            }
            let quiet = self.event_loop().time().saturating_duration_since(traffic.last_activity);
            self.event_loop().sleep(QUIET.saturating_sub(quiet).max(RECHECK)).await;
            // Because this process may have stalled, bytes that had arrived by then are counted before the verdict.
            let is_unchanged = self.traffic.get().last_activity == traffic.last_activity;
            if quiet >= QUIET && is_unchanged {
                return Disconnect::Close(EndReason::Shutdown, None);
            }
        }
    }

    async fn wait_draining(&self) {
        poll_fn(|_| match self.context.phase() {
            // `wait_aborting` has registered the task that polls this.
            ServerPhase::Serving => Poll::Pending,
            _ => Poll::Ready(()),
        })
        .await;
    }

    /// Waits until the grace period is over, and registers the client's task for [`wake`](Self::wake).
    pub(super) async fn wait_aborting(&self) {
        poll_fn(|cx| {
            if self.context.phase() == ServerPhase::Aborting {
                return Poll::Ready(());
            }
            let mut task = self.task.borrow_mut();
            if !task.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                *task = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// Wakes the client's task after a change of the server's phase.
    pub(super) fn wake(&self) {
        if let Some(waker) = self.task.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }
}

/// An IPv4-mapped IPv6 address as IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
