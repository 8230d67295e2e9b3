//! Runner: a new loop for one main function, and the clean-up after it.

use std::time::Duration;

use crate::event_loop::{EventLoop, LoopHandle, RunError};

/// Timeout of two steps of the clean-up: tasks that it causes itself, and threads with blocking calls. A lookup that
/// hangs must not keep a program from exiting.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs `main` on a new loop and cleans up; asyncio's `run`.
///
/// The clean-up cancels the remaining tasks and waits for their end, closes asynchronous generators, and joins the
/// default executor for at most 1 s. Tasks that start during the clean-up have 1 s to end. A panic of `main`
/// propagates; the remaining tasks are then dropped without clean-up.
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
/// [`RunError`]; an error of `main` itself is part of its result.
pub fn run<T>(main: impl AsyncFnOnce(LoopHandle) -> T) -> Result<T, RunError> {
    let mut event_loop = EventLoop::new()?;
    let handle = event_loop.handle();
    let result = event_loop.run_until_complete(main(handle.clone()));
    event_loop.run_until_complete(clean_up(&handle))?;
    event_loop.close();
    result
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
