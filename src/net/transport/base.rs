//! What datagram endpoints, pipes and children have in common: whom they tell, when they act, how they end.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::BoxError;
use crate::event_loop::{
    ErrorContext, Interest, Job, JobInfo, JobKind, LoopHandle, LoopLocal, PanicError, Readiness,
    Registration, Run, Source, catch,
};
use crate::plan::{LimitsError, Watermarks, WriteLimits};

/// A transport and its protocol: asyncio's pair, for everything that is not a stream connection.
///
/// Both live on, whether the pair is kept or dropped, until the transport is closed or the loop is.
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

    /// Lends the protocol.
    ///
    /// # Panics
    /// When called from inside one of its own methods.
    pub fn with<R>(&self, look: impl FnOnce(&mut P) -> R) -> R {
        look(&mut self.protocol.borrow_mut())
    }
}

impl<T: fmt::Debug, P> fmt::Debug for Endpoint<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.transport.fmt(f)
    }
}

/// How far a transport is from its end. It only goes forward.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    #[default]
    Open,
    /// What is queued is still sent.
    Closing,
    /// Nothing more is sent.
    Broken,
    /// The protocol has been told.
    Lost,
}

impl Stage {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closing | Self::Broken => "closing",
            Self::Lost => "closed",
        }
    }
}

/// A transport's tie to its loop and its protocol.
pub(crate) struct Bond<P: ?Sized> {
    pub(crate) event_loop: LoopHandle,
    protocol: RefCell<Option<Rc<RefCell<P>>>>,
    error: RefCell<Option<io::Error>>,
    waiting: RefCell<Vec<Waker>>,
    stage: Cell<Stage>,
    is_queued: Cell<bool>,
    /// Writes that came after the end.
    in_vain: Cell<u32>,
}

impl<P: ?Sized> Bond<P> {
    pub(crate) fn new(event_loop: &LoopHandle, protocol: Rc<RefCell<P>>) -> Self {
        Self {
            event_loop: event_loop.clone(),
            protocol: RefCell::new(Some(protocol)),
            error: RefCell::default(),
            waiting: RefCell::default(),
            stage: Cell::default(),
            is_queued: Cell::default(),
            in_vain: Cell::default(),
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage.get()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.stage() == Stage::Open
    }

    pub(crate) fn advance(&self, stage: Stage) {
        self.stage.set(self.stage().max(stage));
    }

    /// Whether it is too late to write. asyncio's `LOG_THRESHOLD_FOR_CONNLOST_WRITES`: who goes on all the
    /// same is warned from the fifth time on.
    pub(crate) fn refuses_write(&self, warning: &str) -> bool {
        const PATIENCE: u32 = 5;
        if self.is_open() {
            return false;
        }
        self.in_vain.set(self.in_vain.get().saturating_add(1));
        if self.in_vain.get() >= PATIENCE {
            log::warn!("{warning}");
        }
        true
    }

    /// Wakes everyone who waits for a change.
    pub(crate) fn wake(&self) {
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// Waits until `is_so`; it is asked again after every [`wake`](Self::wake).
    pub(crate) async fn until<T>(&self, mut is_so: impl FnMut() -> Option<T>) -> T {
        poll_fn(|cx| {
            if let Some(value) = is_so() {
                return Poll::Ready(value);
            }
            let mut waiting = self.waiting.borrow_mut();
            if !waiting.iter().any(|known| known.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    pub(crate) async fn wait_closed(&self) {
        self.until(|| (self.stage() == Stage::Lost).then_some(())).await;
    }

    /// The transport's end, without a call to anyone: what a protocol holds most often is its transport.
    fn release(&self) {
        self.advance(Stage::Lost);
        drop(self.protocol.take());
        self.wake();
    }

    /// `None` when the protocol is gone.
    fn try_tell<R>(&self, call: impl FnOnce(&mut P) -> R) -> Option<Result<R, PanicError>> {
        let protocol = self.protocol.borrow().clone()?;
        Some(catch(|| call(&mut protocol.borrow_mut())).map_err(PanicError::from))
    }
}

/// A transport, seen from the loop. It is told of readiness while the loop collects, and acts in a job of its
/// own: that is what keeps a call to a transport from ever calling back into the protocol.
pub(crate) trait Line: Sized + 'static {
    /// What reports call it.
    const NAME: &'static str;

    type Protocol: ?Sized + 'static;

    fn bond(&self) -> &Bond<Self::Protocol>;

    /// Remembers what the descriptor is ready for: the poller tells it once only.
    fn note(&self, readiness: Readiness);

    /// Does what can be done now, then settles what that provoked.
    fn serve(self: &Rc<Self>);

    /// Closes the descriptors.
    fn let_go(&self);

    /// The state in words.
    fn describe(&self) -> String;

    fn connection_lost(protocol: &mut Self::Protocol, error: Option<io::Error>);

    fn enqueue(self: &Rc<Self>) {
        let bond = self.bond();
        if bond.stage() != Stage::Lost && !bond.is_queued.replace(true) {
            bond.event_loop.push(Job::Call(Rc::clone(self) as Rc<dyn Run>));
        }
    }

    /// Calls the protocol. A panic there is reported, and life goes on.
    fn tell(&self, method: &str, call: impl FnOnce(&mut Self::Protocol)) {
        if let Some(Err(error)) = self.bond().try_tell(call) {
            self.report(&format!("protocol.{method}() call failed."), error);
        }
    }

    /// Calls the protocol. A panic there is reported, and ends the transport: bytes that were not understood
    /// leave no sense in those that follow.
    fn tell_or_end(&self, method: &str, call: impl FnOnce(&mut Self::Protocol)) {
        if let Some(Err(error)) = self.bond().try_tell(call) {
            self.abort(Some(io::Error::other(error.to_string())));
            self.report(&format!("Fatal error: protocol.{method}() call failed."), error);
        }
    }

    fn report(&self, message: &str, error: PanicError) {
        let context = ErrorContext::new(message).error(error).with("transport", self.describe());
        self.bond().event_loop.call_exception_handler(context);
    }

    /// Nothing more is sent or received. The first error is the one that is told.
    fn abort(&self, error: Option<io::Error>) {
        if let Some(error) = error {
            self.bond().error.borrow_mut().get_or_insert(error);
        }
        self.bond().advance(Stage::Broken);
    }

    /// The protocol hears of the end, once, and everything is let go.
    fn lose(&self) {
        let bond = self.bond();
        if bond.stage() == Stage::Lost {
            return;
        }
        bond.advance(Stage::Lost);
        let error = bond.error.take();
        let _lets_go = LetsGo(self);
        self.tell("connection_lost", |protocol| Self::connection_lost(protocol, error));
    }

    /// Lets go without a word.
    fn abandon(&self) {
        self.let_go();
        self.bond().release();
    }
}

/// A line that queues what it cannot send, and whose writer is told to pause and to go on.
pub(crate) trait Queueing: Line {
    fn marks(&self) -> &Cell<Watermarks>;

    /// How much is queued, in bytes.
    fn queued(&self) -> usize;

    /// Has the marks follow the queue as it is.
    fn update_marks<R>(&self, change: impl FnOnce(&mut Watermarks, usize) -> R) -> R {
        let (mut marks, size) = (self.marks().get(), self.queued());
        marks.changed(size);
        let result = change(&mut marks, size);
        self.marks().set(marks);
        result
    }

    fn check_limits(self: &Rc<Self>) {
        if self.update_marks(|marks, _| marks.has_pending_call()) {
            self.enqueue();
        }
    }

    fn set_limits(
        self: &Rc<Self>,
        high: Option<usize>,
        low: Option<usize>,
    ) -> Result<(), LimitsError> {
        let limits = WriteLimits::new(high, low)?;
        self.update_marks(|marks, size| marks.set_limits(limits, size));
        self.check_limits();
        Ok(())
    }
}

/// Lets go also when the protocol ends the run.
struct LetsGo<'a, L: Line>(&'a L);

impl<L: Line> Drop for LetsGo<'_, L> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// When a protocol ends the run, what is left to do waits for the next one: the poller tells it once.
struct Again<'a, L: Line>(&'a Rc<L>);

impl<L: Line> Drop for Again<'_, L> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.enqueue();
        }
    }
}

