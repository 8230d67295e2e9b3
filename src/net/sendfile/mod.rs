//! Files over connections: by the kernel where it can, read and sent where it cannot, and which of the two it was.

mod copy;
mod error;
mod kernel_tls;
mod native;
mod open;
mod transfer;
mod way;

use std::fmt;
use std::fs::File;
use std::io;
use std::num::NonZero;
use std::os::fd::AsFd;

use socket2::{SockRef, Type};

use super::{Address, StreamWriter, Transport};
use crate::event_loop::LoopHandle;
use crate::plan::Chunks;

pub use error::{SendfileError, SendfilePhase};
pub use kernel_tls::kernel_tls;
pub use open::open_to_send;

use transfer::Transfer;
use way::OwnSocket;

/// What to send: a file, or a part of it, and by which method.
///
/// ```
/// use loopctl::{CopyReason, Sendfile, SendfileMethod, SendfilePath};
/// use std::io::{Read, Write};
/// use std::num::NonZero;
///
/// let mut file = tempfile::tempfile()?;
/// file.write_all(b"0123456789")?;
/// let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
/// ours.set_nonblocking(true)?;
/// loopctl::run(async |event_loop| {
///     let whole = event_loop.sock_sendfile(&ours, &file).await?;
///     assert_eq!((whole.bytes, whole.path), (10, SendfilePath::Native));
///     let part = Sendfile::new(&file).offset(2).count(NonZero::new(3).unwrap());
///     let part = event_loop.sock_sendfile(&ours, part.method(SendfileMethod::Copy)).await?;
///     assert_eq!((part.bytes, part.path), (3, SendfilePath::Copied(CopyReason::Asked)));
///     Ok::<_, loopctl::SendfileError>(())
/// })??;
/// drop(ours);
/// let mut received = String::new();
/// theirs.read_to_string(&mut received)?;
/// assert_eq!(received, "0123456789234");
/// # Ok::<(), loopctl::BoxError>(())
/// ```
#[derive(Clone, Copy)]
#[must_use = "nothing is sent until it is given to `sendfile`"]
pub struct Sendfile<'a> {
    file: &'a File,
    offset: u64,
    count: Option<NonZero<u64>>,
    method: SendfileMethod,
    hears: bool,
    progress: Option<&'a dyn Fn(Sent)>,
}

/// How the bytes are to go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SendfileMethod {
    /// By the kernel, or copied where it cannot. asyncio's `fallback=True`.
    #[default]
    Auto,
    /// By the kernel, or not at all. asyncio's `fallback=False`.
    Native,
    /// Read and sent, also where the kernel could.
    Copy,
}

/// A file was sent, or the part that was asked for, or what there was of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// How many bytes the system has taken. Fewer than were asked for are all that the file had.
    pub bytes: u64,
    /// Which way they went.
    pub path: SendfilePath,
    /// How often the system was asked: calls of sendfile(2), or reads of the file.
    pub calls: u64,
}

/// Which way the bytes of a file went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendfilePath {
    /// From the kernel's memory of the file to the socket; this process never had them.
    Native,
    /// They were read and then sent.
    Copied(CopyReason),
}

/// Why the kernel did not send the file by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopyReason {
    /// [`SendfileMethod::Copy`] was asked for.
    Asked,
    /// What goes over TLS is encrypted here. [`kernel_tls`] tells whether this kernel could do it.
    Tls,
    /// It is a pipe, a device or another thing that has no pages to send.
    NotRegularFile,
    /// The kernel refused this file or this socket, with this error number (`EINVAL` for files of `/proc`).
    Refused(i32),
}

impl<'a> Sendfile<'a> {
    /// The whole file, from its start, wherever its position is.
    pub fn new(file: &'a File) -> Self {
        let (count, progress) = (None, None);
        Self { file, offset: 0, count, method: SendfileMethod::Auto, hears: false, progress }
    }

    /// From this byte on, counted from the start of the file.
    pub fn offset(self, offset: u64) -> Self {
        Self { offset, ..self }
    }

    /// At most so many bytes. Otherwise until the end, which moves where a file grows meanwhile.
    pub fn count(self, count: NonZero<u64>) -> Self {
        Self { count: Some(count), ..self }
    }

    /// By which method.
    pub fn method(self, method: SendfileMethod) -> Self {
        Self { method, ..self }
    }

    /// Goes on receiving meanwhile, which asyncio does not: a peer that talks while it is sent to, and takes
    /// nothing more until it has been heard, would wait for ever. A socket of one's own is one's own to read.
    pub fn hearing(self) -> Self {
        Self { hears: true, ..self }
    }

    /// Tells how far it is: when the way is known, and whenever some bytes have gone. It must not wait.
    pub fn progress(self, progress: &'a dyn Fn(Sent)) -> Self {
        Self { progress: Some(progress), ..self }
    }
}

impl<'a> From<&'a File> for Sendfile<'a> {
    fn from(file: &'a File) -> Self {
        Self::new(file)
    }
}

