//! Problems of certificates (RFC 5280 section 6).

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rustls::CertificateError;
use rustls::pki_types::UnixTime;
use webpki::Error as PathError;

use super::peer_certificate;
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
    /// The signature of the handshake does not match the key of the certificate (CertificateVerify, RFC 8446 section
    /// 4.4.3).
    BadHandshakeSignature,
    /// The certificate cannot be decoded.
    BadEncoding,
    /// The server's own certificate is marked as an authority's (basicConstraints CA:TRUE).
    CaUsedAsEndEntity,
    /// A certificate of the chain is no authority's and has signed another one.
    EndEntityUsedAsCa,
    /// An RSA key of the chain has a size whose signatures are not verified here.
    KeySize {
        /// Size of the key in bits.
        bits: usize,
    },
    /// A certificate of the chain is signed with an algorithm that is not verified here.
    SignatureAlgorithm {
        /// Name of the algorithm, such as `sha1WithRSAEncryption`.
        name: String,
    },
    /// A certificate of the chain is not of version 3, which alone is verified here.
    Version,
    /// An authority of the chain may not sign for this name (nameConstraints, RFC 5280 section 4.2.1.10).
    NameConstraint,
    /// An authority of the chain has more authorities below it than it may have (pathLenConstraint, RFC 5280 section
    /// 4.2.1.9).
    PathLength,
    /// The certificate may not be used for TLS by this side (extendedKeyUsage, RFC 5280 section 4.2.1.12).
    Purpose,
    /// A certificate of the chain has a critical extension that is not known here (RFC 5280 section 4.2).
    CriticalExtension,
    /// Another reason, in words.
    Other(String),
}

/// Sizes of RSA keys whose signatures are verified.
pub(super) const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

impl CertificateProblem {
    /// `sent` is the number of certificates in the peer's chain.
    pub(super) fn new(error: &CertificateError, sent: usize) -> Self {
        use CertificateError as Error;
        #[expect(deprecated, reason = "verifiers may return the variants without context")]
        match error {
            Error::ExpiredContext { time, not_after } => {
                Self::Expired { not_after: system(*not_after), checked_at: system(*time) }
            }
            Error::NotValidYetContext { time, not_before } => {
                Self::NotYetValid { not_before: system(*not_before), checked_at: system(*time) }
            }
            Error::Expired => {
                Self::other("its validity period has ended, or ends before it begins")
            }
            Error::NotValidYet => Self::other("its validity period has not begun"),
            Error::NotValidForNameContext { expected, presented } => Self::WrongName {
                expected: expected.to_str().into_owned(),
                presented: presented.iter().map(|name| unwrapped(name)).collect(),
            },
            Error::NotValidForName => Self::other("it is for another name"),
            Error::UnknownIssuer => Self::UnknownIssuer { sent },
            Error::Revoked => Self::Revoked,
            Error::BadSignature => Self::BadSignature,
            Error::BadEncoding => Self::BadEncoding,
            Error::UnhandledCriticalExtension => Self::CriticalExtension,
            Error::UnsupportedSignatureAlgorithm => unsupported(&[]),
            Error::UnsupportedSignatureAlgorithmContext { signature_algorithm_id, .. } => {
                unsupported(signature_algorithm_id)
            }
            Error::UnsupportedSignatureAlgorithmForPublicKeyContext {
                signature_algorithm_id,
                public_key_algorithm_id,
            } => unsupported_for_key(signature_algorithm_id, public_key_algorithm_id),
            Error::InvalidPurpose | Error::InvalidPurposeContext { .. } => Self::Purpose,
            Error::UnknownRevocationStatus => Self::other("its revocation status is unknown"),
            Error::ExpiredRevocationList | Error::ExpiredRevocationListContext { .. } => {
                Self::other("the list of revoked certificates is out of date")
            }
            Error::InvalidOcspResponse => Self::other("the stapled OCSP response is not valid"),
            Error::ApplicationVerificationFailure => Self::other("the application rejects it"),
            Error::Other(other) => match other.0.downcast_ref() {
                Some(error) => Self::of_path(error, sent),
                None => Self::unknown(),
            },
            _ => Self::unknown(),
        }
    }

