//! Signal handlers on the loop.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use signal_hook::{SigId, consts::FORBIDDEN, flag, low_level};

use super::{
    CallbackOutput, Interest, Job, JobInfo, JobKind, LoopHandle, LoopLocal, Readiness,
    Registration, Run, Source,
};
use crate::BoxError;

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
    is_cancelled: Cell<bool>,
    signal: i32,
    origin: &'static Location<'static>,
}

type Callback = Box<dyn FnMut() -> Result<(), BoxError>>;

/// Process-wide action on a signal while it has a handler.
struct Action {
    id: SigId,
    signal: i32,
}

impl LoopHandle {
    /// Runs `callback` on the loop when the process receives `signal`; asyncio's `add_signal_handler`.
    ///
    /// It replaces the default action and an earlier handler of this loop. Signals that arrive before the loop has run
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
        check(signal)?;
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let pipe = Rc::new(SignalPipe {
            reader,
            callback: RefCell::new(Some(Box::new(move || callback().into_result()))),
            is_cancelled: Cell::new(false),
            signal,
            origin: Location::caller(),
        });
        let source = Rc::clone(&pipe) as Rc<dyn Source>;
        let registration = self.register(&pipe.reader, Interest::Readable, source)?;
        let action = Action::new(signal, writer)?;
        let handler = Handler { _registration: registration, pipe, _action: action };
        let replaced = self.local::<Signals>().0.borrow_mut().insert(signal, handler);
        drop(replaced);
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

impl Source for SignalPipe {
    fn ready(self: Rc<Self>, event_loop: &LoopHandle, _: Readiness) {
        let mut bytes = [0; 64];
        let mut received = false;
        while matches!((&self.reader).read(&mut bytes), Ok(count) if count > 0) {
            received = true;
        }
        if received {
            event_loop.push(Job::Call(self));
        }
    }
}

impl Run for SignalPipe {
    fn run(self: Rc<Self>) -> Result<(), BoxError> {
        let Some(mut callback) = self.callback.take() else { return Ok(()) };
        let ran = catch_unwind(AssertUnwindSafe(&mut callback));
        if !self.is_cancelled.get() {
            self.callback.replace(Some(callback));
        }
        ran.unwrap_or_else(|payload| resume_unwind(payload))
    }

    fn info(&self) -> JobInfo {
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
        Ok(Self { id, signal })
    }
}

impl Drop for Action {
    fn drop(&mut self) {
        let mut handled = HANDLED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = handled.get_mut(&self.signal) {
            known.change(known.handlers - 1);
        }
        low_level::unregister(self.id);
    }
}
