//! What a transfer goes over: a socket of the caller's, or that of a transport.

use std::future::poll_fn;
use std::io;

use socket2::{SockRef, Socket};

use crate::event_loop::{Interest, LoopHandle};
use crate::net::socket::readiness::FdReadiness;
use crate::net::transport::connection::Lent;

/// A socket that does not block, and a wait for room in it.
pub(super) trait Way {
    /// One attempt.
    fn attempt<T>(&self, attempt: impl FnOnce(&Socket) -> io::Result<T>) -> io::Result<T>;

    /// Waits until there is room, if there is none now.
    async fn room(&self) -> io::Result<()>;

    /// A send has failed.
    fn fail(&self, error: &io::Error);
}

pub(super) struct OwnSocket<'a> {
    event_loop: &'a LoopHandle,
    socket: &'a SockRef<'a>,
}

impl<'a> OwnSocket<'a> {
    pub(super) fn new(event_loop: &'a LoopHandle, socket: &'a SockRef<'a>) -> Self {
        Self { event_loop, socket }
    }
}

impl Way for OwnSocket<'_> {
    fn attempt<T>(&self, attempt: impl FnOnce(&Socket) -> io::Result<T>) -> io::Result<T> {
        attempt(self.socket)
    }

    /// A new watch tells at once of room that is there already.
    async fn room(&self) -> io::Result<()> {
        let ready = FdReadiness::new(self.event_loop, &**self.socket, Interest::Writable)?;
        poll_fn(|cx| ready.poll(cx)).await;
        Ok(())
    }

    fn fail(&self, _: &io::Error) {}
}

impl Way for Lent {
    fn attempt<T>(&self, attempt: impl FnOnce(&Socket) -> io::Result<T>) -> io::Result<T> {
        self.attempt(attempt)
    }

    async fn room(&self) -> io::Result<()> {
        self.room().await
    }

    fn fail(&self, error: &io::Error) {
        self.fail(error);
    }
}
