//! Failures of TLS.

use std::fmt;
use std::io;
use std::time::Duration;

use super::alert::TlsAlert;
use super::certificate::CertificateProblem;
use super::error_words::words;
use super::greeting::{PlainProtocol, first_line, is_echo, is_plain};
use super::info::{TlsPeer, TlsVerdict};

/// Failure of a TLS handshake or session, inside the [`io::Error`] that reaches the protocol or the caller.
///
/// ```
/// use loopctl::{TlsAlert, TlsError};
///
/// fn exit_code(error: &std::io::Error) -> i32 {
///     match TlsError::within(error) {
///         Some(TlsError::Certificate { .. }) => 60,
///         Some(error) if error.alert_received() == Some(TlsAlert::UnknownCa) => 61,
///         Some(_) => 35,
///         None => 1,
///     }
/// }
/// # assert_eq!(exit_code(&std::io::ErrorKind::TimedOut.into()), 1);
/// # assert_eq!(exit_code(&TlsError::AlertReceived(TlsAlert::UnknownCa).into()), 61);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsError {
    /// The peer's certificate was rejected, or it sent none.
    Certificate {
        /// Problem of the certificate.
        problem: CertificateProblem,
        /// Alert that the peer was sent.
        alert_sent: Option<TlsAlert>,
    },
    /// The peer sent a fatal alert.
    AlertReceived(TlsAlert),
    /// The first bytes from the peer are not a TLS record (RFC 8446 section 5.1).
    NotTls {
        /// These bytes, at most 128.
        first_bytes: Vec<u8>,
    },
    /// The peer sends back what it receives: its answer is the ClientHello that it was sent.
    Echo,
    /// The peer broke the protocol, or no version, suite or parameter is common to both sides.
    Protocol {
        /// Description in words.
        message: String,
        /// Alert that the peer was sent, as far as it is known: rustls does not report encrypted ones.
        alert_sent: Option<TlsAlert>,
    },
    /// The peer closed the connection during the handshake.
    Closed,
    /// The stream ended without `close_notify` (RFC 8446 section 6.1): the last data may be missing.
    Truncated,
    /// The handshake did not end in time.
    HandshakeTimedOut {
        /// Limit of the handshake; `None` where a limit of the whole operation ended it.
        limit: Option<Duration>,
    },
    /// The closing side could not send what was queued, `close_notify` included, in time.
    ShutdownTimedOut,
    /// This side gave the handshake up.
    Canceled,
}

/// Category of a [`TlsError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsErrorKind {
    /// [`TlsError::Certificate`].
    Certificate,
    /// [`TlsError::AlertReceived`].
    Alert,
    /// [`TlsError::NotTls`] or [`TlsError::Echo`].
    NotTls,
    /// [`TlsError::Protocol`].
    Protocol,
    /// [`TlsError::Closed`].
    Closed,
    /// [`TlsError::Truncated`].
    Truncated,
    /// [`TlsError::HandshakeTimedOut`] or [`TlsError::ShutdownTimedOut`].
    TimedOut,
    /// [`TlsError::Canceled`].
    Canceled,
}

impl TlsError {
    /// Category of the error.
    pub fn kind(&self) -> TlsErrorKind {
        match self {
            Self::Certificate { .. } => TlsErrorKind::Certificate,
            Self::AlertReceived(_) => TlsErrorKind::Alert,
            Self::NotTls { .. } | Self::Echo => TlsErrorKind::NotTls,
            Self::Protocol { .. } => TlsErrorKind::Protocol,
            Self::Closed => TlsErrorKind::Closed,
            Self::Truncated => TlsErrorKind::Truncated,
            Self::HandshakeTimedOut { .. } | Self::ShutdownTimedOut => TlsErrorKind::TimedOut,
            Self::Canceled => TlsErrorKind::Canceled,
        }
    }

    /// The fatal alert that the peer sent.
    pub fn alert_received(&self) -> Option<TlsAlert> {
        match self {
            Self::AlertReceived(alert) => Some(*alert),
            _ => None,
        }
    }

    /// The fatal alert that the peer was sent, as far as it is known.
    pub fn alert_sent(&self) -> Option<TlsAlert> {
        match self {
            Self::Certificate { alert_sent, .. } | Self::Protocol { alert_sent, .. } => *alert_sent,
            _ => None,
        }
    }

    /// The TLS error inside the error of a connection.
    pub fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// `plaintext_alert` is the alert that rustls has just sent in plaintext.
    pub(super) fn new(
        error: &rustls::Error,
        peer: &TlsPeer,
        plaintext_alert: Option<TlsAlert>,
    ) -> Self {
        let alert_sent = plaintext_alert.or_else(|| encrypted_alert(error));
        match error {
            rustls::Error::InvalidCertificate(error) => {
                // The verifier's own record says more than the error that passes through rustls.
                let problem = match &peer.verdict {
                    TlsVerdict::Failed(problem) => problem.clone(),
                    _ => CertificateProblem::new(error, peer.chain.len()),
                };
                Self::Certificate { problem, alert_sent }
            }
            rustls::Error::NoCertificatesPresented => {
                Self::Certificate { problem: CertificateProblem::Missing, alert_sent }
            }
            rustls::Error::AlertReceived(alert) => Self::AlertReceived((*alert).into()),
            error => Self::Protocol { message: words(error), alert_sent },
        }
    }

