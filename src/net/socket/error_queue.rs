//! ICMP errors of a socket.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use crate::net::IcmpError;
use crate::sys::{error_queue, sockopt};

/// Makes the kernel keep ICMP errors with their senders for [`icmp_errors`] (`IP_RECVERR`, `IPV6_RECVERR`). `to`: the
/// address that the socket will send to.
///
/// # Errors
/// The system's.
pub fn keep_icmp_errors(socket: &impl AsFd, to: SocketAddr) -> io::Result<()> {
    sockopt::set_receive_errors(socket, to.is_ipv6())
}

/// Takes the ICMP errors about packets of a socket from its error queue.
///
/// ```
/// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// loopctl::keep_icmp_errors(&socket, socket.local_addr()?)?;
/// assert!(loopctl::icmp_errors(&socket).is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn icmp_errors(socket: &impl AsFd) -> Vec<IcmpError> {
    std::iter::from_fn(|| error_queue::take(socket).ok().flatten()).map(Into::into).collect()
}
