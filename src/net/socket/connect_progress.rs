//! State of a TCP handshake on a non-blocking socket.

use std::io;

use rustix::event::{PollFd, PollFlags, Timespec};
use socket2::SockRef;

/// State of a non-blocking connect(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectProgress {
    Pending,
    Connected,
}

/// Asks the kernel for the state of a connect(2). The error is the socket's own (`SO_ERROR`).
pub(crate) fn connect_progress(socket: &SockRef<'_>) -> io::Result<ConnectProgress> {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut watched = [PollFd::new(&**socket, PollFlags::OUT)];
    rustix::event::poll(&mut watched, Some(&at_once))?;
    let events = watched[0].revents();
    if events.intersects(PollFlags::ERR | PollFlags::HUP)
        && let Some(error) = socket.take_error()?
    {
        return Err(error);
    }
    if events.contains(PollFlags::HUP) {
        // Writable without a connection: the error was consumed by an earlier call.
        return Err(io::ErrorKind::NotConnected.into());
    }
    Ok(if events.contains(PollFlags::OUT) {
        ConnectProgress::Connected
    } else {
        ConnectProgress::Pending
    })
}
