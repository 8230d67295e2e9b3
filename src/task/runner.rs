//! Runner: a new loop for one main function, and the clean-up after it.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::event_loop::{EventLoop, LoopHandle, RunError, is_unhandled};

/// Timeout of two steps of the clean-up: tasks that it causes itself, and threads with blocking calls. A lookup that
/// hangs must not keep a program from exiting.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs `main` on a new loop and cleans up; asyncio's `run`.
///
/// The clean-up cancels the remaining tasks and waits for their end, closes asynchronous generators, and joins the
/// default executor for at most 1 s. Tasks that start during the clean-up have 1 s to end. A panic of `main`
/// propagates; the remaining tasks are then dropped without clean-up.
///
/// On the main thread, the first SIGINT (^C) cancels `main`: its future is dropped, and the clean-up follows. If `main`
/// completes all the same, its result is returned. The second SIGINT ends the process at once. This does not apply if
/// the signal is ignored or other code handles it; [`add_signal_handler`](LoopHandle::add_signal_handler) and
/// [`signal`](LoopHandle::signal) replace it.
///
/// ```
/// let sum = loopctl::run(async |event_loop| {
///     let task = event_loop.create_task(async { 20 });
///     task.await.unwrap_or(0) + 22
/// })?;
/// assert_eq!(sum, 42);
/// # Ok::<(), loopctl::RunError>(())
/// ```
///
/// # Errors
/// [`RunError`]; an error of `main` itself is part of its result. [`RunError::Interrupted`] after a SIGINT.
#[track_caller]
pub fn run<T>(main: impl AsyncFnOnce(LoopHandle) -> T) -> Result<T, RunError> {
    let mut event_loop = EventLoop::new()?;
    let handle = event_loop.handle();
    let result = event_loop.run_until_complete(interruptible(&handle, main(handle.clone())));
    event_loop.run_until_complete(clean_up(&handle))?;
    event_loop.close();
    result?
}

/// Runs `main` until SIGINT, which drops it.
async fn interruptible<T>(
    event_loop: &LoopHandle,
    main: impl Future<Output = T>,
) -> Result<T, RunError> {
    let interrupt = Interrupt::watch(event_loop);
    let mut main = pin!(main);
    poll_fn(|cx| {
        if let Poll::Ready(value) = main.as_mut().poll(cx) {
            return Poll::Ready(Ok(value));
        }
        match &interrupt {
            Some(interrupt) if interrupt.has_arrived.get() => {
                Poll::Ready(Err(RunError::Interrupted))
            }
            Some(interrupt) => {
                interrupt.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
            None => Poll::Pending,
        }
    })
    .await
}

/// Arrival of SIGINT.
#[derive(Default)]
struct Interrupt {
    has_arrived: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl Interrupt {
    /// Handles SIGINT as asyncio's runner does: on the main thread, if no other code handles it. The handler stays until
    /// the loop is closed, so that a second SIGINT ends the clean-up.
    fn watch(event_loop: &LoopHandle) -> Option<Rc<Self>> {
        if !is_unhandled(libc::SIGINT) {
            return None;
        }
        let interrupt = Rc::<Self>::default();
        let inside = Rc::clone(&interrupt);
        let added = event_loop.add_interrupt_handler(libc::SIGINT, move || {
            inside.has_arrived.set(true);
            inside.waker.take().into_iter().for_each(Waker::wake);
        });
        added.ok().map(|()| interrupt)
    }
}

async fn clean_up(event_loop: &LoopHandle) {
    let left = event_loop.all_tasks();
    while left.iter().filter(|task| task.cancel()).count() > 0 {
        event_loop.sleep(Duration::ZERO).await;
    }
    // Because a cancelled task may start another when it is dropped, as a generator does to close itself.
    let _ = event_loop.timeout(CLEAN_UP_TIMEOUT, all_tasks_ended(event_loop)).await;
    event_loop.shutdown_asyncgens().await;
    // Ignored, because the timeout has already been logged.
    let _ = event_loop.shutdown_default_executor(CLEAN_UP_TIMEOUT).await;
}

/// Completes when no task is left. It checks every millisecond, because no event reports that.
async fn all_tasks_ended(event_loop: &LoopHandle) {
    while !event_loop.all_tasks().is_empty() {
        event_loop.sleep(Duration::from_millis(1)).await;
    }
}
