//! Requests to the kernel's rtnetlink(7).

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{self, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::sys;

/// Sends one request and returns every answer to it.
///
/// # Errors
/// The kernel's answer, such as `EACCES` for a `prohibit` route, and those of the socket.
pub(super) fn ask(
    request: RouteNetlinkMessage,
    kind: Request,
) -> io::Result<Vec<RouteNetlinkMessage>> {
    let socket = open()?;
    let mut header = NetlinkHeader::default();
    header.flags = match kind {
        Request::One => NLM_F_REQUEST,
        Request::Dump => NLM_F_REQUEST | NLM_F_DUMP,
    };
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    net::send(&socket, &bytes, SendFlags::empty())?;
    answers(&socket, kind)
}

/// Number of answers to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    One,
    Dump,
}

/// The family as rtnetlink numbers it.
pub(super) fn family(ip: IpAddr) -> AddressFamily {
    if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn open() -> io::Result<OwnedFd> {
    /// The kernel answers at once; a limit protects the event loop from one that does not.
    const LIMIT: Duration = Duration::from_millis(500);
    let family = net::AddressFamily::NETLINK;
    // No protocol is protocol 0: NETLINK_ROUTE.
    let socket = net::socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(LIMIT))?;
    // An older kernel does not filter; whoever asked does.
    let _ = sys::netlink::set_strict_check(&socket);
    Ok(socket)
}

fn answers(socket: &OwnedFd, kind: Request) -> io::Result<Vec<RouteNetlinkMessage>> {
    /// Larger than any message that the kernel builds for a dump.
    const LARGEST: usize = 64 * 1024;
    let (mut found, mut buffer) = (Vec::new(), vec![0; LARGEST]);
    loop {
        let (received, _) = net::recv(socket, &mut buffer[..], RecvFlags::empty())?;
        let mut rest = &buffer[..received];
        while !rest.is_empty() {
            let length = NetlinkBuffer::new_checked(rest).map_err(malformed)?.length() as usize;
            let (this, after) = rest.split_at(length.clamp(1, rest.len()));
            // The length is that of the message alone; the next one begins at a multiple of four.
            rest = after.get(length.next_multiple_of(4) - length..).unwrap_or_default();
            match NetlinkMessage::deserialize(this).map_err(malformed)?.payload {
                NetlinkPayload::Done(_) => return Ok(found),
                NetlinkPayload::Error(error) => match error.code {
                    Some(_) => return Err(error.to_io()),
                    None => return Ok(found),
                },
                NetlinkPayload::InnerMessage(message) => found.push(message),
                _ => {}
            }
        }
        if kind == Request::One {
            return Ok(found);
        }
    }
}

fn malformed(error: netlink_packet_core::DecodeError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}
