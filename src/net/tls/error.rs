//! What went wrong with TLS, in words.

use std::fmt;
use std::io;
use std::time::Duration;

use rustls::CertificateError;
use rustls::pki_types::UnixTime;

use super::info::TlsPeer;

/// Why a TLS handshake failed, or how a session ended badly. It is inside the [`io::Error`] that a protocol, or
/// who waits for the connection, is given.
///
/// ```
/// use loopctl::{TlsError, TlsErrorKind};
///
/// fn exit_code(error: &std::io::Error) -> i32 {
///     match TlsError::within(error).map(TlsError::kind) {
///         Some(TlsErrorKind::Certificate) => 60,
///         Some(_) => 35,
///         None => 1,
///     }
/// }
/// # assert_eq!(exit_code(&std::io::ErrorKind::TimedOut.into()), 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError {
    kind: TlsErrorKind,
    message: String,
}

/// What kind of thing went wrong with TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsErrorKind {
    /// The peer's certificate was not accepted, or there was none.
    Certificate,
    /// The peer refused, and said why.
    Alert,
    /// The peer does not speak TLS, or not as it should, or nothing that we speak.
    Protocol,
    /// The peer closed the connection in the middle of the handshake.
    Closed,
    /// The stream ended without the peer having said so: what came last may be missing.
    Truncated,
    /// The handshake, or saying farewell, took too long.
    TimedOut,
    /// The handshake was given up on our side.
    Canceled,
}

impl TlsError {
    /// What kind of error it is.
    pub fn kind(&self) -> TlsErrorKind {
        self.kind
    }

    /// The TLS error that an error of a connection is, if it is one.
    pub fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    fn new(kind: TlsErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(super) fn of_rustls(error: &rustls::Error, peer: &TlsPeer) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => {
                Self::new(TlsErrorKind::Certificate, certificate(error, peer.chain.len()))
            }
            rustls::Error::NoCertificatesPresented => {
                Self::new(TlsErrorKind::Certificate, "the peer sent no certificate")
            }
            rustls::Error::AlertReceived(alert) => {
                Self::new(TlsErrorKind::Alert, format!("the peer refused: alert {alert:?}"))
            }
            error => Self::new(TlsErrorKind::Protocol, format!("TLS failed: {error}")),
        }
    }

    /// Something came that is no TLS message, `first` of all.
    pub(super) fn no_tls(error: &rustls::Error, first: Option<u8>) -> Self {
        const RECORD_TYPES: std::ops::RangeInclusive<u8> = 20..=24;
        match first.filter(|first| !RECORD_TYPES.contains(first)) {
            Some(first) => {
                let text =
                    format!("the peer does not speak TLS: its answer begins with {first:#04x}");
                Self::new(TlsErrorKind::Protocol, text)
            }
            None => Self::of_rustls(error, &TlsPeer::default()),
        }
    }

    pub(super) fn closed() -> Self {
        let text = "the peer closed the connection during the TLS handshake";
        Self::new(TlsErrorKind::Closed, text)
    }

    pub(super) fn truncated() -> Self {
        let text = "truncated: the stream ended without a TLS close_notify";
        Self::new(TlsErrorKind::Truncated, text)
    }

    pub(super) fn stuck() -> Self {
        Self::new(TlsErrorKind::Protocol, "TLS failed: a message is too long")
    }

    pub(super) fn canceled() -> Self {
        Self::new(TlsErrorKind::Canceled, "closed during the TLS handshake")
    }

    pub(in crate::net) fn handshake_timed_out(limit: Duration) -> Self {
        let text =
            format!("TLS handshake is taking longer than {limit:?}: aborting the connection");
        Self::new(TlsErrorKind::TimedOut, text)
    }

    pub(in crate::net) fn shutdown_timed_out() -> Self {
        Self::new(TlsErrorKind::TimedOut, "TLS shutdown timed out")
    }

    fn io_kind(&self) -> io::ErrorKind {
        match self.kind {
            TlsErrorKind::Certificate | TlsErrorKind::Protocol => io::ErrorKind::InvalidData,
            TlsErrorKind::Alert | TlsErrorKind::Canceled => io::ErrorKind::ConnectionAborted,
            TlsErrorKind::Closed => io::ErrorKind::ConnectionReset,
            TlsErrorKind::Truncated => io::ErrorKind::UnexpectedEof,
            TlsErrorKind::TimedOut => io::ErrorKind::TimedOut,
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TlsError {}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::new(error.io_kind(), error)
    }
}

