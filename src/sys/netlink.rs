//! Options of netlink sockets that no safe crate offers.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};

/// Makes the kernel filter dumps by the header of the request (`NETLINK_GET_STRICT_CHK`, Linux 4.20).
pub(crate) fn set_strict_check(socket: &impl AsFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open while borrowed, and the kernel reads `length` bytes of `on`.
    let code = unsafe {
        let value = (&raw const on).cast();
        let socket = socket.as_fd().as_raw_fd();
        libc::setsockopt(socket, libc::SOL_NETLINK, libc::NETLINK_GET_STRICT_CHK, value, length)
    };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
