//! What may be asked of a transport's socket: its names and its options, not its bytes.

use std::fmt;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use socket2::{SockAddr, Socket};

use super::link::Link;
use super::tcp_info::is_acknowledged;
use super::{Address, Keepalive, TcpInfo};

/// Both addresses of a connection over IP. They are known after it has ended, too, and small in the common
/// case: a server keeps a pair of them for each client.
#[derive(Clone, Default)]
pub(crate) enum Names {
    #[default]
    None,
    V4(SocketAddrV4, SocketAddrV4),
    Other(Box<(Option<SocketAddr>, Option<SocketAddr>)>),
}

impl Names {
    pub(crate) fn of(socket: &Socket) -> Self {
        Self::new(inet(socket.local_addr()), inet(socket.peer_addr()))
    }

    /// Of an accepted socket: `peer` is what `accept` said, which a peer that is gone cannot be asked any more.
    pub(crate) fn of_accepted(socket: &Socket, peer: Option<SocketAddr>) -> Self {
        Self::new(inet(socket.local_addr()), peer.or_else(|| inet(socket.peer_addr())))
    }

    /// Of a socket that has just connected to `to`. The kernel is asked only for what cannot be known: it
    /// chose our address, and it puts another in the place of an unspecified one.
    pub(crate) fn of_connection(socket: &Socket, to: &Address) -> Self {
        match to.as_inet() {
            None => Self::None,
            Some(to) if to.ip().is_unspecified() => Self::of(socket),
            peer => Self::new(inet(socket.local_addr()), peer),
        }
    }

    fn new(local: Option<SocketAddr>, peer: Option<SocketAddr>) -> Self {
        match (local, peer) {
            (Some(SocketAddr::V4(local)), Some(SocketAddr::V4(peer))) => Self::V4(local, peer),
            (None, None) => Self::None,
            names => Self::Other(Box::new(names)),
        }
    }

    pub(crate) fn local(&self) -> Option<SocketAddr> {
        match self {
            Self::None => None,
            Self::V4(local, _) => Some((*local).into()),
            Self::Other(names) => names.0,
        }
    }

    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::None => None,
            Self::V4(_, peer) => Some((*peer).into()),
            Self::Other(names) => names.1,
        }
    }
}

fn inet(address: io::Result<SockAddr>) -> Option<SocketAddr> {
    address.ok()?.as_socket()
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.local(), self.peer()) {
            (Some(local), Some(peer)) => write!(f, "{local} -> {peer}"),
            _ => f.write_str("a connection without addresses"),
        }
    }
}

/// The socket of a transport, as far as others than the transport may use it; asyncio's `TransportSocket`.
///
/// Options can be read and set. Sending, receiving, closing and blocking are not offered: they would take
/// from the transport what it has to know of. After the connection has ended, everything is an error of kind
/// `NotConnected`.
///
/// ```
/// # use loopctl::{Protocol, Transport};
/// struct Bulk;
///
/// impl Protocol for Bulk {
///     fn connection_made(&mut self, transport: &Transport) {
///         // Small pieces may wait for one another.
///         let _ = transport.socket().set_nodelay(false);
///     }
///     fn data_received(&mut self, _: &Transport, _: &[u8]) {}
/// }
/// ```
pub struct SocketView<'a>(pub(super) &'a Link);

impl SocketView<'_> {
    fn look<T>(&self, look: impl FnOnce(&Socket) -> io::Result<T>) -> io::Result<T> {
        self.0.with_wire(|wire| match wire.and_then(|wire| wire.socket()) {
            Some(socket) => look(socket),
            None => Err(io::ErrorKind::NotConnected.into()),
        })
    }

    /// The number of the descriptor, to be shown, not to be used. `None` after the end.
    pub fn number(&self) -> Option<RawFd> {
        self.look(|socket| Ok(socket.as_raw_fd())).ok()
    }

    /// Whether small writes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// The system's, as for every option: not a TCP socket; `NotConnected` after the end.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.look(Socket::tcp_nodelay)
    }

    /// Whether small writes are to be sent at once.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.look(|socket| socket.set_tcp_nodelay(nodelay))
    }

    /// Has a silent connection tested.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn set_keepalive(&self, keepalive: Keepalive) -> io::Result<()> {
        self.look(|socket| keepalive.set(socket))
    }

    /// How silent connections are tested, where they are.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn keepalive(&self) -> io::Result<Option<Keepalive>> {
        self.look(|socket| Ok(Keepalive::in_force(socket)))
    }

    /// What the end of the connection does with bytes that the kernel has not sent (`SO_LINGER`). Zero makes
    /// [`abort`](super::Transport::abort) reset the connection.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.look(|socket| socket.set_linger(linger))
    }

    /// The size of the kernel's send buffer, in bytes.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        self.look(Socket::send_buffer_size)
    }

    /// Asks for a send buffer of so many bytes; Linux gives twice as many, within its limits.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn set_send_buffer_size(&self, size: usize) -> io::Result<()> {
        self.look(|socket| socket.set_send_buffer_size(size))
    }

    /// The size of the kernel's receive buffer, in bytes.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        self.look(Socket::recv_buffer_size)
    }

    /// Asks for a receive buffer of so many bytes; Linux gives twice as many, within its limits.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn set_recv_buffer_size(&self, size: usize) -> io::Result<()> {
        self.look(|socket| socket.set_recv_buffer_size(size))
    }

    /// What the kernel knows of the connection. `None` for what is not TCP, and after the end.
    pub fn tcp_info(&self) -> Option<TcpInfo> {
        self.look(|socket| Ok(TcpInfo::of(socket))).ok().flatten()
    }

    /// Whether the peer's kernel has all that ours was given to send. `None` for what is not TCP, and after
    /// the end. A reset that must not overtake what was sent waits for this.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let lp = event_loop.lp();
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let port = listener.local_addr()?.port();
    /// event_loop.run_until_complete(async {
    ///     let (_, mut writer) = lp.open_connection("127.0.0.1", port).await?;
    ///     writer.write(b"hello");
    ///     while writer.transport().socket().is_acknowledged() == Some(false) {
    ///         lp.sleep(std::time::Duration::from_millis(1)).await;
    ///     }
    ///     Ok::<(), loopctl::ConnectError>(())
    /// })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_acknowledged(&self) -> Option<bool> {
        self.look(|socket| Ok(is_acknowledged(socket))).ok().flatten()
    }
}

impl fmt::Debug for SocketView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number() {
            Some(number) => write!(f, "<SocketView fd={number} {:?}>", self.0.names),
            None => write!(f, "<SocketView closed {:?}>", self.0.names),
        }
    }
}