impl<L: Line> Run for L {
    fn run(self: Rc<Self>) -> Result<(), BoxError> {
        self.bond().is_queued.set(false);
        if self.bond().stage() != Stage::Lost {
            let _again = Again(&self);
            self.serve();
        }
        Ok(())
    }

    fn info(&self) -> JobInfo {
        JobInfo { kind: JobKind::Io, name: L::NAME.to_owned(), origin: None }
    }

    fn cancel(&self) {}

    fn is_cancelled(&self) -> bool {
        false
    }
}

impl<L: Line> Source for L {
    fn ready(self: Rc<Self>, _: &LoopHandle, readiness: Readiness) {
        self.note(readiness);
        self.enqueue();
    }

    fn loop_closed(&self) {
        self.abandon();
    }
}

/// A descriptor and the watch over it, given up together and in that order: the watch, then the descriptor.
pub(crate) struct Watched<F> {
    registration: RefCell<Option<Registration>>,
    fd: RefCell<Option<F>>,
}

impl<F: AsFd> Watched<F> {
    pub(crate) fn new(fd: F) -> Self {
        Self { registration: RefCell::default(), fd: RefCell::new(Some(fd)) }
    }

    pub(crate) fn watch<L: Line>(&self, line: &Rc<L>, interest: Interest) -> io::Result<()> {
        let fd = self.fd.borrow();
        let Some(fd) = &*fd else { return Ok(()) };
        let source = Rc::clone(line) as Rc<dyn Source>;
        let registration = line.bond().event_loop.register(fd, interest, source)?;
        self.registration.replace(Some(registration));
        Ok(())
    }

    /// `None` once it is closed.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&F) -> R) -> Option<R> {
        self.fd.borrow().as_ref().map(act)
    }

    pub(crate) fn close(&self) {
        drop(self.registration.take());
        drop(self.fd.take());
    }
}

/// One buffer for everything a loop reads here: what is read is delivered before the next read.
pub(crate) struct Scratch(pub(crate) RefCell<Vec<u8>>);

impl Default for Scratch {
    /// asyncio's `max_size`; no datagram of IP is larger than a quarter of it.
    fn default() -> Self {
        Self(RefCell::new(vec![0; 256 * 1024]))
    }
}

impl LoopLocal for Scratch {
    fn close(&self, _: &LoopHandle) {}
}
