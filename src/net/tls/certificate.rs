//! Problems of certificates (RFC 5280 section 6).

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rustls::CertificateError;
use rustls::pki_types::UnixTime;

use crate::net::error::rfc3339;

/// Reason why a certificate chain is not trusted.
///
/// `Display` is one sentence without a full stop; times are in RFC 3339.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use loopctl::CertificateProblem;
///
/// let not_after = SystemTime::UNIX_EPOCH + Duration::from_secs(951_827_696);
/// let problem = CertificateProblem::Expired { not_after, checked_at: SystemTime::now() };
/// assert_eq!(problem.to_string(), "the certificate expired at 2000-02-29T12:34:56Z");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// The peer sent no certificate.
    Missing,
    /// The check was made after the end of the validity period.
    Expired {
        /// End of the validity period.
        not_after: SystemTime,
        /// Time of the check.
        checked_at: SystemTime,
    },
    /// The check was made before the start of the validity period.
    NotYetValid {
        /// Start of the validity period.
        not_before: SystemTime,
        /// Time of the check.
        checked_at: SystemTime,
    },
    /// The subjectAltName does not contain the server's name (RFC 9525).
    WrongName {
        /// Name or address that was looked for.
        expected: String,
        /// DNS names and IP addresses of the subjectAltName.
        presented: Vec<String>,
    },
    /// The chain does not lead to a trusted authority.
    UnknownIssuer {
        /// Number of certificates that the peer sent.
        sent: usize,
    },
    /// The issuer has revoked the certificate.
    Revoked,
    /// The signature does not match the issuer's key.
    BadSignature,
    /// The certificate cannot be decoded.
    BadEncoding,
    /// The server's own certificate is marked as an authority's (basicConstraints CA:TRUE).
    CaUsedAsEndEntity,
    /// Another reason, as rustls describes it.
    Other(String),
}

impl CertificateProblem {
    /// `sent` is the number of certificates in the peer's chain.
    pub(super) fn new(error: &CertificateError, sent: usize) -> Self {
        use CertificateError as Error;
        match error {
            Error::ExpiredContext { time, not_after } => {
                Self::Expired { not_after: system(*not_after), checked_at: system(*time) }
            }
            Error::NotValidYetContext { time, not_before } => {
                Self::NotYetValid { not_before: system(*not_before), checked_at: system(*time) }
            }
            Error::NotValidForNameContext { expected, presented } => Self::WrongName {
                expected: expected.to_str().into_owned(),
                presented: presented.iter().map(|name| unwrapped(name)).collect(),
            },
            Error::UnknownIssuer => Self::UnknownIssuer { sent },
            Error::Revoked => Self::Revoked,
            Error::BadSignature => Self::BadSignature,
            Error::BadEncoding => Self::BadEncoding,
            Error::Other(other) if is_ca_as_end_entity(&*other.0) => Self::CaUsedAsEndEntity,
            error => Self::Other(error.to_string()),
        }
    }
}

/// rustls has no variant for this error and passes webpki's through.
fn is_ca_as_end_entity(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

/// The name in `DnsName("a.example")`, the address in `IpAddress(192.0.2.1)`: rustls gives these as text only.
fn unwrapped(name: &str) -> String {
    let inner = name.split('"').nth(1).unwrap_or(name);
    let address = inner.strip_prefix("IpAddress(").and_then(|ip| ip.strip_suffix(')'));
    match address.unwrap_or(inner).parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => inner.to_owned(),
    }
}

fn system(time: UnixTime) -> SystemTime {
    // X.509 has four digits for a year, so that every date of a certificate fits.
    let since_epoch = Duration::from_secs(time.as_secs());
    SystemTime::UNIX_EPOCH.checked_add(since_epoch).unwrap_or(SystemTime::UNIX_EPOCH)
}

impl fmt::Display for CertificateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the peer sent no certificate"),
            Self::Expired { not_after, .. } => {
                write!(f, "the certificate expired at {}", rfc3339(*not_after))
            }
            Self::NotYetValid { not_before, .. } => {
                write!(f, "the certificate is not valid before {}", rfc3339(*not_before))
            }
            Self::WrongName { expected, presented } if presented.is_empty() => {
                write!(f, "the certificate is not for {expected}: it has no subjectAltName")
            }
            Self::WrongName { expected, presented } => {
                let presented = presented.join(", ");
                write!(f, "the certificate is not for {expected}, only for {presented}")
            }
            Self::UnknownIssuer { sent: 1 } => {
                f.write_str("unknown issuer: no trusted authority has signed the certificate")
            }
            Self::UnknownIssuer { sent } => {
                write!(
                    f,
                    "unknown issuer: no trusted authority has signed any of the {sent} certificates"
                )
            }
            Self::Revoked => f.write_str("the certificate has been revoked"),
            Self::BadSignature => f.write_str("the signature of the certificate is wrong"),
            Self::BadEncoding => f.write_str("the certificate cannot be decoded"),
            Self::CaUsedAsEndEntity => f.write_str(
                "the certificate is marked as an authority's (CA:TRUE) and is used as a server's",
            ),
            Self::Other(error) => write!(f, "the certificate is not acceptable: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn dates_are_those_of_the_certificate() {
        let [time, not_after] = [at(951_827_696), at(0)];
        let expired =
            CertificateProblem::new(&CertificateError::ExpiredContext { time, not_after }, 1);
        let CertificateProblem::Expired { not_after, checked_at } = expired else {
            panic!("{expired:?}")
        };
        assert_eq!(not_after, SystemTime::UNIX_EPOCH);
        assert_eq!(checked_at.duration_since(not_after).unwrap().as_secs(), 951_827_696);
        let not_before = at(4_102_444_799);
        let early = CertificateError::NotValidYetContext { time, not_before };
        let text = CertificateProblem::new(&early, 1).to_string();
        assert_eq!(text, "the certificate is not valid before 2099-12-31T23:59:59Z");
    }

    #[test]
    fn names_are_those_of_the_certificate() {
        let expected = ServerName::try_from("a.example").unwrap();
        let presented = ["DnsName(\"b.example\")", "IpAddress(0::1)"].map(str::to_owned).to_vec();
        let wrong = CertificateError::NotValidForNameContext { expected, presented };
        let wrong = CertificateProblem::new(&wrong, 1);
        let CertificateProblem::WrongName { expected, presented } = &wrong else {
            panic!("{wrong:?}")
        };
        assert_eq!(
            (expected.as_str(), presented.as_slice()),
            ("a.example", &["b.example".to_owned(), "::1".to_owned()][..])
        );
        assert_eq!(
            wrong.to_string(),
            "the certificate is not for a.example, only for b.example, ::1"
        );
    }
}
