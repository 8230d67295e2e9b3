//! A loop for one main function, cleaned up behind it.

use std::time::Duration;

use crate::event_loop::{EventLoop, LoopRef, RunError};

/// How long a blocking call may hold up the end. A lookup that hangs must not keep a program from exiting.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs `main` on a new loop and cleans up: cancels the tasks that are left and waits for their end, closes
/// asynchronous generators, joins the default executor for at most a second. asyncio's `run`.
///
/// ```
/// let sum = loopctl::run(async |lp| {
///     let task = lp.create_task(async { 20 });
///     task.await.unwrap_or(0) + 22
/// })?;
/// assert_eq!(sum, 42);
/// # Ok::<(), loopctl::RunError>(())
/// ```
///
/// # Errors
/// [`RunError`]; an error of `main` itself is part of its result.
pub fn run<T>(main: impl AsyncFnOnce(LoopRef) -> T) -> Result<T, RunError> {
    let mut event_loop = EventLoop::new()?;
    let lp = event_loop.lp();
    let result = event_loop.run_until_complete(main(lp.clone()));
    event_loop.run_until_complete(clean_up(&lp))?;
    event_loop.close();
    result
}

async fn clean_up(lp: &LoopRef) {
    for task in lp.all_tasks() {
        task.cancel();
    }
    while !lp.all_tasks().is_empty() {
        lp.sleep(Duration::ZERO).await;
    }
    lp.shutdown_asyncgens().await;
    // The warning has been logged, and there is nothing else to do about it.
    let _ = lp.shutdown_default_executor(PATIENCE).await;
}
