//! `TCP_INFO`: kernel statistics of a connection, available before it is established.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd};

/// Reads the kernel's record of a TCP socket.
pub(crate) fn tcp_info(socket: &impl AsFd) -> io::Result<libc::tcp_info> {
    // SAFETY: `tcp_info` is a C struct of integers, for which all zeros is a valid value. Zeroed first,
    // because an older kernel fills in less than we have room for.
    let mut info: libc::tcp_info = unsafe { MaybeUninit::zeroed().assume_init() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the descriptor is open while borrowed, and the kernel writes at most `length` bytes into
    // `info`, which is that large.
    let code = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &mut length,
        )
    };
    if code == 0 { Ok(info) } else { Err(io::Error::last_os_error()) }
}

/// Whether the SYN of a socket has no answer yet.
pub(crate) fn is_syn_sent(socket: &impl AsFd) -> bool {
    const SYN_SENT: u8 = 2;
    tcp_info(socket).is_ok_and(|info| info.tcpi_state == SYN_SENT)
}
