//! `loopctl sendfile`: sends a file over a connection that `connect` has opened.

mod checksum;
mod error;
mod input;
mod resume;
mod transfer;

use std::time::Duration;

use loopctl::{Failure, SendfilePath, Sent};

use crate::exit::Exit;
use crate::util::checksum::Sum;

pub(crate) use error::TransferError;
pub(crate) use input::Input;
pub(crate) use transfer::Transfer;

/// What became of a file: plain data.
#[derive(Debug, Clone)]
pub(crate) struct TransferReport {
    pub(crate) file: String,
    pub(crate) offset: u64,
    /// How many bytes were to go, where that is known.
    pub(crate) wanted: Option<u64>,
    /// It is not all of the file.
    pub(crate) is_part: bool,
    pub(crate) went: TransferProgress,
    pub(crate) took: Duration,
    pub(crate) sum: Option<Sum>,
    pub(crate) end: Ending,
}

/// How much went, and which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TransferProgress {
    /// What a sink that resumes had before.
    pub(crate) had: u64,
    pub(crate) bytes: u64,
    /// `None` where nothing was tried.
    pub(crate) path: Option<SendfilePath>,
    pub(crate) calls: u64,
    /// Segments that were sent again. `None` for what is not TCP.
    pub(crate) retransmits: Option<u32>,
}

impl TransferProgress {
    /// With what one more call to the library has done.
    fn and(self, sent: Sent) -> Self {
        let (bytes, calls) = (self.bytes + sent.bytes, self.calls + sent.calls);
        Self { bytes, path: Some(sent.path), calls, ..self }
    }
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) exit: Exit,
    /// What failed, and how.
    pub(crate) failure: Option<(String, Failure)>,
    pub(crate) warning: Option<String>,
    /// There was no file to send, so that nobody was connected to.
    pub(crate) before: bool,
}

impl Ending {
    /// Whether there is something to say about it.
    pub(crate) fn is_told(&self) -> bool {
        self.failure.is_some() || self.warning.is_some()
    }
}

impl TransferReport {
    pub(crate) fn new(file: String) -> Self {
        let end = Ending { exit: Exit::Success, failure: None, warning: None, before: false };
        let (went, took) = (TransferProgress::default(), Duration::ZERO);
        Self { file, offset: 0, wanted: None, is_part: false, went, took, sum: None, end }
    }

    /// Of a file that could be opened.
    pub(crate) fn of(file: String, input: &Input) -> Self {
        let (offset, wanted, is_part) = (input.offset, input.wanted(), input.is_part());
        Self { offset, wanted, is_part, ..Self::new(file) }
    }

    pub(crate) fn fail(&mut self, error: TransferError) {
        let (exit, what, failure) = error.explain(&self.file);
        (self.end.exit, self.end.failure) = (exit, Some((what, failure)));
    }

    /// Bytes a second.
    pub(crate) fn rate(&self) -> Option<u64> {
        let seconds = self.took.as_secs_f64();
        (self.went.bytes > 0 && seconds > 0.0).then(|| (self.went.bytes as f64 / seconds) as u64)
    }
}
