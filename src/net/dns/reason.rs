//! Finds the reason of a failed validation. hickory returns the status alone, so this examines the messages that
//! hickory was given.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use hickory_net::proto::dnssec::Verifier;
use hickory_net::proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, RRSIG};
use hickory_net::proto::rr::{Name, RData, Record, RecordType};

use super::keys::Given;
use super::rrset::{RrSet, signature};
use super::{DnsProof, DnsProofReason, TrustAnchors, name_text};

/// Messages, trust anchors and time of a validation.
pub(super) struct Seen<'a> {
    pub(super) given: &'a HashMap<(Name, RecordType), Given>,
    pub(super) anchors: &'a TrustAnchors,
    /// Zone of the trust anchor.
    pub(super) top: &'a Name,
    /// Seconds since 1970, as in signatures.
    pub(super) now: u32,
    /// Number of signatures that may still be checked.
    pub(super) left: Cell<usize>,
}

/// More than any valid answer needs. An attacker could send thousands (CVE-2023-50387).
pub(super) const MAX_SIGNATURES: usize = 200;

/// Records of one name and type, with their signatures.
struct Set<'a> {
    name: &'a Name,
    record_type: RecordType,
    records: Vec<&'a Record>,
    signatures: Vec<&'a RRSIG>,
    /// Whether the set is not in the answer itself.
    is_beside: bool,
}

impl<'a> Set<'a> {
    fn of(name: &'a Name, record_type: RecordType, all: &'a [Record]) -> Self {
        let all = || all.iter().filter(|record| record.name == *name);
        let signatures = all().filter_map(signature);
        Self {
            name,
            record_type,
            records: all().filter(|record| record.record_type() == record_type).collect(),
            signatures: signatures.filter(|it| it.input().type_covered == record_type).collect(),
            is_beside: true,
        }
    }

    fn title(&self) -> Option<String> {
        self.is_beside.then(|| format!("{} of {}", self.record_type, name_text::text(self.name)))
    }
}

/// Zones with validated keys, from the trust anchor down.
type Chain = Vec<Name>;

