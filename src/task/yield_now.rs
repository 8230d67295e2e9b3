//! Yielding to the other jobs of the loop.

use std::future::poll_fn;
use std::task::Poll;

/// Yields once: every other job that is ready runs before this future goes on (asyncio's `sleep(0)`).
pub(crate) async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
