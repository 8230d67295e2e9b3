//! Common base of pipes, datagram endpoints and child processes: calls to the protocol, and the end.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::on_drop::OnDrop;
use crate::BoxError;
use crate::event_loop::{
    ErrorContext, Interest, Job, JobInfo, JobKind, LoopHandle, LoopLocal, PanicError, Readiness,
    Registration, Run, Source, catch,
};
use crate::plan::{FlowCall, LimitsError, Watermarks, WriteLimits};

pub(crate) use super::close_state::CloseState;
use super::close_state::LOG_THRESHOLD_FOR_CLOSED_WRITES;

/// Transport and protocol of a pipe, a datagram endpoint or a child process: the pair that asyncio returns.
///
/// Dropping the pair closes nothing: both live until the transport or the loop is closed.
///
/// ```
/// # use loopctl::{ReadPipe, ReadPipeProtocol};
/// # use std::io::Write;
/// #[derive(Default)]
/// struct Count(usize);
/// impl ReadPipeProtocol for Count {
///     fn data_received(&mut self, _: &ReadPipe, data: &[u8]) {
///         self.0 += data.len();
///     }
/// }
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// let (reader, mut writer) = std::io::pipe()?;
/// writer.write_all(b"hello")?;
/// drop(writer);
/// event_loop.run_until_complete(async {
///     let pair = handle.connect_read_pipe(reader, Count::default).await?;
///     pair.transport.wait_closed().await;
///     assert_eq!(pair.with(|count| count.0), 5);
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Endpoint<T, P> {
    /// The transport.
    pub transport: T,
    protocol: Rc<RefCell<P>>,
}

impl<T, P> Endpoint<T, P> {
    pub(crate) fn new(transport: T, protocol: Rc<RefCell<P>>) -> Self {
        Self { transport, protocol }
    }

    /// Calls `look` with the protocol.
    ///
    /// # Panics
    /// When called from a method of the protocol itself.
    pub fn with<R>(&self, look: impl FnOnce(&mut P) -> R) -> R {
        look(&mut self.protocol.borrow_mut())
    }
}

impl<T: fmt::Debug, P> fmt::Debug for Endpoint<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.transport.fmt(f)
    }
}

/// The part that every such transport has: its loop, its protocol, its progress towards the end.
pub(crate) struct TransportCore<P: ?Sized> {
    pub(crate) event_loop: LoopHandle,
    /// Type of the protocol, for reports about slow jobs.
    pub(crate) protocol_name: Cell<&'static str>,
    protocol: RefCell<Option<Rc<RefCell<P>>>>,
    error: RefCell<Option<io::Error>>,
    waiters: RefCell<Vec<Waker>>,
    close_state: Cell<CloseState>,
    is_queued: Cell<bool>,
    refused_writes: Cell<u8>,
}

impl<P: ?Sized> TransportCore<P> {
    pub(crate) fn new(
        event_loop: &LoopHandle,
        protocol_name: &'static str,
        protocol: Rc<RefCell<P>>,
    ) -> Self {
        Self {
            event_loop: event_loop.clone(),
            protocol_name: Cell::new(protocol_name),
            protocol: RefCell::new(Some(protocol)),
            error: RefCell::default(),
            waiters: RefCell::default(),
            close_state: Cell::default(),
            is_queued: Cell::default(),
            refused_writes: Cell::default(),
        }
    }

    pub(crate) fn close_state(&self) -> CloseState {
        self.close_state.get()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.close_state() == CloseState::Open
    }

    /// Moves the state forward; never back.
    pub(crate) fn advance(&self, state: CloseState) {
        self.close_state.set(self.close_state().max(state));
    }

    /// Whether the transport is closing, so that a write is dropped. Logs `warning` from the fifth time on.
    pub(crate) fn refuses_write(&self, warning: &str) -> bool {
        if self.is_open() {
            return false;
        }
        self.refused_writes.set(self.refused_writes.get().saturating_add(1));
        if self.refused_writes.get() >= LOG_THRESHOLD_FOR_CLOSED_WRITES {
            log::warn!("{warning}");
        }
        true
    }

    /// Wakes every waiting task.
    pub(crate) fn wake(&self) {
        self.waiters.take().into_iter().for_each(Waker::wake);
    }

