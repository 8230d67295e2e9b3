//! Cancellation of a run, and the signals that request it.
//! `serve` has its own handler in `commands/serve/mod.rs`, because its first signal only stops accepting.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use loopctl::LoopHandle;
use signal_hook::consts::{SIGCONT, SIGINT, SIGTERM};

/// The reason why a run ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    Signal(i32),
    /// The output cannot be written any more, so that going on is of no use.
    CannotWrite,
}

/// A request to end early, shared by every task of a run. The first reason is the one that counts.
#[derive(Clone, Default)]
pub(crate) struct CancellationToken(Rc<State>);

#[derive(Default)]
struct State {
    reason: Cell<Option<StopReason>>,
    waiting: RefCell<BTreeMap<u64, Waker>>,
    next: Cell<u64>,
}

/// Cancels on SIGINT and SIGTERM. A second one ends the process at once, because the handler has been removed.
///
/// The handler of SIGCONT only wakes the loop. Timers that came due while the process was stopped then run at
/// once, not after the rest of the kernel's wait.
///
/// # Errors
/// The system's, if a handler cannot be set.
pub(crate) fn cancel_on_signals(
    event_loop: &LoopHandle,
    token: &CancellationToken,
) -> io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        let (token, inside) = (token.clone(), event_loop.clone());
        event_loop.add_signal_handler(signal, move || {
            token.cancel(StopReason::Signal(signal));
            inside.remove_signal_handler(signal);
        })?;
    }
    event_loop.add_signal_handler(SIGCONT, || {})
}

impl CancellationToken {
    pub(crate) fn cancel(&self, reason: StopReason) {
        self.0.reason.set(self.0.reason.get().or(Some(reason)));
        self.0.waiting.take().into_values().for_each(Waker::wake);
    }

    /// The reason, once cancelled.
    pub(crate) fn reason(&self) -> Option<StopReason> {
        self.0.reason.get()
    }

    /// Runs `future` to its end, or drops it where it waits when the token is cancelled, and returns `None`.
    pub(crate) async fn run_until_cancelled<T>(
        &self,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let number = self.0.next.replace(self.0.next.get() + 1);
        let mut future = pin!(future);
        let result = poll_fn(|cx| {
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(value));
            }
            if self.0.reason.get().is_some() {
                return Poll::Ready(None);
            }
            self.0.waiting.borrow_mut().insert(number, cx.waker().clone());
            Poll::Pending
        })
        .await;
        self.0.waiting.borrow_mut().remove(&number);
        result
    }
}
