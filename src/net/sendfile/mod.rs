//! `sendfile`: files over connections, by sendfile(2) where the kernel can, else read and sent.

mod copy;
mod error;
mod kernel_tls;
mod native;
mod open;
mod request;
mod transfer;
mod write_target;

use std::io;
use std::os::fd::AsFd;

use socket2::{SockRef, Type};

use super::{Address, StreamWriter, Transport};
use crate::event_loop::LoopHandle;
use transfer::Transfer;
use write_target::CallerSocket;

pub use error::{SendfileError, SendfilePhase};
pub use kernel_tls::kernel_tls;
pub use open::open_to_send;
pub use request::{CopyReason, Sendfile, SendfileMethod, SendfilePath, Sent};

impl LoopHandle {
    /// Sends a file over a stream socket, which it makes non-blocking; asyncio's `sock_sendfile`.
    ///
    /// sendfile(2) sends as much per call as the send buffer accepts, at most 16 MiB, and other jobs run in
    /// between. Where the kernel cannot, the default executor reads the file in blocks of 256 KiB.
    ///
    /// At the end, also after an error or when the future is dropped, the file's position is behind the last
    /// byte sent, if any was. Rust programs ignore SIGPIPE; one that restores its default action is ended by it
    /// when the peer is gone, because sendfile(2) has no flag against it.
    ///
    /// For an example, see [`Sendfile`].
    ///
    /// # Errors
    /// [`SendfileError`], with the number of bytes sent: `InvalidInput` for invalid arguments; `Unsupported`
    /// where the kernel cannot and [`SendfileMethod::Native`] was requested; the system's.
    pub async fn sock_sendfile<'a>(
        &self,
        socket: &impl AsFd,
        what: impl Into<Sendfile<'a>>,
    ) -> Result<Sent, SendfileError> {
        let socket = SockRef::from(socket);
        let peer = socket.peer_addr().ok().and_then(|address| Address::named(&address));
        let mut transfer = Transfer::new(what.into(), peer);
        let target = match check(&socket) {
            Ok(()) => CallerSocket::new(self, &socket),
            Err(error) => return Err(transfer.failed(SendfilePhase::Check, error)),
        };
        transfer.run(self, &target).await
    }
}

impl Transport {
    /// Sends a file, in order with the data written before and after; asyncio's `loop.sendfile`.
    ///
    /// The kernel sends the file where it can, as described at [`LoopHandle::sock_sendfile`]. Over TLS this
    /// process reads and encrypts it, and the result says so. At most 256 KiB of the file are in memory.
    ///
    /// Reading is paused during the transfer, unless [`Sendfile::keep_reading`] is set, so the peer's end of
    /// file is not noticed. Writes and [`write_eof`](Self::write_eof) are deferred until the transfer has
    /// ended. [`close`](Self::close) and [`abort`](Self::abort) end it.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// # struct Quiet;
    /// # impl loopctl::Protocol for Quiet {
    /// #     fn data_received(&mut self, _: &loopctl::Transport, _: &[u8]) {}
    /// # }
    /// # let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
    /// let mut file = tempfile::tempfile()?;
    /// file.write_all(b"the file")?;
    /// loopctl::run(async |event_loop| {
    ///     let transport = event_loop.create_connection_on(ours).open(|| Quiet).await?.transport;
    ///     let _ = transport.write(b"before, ");
    ///     let sent = transport.sendfile(&file).await?;
    ///     assert_eq!((sent.bytes, sent.path), (8, loopctl::SendfilePath::Native));
    ///     let _ = transport.write(b", after");
    ///     transport.close();
    ///     Ok::<_, loopctl::BoxError>(())
    /// })??;
    /// let mut received = String::new();
    /// theirs.read_to_string(&mut received)?;
    /// assert_eq!(received, "before, the file, after");
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// As [`LoopHandle::sock_sendfile`]; `BrokenPipe` when the transport is closing or after
    /// [`write_eof`](Self::write_eof); `ResourceBusy` during another transfer. An error of a send ends the
    /// connection, as with [`write`](Self::write).
    pub async fn sendfile<'a>(&self, what: impl Into<Sendfile<'a>>) -> Result<Sent, SendfileError> {
        let what = what.into();
        let mut transfer = Transfer::new(what, self.peer());
        let writer = match self.0.exclusive_writer(what.keeps_reading) {
            Ok(writer) => writer,
            Err(error) => return Err(transfer.failed(SendfilePhase::Check, error)),
        };
        if writer.uses_tls() {
            return transfer.run_over_tls(&self.0.event_loop, &writer).await;
        }
        match writer.flushed().await {
            Ok(()) => transfer.run(&self.0.event_loop, &writer).await,
            Err(error) => Err(transfer.failed(SendfilePhase::Send, error)),
        }
    }
}

impl StreamWriter {
    /// Sends a file; see [`Transport::sendfile`]. The writer is borrowed until the transfer has ended.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// let mut file = tempfile::tempfile()?;
    /// file.write_all(b"a file")?;
    /// let file = std::rc::Rc::new(file);
    /// loopctl::run(async |event_loop| {
    ///     let serve = move |_, mut writer: loopctl::StreamWriter| {
    ///         let file = file.clone();
    ///         async move { drop(writer.sendfile(&*file).await) }
    ///     };
    ///     let server = event_loop.start_server("127.0.0.1", 0, serve).await?;
    ///     let port = server.local_addrs()[0].port();
    ///     let (mut reader, _writer) = event_loop.open_connection("127.0.0.1", port).await?;
    ///     assert_eq!(reader.read_exactly(6).await?, b"a file");
    ///     Ok::<_, loopctl::BoxError>(())
    /// })??;
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Transport::sendfile`].
    pub async fn sendfile<'a>(
        &mut self,
        what: impl Into<Sendfile<'a>>,
    ) -> Result<Sent, SendfileError> {
        self.transport().sendfile(what).await
    }
}

/// Checks the socket as asyncio does, and makes it non-blocking: sendfile(2) has no flag for that.
fn check(socket: &SockRef<'_>) -> io::Result<()> {
    let refuse = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    if socket.r#type()? != Type::STREAM {
        return refuse("only SOCK_STREAM type sockets are supported");
    }
    socket.set_nonblocking(true)
}
