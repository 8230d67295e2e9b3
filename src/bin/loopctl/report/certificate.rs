//! Fields of a certificate that explain a TLS failure.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use x509_cert::Certificate as Parsed;
use x509_cert::der::asn1::{BitString, ObjectIdentifier, UintRef};
use x509_cert::der::oid::db::DB;
use x509_cert::der::{Decode, Encode, Reader, SliceReader};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::util::units;

/// One certificate of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// SHA-256 of the DER encoding, in hexadecimal digits.
    pub(crate) sha256: String,
    /// `None` if it is not valid X.509.
    pub(crate) parsed: Option<Box<ParsedCertificate>>,
}

/// Fields of a certificate that could be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParsedCertificate {
    /// Subject in the notation of RFC 4514.
    pub(crate) subject: String,
    pub(crate) common_name: Option<String>,
    pub(crate) issuer: String,
    /// Subject alternative names; hosts and addresses only.
    pub(crate) names: Vec<String>,
    pub(crate) valid: Validity,
    /// Kind and size, such as `RSA 2048`.
    pub(crate) key: String,
    /// Signature algorithm of the issuer.
    pub(crate) signature: String,
    /// SHA-256 of the key in base 64, as `curl --pinnedpubkey` takes it (RFC 7469).
    pub(crate) pin: Option<String>,
}

/// Validity period (RFC 5280, section 4.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
}

impl Certificate {
    pub(crate) fn new(der: &[u8]) -> Self {
        let sha256 = hex(&Sha256::digest(der));
        Self { sha256, parsed: ParsedCertificate::read(der).map(Box::new) }
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
}

impl ParsedCertificate {
    fn read(der: &[u8]) -> Option<Self> {
        let parsed = Parsed::from_der(der).ok()?;
        let body = parsed.tbs_certificate();
        let key = body.subject_public_key_info();
        let common_name = body.subject().common_name().ok().flatten();
        Some(Self {
            common_name: common_name.map(|name| units::printable(&name.value())),
            subject: units::printable(&body.subject().to_string()),
            issuer: units::printable(&body.issuer().to_string()),
            names: names(&parsed),
            valid: Validity {
                not_before: body.validity().not_before.to_system_time(),
                not_after: body.validity().not_after.to_system_time(),
            },
            key: key_type(key),
            signature: oid_name(&parsed.signature_algorithm().oid),
            pin: key.fingerprint_base64().ok(),
        })
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

    /// Time from `now` to the expiry; `Err` with the time since then.
    pub(crate) fn left(&self, now: SystemTime) -> Result<Duration, Duration> {
        self.valid.not_after.duration_since(now).map_err(|past| past.duration())
    }
}

/// Subject alternative names; hosts and addresses only.
fn names(parsed: &Parsed) -> Vec<String> {
    let found = parsed.tbs_certificate().get_extension::<SubjectAltName>();
    let names = found.ok().flatten().map(|(_, names)| names.0).unwrap_or_default();
    names.iter().filter_map(name).collect()
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(units::printable(name.as_str())),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let ip = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            let ip = ip.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
            ip.ok().map(|ip| ip.to_string())
        }
        _ => None,
    }
}

/// Algorithm and size of a key.
fn key_type(key: &SubjectPublicKeyInfoOwned) -> String {
    let algorithm = &key.algorithm;
    match oid_name(&algorithm.oid).as_str() {
        "rsaEncryption" => match modulus_bits(&key.subject_public_key) {
            Some(bits) => format!("RSA {bits}"),
            None => "RSA".to_owned(),
        },
        "id-ecPublicKey" => {
            let curve = algorithm.parameters.as_ref().and_then(|curve| curve.decode_as().ok());
            let curve = curve.map(|oid: ObjectIdentifier| match oid_name(&oid).as_str() {
                "secp256r1" => "P-256".to_owned(),
                "secp384r1" => "P-384".to_owned(),
                "secp521r1" => "P-521".to_owned(),
                other => other.to_owned(),
            });
            format!("EC {}", curve.unwrap_or_default()).trim_end().to_owned()
        }
        "id-Ed25519" => "Ed25519".to_owned(),
        "id-Ed448" => "Ed448".to_owned(),
        other => other.to_owned(),
    }
}

/// Length of an RSA key: the bits of its modulus.
fn modulus_bits(key: &BitString) -> Option<usize> {
    let mut reader = SliceReader::new(key.as_bytes()?).ok()?;
    let bits = reader.sequence(|inside: &mut SliceReader<'_>| {
        let modulus = UintRef::decode(inside)?;
        let exponent = UintRef::decode(inside)?;
        exponent.encoded_len()?;
        let bytes = modulus.as_bytes();
        let leading = bytes.first().map_or(0, |byte| byte.leading_zeros() as usize);
        Ok::<_, x509_cert::der::Error>(bytes.len() * 8 - leading)
    });
    bits.ok()
}

/// Name of an object identifier, or its digits.
fn oid_name(oid: &ObjectIdentifier) -> String {
    DB.by_oid(oid).map_or_else(|| oid.to_string(), str::to_owned)
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
