//! Selects one of several server certificates by SNI.

use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Selects the first certificate that is valid for the SNI name, or the first of all.
#[derive(Debug)]
pub(super) struct CertificateResolver(pub(super) Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for CertificateResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let is_for = |key: &&Arc<CertifiedKey>| {
            let parsed = key.cert.first().and_then(|own| ParsedCertificate::try_from(own).ok());
            let name = name.as_ref();
            parsed
                .is_some_and(|own| name.is_some_and(|name| verify_server_name(&own, name).is_ok()))
        };
        self.0.iter().find(is_for).or_else(|| self.0.first()).cloned()
    }
}
