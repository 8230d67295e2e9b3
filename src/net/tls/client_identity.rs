//! Client certificate, and whether a server has requested it (CertificateRequest, RFC 8446 section 4.3.2).

use std::cell::Cell;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

use super::TlsConfigError;
use super::identity::Identity;
use super::info::TlsPeer;
use super::trust;

thread_local! {
    /// rustls asks the configuration for the certificate, and not the connection. The request is therefore recorded
    /// here and taken by the session that called it, on the same thread.
    static CERTIFICATE_REQUESTED: Cell<bool> = const { Cell::new(false) };
}

/// Moves a recorded request to the peer that made it.
pub(super) fn take_certificate_request(peer: &mut TlsPeer) {
    peer.asks_for_certificate |= CERTIFICATE_REQUESTED.take();
}

/// Client certificate with its key, if one is configured.
#[derive(Debug)]
pub(super) struct ClientIdentity(Option<Arc<CertifiedKey>>);

impl ClientIdentity {
    pub(super) fn new(identity: Option<Identity>) -> Result<Self, TlsConfigError> {
        let key = identity.map(|Identity { chain, key }| {
            let certified = CertifiedKey::from_der(chain, key, &trust::provider());
            certified.map(Arc::new).map_err(|error| TlsConfigError::of_key("the key", &error))
        });
        Ok(Self(key.transpose()?))
    }
}

impl ResolvesClientCert for ClientIdentity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        CERTIFICATE_REQUESTED.set(true);
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}
