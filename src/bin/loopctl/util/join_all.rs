//! Several futures at a time.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// A future of a part of the work, which notes its results where it finds them.
pub(crate) type Part<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Runs all of them, until the last one is done.
pub(crate) async fn together(mut parts: Vec<Part<'_>>) {
    poll_fn(|cx| {
        parts.retain_mut(|part| part.as_mut().poll(cx).is_pending());
        if parts.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
