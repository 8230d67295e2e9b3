//! Whichever comes first.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// The result of the future that is done first; if both are, that of `one`. They are borrowed, not moved in:
/// each await of a moved future would make room for it a second time.
pub(crate) async fn first<T>(
    mut one: Pin<&mut impl Future<Output = T>>,
    mut other: Pin<&mut impl Future<Output = T>>,
) -> T {
    poll_fn(|cx| match one.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(value),
        Poll::Pending => other.as_mut().poll(cx),
    })
    .await
}
