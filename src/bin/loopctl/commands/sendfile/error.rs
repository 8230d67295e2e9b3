//! Why a file was not sent, or not as a whole.

use std::io;
use std::time::Duration;

use loopctl::{Failure, SendfileError, SendfilePhase};

use crate::exit::Exit;
use crate::output::units;
use crate::util::checksum::Sum;

#[derive(Debug)]
pub(crate) enum Fault {
    /// It cannot be opened or read.
    File(io::Error),
    /// What was asked for cannot be done with it.
    Method(io::Error),
    Send(io::Error),
    /// The peer does not speak as a sink that resumes.
    Speech(io::Error),
    /// It did not say what it has stored in the end.
    Unconfirmed(io::Error),
    /// The peer is a sink with `--resume`, and this is a client without.
    Resumes,
    /// The peer took nothing for so long.
    Idle(Duration),
    /// It did not say what it has.
    Silent(Duration),
    /// It did not say what it has stored.
    NoReceipt(Duration),
    /// All of it took too long.
    TimeUp(Duration),
    /// It ended too early.
    Short {
        sent: u64,
        wanted: u64,
    },
    /// It is no longer what it was when its checksum was taken.
    Changed {
        then: Sum,
        now: Sum,
    },
    /// The peer has something else.
    Differs(String),
}

impl Fault {
    /// How the process ends, what failed, and how.
    pub(super) fn explain(self, file: &str) -> (Exit, String, Failure) {
        let late = |text: String| io::Error::new(io::ErrorKind::TimedOut, text);
        let (exit, what, error) = match self {
            Self::File(error) => (Exit::CannotRead, format!("cannot read `{file}`"), error),
            Self::Method(error) => {
                (Exit::SendFailed, format!("`{file}` cannot be sent like this"), error)
            }
            Self::Send(error) => (Exit::SendFailed, format!("cannot send `{file}`"), error),
            Self::Speech(error) => {
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
            Self::Resumes => {
                let text =
                    "the peer is a sink with --resume, which takes only clients with --resume";
                (Exit::SendFailed, format!("cannot send `{file}`"), io::Error::other(text))
            }
            Self::Silent(limit) => {
                let text = format!("it did not say in {} what it has", units::prose(limit));
                (Exit::TimedOut, "the peer does not resume".to_owned(), late(text))
            }
            Self::NoReceipt(limit) => {
                let text = format!("it said nothing for {}", units::prose(limit));
                let what = format!("the peer did not confirm that it has stored `{file}`");
                (Exit::TimedOut, what, late(text))
            }
            Self::TimeUp(limit) => {
                let text = format!("timed out after {}", units::prose(limit));
                (Exit::TimedOut, format!("cannot send `{file}`"), late(text))
            }
            Self::Short { sent, wanted } => {
                let text = format!("it ended after {sent} of {wanted} bytes");
                (Exit::Partial, format!("`{file}` was sent in part"), io::Error::other(text))
            }
            Self::Changed { then, now } => {
                let text = format!("its checksum was {then}, and is {now} now");
                let what = format!("`{file}` was written to while it was sent");
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

impl From<SendfileError> for Fault {
    fn from(error: SendfileError) -> Self {
        match (error.phase, error.kind()) {
            (SendfilePhase::Send, _) => Self::Send(error.error),
            (SendfilePhase::Check, io::ErrorKind::Unsupported) => Self::Method(error.error),
            (SendfilePhase::Check | SendfilePhase::Read, _) => Self::File(error.error),
        }
    }
}