impl Seen<'_> {
    /// Reason why a set is not secure, and the zones whose keys lead to it.
    pub(super) fn explain(
        &self,
        part: &RrSet,
        proof: DnsProof,
    ) -> (Option<DnsProofReason>, Vec<String>) {
        let mut chain = Vec::new();
        let reason = match proof {
            DnsProof::Insecure => Some(self.unsigned(&part.name, &mut chain)),
            _ if part.is_denial => self.denial_fault(part, &mut chain),
            _ => {
                let mut set = Set::of(&part.name, part.record_type, &part.message.answers);
                set.is_beside = false;
                self.fault(&set, &mut chain)
            }
        };
        let reason = match proof {
            DnsProof::Secure => None,
            DnsProof::Bogus if !part.is_denial && !part.message.authorities.is_empty() => {
                reason.or(Some(DnsProofReason::NoDenial))
            }
            _ => reason.or(Some(DnsProofReason::Unknown)),
        };
        (reason, chain.iter().map(name_text::text).collect())
    }

    /// Fault of a set: of each of its signatures, or of the keys of the signing zone.
    fn fault<'a>(&'a self, set: &Set<'a>, chain: &mut Chain) -> Option<DnsProofReason> {
        if set.signatures.is_empty() {
            return Some(self.missing(set, chain));
        }
        let mut first = None;
        for made in &set.signatures {
            let mut zones = Vec::new();
            let fault = self.signature_fault(set, made, &mut zones);
            if fault.is_none() || chain.is_empty() {
                *chain = zones;
            }
            fault.as_ref()?;
            first = first.or(fault);
        }
        first
    }

    /// A set without signatures: a zone on the way to it may be unsigned.
    fn missing(&self, set: &Set<'_>, chain: &mut Chain) -> DnsProofReason {
        let nothing = DnsProofReason::NoSignature { of: set.title() };
        let asked = self.given.iter().filter(|((zone, record_type), _)| {
            zone.zone_of(set.name)
                && (*record_type == RecordType::DS || *record_type == RecordType::NS)
        });
        let mut asked: Vec<_> = asked.collect();
        asked.sort_by_key(|((zone, record_type), _)| (zone.num_labels(), u16::from(*record_type)));
        for ((zone, record_type), given) in asked {
            let response = match &**given {
                Ok(response) => response,
                Err(why) => return unanswered(zone, *record_type, why),
            };
            if *record_type != RecordType::DS || set.record_type == RecordType::DS {
                continue;
            }
            let ds = Set::of(zone, RecordType::DS, &response.answers);
            if ds.records.is_empty() {
                return DnsProofReason::NoDelegationProof { zone: name_text::text(zone) };
            }
            if let Some(fault) = self.fault(&ds, chain) {
                return fault;
            }
        }
        nothing
    }

    fn signature_fault<'a>(
        &'a self,
        set: &Set<'a>,
        made: &RRSIG,
        chain: &mut Chain,
    ) -> Option<DnsProofReason> {
        if !self.may_look() {
            return Some(DnsProofReason::Unknown);
        }
        let (input, of) = (made.input(), set.title());
        let zone = &input.signer_name;
        let keys = match self.keys(zone, set) {
            Ok(keys) => keys,
            Err(reason) => return Some(reason),
        };
        let key_tag = input.key_tag;
        let named: Vec<&DNSKEY> = keys
            .iter()
            .copied()
            .filter(|key| key.calculate_key_tag().ok() == Some(key_tag))
            .collect();
        if let Some(fault) = self.zone_fault(zone, chain) {
            return Some(fault);
        }
        if named.is_empty() {
            return Some(DnsProofReason::NoSuchKey { of, zone: name_text::text(zone), key_tag });
        }
        self.making_fault(set, made, &named)
    }

    /// Fault of a signature, if one of these keys may have made it.
    fn making_fault(
        &self,
        set: &Set<'_>,
        made: &RRSIG,
        keys: &[&DNSKEY],
    ) -> Option<DnsProofReason> {
        let (input, of) = (made.input(), set.title());
        let (from, to) = (input.sig_inception.get(), input.sig_expiration.get());
        if to.wrapping_sub(self.now).cast_signed() < 0 {
            return Some(DnsProofReason::Expired { at: self.moment(to), of });
        }
        if self.now.wrapping_sub(from).cast_signed() < 0 {
            return Some(DnsProofReason::NotYetValid { at: self.moment(from), of });
        }
        let class = set.records.first()?.dns_class;
        let is_good = |key: &&DNSKEY| {
            self.may_look()
                && key.verify_rrsig(set.name, class, made, set.records.iter().copied()).is_ok()
        };
        let key_tag = input.key_tag;
        (!keys.iter().any(is_good)).then_some(DnsProofReason::WrongSignature { of, key_tag })
    }

    fn may_look(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0
    }

    /// Reason why the keys of a zone are not trusted.
    fn zone_fault(&self, zone: &Name, chain: &mut Chain) -> Option<DnsProofReason> {
        let given = self.given.get(&(zone.clone(), RecordType::DNSKEY))?;
        let response = (**given).as_ref().ok()?;
        let set = Set::of(zone, RecordType::DNSKEY, &response.answers);
        let keys: Vec<&DNSKEY> = set.records.iter().filter_map(|it| key_of(it)).collect();
        let trusted: Vec<&DNSKEY> = if zone == self.top {
            keys.into_iter().filter(|key| self.anchors.has(zone, key)).collect()
        } else {
            match self.vouched(zone, &keys, chain) {
                Ok(trusted) => trusted,
                Err(reason) => return Some(reason),
            }
        };
        if trusted.is_empty() {
            let name = name_text::text(zone);
            return Some(if zone == self.top {
                DnsProofReason::NotAnchored { zone: name }
            } else {
                DnsProofReason::UntrustedKeys { zone: name }
            });
        }
        let made = set.signatures.iter();
        let faults: Vec<_> = made.map(|it| self.making_fault(&set, it, &trusted)).collect();
        let nothing = || Some(DnsProofReason::NoSignature { of: set.title() });
        if faults.iter().all(Option::is_some) {
            return faults.into_iter().next().unwrap_or_else(nothing);
        }
        chain.push(zone.clone());
        None
    }

    /// Keys that match a DS of the zone above.
    fn vouched<'a>(
        &'a self,
        zone: &'a Name,
        keys: &[&'a DNSKEY],
        chain: &mut Chain,
    ) -> Result<Vec<&'a DNSKEY>, DnsProofReason> {
        let given = self.given.get(&(zone.clone(), RecordType::DS));
        let response = match given.map(|given| &**given) {
            None => return Err(DnsProofReason::Unknown),
            Some(Err(why)) => return Err(unanswered(zone, RecordType::DS, why)),
            Some(Ok(response)) => response,
        };
        let mut set = Set::of(zone, RecordType::DS, &response.answers);
        if set.records.is_empty() {
            return Err(DnsProofReason::NoDelegationProof { zone: name_text::text(zone) });
        }
        // A zone cannot prove its own DS, and the proof must not be circular.
        set.signatures.retain(|it| {
            let signer = &it.input().signer_name;
            signer != zone && signer.zone_of(zone)
        });
        if let Some(fault) = self.fault(&set, chain) {
            return Err(fault);
        }
        let vouches = |key: &&&DNSKEY| {
            let tag = key.calculate_key_tag().ok();
            let all = set.records.iter().filter_map(|it| ds_of(it));
            let mut all = all.filter(|ds| Some(ds.key_tag()) == tag);
            all.any(|ds| self.may_look() && ds.covers(zone, key).unwrap_or(false))
        };
        Ok(keys.iter().filter(vouches).copied().collect())
    }

    /// Keys of the zone that signed a set.
    fn keys<'a>(&'a self, zone: &Name, set: &Set<'a>) -> Result<Vec<&'a DNSKEY>, DnsProofReason> {
        let name = || name_text::text(zone);
        let given = self.given.get(&(zone.clone(), RecordType::DNSKEY));
        let response = match given.map(|given| &**given) {
            // A query for the keys themselves.
            None if set.record_type == RecordType::DNSKEY => {
                return Ok(set.records.iter().filter_map(|it| key_of(it)).collect());
            }
            None => return Err(DnsProofReason::Unknown),
            Some(Err(why)) => return Err(unanswered(zone, RecordType::DNSKEY, why)),
            Some(Ok(response)) => response,
        };
        let keys: Vec<&DNSKEY> = response.answers.iter().filter_map(key_of).collect();
        if keys.is_empty() { Err(DnsProofReason::NoKeys { zone: name() }) } else { Ok(keys) }
    }

    /// Reason why a negative answer is not proved.
    fn denial_fault(&self, part: &RrSet, chain: &mut Chain) -> Option<DnsProofReason> {
        let records = &part.message.authorities;
        let denies = |it: &&Record| {
            matches!(it.record_type(), RecordType::NSEC | RecordType::NSEC3 | RecordType::SOA)
        };
        for record in records.iter().filter(denies) {
            let set = Set::of(&record.name, record.record_type(), records);
            if let Some(fault) = self.fault(&set, chain) {
                return Some(fault);
            }
        }
        if records.is_empty() {
            let set = Set::of(&part.name, part.record_type, records);
            match self.missing(&set, chain) {
                DnsProofReason::NoSignature { .. } => {}
                other => return Some(other),
            }
        }
        Some(DnsProofReason::NoDenial)
    }

    /// Unsigned zone: the topmost one without a usable DS.
    fn unsigned(&self, name: &Name, chain: &mut Chain) -> DnsProofReason {
        let asked = self.given.iter().filter(|((zone, record_type), _)| {
            *record_type == RecordType::DS && zone.zone_of(name)
        });
        let mut asked: Vec<_> = asked.collect();
        asked.sort_by_key(|((zone, _), _)| zone.num_labels());
        for ((zone, _), given) in asked {
            let Ok(response) = &**given else { continue };
            let ds = Set::of(zone, RecordType::DS, &response.answers);
            let vouched: Vec<&DS> = ds.records.iter().filter_map(|it| ds_of(it)).collect();
            if vouched.is_empty() {
                let denies =
                    |it: &&Record| matches!(it.record_type(), RecordType::NSEC | RecordType::NSEC3);
                for record in response.authorities.iter().filter(denies) {
                    let set = Set::of(&record.name, record.record_type(), &response.authorities);
                    self.fault(&set, chain);
                }
                return DnsProofReason::Unsigned { zone: name_text::text(zone) };
            }
            let is_known =
                |ds: &&DS| ds.algorithm().is_supported() && ds.digest_type().is_supported();
            self.fault(&ds, chain);
            if !vouched.iter().any(is_known) {
                return DnsProofReason::UnknownAlgorithm { zone: name_text::text(zone) };
            }
        }
        DnsProofReason::Unknown
    }

    /// Time with these low 32 bits, within 68 years of now (RFC 4034 section 3.1.5).
    fn moment(&self, at: u32) -> SystemTime {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(self.now.into());
        let away = at.wrapping_sub(self.now).cast_signed();
        let distance = Duration::from_secs(away.unsigned_abs().into());
        if away < 0 { now - distance } else { now + distance }
    }
}

fn unanswered(zone: &Name, record_type: RecordType, why: &str) -> DnsProofReason {
    let what = format!("{record_type} of {}", name_text::text(zone));
    DnsProofReason::Unanswered { what, why: why.to_owned() }
}

fn key_of(record: &Record) -> Option<&DNSKEY> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some(key),
        _ => None,
    }
}

fn ds_of(record: &Record) -> Option<&DS> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::DS(ds)) => Some(ds),
        _ => None,
    }
}
