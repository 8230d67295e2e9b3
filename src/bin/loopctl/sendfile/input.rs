//! The file, opened and measured before anybody is connected to.

use std::fs::File;
use std::io::{self, Seek, stdin};
use std::num::NonZero;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use loopctl::LoopRef;

use super::fault::Fault;
use crate::request::{Part, SendRequest};

/// What is to be sent.
pub(crate) struct Input {
    pub(super) file: Arc<File>,
    /// From its start, or for what has none from where it is.
    pub(crate) offset: u64,
    /// `None`: until it ends.
    pub(crate) count: Option<NonZero<u64>>,
    /// Of a file that says how long it is.
    pub(super) size: Option<u64>,
}

impl Input {
    /// Opening a FIFO waits for its writer, so it is done on a thread.
    pub(crate) async fn open(lp: &LoopRef, request: &SendRequest) -> Result<Self, Fault> {
        let (path, part) = (request.file.clone(), request.part);
        let opening = lp.run_in_executor(move || open(&path));
        let (file, base, size) = opening
            .await
            .map_err(|gone| Fault::File(io::Error::other(gone)))?
            .map_err(Fault::File)?;
        let (offset, count) = match part {
            Part::Fixed { offset, count } => (offset, count),
            Part::Missing => (0, None),
        };
        let mut input = Self { file: Arc::new(file), offset: base + offset, count, size };
        if part == Part::Missing && size.is_none() {
            let text = "only of a regular file a part can be sent";
            return Err(Fault::File(io::Error::other(text)));
        }
        if request.checksum.is_some() && size.is_none() {
            let text = "there is a checksum of regular files only: they are read a second time";
            return Err(Fault::File(io::Error::other(text)));
        }
        input.fix_end()?;
        Ok(input)
    }

    /// What grows meanwhile is sent as it was: a log that is written to would have no end.
    fn fix_end(&mut self) -> Result<(), Fault> {
        let Some(size) = self.size else { return Ok(()) };
        let Some(left) = size.checked_sub(self.offset) else {
            let text = format!("it has {size} bytes, and none from {} on", self.offset);
            return Err(Fault::File(io::Error::other(text)));
        };
        if self.count.is_none() {
            self.count = NonZero::new(left);
        }
        Ok(())
    }

    /// From here on, as the peer has what is before it.
    pub(super) fn resume_at(&mut self, offset: u64) -> Result<(), Fault> {
        let size = self.size.unwrap_or(0);
        if offset > size {
            let text = format!("it has {offset} bytes there, and {size} here");
            return Err(Fault::Differs(text));
        }
        (self.offset, self.count) = (offset, NonZero::new(size - offset));
        Ok(())
    }

    /// Whether there is nothing to send at all.
    pub(super) fn is_empty(&self) -> bool {
        self.size.is_some() && self.count.is_none()
    }

    /// By how much it is longer than it was, if it is.
    pub(super) fn growth(&self) -> Option<u64> {
        let now = self.file.metadata().ok()?.len();
        now.checked_sub(self.size?).filter(|growth| *growth > 0)
    }
}

/// The file, where it is, and how long it is. Files of `/proc` say that they are empty and are not.
fn open(path: &Path) -> io::Result<(File, u64, Option<u64>)> {
    let (mut file, is_stdin) = match path == Path::new("-") {
        true => (File::from(stdin().as_fd().try_clone_to_owned()?), true),
        false => (File::open(path)?, false),
    };
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let base = if is_stdin { file.stream_position().unwrap_or(0) } else { 0 };
    let is_plain = metadata.is_file() && (metadata.len() > 0 || !is_in_proc(path));
    Ok((file, base, is_plain.then_some(metadata.len())))
}

fn is_in_proc(path: &Path) -> bool {
    path.canonicalize().is_ok_and(|path| path.starts_with("/proc") || path.starts_with("/sys"))
}
