//! Signal handlers on the loop.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use signal_hook::{SigId, consts::FORBIDDEN, flag, low_level};

use super::{
    CallbackOutput, Interest, Job, JobInfo, JobKind, LoopHandle, LoopLocal, Readiness,
    Registration, Run, Source,
};
use crate::BoxError;
use crate::sys::signals::{has_default_action, is_main_thread};

#[derive(Default)]
struct Signals(RefCell<HashMap<i32, Handler>>);

/// Signal handler. The fields drop in order: the registration, the pipe, and then the process-wide action.
struct Handler {
    _registration: Registration,
    pipe: Rc<SignalPipe>,
    _action: Action,
}

struct SignalPipe {
    reader: UnixStream,
    callback: RefCell<Option<Callback>>,
    /// Whether a call is in the ready queue.
    is_queued: Cell<bool>,
    is_cancelled: Cell<bool>,
    signal: i32,
    origin: &'static Location<'static>,
}

type Callback = Box<dyn FnMut() -> Result<(), BoxError>>;

/// Process-wide action on a signal while it has a handler.
struct Action {
    id: SigId,
    signal: i32,
    /// Actions that end the process at the second signal.
    fatal: Vec<SigId>,
}

impl LoopHandle {
    /// Runs `callback` on the loop when the process receives `signal`; asyncio's `add_signal_handler`.
    ///
    /// It replaces the default action and an earlier handler of this loop. A signal that the earlier handler has not
    /// handled yet goes to the new one. Signals that arrive before the loop has run
    /// the callback cause one call.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// const SIGUSR1: i32 = 10;
    /// let handle = event_loop.handle();
    /// handle.add_signal_handler(SIGUSR1, || println!("still here"))?;
    /// assert!(handle.remove_signal_handler(SIGUSR1));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` if the number is no signal, or one that cannot be caught (`SIGKILL`).
    #[track_caller]
    pub fn add_signal_handler<O: CallbackOutput>(
        &self,
        signal: i32,
        mut callback: impl FnMut() -> O + 'static,
    ) -> io::Result<()> {
        let callback = Box::new(move || callback().into_result());
        self.set_signal_handler(signal, Location::caller(), callback, Ok)
    }

    /// Calls `callback` at the first signal; the second one ends the process. Another handler of the signal replaces
    /// it.
    pub(crate) fn add_interrupt_handler(
        &self,
        signal: i32,
        callback: impl Fn() + 'static,
    ) -> io::Result<()> {
        let callback = Box::new(move || {
            callback();
            Ok(())
        });
        let ends = Action::and_end_at_the_second;
        self.set_signal_handler(signal, Location::caller(), callback, ends)
    }

    fn set_signal_handler(
        &self,
        signal: i32,
        origin: &'static Location<'static>,
        callback: Callback,
        prepare: fn(Action) -> io::Result<Action>,
    ) -> io::Result<()> {
        check(signal)?;
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let pipe = Rc::new(SignalPipe {
            reader,
            callback: RefCell::new(Some(callback)),
            is_queued: Cell::new(false),
            is_cancelled: Cell::new(false),
            signal,
            origin,
        });
        let source = Rc::clone(&pipe) as Rc<dyn Source>;
        let registration = self.register(&pipe.reader, Interest::Readable, source)?;
        let action = prepare(Action::new(signal, writer)?)?;
        let handler =
            Handler { _registration: registration, pipe: Rc::clone(&pipe), _action: action };
        let replaced = self.local::<Signals>().0.borrow_mut().insert(signal, handler);
        if replaced.is_some_and(Handler::end) {
            drain(&pipe.reader);
            pipe.push(self);
        }
        Ok(())
    }

    /// Removes a handler; asyncio's `remove_signal_handler`. Returns `false` if there is none.
    ///
    /// As in asyncio, the signal then has its default action, even if the process ignored it before.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// const SIGUSR2: i32 = 12;
    /// let handle = event_loop.handle();
    /// handle.add_signal_handler(SIGUSR2, || ())?;
    /// assert!(handle.remove_signal_handler(SIGUSR2));
    /// assert!(!handle.remove_signal_handler(SIGUSR2));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn remove_signal_handler(&self, signal: i32) -> bool {
        let removed = self.local::<Signals>().0.borrow_mut().remove(&signal);
        removed.is_some()
    }
}

