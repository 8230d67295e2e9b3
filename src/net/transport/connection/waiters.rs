//! Tasks that wait for a change of a connection: room in the write queue, or the end.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::StreamTransport;

impl StreamTransport {
    /// Waits until `condition` holds. It is checked again whenever the queue has room, and after the end.
    pub(in crate::net) async fn wait_until(self: &Rc<Self>, condition: impl Fn(&Self) -> bool) {
        let number = self.next_waiter.replace(self.next_waiter.get().wrapping_add(1));
        let waiter = Waiter { connection: self, number };
        poll_fn(|cx| {
            if condition(self) {
                return Poll::Ready(());
            }
            waiter.set_waker(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A waiting task. Dropping it removes its waker.
struct Waiter<'a> {
    connection: &'a StreamTransport,
    number: u32,
}

impl Waiter<'_> {
    fn set_waker(&self, waker: Waker) {
        let mut io = self.connection.io.borrow_mut();
        let waiters = &mut io.cold().waiters;
        let former = match waiters.iter_mut().find(|(number, _)| *number == self.number) {
            Some((_, known)) => Some(std::mem::replace(known, waker)),
            None => {
                waiters.push((self.number, waker));
                None
            }
        };
        // After the borrow, because dropping a waker may run a task's destructor.
        drop(io);
        drop(former);
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut io = self.connection.io.borrow_mut();
        let Some(cold) = &mut io.cold else { return };
        let at = cold.waiters.iter().position(|(number, _)| *number == self.number);
        let waker = at.map(|at| cold.waiters.swap_remove(at));
        io.shrink();
        drop(io);
        drop(waker);
    }
}

pub(super) fn wake(waiters: Vec<(u32, Waker)>) {
    waiters.into_iter().for_each(|(_, waker)| waker.wake());
}
