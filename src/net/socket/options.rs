//! Socket options: requested, refused by the kernel, in force.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::net::Failure;
use crate::net::error::BindFailure;
use crate::sys::sockopt;

/// Options of every socket of a race, set before it connects. `None` and `false` keep the kernel's default.
///
/// An option that the kernel refuses is reported as [`OptionRefused`](crate::net::EventKind::OptionRefused), and
/// the attempt continues without it. An interface that cannot be bound ends the attempt, because a connection by
/// another interface is not the requested one.
///
/// ```
/// use loopctl::{Keepalive, SocketOptions};
/// use std::time::Duration;
///
/// let keepalive =
///     Keepalive { idle: Duration::from_secs(30), interval: Duration::from_secs(5), count: 3 };
/// let options = SocketOptions { ttl: Some(8), keepalive: Some(keepalive), ..Default::default() };
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// The network interface to use (`SO_BINDTODEVICE`).
    pub interface: Option<String>,
    /// Hop limit of packets (`IP_TTL`, `IPV6_UNICAST_HOPS`).
    pub ttl: Option<u8>,
    /// The Differentiated Services Code Point, 0 to 63 (`IP_TOS`, `IPV6_TCLASS`).
    pub dscp: Option<u8>,
    /// Packet mark for routing and firewall rules of this host (`SO_MARK`).
    pub mark: Option<u32>,
    /// TCP Fast Open (`TCP_FASTOPEN_CONNECT`).
    pub fast_open: bool,
    /// Multipath TCP (`IPPROTO_MPTCP`).
    pub multipath: bool,
    /// Sends small writes at once (`TCP_NODELAY`).
    pub nodelay: bool,
    /// Keepalive probes on idle connections (`SO_KEEPALIVE`).
    pub keepalive: Option<Keepalive>,
}

/// Times of keepalive probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// Idle time before the first probe, in whole seconds (`TCP_KEEPIDLE`).
    pub idle: Duration,
    /// Time between probes, in whole seconds (`TCP_KEEPINTVL`).
    pub interval: Duration,
    /// Unanswered probes after which the connection is closed (`TCP_KEEPCNT`).
    pub count: u32,
}

/// The Linux defaults.
impl Default for Keepalive {
    fn default() -> Self {
        Self { idle: Duration::from_secs(7200), interval: Duration::from_secs(75), count: 9 }
    }
}

/// A socket option. `Display` prints the name of the command-line flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketOption {
    /// The hop limit.
    Ttl,
    /// The Differentiated Services Code Point.
    Dscp,
    /// The routing mark.
    Mark,
    /// TCP Fast Open.
    FastOpen,
    /// Multipath TCP.
    Multipath,
    /// `TCP_NODELAY`.
    Nodelay,
    /// Keep-alive probes.
    Keepalive,
}

impl fmt::Display for SocketOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ttl => "ttl",
            Self::Dscp => "dscp",
            Self::Mark => "mark",
            Self::FastOpen => "tfo",
            Self::Multipath => "mptcp",
            Self::Nodelay => "nodelay",
            Self::Keepalive => "keepalive",
        })
    }
}

/// Options that the kernel refused, with the error of each.
pub(crate) type Refusals = Vec<(SocketOption, Failure)>;

impl SocketOptions {
    /// Sets the options on a socket that will send to `to`. Returns the options that the kernel refused: those of
    /// TCP on other sockets. `multipath` has no effect, because it is chosen when a socket is created.
    ///
    /// ```
    /// use loopctl::SocketOptions;
    ///
    /// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let options = SocketOptions { ttl: Some(8), ..Default::default() };
    /// let refused = options.set_on(&socket, socket.local_addr()?)?;
    /// assert!(refused.is_empty());
    /// assert_eq!(SocketOptions::in_force_on(&socket).ttl, Some(8));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// The system's, if the socket cannot be bound to the interface.
    pub fn set_on(
        &self,
        socket: &impl AsFd,
        to: SocketAddr,
    ) -> io::Result<Vec<(SocketOption, Failure)>> {
        let (socket, mut refused) = (SockRef::from(socket), Refusals::new());
        self.bind_interface(&socket)?;
        self.apply(&socket, to, &mut refused);
        Ok(refused)
    }

    /// Reads the options in force on a socket.
    pub fn in_force_on(socket: &impl AsFd) -> Self {
        let socket = SockRef::from(socket);
        let is_ipv6 = socket.local_addr().is_ok_and(|address| address.is_ipv6());
        Self::in_force(&socket, is_ipv6)
    }

