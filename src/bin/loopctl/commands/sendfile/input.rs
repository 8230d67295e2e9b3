//! The file, opened and measured before anybody is connected to.

use std::fs::File;
use std::io::{self, ErrorKind, Seek, stdin};
use std::num::NonZero;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use loopctl::{Failure, LoopHandle, SendfileMethod};

use crate::config::{Part, SendRequest};
use crate::report::transfer::{Difference, TransferError};

/// What is to be sent.
pub(crate) struct Input {
    pub(super) file: Arc<File>,
    kind: Kind,
    /// From its start, or for what has none from where it is.
    pub(crate) offset: u64,
    /// `None`: until it ends.
    pub(crate) count: Option<NonZero<u64>>,
    /// When it was written to for the last time.
    modified: Option<SystemTime>,
}

/// What can be known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It says how long it is.
    Sized(u64),
    /// It is read at offsets, and its end is where it ends: a device, a file of `/proc` or `/sys`.
    Endless,
    /// It is read on from where it is: a pipe, a terminal.
    Stream,
}

/// What has become of a file meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It is longer by so many bytes.
    Growth(u64),
    Content,
}

impl Input {
    /// A disk may take its time, so it is done on a thread.
    pub(crate) async fn open(
        event_loop: &LoopHandle,
        request: &SendRequest,
    ) -> Result<Self, TransferError> {
        let path = request.file.clone();
        let opening = event_loop.run_in_executor(move || open(&path));
        let mut input = opening
            .await
            .map_err(|gone| TransferError::file(io::Error::other(gone)))?
            .map_err(TransferError::file)?;
        if let Part::Fixed { offset, count } = request.part {
            (input.offset, input.count) = (input.offset.saturating_add(offset), count);
        }
        input.check(request)?;
        input.fix_end()?;
        Ok(input)
    }

    /// What cannot be done with it is told before anybody is connected to.
    fn check(&self, request: &SendRequest) -> Result<(), TransferError> {
        let refuse = |text: &str| Err(TransferError::file(io::Error::other(text)));
        let is_sized = self.size().is_some();
        if self.kind == Kind::Stream && self.offset > 0 {
            return refuse("it is read from where it is: there is no --offset");
        }
        if request.resumes() && !is_sized {
            return refuse("only of a regular file a part can be sent");
        }
        if request.checksum.is_some() && !is_sized {
            return refuse(
                "there is a checksum of regular files only: they are read a second time",
            );
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

    /// What grows meanwhile is sent as it was: a log that is written to would have no end.
    fn fix_end(&mut self) -> Result<(), TransferError> {
        let Some(size) = self.size() else { return Ok(()) };
        let Some(left) = size.checked_sub(self.offset) else {
            let text = format!("it has {size} bytes, and none from {} on", self.offset);
            return Err(TransferError::file(io::Error::other(text)));
        };
        if self.count.is_none() {
            self.count = NonZero::new(left);
        }
        Ok(())
    }

    /// From here on, as the peer has what is before it.
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
            Kind::Endless | Kind::Stream => None,
        }
    }

    /// How many bytes are to go, where that is known.
    pub(super) fn wanted(&self) -> Option<u64> {
        self.count.map(NonZero::get).or_else(|| self.size().map(|_| 0))
    }

    /// Whether it is not all of the file.
    pub(super) fn is_part(&self) -> bool {
        self.size().is_some_and(|size| self.wanted() != Some(size))
    }

    /// Where it goes on after so many bytes. What is read from where it is has no offsets.
    pub(super) fn after(&self, sent: u64) -> u64 {
        if self.kind == Kind::Stream { 0 } else { self.offset + sent }
    }

    /// Whether there is nothing to send at all.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted() == Some(0)
    }

    /// Whether it is another file than it was.
    pub(super) fn change(&self) -> Option<Change> {
        let (size, now) = (self.size()?, self.file.metadata().ok()?);
        match now.len().checked_sub(size) {
            Some(0) | None => (now.modified().ok() != self.modified).then_some(Change::Content),
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
    if is_stdin && is_nothing(&file) {
        return Err(io::Error::other("standard input is closed"));
    }
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    let position = file.stream_position();
    let kind = match position {
        _ if metadata.is_file() && !is_made_up(&file) => Kind::Sized(metadata.len()),
        Ok(_) if !metadata.file_type().is_fifo() => Kind::Endless,
        _ => Kind::Stream,
    };
    let offset = position.ok().filter(|_| is_stdin && kind != Kind::Stream).unwrap_or(0);
    let modified = metadata.modified().ok();
    Ok(Input { file: Arc::new(file), kind, offset, count: None, modified })
}

/// Where a process is given no standard input, Rust opens `/dev/null` in its place, for reading and writing; who
/// wants nothing to be sent opens it for reading.
fn is_nothing(stdin: &File) -> bool {
    let number = stdin.as_raw_fd();
    let path = std::fs::read_link(format!("/proc/self/fd/{number}"));
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    path.is_ok_and(|path| path == Path::new("/dev/null"))
        && flags.is_some_and(|flags| flags.trim().ends_with('2'))
}

/// Files of `/proc` say that they are empty and are not; those of `/sys`, that they have 4096 bytes.
fn is_made_up(file: &File) -> bool {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
    path.is_ok_and(|path| path.starts_with("/proc") || path.starts_with("/sys"))
}