    /// Waits until `condition` returns a value. It is called again after every [`wake`](Self::wake).
    pub(crate) async fn wait_until<T>(&self, mut condition: impl FnMut() -> Option<T>) -> T {
        poll_fn(|cx| {
            if let Some(value) = condition() {
                return Poll::Ready(value);
            }
            let mut waiters = self.waiters.borrow_mut();
            if !waiters.iter().any(|known| known.will_wake(cx.waker())) {
                waiters.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    pub(crate) async fn wait_closed(&self) {
        self.wait_until(|| (self.close_state() == CloseState::Closed).then_some(())).await;
    }

    /// Drops the protocol without calling it, because it usually holds its transport.
    fn release(&self) {
        self.advance(CloseState::Closed);
        self.event_loop.drop_or_report(self.protocol.take());
        self.wake();
    }

    /// Calls the protocol; `None` without one.
    fn call_protocol<R>(&self, call: impl FnOnce(&mut P) -> R) -> Option<Result<R, PanicError>> {
        let protocol = self.protocol.borrow().clone()?;
        Some(catch(|| call(&mut protocol.borrow_mut())).map_err(PanicError::from))
    }
}

/// A transport as the loop sees it; asyncio's `BaseTransport`.
///
/// The poller's events are recorded when they arrive and processed in a job. Handles only change state and
/// queue that job, so that calling a transport never calls back into the protocol.
pub(crate) trait BaseTransport: Sized + 'static {
    type Protocol: ?Sized + 'static;

    fn core(&self) -> &TransportCore<Self::Protocol>;

    /// Records the readiness of the descriptor: the poller reports each change only once.
    fn record_readiness(&self, readiness: Readiness);

    /// Does what the descriptor is ready for, and calls the protocol accordingly.
    fn process(self: &Rc<Self>);

    fn close_descriptors(&self);

    /// The transport in reports about slow jobs, after the type of the protocol.
    fn identity(&self) -> String;

    /// The transport's state, for `Debug` and for reports.
    fn describe(&self) -> String;

    fn connection_lost(protocol: &mut Self::Protocol, error: Option<io::Error>);

    /// Queues the job that processes events, unless it is queued already.
    fn enqueue(self: &Rc<Self>) {
        let core = self.core();
        if core.close_state() != CloseState::Closed && !core.is_queued.replace(true) {
            core.event_loop.push(Job::Run(Rc::clone(self) as Rc<dyn Run>));
        }
    }

    /// Calls the protocol; a panic is reported, and the transport goes on.
    fn notify(&self, method: &str, call: impl FnOnce(&mut Self::Protocol)) {
        if let Some(Err(error)) = self.core().call_protocol(call) {
            self.report(&format!("protocol.{method}() call failed."), error);
        }
    }

    /// Calls the protocol; a panic is reported and ends the transport, because data that follows data not
    /// understood has no meaning.
    fn notify_or_abort(&self, method: &str, call: impl FnOnce(&mut Self::Protocol)) {
        if let Some(Err(error)) = self.core().call_protocol(call) {
            self.set_aborted(Some(io::Error::other(error.to_string())));
            self.report(&format!("Fatal error: protocol.{method}() call failed."), error);
        }
    }

    fn report(&self, message: &str, error: PanicError) {
        let context = ErrorContext::new(message).error(error).with("transport", self.describe());
        self.core().event_loop.call_exception_handler(context);
    }

    /// Ends the transport when queued data is sent.
    fn close(self: &Rc<Self>) {
        self.core().advance(CloseState::Closing);
        self.enqueue();
    }

    /// Ends the transport in the next turn, and drops queued data.
    fn abort(self: &Rc<Self>, error: Option<io::Error>) {
        self.set_aborted(error);
        self.enqueue();
    }

    /// Records the error, of several the first, for `connection_lost`.
    fn set_aborted(&self, error: Option<io::Error>) {
        if let Some(error) = error {
            self.core().error.borrow_mut().get_or_insert(error);
        }
        self.core().advance(CloseState::Aborted);
    }

    /// Calls `connection_lost`, once, and releases everything, also when the protocol ends the run.
    fn call_connection_lost(&self) {
        let core = self.core();
        if core.close_state() == CloseState::Closed {
            return;
        }
        core.advance(CloseState::Closed);
        let error = core.error.take();
        let _release = OnDrop(|| self.release());
        self.notify("connection_lost", |protocol| Self::connection_lost(protocol, error));
    }

    /// Closes the descriptors and drops the protocol without calling it.
    fn release(&self) {
        self.close_descriptors();
        self.core().release();
    }
}

/// A transport with a write queue and flow control; asyncio's `WriteTransport`.
pub(crate) trait WriteTransport: BaseTransport {
    fn watermarks(&self) -> &Cell<Watermarks>;

    /// The number of queued bytes.
    fn queued(&self) -> usize;

    /// Calls `pause_writing` or `resume_writing`.
    fn flow_call(self: &Rc<Self>, protocol: &mut Self::Protocol, call: FlowCall);

    /// Changes the watermarks, after an update with the size of the queue.
    fn update_watermarks<R>(&self, change: impl FnOnce(&mut Watermarks, usize) -> R) -> R {
        let (mut watermarks, size) = (self.watermarks().get(), self.queued());
        watermarks.changed(size);
        let result = change(&mut watermarks, size);
        self.watermarks().set(watermarks);
        result
    }

    fn check_limits(self: &Rc<Self>) {
        if self.update_watermarks(|watermarks, _| watermarks.has_pending_call()) {
            self.enqueue();
        }
    }

    fn set_limits(
        self: &Rc<Self>,
        high: Option<usize>,
        low: Option<usize>,
    ) -> Result<(), LimitsError> {
        let limits = WriteLimits::new(high, low)?;
        self.update_watermarks(|watermarks, size| watermarks.set_limits(limits, size));
        self.check_limits();
        Ok(())
    }

    /// Calls `pause_writing` and `resume_writing` as the queue requires.
    fn deliver_flow_calls(self: &Rc<Self>) {
        while self.core().close_state() < CloseState::Aborted {
            let next = self.update_watermarks(|watermarks, _| watermarks.next_call());
            let Some(call) = next else { return };
            self.notify(call.method(), |protocol| self.flow_call(protocol, call));
            self.core().wake();
        }
    }

    /// Calls `connection_lost` if the transport was aborted, or is closing and has sent everything.
    fn end_if_sent(&self) {
        match self.core().close_state() {
            CloseState::Closing if self.queued() == 0 => self.call_connection_lost(),
            CloseState::Aborted => self.call_connection_lost(),
            _ => {}
        }
    }
}

impl<T: BaseTransport> Run for T {
    fn run(self: Rc<Self>) -> Result<(), BoxError> {
        self.core().is_queued.set(false);
        if self.core().close_state() != CloseState::Closed {
            // When a protocol ends the run of the loop, the rest must be done in the next run: the poller
            // will not report it again.
            let _again = OnDrop(|| {
                if std::thread::panicking() {
                    self.enqueue();
                }
            });
            self.process();
        }
        Ok(())
    }

    fn info(&self, _: Option<&'static str>) -> JobInfo {
        let name = format!("{} {}", self.core().protocol_name.get(), self.identity());
        JobInfo { kind: JobKind::Io, name, origin: None }
    }

    fn cancel(&self) {}

    fn is_cancelled(&self) -> bool {
        false
    }
}

impl<T: BaseTransport> Source for T {
    fn ready(self: Rc<Self>, _: &LoopHandle, readiness: Readiness) {
        self.record_readiness(readiness);
        self.enqueue();
    }

    fn loop_closed(&self) {
        self.release();
    }
}

/// A registered descriptor. The registration ends before the descriptor is closed.
pub(crate) struct WatchedFd<F> {
    registration: RefCell<Option<Registration>>,
    fd: RefCell<Option<F>>,
}

impl<F: AsFd> WatchedFd<F> {
    pub(crate) fn new(fd: F) -> Self {
        Self { registration: RefCell::default(), fd: RefCell::new(Some(fd)) }
    }

    pub(crate) fn watch<T: BaseTransport>(
        &self,
        transport: &Rc<T>,
        interest: Interest,
    ) -> io::Result<()> {
        let fd = self.fd.borrow();
        let Some(fd) = &*fd else { return Ok(()) };
        let source = Rc::clone(transport) as Rc<dyn Source>;
        let registration = transport.core().event_loop.register(fd, interest, source)?;
        self.registration.replace(Some(registration));
        Ok(())
    }

    /// Calls `operation` with the descriptor; `None` once it is closed.
    pub(crate) fn with<R>(&self, operation: impl FnOnce(&F) -> R) -> Option<R> {
        self.fd.borrow().as_ref().map(operation)
    }

    pub(crate) fn close(&self) {
        drop(self.registration.take());
        drop(self.fd.take());
    }
}

/// One buffer for all such transports of a loop: data is delivered before the next read.
pub(crate) struct ScratchBuffer(pub(crate) RefCell<Vec<u8>>);

impl Default for ScratchBuffer {
    /// asyncio's `max_size`, 256 KiB: four times the size of the largest IP datagram.
    fn default() -> Self {
        Self(RefCell::new(vec![0; 256 * 1024]))
    }
}

impl LoopLocal for ScratchBuffer {
    fn close(&self, _: &LoopHandle) {}
}

/// Methods and `Debug` that the handles of all such transports have.
macro_rules! handle_methods {
    ($handle:ty) => {
        impl $handle {
            /// Whether the transport is closed or closing.
            pub fn is_closing(&self) -> bool {
                !self.0.core.is_open()
            }

            /// Waits until `connection_lost` has been called.
            pub async fn wait_closed(&self) {
                self.0.core.wait_closed().await;
            }
        }

        impl fmt::Debug for $handle {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0.describe())
            }
        }
    };
}

/// Methods that the handles of all such transports with a write queue have.
macro_rules! write_handle_methods {
    ($handle:ty) => {
        impl $handle {
            /// Closes the transport at once and drops queued data.
            pub fn abort(&self) {
                self.0.abort(None);
            }

            /// The current high-water and low-water marks.
            pub fn write_buffer_limits(&self) -> WriteLimits {
                self.0.watermarks.get().limits()
            }

            /// Sets the high-water and low-water marks of the queue, in bytes. They apply at once. A missing
            /// mark is derived from the other: see [`WriteLimits::new`].
            ///
            /// # Errors
            /// [`LimitsError`] when `high` is less than `low`; the marks are not changed.
            pub fn set_write_buffer_limits(
                &self,
                high: Option<usize>,
                low: Option<usize>,
            ) -> Result<(), LimitsError> {
                self.0.set_limits(high, low)
            }
        }
    };
}

pub(crate) use {handle_methods, write_handle_methods};
