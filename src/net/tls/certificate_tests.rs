//! Sentences of certificate problems.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ExtendedKeyPurpose, OtherError};

use super::*;
use crate::net::tls::error_words::assert_words;

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

#[test]
fn dates_are_those_of_the_certificate() {
    let [time, not_after] = [at(951_827_696), at(0)];
    let expired = CertificateProblem::new(&CertificateError::ExpiredContext { time, not_after }, 1);
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
    let CertificateProblem::WrongName { expected, presented } = &wrong else { panic!("{wrong:?}") };
    assert_eq!(
        (expected.as_str(), presented.as_slice()),
        ("a.example", &["b.example".to_owned(), "::1".to_owned()][..])
    );
    assert_eq!(wrong.to_string(), "the certificate is not for a.example, only for b.example, ::1");
}

/// Errors of webpki that can be constructed, each once.
fn path_errors() -> Vec<PathError> {
    use PathError as Error;
    let (time, then) = (at(2), at(1));
    let expected = ServerName::try_from("a.example").unwrap();
    let presented = vec!["DnsName(\"b.example\")".to_owned()];
    vec![
        Error::BadDer,
        Error::BadDerTime,
        Error::CaUsedAsEndEntity,
        Error::CertDistrusted,
        Error::CertExpired { time, not_after: then },
        Error::CertNotValidForName(webpki::InvalidNameContext { expected, presented }),
        Error::CertNotValidYet { time: then, not_before: time },
        Error::CertRevoked,
        Error::CrlExpired { time, next_update: then },
        Error::EmptyEkuExtension,
        Error::EndEntityUsedAsCa,
        Error::ExtensionValueInvalid,
        Error::InvalidCertValidity,
        Error::InvalidCrlNumber,
        Error::InvalidNetworkMaskConstraint,
        Error::InvalidSerialNumber,
        Error::InvalidCrlSignatureForPublicKey,
        Error::InvalidSignatureForPublicKey,
        Error::IssuerNotCrlSigner,
        Error::MalformedDnsIdentifier,
        Error::MalformedExtensions,
        Error::MalformedNameConstraint,
        Error::MaximumNameConstraintComparisonsExceeded,
        Error::MaximumPathBuildCallsExceeded,
        Error::MaximumPathDepthExceeded,
        Error::MaximumSignatureChecksExceeded,
        Error::NameConstraintViolation,
        Error::PathLenConstraintViolated,
        Error::SignatureAlgorithmMismatch,
        Error::TrailingData(webpki::DerTypeId::Certificate),
        Error::UnknownIssuer,
        Error::UnknownRevocationStatus,
        Error::UnsupportedCertVersion,
        Error::UnsupportedCriticalExtension,
        Error::UnsupportedCrlVersion,
        Error::UnsupportedDeltaCrl,
        Error::UnsupportedIndirectCrl,
        Error::UnsupportedNameType,
        Error::UnsupportedRevocationReason,
        Error::UnsupportedSignatureAlgorithmContext(webpki::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: SHA1_WITH_RSA.to_vec(),
            supported_algorithms: Vec::new(),
        }),
        Error::UnsupportedSignatureAlgorithmForPublicKeyContext(
            webpki::UnsupportedSignatureAlgorithmForPublicKeyContext {
                signature_algorithm_id: SHA1_WITH_RSA.to_vec(),
                public_key_algorithm_id: Vec::new(),
            },
        ),
    ]
}

/// AlgorithmIdentifier of sha1WithRSAEncryption, without its header.
const SHA1_WITH_RSA: &[u8] = &[6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 5, 5, 0];

#[test]
fn every_problem_is_a_sentence_without_names_of_types() {
    for error in path_errors() {
        let ours = CertificateProblem::of_path(&error, 2);
        assert_words(&ours.to_string());
        // As rustls passes it through to a server.
        let through = CertificateError::Other(OtherError(Arc::new(error)));
        assert_eq!(CertificateProblem::new(&through, 2), ours);
    }
    let (required, presented) = (ExtendedKeyPurpose::ServerAuth, Vec::new());
    for error in [
        CertificateError::BadEncoding,
        CertificateError::Expired,
        CertificateError::NotValidYet,
        CertificateError::Revoked,
        CertificateError::UnhandledCriticalExtension,
        CertificateError::UnknownIssuer,
        CertificateError::UnknownRevocationStatus,
        CertificateError::ExpiredRevocationList,
        CertificateError::BadSignature,
        CertificateError::NotValidForName,
        CertificateError::InvalidPurpose,
        CertificateError::InvalidPurposeContext { required, presented },
        CertificateError::InvalidOcspResponse,
        CertificateError::ApplicationVerificationFailure,
        CertificateError::Other(OtherError(Arc::new(fmt::Error))),
    ] {
        assert_words(&CertificateProblem::new(&error, 1).to_string());
    }
    let weak = unsupported(SHA1_WITH_RSA).to_string();
    assert_eq!(weak, "signed with sha1WithRSAEncryption, which this program does not verify");
}
