//! What signatures prove of an answer, and what they do not.

use std::fmt;
use std::time::SystemTime;

use time::OffsetDateTime;

use super::RecordType;

/// What is known of the origin of records, in the words of RFC 4035 section 4.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DnsProof {
    /// Signatures lead from a trust anchor down to them.
    Secure,
    /// They are in a zone that is proved not to be signed.
    Insecure,
    /// They ought to be signed, and are not, or not well.
    Bogus,
    /// Whether they ought to be signed cannot be found out.
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

/// What signatures prove of an answer, or of an answer that there is nothing.
///
/// Its text is the proof, and why it is no better: `bogus: signature expired 2026-11-01 10:00 UTC`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsValidation {
    /// Of the answer as a whole: the worst of its parts.
    pub proof: DnsProof,
    /// Why it is not secure.
    pub reason: Option<DnsProofReason>,
    /// The zones whose keys are proved, from the trust anchor down; of an insecure answer, those above it.
    pub chain: Vec<String>,
    /// Each set of records, in the order of the answer. There is none in an answer that there is nothing.
    pub sets: Vec<DnsSetProof>,
}

/// What signatures prove of the records of one name and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsSetProof {
    /// Whose records they are, with the dot at the end.
    pub name: String,
    /// Their type.
    pub record_type: RecordType,
    /// What is known of them.
    pub proof: DnsProof,
    /// Why they are not secure.
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

/// Why records are not secure.
///
/// `of` are the records that are to blame where they are not those of the answer itself, but keys or what proves
/// the keys: `DNSKEY of example.com.`
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DnsProofReason {
    /// No trust anchor is in charge of the name.
    NoAnchor,
    /// They are signatures, which are not signed themselves.
    Signatures,
    /// The zone above proves that this one is not signed.
    Unsigned {
        /// The zone that is not signed.
        zone: String,
    },
    /// The zone is signed in ways that are not known here.
    UnknownAlgorithm {
        /// The zone.
        zone: String,
    },
    /// The signature's time is over.
    Expired {
        /// Since when.
        at: SystemTime,
        /// Of which records.
        of: Option<String>,
    },
    /// The signature's time has not come. The clock of this host may be wrong.
    NotYetValid {
        /// When it begins.
        at: SystemTime,
        /// Of which records.
        of: Option<String>,
    },
    /// There is no signature.
    NoSignature {
        /// Of which records.
        of: Option<String>,
    },
    /// The signature is not of these records, or not by that key.
    WrongSignature {
        /// Of which records.
        of: Option<String>,
        /// The key that it says it is by.
        key_tag: u16,
    },
    /// The zone has no such key as the signature says it is by.
    NoSuchKey {
        /// Of which records.
        of: Option<String>,
        /// The zone.
        zone: String,
        /// The number of the key.
        key_tag: u16,
    },
    /// The zone is to be signed, but has no keys.
    NoKeys {
        /// The zone.
        zone: String,
    },
    /// None of the zone's keys is the one that the zone above vouches for (DS).
    UntrustedKeys {
        /// The zone.
        zone: String,
    },
    /// None of the zone's keys is a trust anchor's.
    NotAnchored {
        /// The zone.
        zone: String,
    },
    /// It is not proved that there is nothing (NSEC, NSEC3).
    NoDenial,
    /// It is not proved that the zone is not signed.
    NoDelegationProof {
        /// The zone.
        zone: String,
    },
    /// The server gives no signatures at all, not even those of the trust anchor's zone.
    NoDnssec,
    /// What is needed for a proof could not be had.
    Unanswered {
        /// What was asked for, such as `DNSKEY of example.com.`
        what: String,
        /// What became of it.
        why: String,
    },
    /// Nothing that is known here.
    Unknown,
}

impl fmt::Display for DnsProofReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnchor => f.write_str("no trust anchor is in charge of the name"),
            Self::Signatures => f.write_str("signatures are not signed themselves"),
            Self::Unsigned { zone } => write!(f, "`{zone}` is not signed"),
            Self::UnknownAlgorithm { zone } => {
                write!(f, "`{zone}` is signed with an algorithm that is not known here")
            }
            Self::Expired { at, of } => {
                write!(f, "signature{} expired {}", Of(of), moment(*at))
            }
            Self::NotYetValid { at, of } => {
                write!(f, "signature{} not valid before {}", Of(of), moment(*at))
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

/// To the minute: signatures are made for days.
fn moment(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    format!("{} {:02}:{:02} UTC", at.date(), at.hour(), at.minute())
}
