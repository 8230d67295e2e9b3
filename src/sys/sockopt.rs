//! Socket options that no safe crate offers: those whose value is a number.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};

/// Linux's number for the question whether a connection really is multipath; the libc crate lacks it.
pub(crate) const TCP_IS_MPTCP: libc::c_int = 43;

/// Sets an option of a TCP socket.
pub(crate) fn set_tcp(
    socket: &impl AsFd,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open while borrowed, and the kernel reads `length` bytes of `value`.
    let code = unsafe {
        let value = (&raw const value).cast();
        libc::setsockopt(socket.as_fd().as_raw_fd(), libc::IPPROTO_TCP, option, value, length)
    };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads an option of a TCP socket.
pub(crate) fn tcp(socket: &impl AsFd, option: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open while borrowed, and the kernel writes at most `length` bytes into
    // `value`, which is that large.
    let code = unsafe {
        let value = (&raw mut value).cast();
        libc::getsockopt(socket.as_fd().as_raw_fd(), libc::IPPROTO_TCP, option, value, &mut length)
    };
    if code == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}