/// Whether this is the main thread, and nothing but the default action handles a signal: neither a loop, nor other code
/// of this process.
pub(crate) fn is_unhandled(signal: i32) -> bool {
    let handled = HANDLED.lock().unwrap_or_else(PoisonError::into_inner);
    is_main_thread()
        && match handled.get(&signal) {
            Some(known) => known.handlers == 0,
            None => has_default_action(signal),
        }
}

fn check(signal: i32) -> io::Result<()> {
    let refuse = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if FORBIDDEN.contains(&signal) {
        refuse(format!("signal {signal} cannot be caught"))
    } else if low_level::signal_name(signal).is_none() {
        refuse(format!("there is no signal {signal}"))
    } else {
        Ok(())
    }
}

impl LoopLocal for Signals {
    fn close(&self, event_loop: &LoopHandle) {
        self.0.take().into_values().for_each(|handler| event_loop.drop_or_report(handler));
    }
}

/// Reads everything; returns whether there was anything.
fn drain(mut reader: &UnixStream) -> bool {
    let mut bytes = [0; 64];
    let mut received = false;
    while matches!(reader.read(&mut bytes), Ok(count) if count > 0) {
        received = true;
    }
    received
}

impl Source for SignalPipe {
    fn ready(self: Rc<Self>, event_loop: &LoopHandle, _: Readiness) {
        if drain(&self.reader) {
            self.push(event_loop);
        }
    }
}

impl SignalPipe {
    fn push(self: Rc<Self>, event_loop: &LoopHandle) {
        self.is_queued.set(true);
        event_loop.push(Job::Run(self));
    }
}

impl Run for SignalPipe {
    fn run(self: Rc<Self>) -> Result<(), BoxError> {
        self.is_queued.set(false);
        let Some(mut callback) = self.callback.take() else { return Ok(()) };
        let ran = catch_unwind(AssertUnwindSafe(&mut callback));
        if !self.is_cancelled.get() {
            self.callback.replace(Some(callback));
        }
        ran.unwrap_or_else(|payload| resume_unwind(payload))
    }

    fn info(&self, _: Option<&'static str>) -> JobInfo {
        let name = low_level::signal_name(self.signal).unwrap_or("signal").to_owned();
        JobInfo { kind: JobKind::Signal, name, origin: Some(self.origin) }
    }

    fn cancel(&self) {
        self.is_cancelled.set(true);
        drop(self.callback.take());
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled.get()
    }
}

impl Handler {
    /// Removes the handler. Returns whether a signal has arrived that it has not handled.
    fn end(self) -> bool {
        let pipe = Rc::clone(&self.pipe);
        // Before the last look, because a signal may arrive until the action is removed.
        drop(self);
        drain(&pipe.reader) || pipe.is_queued.get()
    }
}

impl Drop for Handler {
    /// Cancels a call that is already queued: a removed handler receives nothing more.
    fn drop(&mut self) {
        self.pipe.cancel();
    }
}

/// Signals that had a handler at least once.
static HANDLED: LazyLock<Mutex<HashMap<i32, Handled>>> = LazyLock::new(Mutex::default);

struct Handled {
    handlers: usize,
    /// Read by the signal handler: whether the default action applies, because no handler is left.
    by_default: Arc<AtomicBool>,
}

impl Handled {
    fn new(signal: i32) -> io::Result<Self> {
        let by_default = Arc::new(AtomicBool::new(false));
        flag::register_conditional_default(signal, Arc::clone(&by_default))?;
        Ok(Self { handlers: 0, by_default })
    }

    fn change(&mut self, handlers: usize) {
        self.handlers = handlers;
        self.by_default.store(handlers == 0, Ordering::SeqCst);
    }
}