    /// Problem of a path to a trusted authority.
    pub(super) fn of_path(error: &PathError, sent: usize) -> Self {
        use PathError as Error;
        #[expect(deprecated, reason = "verifiers may return the variants without context")]
        match error {
            Error::CertExpired { time, not_after } => {
                Self::Expired { not_after: system(*not_after), checked_at: system(*time) }
            }
            Error::CertNotValidYet { time, not_before } => {
                Self::NotYetValid { not_before: system(*not_before), checked_at: system(*time) }
            }
            Error::CertNotValidForName(context) => Self::WrongName {
                expected: context.expected.to_str().into_owned(),
                presented: context.presented.iter().map(|name| unwrapped(name)).collect(),
            },
            Error::UnknownIssuer => Self::UnknownIssuer { sent },
            Error::CertRevoked => Self::Revoked,
            Error::InvalidSignatureForPublicKey => Self::BadSignature,
            Error::CaUsedAsEndEntity => Self::CaUsedAsEndEntity,
            Error::EndEntityUsedAsCa => Self::EndEntityUsedAsCa,
            Error::UnsupportedCertVersion => Self::Version,
            Error::NameConstraintViolation => Self::NameConstraint,
            Error::PathLenConstraintViolated => Self::PathLength,
            Error::RequiredEkuNotFound | Error::RequiredEkuNotFoundContext(_) => Self::Purpose,
            Error::UnsupportedCriticalExtension => Self::CriticalExtension,
            Error::UnsupportedSignatureAlgorithm => unsupported(&[]),
            Error::UnsupportedSignatureAlgorithmContext(context) => {
                unsupported(&context.signature_algorithm_id)
            }
            Error::UnsupportedSignatureAlgorithmForPublicKey => unsupported(&[]),
            Error::UnsupportedSignatureAlgorithmForPublicKeyContext(context) => {
                unsupported_for_key(
                    &context.signature_algorithm_id,
                    &context.public_key_algorithm_id,
                )
            }
            Error::BadDer | Error::TrailingData(_) => Self::BadEncoding,
            error => Self::other(path_words(error)),
        }
    }

    fn other(text: &str) -> Self {
        Self::Other(text.to_owned())
    }

    fn unknown() -> Self {
        Self::other("the check failed for a reason that has no name here")
    }
}

/// Words for the rarer errors of a path.
fn path_words(error: &PathError) -> &'static str {
    use PathError as Error;
    match error {
        Error::BadDerTime => "a date in it cannot be decoded",
        Error::CertDistrusted => "its public key is on the list of distrusted keys",
        Error::EmptyEkuExtension => "its extendedKeyUsage is empty",
        Error::ExtensionValueInvalid => "one of its extensions has an invalid value",
        Error::InvalidCertValidity => "its validity period ends before it begins",
        Error::InvalidNetworkMaskConstraint => {
            "an authority's nameConstraints have an invalid network mask"
        }
        Error::InvalidSerialNumber => "its serial number cannot be decoded",
        Error::MalformedDnsIdentifier => "a DNS name in it is malformed",
        Error::MalformedExtensions => "its extensions are malformed",
        Error::MalformedNameConstraint => "an authority's nameConstraints are malformed",
        Error::MaximumNameConstraintComparisonsExceeded => {
            "there are more comparisons with nameConstraints than are made here"
        }
        Error::MaximumPathBuildCallsExceeded | Error::MaximumSignatureChecksExceeded => {
            "there are more paths to an authority than are tried here"
        }
        Error::MaximumPathDepthExceeded => "the path to an authority is longer than is tried here",
        Error::SignatureAlgorithmMismatch => {
            "its two fields for the signature algorithm differ (RFC 5280 section 4.1.1.2)"
        }
        Error::UnsupportedNameType => "this type of name is not checked here",
        Error::CrlExpired { .. } | Error::UnknownRevocationStatus => {
            "its revocation status is unknown"
        }
        _ => "the check failed for a reason that has no name here",
    }
}

