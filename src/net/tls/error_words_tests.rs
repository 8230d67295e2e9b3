//! Sentences for errors of rustls.

use rustls::{AlertDescription, CertificateError, EncryptedClientHelloError};

use super::*;

#[test]
fn every_error_is_a_clause_without_names_of_types() {
    use PeerMisbehaved as Broke;
    let errors = [
        Error::NoCertificatesPresented,
        Error::UnsupportedNameType,
        Error::DecryptError,
        Error::EncryptError,
        Error::FailedToGetCurrentTime,
        Error::FailedToGetRandomBytes,
        Error::HandshakeNotComplete,
        Error::PeerSentOversizedRecord,
        Error::NoApplicationProtocol,
        Error::BadMaxFragmentSize,
        Error::General("unexpected error: BadThing(3)".to_owned()),
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch),
        Error::InconsistentKeys(InconsistentKeys::Unknown),
        Error::AlertReceived(AlertDescription::HandshakeFailure),
        Error::InvalidCertificate(CertificateError::BadEncoding),
        Error::InvalidEncryptedClientHello(EncryptedClientHelloError::SniRequired),
        Error::InvalidMessage(InvalidMessage::MissingData("ServerHelloPayload")),
        Error::InvalidMessage(InvalidMessage::TrailingData("ServerHelloPayload")),
        Error::InvalidMessage(InvalidMessage::UnexpectedMessage("HelloRequest")),
        Error::InvalidMessage(InvalidMessage::IllegalEmptyList("ProtocolNames")),
        Error::InvalidMessage(InvalidMessage::DuplicateExtension(3)),
        Error::InvalidMessage(InvalidMessage::CertificatePayloadTooLarge),
        Error::InvalidMessage(InvalidMessage::InvalidContentType),
        Error::InvalidMessage(InvalidMessage::UnknownProtocolVersion),
        Error::InvalidMessage(InvalidMessage::MessageTooLarge),
        Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13),
        Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
        Error::PeerIncompatible(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig),
        Error::PeerIncompatible(PeerIncompatible::ServerRejectedEncryptedClientHello(None)),
        Error::PeerMisbehaved(Broke::SelectedUnofferedCipherSuite),
        Error::PeerMisbehaved(Broke::SelectedUnofferedKxGroup),
        Error::PeerMisbehaved(Broke::InvalidKeyShare),
        Error::PeerMisbehaved(Broke::TooManyWarningAlertsReceived),
        Error::PeerMisbehaved(Broke::IllegalHelloRetryRequestWithUnofferedCipherSuite),
    ];
    for error in errors {
        assert_words(&words(&error));
    }
    let phrase = words(&Error::PeerMisbehaved(Broke::InvalidKeyShare));
    assert_eq!(phrase, "the peer broke the protocol: invalid key share");
}
