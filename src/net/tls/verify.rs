//! Verifies a server's certificates, and records them with the result.

use std::cell::RefCell;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::info::{TlsPeer, TlsVerdict};
use super::{CertificateProblem, TlsConfigError, trust};

/// Placeholder for a name that is not checked. It cannot exist (RFC 6761 section 6.4).
pub(super) const ANY_NAME: &str = "nobody.invalid";

thread_local! {
    /// A verifier belongs to a configuration, and not to a connection, because resumed sessions are bound to it. The
    /// result is therefore recorded here and taken by the session that called the verifier, on the same thread.
    static VERIFICATION: RefCell<Option<TlsPeer>> = const { RefCell::new(None) };
}

/// Moves a recorded result to the peer that it is about.
pub(super) fn take_verification(peer: &mut TlsPeer) {
    if let Some(said) = VERIFICATION.take() {
        *peer = TlsPeer { asks_for_certificate: peer.asks_for_certificate, ..said };
    }
}

#[derive(Debug)]
pub(super) struct Verifier {
    /// `None` without trusted authorities.
    inner: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    accepts_any: bool,
}

impl Verifier {
    pub(super) fn new(
        roots: Option<Arc<RootCertStore>>,
        accepts_any: bool,
    ) -> Result<Arc<Self>, TlsConfigError> {
        let provider = trust::provider();
        let verifier = |roots| {
            let builder = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
            builder.build().map_err(|error| TlsConfigError::new("CA", error))
        };
        let inner = roots.map(verifier).transpose()?;
        Ok(Arc::new(Self { inner, provider, accepts_any }))
    }
}

fn is_about_name(error: &Error) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(error, Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = [end_entity].into_iter().chain(intermediates);
        let chain: Vec<Vec<u8>> = chain.map(|certificate| certificate.to_vec()).collect();
        let checked = self.inner.as_ref().map(|inner| {
            inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        });
        // webpki checks the name last, so that the chain is valid here.
        let needs_no_name = server_name.to_str() == ANY_NAME;
        let checked = match checked {
            Some(Err(error)) if needs_no_name && is_about_name(&error) => {
                Some(Ok(ServerCertVerified::assertion()))
            }
            checked => checked,
        };
        let verdict = match &checked {
            None => TlsVerdict::NotChecked,
            Some(Ok(_)) => TlsVerdict::Verified,
            Some(Err(Error::InvalidCertificate(error))) => {
                TlsVerdict::Failed(CertificateProblem::new(error, chain.len()))
            }
            Some(Err(error)) => TlsVerdict::Failed(CertificateProblem::Other(error.to_string())),
        };
        let ocsp_stapled = !ocsp_response.is_empty();
        VERIFICATION.set(Some(TlsPeer { chain, verdict, ocsp_stapled, ..TlsPeer::default() }));
        match checked {
            Some(Err(error)) if !self.accepts_any => Err(error),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, own, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, own, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tls::identity::certificates;

    #[test]
    fn tls_01_a_stapled_statement_is_noted() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let chain = certificates("test", made.cert.pem().as_bytes()).unwrap();
        let roots = trust::only(chain.clone()).unwrap();
        let verifier = Verifier::new(Some(roots), false).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        for statement in [&b""[..], b"good"] {
            let now = UnixTime::now();
            verifier.verify_server_cert(&chain[0], &[], &name, statement, now).unwrap();
            let mut peer = TlsPeer::default();
            take_verification(&mut peer);
            assert_eq!(
                (peer.verdict, peer.ocsp_stapled),
                (TlsVerdict::Verified, !statement.is_empty())
            );
            assert_eq!(peer.chain, [chain[0].to_vec()]);
        }
    }
}
