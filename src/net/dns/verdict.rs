//! Meaning of an answer without an error code and without the requested records.

use super::answer::{DnsFlags, Rcode};
use super::error::DnsErrorKind;
use super::{DnsData, DnsRecord, RecordType};

/// Maximum number of aliases that are followed. Name servers follow about 16; a message has room for thousands.
const MAX_ALIASES: usize = 32;

/// The type of all records.
const ANY: RecordType = RecordType::Other(255);

/// Chain of CNAME records in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AliasChain<'a> {
    /// Name at its end; the queried name without an alias.
    pub(super) end: &'a str,
    pub(super) shape: ChainShape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChainShape {
    /// It ends with a name that is no alias in this answer.
    Ends,
    /// It comes back to one of its names (RFC 1034 section 3.6.2).
    Loops,
    /// It has more aliases than are followed.
    TooLong,
}

impl<'a> AliasChain<'a> {
    pub(super) fn of(name: &'a str, records: &'a [DnsRecord]) -> Self {
        let target = |name: &str| {
            records.iter().find_map(|record| match &record.data {
                DnsData::Cname(target) if record.name.eq_ignore_ascii_case(name) => {
                    Some(target.as_str())
                }
                _ => None,
            })
        };
        let mut names = vec![name];
        loop {
            let end = names[names.len() - 1];
            let Some(next) = target(end) else {
                return Self { end, shape: ChainShape::Ends };
            };
            if names.iter().any(|known| known.eq_ignore_ascii_case(next)) {
                return Self { end, shape: ChainShape::Loops };
            }
            if names.len() > MAX_ALIASES {
                return Self { end, shape: ChainShape::TooLong };
            }
            names.push(next);
        }
    }
}

/// Records of a type at the end of the chain of aliases.
pub(super) fn matching<'a>(
    name: &'a str,
    record_type: RecordType,
    records: &'a [DnsRecord],
) -> impl Iterator<Item = &'a DnsRecord> {
    let end = match record_type {
        RecordType::Cname | ANY => name,
        _ => AliasChain::of(name, records).end,
    };
    records.iter().filter(move |record| {
        (record_type == ANY || record.record_type == record_type)
            && record.name.eq_ignore_ascii_case(end)
    })
}

/// An answer to judge.
pub(super) struct Judged<'a> {
    pub(super) name: &'a str,
    pub(super) record_type: RecordType,
    pub(super) rcode: Rcode,
    pub(super) flags: DnsFlags,
    pub(super) records: &'a [DnsRecord],
    pub(super) authority: &'a [DnsRecord],
    /// Whether recursion was requested (RD).
    pub(super) wants_recursion: bool,
}

