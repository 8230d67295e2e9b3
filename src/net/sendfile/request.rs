//! A transfer as requested, and its result.

use std::fmt;
use std::fs::File;
use std::io;
use std::num::NonZero;

/// A file to send, or a part of it, and the method.
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
#[must_use = "nothing is sent until it is passed to `sendfile`"]
pub struct Sendfile<'a> {
    pub(super) file: &'a File,
    pub(super) offset: u64,
    pub(super) count: Option<NonZero<u64>>,
    pub(super) method: SendfileMethod,
    pub(super) keeps_reading: bool,
    pub(super) progress: Option<&'a dyn Fn(Sent)>,
}

/// Method of a transfer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendfileMethod {
    /// sendfile(2), or a copy where the kernel cannot; asyncio's `fallback=True`.
    #[default]
    Auto,
    /// sendfile(2), or an error; asyncio's `fallback=False`.
    Native,
    /// Read and sent by this process, also where the kernel could send.
    Copy,
}

/// Result of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// The number of bytes that the system accepted; fewer than requested if the file ended first.
    pub bytes: u64,
    /// The path that the bytes took.
    pub path: SendfilePath,
    /// The number of system calls: sendfile(2), or reads of the file.
    pub calls: u64,
}

/// Path of the bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendfilePath {
    /// From the page cache to the socket, by sendfile(2).
    Native,
    /// Read into this process and sent.
    Copied(CopyReason),
}

/// Reason for a copy instead of sendfile(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopyReason {
    /// [`SendfileMethod::Copy`] was requested.
    Asked,
    /// This process encrypts data for TLS. See [`kernel_tls`](crate::kernel_tls) for the kernel's own TLS.
    Tls,
    /// The file is a pipe, a device or another file without pages.
    NotRegularFile,
    /// The kernel refused the file or the socket with this errno (`EINVAL` for files of `/proc`).
    Refused(i32),
}

impl<'a> Sendfile<'a> {
    /// Sends the whole file, from its start, regardless of its position.
    pub fn new(file: &'a File) -> Self {
        Self {
            file,
            offset: 0,
            count: None,
            method: SendfileMethod::Auto,
            keeps_reading: false,
            progress: None,
        }
    }

    /// Sets the offset of the first byte, from the start of the file.
    pub fn offset(self, offset: u64) -> Self {
        Self { offset, ..self }
    }

    /// Limits the number of bytes. Without a limit, everything up to the end is sent, and a growing file grows
    /// the transfer.
    pub fn count(self, count: NonZero<u64>) -> Self {
        Self { count: Some(count), ..self }
    }

    /// Sets the method.
    pub fn method(self, method: SendfileMethod) -> Self {
        Self { method, ..self }
    }

    /// Keeps delivering received data during the transfer, which asyncio does not. Otherwise a peer that sends
    /// and does not read until its data is read would wait for ever. Without effect on
    /// [`sock_sendfile`](crate::LoopHandle::sock_sendfile).
    pub fn keep_reading(self) -> Self {
        Self { keeps_reading: true, ..self }
    }

    /// Sets a callback that is called when the path is known, and after every send. It must not block.
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
        let Self { file, offset, count, method, keeps_reading: _, progress: _ } = self;
        write!(f, "<Sendfile {file:?} offset={offset} count={count:?} {method:?}>")
    }
}

impl CopyReason {
    /// The name in machine-readable output: `asked`, `tls`, `not_a_regular_file` or `refused`.
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
