//! Sockets that another program has handed over (`LISTEN_FDS`, sd_listen_fds(3)).

use std::fs;
use std::os::fd::OwnedFd;

use listenfd::ListenFd;
use loopctl::plan::SocketKind;

use super::refusal::{Refusal, unbound};
use crate::util::descriptor::is_listening;

/// Name of these sockets in messages.
const ALL: &str = "LISTEN_FDS";

/// The first descriptor (`SD_LISTEN_FDS_START`).
const FIRST: usize = 3;

/// A socket of another program, bound, and for connections also listening.
pub(super) struct InheritedSocket {
    pub(super) socket: OwnedFd,
    pub(super) kind: SocketKind,
    pub(super) is_unix: bool,
    /// Number of the descriptor.
    pub(super) number: usize,
}

impl InheritedSocket {
    /// Name of the socket in messages.
    pub(super) fn name(&self) -> String {
        name(self.number)
    }
}

/// Takes the sockets, and keeps them from programs that are run. Called before anything else is opened, because a
/// descriptor that is closed would have its number taken.
///
/// # Errors
/// A number that is none, and a descriptor that cannot be served. One of several is enough.
pub(super) fn take() -> Result<Vec<InheritedSocket>, Refusal> {
    let Some(count) = std::env::var_os("LISTEN_FDS").filter(|_| is_for_us()) else {
        return Ok(Vec::new());
    };
    let count = count.to_str().and_then(|count| count.parse::<usize>().ok()).ok_or_else(|| {
        unbound(ALL, &format!("`{}` is not a number of descriptors", count.display()))
    })?;
    let numbers = FIRST..FIRST.saturating_add(count);
    if let Some(closed) = numbers.clone().find(|number| !is_open(*number)) {
        return Err(unbound(&name(closed), "the descriptor is closed"));
    }
    let mut fds = ListenFd::from_env();
    // All of them, so that none stays open in a program that is run.
    let sockets: Vec<_> = numbers.map(|number| take_one(&mut fds, number)).collect();
    sockets.into_iter().collect()
}

fn take_one(fds: &mut ListenFd, number: usize) -> Result<InheritedSocket, Refusal> {
    let index = number - FIRST;
    let (socket, kind, is_unix) = if let Ok(Some(socket)) = fds.take_tcp_listener(index) {
        (OwnedFd::from(socket), SocketKind::Stream, false)
    } else if let Ok(Some(socket)) = fds.take_unix_listener(index) {
        (OwnedFd::from(socket), SocketKind::Stream, true)
    } else if let Ok(Some(socket)) = fds.take_udp_socket(index) {
        (OwnedFd::from(socket), SocketKind::Datagram, false)
    } else if let Ok(Some(socket)) = fds.take_unix_datagram(index) {
        (OwnedFd::from(socket), SocketKind::Datagram, true)
    } else {
        let text = "the descriptor is not a TCP, UDP or Unix socket";
        return Err(unbound(&name(number), text));
    };
    if kind == SocketKind::Stream && !is_listening(&socket) {
        return Err(unbound(&name(number), "the socket is not listening"));
    }
    Ok(InheritedSocket { socket, kind, is_unix, number })
}

/// Whether the variables are about this process, and not about the one that started it.
fn is_for_us() -> bool {
    let pid = std::env::var_os("LISTEN_PID").filter(|pid| !pid.is_empty());
    pid.is_none_or(|pid| pid.to_str().and_then(|pid| pid.parse().ok()) == Some(std::process::id()))
}

fn is_open(number: usize) -> bool {
    fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok()
}

fn name(number: usize) -> String {
    format!("descriptor {number} of {ALL}")
}
