//! Errors of rustls in words.

use rustls::{Error, InconsistentKeys, InvalidMessage, PeerIncompatible, PeerMisbehaved};

/// An error of a handshake or session as a clause without a full stop.
pub(super) fn words(error: &Error) -> String {
    let text = match error {
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            "the peer sent a message out of turn"
        }
        Error::InvalidEncryptedClientHello(_) => "the encrypted ClientHello is not possible",
        Error::InvalidMessage(error) => return message(error).to_owned(),
        Error::NoCertificatesPresented => "the peer sent no certificate",
        Error::UnsupportedNameType => "this type of server name cannot be verified",
        Error::DecryptError => "a record from the peer cannot be decrypted",
        Error::EncryptError => "a record is too large to be encrypted",
        Error::PeerIncompatible(error) => return incompatible(error).to_owned(),
        Error::PeerMisbehaved(error) => return misbehaved(error),
        Error::AlertReceived(_) => "the peer sent a fatal alert",
        Error::InvalidCertificate(_) => "the certificate is not acceptable",
        Error::InvalidCertRevocationList(_) => "the list of revoked certificates is not valid",
        Error::General(_) => "an error of the TLS library of this program",
        Error::FailedToGetCurrentTime => "the time of this host is unknown",
        Error::FailedToGetRandomBytes => "the system gives no random numbers",
        Error::HandshakeNotComplete => "the handshake is not complete",
        Error::PeerSentOversizedRecord => "the peer sent a record larger than TLS allows",
        Error::NoApplicationProtocol => "no protocol is common to both sides (ALPN, RFC 7301)",
        Error::BadMaxFragmentSize => "the maximum fragment size is out of range",
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            "the private key is not that of the certificate"
        }
        Error::InconsistentKeys(_) => "the public key of the private key is unknown",
        _ => "an error without a name here",
    };
    text.to_owned()
}

fn message(error: &InvalidMessage) -> &'static str {
    use InvalidMessage as Message;
    match error {
        Message::CertificatePayloadTooLarge | Message::HandshakePayloadTooLarge => {
            "a handshake message is larger than 65,535 bytes, the most that this program takes"
        }
        Message::MessageTooLarge => "the peer sent a record larger than TLS allows",
        Message::InvalidCcs => "the peer sent an invalid ChangeCipherSpec",
        Message::InvalidContentType => "the peer sent a record of an unknown type",
        Message::InvalidCertificateStatusType => {
            "the peer sent a certificate status of an unknown type"
        }
        Message::InvalidCertRequest => "the peer sent an invalid CertificateRequest",
        Message::InvalidDhParams => "the peer sent invalid Diffie-Hellman parameters",
        Message::InvalidEmptyPayload => "the peer sent an empty record that may not be empty",
        Message::InvalidKeyUpdate => "the peer sent an invalid KeyUpdate",
        Message::InvalidServerName => "the peer sent an invalid server name (SNI)",
        Message::MessageTooShort | Message::MissingData(_) => {
            "the peer sent a message that is too short"
        }
        Message::TrailingData(_) => "the peer sent a message with surplus bytes at its end",
        Message::MissingKeyExchange => "the peer sent no key exchange",
        Message::NoSignatureSchemes => "the peer sent an empty list of signature algorithms",
        Message::UnexpectedMessage(_) => "the peer sent a message out of turn",
        Message::UnknownProtocolVersion => "the peer sent a record of an unknown version",
        Message::UnsupportedCompression => "the peer chose compression",
        Message::UnsupportedCurveType => "the peer chose a curve that is given by its parameters",
        Message::UnsupportedKeyExchangeAlgorithm(_) => {
            "the peer chose a key exchange that this program does not have"
        }
        Message::EmptyTicketValue => "the peer sent an empty session ticket",
        Message::IllegalEmptyList(_) | Message::IllegalEmptyValue => {
            "the peer sent an empty value that may not be empty"
        }
        Message::DuplicateExtension(_) => "the peer sent an extension twice",
        Message::PreSharedKeyIsNotFinalExtension => {
            "the peer sent the extension for pre-shared keys not as the last one"
        }
        Message::UnknownHelloRetryRequestExtension | Message::UnknownCertificateExtension => {
            "the peer sent an extension that was not offered"
        }
        _ => "the peer sent a message that cannot be decoded",
    }
}