impl Judged<'_> {
    /// `None` for an answer with the requested records.
    pub(super) fn fault(&self) -> Option<DnsErrorKind> {
        match self.rcode {
            Rcode::NOERROR => {}
            Rcode::NXDOMAIN => return Some(DnsErrorKind::NxDomain),
            Rcode::SERVFAIL => return Some(DnsErrorKind::ServFail),
            Rcode::REFUSED => return Some(DnsErrorKind::Refused),
            other => return Some(DnsErrorKind::Code(other)),
        }
        if matching(self.name, self.record_type, self.records).next().is_some() {
            return None;
        }
        let chain = AliasChain::of(self.name, self.records);
        let is_alias = !chain.end.eq_ignore_ascii_case(self.name);
        let has = |wanted: RecordType| self.authority.iter().any(|it| it.record_type == wanted);
        Some(match chain.shape {
            ChainShape::Loops => DnsErrorKind::AliasLoop,
            ChainShape::TooLong => DnsErrorKind::AliasChainTooLong,
            ChainShape::Ends if has(RecordType::Soa) => DnsErrorKind::NoData,
            ChainShape::Ends if is_alias => DnsErrorKind::AliasNotFollowed,
            ChainShape::Ends if self.flags.authoritative => DnsErrorKind::NoData,
            ChainShape::Ends if self.flags.recursion_available && self.wants_recursion => {
                DnsErrorKind::NoData
            }
            ChainShape::Ends if has(RecordType::Ns) => DnsErrorKind::Referral,
            ChainShape::Ends if self.flags.recursion_available => DnsErrorKind::NoData,
            ChainShape::Ends => DnsErrorKind::Lame,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn record(name: &str, record_type: RecordType, data: DnsData) -> DnsRecord {
        DnsRecord { name: name.to_owned(), record_type, ttl: Duration::ZERO, data }
    }

    fn alias(from: &str, to: &str) -> DnsRecord {
        record(from, RecordType::Cname, DnsData::Cname(to.to_owned()))
    }

    fn other(name: &str, record_type: RecordType) -> DnsRecord {
        record(name, record_type, DnsData::Other(String::new()))
    }

    fn fault(
        (authoritative, recursion_available, wants_recursion): (bool, bool, bool),
        records: &[DnsRecord],
        authority: &[DnsRecord],
    ) -> Option<DnsErrorKind> {
        let flags = DnsFlags { authoritative, recursion_available, ..DnsFlags::default() };
        let (name, record_type, rcode) = ("a.test.", RecordType::Mx, Rcode::NOERROR);
        Judged { name, record_type, rcode, flags, records, authority, wants_recursion }.fault()
    }

    #[test]
    fn an_empty_answer_means_what_its_flags_and_its_authority_say() {
        use DnsErrorKind::{Lame, NoData, Referral};
        let (ns, soa) = (other("test.", RecordType::Ns), other("test.", RecordType::Soa));
        type Row<'a> = ((bool, bool, bool), &'a [DnsRecord], DnsErrorKind);
        let table: [Row<'_>; 9] = [
            ((false, false, true), &[], Lame),
            ((false, false, false), &[], Lame),
            ((false, false, true), std::slice::from_ref(&ns), Referral),
            ((false, true, false), std::slice::from_ref(&ns), Referral),
            ((false, true, true), std::slice::from_ref(&ns), NoData),
            ((true, false, true), std::slice::from_ref(&ns), NoData),
            ((true, false, true), &[], NoData),
            ((false, true, true), &[], NoData),
            ((false, false, true), std::slice::from_ref(&soa), NoData),
        ];
        for (flags, authority, wanted) in table {
            assert_eq!(fault(flags, &[], authority), Some(wanted), "{flags:?} {authority:?}");
        }
    }

    #[test]
    fn aliases_that_lead_nowhere_have_verdicts_of_their_own() {
        use DnsErrorKind::{AliasChainTooLong, AliasLoop, AliasNotFollowed, NoData};
        let flags = (false, true, true);
        let soa = [other("test.", RecordType::Soa)];
        let around = [alias("a.test.", "b.test."), alias("B.test.", "A.test.")];
        assert_eq!(fault(flags, &around, &[]), Some(AliasLoop));
        assert_eq!(fault(flags, &[alias("a.test.", "a.TEST.")], &soa), Some(AliasLoop));
        assert_eq!(fault(flags, &around[..1], &[]), Some(AliasNotFollowed));
        assert_eq!(fault(flags, &around[..1], &soa), Some(NoData), "of the alias's target");
        let name =
            |nth: usize| if nth == 0 { "a.test.".to_owned() } else { format!("{nth}.test.") };
        let chain = |count: usize| -> Vec<DnsRecord> {
            (0..count).map(|nth| alias(&name(nth), &name(nth + 1))).collect()
        };
        assert_eq!(fault(flags, &chain(MAX_ALIASES), &[]), Some(AliasNotFollowed));
        assert_eq!(fault(flags, &chain(MAX_ALIASES + 1), &[]), Some(AliasChainTooLong));
        let mut whole = chain(MAX_ALIASES);
        whole.push(other(&name(MAX_ALIASES), RecordType::Mx));
        assert_eq!(fault(flags, &whole, &[]), None);
    }
}
