//! State of one transfer, and the choice between sendfile(2) and copying.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt;

use super::error::{SendfileError, SendfilePhase, phase_of};
use super::request::{CopyReason, Sendfile, SendfileMethod, SendfilePath, Sent};
use super::write_target::WriteTarget;
use crate::event_loop::LoopHandle;
use crate::net::Address;
use crate::net::transport::connection::ExclusiveWriter;
use crate::plan::Chunks;

/// A transfer. Dropping it sets the file's position behind the last byte sent.
pub(super) struct Transfer<'a> {
    request: Sendfile<'a>,
    pub(super) chunks: Chunks,
    pub(super) calls: u64,
    path: SendfilePath,
    peer: Option<Address>,
}

/// Kind of a file, as far as sending is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A regular file, with pages that the kernel can send.
    Regular,
    /// A device that can be read at an offset.
    Seekable,
    /// A file that can only be read sequentially: a pipe, a terminal.
    Stream,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(request: Sendfile<'a>, peer: Option<Address>) -> Self {
        let chunks = Chunks::new(request.offset, request.count);
        Self { request, chunks, calls: 0, path: SendfilePath::Native, peer }
    }

    /// Sends over a socket without other writers.
    pub(super) async fn run(
        &mut self,
        event_loop: &LoopHandle,
        target: &impl WriteTarget,
    ) -> Result<Sent, SendfileError> {
        let kind = self.kind().map_err(|error| self.failed(SendfilePhase::Check, error))?;
        let reason = match (self.request.method, kind) {
            (SendfileMethod::Copy, _) => CopyReason::Asked,
            (_, Kind::Regular) => match self.send(target).await {
                Ok(()) => return Ok(self.sent()),
                Err(error) => match self.refusal(&error) {
                    Some(refusal) => refusal,
                    None => return Err(self.failed(phase_of(&error), error)),
                },
            },
            _ => CopyReason::NotRegularFile,
        };
        self.allow_copy(reason)?;
        self.copy(event_loop, target, kind).await?;
        Ok(self.sent())
    }

    /// Sends through TLS.
    pub(super) async fn run_over_tls(
        &mut self,
        event_loop: &LoopHandle,
        writer: &ExclusiveWriter,
    ) -> Result<Sent, SendfileError> {
        let kind = self.kind().map_err(|error| self.failed(SendfilePhase::Check, error))?;
        let reason = match self.request.method {
            SendfileMethod::Copy => CopyReason::Asked,
            SendfileMethod::Auto | SendfileMethod::Native => CopyReason::Tls,
        };
        self.allow_copy(reason)?;
        self.copy_over_tls(event_loop, writer, kind).await?;
        Ok(self.sent())
    }

    fn kind(&self) -> io::Result<Kind> {
        let invalid = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if !Chunks::is_valid_offset(self.request.offset) {
            return invalid("the offset exceeds the largest file offset");
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
        if self.request.offset > 0 {
            return invalid("an offset needs a seekable file");
        }
        Ok(Kind::Stream)
    }

    /// The reason for a copy if the first call failed because the kernel does not support the file or the socket.
    pub(super) fn refusal(&self, error: &io::Error) -> Option<CopyReason> {
        const REFUSALS: [i32; 5] =
            [libc::EINVAL, libc::ENOSYS, libc::ENOTSOCK, libc::EOPNOTSUPP, libc::ESPIPE];
        let code = error.raw_os_error().filter(|code| REFUSALS.contains(code))?;
        (self.calls == 1).then_some(CopyReason::Refused(code))
    }

    fn allow_copy(&mut self, reason: CopyReason) -> Result<(), SendfileError> {
        if self.request.method != SendfileMethod::Native {
            (self.path, self.calls) = (SendfilePath::Copied(reason), 0);
            self.report_progress();
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
        self.request.file
    }

    /// Records bytes that the system has accepted.
    pub(super) fn record_sent(&mut self, bytes: usize) {
        self.chunks.advance(bytes);
        if bytes > 0 {
            self.report_progress();
        }
    }

    /// Calls the progress callback.
    pub(super) fn report_progress(&self) {
        if let Some(progress) = self.request.progress {
            progress(self.so_far());
        }
    }

    fn so_far(&self) -> Sent {
        Sent { bytes: self.chunks.sent(), path: self.path, calls: self.calls }
    }

    fn sent(&self) -> Sent {
        let sent = self.so_far();
        // The last call may have found only the end of the file.
        self.report_progress();
        log::debug!("{:?}: {sent:?}", self.request);
        sent
    }

    pub(super) fn failed(&self, phase: SendfilePhase, error: io::Error) -> SendfileError {
        let error = match error.raw_os_error() {
            // The message of asyncio.
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
            // An error means that the file has no position.
            let mut file = self.request.file;
            let _ = file.seek(SeekFrom::Start(self.chunks.offset()));
        }
    }
}
