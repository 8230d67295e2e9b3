//! Numeric socket options that no safe crate offers.

use std::io;
use std::mem::{size_of, size_of_val};
use std::os::fd::{AsFd, AsRawFd};

/// Linux's option that reports whether a connection uses Multipath TCP; the libc crate lacks it.
pub(crate) const TCP_IS_MPTCP: libc::c_int = 43;

/// Sets an option of a TCP socket.
pub(crate) fn set_tcp(
    socket: &impl AsFd,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    set(socket, libc::IPPROTO_TCP, option, value)
}

/// Lets the kernel choose the local port at connect(2) instead of bind(2) (`IP_BIND_ADDRESS_NO_PORT`, ip(7)), so
/// that connections to different peers can share it. The option is that of IPv4 for IPv6 sockets, too.
pub(crate) fn set_bind_address_no_port(socket: &impl AsFd) -> io::Result<()> {
    set(socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)
}

/// Sets an option of one number.
pub(crate) fn set(
    socket: &impl AsFd,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open while borrowed, and the kernel reads `length` bytes of `value`.
    let code = unsafe {
        let value = (&raw const value).cast();
        libc::setsockopt(socket.as_fd().as_raw_fd(), level, option, value, length)
    };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads an option of a TCP socket.
pub(crate) fn tcp(socket: &impl AsFd, option: libc::c_int) -> io::Result<libc::c_int> {
    get::<1>(socket, libc::IPPROTO_TCP, option).map(|[value]| value)
}

/// Kernel memory of unsent and unacknowledged data of a socket, in bytes.
///
/// It is zero when the peer has acknowledged all data, or has read it in the case of a Unix socket. Unlike the
/// counters of `TCP_INFO`, it is correct for every kind of socket, and after the connection has ended.
pub(crate) fn send_memory(socket: &impl AsFd) -> io::Result<u64> {
    // Linux's `SK_MEMINFO_WMEM_ALLOC` and `SK_MEMINFO_WMEM_QUEUED`; there are nine numbers.
    const UNDER_WAY: usize = 2;
    const QUEUED: usize = 5;
    let numbers = get::<9>(socket, libc::SOL_SOCKET, libc::SO_MEMINFO)?;
    let bytes = |at: usize| u64::from(numbers[at].cast_unsigned());
    Ok(bytes(UNDER_WAY) + bytes(QUEUED))
}

/// Reads an option of `N` numbers; numbers that the kernel does not return are zero.
fn get<const N: usize>(
    socket: &impl AsFd,
    level: libc::c_int,
    option: libc::c_int,
) -> io::Result<[libc::c_int; N]> {
    let mut values = [0; N];
    let mut length = size_of_val(&values) as libc::socklen_t;
    // SAFETY: the descriptor is open while borrowed, and the kernel writes at most `length` bytes into
    // `values`, which are that large.
    let code = unsafe {
        let values = (&raw mut values).cast();
        libc::getsockopt(socket.as_fd().as_raw_fd(), level, option, values, &mut length)
    };
    if code == 0 { Ok(values) } else { Err(io::Error::last_os_error()) }
}
