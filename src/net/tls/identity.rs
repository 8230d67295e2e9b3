//! Certificates and private keys in PEM.

use std::path::Path;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsConfigError;

/// Certificate with its chain and its private key.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Identity {
    pub(super) fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsConfigError> {
        let chain = certificates("certificate", chain)?;
        Ok(Self { chain, key: private_key("key", key)? })
    }

    pub(super) fn from_files(chain: &Path, key: &Path) -> Result<Self, TlsConfigError> {
        let (chain_pem, key_pem) = (read(chain)?, read(key)?);
        let parts = certificates(chain.display(), &chain_pem)?;
        Ok(Self { chain: parts, key: private_key(key.display(), &key_pem)? })
    }
}

/// First private key of a PEM text.
fn private_key(
    what: impl std::fmt::Display,
    pem: &[u8],
) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
    let is_encrypted = pem.windows(9).any(|window| window == b"ENCRYPTED");
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        _ if is_encrypted => TlsConfigError::new(
            what,
            "the private key is encrypted (`openssl pkey` takes that off)",
        ),
        pem::Error::NoItemsFound => TlsConfigError::new(what, "there is no private key in it"),
        error => TlsConfigError::new(what, pem_words(&error)),
    })
}

fn pem_words(error: &pem::Error) -> String {
    let text = match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            let marker = String::from_utf8_lossy(end_marker);
            return format!("the line `{}` is missing", marker.trim().escape_default());
        }
        pem::Error::IllegalSectionStart { line } => {
            let line = String::from_utf8_lossy(line);
            return format!("the line `{}` is not a PEM header", line.trim().escape_default());
        }
        pem::Error::Base64Decode(_) => "a PEM section is not valid base 64",
        pem::Error::SectionTooLarge => "a PEM section is too large",
        pem::Error::NoItemsFound => "there is nothing in it",
        _ => "it is not valid PEM",
    };
    text.to_owned()
}

/// All certificates of a PEM text, at least one.
pub(super) fn certificates(
    what: impl std::fmt::Display,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() && pem.starts_with(&[0x30, 0x82]) => {
            let why = "it is DER, not PEM (`openssl x509 -inform der` makes one of the other)";
            Err(TlsConfigError::new(what, why))
        }
        Ok(found) if found.is_empty() => {
            Err(TlsConfigError::new(what, "there is no certificate in it"))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(TlsConfigError::new(what, pem_words(&error))),
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, TlsConfigError> {
    std::fs::read(path).map_err(|error| TlsConfigError::new(path.display(), error))
}