fn incompatible(error: &PeerIncompatible) -> &'static str {
    use PeerIncompatible as Lacks;
    match error {
        Lacks::ServerDoesNotSupportTls12Or13 => {
            "the server chose a version below TLS 1.2, which this program does not speak"
        }
        Lacks::ServerTlsVersionIsDisabledByOurConfig => {
            "the server chose TLS 1.2, and at least TLS 1.3 was asked for"
        }
        Lacks::NoCipherSuitesInCommon => "no cipher suite is common to both sides",
        Lacks::NoKxGroupsInCommon | Lacks::NamedGroupsExtensionRequired => {
            "no key exchange group is common to both sides"
        }
        Lacks::NoSignatureSchemesInCommon | Lacks::SignatureAlgorithmsExtensionRequired => {
            "no signature algorithm is common to both sides"
        }
        Lacks::NoCertificateRequestSignatureSchemesInCommon => {
            "the server takes no signature algorithm that the client certificate's key can use"
        }
        Lacks::EcPointsExtensionRequired
        | Lacks::NoEcPointFormatsInCommon
        | Lacks::UncompressedEcPointsRequired => "the peer does not take uncompressed curve points",
        Lacks::ExtendedMasterSecretExtensionRequired => {
            "the peer does not use the extended master secret (RFC 7627)"
        }
        Lacks::IncorrectCertificateTypeExtension | Lacks::UnsolicitedCertificateTypeExtension => {
            "the peer wants another type of certificate (RFC 7250)"
        }
        Lacks::KeyShareExtensionRequired => "the peer sent no key share",
        Lacks::NullCompressionRequired => "the peer requires compression",
        Lacks::ServerSentHelloRetryRequestWithUnknownExtension => {
            "the server sent a HelloRetryRequest with an extension that was not offered"
        }
        Lacks::SupportedVersionsExtensionRequired => "the peer offers no version of TLS 1.3",
        Lacks::Tls12NotOffered | Lacks::Tls12NotOfferedOrEnabled => {
            "the peer offers neither TLS 1.2 nor TLS 1.3"
        }
        Lacks::Tls13RequiredForQuic => "QUIC requires TLS 1.3",
        Lacks::ServerRejectedEncryptedClientHello(_) => {
            "the server rejected the encrypted ClientHello"
        }
        _ => "the peer lacks a version or a feature that this program needs",
    }
}

/// The rule that the peer broke. The names of rustls are phrases without blanks, such as
/// `SelectedUnofferedCipherSuite`.
fn misbehaved(error: &PeerMisbehaved) -> String {
    use PeerMisbehaved as Broke;
    let text = match error {
        Broke::SelectedUnofferedCipherSuite | Broke::SelectedUnusableCipherSuiteForVersion => {
            "it chose a cipher suite that was not offered"
        }
        Broke::SelectedUnofferedKxGroup
        | Broke::IllegalHelloRetryRequestWithUnofferedNamedGroup => {
            "it chose a key exchange group that was not offered"
        }
        Broke::SelectedUnofferedApplicationProtocol => {
            "it chose a protocol that was not offered (ALPN)"
        }
        Broke::SignedHandshakeWithUnadvertisedSigScheme | Broke::SignedKxWithWrongAlgorithm => {
            "it signed the handshake with an algorithm that was not offered"
        }
        Broke::AttemptedDowngradeToTls12WhenTls13IsSupported => {
            "it supports TLS 1.3 and chose TLS 1.2, a sign of a downgrade (RFC 8446 section 4.1.3)"
        }
        error => return format!("the peer broke the protocol: {}", spaced(&format!("{error:?}"))),
    };
    format!("the peer broke the protocol: {text}")
}

/// The words of a name in camel case; what follows the name is left out.
fn spaced(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars().take_while(char::is_ascii_alphanumeric) {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
#[path = "error_words_tests.rs"]
mod tests;

/// Asserts that a text has no name of a type: capitals inside words that are no abbreviation, braces, calls.
#[cfg(test)]
pub(super) fn assert_words(text: &str) {
    /// Terms of the standards in camel case.
    const TERMS: [&str; 11] = [
        "subjectAltName",
        "nameConstraints",
        "pathLenConstraint",
        "extendedKeyUsage",
        "sha1WithRSAEncryption",
        "CertificateRequest",
        "ChangeCipherSpec",
        "KeyUpdate",
        "ClientHello",
        "HelloRetryRequest",
        "ChaCha20",
    ];
    assert!(!text.contains(['{', '}', '[', '_']) && !text.contains("::"), "{text}");
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        let capital_after_small = word
            .as_bytes()
            .windows(2)
            .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
        assert!(!capital_after_small || TERMS.contains(&word), "{word} in: {text}");
    }
}
