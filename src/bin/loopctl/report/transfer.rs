//! Report of `sendfile`: a file that was sent over a connection.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use loopctl::{Failure, SendfileError, SendfilePath, SendfilePhase, Sent};

use crate::util::cancellation::StopReason;
use crate::util::checksum::Sum;

/// One file, from its opening to the last acknowledgement.
#[derive(Debug, Clone)]
pub(crate) struct TransferReport {
    /// Its name as text.
    pub(crate) file: String,
    /// Its name as it is.
    pub(crate) path: PathBuf,
    /// `false` if there was no file to send, so that no connection was tried.
    pub(crate) is_opened: bool,
    pub(crate) offset: u64,
    /// Number of bytes to send, if known.
    pub(crate) wanted: Option<u64>,
    /// Whether it is only a part of the file.
    pub(crate) is_part: bool,
    pub(crate) progress: TransferProgress,
    pub(crate) took: Duration,
    pub(crate) sum: Option<Sum>,
    /// The file was written to while it was sent.
    pub(crate) change: Option<FileChange>,
    pub(crate) end: TransferEnd,
}

/// Bytes sent, and the method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TransferProgress {
    /// Bytes that a resuming sink had before.
    pub(crate) had: u64,
    pub(crate) bytes: u64,
    /// `None` before the first call.
    pub(crate) path: Option<SendfilePath>,
    pub(crate) calls: u64,
    /// TCP segments that were sent again; `None` for other transports.
    pub(crate) retransmits: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileChange {
    /// Growth by this many bytes, which were not sent.
    Growth(u64),
    Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TransferEnd {
    Complete,
    Interrupted(StopReason),
    Failed(TransferError),
}

/// Reason why a file was not sent, or not as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TransferError {
    /// The file cannot be opened or read.
    File(Failure),
    /// The requested method does not work for it.
    Method(Failure),
    Send(Failure),
    /// The peer does not speak the protocol of a resuming sink.
    NotASink(Failure),
    /// The peer did not confirm what it has stored.
    Unconfirmed(Failure),
    /// The peer is a sink with `--resume`, and this is a client without.
    ResumeRequired,
    /// The peer took no data for this long.
    Idle(Duration),
    /// The peer did not say in this time what it has.
    NoOffer(Duration),
    /// The peer did not say in this time what it has stored.
    NoReceipt(Duration),
    /// The whole took longer than this.
    Timeout(Duration),
    /// The file became shorter.
    Short {
        sent: u64,
        wanted: u64,
    },
    /// The checksum has changed.
    Changed {
        then: Sum,
        now: Sum,
    },
    Differs(Difference),
}

/// Difference between the file here and the peer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Difference {
    Size {
        there: u64,
        here: u64,
    },
    Sum {
        there: Sum,
        here: Sum,
    },
    /// There is no checksum of the peer's kind here.
    NotComparable {
        there: Sum,
    },
    /// The bytes that the peer has are not the beginning of the file.
    Beginning {
        size: u64,
        there: Sum,
        here: Sum,
    },
}

impl TransferReport {
    pub(crate) fn new(file: String) -> Self {
        Self {
            path: PathBuf::from(&file),
            file,
            is_opened: true,
            offset: 0,
            wanted: None,
            is_part: false,
            progress: TransferProgress::default(),
            took: Duration::ZERO,
            sum: None,
            change: None,
            end: TransferEnd::Complete,
        }
    }

    /// Bytes a second.
    pub(crate) fn rate(&self) -> Option<u64> {
        let (bytes, seconds) = (self.progress.bytes, self.took.as_secs_f64());
        (bytes > 0 && seconds > 0.0).then(|| (bytes as f64 / seconds) as u64)
    }
}

impl TransferProgress {
    /// With the result of one more call to the library.
    pub(crate) fn and(self, sent: Sent) -> Self {
        let (bytes, calls) = (self.bytes + sent.bytes, self.calls + sent.calls);
        Self { bytes, path: Some(sent.path), calls, ..self }
    }
}

impl TransferError {
    pub(crate) fn file(error: io::Error) -> Self {
        Self::File(Failure::from(&error))
    }

    pub(crate) fn send(error: io::Error) -> Self {
        Self::Send(Failure::from(&error))
    }
}

impl From<SendfileError> for TransferError {
    fn from(error: SendfileError) -> Self {
        match (error.phase, error.kind()) {
            (SendfilePhase::Send, _) => Self::send(error.error),
            (SendfilePhase::Check, io::ErrorKind::Unsupported) => {
                Self::Method(Failure::from(&error.error))
            }
            _ => Self::file(error.error),
        }
    }
}
