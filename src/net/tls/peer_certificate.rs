//! Fields of a certificate.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use x509_parser::der_parser::asn1_rs::{Any, Class, FromBer, Oid, Tag};
use x509_parser::oid_registry::OidRegistry;
use x509_parser::prelude::{ASN1Time, FromDer, SubjectPublicKeyInfo};
use x509_parser::public_key::PublicKey;

use super::distinguished_name;

/// Certificate of a peer, field by field (RFC 5280 section 4.1); asyncio's `peercert`.
///
/// Each field is read by itself, whatever the others hold: serial numbers of any length, strings of any type, and
/// versions 1 to 3. A field that cannot be read is `None` or empty.
///
/// ```
/// use loopctl::PeerCertificate;
///
/// let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()])?;
/// let certificate = PeerCertificate::read(made.cert.der()).expect("it is X.509");
/// assert_eq!(certificate.common_name.as_deref(), Some("rcgen self signed cert"));
/// assert_eq!(certificate.names[0].to_string(), "a.example");
/// # Ok::<(), loopctl::BoxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerCertificate {
    /// Serial number, in big-endian order.
    pub serial: Vec<u8>,
    /// Subject in the notation of RFC 4514.
    pub subject: String,
    /// First common name of the subject.
    pub common_name: Option<String>,
    /// Issuer in the notation of RFC 4514.
    pub issuer: String,
    /// Start of the validity period.
    pub not_before: Option<SystemTime>,
    /// End of the validity period.
    pub not_after: Option<SystemTime>,
    /// Subject alternative names in their order.
    pub names: Vec<CertificateName>,
    /// Public key.
    pub key: CertificateKey,
    /// Algorithm of the issuer's signature, such as `sha256WithRSAEncryption`.
    pub signature: Option<String>,
    /// Purposes of the extended key usage, as object identifiers; empty without one.
    pub purposes: Vec<String>,
}

/// Public key of a certificate (RFC 5280 section 4.1.2.7).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateKey {
    /// Type and size, such as `RSA 2048` or `EC P-256`.
    pub name: Option<String>,
    /// Size in bits; `None` for keys of a fixed size.
    pub bits: Option<usize>,
    /// SubjectPublicKeyInfo in DER.
    pub der: Vec<u8>,
}

/// Subject alternative name (RFC 5280 section 4.2.1.6).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateName {
    /// DNS name, perhaps with a wildcard.
    Dns(String),
    /// IP address.
    Ip(IpAddr),
    /// URI.
    Uri(String),
    /// Mail address.
    Email(String),
}

impl std::fmt::Display for CertificateName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns(text) | Self::Uri(text) | Self::Email(text) => f.write_str(text),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

/// 9999-12-31T23:59:59Z in seconds since 1970.
const NO_EXPIRY: u64 = 253_402_300_799;

impl PeerCertificate {
    /// Reads a certificate in DER; `None` if it is not a certificate's structure.
    pub fn read(der: &[u8]) -> Option<Self> {
        let parts = Parts::of(der)?;
        let mut read = Self {
            serial: parts.serial.to_vec(),
            subject: distinguished_name::text(parts.subject),
            common_name: distinguished_name::common_name(parts.subject),
            issuer: distinguished_name::text(parts.issuer),
            key: CertificateKey::read(parts.public_key),
            signature: algorithm(parts.signature),
            ..Self::default()
        };
        let dates: Vec<_> = elements(parts.validity).take(2).map(|(raw, _)| time(raw)).collect();
        read.not_before = dates.first().copied().flatten();
        read.not_after = dates.get(1).copied().flatten();
        for (oid, value) in parts.extensions() {
            read.read_extension(&oid, value);
        }
        Some(read)
    }

