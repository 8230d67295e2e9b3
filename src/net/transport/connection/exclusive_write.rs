//! Exclusive writing, past the queue, as sendfile does.
//!
//! While an [`ExclusiveWriter`] exists, data that is written to the transport is deferred: it follows what the
//! exclusive writer sends. Reading is suspended unless the writer was created with `reads`.

use std::io::{self, IoSlice};
use std::rc::Rc;

use socket2::Socket;

use super::{StreamTransport, wake};
use crate::net::error::copy_of;

/// Access to the stream of a connection. Dropping it ends the exclusive access.
pub(in crate::net) struct ExclusiveWriter(Rc<StreamTransport>);

/// State of exclusive writing: no writer, or a writer with or without reading, and with or without an event
/// that the socket is writable. One byte, because every connection has one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ExclusiveState {
    #[default]
    None,
    NotReading,
    NotReadingWritable,
    Reading,
    ReadingWritable,
}

impl ExclusiveState {
    pub(super) fn allows_reading(self) -> bool {
        !matches!(self, Self::NotReading | Self::NotReadingWritable)
    }

    pub(super) fn with_writable(self, is_writable: bool) -> Self {
        match (self, is_writable) {
            (Self::None, _) => Self::None,
            (Self::NotReading | Self::NotReadingWritable, false) => Self::NotReading,
            (Self::NotReading | Self::NotReadingWritable, true) => Self::NotReadingWritable,
            (Self::Reading | Self::ReadingWritable, false) => Self::Reading,
            (Self::Reading | Self::ReadingWritable, true) => Self::ReadingWritable,
        }
    }

    fn is_writable(self) -> bool {
        matches!(self, Self::NotReadingWritable | Self::ReadingWritable)
    }
}

impl StreamTransport {
    /// Starts exclusive writing. With `reads`, received data is delivered in the meantime.
    ///
    /// # Errors
    /// `BrokenPipe` when nothing more can be sent; `ResourceBusy` while another exclusive writer exists.
    pub(in crate::net) fn exclusive_writer(
        self: &Rc<Self>,
        reads: bool,
    ) -> io::Result<ExclusiveWriter> {
        let state = self.state();
        let refuse = |kind, text: &str| Err(io::Error::new(kind, text));
        if state.has_exclusive_writer() {
            return refuse(io::ErrorKind::ResourceBusy, "sendfile is in progress");
        }
        if !state.is_open() {
            return refuse(io::ErrorKind::BrokenPipe, "Transport is closing");
        }
        if state.writing.eof_requested {
            return refuse(io::ErrorKind::BrokenPipe, "Cannot call sendfile() after write_eof()");
        }
        let exclusive = if reads { ExclusiveState::Reading } else { ExclusiveState::NotReading };
        self.update(|state| state.exclusive = exclusive);
        Ok(ExclusiveWriter(Rc::clone(self)))
    }

    /// Wakes every waiting task in this turn.
    pub(super) fn wake_waiters(&self) {
        let mut io = self.io.borrow_mut();
        let waiters = io.cold.as_mut().map(|cold| std::mem::take(&mut cold.waiters));
        drop(io);
        wake(waiters.unwrap_or_default());
    }
}

impl ExclusiveWriter {
    /// Whether the connection uses TLS, so that the socket itself must not be written to.
    pub(in crate::net) fn uses_tls(&self) -> bool {
        self.0.io.borrow().raw.is_none()
    }

    /// Waits until the system has accepted all data that was written before.
    ///
    /// # Errors
    /// The one that ended the connection.
    pub(in crate::net) async fn flushed(&self) -> io::Result<()> {
        let is_flushed = |connection: &StreamTransport| {
            connection.io.borrow().cold.as_ref().is_none_or(|cold| cold.queued() == 0)
        };
        self.0
            .wait_until(|connection| !connection.state().is_open() || is_flushed(connection))
            .await;
        self.check()
    }

    /// Calls `operation` on the socket, and forgets that the socket was writable.
    ///
    /// # Errors
    /// That of the operation. Unless it can be repeated, the caller passes it to [`fail`](Self::fail).
    pub(in crate::net) fn try_io<T>(
        &self,
        operation: impl FnOnce(&Socket) -> io::Result<T>,
    ) -> io::Result<T> {
        self.check()?;
        self.0.update(|state| state.exclusive = state.exclusive.with_writable(false));
        self.0.with_socket(|socket| match socket {
            Some(socket) => operation(socket),
            None => Err(io::ErrorKind::NotConnected.into()),
        })
    }

    /// Waits until the socket is writable. The poller is asked again, because a short count does not prove
    /// that the send buffer is full.
    ///
    /// # Errors
    /// The one that ended the connection.
    pub(in crate::net) async fn writable(&self) -> io::Result<()> {
        if let Some(registration) = &self.0.io.borrow().registration {
            registration.rearm()?;
        }
        let is_writable = |connection: &StreamTransport| connection.state().exclusive.is_writable();
        self.0
            .wait_until(|connection| !connection.state().is_open() || is_writable(connection))
            .await;
        self.check()
    }

    /// Sends through TLS, if there is any, and queues what the stream does not accept.
    ///
    /// # Errors
    /// The one that ended the connection.
    pub(in crate::net) fn send(&self, data: &[u8]) -> io::Result<()> {
        self.check()?;
        let sent = self.0.io.borrow_mut().write(&mut [IoSlice::new(data)]);
        sent.map(|_| ()).inspect_err(|error| self.fail(error))
    }

    /// Ends the connection because a send has failed.
    pub(in crate::net) fn fail(&self, error: &io::Error) {
        if self.0.state().is_open() {
            self.0.fail_sending(copy_of(error));
        }
    }

    fn check(&self) -> io::Result<()> {
        if self.0.state().is_open() {
            return Ok(());
        }
        let closed =
            || io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was closed");
        Err(self.0.failure().unwrap_or_else(closed))
    }
}

impl Drop for ExclusiveWriter {
    fn drop(&mut self) {
        let connection = &self.0;
        connection.update(|state| state.exclusive = ExclusiveState::None);
        let mut io = connection.io.borrow_mut();
        if let Some(cold) = &mut io.cold
            && let Some(deferred) = cold.deferred.take()
        {
            cold.queue.append(*deferred);
        }
        drop(io);
        connection.send_eof_if_flushed();
        // Sent in a later turn, because a future may be dropped anywhere, inside a protocol as well.
        connection.update(|state| state.writing.is_writable = true);
        connection.enqueue();
    }
}
