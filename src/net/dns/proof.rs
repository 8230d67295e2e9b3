//! Results of DNSSEC validation.

use std::fmt;
use std::time::SystemTime;

use super::RecordType;
use crate::net::error::rfc3339;

/// Security status of records (RFC 4035 section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DnsProof {
    /// A chain of signatures leads from a trust anchor to the records.
    Secure,
    /// The records are in a zone that is proved to be unsigned.
    Insecure,
    /// The records should be signed, and a signature is missing or wrong.
    Bogus,
    /// Whether the records should be signed cannot be determined.
    Indeterminate,
}

impl fmt::Display for DnsProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secure => "secure",
            Self::Insecure => "insecure",
            Self::Bogus => "bogus",
            Self::Indeterminate => "indeterminate",
        })
    }
}

/// Result of the validation of an answer.
///
/// `Display` is the status with its reason: `bogus: signature expired 2026-11-01T10:00:00Z`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsValidation {
    /// Status of the answer: the worst of its parts.
    pub proof: DnsProof,
    /// Reason for a status other than secure.
    pub reason: Option<DnsProofReason>,
    /// Zones with validated keys, from the trust anchor down; for an insecure answer, those above it.
    pub chain: Vec<String>,
    /// Each record set, in the order of the answer; empty for a negative answer.
    pub sets: Vec<DnsSetProof>,
}

/// Result of the validation of one record set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsSetProof {
    /// Owner name, with the final dot.
    pub name: String,
    /// Type of the records.
    pub record_type: RecordType,
    /// Status of the records.
    pub proof: DnsProof,
    /// Reason for a status other than secure.
    pub reason: Option<DnsProofReason>,
}

impl fmt::Display for DnsValidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_proof(f, self.proof, self.reason.as_ref())
    }
}

impl fmt::Display for DnsSetProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_proof(f, self.proof, self.reason.as_ref())
    }
}

fn write_proof(
    f: &mut fmt::Formatter<'_>,
    proof: DnsProof,
    reason: Option<&DnsProofReason>,
) -> fmt::Result {
    match reason {
        Some(reason) => write!(f, "{proof}: {reason}"),
        None => write!(f, "{proof}"),
    }
}

/// Reason why records are not secure.
///
/// `of` names the records at fault where these are not in the answer, but keys or their proof: `DNSKEY of
/// example.com.`
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DnsProofReason {
    /// No trust anchor is above the name.
    NoAnchor,
    /// The records are signatures, which are not signed.
    Signatures,
    /// The zone above proves that this zone is unsigned.
    Unsigned {
        /// Unsigned zone.
        zone: String,
    },
    /// The denial leaves room for an unsigned delegation (NSEC3 opt-out, RFC 5155 section 9.2).
    OptOut {
        /// Signed zone.
        zone: String,
    },
    /// The zone uses only unsupported algorithms.
    UnknownAlgorithm {
        /// Signed zone.
        zone: String,
    },
    /// The signature has expired.
    Expired {
        /// End of its validity.
        at: SystemTime,
        /// Records at fault.
        of: Option<String>,
    },
    /// The signature is not valid yet. The clock of this host may be wrong.
    NotYetValid {
        /// Start of its validity.
        at: SystemTime,
        /// Records at fault.
        of: Option<String>,
    },
    /// No signature.
    NoSignature {
        /// Records at fault.
        of: Option<String>,
    },
    /// The signature does not match the records and the key.
    WrongSignature {
        /// Records at fault.
        of: Option<String>,
        /// Tag of the key that the signature names.
        key_tag: u16,
    },
    /// The signature names a key that the zone does not have.
    NoSuchKey {
        /// Records at fault.
        of: Option<String>,
        /// Zone of the key.
        zone: String,
        /// Tag of the key.
        key_tag: u16,
    },
    /// The zone has a DS, but no keys.
    NoKeys {
        /// Zone without keys.
        zone: String,
    },
    /// No key of the zone matches a DS of the zone above.
    UntrustedKeys {
        /// Zone of the keys.
        zone: String,
    },
    /// No key of the zone is a trust anchor.
    NotAnchored {
        /// Zone of the keys.
        zone: String,
    },
    /// A negative answer without proof (NSEC, NSEC3).
    NoDenial,
    /// A delegation without proof that the zone is unsigned.
    NoDelegationProof {
        /// Delegated zone.
        zone: String,
    },
    /// The server returns no signatures at all, not even of the trust anchor's zone.
    NoDnssec,
    /// A query that the proof needs has failed.
    Unanswered {
        /// Queried records, such as `DNSKEY of example.com.`
        what: String,
        /// Failure of the query.
        why: String,
    },
    /// Unknown reason.
    Unknown,
}

impl fmt::Display for DnsProofReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnchor => f.write_str("no trust anchor is in charge of the name"),
            Self::Signatures => f.write_str("signatures are not signed themselves"),
            Self::Unsigned { zone } => write!(f, "`{zone}` is not signed"),
            Self::OptOut { zone } => {
                write!(f, "`{zone}` leaves unsigned zones out of its proof (NSEC3 opt-out)")
            }
            Self::UnknownAlgorithm { zone } => {
                write!(f, "`{zone}` is signed with an algorithm that is not known here")
            }
            Self::Expired { at, of } => {
                write!(f, "signature{} expired {}", Of(of), rfc3339(*at))
            }
            Self::NotYetValid { at, of } => {
                write!(f, "signature{} not valid before {}", Of(of), rfc3339(*at))
            }
            Self::NoSignature { of } => write!(f, "no signature{}", Of(of)),
            Self::WrongSignature { of, key_tag } => {
                write!(f, "signature{} does not match (key {key_tag})", Of(of))
            }
            Self::NoSuchKey { of, zone, key_tag } => {
                write!(f, "signature{} is by key {key_tag}, which `{zone}` does not have", Of(of))
            }
            Self::NoKeys { zone } => write!(f, "`{zone}` has no keys, but should be signed"),
            Self::UntrustedKeys { zone } => {
                write!(f, "no key of `{zone}` matches the DS of the zone above")
            }
            Self::NotAnchored { zone } => write!(f, "no key of `{zone}` is a trust anchor"),
            Self::NoDenial => f.write_str("no proof that there is nothing (NSEC)"),
            Self::NoDelegationProof { zone } => {
                write!(f, "no proof that `{zone}` is not signed (DS, NSEC)")
            }
            Self::NoDnssec => f.write_str("the server gives no signatures at all"),
            Self::Unanswered { what, why } => write!(f, "{what}: {why}"),
            Self::Unknown => f.write_str("the signatures do not prove it"),
        }
    }
}

struct Of<'a>(&'a Option<String>);

impl fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |of| write!(f, " of {of}"))
    }
}
