//! Flags and properties of descriptors that the standard library does not offer.

use std::io;
use std::os::fd::AsFd;

/// Flag of open(2): neither the open nor what follows waits, for a writer of a FIFO above all.
pub(crate) const NONBLOCK: i32 = libc::O_NONBLOCK;

/// Whether a path leads through too many symbolic links (`ELOOP`), such as a link to itself.
pub(crate) fn is_link_loop(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ELOOP)
}

/// Whether listen(2) has been called on the socket.
pub(crate) fn is_listening(socket: impl AsFd) -> bool {
    rustix::net::sockopt::socket_acceptconn(socket).unwrap_or(false)
}
