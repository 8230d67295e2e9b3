//! Fields of a certificate that explain a TLS failure.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use data_encoding::BASE64;
use loopctl::{CertificateName, PeerCertificate};
use sha2::{Digest, Sha256};

use crate::util::units;

/// One certificate of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// SHA-256 of the DER encoding, in hexadecimal digits.
    pub(crate) sha256: String,
    /// `None` if it does not have the structure of X.509.
    pub(crate) parsed: Option<Box<ParsedCertificate>>,
}

/// Fields of a certificate that could be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParsedCertificate {
    /// Subject in the notation of RFC 4514.
    pub(crate) subject: String,
    pub(crate) common_name: Option<String>,
    pub(crate) issuer: String,
    /// Serial number in hexadecimal digits.
    pub(crate) serial: String,
    /// Subject alternative names; hosts and addresses only.
    pub(crate) names: Vec<String>,
    /// Subject alternative names with their types.
    pub(crate) typed_names: Vec<CertificateName>,
    pub(crate) valid: Validity,
    /// Kind and size, such as `RSA 2048`.
    pub(crate) key: Option<String>,
    /// Signature algorithm of the issuer.
    pub(crate) signature: Option<String>,
    /// SHA-256 of the key in base 64, as `curl --pinnedpubkey` takes it (RFC 7469).
    pub(crate) pin: Option<String>,
}

/// Validity period (RFC 5280, section 4.1.2.5). `None` where a date cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before: Option<SystemTime>,
    pub(crate) not_after: Option<SystemTime>,
    /// Whether the end is 99991231235959Z, which means that there is none.
    pub(crate) has_no_expiry: bool,
}

impl Certificate {
    pub(crate) fn new(der: &[u8]) -> Self {
        let sha256 = hex(&Sha256::digest(der));
        let parsed = PeerCertificate::read(der).as_ref().map(ParsedCertificate::new);
        Self { sha256, parsed: parsed.map(Box::new) }
    }

    /// Subject alternative names.
    pub(crate) fn names(&self) -> &[String] {
        self.parsed.as_ref().map_or(&[], |parsed| &parsed.names)
    }

    /// Name that fits on a line: the common name, else the subject.
    pub(crate) fn short_name(&self) -> String {
        let Some(parsed) = &self.parsed else { return "unreadable".to_owned() };
        match &parsed.common_name {
            Some(name) => format!("CN={name}"),
            None => parsed.subject_or_name().to_owned(),
        }
    }

    /// End of the validity period, if it can be read.
    pub(crate) fn not_after(&self) -> Option<SystemTime> {
        self.parsed.as_ref()?.valid.not_after
    }
}

impl ParsedCertificate {
    fn new(read: &PeerCertificate) -> Self {
        let is_host = |name: &&CertificateName| {
            matches!(name, CertificateName::Dns(_) | CertificateName::Ip(_))
        };
        let hosts = read.names.iter().filter(is_host);
        let key = Some(&read.key.der).filter(|key| !key.is_empty());
        Self {
            subject: units::printable(&read.subject),
            common_name: read.common_name.as_deref().map(units::printable),
            issuer: units::printable(&read.issuer),
            serial: hex(&read.serial),
            names: hosts.map(|name| units::printable(&name.to_string())).collect(),
            typed_names: read.names.clone(),
            valid: Validity {
                not_before: read.not_before,
                not_after: read.not_after,
                has_no_expiry: read.has_no_expiry(),
            },
            key: read.key.name.clone(),
            signature: read.signature.clone(),
            pin: key.map(|key| BASE64.encode(&Sha256::digest(key))),
        }
    }

    /// Subject, or the first alternative name of a certificate without a subject.
    pub(crate) fn subject_or_name(&self) -> &str {
        match self.subject.as_str() {
            "" => self.names.first().map_or("no name", String::as_str),
            subject => subject,
        }
    }

    pub(crate) fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }

    /// Time from `now` to the expiry; `Err` with the time since then. `None` if the date cannot be read.
    pub(crate) fn left(&self, now: SystemTime) -> Option<Result<Duration, Duration>> {
        Some(self.valid.not_after?.duration_since(now).map_err(|past| past.duration()))
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