/// `identifier` is an AlgorithmIdentifier without its header.
fn unsupported(identifier: &[u8]) -> CertificateProblem {
    let name = peer_certificate::algorithm(identifier);
    let name = name.unwrap_or_else(|| "an unknown algorithm".to_owned());
    CertificateProblem::SignatureAlgorithm { name }
}

fn unsupported_for_key(signature: &[u8], key: &[u8]) -> CertificateProblem {
    let name = |identifier| peer_certificate::algorithm(identifier);
    let (signature, key) = (name(signature), name(key));
    let name = match (signature, key) {
        (Some(signature), Some(key)) => format!("{signature}, with a key of type {key}"),
        (Some(signature), None) => signature,
        _ => "an unknown algorithm".to_owned(),
    };
    CertificateProblem::SignatureAlgorithm { name }
}

/// The name in `DnsName("a.example")`, the address in `IpAddress(192.0.2.1)`: rustls gives these as text only.
fn unwrapped(name: &str) -> String {
    let inner = name.split('"').nth(1).unwrap_or(name);
    let kinds = ["IpAddress", "DnsName", "DirectoryName", "UniformResourceIdentifier"];
    let opened = kinds.iter().find_map(|kind| inner.strip_prefix(kind)?.strip_prefix('('));
    let inner = opened.and_then(|text| text.strip_suffix(')')).unwrap_or(inner);
    match inner.parse::<IpAddr>() {
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
        let text = match self {
            Self::Missing => "the peer sent no certificate",
            Self::Expired { not_after, .. } => {
                return write!(f, "the certificate expired at {}", rfc3339(*not_after));
            }
            Self::NotYetValid { not_before, .. } => {
                return write!(f, "the certificate is not valid before {}", rfc3339(*not_before));
            }
            Self::WrongName { expected, presented } if presented.is_empty() => {
                let text = "it has no DNS name and no IP address in its subjectAltName";
                return write!(f, "the certificate is not for {expected}: {text}");
            }
            Self::WrongName { expected, presented } => {
                let presented = presented.join(", ");
                return write!(f, "the certificate is not for {expected}, only for {presented}");
            }
            Self::UnknownIssuer { sent: 0 | 1 } => {
                "unknown issuer: no trusted authority has signed the certificate"
            }
            Self::UnknownIssuer { sent } => {
                return write!(
                    f,
                    "unknown issuer: no trusted authority has signed any of the {sent} certificates"
                );
            }
            Self::Revoked => "the certificate has been revoked",
            Self::BadSignature => "the signature of the certificate is wrong",
            Self::BadHandshakeSignature => {
                "the signature of the handshake does not match the key of the certificate"
            }
            Self::BadEncoding => "the certificate cannot be decoded",
            Self::CaUsedAsEndEntity => {
                "the certificate is marked as an authority's (CA:TRUE) and is used as a server's"
            }
            Self::EndEntityUsedAsCa => {
                "a certificate of the chain has signed another one and is not an authority's (no CA:TRUE)"
            }
            Self::KeySize { bits } => {
                let (min, max) = (RSA_BITS.start(), RSA_BITS.end());
                return write!(
                    f,
                    "an RSA key of {bits} bits, and this program verifies keys of {min} to {max} bits only"
                );
            }
            Self::SignatureAlgorithm { name } => {
                return write!(f, "signed with {name}, which this program does not verify");
            }
            Self::Version => {
                "a certificate of X.509 version 1 or 2: this program verifies version 3 only"
            }
            Self::NameConstraint => {
                "an authority of the chain may not sign for this name (nameConstraints)"
            }
            Self::PathLength => {
                "an authority of the chain has more authorities below it than it may have (pathLenConstraint)"
            }
            Self::Purpose => {
                "the certificate may not be used for TLS by this side (extendedKeyUsage)"
            }
            Self::CriticalExtension => {
                "a certificate of the chain has a critical extension that this program does not know"
            }
            Self::Other(error) => return write!(f, "the certificate is not acceptable: {error}"),
        };
        f.write_str(text)
    }
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;
