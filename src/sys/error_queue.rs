//! Error queue of a socket (`IP_RECVERR` in ip(7)): ICMP messages with their senders.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd};

use super::sockopt;

/// One entry of the queue, with the fields of the kernel's `sock_extended_err`.
pub(crate) struct QueuedError {
    pub(crate) errno: i32,
    /// `SO_EE_ORIGIN_*`.
    pub(crate) origin: u8,
    pub(crate) icmp_type: u8,
    pub(crate) code: u8,
    /// Additional number, such as the MTU of the next hop.
    pub(crate) info: u32,
    /// Sender of the message.
    pub(crate) offender: Option<SocketAddr>,
}

/// Room for control messages; the kernel's are `u64` aligned.
#[repr(C, align(8))]
struct Control([u8; 256]);

/// Turns the queue on or off. Turning it off discards its entries.
pub(crate) fn set_enabled(socket: &impl AsFd, is_enabled: bool) -> io::Result<()> {
    let value = libc::c_int::from(is_enabled);
    let ipv4 = sockopt::set(socket, libc::IPPROTO_IP, libc::IP_RECVERR, value);
    // On an IPv6 socket, the option above is for IPv4-mapped addresses.
    match sockopt::set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, value) {
        Ok(()) => Ok(()),
        Err(error) => ipv4.map_err(|_| error),
    }
}

/// Takes the oldest entry. The error of the socket (`SO_ERROR`) is cleared or replaced by the next entry's.
pub(crate) fn take(socket: &impl AsFd) -> io::Result<Option<QueuedError>> {
    let (mut control, mut payload) = (Control([0; 256]), [0_u8; 1]);
    let mut part = libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: payload.len() };
    // SAFETY: `msghdr` is a C struct of integers and pointers, for which all zeros is a valid value.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    (header.msg_iov, header.msg_iovlen) = (&raw mut part, 1);
    (header.msg_control, header.msg_controllen) =
        (control.0.as_mut_ptr().cast(), control.0.len() as _);
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the descriptor is open while borrowed. The header points to `part` and `control`, which live until
    // the end of this function, with their lengths.
    let received = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut header, flags) };
    if received < 0 {
        let error = io::Error::last_os_error();
        return match error.kind() {
            io::ErrorKind::WouldBlock => Ok(None),
            _ => Err(error),
        };
    }
    Ok(first_error(&header))
}

fn first_error(header: &libc::msghdr) -> Option<QueuedError> {
    // SAFETY: the kernel has filled in the control messages that `header` points to, and their total length. The
    // macros stay within that length, and a message is read only as far as its own length.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            let kind = ((*message).cmsg_level, (*message).cmsg_type);
            let length = ((*message).cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
            let of_ip = (libc::IPPROTO_IP, libc::IP_RECVERR);
            let of_ipv6 = (libc::IPPROTO_IPV6, libc::IPV6_RECVERR);
            if kind == of_ip || kind == of_ipv6 {
                let data = std::slice::from_raw_parts(libc::CMSG_DATA(message), length);
                return decode(data);
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    None
}

/// Decodes `sock_extended_err`, which the sender's socket address follows.
fn decode(data: &[u8]) -> Option<QueuedError> {
    const FIXED: usize = size_of::<libc::sock_extended_err>();
    let number = |at: usize| Some(u32::from_ne_bytes(data.get(at..at + 4)?.try_into().ok()?));
    Some(QueuedError {
        errno: number(0)?.cast_signed(),
        origin: *data.get(4)?,
        icmp_type: *data.get(5)?,
        code: *data.get(6)?,
        info: number(8)?,
        offender: data.get(FIXED..).and_then(socket_address),
    })
}

fn socket_address(data: &[u8]) -> Option<SocketAddr> {
    let family = u16::from_ne_bytes(data.get(..2)?.try_into().ok()?);
    match i32::from(family) {
        libc::AF_INET => {
            let ip: [u8; 4] = data.get(4..8)?.try_into().ok()?;
            Some((Ipv4Addr::from(ip), 0).into())
        }
        libc::AF_INET6 => {
            let ip: [u8; 16] = data.get(8..24)?.try_into().ok()?;
            let scope = u32::from_ne_bytes(data.get(24..28)?.try_into().ok()?);
            Some(SocketAddrV6::new(Ipv6Addr::from(ip), 0, 0, scope).into())
        }
        _ => None,
    }
}
