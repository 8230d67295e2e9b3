//! Stapled OCSP responses (RFC 6066 section 8, RFC 6960).

use std::fmt;
use std::time::{Duration, SystemTime};

use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::RawPublicKeyEntity;
use x509_parser::der_parser::asn1_rs::{Any, Class, FromBer, Tag};

use super::peer_certificate::{Parts, PeerCertificate, bits, elements, time};
use super::signature;

/// Stapled answer of an OCSP responder about the server's certificate (RFC 6960).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OcspAnswer {
    /// Status of the server's certificate.
    pub status: OcspStatus,
    /// Time at which the status was known to be right.
    pub this_update: Option<SystemTime>,
    /// Time at or before which a newer answer exists.
    pub next_update: Option<SystemTime>,
    /// Time at which the answer was read.
    pub checked_at: SystemTime,
    /// Whether the issuer, or a responder that it authorises, has signed the answer. `None` where the issuer is not
    /// known.
    pub is_signed: Option<bool>,
}

/// Status in an OCSP answer (RFC 6960 section 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OcspStatus {
    /// The certificate is not revoked.
    Good,
    /// The certificate is revoked.
    Revoked {
        /// Time of the revocation.
        at: Option<SystemTime>,
        /// Reason by its registered name, such as `keyCompromise` (RFC 5280 section 5.3.1).
        reason: Option<&'static str>,
    },
    /// The responder does not know the certificate.
    Unknown,
    /// The responder answered with an error, such as `tryLater`.
    Error(&'static str),
    /// The answer is about other certificates.
    OtherCertificate,
    /// The answer cannot be decoded.
    Unreadable,
}

impl OcspAnswer {
    /// Whether a newer answer should exist: `next_update` has passed.
    pub fn is_stale(&self) -> bool {
        self.next_update.is_some_and(|next| next < self.checked_at)
    }
}

impl fmt::Display for OcspStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Revoked { .. } => "revoked",
            Self::Unknown => "unknown",
            Self::Error(name) => name,
            Self::OtherCertificate => "about another certificate",
            Self::Unreadable => "unreadable",
        })
    }
}

/// Basic response (RFC 6960 section 4.2.1).
struct Basic<'a> {
    /// The part that is signed, with its header.
    signed: &'a [u8],
    data: &'a [u8],
    /// AlgorithmIdentifier without its header.
    algorithm: &'a [u8],
    signature: &'a [u8],
    /// Certificates of the responder.
    certificates: &'a [u8],
}

