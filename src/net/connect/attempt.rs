//! One connection attempt: one address, one socket.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::SendFlags;
use socket2::{Domain, SockRef, Socket, Type};

#[cfg(feature = "tls")]
use super::tls::Sessions;
use crate::event_loop::{Interest, LoopHandle};
use crate::net::error::BindFailure;
use crate::net::socket::options::Refusals;
use crate::net::socket::readiness::Ready;
use crate::net::socket::view::Names;
use crate::net::{Address, Phase, SocketFacts, SocketOptions, TcpInfo};
use crate::plan::Family;

/// How every socket of a race is made.
pub(crate) struct SocketSetup {
    /// Where the sockets are bound; those of another family than the remote address are passed over.
    pub(crate) local_addresses: Vec<SocketAddr>,
    pub(crate) configure: Option<Configure>,
    /// Where options were asked for, what is in force is read back.
    pub(crate) options: Option<SocketOptions>,
    /// Of the socket that wins.
    pub(crate) nodelay: bool,
    /// Where TLS is a part of every attempt.
    #[cfg(feature = "tls")]
    pub(in crate::net) sessions: Option<Box<Sessions>>,
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

/// Sets options of a socket before it is bound.
pub(crate) type Configure = Rc<dyn Fn(BorrowedFd<'_>) -> io::Result<()>>;

/// A connection under way. Fields drop in order: the watch before the socket.
pub(crate) struct Attempt {
    ready: Option<Ready>,
    socket: Socket,
    pub(crate) started: Instant,
    options: Option<SocketOptions>,
}

/// Why an attempt failed.
pub(crate) struct Fault {
    pub(crate) phase: Phase,
    pub(crate) error: io::Error,
    /// A call failed, rather than the handshake that it began.
    pub(crate) at_once: bool,
}

impl Fault {
    fn at(phase: Phase) -> impl Fn(io::Error) -> Self {
        move |error| Self { phase, error, at_once: true }
    }

    /// The connection was there, but not TLS.
    #[cfg(feature = "tls")]
    pub(in crate::net) fn of_tls(error: io::Error) -> Self {
        Self { phase: Phase::Tls, error, at_once: false }
    }

    /// The handshake was answered, with an error.
    fn answered(error: io::Error) -> Self {
        Self { phase: Phase::Connect, error, at_once: false }
    }
}

/// How far the kernel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Pending,
    Connected,
}

impl Attempt {
    /// Makes the socket, and tells which options the kernel refused; [`connect`](Self::connect) sends the
    /// first packet.
    pub(crate) fn new(
        address: &Address,
        started: Instant,
        setup: &SocketSetup,
    ) -> Result<(Self, Refusals), Fault> {
        let mut refused = Refusals::new();
        let options = setup.options.clone().filter(|_| address.as_inet().is_some());
        let socket = match (address.as_inet(), &options) {
            (Some(inet), Some(options)) => options.socket(inet, &mut refused),
            (Some(inet), None) => SocketOptions::default().socket(inet, &mut refused),
            (None, _) => Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None),
        };
        let socket = socket.map_err(Fault::at(Phase::Socket))?;
        if let Some(configure) = &setup.configure {
            configure(socket.as_fd()).map_err(Fault::at(Phase::Options))?;
        }
        if let (Some(inet), Some(options)) = (address.as_inet(), &options) {
            options.apply(&socket, inet, &mut refused);
            options.bind_interface(&socket).map_err(Fault::at(Phase::Bind))?;
        }
        if let Some(family) = address.family() {
            bind(&socket, family, &setup.local_addresses).map_err(Fault::at(Phase::Bind))?;
        }
        Ok((Self { ready: None, socket, started, options }, refused))
    }

