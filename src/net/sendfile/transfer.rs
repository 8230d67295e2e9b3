//! One file on its way: how far it is, and what is made of errors.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt;

use super::error::{SendfileError, SendfilePhase, phase_of};
use super::way::Way;
use super::{Chunks, CopyReason, Sendfile, SendfileMethod, SendfilePath, Sent};
use crate::event_loop::LoopHandle;
use crate::net::Address;
use crate::net::transport::connection::Lent;

/// The state of a transfer. However it ends, the file's position is behind what went.
pub(super) struct Transfer<'a> {
    what: Sendfile<'a>,
    pub(super) chunks: Chunks,
    pub(super) calls: u64,
    path: SendfilePath,
    peer: Option<Address>,
}

/// What kind of thing is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has pages that the kernel can send.
    Regular,
    /// It can be read at an offset.
    Seekable,
    /// It can only be read on: a pipe, a terminal.
    Stream,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(what: Sendfile<'a>, peer: Option<Address>) -> Self {
        let chunks = Chunks::new(what.offset, what.count);
        Self { what, chunks, calls: 0, path: SendfilePath::Native, peer }
    }

    /// Over a socket that nobody else writes to.
    pub(super) async fn run(
        &mut self,
        event_loop: &LoopHandle,
        way: &impl Way,
    ) -> Result<Sent, SendfileError> {
        let kind = self.kind().map_err(|error| self.failed(SendfilePhase::Check, error))?;
        let reason = match (self.what.method, kind) {
            (SendfileMethod::Copy, _) => CopyReason::Asked,
            (_, Kind::Regular) => match self.send(way).await {
                Ok(()) => return Ok(self.sent()),
                Err(error) => match self.refusal(&error) {
                    Some(refusal) => refusal,
                    None => return Err(self.failed(phase_of(&error), error)),
                },
            },
            _ => CopyReason::NotRegularFile,
        };
        self.allow_copy(reason)?;
        self.copy(event_loop, way, kind).await?;
        Ok(self.sent())
    }

    /// Through TLS.
    pub(super) async fn run_secure(
        &mut self,
        event_loop: &LoopHandle,
        lent: &Lent,
    ) -> Result<Sent, SendfileError> {
        let kind = self.kind().map_err(|error| self.failed(SendfilePhase::Check, error))?;
        let reason = match self.what.method {
            SendfileMethod::Copy => CopyReason::Asked,
            SendfileMethod::Auto | SendfileMethod::Native => CopyReason::Tls,
        };
        self.allow_copy(reason)?;
        self.copy_secure(event_loop, lent, kind).await?;
        Ok(self.sent())
    }

    fn kind(&self) -> io::Result<Kind> {
        let invalid = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if !Chunks::is_valid_offset(self.what.offset) {
            return invalid("the offset is beyond what a file can have");
        }
        let file_type = self.file().metadata()?.file_type();
        if file_type.is_file() {
            return Ok(Kind::Regular);
        }
        if file_type.is_dir() {
            return Err(io::Error::from_raw_os_error(libc::EISDIR));
        }
        if !file_type.is_fifo() && self.file().stream_position().is_ok() {
            return Ok(Kind::Seekable);
        }
        if self.what.offset > 0 {
            return invalid("there is no offset in what can only be read on");
        }
        Ok(Kind::Stream)
    }

    /// A first call that the kernel refuses for what it was given, not for what has become of the connection.
    pub(super) fn refusal(&self, error: &io::Error) -> Option<CopyReason> {
        const REFUSALS: [i32; 5] =
            [libc::EINVAL, libc::ENOSYS, libc::ENOTSOCK, libc::EOPNOTSUPP, libc::ESPIPE];
        let code = error.raw_os_error().filter(|code| REFUSALS.contains(code))?;
        (self.calls == 1).then_some(CopyReason::Refused(code))
    }

    fn allow_copy(&mut self, reason: CopyReason) -> Result<(), SendfileError> {
        if self.what.method != SendfileMethod::Native {
            (self.path, self.calls) = (SendfilePath::Copied(reason), 0);
            self.tell();
            return Ok(());
        }
        let error = match reason {
            CopyReason::Tls => io::Error::new(
                io::ErrorKind::Unsupported,
                "fallback is disabled and native sendfile is not supported for transport: TLS encrypts in this process",
            ),
            CopyReason::Refused(code) => {
                io::Error::new(io::ErrorKind::Unsupported, io::Error::from_raw_os_error(code))
            }
            CopyReason::NotRegularFile | CopyReason::Asked => {
                io::Error::new(io::ErrorKind::Unsupported, reason.to_string())
            }
        };
        Err(self.failed(SendfilePhase::Check, error))
    }

    pub(super) fn file(&self) -> &'a File {
        self.what.file
    }

    /// Counts bytes that the system has taken.
    pub(super) fn went(&mut self, bytes: usize) {
        self.chunks.advance(bytes);
        if bytes > 0 {
            self.tell();
        }
    }

    /// How far it is, for those who watch.
    pub(super) fn tell(&self) {
        if let Some(progress) = self.what.progress {
            progress(self.so_far());
        }
    }

    fn so_far(&self) -> Sent {
        Sent { bytes: self.chunks.sent(), path: self.path, calls: self.calls }
    }

    fn sent(&self) -> Sent {
        let sent = self.so_far();
        // The last call may have found nothing but the end.
        self.tell();
        log::debug!("{:?}: {sent:?}", self.what);
        sent
    }

    pub(super) fn failed(&self, phase: SendfilePhase, error: io::Error) -> SendfileError {
        let error = match error.raw_os_error() {
            // asyncio's words.
            Some(libc::ENOTCONN) => {
                io::Error::new(io::ErrorKind::NotConnected, "socket is not connected")
            }
            _ => error,
        };
        SendfileError { bytes: self.chunks.sent(), phase, peer: self.peer.clone(), error }
    }
}

impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        if self.chunks.sent() > 0 {
            // What cannot seek has no position.
            let mut file = self.what.file;
            let _ = file.seek(SeekFrom::Start(self.chunks.offset()));
        }
    }
}