/// Reads the answer about `own`. `issuer_key` is the SubjectPublicKeyInfo of its issuer in a verified path.
pub(super) fn read(
    response: &[u8],
    own: &CertificateDer<'_>,
    chain: &[CertificateDer<'_>],
    issuer_key: Option<Vec<u8>>,
    now: UnixTime,
) -> OcspAnswer {
    let checked_at = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
    let mut answer = OcspAnswer {
        status: OcspStatus::Unreadable,
        this_update: None,
        next_update: None,
        checked_at,
        is_signed: None,
    };
    let basic = match content(response) {
        Some(Ok(basic)) => basic,
        Some(Err(error)) => {
            answer.status = OcspStatus::Error(error);
            return answer;
        }
        None => return answer,
    };
    let Some(own) = Parts::of(own) else { return answer };
    let issuer_key = issuer_key.or_else(|| issuer_among(&own, chain));
    answer.is_signed = issuer_key.map(|key| is_signed(&basic, &key, checked_at));
    if let Some((status, this_update, next_update)) = single(basic.data, own.serial) {
        (answer.status, answer.this_update, answer.next_update) =
            (status, this_update, next_update);
    }
    answer
}

/// The basic response, or the name of an error (RFC 6960 section 4.2.1).
fn content(response: &[u8]) -> Option<Result<Basic<'_>, &'static str>> {
    let (_, outer) = Any::from_ber(response).ok()?;
    let mut parts = elements(outer.data);
    let error = match parts.next()?.1.data {
        [0] => None,
        [1] => Some("malformedRequest"),
        [2] => Some("internalError"),
        [3] => Some("tryLater"),
        [5] => Some("sigRequired"),
        [6] => Some("unauthorized"),
        _ => return None,
    };
    if let Some(error) = error {
        return Some(Err(error));
    }
    let (_, bytes) = Any::from_ber(parts.next()?.1.data).ok()?;
    let (_, octets) = elements(bytes.data).nth(1)?;
    let (_, basic) = Any::from_ber(octets.data).ok()?;
    let mut parts = elements(basic.data);
    let (signed, data) = parts.next()?;
    let (_, algorithm) = parts.next()?;
    let (_, signature) = parts.next()?;
    let certificates = parts.next().and_then(|(_, list)| Any::from_ber(list.data).ok());
    Some(Ok(Basic {
        signed,
        data: data.data,
        algorithm: algorithm.data,
        signature: bits(signature.data),
        certificates: certificates.map_or(&[][..], |(_, list)| list.data),
    }))
}

type Single = (OcspStatus, Option<SystemTime>, Option<SystemTime>);

/// Answer about the certificate with this serial number.
fn single(data: &[u8], serial: &[u8]) -> Option<Single> {
    // The list of answers is the only sequence in ResponseData before its extensions.
    let (_, answers) = elements(data)
        .find(|(_, any)| any.class() == Class::Universal && any.tag() == Tag::Sequence)?;
    let mut is_readable = false;
    for (_, answer) in elements(answers.data) {
        let mut parts = elements(answer.data);
        let (Some((_, id)), Some((_, status))) = (parts.next(), parts.next()) else { continue };
        is_readable = true;
        if elements(id.data).nth(3).is_none_or(|(_, own)| own.data != serial) {
            continue;
        }
        let this_update = parts.next().and_then(|(raw, _)| time(raw));
        let next = parts.next().filter(|(_, any)| any.class() == Class::ContextSpecific);
        let next = next.filter(|(_, any)| any.tag() == Tag(0)).and_then(|(_, any)| time(any.data));
        let status = match status.tag().0 {
            0 => OcspStatus::Good,
            1 => revoked(status.data),
            2 => OcspStatus::Unknown,
            _ => OcspStatus::Unreadable,
        };
        return Some((status, this_update, next));
    }
    is_readable.then_some((OcspStatus::OtherCertificate, None, None))
}

fn revoked(data: &[u8]) -> OcspStatus {
    let mut parts = elements(data);
    let at = parts.next().and_then(|(raw, _)| time(raw));
    let reason = parts.next().and_then(|(_, reason)| Any::from_ber(reason.data).ok());
    let reason = reason.and_then(|(_, reason)| reason_name(*reason.data.first()?));
    OcspStatus::Revoked { at, reason }
}

/// CRLReason (RFC 5280 section 5.3.1).
fn reason_name(number: u8) -> Option<&'static str> {
    Some(match number {
        0 => "unspecified",
        1 => "keyCompromise",
        2 => "cACompromise",
        3 => "affiliationChanged",
        4 => "superseded",
        5 => "cessationOfOperation",
        6 => "certificateHold",
        8 => "removeFromCRL",
        9 => "privilegeWithdrawn",
        10 => "aACompromise",
        _ => return None,
    })
}

/// Key of the issuer, if its certificate was sent, or the certificate is its own issuer's.
fn issuer_among(own: &Parts<'_>, chain: &[CertificateDer<'_>]) -> Option<Vec<u8>> {
    if own.subject == own.issuer {
        return Some(own.public_key.to_vec());
    }
    let issuers = chain.iter().filter_map(|one| Parts::of(one));
    let mut issuers = issuers.filter(|one| one.subject == own.issuer);
    issuers.next().map(|issuer| issuer.public_key.to_vec())
}

/// Whether the issuer has signed, or a responder that it authorises (RFC 6960 section 4.2.2.2).
fn is_signed(basic: &Basic<'_>, issuer_key: &[u8], now: SystemTime) -> bool {
    /// id-kp-OCSPSigning.
    const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";
    /// Maximum number of responder certificates, because each costs two checks of a signature.
    const MAX_RESPONDERS: usize = 4;
    let signed_by = |key: &[u8]| is_signature(basic.signed, basic.algorithm, basic.signature, key);
    if signed_by(issuer_key) {
        return true;
    }
    elements(basic.certificates).take(MAX_RESPONDERS).any(|(raw, _)| {
        let (Some(parts), Some(read)) = (Parts::of(raw), PeerCertificate::read(raw)) else {
            return false;
        };
        let is_valid = read.not_after.is_some_and(|end| now <= end)
            && read.not_before.is_some_and(|start| start <= now);
        is_valid
            && read.purposes.iter().any(|purpose| purpose == OCSP_SIGNING)
            && is_signature(parts.signed, parts.signature, parts.signature_value, issuer_key)
            && signed_by(parts.public_key)
    })
}

fn is_signature(message: &[u8], algorithm: &[u8], value: &[u8], key: &[u8]) -> bool {
    let key = key.into();
    let Ok(entity) = RawPublicKeyEntity::try_from(&key) else { return false };
    let mut known = signature::algorithms().all.iter();
    known.any(|one| {
        one.signature_alg_id().as_ref() == algorithm
            && entity.verify_signature(*one, message, value).is_ok()
    })
}
