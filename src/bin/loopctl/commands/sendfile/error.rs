//! Errors of a transfer.

use std::io;
use std::time::Duration;

use loopctl::{Failure, SendfileError, SendfilePhase};

use crate::exit::Exit;
use crate::output::units;
use crate::util::checksum::Sum;

#[derive(Debug)]
pub(crate) enum TransferError {
    /// The file cannot be opened or read.
    File(io::Error),
    /// The file cannot be sent by the requested method.
    Method(io::Error),
    Send(io::Error),
    /// `--resume`: the peer did not begin like a sink with `--resume`.
    NotASink(io::Error),
    /// `--resume`: the peer closed, or sent something else, instead of its receipt.
    Unconfirmed(io::Error),
    /// The peer is a sink with `--resume`, and this client runs without it.
    ResumeRequired,
    /// The peer took nothing for `--idle-timeout`.
    Idle(Duration),
    /// `--resume`: the sink did not send its offer within `--idle-timeout`.
    NoOffer(Duration),
    /// `--resume`: the sink did not send its receipt within `--idle-timeout`.
    NoReceipt(Duration),
    /// `--timeout` is over.
    Timeout(Duration),
    /// The file ended before its planned end.
    Short {
        sent: u64,
        wanted: u64,
    },
    /// The file's checksum is no longer what it was during the transfer.
    Changed {
        then: Sum,
        now: Sum,
    },
    /// The peer has other content.
    Differs(String),
}

impl TransferError {
    /// Exit status, what failed, and the cause.
    pub(super) fn explain(self, file: &str) -> (Exit, String, Failure) {
        let late = |text: String| io::Error::new(io::ErrorKind::TimedOut, text);
        let (exit, what, error) = match self {
            Self::File(error) => (Exit::CannotRead, format!("cannot read `{file}`"), error),
            Self::Method(error) => {
                (Exit::SendFailed, format!("sendfile(2) cannot send `{file}`"), error)
            }
            Self::Send(error) => (Exit::SendFailed, format!("cannot send `{file}`"), error),
            Self::NotASink(error) => {
                (Exit::ReceiveFailed, "the peer does not resume".to_owned(), error)
            }
            Self::Unconfirmed(error) => {
                let what = format!("the peer did not confirm that it has stored `{file}`");
                (Exit::ReceiveFailed, what, error)
            }
            Self::Idle(limit) => {
                let text = format!("the peer took nothing for {}", units::prose(limit));
                (Exit::TimedOut, format!("cannot send `{file}`"), late(text))
            }
            Self::ResumeRequired => {
                let text =
                    "the peer is a sink with --resume, which accepts only clients with --resume";
                (Exit::SendFailed, format!("cannot send `{file}`"), io::Error::other(text))
            }
            Self::NoOffer(limit) => {
                let text = format!("it did not say within {} how much it has", units::prose(limit));
                (Exit::TimedOut, "the peer does not resume".to_owned(), late(text))
            }
            Self::NoReceipt(limit) => {
                let text = format!("it sent no receipt for {}", units::prose(limit));
                let what = format!("the peer did not confirm that it has stored `{file}`");
                (Exit::TimedOut, what, late(text))
            }
            Self::Timeout(limit) => {
                let text = format!("timed out after {}", units::prose(limit));
                (Exit::TimedOut, format!("cannot send `{file}`"), late(text))
            }
            Self::Short { sent, wanted } => {
                let text = format!("it ended after {sent} of {wanted} bytes");
                (Exit::Partial, format!("`{file}` was sent in part"), io::Error::other(text))
            }
            Self::Changed { then, now } => {
                let text = format!("its checksum was {then}, and is {now} now");
                let what = format!("`{file}` was written to during the transfer");
                (Exit::Partial, what, io::Error::other(text))
            }
            Self::Differs(text) => {
                let what = format!("the peer does not have `{file}` as it is here");
                (Exit::Partial, what, io::Error::other(text))
            }
        };
        (exit, what, Failure::from(&error))
    }
}

impl From<SendfileError> for TransferError {
    fn from(error: SendfileError) -> Self {
        match (error.phase, error.kind()) {
            (SendfilePhase::Send, _) => Self::Send(error.error),
            (SendfilePhase::Check, io::ErrorKind::Unsupported) => Self::Method(error.error),
            (SendfilePhase::Check | SendfilePhase::Read, _) => Self::File(error.error),
        }
    }
}