impl Action {
    fn new(signal: i32, writer: UnixStream) -> io::Result<Self> {
        let mut handled = HANDLED.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match handled.entry(signal) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Handled::new(signal)?),
        };
        let id = low_level::pipe::register(signal, writer)?;
        known.change(known.handlers + 1);
        Ok(Self { id, signal, fatal: Vec::new() })
    }

    /// Ends the process at the second signal, also if the loop does not turn in between.
    fn and_end_at_the_second(mut self) -> io::Result<Self> {
        let is_second = Arc::new(AtomicBool::new(false));
        // In this order: the flag is checked before it is set.
        let ends = flag::register_conditional_default(self.signal, Arc::clone(&is_second))?;
        self.fatal.push(ends);
        self.fatal.push(flag::register(self.signal, is_second)?);
        Ok(self)
    }
}

impl Drop for Action {
    fn drop(&mut self) {
        let mut handled = HANDLED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = handled.get_mut(&self.signal) {
            known.change(known.handlers - 1);
        }
        for id in self.fatal.iter().copied().chain([self.id]) {
            low_level::unregister(id);
        }
    }
}

/// Future that completes when a signal arrives; see [`LoopHandle::signal`].
#[must_use = "a signal is lost unless this is awaited"]
pub struct SignalWait {
    /// Error of the registration, until it is returned.
    failed: Option<io::Error>,
    watch: Option<(Registration, Rc<SignalFlag>, Action)>,
    signal: i32,
}

/// Receiver of one [`SignalWait`].
struct SignalFlag {
    reader: UnixStream,
    has_arrived: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl LoopHandle {
    /// Returns a future that completes at the next signal `signal`. The signal is handled from this call on.
    ///
    /// The future can be awaited again, by `&mut`, for the signal after it. Several futures of one signal all
    /// complete, and handlers of [`add_signal_handler`](Self::add_signal_handler) are called as well. For SIGINT, it
    /// replaces the cancellation by [`run`](crate::run). When the last one is dropped, the default action is restored.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// event_loop.run_until_complete(async {
    ///     let hangup = handle.signal(libc::SIGHUP);
    ///     signal_hook::low_level::raise(libc::SIGHUP)?;
    ///     hangup.await
    /// })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When it is awaited: those of [`add_signal_handler`](Self::add_signal_handler).
    pub fn signal(&self, signal: i32) -> SignalWait {
        match self.watch_signal(signal) {
            Ok(watch) => SignalWait { failed: None, watch: Some(watch), signal },
            Err(error) => SignalWait { failed: Some(error), watch: None, signal },
        }
    }

    fn watch_signal(&self, signal: i32) -> io::Result<(Registration, Rc<SignalFlag>, Action)> {
        check(signal)?;
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let flag =
            Rc::new(SignalFlag { reader, has_arrived: Cell::new(false), waker: Cell::default() });
        let source = Rc::clone(&flag) as Rc<dyn Source>;
        let registration = self.register(&flag.reader, Interest::Readable, source)?;
        let action = Action::new(signal, writer)?;
        if self.take_interrupt_handler(signal) {
            flag.has_arrived.set(true);
        }
        Ok((registration, flag, action))
    }

    /// Removes the handler of [`add_interrupt_handler`](Self::add_interrupt_handler), unless it was replaced. Returns
    /// whether a signal has arrived that it has not handled.
    pub(crate) fn take_interrupt_handler(&self, signal: i32) -> bool {
        let signals = self.local::<Signals>();
        let is_interrupt = |handler: &mut Handler| !handler._action.fatal.is_empty();
        let taken = match signals.0.borrow_mut().entry(signal) {
            Entry::Occupied(mut known) => is_interrupt(known.get_mut()).then(|| known.remove()),
            Entry::Vacant(_) => None,
        };
        taken.is_some_and(Handler::end)
    }
}

impl Source for SignalFlag {
    fn ready(self: Rc<Self>, _: &LoopHandle, _: Readiness) {
        if drain(&self.reader) {
            self.has_arrived.set(true);
            self.waker.take().into_iter().for_each(Waker::wake);
        }
    }
}

impl Future for SignalWait {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some((_, flag, _)) = &self.watch else {
            let gone = || io::Error::other("the signal cannot be awaited");
            return Poll::Ready(Err(self.failed.take().unwrap_or_else(gone)));
        };
        if flag.has_arrived.take() {
            return Poll::Ready(Ok(()));
        }
        flag.waker.set(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl fmt::Debug for SignalWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<SignalWait {}>", low_level::signal_name(self.signal).unwrap_or("?"))
    }
}
