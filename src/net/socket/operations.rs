//! Operations on the caller's sockets: asyncio's `sock_*`.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;

use rustix::net::{RecvFlags, SendFlags};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::connect_progress::{ConnectProgress, connect_progress};
use super::readiness::retry;
use crate::event_loop::{Interest, LoopHandle};

/// Also for a socket in blocking mode, which would stop every task of the loop.
const NO_SIGNAL_NO_WAIT: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);

/// Creates a non-blocking listening TCP socket for [`LoopHandle::sock_accept`].
///
/// `SO_REUSEADDR` is set, and an IPv6 socket accepts IPv6 connections only. `backlog` limits the connections
/// waiting to be accepted; Linux lets one more wait.
///
/// ```
/// let listener = loopctl::listen("127.0.0.1:0".parse().unwrap(), 128)?;
/// assert_ne!(listener.local_addr()?.port(), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The system's: `AddrInUse`, or `AddrNotAvailable` for an address that this host does not have.
pub fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog.try_into().unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

impl LoopHandle {
    /// Connects a socket, which it makes non-blocking; asyncio's `sock_connect`.
    ///
    /// Dropping the future does not cancel the kernel's attempt; a second call on the same socket waits for it.
    ///
    /// ```
    /// # use socket2::{Domain, Socket, Type};
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let listener = loopctl::listen("127.0.0.1:0".parse()?, 1)?;
    /// let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    /// event_loop.run_until_complete(handle.sock_connect(&socket, listener.local_addr()?))??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The system's, such as `ConnectionRefused`.
    pub async fn sock_connect(&self, socket: &impl AsFd, address: SocketAddr) -> io::Result<()> {
        SockRef::from(socket).set_nonblocking(true)?;
        let mut started = false;
        retry(self, socket, Interest::Writable, || {
            if !std::mem::replace(&mut started, true) {
                match SockRef::from(socket).connect(&address.into()) {
                    Err(error)
                        if matches!(
                            error.raw_os_error(),
                            Some(libc::EINPROGRESS | libc::EALREADY)
                        ) => {}
                    result => return result,
                }
            }
            match connect_progress(&SockRef::from(socket))? {
                ConnectProgress::Connected => Ok(()),
                ConnectProgress::Pending => Err(io::ErrorKind::WouldBlock.into()),
            }
        })
        .await
    }

    /// Accepts a connection as a non-blocking stream; asyncio's `sock_accept`. The listener becomes non-blocking.
    ///
    /// Dropping the future loses no connection, because one is accepted only while it is polled.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let listener = loopctl::listen("127.0.0.1:0".parse()?, 1)?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let (_stream, peer) = event_loop.run_until_complete(handle.sock_accept(&listener))??;
    /// assert_eq!(peer, client.local_addr()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The system's, such as `EMFILE`.
    pub async fn sock_accept(&self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        listener.set_nonblocking(true)?;
        let (stream, peer) =
            retry(self, listener, Interest::Readable, || listener.accept()).await?;
        stream.set_nonblocking(true)?;
        Ok((stream, peer))
    }

    /// Receives at least one byte and at most the length of the buffer; 0 at the end of the stream. asyncio's
    /// `sock_recv_into`. The socket may be in blocking mode: the loop does not wait for it.
    ///
    /// ```
    /// # use std::{io::Write, os::unix::net::UnixStream};
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let (ours, mut theirs) = UnixStream::pair()?;
    /// theirs.write_all(b"hello")?;
    /// let mut buffer = [0; 16];
    /// let count = event_loop.run_until_complete(handle.sock_recv(&ours, &mut buffer))??;
    /// assert_eq!(&buffer[..count], b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The system's, such as `ConnectionReset`.
    pub async fn sock_recv(&self, socket: &impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
        let receive = || Ok(rustix::net::recv(socket, &mut *buffer, RecvFlags::DONTWAIT)?.0);
        retry(self, socket, Interest::Readable, receive).await
    }

    /// Sends all of `data`; asyncio's `sock_sendall`. After an error, the number of bytes sent is unknown.
    ///
    /// ```
    /// # use std::os::unix::net::UnixStream;
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let (ours, _theirs) = UnixStream::pair()?;
    /// event_loop.run_until_complete(handle.sock_sendall(&ours, b"hello"))??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The system's, such as `BrokenPipe`.
    pub async fn sock_sendall(&self, socket: &impl AsFd, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let send = || Ok(rustix::net::send(socket, data, NO_SIGNAL_NO_WAIT)?);
            let sent = retry(self, socket, Interest::Writable, send).await?;
            data = &data[sent..];
        }
        Ok(())
    }

    /// Receives one datagram and the sender's address; asyncio's `sock_recvfrom_into`. A longer datagram is
    /// truncated.
    ///
    /// ```
    /// # use std::net::UdpSocket;
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let ours = UdpSocket::bind("127.0.0.1:0")?;
    /// let address = ours.local_addr()?;
    /// event_loop.run_until_complete(handle.sock_sendto(&ours, b"to myself", address))??;
    /// let mut buffer = [0; 64];
    /// let received = event_loop.run_until_complete(handle.sock_recvfrom(&ours, &mut buffer))??;
    /// assert_eq!(received, (9, address));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The system's, such as `ConnectionRefused` from an ICMP error.
    pub async fn sock_recvfrom(
        &self,
        socket: &impl AsFd,
        buffer: &mut [u8],
    ) -> io::Result<(usize, SocketAddr)> {
        let no_address = || io::Error::other("the datagram came without an IP address");
        retry(self, socket, Interest::Readable, || {
            let flags = RecvFlags::DONTWAIT;
            let (count, _, from) = rustix::net::recvfrom(socket, &mut *buffer, flags)?;
            let from = from.and_then(|from| from.try_into().ok());
            Ok((count, from.ok_or_else(no_address)?))
        })
        .await
    }

    /// Sends one datagram; asyncio's `sock_sendto`. It waits while the send buffer is full.
    ///
    /// ```
    /// # use std::net::UdpSocket;
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let (ours, theirs) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// let sending = handle.sock_sendto(&ours, b"hello", theirs.local_addr()?);
    /// assert_eq!(event_loop.run_until_complete(sending)??, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The system's, such as `EMSGSIZE` for a datagram that is too long.
    pub async fn sock_sendto(
        &self,
        socket: &impl AsFd,
        data: &[u8],
        to: SocketAddr,
    ) -> io::Result<usize> {
        let send = || Ok(rustix::net::sendto(socket, data, NO_SIGNAL_NO_WAIT, &to)?);
        retry(self, socket, Interest::Writable, send).await
    }
}
