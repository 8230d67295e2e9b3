//! Reasons to stop serving a client.

use std::io;

use loopctl::{TlsError, TlsErrorKind};

use crate::report::served::{ClientError, EndReason};

/// Error type of everything that is done with a client's connection.
#[derive(Debug)]
pub(super) enum Disconnect {
    /// The connection is closed; its record has this reason and error.
    Close(EndReason, Option<ClientError>),
    /// `--fault stall-after`: the connection stays open, and nothing moves on it.
    Stall,
    /// `--fault half-close` has shut down our side, and the mode has more to say.
    OutputShut,
    /// `--fault reset` and `reset-after`: a RST follows once the client has everything that was sent.
    Reset,
    /// The upstream could not be reached or broke off: a RST follows once the client has everything that was sent.
    Upstream(ClientError),
}

/// Reason and error in the record of a closed connection.
pub(super) type Closed = (EndReason, Option<ClientError>);

impl Disconnect {
    pub(super) fn with_error(reason: EndReason, error: io::Error) -> Self {
        Self::Close(reason, Some(ClientError::from(&error)))
    }

    /// The client broke a limit of the server.
    pub(super) fn limit(text: &str) -> Self {
        Self::with_error(EndReason::Limit, io::Error::other(text.to_owned()))
    }
}

/// Classifies an error of the connection: did the client leave, or did something fail?
impl From<io::Error> for Disconnect {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        let has_left = [BrokenPipe, ConnectionAborted, ConnectionReset].contains(&error.kind());
        let reason = match TlsError::within(&error).map(TlsError::kind) {
            Some(TlsErrorKind::Truncated) => EndReason::Truncated,
            None if has_left => EndReason::Reset,
            _ => EndReason::Error,
        };
        Self::with_error(reason, error)
    }
}