    /// Whether the certificate has no end: 99991231235959Z (RFC 5280 section 4.1.2.5).
    pub fn has_no_expiry(&self) -> bool {
        self.not_after == SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(NO_EXPIRY))
    }

    fn read_extension(&mut self, oid: &str, value: &[u8]) {
        let Ok((_, content)) = Any::from_ber(value) else { return };
        match oid {
            "2.5.29.17" => {
                self.names
                    .extend(elements(content.data).filter_map(|(_, name)| general_name(&name)));
            }
            "2.5.29.37" => {
                let purposes = elements(content.data).filter_map(|(_, any)| any.oid().ok());
                self.purposes.extend(purposes.map(|oid| oid.to_id_string()));
            }
            _ => {}
        }
    }
}

impl CertificateKey {
    pub(super) fn read(der: &[u8]) -> Self {
        let unread = Self { der: der.to_vec(), ..Self::default() };
        let Ok((_, info)) = SubjectPublicKeyInfo::from_der(der) else { return unread };
        let oid = info.algorithm.algorithm.to_id_string();
        let curve = info.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
        let (name, bits) = match oid.as_str() {
            "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => {
                let bits = match info.parsed() {
                    Ok(PublicKey::RSA(key)) => modulus_bits(key.modulus),
                    _ => rsa_bits(&info.subject_public_key.data),
                };
                let name = if oid.ends_with(".10") { "RSA-PSS" } else { "RSA" };
                (Some(bits.map_or_else(|| name.to_owned(), |bits| format!("{name} {bits}"))), bits)
            }
            "1.2.840.10045.2.1" => {
                let name = curve.map(|curve| match curve.to_id_string().as_str() {
                    "1.2.840.10045.3.1.7" => "P-256".to_owned(),
                    "1.3.132.0.34" => "P-384".to_owned(),
                    "1.3.132.0.35" => "P-521".to_owned(),
                    _ => oid_name(&curve),
                });
                (Some(format!("EC {}", name.unwrap_or_default()).trim_end().to_owned()), None)
            }
            "1.3.101.112" => (Some("Ed25519".to_owned()), None),
            "1.3.101.113" => (Some("Ed448".to_owned()), None),
            "1.2.840.10040.4.1" => (Some("DSA".to_owned()), None),
            _ => (Some(oid_name(&info.algorithm.algorithm)), None),
        };
        Self { name, bits, ..unread }
    }
}

/// Raw fields of a certificate.
pub(super) struct Parts<'a> {
    /// The part that is signed, with its header.
    pub(super) signed: &'a [u8],
    pub(super) serial: &'a [u8],
    pub(super) issuer: &'a [u8],
    validity: &'a [u8],
    pub(super) subject: &'a [u8],
    pub(super) public_key: &'a [u8],
    extensions: Option<&'a [u8]>,
    /// AlgorithmIdentifier of the signature, without its header.
    pub(super) signature: &'a [u8],
    /// Bits of the signature.
    pub(super) signature_value: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(super) fn of(der: &'a [u8]) -> Option<Self> {
        let (_, outer) = Any::from_ber(der).ok().filter(|(_, any)| any.tag() == Tag::Sequence)?;
        let mut outside = elements(outer.data);
        let (signed, body) = outside.next()?;
        let signature = outside.next().map_or(&[][..], |(_, any)| any.data);
        let signature_value = outside.next().map_or(&[][..], |(_, any)| bits(any.data));
        let mut fields = elements(body.data).peekable();
        let is_version = |(_, any): &(&[u8], Any<'_>)| any.class() == Class::ContextSpecific;
        fields.next_if(is_version);
        let (_, serial) = fields.next()?;
        fields.next()?;
        let (_, issuer) = fields.next()?;
        let (_, validity) = fields.next()?;
        let (_, subject) = fields.next()?;
        let public_key = fields.next().map_or(&[][..], |(raw, _)| raw);
        let extensions = fields
            .find(|(_, any)| any.class() == Class::ContextSpecific && any.tag() == Tag(3))
            .map(|(_, any)| any.data);
        Some(Self {
            signed,
            serial: serial.data,
            issuer: issuer.data,
            validity: validity.data,
            subject: subject.data,
            public_key,
            extensions,
            signature,
            signature_value,
        })
    }

    /// Object identifier and value of each extension.
    fn extensions(&self) -> impl Iterator<Item = (String, &'a [u8])> {
        let list = self.extensions.and_then(|all| Any::from_ber(all).ok());
        let list = list.map_or(&[][..], |(_, list)| list.data);
        elements(list).filter_map(|(_, extension)| {
            let mut parts = elements(extension.data);
            let oid = parts.next()?.1.oid().ok()?.to_id_string();
            Some((oid, parts.last()?.1.data))
        })
    }
}