    /// Error for a first answer that is not TLS, or the ClientHello itself.
    pub(super) fn of_answer(first_bytes: &[u8], first_sent: &[u8]) -> Option<Self> {
        if is_plain(first_bytes) {
            return Some(Self::NotTls { first_bytes: first_bytes.to_vec() });
        }
        is_echo(first_sent, first_bytes).then_some(Self::Echo)
    }

    pub(in crate::net) fn handshake_timed_out(limit: Duration) -> Self {
        Self::HandshakeTimedOut { limit: Some(limit) }
    }

    pub(in crate::net) fn shutdown_timed_out() -> Self {
        Self::ShutdownTimedOut
    }

    pub(super) fn too_long() -> Self {
        Self::Protocol { message: "a message is too long".to_owned(), alert_sent: None }
    }

    fn io_kind(&self) -> io::ErrorKind {
        match self.kind() {
            TlsErrorKind::Certificate | TlsErrorKind::NotTls | TlsErrorKind::Protocol => {
                io::ErrorKind::InvalidData
            }
            TlsErrorKind::Alert | TlsErrorKind::Canceled => io::ErrorKind::ConnectionAborted,
            TlsErrorKind::Closed => io::ErrorKind::ConnectionReset,
            TlsErrorKind::Truncated => io::ErrorKind::UnexpectedEof,
            TlsErrorKind::TimedOut => io::ErrorKind::TimedOut,
        }
    }
}

/// Alert that rustls sends for an error, where the error alone determines it.
fn encrypted_alert(error: &rustls::Error) -> Option<TlsAlert> {
    match error {
        rustls::Error::InvalidCertificate(error) => {
            Some(rustls::AlertDescription::from(error.clone()).into())
        }
        rustls::Error::NoApplicationProtocol => Some(TlsAlert::NoApplicationProtocol),
        _ => None,
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate { problem, .. } => problem.fmt(f),
            Self::AlertReceived(alert) => match (alert.name(), alert.meaning()) {
                (Some(name), Some(meaning)) => {
                    write!(f, "the peer sent the fatal alert {name}: {meaning}")
                }
                _ => write!(f, "the peer sent a fatal alert of unknown number {}", alert.number()),
            },
            Self::NotTls { first_bytes } => match PlainProtocol::of(first_bytes) {
                Some(protocol) => match protocol.quote(first_bytes) {
                    Some(line) => {
                        write!(f, "the peer speaks {protocol}, not TLS: it sent \"{line}\"")
                    }
                    None => write!(f, "the peer speaks {protocol}, not TLS"),
                },
                None => {
                    let line = first_line(first_bytes);
                    write!(f, "the peer does not speak TLS: it sent \"{line}\"")
                }
            },
            Self::Echo => f.write_str(
                "the peer does not speak TLS: it sends back what it receives (the ClientHello)",
            ),
            Self::Protocol { message, .. } => write!(f, "TLS failed: {message}"),
            Self::Closed => f.write_str("the peer closed the connection during the TLS handshake"),
            Self::Truncated => {
                f.write_str("truncated: the stream ended without a TLS close_notify")
            }
            // Both as in asyncio.
            Self::HandshakeTimedOut { limit: Some(limit) } => {
                write!(f, "TLS handshake is taking longer than {limit:?}: aborting the connection")
            }
            Self::HandshakeTimedOut { limit: None } => f.write_str("timed out"),
            Self::ShutdownTimedOut => f.write_str("TLS shutdown timed out"),
            Self::Canceled => f.write_str("closed during the TLS handshake"),
        }
    }
}

impl std::error::Error for TlsError {}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::new(error.io_kind(), error)
    }
}

/// Invalid TLS configuration: a certificate, a name, a cipher suite, a time limit.
///
/// ```
/// use loopctl::TlsClient;
///
/// let error = TlsClient::builder().ca_pem("no certificate").build().unwrap_err();
/// assert_eq!(error.to_string(), "CA: there is no certificate in it");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfigError(String);

impl TlsConfigError {
    pub(super) fn new(what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self(format!("{what}: {why}"))
    }

    /// An error of rustls in words.
    pub(super) fn of_tls(what: impl fmt::Display, error: &rustls::Error) -> Self {
        let why = match error {
            rustls::Error::InvalidCertificate(error) => {
                CertificateProblem::new(error, 1).to_string()
            }
            error => words(error),
        };
        Self::new(what, why)
    }

    /// An error of [`rustls::sign::CertifiedKey::from_der`] in words.
    pub(super) fn of_key(what: impl fmt::Display, error: &rustls::Error) -> Self {
        match error {
            // The provider has no type for a key that it cannot load.
            rustls::Error::General(_) => Self::new(
                what,
                "the private key cannot be read, or is of a type that this program does not use",
            ),
            error => Self::of_tls(what, error),
        }
    }
}

impl fmt::Display for TlsConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsConfigError {}

impl From<TlsConfigError> for io::Error {
    fn from(error: TlsConfigError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}
