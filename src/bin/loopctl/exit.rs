//! The exit codes, each with its reason. Where curl has a number for it, it is curl's.

use std::process::ExitCode;
use std::sync::Arc;

use signal_hook::consts::SIGXFSZ;
use signal_hook::flag;
use signal_hook::low_level::emulate_default_handler;

use crate::util::cancellation::StopReason;
use crate::util::message::Message;
use crate::util::style::Style;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    Success,
    Mixed,
    Usage,
    /// Connected, but not as expected.
    Unexpected,
    NotResolved,
    NotConnected,
    /// A file went in part, or arrived otherwise than it was.
    Partial,
    CannotWrite,
    CannotRead,
    TimedOut,
    /// Connected, but without the TLS that was asked for.
    NoTls,
    CannotBind,
    /// On a connection that was there.
    SendFailed,
    ReceiveFailed,
    /// A certificate that is not to be trusted, or not for long enough.
    NotTrusted,
    /// By this signal, as if there had been no handler.
    Signal(i32),
}

/// Code and meaning, as the man pages list them.
pub(crate) const TABLE: [(&str, &str); 18] = [
    ("0", "Everything asked for succeeded."),
    ("1", "Several targets or tries ended in different ways, or an internal error occurred."),
    ("2", "The command line is wrong."),
    (
        "3",
        "Connected, but an expectation did not hold (--require, --fail-on-fallback, --max-cost).",
    ),
    ("6", "A name did not resolve."),
    ("7", "Every address refused the connection or could not be reached."),
    (
        "18",
        "A file was not sent as it should have been: it became shorter, or what the other end has of it is something else.",
    ),
    ("23", "The output could not be written."),
    ("26", "A file could not be read."),
    (
        "28",
        "Time was up: a deadline cut the last attempt under way, or clients that had not finished, or nothing moved any more.",
    ),
    ("35", "The TLS handshake failed, or the peer would not begin one (--tls, --starttls)."),
    ("45", "An address could not be bound, to connect from or to listen on."),
    ("55", "Sending failed on a connection that was there (--relay, sendfile)."),
    (
        "56",
        "Receiving failed: the peer reset the connection or refuses datagrams (--relay, sendfile --resume), or a sink did not get all (-n).",
    ),
    (
        "60",
        "The peer's certificate is not trusted, not for that name, or ends too soon (--cert-expiry).",
    ),
    ("130", "Interrupted (SIGINT, raised again)."),
    ("141", "Standard output was closed (SIGPIPE, raised again)."),
    ("143", "Terminated (SIGTERM, raised again)."),
];

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Mixed => 1,
            Self::Usage => 2,
            Self::Unexpected => 3,
            Self::NotResolved => 6,
            Self::NotConnected => 7,
            Self::Partial => 18,
            Self::CannotWrite => 23,
            Self::CannotRead => 26,
            Self::TimedOut => 28,
            Self::NoTls => 35,
            Self::CannotBind => 45,
            Self::SendFailed => 55,
            Self::ReceiveFailed => 56,
            Self::NotTrusted => 60,
            Self::Signal(number) => u8::try_from(128 + number).unwrap_or(u8::MAX),
        }
    }

    /// The code of several targets or tries: the one they have in common, else 1. A signal outdoes all.
    pub(crate) fn of_all(exits: &[Self]) -> Self {
        let signal = exits.iter().find(|exit| matches!(exit, Self::Signal(_)));
        match (signal, exits) {
            (Some(signal), _) => *signal,
            (None, [first, rest @ ..]) if rest.iter().all(|exit| exit == first) => *first,
            (None, []) => Self::Success,
            (None, _) => Self::Mixed,
        }
    }

    /// Ends the process; a signal is raised again, so that a shell sees what happened.
    pub(crate) fn end(self) -> ExitCode {
        if let Self::Signal(number) = self {
            // Where that fails, the code says the same.
            let _ = emulate_default_handler(number);
        }
        ExitCode::from(self.code())
    }
}

/// An error that ends the program: the message, and the exit status.
#[derive(Debug)]
pub(crate) struct FatalError {
    pub(crate) message: Message,
    pub(crate) exit: Exit,
}

/// The end of a command.
pub(crate) type ExitResult = Result<Exit, FatalError>;

impl FatalError {
    pub(crate) fn new(exit: Exit, error: impl Into<String>) -> Self {
        Self { message: Message::error(error), exit }
    }

    /// Prints the message, and returns the exit status.
    pub(crate) fn print(&self, style: Style) -> Exit {
        self.message.print(style);
        self.exit
    }

    /// An error of the command line.
    pub(crate) fn usage(error: impl Into<String>) -> Self {
        Self::new(Exit::Usage, error)
    }
}

/// A message about the command line.
impl<M: Into<Message>> From<M> for FatalError {
    fn from(message: M) -> Self {
        Self { message: message.into(), exit: Exit::Usage }
    }
}

impl From<StopReason> for Exit {
    fn from(reason: StopReason) -> Self {
        match reason {
            StopReason::Signal(number) => Self::Signal(number),
            StopReason::CannotWrite => Self::CannotWrite,
        }
    }
}

/// Has a file that may not grow any more (`ulimit -f`) be an error of the write, like a disk that is full, and not
/// the end of the process. Programs that are started hear of it as usual.
pub(crate) fn survive_file_limits() {
    // Where there is no handler, the signal ends the process as it always did.
    let _ = flag::register(SIGXFSZ, Arc::default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_targets_share_a_code_or_are_mixed() {
        assert_eq!(Exit::of_all(&[Exit::TimedOut, Exit::TimedOut]), Exit::TimedOut);
        assert_eq!(Exit::of_all(&[Exit::Success, Exit::TimedOut]), Exit::Mixed);
        assert_eq!(Exit::of_all(&[Exit::Success, Exit::Signal(2)]), Exit::Signal(2));
    }

    #[test]
    fn every_code_is_in_the_table() {
        let exits = [
            Exit::Success,
            Exit::Mixed,
            Exit::Usage,
            Exit::Unexpected,
            Exit::NotResolved,
            Exit::NotConnected,
            Exit::Partial,
            Exit::CannotWrite,
            Exit::CannotRead,
            Exit::TimedOut,
            Exit::NoTls,
            Exit::CannotBind,
            Exit::SendFailed,
            Exit::ReceiveFailed,
            Exit::NotTrusted,
            Exit::Signal(2),
            Exit::Signal(13),
            Exit::Signal(15),
        ];
        let codes = exits.map(|exit| exit.code().to_string());
        assert_eq!(codes, TABLE.map(|(code, _)| code.to_owned()));
    }
}