/// Elements of a constructed value, each with its raw bytes, up to the first that cannot be read.
pub(super) fn elements(mut rest: &[u8]) -> impl Iterator<Item = (&[u8], Any<'_>)> {
    std::iter::from_fn(move || {
        let (after, any) = Any::from_ber(rest).ok()?;
        let raw = &rest[..rest.len() - after.len()];
        rest = after;
        Some((raw, any))
    })
}

/// The bytes of a BIT STRING, without the count of unused bits.
pub(super) fn bits(data: &[u8]) -> &[u8] {
    data.get(1..).unwrap_or_default()
}

/// UTCTime or GeneralizedTime.
pub(super) fn time(raw: &[u8]) -> Option<SystemTime> {
    let (_, time) = ASN1Time::from_der(raw).ok()?;
    let seconds = Duration::from_secs(time.timestamp().unsigned_abs());
    match time.timestamp() < 0 {
        true => SystemTime::UNIX_EPOCH.checked_sub(seconds),
        false => SystemTime::UNIX_EPOCH.checked_add(seconds),
    }
}

/// Name of the algorithm in an AlgorithmIdentifier without its header.
pub(super) fn algorithm(identifier: &[u8]) -> Option<String> {
    let oid = elements(identifier).next()?.1.oid().ok()?;
    Some(oid_name(&oid))
}

/// Registered name of an object identifier, or its digits.
fn oid_name(oid: &Oid<'_>) -> String {
    match oid.to_id_string().as_str() {
        "1.3.101.112" => return "Ed25519".to_owned(),
        "1.3.101.113" => return "Ed448".to_owned(),
        "1.2.840.10045.4.1" => return "ecdsa-with-SHA1".to_owned(),
        "1.2.840.113549.1.1.10" => return "RSASSA-PSS".to_owned(),
        "1.3.132.0.10" => return "secp256k1".to_owned(),
        _ => {}
    }
    let registry = OidRegistry::default().with_all_crypto();
    registry.get(oid).map_or_else(|| oid.to_id_string(), |entry| entry.sn().to_owned())
}

fn general_name(name: &Any<'_>) -> Option<CertificateName> {
    let text = || String::from_utf8_lossy(name.data).into_owned();
    match name.tag().0 {
        1 => Some(CertificateName::Email(text())),
        2 => Some(CertificateName::Dns(text())),
        6 => Some(CertificateName::Uri(text())),
        7 => {
            let v4 = <[u8; 4]>::try_from(name.data).map(IpAddr::from);
            let ip = v4.or_else(|_| <[u8; 16]>::try_from(name.data).map(IpAddr::from));
            ip.ok().map(CertificateName::Ip)
        }
        _ => None,
    }
}

/// Length of a modulus in bits.
fn modulus_bits(modulus: &[u8]) -> Option<usize> {
    let from = modulus.iter().position(|byte| *byte != 0)?;
    let modulus = &modulus[from..];
    Some(modulus.len() * 8 - modulus[0].leading_zeros() as usize)
}

/// Length of an RSAPublicKey (RFC 8017 appendix A.1.1).
fn rsa_bits(key: &[u8]) -> Option<usize> {
    let (_, key) = Any::from_ber(key).ok()?;
    modulus_bits(elements(key.data).next()?.1.data)
}
