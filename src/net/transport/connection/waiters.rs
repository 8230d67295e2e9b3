//! Those who wait for room to write, or for the end.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::StreamTransport;

impl StreamTransport {
    /// Waits until `is_over`, which is asked again whenever the queue has room or the connection is lost.
    pub(in crate::net) async fn wait(self: &Rc<Self>, is_over: impl Fn(&Self) -> bool) {
        let number = self.waits.replace(self.waits.get().wrapping_add(1));
        let waiting = Waiting { connection: self, number };
        poll_fn(|cx| {
            if is_over(self) {
                return Poll::Ready(());
            }
            waiting.park(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A place among those who wait; dropping it leaves nothing behind.
struct Waiting<'a> {
    connection: &'a StreamTransport,
    number: u32,
}

impl Waiting<'_> {
    fn park(&self, waker: Waker) {
        let mut parts = self.connection.parts.borrow_mut();
        let waiting = &mut parts.rare().waiting;
        let former = match waiting.iter_mut().find(|(number, _)| *number == self.number) {
            Some((_, known)) => Some(std::mem::replace(known, waker)),
            None => {
                waiting.push((self.number, waker));
                None
            }
        };
        drop(parts);
        drop(former);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut parts = self.connection.parts.borrow_mut();
        let Some(rare) = &mut parts.rare else { return };
        let at = rare.waiting.iter().position(|(number, _)| *number == self.number);
        let waker = at.map(|at| rare.waiting.swap_remove(at));
        parts.slim();
        drop(parts);
        drop(waker);
    }
}

pub(super) fn wake(waiting: Vec<(u32, Waker)>) {
    waiting.into_iter().for_each(|(_, waker)| waker.wake());
}
