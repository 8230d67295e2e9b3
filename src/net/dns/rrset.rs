//! Splits an answer into the record sets to validate: each CNAME, and the set at the end of the chain.

use hickory_net::proto::dnssec::rdata::{DNSSECRData, RRSIG};
use hickory_net::proto::op::{Message, Query, ResponseCode};
use hickory_net::proto::rr::{Name, RData, Record, RecordType};
use hickory_net::proto::serialize::binary::{BinDecodable, BinDecoder};

/// Record set, or its denial. hickory validates an answer about several zones as if it were about one. It rejects the
/// denial at the end of a CNAME chain, so that each set is validated alone.
pub(super) struct RrSet {
    pub(super) name: Name,
    pub(super) record_type: RecordType,
    /// Message with only this set, its signatures and its proof.
    pub(super) message: Message,
    pub(super) is_denial: bool,
}

impl RrSet {
    pub(super) fn query(&self) -> Query {
        Query::query(self.name.clone(), self.record_type)
    }

    /// Wildcard that the records were expanded from, by the label count of their signatures (RFC 4035 section 5.3.2).
    fn wildcard(&self) -> Option<Name> {
        let made = self.message.answers.iter().filter_map(signature);
        let labels = made.map(|it| it.input().num_labels).min()?;
        let is_expanded = !self.is_denial && labels < self.name.num_labels();
        let above = is_expanded.then(|| self.name.trim_to(labels.into()))?;
        above.prepend_label("*").ok()
    }

    /// Splits a set expanded from a wildcard of an NSEC zone into the records under the wildcard's name and the
    /// denial of a closer match (RFC 4035 section 5.3.4). hickory 0.26 cannot validate these: it also requires a
    /// denial of the wildcard, and accepts a denial of the name alone (its pull request 3812).
    pub(super) fn of_wildcard(&self) -> Option<(Self, Vec<Self>)> {
        let (wildcard, authorities) = (self.wildcard()?, &self.message.authorities);
        authorities.iter().find(|it| it.record_type() == RecordType::NSEC)?;
        let base = wildcard.base_name();
        let denies = |record: &&Record| match &record.data {
            RData::DNSSEC(DNSSECRData::NSEC(nsec)) => {
                let (from, to) = (&record.name, nsec.next_domain_name());
                denies_below(from, to, &self.name, &base) && !nsec.is_ancestor_delegation()
            }
            _ => false,
        };
        let mut original = self.message.clone();
        for record in &mut original.answers {
            record.name = wildcard.clone();
        }
        original.authorities.clear();
        let mut denials = self.message.clone();
        denials.answers = std::mem::take(&mut denials.authorities);
        let denying = authorities.iter().filter(denies).take(1);
        let denying = denying.map(|it| part(&denials, it.name.clone(), RecordType::NSEC));
        Some((part(&original, wildcard, self.record_type), denying.collect()))
    }
}

/// Whether an NSEC record from one name to another denies every name from `name` up to, but not including, `base`.
fn denies_below(from: &Name, to: &Name, name: &Name, base: &Name) -> bool {
    // The last NSEC of a zone points to its first name.
    let is_between = from < name && (name < to || (to <= from && to.zone_of(name)));
    let closer = name.trim_to(usize::from(base.num_labels()) + 1);
    is_between && !closer.zone_of(from) && !closer.zone_of(to)
}

/// Record sets of an answer, in order.
pub(super) fn split(message: &Message, question: &Query) -> Vec<RrSet> {
    let wanted = question.query_type();
    let (mut name, mut parts) = (question.name().clone(), Vec::new());
    if wanted == RecordType::ANY {
        let mut sets: Vec<(Name, RecordType)> = Vec::new();
        for record in message.answers.iter().filter(|it| it.record_type() != RecordType::RRSIG) {
            let set = (record.name.clone(), record.record_type());
            if !sets.contains(&set) {
                sets.push(set);
            }
        }
        parts.extend(sets.into_iter().map(|(name, kind)| part(message, name, kind)));
        return parts;
    }
    // A CNAME chain can be a loop, and no chain is longer than the answer.
    for _ in &message.answers {
        let alias = message.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if record.name == name => Some(target.0.clone()),
            _ => None,
        });
        let Some(target) = alias.filter(|_| wanted != RecordType::CNAME) else { break };
        parts.push(match above(message, &name, &target) {
            Some(owner) => part(message, owner, RecordType::DNAME),
            None => part(message, name, RecordType::CNAME),
        });
        name = target;
    }
    parts.push(part(message, name, wanted));
    parts
}

/// Owner of the DNAME that a CNAME was synthesised from. Such a CNAME is not signed (RFC 6672 section 5.3.1).
fn above(message: &Message, name: &Name, target: &Name) -> Option<Name> {
    let is_signed = message.answers.iter().filter(|record| record.name == *name).any(|record| {
        signature(record).is_some_and(|it| it.input().type_covered == RecordType::CNAME)
    });
    let owners = message.answers.iter().filter(|_| !is_signed).filter_map(|record| {
        let RData::Unknown { code: RecordType::DNAME, rdata } = &record.data else { return None };
        let to = Name::read(&mut BinDecoder::new(&rdata.anything)).ok()?;
        let owner = &record.name;
        let is_below = owner != name && owner.zone_of(name);
        let kept = usize::from(name.num_labels()).checked_sub(owner.num_labels().into())?;
        let labels = name.iter().take(kept).chain(to.iter());
        let made = Name::from_labels(labels).ok().filter(|_| is_below)?;
        (made == *target).then(|| owner.clone())
    });
    owners.into_iter().next()
}

fn part(message: &Message, name: Name, record_type: RecordType) -> RrSet {
    let belongs = |record: &&Record| {
        record.name == name
            && (record.record_type() == record_type
                || signature(record).is_some_and(|it| it.input().type_covered == record_type))
    };
    let answers: Vec<Record> = message.answers.iter().filter(belongs).cloned().collect();
    let is_denial = answers.iter().all(|record| record.record_type() != record_type);
    let labels = |record: &Record| signature(record).map(|it| it.input().num_labels);
    let is_from_wildcard = answers.iter().filter_map(labels).any(|it| it < name.num_labels());
    let denies = |kind: RecordType| {
        matches!(kind, RecordType::NSEC | RecordType::NSEC3)
            || (is_denial && kind == RecordType::SOA)
    };
    let is_proof = |record: &&Record| {
        denies(record.record_type())
            || signature(record).is_some_and(|it| denies(it.input().type_covered))
    };
    let mut about = Message::response(0, message.metadata.op_code);
    about.add_query(Query::query(name.clone(), record_type));
    if is_denial {
        about.metadata.response_code = message.metadata.response_code;
    } else {
        about.metadata.response_code = ResponseCode::NoError;
    }
    about.insert_answers(answers);
    if is_denial || is_from_wildcard {
        about.insert_authorities(message.authorities.iter().filter(is_proof).cloned().collect());
    }
    RrSet { name, record_type, message: about, is_denial }
}

pub(super) fn signature(record: &Record) -> Option<&RRSIG> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature),
        _ => None,
    }
}
