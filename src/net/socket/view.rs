//! The socket of a transport, for its options and figures.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::Socket;

use super::tcp_info::acknowledged_bytes;
use crate::net::transport::connection::StreamTransport;
use crate::net::{Keepalive, TcpInfo};
use crate::sys::sockopt;

/// View of a transport's socket, to read and set options; asyncio's `TransportSocket`.
///
/// It cannot send, receive, close or change the blocking mode, because the transport relies on these. After the
/// end of the connection, every method fails with `NotConnected`.
///
/// ```
/// # use loopctl::{Protocol, Transport};
/// struct Bulk;
///
/// impl Protocol for Bulk {
///     fn connection_made(&mut self, transport: &Transport) {
///         // Small writes may be combined (Nagle's algorithm).
///         let _ = transport.socket().set_nodelay(false);
///     }
///     fn data_received(&mut self, _: &Transport, _: &[u8]) {}
/// }
/// ```
pub struct SocketView<'a>(pub(in crate::net) &'a StreamTransport);

impl SocketView<'_> {
    fn look<T>(&self, look: impl FnOnce(&Socket) -> io::Result<T>) -> io::Result<T> {
        self.0.with_socket(|socket| match socket {
            Some(socket) => look(socket),
            None => Err(io::ErrorKind::NotConnected.into()),
        })
    }

    /// The number of the descriptor, for display only; `None` after the end.
    pub fn number(&self) -> Option<RawFd> {
        self.look(|socket| Ok(socket.as_raw_fd())).ok()
    }

    /// The value of `TCP_NODELAY`: true if small writes are sent at once.
    ///
    /// # Errors
    /// The system's, as for every option, for example on a Unix socket; `NotConnected` after the end.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.look(Socket::tcp_nodelay)
    }

    /// Sets `TCP_NODELAY`.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.look(|socket| socket.set_tcp_nodelay(nodelay))
    }

    /// Enables keepalive probes (`SO_KEEPALIVE`) with the given times.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn set_keepalive(&self, keepalive: Keepalive) -> io::Result<()> {
        self.look(|socket| keepalive.set(socket))
    }

    /// The times of keepalive probes; `None` if they are disabled.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn keepalive(&self) -> io::Result<Option<Keepalive>> {
        self.look(|socket| Ok(Keepalive::in_force(socket)))
    }

    /// Sets the handling of unsent bytes in the kernel at the end (`SO_LINGER`). With zero,
    /// [`abort`](crate::net::Transport::abort) resets the connection.
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

    /// Sets the size of the send buffer in bytes; Linux doubles it, within its limits.
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

    /// Sets the size of the receive buffer in bytes; Linux doubles it, within its limits.
    ///
    /// # Errors
    /// As [`nodelay`](Self::nodelay).
    pub fn set_recv_buffer_size(&self, size: usize) -> io::Result<()> {
        self.look(|socket| socket.set_recv_buffer_size(size))
    }

    /// The kernel's figures of the TCP connection; `None` for other sockets, and after the end.
    pub fn tcp_info(&self) -> Option<TcpInfo> {
        self.look(|socket| Ok(TcpInfo::of(socket))).ok().flatten()
    }

    /// True if the peer has acknowledged all sent data, or read it on a Unix socket; `None` after the end. Wait for
    /// it before a reset that must not discard sent data.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let port = listener.local_addr()?.port();
    /// event_loop.run_until_complete(async {
    ///     let (_, mut writer) = handle.open_connection("127.0.0.1", port).await?;
    ///     let _ = writer.write(b"hello");
    ///     while writer.transport().socket().is_acknowledged() == Some(false) {
    ///         handle.sleep(std::time::Duration::from_millis(1)).await;
    ///     }
    ///     Ok::<(), loopctl::ConnectError>(())
    /// })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_acknowledged(&self) -> Option<bool> {
        self.send_memory().map(|bytes| bytes == 0)
    }

    /// The memory of unacknowledged data in the kernel, in bytes, including the kernel's overhead; `None` after
    /// the end. It shows whether data still moves.
    ///
    /// ```
    /// # struct Quiet;
    /// # impl loopctl::Protocol for Quiet {
    /// #     fn data_received(&mut self, _: &loopctl::Transport, _: &[u8]) {}
    /// # }
    /// let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
    /// loopctl::run(async |event_loop| {
    ///     let transport = event_loop.create_connection_on(ours).open(|| Quiet).await?.transport;
    ///     let _ = transport.write(b"hello");
    ///     assert!(transport.socket().send_memory() >= Some(5));
    ///     std::io::Read::read_exact(&mut theirs, &mut [0; 5])?;
    ///     assert_eq!(transport.socket().send_memory(), Some(0));
    ///     Ok::<_, loopctl::BoxError>(())
    /// })??;
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    pub fn send_memory(&self) -> Option<u64> {
        self.look(sockopt::send_memory).ok()
    }

    /// Another descriptor of the socket, by which its figures can be read after the end of the connection; asyncio's
    /// `dup`. While it is open, the connection is closed by neither side's transport.
    ///
    /// # Errors
    /// The system's; `NotConnected` after the end.
    pub fn dup(&self) -> io::Result<OwnedFd> {
        self.look(|socket| Ok(socket.try_clone()?.into()))
    }

    /// Whether both directions are over (`POLLHUP`): each side has ended its own, the peer has closed a Unix
    /// socket, or the connection is broken. True after the end.
    ///
    /// A peer that closed a TCP connection, and has nothing more to send, looks like one that only ended its
    /// direction. Its kernel says otherwise when a keepalive probe comes.
    ///
    /// ```
    /// # struct Quiet;
    /// # impl loopctl::Protocol for Quiet {
    /// #     fn data_received(&mut self, _: &loopctl::Transport, _: &[u8]) {}
    /// # }
    /// let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    /// loopctl::run(async |event_loop| {
    ///     let transport = event_loop.create_connection_on(ours).open(|| Quiet).await?.transport;
    ///     assert!(!transport.socket().is_hung_up());
    ///     drop(theirs);
    ///     assert!(transport.socket().is_hung_up());
    ///     Ok::<_, loopctl::BoxError>(())
    /// })??;
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    pub fn is_hung_up(&self) -> bool {
        let hung_up = self.look(|socket| {
            let mut polled = [PollFd::new(socket, PollFlags::empty())];
            poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
            Ok(polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR))
        });
        hung_up.unwrap_or(true)
    }

    /// The number of bytes that the peer has acknowledged; `None` for sockets other than TCP, and after the
    /// end.
    pub fn acknowledged(&self) -> Option<u64> {
        self.look(|socket| Ok(acknowledged_bytes(socket))).ok().flatten()
    }
}

impl fmt::Debug for SocketView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number() {
            Some(number) => write!(f, "<SocketView fd={number} {:?}>", self.0.addresses),
            None => write!(f, "<SocketView closed {:?}>", self.0.addresses),
        }
    }
}
