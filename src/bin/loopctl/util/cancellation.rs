//! The wish to end early, and who waits for it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, Waker};

use loopctl::LoopHandle;

use crate::exit::Exit;

/// Set once; wakes everyone who raced against it.
#[derive(Default)]
pub(crate) struct Stop {
    wish: Cell<Option<Exit>>,
    waiting: RefCell<BTreeMap<u64, Waker>>,
    next: Cell<u64>,
}

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
const SIGCONT: i32 = 18;

/// Has SIGINT and SIGTERM wish for the end. A second one ends the process at once. What came due while the process
/// was stopped is done as soon as it goes on: a wait of the kernel's would else go on for what was left of it.
///
/// # Errors
/// The system's.
pub(crate) fn heed_signals(
    event_loop: &LoopHandle,
    wish: impl Fn(Exit) + Clone + 'static,
) -> std::io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        let (wish, inside) = (wish.clone(), event_loop.clone());
        event_loop.add_signal_handler(signal, move || {
            wish(Exit::Signal(signal));
            inside.remove_signal_handler(signal);
        })?;
    }
    event_loop.add_signal_handler(SIGCONT, || {})
}

impl Stop {
    pub(crate) fn now(&self, exit: Exit) {
        self.wish.set(self.wish.get().or(Some(exit)));
        self.waiting.take().into_values().for_each(Waker::wake);
    }

    pub(crate) fn wish(&self) -> Option<Exit> {
        self.wish.get()
    }

    /// Runs `future` to its end or until the wish comes; then it is dropped where it waits.
    pub(crate) async fn or<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let number = self.next.replace(self.next.get() + 1);
        let mut future = pin!(future);
        let result = poll_fn(|cx| {
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(value));
            }
            if self.wish.get().is_some() {
                return Poll::Ready(None);
            }
            self.waiting.borrow_mut().insert(number, cx.waker().clone());
            Poll::Pending
        })
        .await;
        self.waiting.borrow_mut().remove(&number);
        result
    }
}
