//! Exit codes and their meanings, with curl's numbers where curl has one.

use std::process::ExitCode;
use std::sync::Arc;

use signal_hook::consts::SIGXFSZ;
use signal_hook::flag;
use signal_hook::low_level::emulate_default_handler;

use crate::util::cancellation::StopReason;
use crate::util::message::Message;
use crate::util::style::Style;

/// Exit status of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    Success,
    Mixed,
    Usage,
    /// Connected, but not as expected.
    Unexpected,
    NotResolved,
    NotConnected,
    /// An answer that is not HTTP, or not valid.
    WeirdReply,
    Http2,
    /// A file was sent in part, or arrived with different content.
    Partial,
    /// A status of 400 or above (`--fail`).
    HttpError,
    CannotWrite,
    CannotRead,
    TimedOut,
    /// Connected, but without the requested TLS.
    NoTls,
    CannotBind,
    TooManyRedirects,
    /// The connection ended without an answer.
    EmptyReply,
    /// After the connection was made.
    SendFailed,
    ReceiveFailed,
    /// The certificate is not trusted, or expires too soon.
    NotTrusted,
    Http2Stream,
    /// Ended by this signal, as without a handler.
    Signal(i32),
}

/// Code and meaning, as the man pages list them.
pub(crate) const TABLE: [(&str, &str); 24] = [
    ("0", "Everything asked for succeeded."),
    ("1", "Several targets or tries ended in different ways, or an internal error occurred."),
    ("2", "The command line is wrong."),
    (
        "3",
        "Connected, but an expectation did not hold (--require, --fail-on-fallback, --max-cost, --expect-status, --expect-body).",
    ),
    ("6", "A name did not resolve."),
    ("7", "Every address refused the connection or could not be reached."),
    ("8", "The answer is not HTTP, or not valid (--http)."),
    (
        "16",
        "The server ended the HTTP/2 connection with an error (GOAWAY), or its frames are not valid.",
    ),
    (
        "18",
        "A file was sent in part because it became shorter, or the other end has different content; or the connection ended inside an HTTP body.",
    ),
    ("22", "The server answered with a status of 400 or above (--fail)."),
    ("23", "The output could not be written."),
    ("26", "A file could not be read."),
    (
        "28",
        "A time limit ended the last attempt, a transfer without progress, or clients of `serve`.",
    ),
    ("35", "The TLS handshake failed, or the server refused STARTTLS (--tls, --starttls)."),
    ("45", "An address could not be bound, to connect from or to listen on."),
    ("47", "More than 10 redirects (--location)."),
    ("52", "The server closed the connection without an answer (--http)."),
    ("55", "Sending failed after the connection was made (--relay, sendfile, --http)."),
    (
        "56",
        "Receiving failed: the peer reset the connection or refused datagrams (--relay, sendfile --resume, --http), or a sink received a part (-n).",
    ),
    (
        "60",
        "The peer's certificate is not trusted, does not match the name, or expires soon (--cert-expiry).",
    ),
    ("92", "The server reset the HTTP/2 stream of the request (RST_STREAM)."),
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
            Self::WeirdReply => 8,
            Self::Http2 => 16,
            Self::Partial => 18,
            Self::HttpError => 22,
            Self::CannotWrite => 23,
            Self::CannotRead => 26,
            Self::TimedOut => 28,
            Self::NoTls => 35,
            Self::CannotBind => 45,
            Self::TooManyRedirects => 47,
            Self::EmptyReply => 52,
            Self::SendFailed => 55,
            Self::ReceiveFailed => 56,
            Self::NotTrusted => 60,
            Self::Http2Stream => 92,
            Self::Signal(number) => u8::try_from(128 + number).unwrap_or(u8::MAX),
        }
    }

    /// Exit of several targets or runs: the common one, else `Mixed`. A signal takes precedence.
    pub(crate) fn of_all(exits: &[Self]) -> Self {
        let signal = exits.iter().find(|exit| matches!(exit, Self::Signal(_)));
        match (signal, exits) {
            (Some(signal), _) => *signal,
            (None, [first, rest @ ..]) if rest.iter().all(|exit| exit == first) => *first,
            (None, []) => Self::Success,
            (None, _) => Self::Mixed,
        }
    }

    /// Ends the process. A signal is raised again, because a shell reads it from the wait status.
    pub(crate) fn end(self) -> ExitCode {
        if let Self::Signal(number) = self {
            // If that fails, the code is 128 plus the number of the signal.
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

/// Handles SIGXFSZ, so that a write above `ulimit -f` returns EFBIG.
/// Child processes have the default action.
pub(crate) fn survive_file_limits() {
    // Without a handler, the signal ends the process.
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
            Exit::WeirdReply,
            Exit::Http2,
            Exit::Partial,
            Exit::HttpError,
            Exit::CannotWrite,
            Exit::CannotRead,
            Exit::TimedOut,
            Exit::NoTls,
            Exit::CannotBind,
            Exit::TooManyRedirects,
            Exit::EmptyReply,
            Exit::SendFailed,
            Exit::ReceiveFailed,
            Exit::NotTrusted,
            Exit::Http2Stream,
            Exit::Signal(2),
            Exit::Signal(13),
            Exit::Signal(15),
        ];
        let codes = exits.map(|exit| exit.code().to_string());
        assert_eq!(codes, TABLE.map(|(code, _)| code.to_owned()));
    }
}