    /// Starts the handshake and looks at once whether it is over: a watch costs more than a handshake on
    /// this host does, and a start that has to wait for its turn would time the turn.
    pub(crate) fn connect(
        &mut self,
        event_loop: &LoopHandle,
        to: &Address,
    ) -> Result<Progress, Fault> {
        let at_connect = Fault::at(Phase::Connect);
        let address = to.to_sock_addr().map_err(&at_connect)?;
        match self.socket.connect(&address) {
            Ok(()) if self.is_deferred() => self.send_syn().map_err(&at_connect)?,
            Ok(()) => return Ok(Progress::Connected),
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(at_connect(error)),
        }
        let progress = progress(&SockRef::from(&self.socket)).map_err(Fault::answered)?;
        if progress == Progress::Pending {
            let watch = Ready::new(event_loop, &self.socket, Interest::Writable);
            self.ready = Some(watch.map_err(&at_connect)?);
        }
        Ok(progress)
    }

    /// With a Fast Open cookie at hand, the kernel says connected and waits for data before it sends a SYN.
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

    /// Looks again, if the socket has given a sign; otherwise the task is woken when it does.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Result<Progress, Fault> {
        while let Some(Poll::Ready(())) = self.ready.as_ref().map(|ready| ready.poll(cx)) {
            let progress = progress(&SockRef::from(&self.socket)).map_err(Fault::answered)?;
            if progress == Progress::Connected {
                return Ok(progress);
            }
        }
        Ok(Progress::Pending)
    }

    /// Both ends of what has become a connection to `to`. A port that nobody listens on can become its own
    /// peer (simultaneous open), which helps nobody.
    pub(crate) fn names(&self, to: &Address) -> Result<Names, Fault> {
        let names = Names::of_connection(&self.socket, to);
        if names.local().is_none() || names.local() != names.peer() {
            return Ok(names);
        }
        let text =
            "connected to itself: nobody listens there, and the kernel chose that port as its own";
        Err(Fault::answered(io::Error::new(io::ErrorKind::ConnectionRefused, text)))
    }

    pub(crate) fn facts(&self) -> SocketFacts {
        SocketFacts::of(&self.socket, self.options.is_some())
    }

    pub(crate) fn into_socket(self) -> Socket {
        self.socket
    }
}

impl SocketFacts {
    pub(in crate::net) fn of(socket: &Socket, with_options: bool) -> Self {
        // Without a port the kernel has not chosen one yet.
        let local = socket.local_addr().ok().and_then(|local| local.as_socket());
        let local = local.filter(|local| local.port() != 0);
        let is_ipv6 = local.is_some_and(|local| local.is_ipv6());
        let options = with_options.then(|| SocketOptions::in_force(socket, is_ipv6));
        Self { local, tcp: TcpInfo::of(socket), options }
    }
}

/// Binds to the first local address of the family that can be had.
fn bind(socket: &Socket, family: Family, local: &[SocketAddr]) -> io::Result<()> {
    if local.is_empty() {
        return Ok(());
    }
    let mut failures = Vec::new();
    for address in local.iter().filter(|local| family.admits(Family::of(&local.ip()))) {
        if address.port() != 0 {
            // One port can serve attempts to different peers.
            socket.set_reuse_address(true)?;
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

/// Asks the kernel whether a handshake is over, and how it ended. The error is the socket's own
/// (`SO_ERROR`), so that no other socket's failure is ever told.
pub(crate) fn progress(socket: &SockRef<'_>) -> io::Result<Progress> {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut watched = [PollFd::new(&**socket, PollFlags::OUT)];
    rustix::event::poll(&mut watched, Some(&at_once))?;
    let events = watched[0].revents();
    if events.intersects(PollFlags::ERR | PollFlags::HUP)
        && let Some(error) = socket.take_error()?
    {
        return Err(error);
    }
    if events.contains(PollFlags::HUP) {
        // Writable, because there is no connection; the error has been told to someone else already.
        return Err(io::ErrorKind::NotConnected.into());
    }
    Ok(if events.contains(PollFlags::OUT) { Progress::Connected } else { Progress::Pending })
}
