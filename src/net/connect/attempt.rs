//! One connection attempt: one address, one socket.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use rustix::net::SendFlags;
use socket2::{Domain, SockRef, Socket, Type};

#[cfg(feature = "tls")]
use super::tls::PreparedSessions;
use crate::event_loop::{Interest, LoopHandle};
use crate::net::error::BindFailure;
use crate::net::socket::address_pair::AddressPair;
use crate::net::socket::connect_progress::{ConnectProgress, connect_progress};
use crate::net::socket::options::Refusals;
use crate::net::socket::readiness::FdReadiness;
use crate::net::{Address, IcmpError, Phase, SocketOptions, SocketSnapshot, TcpInfo};
use crate::plan::Family;
use crate::sys;
use crate::sys::sockopt;

/// Setup of every socket of a race.
pub(crate) struct SocketSetup {
    /// Addresses to bind to; those of another family than the remote address are skipped.
    pub(crate) local_addresses: Vec<SocketAddr>,
    pub(crate) configure: Option<Configure>,
    /// Options to set. Those in force are read back for the trace.
    pub(crate) options: Option<SocketOptions>,
    /// `TCP_NODELAY` on the socket that wins.
    pub(crate) nodelay: bool,
    /// TLS sessions, where the handshake is part of every attempt.
    #[cfg(feature = "tls")]
    pub(in crate::net) sessions: Option<Box<PreparedSessions>>,
}

impl Default for SocketSetup {
    fn default() -> Self {
        Self {
            local_addresses: Vec::new(),
            configure: None,
            options: None,
            nodelay: true,
            #[cfg(feature = "tls")]
            sessions: None,
        }
    }
}

