//! Targets of a transfer: the caller's socket, or that of a transport.

use std::future::poll_fn;
use std::io;

use socket2::{SockRef, Socket};

use crate::event_loop::{Interest, LoopHandle};
use crate::net::socket::readiness::FdReadiness;
use crate::net::transport::connection::ExclusiveWriter;

/// A non-blocking socket with a wait for room in its send buffer.
pub(super) trait WriteTarget {
    /// Calls a non-blocking operation on the socket.
    fn try_io<T>(&self, operation: impl FnOnce(&Socket) -> io::Result<T>) -> io::Result<T>;

    /// Waits until the socket is writable.
    async fn writable(&self) -> io::Result<()>;

    /// Handles the error of a send.
    fn fail(&self, error: &io::Error);
}

pub(super) struct CallerSocket<'a> {
    event_loop: &'a LoopHandle,
    socket: &'a SockRef<'a>,
}

impl<'a> CallerSocket<'a> {
    pub(super) fn new(event_loop: &'a LoopHandle, socket: &'a SockRef<'a>) -> Self {
        Self { event_loop, socket }
    }
}

impl WriteTarget for CallerSocket<'_> {
    fn try_io<T>(&self, operation: impl FnOnce(&Socket) -> io::Result<T>) -> io::Result<T> {
        operation(self.socket)
    }

    /// A new registration reports at once if the socket is writable already.
    async fn writable(&self) -> io::Result<()> {
        let ready = FdReadiness::new(self.event_loop, &**self.socket, Interest::Writable)?;
        poll_fn(|cx| ready.poll(cx)).await;
        Ok(())
    }

    fn fail(&self, _: &io::Error) {}
}

impl WriteTarget for ExclusiveWriter {
    fn try_io<T>(&self, operation: impl FnOnce(&Socket) -> io::Result<T>) -> io::Result<T> {
        self.try_io(operation)
    }

    async fn writable(&self) -> io::Result<()> {
        self.writable().await
    }

    fn fail(&self, error: &io::Error) {
        self.fail(error);
    }
}
