//! Accepting: one listening socket, from its first client to its end.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Duration;

use rustix::net::{SocketFlags, acceptfrom_with};

use super::bind::Bound;
use super::hub::{Accepted, Hub};
use crate::BoxError;
use crate::event_loop::{
    ErrorContext, Interest, Job, JobInfo, JobKind, LoopHandle, Readiness, Registration, Run,
    Source, TimerHandle,
};
use crate::net::Address;

/// How long nothing is accepted after the system had no descriptor or memory left for a connection.
pub(super) const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Connections accepted before others get their turn, however long the queue of the kernel.
const MOST_A_TURN: u32 = 128;

/// One listening socket. The poller holds it while it is watched; [`shut`](Self::shut) ends that.
pub(super) struct Listener {
    hub: Rc<Hub>,
    pub(super) address: Address,
    backlog: u32,
    /// Dropped before the socket.
    registration: RefCell<Option<Registration>>,
    bound: RefCell<Option<Bound>>,
    /// Set while accepting pauses.
    retry: RefCell<Option<TimerHandle>>,
    is_queued: Cell<bool>,
}

/// What to do about a failed `accept`.
#[derive(Debug, PartialEq, Eq)]
enum Remedy {
    /// The queue is empty; the poller tells when it is not.
    Wait,
    /// The connection was gone before it was accepted, or the call was interrupted: the next one.
    Skip,
    /// There is nothing left to accept it with.
    Shortage,
    /// Something else; also not to be tried again at once.
    Pause,
}

impl Remedy {
    /// As `accept(2)` says: errors of the network belong to the one connection they are reported for.
    fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EAGAIN) => Self::Wait,
            Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => Self::Shortage,
            Some(
                libc::EINTR
                | libc::ECONNABORTED
                | libc::EPROTO
                | libc::ENOPROTOOPT
                | libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::ENONET
                | libc::EPERM,
            ) => Self::Skip,
            _ => Self::Pause,
        }
    }
}

impl Listener {
    pub(super) fn new(hub: &Rc<Hub>, bound: Bound, backlog: u32) -> Rc<Self> {
        Rc::new(Self {
            hub: Rc::clone(hub),
            address: bound.address.clone(),
            backlog,
            registration: RefCell::default(),
            bound: RefCell::new(Some(bound)),
            retry: RefCell::default(),
            is_queued: Cell::default(),
        })
    }

    /// Listens, and watches for connections.
    pub(super) fn start(self: &Rc<Self>) -> io::Result<()> {
        let bound = self.bound.borrow();
        let Some(bound) = &*bound else { return Ok(()) };
        bound.socket.listen(self.backlog.try_into().unwrap_or(i32::MAX))?;
        let source = Rc::clone(self) as Rc<dyn Source>;
        let registration =
            self.hub.event_loop.register(&bound.socket, Interest::Readable, source)?;
        self.registration.replace(Some(registration));
        Ok(())
    }

    /// Closes the socket, and ends the watch and the retry that stand for it. Harmless at any moment, in the
    /// middle of accepting as well.
    pub(super) fn shut(&self) {
        if let Some(retry) = self.retry.take() {
            retry.cancel();
        }
        drop(self.registration.take());
        let bound = self.bound.take();
        drop(bound);
    }

    pub(super) fn with_socket<R>(&self, look: impl FnOnce(BorrowedFd<'_>) -> R) -> Option<R> {
        self.bound.borrow().as_ref().map(|bound| look(bound.socket.as_fd()))
    }

    /// Accepts in a later turn, unless accepting pauses.
    pub(super) fn enqueue(self: &Rc<Self>) {
        if self.retry.borrow().is_none() && !self.is_queued.replace(true) {
            self.hub.event_loop.push(Job::Call(Rc::clone(self) as Rc<dyn Run>));
        }
    }

    /// `None`: the socket is closed.
    fn accept(&self) -> Option<io::Result<Accepted>> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let accepted = self.with_socket(|socket| acceptfrom_with(socket, flags))?;
        Some(accepted.map_err(io::Error::from).map(|(socket, peer)| Accepted {
            socket: socket.into(),
            peer: peer.and_then(Address::of_peer),
        }))
    }

    /// Accepts until the queue is empty, the budget spent, the server full or closed.
    fn accept_some(self: &Rc<Self>) {
        for _ in 0..self.backlog.clamp(1, MOST_A_TURN) {
            if self.hub.is_full() {
                // A client that leaves puts this listener back on the queue.
                return;
            }
            match self.accept() {
                None => return,
                Some(Ok(accepted)) => self.hub.receive(accepted),
                Some(Err(error)) => match Remedy::of(&error) {
                    Remedy::Wait => return,
                    Remedy::Skip => {}
                    Remedy::Shortage => return self.pause(error, true),
                    Remedy::Pause => return self.pause(error, false),
                },
            }
        }
        // The poller tells of changes only, and nothing has changed for what is still in the queue.
        self.enqueue();
    }

    fn pause(self: &Rc<Self>, error: io::Error, is_shortage: bool) {
        let weak = Rc::downgrade(self);
        let retry = self.hub.event_loop.call_later(RETRY_DELAY, move || {
            if let Some(listener) = weak.upgrade() {
                listener.retry.take();
                listener.enqueue();
            }
        });
        self.retry.replace(Some(retry));
        let message = match is_shortage {
            true if !self.hub.is_news() => return,
            true => "socket.accept() out of system resource",
            false => "socket.accept() failed",
        };
        let context = ErrorContext::new(message).error(error).with("socket", &self.address);
        self.hub.event_loop.call_exception_handler(context);
    }
}

impl Source for Listener {
    fn ready(self: Rc<Self>, _: &LoopHandle, _: Readiness) {
        self.enqueue();
    }

    fn loop_closed(&self) {
        self.hub.close();
        self.shut();
    }
}

impl Run for Listener {
    fn run(self: Rc<Self>) -> Result<(), BoxError> {
        self.is_queued.set(false);
        self.accept_some();
        Ok(())
    }

    fn info(&self) -> JobInfo {
        JobInfo { kind: JobKind::Io, name: format!("server {}", self.address), origin: None }
    }

    fn cancel(&self) {}

    fn is_cancelled(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a kernel cannot be made to say on demand.
    #[test]
    fn srv_24_25_28_what_to_do_about_an_error() {
        let remedy = |code| Remedy::of(&io::Error::from_raw_os_error(code));
        assert_eq!(remedy(libc::EWOULDBLOCK), Remedy::Wait);
        for skipped in [libc::ECONNABORTED, libc::EINTR, libc::EPROTO, libc::EHOSTUNREACH] {
            assert_eq!(remedy(skipped), Remedy::Skip);
        }
        for shortage in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
            assert_eq!(remedy(shortage), Remedy::Shortage);
        }
        assert_eq!(remedy(libc::EINVAL), Remedy::Pause, "reported, and tried again in a second");
    }
}