/// Callback that sets options of a socket before it is bound.
pub(crate) type Configure = Rc<dyn Fn(BorrowedFd<'_>) -> io::Result<()>>;

/// Connection attempt in progress. Fields drop in order: the watch goes before its socket.
pub(crate) struct Attempt {
    ready: Option<FdReadiness>,
    socket: Socket,
    pub(crate) started: Instant,
    options: Option<SocketOptions>,
    /// Latest ICMP error about this attempt.
    icmp: Option<IcmpError>,
    /// The peer has reset the connection that it had accepted.
    is_reset: bool,
    /// The kernel may keep ICMP errors of the socket.
    queues_errors: bool,
}

/// Failure of an attempt.
pub(crate) struct AttemptFailure {
    pub(crate) phase: Phase,
    pub(crate) error: io::Error,
    /// A system call failed, not the TCP handshake that it started.
    pub(crate) at_once: bool,
}

impl AttemptFailure {
    fn at(phase: Phase) -> impl Fn(io::Error) -> Self {
        move |error| Self { phase, error, at_once: true }
    }

    /// The connection was established and TLS failed.
    #[cfg(feature = "tls")]
    pub(in crate::net) fn of_tls(error: io::Error) -> Self {
        Self { phase: Phase::Tls, error, at_once: false }
    }

    /// The TCP handshake ended with an error.
    fn answered(error: io::Error) -> Self {
        Self { phase: Phase::Connect, error, at_once: false }
    }
}

impl Attempt {
    /// Creates, configures and binds the socket, and returns the options that the kernel refused.
    /// [`connect`](Self::connect) sends the first packet.
    pub(crate) fn new(
        address: &Address,
        started: Instant,
        setup: &SocketSetup,
    ) -> Result<(Self, Refusals), AttemptFailure> {
        let mut refused = Refusals::new();
        let options = setup.options.clone().filter(|_| address.as_inet().is_some());
        let socket = match (address.as_inet(), &options) {
            (Some(inet), Some(options)) => options.socket(inet, &mut refused),
            (Some(inet), None) => SocketOptions::default().socket(inet, &mut refused),
            (None, _) => Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None),
        };
        let socket = socket.map_err(AttemptFailure::at(Phase::Socket))?;
        if let Some(configure) = &setup.configure {
            configure(socket.as_fd()).map_err(AttemptFailure::at(Phase::Options))?;
        }
        if let (Some(inet), Some(options)) = (address.as_inet(), &options) {
            options.apply(&socket, inet, &mut refused);
            options.bind_interface(&socket).map_err(AttemptFailure::at(Phase::Bind))?;
        }
        if let Some(family) = address.family() {
            bind(&socket, family, &setup.local_addresses)
                .map_err(AttemptFailure::at(Phase::Bind))?;
        }
        // A callback of the caller may have turned the error queue on.
        let queues_errors = setup.configure.is_some();
        let attempt = Self {
            ready: None,
            socket,
            started,
            options,
            icmp: None,
            is_reset: false,
            queues_errors,
        };
        Ok((attempt, refused))
    }

    /// Starts the TCP handshake and checks at once whether it is complete.
    ///
    /// A watch costs more than a handshake with this host, and waiting for the next turn would add the turn to the
    /// measured time.
    pub(crate) fn connect(
        &mut self,
        event_loop: &LoopHandle,
        to: &Address,
    ) -> Result<ConnectProgress, AttemptFailure> {
        let at_connect = AttemptFailure::at(Phase::Connect);
        let address = to.to_sock_addr().map_err(&at_connect)?;
        match self.socket.connect(&address) {
            Ok(()) if self.is_deferred() => self.send_syn().map_err(&at_connect)?,
            Ok(()) => return Ok(ConnectProgress::Connected),
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(at_connect(error)),
        }
        let progress = self.progress()?;
        if progress == ConnectProgress::Pending {
            let watch = FdReadiness::new(event_loop, &self.socket, Interest::Writable);
            self.ready = Some(watch.map_err(&at_connect)?);
        }
        Ok(progress)
    }

    /// Makes the kernel keep the ICMP errors of this attempt.
    pub(crate) fn watch_errors(&mut self) {
        self.queues_errors = true;
        // Without them, the errno says less.
        let _ = IcmpError::watch(&self.socket);
    }

    /// State of the TCP handshake now, whether the socket was reported ready or not.
    ///
    /// An ICMPv6 error that arrives within connect(2) ends no attempt unless the error queue is on. The attempt goes
    /// on then, so that it takes as long as in other programs.
    pub(crate) fn progress(&mut self) -> Result<ConnectProgress, AttemptFailure> {
        let error = match connect_progress(&SockRef::from(&self.socket)) {
            Ok(progress) => return Ok(progress),
            // Because a RST that answers the SYN is ECONNREFUSED, the connection was established before this one.
            Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => {
                self.is_reset = true;
                return Ok(ConnectProgress::Connected);
            }
            Err(error) => error,
        };
        while let Ok(Some(icmp)) = IcmpError::take(&self.socket) {
            self.icmp = Some(icmp);
        }
        match self.icmp {
            Some(icmp) if icmp.is_v6 && sys::tcp_info::is_syn_sent(&self.socket) => {
                Ok(ConnectProgress::Pending)
            }
            _ => Err(AttemptFailure::answered(error)),
        }
    }

    /// Whether the kernel has deferred the SYN: with a Fast Open cookie, `connect(2)` returns at once and waits for
    /// data.
    fn is_deferred(&self) -> bool {
        let fast_open = self.options.as_ref().is_some_and(|options| options.fast_open);
        fast_open && TcpInfo::of(&self.socket).is_some_and(|tcp| !tcp.established)
    }

    fn send_syn(&self) -> io::Result<()> {
        match rustix::net::send(&self.socket, &[], SendFlags::NOSIGNAL) {
            Ok(_) | Err(rustix::io::Errno::INPROGRESS) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Checks the socket if it was reported ready; otherwise wakes the task when it is.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Result<ConnectProgress, AttemptFailure> {
        while let Some(Poll::Ready(())) = self.ready.as_ref().map(|ready| ready.poll(cx)) {
            let progress = self.progress()?;
            if progress == ConnectProgress::Connected {
                return Ok(progress);
            }
        }
        Ok(ConnectProgress::Pending)
    }

    /// Both ends of the new connection. A client can connect to itself when the kernel picks the destination port as
    /// its source port (simultaneous open); that counts as refused.
    pub(crate) fn addresses(&self, to: &Address) -> Result<AddressPair, AttemptFailure> {
        let addresses = AddressPair::of_connection(&self.socket, to);
        if addresses.local().is_none() || addresses.local() != addresses.peer() {
            return Ok(addresses);
        }
        let text =
            "connected to itself: nothing listens there, and the kernel chose that port as its own";
        Err(AttemptFailure::answered(io::Error::new(io::ErrorKind::ConnectionRefused, text)))
    }

    pub(crate) fn snapshot(&self) -> SocketSnapshot {
        let (icmp, is_reset) = (self.icmp, self.is_reset);
        SocketSnapshot {
            icmp,
            is_reset,
            ..SocketSnapshot::of(&self.socket, self.options.is_some())
        }
    }

    pub(crate) fn into_socket(self) -> Socket {
        // Because the kernel ends an established connection at any ICMP error while the queue is on.
        if self.queues_errors {
            let _ = IcmpError::unwatch(&self.socket);
        }
        self.socket
    }
}

/// Binds to the first usable local address of the family.
pub(in crate::net) fn bind(
    socket: &Socket,
    family: Family,
    local: &[SocketAddr],
) -> io::Result<()> {
    if local.is_empty() {
        return Ok(());
    }
    let mut failures = Vec::new();
    for address in local.iter().filter(|local| family.admits(Family::of(&local.ip()))) {
        match address.port() {
            // A kernel before 4.2 takes a port for this peer alone.
            0 => drop(sockopt::set_bind_address_no_port(socket)),
            // One port can serve attempts to different peers.
            _ => socket.set_reuse_address(true)?,
        }
        match socket.bind(&(*address).into()) {
            Ok(()) => return Ok(()),
            Err(error) => failures.push(BindFailure::of_address(*address, error)),
        }
    }
    Err(BindFailure::first_of(failures).map_or_else(|| no_local_address(family), io::Error::from))
}

fn no_local_address(family: Family) -> io::Error {
    let name = if family == Family::Inet6 { "IPv6" } else { "IPv4" };
    let text = format!("no matching local address with family={name} found");
    io::Error::new(io::ErrorKind::AddrNotAvailable, text)
}
