//! A guard for work that must also be done when a protocol panics through its caller.

/// Calls its closure when it is dropped. A [`LoopExit`](crate::LoopExit) passes through the loop on purpose;
/// the transport must release its descriptor or requeue itself all the same.
pub(super) struct OnDrop<F: FnMut()>(pub(super) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
