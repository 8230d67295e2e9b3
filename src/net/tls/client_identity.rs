//! Who a client is, for servers that ask; and whether one has asked.

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
    /// Who answers belongs to a configuration, not to a connection. So the question is noted here, and picked
    /// up by the session that has just been asked.
    static CERTIFICATE_REQUESTED: Cell<bool> = const { Cell::new(false) };
}

/// Notes with the peer whether it has just asked.
pub(super) fn take_certificate_request(peer: &mut TlsPeer) {
    peer.asks_for_certificate |= CERTIFICATE_REQUESTED.take();
}

/// The answer, if there is one.
#[derive(Debug)]
pub(super) struct ClientIdentity(Option<Arc<CertifiedKey>>);

impl ClientIdentity {
    pub(super) fn new(identity: Option<Identity>) -> Result<Self, TlsConfigError> {
        let key = identity.map(|Identity { chain, key }| {
            let certified = CertifiedKey::from_der(chain, key, &trust::provider());
            certified.map(Arc::new).map_err(|error| TlsConfigError::new("TLS", error))
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
