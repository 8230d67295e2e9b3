//! What the tests of the loop share: a manual clock, a log to write in, a logger, a process of one's own.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Command, Output};
use std::rc::Rc;
use std::sync::Once;
use std::time::{Duration, Instant};

use log::{Level, LevelFilter, Log, Metadata, Record};
use loopctl::{Clock, EnteredLoop, ErrorContext, EventLoop, LoopExit, LoopHandle};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SEC: Duration = Duration::from_secs(1);
/// Far beyond any test; a loop that waits for it has missed what should have woken it.
pub(crate) const FAR: Duration = Duration::from_secs(3600);

/// A loop on the system's clock, and a reference to it.
pub(crate) fn real() -> (EventLoop, LoopHandle) {
    let event_loop = EventLoop::new().expect("a poller");
    let handle = event_loop.handle();
    (event_loop, handle)
}

/// A loop in which time moves only where it would otherwise wait, and the instant at which it starts.
pub(crate) fn manual() -> (EventLoop, LoopHandle, Instant) {
    let start = real().1.time();
    let event_loop = EventLoop::with_clock(Clock::Manual(start)).expect("a poller");
    let handle = event_loop.handle();
    (event_loop, handle, start)
}

/// One turn of a loop that has something to do in it.
pub(crate) fn one_turn(event_loop: &mut EventLoop) {
    event_loop.handle().stop();
    event_loop.run_forever().expect("a turn");
}

/// Turns until `done`, and counts the turns.
pub(crate) fn turns_until(entered: &EnteredLoop<'_>, done: impl Fn() -> bool) -> usize {
    let mut count = 0;
    while !done() {
        entered.turn(None).expect("a turn");
        count += 1;
    }
    count
}

/// Ends a run whose wake-up got lost, so that its test fails instead of hanging.
pub(crate) fn watchdog(event_loop: &LoopHandle) -> Rc<Cell<bool>> {
    let barked = Rc::new(Cell::new(false));
    let (flag, stop) = (Rc::clone(&barked), event_loop.clone());
    event_loop.call_later(Duration::from_secs(60), move || {
        flag.set(true);
        stop.stop();
    });
    barked
}

/// An order of events, written from many places.
#[derive(Clone, Default)]
pub(crate) struct Notes(Rc<RefCell<Vec<String>>>);

impl Notes {
    pub(crate) fn add(&self, note: impl fmt::Display) {
        self.0.borrow_mut().push(note.to_string());
    }

    /// A callback that adds this note.
    pub(crate) fn adder<N: fmt::Display>(&self, note: N) -> impl FnMut() + use<N> {
        let (notes, note) = (self.clone(), note.to_string());
        move || notes.add(&note)
    }

    /// The notes of this thread, for callbacks that another thread sends here.
    pub(crate) fn of_this_thread() -> Self {
        thread_local! {
            static NOTES: Notes = Notes::default();
        }
        NOTES.with(Self::clone)
    }

    /// Everything noted since the last look, in one line.
    pub(crate) fn take(&self) -> String {
        self.0.take().join(" ")
    }
}

/// Notes every error the loop reports, as one text each.
pub(crate) fn collect_errors(event_loop: &LoopHandle) -> Notes {
    let notes = Notes::default();
    let seen = notes.clone();
    event_loop.set_exception_handler(Some(Rc::new(
        move |_: &LoopHandle, context: &ErrorContext| {
            seen.add(context);
        },
    )));
    notes
}

/// A panic that the panic hook does not print.
pub(crate) fn throw(message: &'static str) -> ! {
    resume_unwind(Box::new(message))
}

/// Leaves the loop, through every net.
pub(crate) fn exit() -> ! {
    resume_unwind(Box::new(LoopExit))
}

/// What `call` throws.
pub(crate) fn thrown<T>(call: impl FnOnce() -> T) -> Option<Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(call)).err()
}

/// Whether `call` ended with [`LoopExit`].
pub(crate) fn exits<T>(call: impl FnOnce() -> T) -> bool {
    thrown(call).is_some_and(|payload| payload.is::<LoopExit>())
}

thread_local! {
    static LOGGED: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
    static IS_BROKEN: Cell<bool> = const { Cell::new(false) };
}

/// Keeps what each thread logs apart, because tests run beside each other.
struct Logger;

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if IS_BROKEN.get() {
            throw("the logger is broken");
        }
        LOGGED.with_borrow_mut(|lines| lines.push((record.level(), record.args().to_string())));
    }

    fn flush(&self) {}
}

/// What this thread logs from now on.
pub(crate) struct Logged;

impl Logged {
    pub(crate) fn start() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            log::set_logger(&Logger).expect("no other logger");
            // Not what only the lowest level says: that may change with every line of the loop.
            log::set_max_level(LevelFilter::Debug);
        });
        LOGGED.take();
        Self
    }

    pub(crate) fn take(&self) -> Vec<(Level, String)> {
        LOGGED.take()
    }

    /// Has the logger itself panic on this thread.
    pub(crate) fn is_broken(&self, broken: bool) {
        IS_BROKEN.set(broken);
    }
}

/// Runs `test` once more as a process of its own and returns what came of it. `None` in that process: there,
/// the test does what it must do alone, with `env` set.
pub(crate) fn alone(test: &str, env: &[(&str, &str)]) -> Option<Output> {
    const INSIDE: &str = "LOOPCTL_TEST_ALONE";
    if std::env::var_os(INSIDE).is_some() {
        return None;
    }
    let program = std::env::current_exe().expect("the path of the tests");
    let mut command = Command::new(program);
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env_remove("LOOPCTL_DEBUG").env(INSIDE, "1").envs(env.iter().copied());
    Some(command.output().expect("a process"))
}

/// Whether exactly one test ran in that process, and passed.
pub(crate) fn passed(output: &Output) -> bool {
    output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed")
}