/// What cannot be asked of TLS: a certificate that is none, a name that is none, a limit of zero.
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

/// What is wrong with a certificate at the head of a chain of so many.
pub(super) fn certificate(error: &CertificateError, chain: usize) -> String {
    match error {
        CertificateError::ExpiredContext { time, not_after } => {
            let ago = since(*not_after, *time);
            format!("the certificate has expired: {ago} ago, on {}", date(*not_after))
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            let ahead = since(*time, *not_before);
            format!("the certificate is not valid yet: in {ahead}, from {}", date(*not_before))
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let name = expected.to_str();
            match &presented[..] {
                [] => format!("the certificate is not for {name}: it names nobody"),
                names => {
                    let names: Vec<String> = names.iter().map(|name| plain(name)).collect();
                    format!("the certificate is not for {name}, only for {}", names.join(", "))
                }
            }
        }
        CertificateError::UnknownIssuer => format!(
            "the issuer is unknown: no trusted certificate has signed any of the {chain} that were sent"
        ),
        CertificateError::Revoked => "the certificate has been revoked".to_owned(),
        CertificateError::BadSignature => "the certificate's signature is wrong".to_owned(),
        CertificateError::BadEncoding => "the certificate cannot be read".to_owned(),
        error if is_that_of_an_authority(error) => {
            "the certificate is that of an authority (CA:TRUE), which a server must not show as its own"
                .to_owned()
        }
        error => format!("the certificate is not acceptable: {error}"),
    }
}

/// rustls has no name for it: it passes on what the crate below it says.
fn is_that_of_an_authority(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity"))
}

/// As in `DnsName("a.example")` and `IpAddress(192.0.2.1)`, without the wrapping.
fn plain(name: &str) -> String {
    let inner = name.split('"').nth(1).unwrap_or(name);
    let inner =
        inner.strip_prefix("IpAddress(").and_then(|ip| ip.strip_suffix(')')).unwrap_or(inner);
    inner.parse::<std::net::IpAddr>().map_or_else(|_| inner.to_owned(), |ip| ip.to_string())
}

fn since(from: UnixTime, to: UnixTime) -> String {
    let seconds = to.as_secs().saturating_sub(from.as_secs());
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// As `2026-11-20 08:00:00 UTC`.
fn date(time: UnixTime) -> String {
    let (days, second) = (time.as_secs() / 86_400, time.as_secs() % 86_400);
    // Days from civil, the other way round: years that begin in March have their leap day last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn tls_06_dates_are_those_of_the_calendar() {
        assert_eq!(date(at(0)), "1970-01-01 00:00:00 UTC");
        assert_eq!(date(at(951_827_696)), "2000-02-29 12:34:56 UTC");
        assert_eq!(date(at(4_102_444_799)), "2099-12-31 23:59:59 UTC");
    }

    #[test]
    fn tls_06_certificate_errors_say_what_would_help() {
        let expired = CertificateError::ExpiredContext { time: at(951_827_696), not_after: at(0) };
        let text = certificate(&expired, 1);
        assert_eq!(text, "the certificate has expired: 11016 d ago, on 1970-01-01 00:00:00 UTC");
        let name = rustls::pki_types::ServerName::try_from("a.example").unwrap();
        let presented = ["DnsName(\"b.example\")", "IpAddress(0::1)"].map(str::to_owned).to_vec();
        let wrong = CertificateError::NotValidForNameContext { expected: name, presented };
        let text = certificate(&wrong, 1);
        assert_eq!(text, "the certificate is not for a.example, only for b.example, ::1");
        let text = certificate(&CertificateError::UnknownIssuer, 2);
        assert!(text.ends_with("has signed any of the 2 that were sent"), "{text}");
    }

    #[test]
    fn tls_06_the_units_of_an_age() {
        let ages = [(119, "119 s"), (7_199, "119 min"), (7_200, "2 h"), (172_800, "2 d")];
        for (seconds, text) in ages {
            assert_eq!(since(at(0), at(seconds)), text);
        }
    }
}
