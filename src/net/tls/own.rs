//! Who a client is, for servers that ask; and whether one has asked.

use std::cell::Cell;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

use super::TlsConfigError;
use super::info::TlsPeer;
use super::pem::Identity;
use super::trust;

thread_local! {
    /// Who answers belongs to a configuration, not to a connection. So the question is noted here, and picked
    /// up by the session that has just been asked.
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// Notes with the peer whether it has just asked.
pub(super) fn take_question(peer: &mut TlsPeer) {
    peer.asks_for_certificate |= ASKED.take();
}

/// The answer, if there is one.
#[derive(Debug)]
pub(super) struct Own(Option<Arc<CertifiedKey>>);

impl Own {
    pub(super) fn new(identity: Option<Identity>) -> Result<Self, TlsConfigError> {
        let key = identity.map(|Identity { chain, key }| {
            let certified = CertifiedKey::from_der(chain, key, &trust::provider());
            certified.map(Arc::new).map_err(|error| TlsConfigError::new("TLS", error))
        });
        Ok(Self(key.transpose()?))
    }
}

impl ResolvesClientCert for Own {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        ASKED.set(true);
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}
