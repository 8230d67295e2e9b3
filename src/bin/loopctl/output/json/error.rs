//! Errors in JSON: kind, error number, symbol and message.

use loopctl::{Failure, TlsErrorKind};

use crate::diagnose::cause::{self, Cause};
use crate::diagnose::transfer::Failed;
use crate::output::wire::common::{ErrorKind, ErrorRecord};
use crate::report::{Attempt, FailureKind, Outcome, TlsFailure, TlsReport};

impl From<Cause> for ErrorKind {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Refused | Cause::Rejected => Self::Refused,
            Cause::Silent | Cause::NoAnswerToTls => Self::Timeout,
            Cause::Untrusted => Self::Cert,
            Cause::NoTls => Self::Tls,
            Cause::Unreachable | Cause::NoRoute | Cause::Prohibited => Self::Unreachable,
            Cause::Reset => Self::Reset,
            Cause::Bind | Cause::NoPort | Cause::Other => Self::Io,
        }
    }
}

impl From<&TlsFailure> for ErrorKind {
    fn from(failure: &TlsFailure) -> Self {
        match failure.kind() {
            Some(TlsErrorKind::Certificate) => Self::Cert,
            Some(TlsErrorKind::TimedOut) => Self::Timeout,
            Some(TlsErrorKind::Canceled) => Self::Io,
            _ => Self::Tls,
        }
    }
}

impl From<FailureKind> for ErrorKind {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::TimedOut => Self::Timeout,
            FailureKind::NotResolved => Self::Dns,
            FailureKind::NoTls => Self::Tls,
            FailureKind::NotTrusted => Self::Cert,
            FailureKind::NoHttp(_) => Self::Http,
            _ => Self::Io,
        }
    }
}

/// Error of an attempt that failed.
pub(crate) fn of_attempt(attempt: &Attempt) -> Option<ErrorRecord> {
    match (&attempt.outcome, attempt.tls_failure()) {
        (Outcome::Failure(..) | Outcome::Timeout, Some((tls, failure))) => {
            Some(of_tls(tls, failure))
        }
        _ => of_connect(attempt),
    }
}

/// Error of an attempt that failed, without the reason of its handshake.
pub(crate) fn of_connect(attempt: &Attempt) -> Option<ErrorRecord> {
    match &attempt.outcome {
        Outcome::Failure(_, failure) => Some(of_failure(failure, Cause::of(attempt))),
        Outcome::Timeout => Some(ErrorRecord::plain(ErrorKind::Timeout, "timed out")),
        Outcome::Success | Outcome::Canceled | Outcome::Pending => None,
    }
}

/// Error of the system, with its cause where that is known.
pub(crate) fn of_failure(failure: &Failure, cause: Option<Cause>) -> ErrorRecord {
    ErrorRecord {
        kind: cause.map_or(ErrorKind::Io, ErrorKind::from),
        errno: failure.errno,
        name: failure.name().map(str::to_owned),
        message: cause::failure_text(failure),
    }
}

/// Kind of an error of the system.
pub(crate) fn kind_of(failure: &Failure) -> ErrorKind {
    Cause::from_failure(failure).into()
}

/// Error on an established connection, such as `cannot send ...`.
pub(crate) fn of_connection((what, failure): &Failed) -> ErrorRecord {
    let record = of_failure(failure, Some(Cause::from_failure(failure)));
    ErrorRecord { message: format!("{what}: {}", record.message), ..record }
}

/// Error of a handshake, or of the dialogue before it.
pub(crate) fn of_tls(tls: &TlsReport, failure: &TlsFailure) -> ErrorRecord {
    ErrorRecord {
        kind: failure.into(),
        errno: failure.failure.errno,
        name: failure.failure.name().map(str::to_owned),
        message: cause::tls_message(tls, failure),
    }
}
