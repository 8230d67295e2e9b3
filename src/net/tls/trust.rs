//! Trusted authorities, and the cryptography provider.

use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;

use super::peer_certificate::PeerCertificate;
use super::{TlsConfigError, signature};

pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let extended = || CryptoProvider {
        signature_verification_algorithms: signature::algorithms(),
        ..ring::default_provider()
    };
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(extended())))
}

/// The platform's store, read from disk once.
pub(super) fn platform() -> Result<Arc<RootCertStore>, TlsConfigError> {
    static STORE: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(store) = STORE.get() {
        return Ok(Arc::clone(store));
    }
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        let text = error.to_string();
        log::warn!("{}: {text}", whose(|value| text.contains(value)));
    }
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        return Err(TlsConfigError::new(whose(|_| true), "there are none"));
    }
    Ok(Arc::clone(STORE.get_or_init(|| Arc::new(store))))
}

/// Names the environment variables that replace the platform's store and whose value `is_meant` accepts.
fn whose(is_meant: impl Fn(&str) -> bool) -> String {
    let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let names = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter();
    let meant: Vec<&str> =
        names.filter(|name| value(name).is_some_and(|value| is_meant(&value))).collect();
    match meant.as_slice() {
        [] => "the platform's certificates".to_owned(),
        meant => format!("the certificates of {}", meant.join(" and ")),
    }
}

/// Certificates that are authorities. One that cannot be an authority is not an error, because it can be trusted for
/// itself.
pub(super) fn only(
    certificates: &[CertificateDer<'static>],
) -> Result<Arc<RootCertStore>, TlsConfigError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        let added = store.add(certificate.clone());
        if added.is_err() && PeerCertificate::read(certificate).is_none() {
            return Err(TlsConfigError::new("CA", "one of the certificates cannot be decoded"));
        }
    }
    Ok(Arc::new(store))
}