    /// Creates a TCP socket, without multipath where the kernel does not support it.
    pub(crate) fn socket(&self, to: SocketAddr, refused: &mut Refusals) -> io::Result<Socket> {
        let (domain, kind) = (Domain::for_address(to), Type::STREAM.nonblocking());
        if self.multipath {
            match Socket::new(domain, kind, Some(Protocol::MPTCP)) {
                Ok(socket) => return Ok(socket),
                Err(error) => refused.push((SocketOption::Multipath, (&error).into())),
            }
        }
        Socket::new(domain, kind, Some(Protocol::TCP))
    }

    /// Binds the socket to the interface.
    pub(crate) fn bind_interface(&self, socket: &Socket) -> io::Result<()> {
        let Some(interface) = &self.interface else { return Ok(()) };
        let bound = socket.bind_device(Some(interface.as_bytes()));
        bound.map_err(|error| BindFailure::of_interface(interface, error).into())
    }

    /// Sets the options; those that fail are added to `refused`.
    pub(crate) fn apply(&self, socket: &Socket, to: SocketAddr, refused: &mut Refusals) {
        let mut set = |option, wanted: bool, set: &dyn Fn() -> io::Result<()>| {
            if wanted && let Err(error) = set() {
                refused.push((option, (&error).into()));
            }
        };
        let ttl = u32::from(self.ttl.unwrap_or_default());
        set(SocketOption::Ttl, self.ttl.is_some(), &|| match to {
            SocketAddr::V4(_) => socket.set_ttl_v4(ttl),
            SocketAddr::V6(_) => socket.set_unicast_hops_v6(ttl),
        });
        // The code point is the upper six bits of the traffic class.
        let tos = u32::from(self.dscp.unwrap_or_default()) << 2;
        set(SocketOption::Dscp, self.dscp.is_some(), &|| match to {
            SocketAddr::V4(_) => socket.set_tos_v4(tos),
            SocketAddr::V6(_) => socket.set_tclass_v6(tos),
        });
        set(SocketOption::Mark, self.mark.is_some(), &|| {
            socket.set_mark(self.mark.unwrap_or_default())
        });
        set(SocketOption::FastOpen, self.fast_open, &|| {
            sockopt::set_tcp(socket, libc::TCP_FASTOPEN_CONNECT, 1)
        });
        set(SocketOption::Nodelay, self.nodelay, &|| socket.set_tcp_nodelay(true));
        let keepalive = self.keepalive.unwrap_or_default();
        set(SocketOption::Keepalive, self.keepalive.is_some(), &|| keepalive.set(socket));
    }

    /// Reads the options in force.
    pub(crate) fn in_force(socket: &Socket, is_ipv6: bool) -> Self {
        let hops = if is_ipv6 { socket.unicast_hops_v6() } else { socket.ttl_v4() };
        let tos = if is_ipv6 { socket.tclass_v6() } else { socket.tos_v4() };
        let interface = socket.device().ok().flatten();
        let is_set = |option| sockopt::tcp(socket, option).is_ok_and(|value| value != 0);
        Self {
            interface: interface.map(|name| String::from_utf8_lossy(&name).into_owned()),
            ttl: hops.ok().and_then(|hops| hops.try_into().ok()),
            dscp: tos.ok().and_then(|tos| (tos >> 2).try_into().ok()),
            mark: socket.mark().ok(),
            fast_open: is_set(libc::TCP_FASTOPEN_CONNECT),
            multipath: is_set(sockopt::TCP_IS_MPTCP),
            nodelay: socket.tcp_nodelay().unwrap_or(false),
            keepalive: Keepalive::in_force(socket),
        }
    }
}

impl Keepalive {
    pub(crate) fn set(self, socket: &Socket) -> io::Result<()> {
        let Self { idle, interval, count } = self;
        let keepalive = TcpKeepalive::new().with_time(idle).with_interval(interval);
        socket.set_tcp_keepalive(&keepalive.with_retries(count))
    }

    pub(crate) fn in_force(socket: &Socket) -> Option<Self> {
        if !socket.keepalive().ok()? {
            return None;
        }
        let (idle, interval) = (socket.tcp_keepalive_time(), socket.tcp_keepalive_interval());
        Some(Self {
            idle: idle.ok()?,
            interval: interval.ok()?,
            count: socket.tcp_keepalive_retries().ok()?,
        })
    }
}
