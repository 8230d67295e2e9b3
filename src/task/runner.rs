//! A loop for one main function, cleaned up behind it.

use std::time::Duration;

use crate::event_loop::{EventLoop, LoopHandle, RunError};

/// How long each of two things may hold up the end: tasks that the clean-up itself brings about, and blocking
/// calls. A lookup that hangs must not keep a program from exiting.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs `main` on a new loop and cleans up: cancels the tasks that are left and waits for their end, closes
/// asynchronous generators, joins the default executor for at most a second. asyncio's `run`.
///
/// A task that is begun by what the cancelled ones drop has a second to end. A panic of `main` comes out
/// here; what was left is then dropped instead.
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
    // What those dropped may have begun others, as a generator does to close itself.
    let _ = event_loop.timeout(PATIENCE, ended(event_loop)).await;
    event_loop.shutdown_asyncgens().await;
    // The warning has been logged, and there is nothing else to do about it.
    let _ = event_loop.shutdown_default_executor(PATIENCE).await;
}

/// Ends when no task is left. Nobody wakes for that, so it looks again from time to time.
async fn ended(event_loop: &LoopHandle) {
    while !event_loop.all_tasks().is_empty() {
        event_loop.sleep(Duration::from_millis(1)).await;
    }
}
