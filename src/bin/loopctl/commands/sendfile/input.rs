//! The file to send, opened and measured before connecting.

use std::fs::File;
use std::io::{self, ErrorKind, Seek, stdin};
use std::num::NonZero;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use loopctl::{Failure, LoopHandle, SendfileMethod};

use crate::config::{Part, SendRequest};
use crate::report::transfer::{Difference, TransferError};

/// The part of a file that is sent.
pub(crate) struct Input {
    pub(super) file: Arc<File>,
    kind: Kind,
    /// From the start of the file; for a stream, 0.
    pub(crate) offset: u64,
    /// `None`: to the end.
    pub(crate) count: Option<NonZero<u64>>,
    /// Modification time when the file was opened.
    modified: Option<SystemTime>,
    /// Time of the last change of the file or its attributes, in seconds and nanoseconds.
    changed: (i64, i64),
}

/// The way a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// At offsets, up to its size: a regular file.
    Sized(u64),
    /// At offsets, up to end-of-file: a device, a file of `/proc` or `/sys`.
    Unsized,
    /// Without offsets: a pipe, a terminal.
    Stream,
}

/// A change of the file during the transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The file has grown by this number of bytes.
    Growth(u64),
    Content,
    /// The attributes changed, or the content changed and the modification time was set back. Only a checksum of the
    /// content distinguishes the two.
    Attributes,
}

impl Input {
    /// Opens the file, on a thread because a disk may be slow.
    ///
    /// # Errors
    /// A file that cannot be opened, or that cannot be sent as requested.
    pub(crate) async fn open(
        event_loop: &LoopHandle,
        request: &SendRequest,
    ) -> Result<Self, TransferError> {
        let path = request.file.clone();
        let opening = event_loop.run_in_executor(move || open(&path));
        let mut input = opening
            .await
            .map_err(|error| TransferError::file(io::Error::other(error)))?
            .map_err(TransferError::file)?;
        if let Part::Fixed { offset, count } = request.part {
            (input.offset, input.count) = (input.offset.saturating_add(offset), count);
        }
        input.check(request)?;
        input.fix_end()?;
        Ok(input)
    }

    /// Checks that the file supports the options.
    fn check(&self, request: &SendRequest) -> Result<(), TransferError> {
        let refuse = |text: &str| Err(TransferError::file(io::Error::other(text)));
        let is_sized = self.size().is_some();
        if self.kind == Kind::Stream && self.offset > 0 {
            return refuse("--offset needs a seekable file");
        }
        if request.resumes() && !is_sized {
            return refuse("--resume needs a regular file");
        }
        if request.checksum.is_some() && !is_sized {
            return refuse("--checksum needs a regular file: the file is read a second time");
        }
        let is_file = self.file.metadata().is_ok_and(|found| found.is_file());
        if request.method == SendfileMethod::Native && !is_file {
            let text = "not a regular file";
            return Err(TransferError::Method(Failure::from(&io::Error::new(
                ErrorKind::Unsupported,
                text,
            ))));
        }
        Ok(())
    }

    /// Fixes the end of a regular file, because a log that is written to might never end.
    fn fix_end(&mut self) -> Result<(), TransferError> {
        let Some(size) = self.size() else { return Ok(()) };
        let Some(left) = size.checked_sub(self.offset) else {
            let text = format!("it has {size} bytes, fewer than the offset {}", self.offset);
            return Err(TransferError::file(io::Error::other(text)));
        };
        if self.count.is_none() {
            self.count = NonZero::new(left);
        }
        Ok(())
    }

    /// Moves the start to `offset`: the peer has what is before it.
    pub(super) fn resume_at(&mut self, offset: u64) -> Result<(), TransferError> {
        let size = self.size().unwrap_or(0);
        if offset > size {
            let difference = Difference::Size { there: offset, here: size };
            return Err(TransferError::Differs(difference));
        }
        (self.offset, self.count) = (offset, NonZero::new(size - offset));
        Ok(())
    }

    pub(super) fn size(&self) -> Option<u64> {
        match self.kind {
            Kind::Sized(size) => Some(size),
            Kind::Unsized | Kind::Stream => None,
        }
    }

    /// Number of bytes to send, if it is known.
    pub(super) fn wanted(&self) -> Option<u64> {
        self.count.map(NonZero::get).or_else(|| self.size().map(|_| 0))
    }

    /// Whether less than the whole file is sent.
    pub(super) fn is_part(&self) -> bool {
        self.size().is_some_and(|size| self.wanted() != Some(size))
    }

    /// Offset of the next byte after `sent` bytes; for a stream, 0.
    pub(super) fn offset_after(&self, sent: u64) -> u64 {
        if self.kind == Kind::Stream { 0 } else { self.offset + sent }
    }

    /// Whether there is nothing to send.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted() == Some(0)
    }

    /// The change since the file was opened, by its size or modification time.
    pub(super) fn change(&self) -> Option<Change> {
        let (size, now) = (self.size()?, self.file.metadata().ok()?);
        match now.len().checked_sub(size) {
            Some(0) | None if now.modified().ok() != self.modified => Some(Change::Content),
            Some(0) | None => {
                ((now.ctime(), now.ctime_nsec()) != self.changed).then_some(Change::Attributes)
            }
            Some(growth) => Some(Change::Growth(growth)),
        }
    }
}

fn open(path: &Path) -> io::Result<Input> {
    let is_stdin = path == Path::new("-");
    let mut file = match is_stdin {
        true => File::from(stdin().as_fd().try_clone_to_owned()?),
        false => loopctl::open_to_send(path)?,
    };
    if is_stdin && is_closed(&file) {
        return Err(io::Error::other("standard input is closed"));
    }
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    let position = file.stream_position();
    let kind = match position {
        _ if metadata.is_file() && !is_virtual(&file) => Kind::Sized(metadata.len()),
        Ok(_) if !metadata.file_type().is_fifo() => Kind::Unsized,
        _ => Kind::Stream,
    };
    let offset = position.ok().filter(|_| is_stdin && kind != Kind::Stream).unwrap_or(0);
    let modified = metadata.modified().ok();
    let changed = (metadata.ctime(), metadata.ctime_nsec());
    Ok(Input { file: Arc::new(file), kind, offset, count: None, modified, changed })
}

/// Whether standard input was closed when the process started. Rust opens `/dev/null` in its place, for reading and
/// writing, while `</dev/null` opens it for reading only.
fn is_closed(stdin: &File) -> bool {
    let number = stdin.as_raw_fd();
    let path = std::fs::read_link(format!("/proc/self/fd/{number}"));
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    path.is_ok_and(|path| path == Path::new("/dev/null"))
        && flags.is_some_and(|flags| flags.trim().ends_with('2'))
}

/// Whether the size of a file says nothing about its content: 0 in `/proc`, 4096 in `/sys`.
fn is_virtual(file: &File) -> bool {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
    path.is_ok_and(|path| path.starts_with("/proc") || path.starts_with("/sys"))
}
