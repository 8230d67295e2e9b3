//! Error queue of a socket (ip(7), `IP_RECVERR`): ICMP errors with their senders.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};

/// One entry of the queue that an ICMP message has caused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IcmpEntry {
    pub(crate) errno: i32,
    pub(crate) is_ipv6: bool,
    pub(crate) kind: u8,
    pub(crate) code: u8,
    /// MTU of `fragmentation needed` and `packet too big`.
    pub(crate) info: u32,
    pub(crate) offender: Option<IpAddr>,
}

/// Takes the next ICMP error of the queue; `None` if it is empty.
pub(crate) fn take(socket: &impl AsFd) -> io::Result<Option<IcmpEntry>> {
    #[repr(C, align(8))]
    struct Control([u8; 512]);
    let (mut control, mut data) = (Control([0; 512]), [0_u8; 64]);
    loop {
        let mut part = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: data.len() };
        // SAFETY: `msghdr` is a C struct of integers and pointers, for which all zeros is a valid value.
        let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = control.0.len();
        let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
        // SAFETY: the descriptor is open while borrowed; the message points to buffers of the lengths that it has.
        let code = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, flags) };
        if code < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
        }
        if let Some(entry) = entry(&message) {
            return Ok(Some(entry));
        }
    }
}

fn entry(message: &libc::msghdr) -> Option<IcmpEntry> {
    // SAFETY: the kernel has filled in the control buffer of the message, as far as `msg_controllen` says.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: a non-null header of CMSG_FIRSTHDR and CMSG_NXTHDR lies in the control buffer.
        let this = unsafe { &*header };
        let is_error = matches!(
            (this.cmsg_level, this.cmsg_type),
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
        );
        let length = (this.cmsg_len).saturating_sub(size_of::<libc::cmsghdr>());
        if is_error && length >= size_of::<libc::sock_extended_err>() {
            // SAFETY: the data of the header is `length` bytes long, and a C struct of integers may be read from it.
            let (data, error) = unsafe {
                let data = libc::CMSG_DATA(header);
                (data, data.cast::<libc::sock_extended_err>().read_unaligned())
            };
            // SAFETY: the data is `length` bytes long.
            let bytes = unsafe { std::slice::from_raw_parts(data, length) };
            return icmp(&error, &bytes[size_of::<libc::sock_extended_err>()..]);
        }
        // SAFETY: the header lies in the control buffer of the message.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    None
}

fn icmp(error: &libc::sock_extended_err, offender: &[u8]) -> Option<IcmpEntry> {
    let is_ipv6 = match error.ee_origin {
        libc::SO_EE_ORIGIN_ICMP => false,
        libc::SO_EE_ORIGIN_ICMP6 => true,
        _ => return None,
    };
    Some(IcmpEntry {
        errno: error.ee_errno.cast_signed(),
        is_ipv6,
        kind: error.ee_type,
        code: error.ee_code,
        info: error.ee_info,
        offender: address(offender),
    })
}

/// Address of a `sockaddr_in` or `sockaddr_in6`.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    let family = u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?);
    match i32::from(family) {
        libc::AF_INET => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(4..8)?).ok()?).into()),
        libc::AF_INET6 => {
            Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes.get(8..24)?).ok()?).into())
        }
        _ => None,
    }
}
