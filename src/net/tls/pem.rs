//! Certificates and keys as people keep them.

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsConfigError;

/// A certificate with its chain, and its key.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Identity {
    pub(super) fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsConfigError> {
        let chain = certificates("certificate", chain)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| TlsConfigError::new("key", error))?;
        Ok(Self { chain, key })
    }

    pub(super) fn from_files(chain: &Path, key: &Path) -> Result<Self, TlsConfigError> {
        let (chain_pem, key_pem) = (read(chain)?, read(key)?);
        let parts = certificates(chain.display(), &chain_pem)?;
        let key = PrivateKeyDer::from_pem_slice(&key_pem)
            .map_err(|error| TlsConfigError::new(key.display(), error))?;
        Ok(Self { chain: parts, key })
    }
}

/// All certificates of a text, of which there has to be one.
pub(super) fn certificates(
    what: impl std::fmt::Display,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(TlsConfigError::new(what, "there is no certificate in it"))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(TlsConfigError::new(what, error)),
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, TlsConfigError> {
    std::fs::read(path).map_err(|error| TlsConfigError::new(path.display(), error))
}
