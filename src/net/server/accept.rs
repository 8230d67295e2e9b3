//! One listening socket: accepting, and pauses after errors.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Duration;

use rustix::net::{SocketFlags, acceptfrom_with};
use socket2::Socket;

use super::bound::BoundSocket;
use crate::BoxError;
use crate::event_loop::{
    ErrorContext, Interest, Job, JobInfo, JobKind, LoopHandle, Readiness, Registration, Run,
    Source, TimerHandle,
};
use crate::net::Address;

/// Pause in accepting after the system had no descriptor or memory left; asyncio's `ACCEPT_RETRY_DELAY`.
pub(super) const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Limit of connections accepted in one turn, so that a long queue does not starve other jobs.
const MAX_ACCEPTS_PER_TURN: u32 = 128;

/// An accepted connection.
pub(super) struct Accepted {
    pub(super) socket: Socket,
    /// The client's address; `None` if it is a Unix socket without a name.
    pub(super) peer: Option<Address>,
}

/// The server, as its listeners see it.
pub(super) trait ConnectionSink {
    fn event_loop(&self) -> &LoopHandle;

    /// Whether the limit of connections is reached.
    fn is_full(&self) -> bool;

    fn accepted(&self, accepted: Accepted);

    /// Whether a shortage of descriptors is to be reported: once for all listeners.
    fn should_report_shortage(&self) -> bool;

    /// The event loop was closed.
    fn listener_closed(&self);
}

/// A listening socket. The poller holds a reference to it until [`close`](Self::close).
pub(super) struct Listener {
    server: Rc<dyn ConnectionSink>,
    pub(super) address: Address,
    backlog: u32,
    /// Dropped before the socket.
    registration: RefCell<Option<Registration>>,
    bound: RefCell<Option<BoundSocket>>,
    /// Set while accepting is paused.
    retry: RefCell<Option<TimerHandle>>,
    is_queued: Cell<bool>,
}

/// Action after a failed `accept`.
#[derive(Debug, PartialEq, Eq)]
enum AcceptAction {
    /// The queue is empty: wait for the poller.
    Wait,
    /// The connection ended before it was accepted, or the call was interrupted: accept the next one.
    Skip,
    /// The system has no descriptor or memory left: pause.
    Shortage,
    /// Another error: pause as well.
    Pause,
}

impl AcceptAction {
    /// The action for an error. Errors of the network concern one connection only (`accept(2)`).
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
    pub(super) fn new(
        server: Rc<dyn ConnectionSink>,
        bound: BoundSocket,
        backlog: u32,
    ) -> Rc<Self> {
        Rc::new(Self {
            server,
            address: bound.address.clone(),
            backlog,
            registration: RefCell::default(),
            bound: RefCell::new(Some(bound)),
            retry: RefCell::default(),
            is_queued: Cell::default(),
        })
    }

    /// Listens and registers with the poller.
    pub(super) fn start(self: &Rc<Self>) -> io::Result<()> {
        let bound = self.bound.borrow();
        let Some(bound) = &*bound else { return Ok(()) };
        bound.socket.listen(self.backlog.try_into().unwrap_or(i32::MAX))?;
        let source = Rc::clone(self) as Rc<dyn Source>;
        let registration =
            self.server.event_loop().register(&bound.socket, Interest::Readable, source)?;
        self.registration.replace(Some(registration));
        Ok(())
    }

    /// Closes the socket and cancels the retry. Safe to call while a connection is being accepted.
    pub(super) fn close(&self) {
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

    /// Accepts in a later turn, unless accepting is paused.
    pub(super) fn enqueue(self: &Rc<Self>) {
        if self.retry.borrow().is_none() && !self.is_queued.replace(true) {
            self.server.event_loop().push(Job::Run(Rc::clone(self) as Rc<dyn Run>));
        }
    }

    /// Accepts one connection; `None` if the socket is closed.
    fn accept(&self) -> Option<io::Result<Accepted>> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let accepted = self.with_socket(|socket| acceptfrom_with(socket, flags))?;
        Some(accepted.map_err(io::Error::from).map(|(socket, peer)| Accepted {
            socket: socket.into(),
            peer: peer.and_then(Address::of_peer),
        }))
    }

    /// Accepts until the queue is empty, the limit is reached, or the server is full or closed.
    fn accept_some(self: &Rc<Self>) {
        for _ in 0..self.backlog.clamp(1, MAX_ACCEPTS_PER_TURN) {
            if self.server.is_full() {
                // The end of a client puts this listener back in the queue.
                return;
            }
            match self.accept() {
                None => return,
                Some(Ok(accepted)) => {
                    self.log_accepted(&accepted);
                    self.server.accepted(accepted);
                }
                Some(Err(error)) => match AcceptAction::of(&error) {
                    AcceptAction::Wait => return,
                    AcceptAction::Skip => {}
                    AcceptAction::Shortage => return self.pause(error, true),
                    AcceptAction::Pause => return self.pause(error, false),
                },
            }
        }
        // The poller will not report connections that are still in the queue.
        self.enqueue();
    }

    fn log_accepted(&self, accepted: &Accepted) {
        if self.server.event_loop().debug() {
            let peer = accepted.peer.as_ref().map_or_else(|| "unix".to_owned(), Address::to_string);
            log::debug!("{} got a new connection from {peer}", self.address);
        }
    }

    fn pause(self: &Rc<Self>, error: io::Error, is_shortage: bool) {
        let weak = Rc::downgrade(self);
        let retry = self.server.event_loop().call_later(RETRY_DELAY, move || {
            if let Some(listener) = weak.upgrade() {
                listener.retry.take();
                listener.enqueue();
            }
        });
        self.retry.replace(Some(retry));
        let message = match is_shortage {
            true if !self.server.should_report_shortage() => return,
            true => "socket.accept() out of system resource",
            false => "socket.accept() failed",
        };
        let context = ErrorContext::new(message).error(error).with("socket", &self.address);
        self.server.event_loop().call_exception_handler(context);
    }
}

impl Source for Listener {
    fn ready(self: Rc<Self>, _: &LoopHandle, _: Readiness) {
        self.enqueue();
    }

    fn loop_closed(&self) {
        self.server.listener_closed();
        self.close();
    }
}

impl Run for Listener {
    fn run(self: Rc<Self>) -> Result<(), BoxError> {
        self.is_queued.set(false);
        self.accept_some();
        Ok(())
    }

    fn info(&self, _: Option<&'static str>) -> JobInfo {
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

    /// Errors that a kernel does not return on demand.
    #[test]
    fn srv_24_25_28_what_to_do_about_an_error() {
        let remedy = |code| AcceptAction::of(&io::Error::from_raw_os_error(code));
        assert_eq!(remedy(libc::EWOULDBLOCK), AcceptAction::Wait);
        for skipped in [libc::ECONNABORTED, libc::EINTR, libc::EPROTO, libc::EHOSTUNREACH] {
            assert_eq!(remedy(skipped), AcceptAction::Skip);
        }
        for shortage in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
            assert_eq!(remedy(shortage), AcceptAction::Shortage);
        }
        assert_eq!(
            remedy(libc::EINVAL),
            AcceptAction::Pause,
            "reported, and tried again in a second"
        );
    }
}