impl fmt::Debug for Sendfile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, count, method, hears: _, progress: _ } = self;
        write!(f, "<Sendfile {file:?} offset={offset} count={count:?} {method:?}>")
    }
}

impl CopyReason {
    /// One word for records: `asked`, `tls`, `not_a_regular_file` or `refused`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Tls => "tls",
            Self::NotRegularFile => "not_a_regular_file",
            Self::Refused(_) => "refused",
        }
    }
}

impl fmt::Display for CopyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("a copy was asked for"),
            Self::Tls => f.write_str("TLS encrypts in this process"),
            Self::NotRegularFile => f.write_str("not a regular file"),
            Self::Refused(code) => {
                write!(f, "the kernel refused: {}", io::Error::from_raw_os_error(*code))
            }
        }
    }
}

impl LoopHandle {
    /// Sends a file over a socket of one's own; asyncio's `sock_sendfile`.
    ///
    /// The socket must be a stream and must not block. The kernel moves the bytes if it can: as much at a time
    /// as the socket has room for, at most 16 MiB, and other jobs have their turn in between. Otherwise the
    /// file is read, 256 KiB at a time, by the default executor, and sent as the peer takes it.
    ///
    /// Afterwards, and after an error or when this is dropped half-way, the file's position is behind the last
    /// byte that went, if any did. A process that has changed how it ignores SIGPIPE is ended by that signal
    /// when the peer is gone: sendfile(2) has no way to be asked not to raise it.
    ///
    /// For an example, see [`Sendfile`].
    ///
    /// # Errors
    /// [`SendfileError`], with the bytes that went: `InvalidInput` for what cannot be meant, before anything
    /// is sent; `Unsupported` where a copy is ruled out and the kernel cannot; the system's.
    pub async fn sock_sendfile<'a>(
        &self,
        socket: &impl AsFd,
        what: impl Into<Sendfile<'a>>,
    ) -> Result<Sent, SendfileError> {
        let socket = SockRef::from(socket);
        let peer = socket.peer_addr().ok().and_then(|address| Address::named(&address));
        let mut transfer = Transfer::new(what.into(), peer);
        let way = match check(&socket) {
            Ok(()) => OwnSocket::new(self, &socket),
            Err(error) => return Err(transfer.failed(SendfilePhase::Check, error)),
        };
        transfer.run(self, &way).await
    }
}

impl Transport {
    /// Sends a file after all that was written before it, and before all that is written later; asyncio's
    /// `loop.sendfile`.
    ///
    /// The kernel moves the bytes if it can, as [`LoopHandle::sock_sendfile`] tells. Over TLS they are read and
    /// encrypted here: that is said in what is returned, and [`kernel_tls`] tells whether it has to be so.
    /// In either case no more than 256 KiB of the file is in memory.
    ///
    /// Reading is paused meanwhile, so nothing is noticed of the peer but that it takes no more
    /// ([`Sendfile::hearing`] changes that). What is written meanwhile waits, and so does [`write_eof`](Self::write_eof); a [`close`](Self::close) or
    /// [`abort`](Self::abort) breaks the transfer off. When this is over, or dropped, all is as it was.
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
    ///     transport.write(b"before, ");
    ///     let sent = transport.sendfile(&file).await?;
    ///     assert_eq!((sent.bytes, sent.path), (8, loopctl::SendfilePath::Native));
    ///     transport.write(b", after");
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
    /// As [`LoopHandle::sock_sendfile`]; `BrokenPipe` when the transport is closing or its end was sent,
    /// `ResourceBusy` while another file is being sent. A peer that goes away in the middle is the error of the
    /// send, which ends the connection as any other does; the bytes that went are told.
    pub async fn sendfile<'a>(&self, what: impl Into<Sendfile<'a>>) -> Result<Sent, SendfileError> {
        let what = what.into();
        let mut transfer = Transfer::new(what, self.peer());
        let lent = match self.0.lend(what.hears) {
            Ok(lent) => lent,
            Err(error) => return Err(transfer.failed(SendfilePhase::Check, error)),
        };
        if lent.is_secure() {
            return transfer.run_secure(&self.0.event_loop, &lent).await;
        }
        match lent.emptied().await {
            Ok(()) => transfer.run(&self.0.event_loop, &lent).await,
            Err(error) => Err(transfer.failed(SendfilePhase::Send, error)),
        }
    }
}

impl StreamWriter {
    /// As [`Transport::sendfile`]; nothing else can be written meanwhile.
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

/// What asyncio asks of a socket; of a blocking one, only in debug mode.
fn check(socket: &SockRef<'_>) -> io::Result<()> {
    let refuse = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    if socket.r#type()? != Type::STREAM {
        return refuse("only SOCK_STREAM type sockets are supported");
    }
    if !socket.nonblocking()? {
        return refuse("the socket must be non-blocking");
    }
    Ok(())
}
