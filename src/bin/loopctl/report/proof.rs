//! What signatures prove of a name's answers.

use std::net::IpAddr;

use loopctl::{DnsAnswer, DnsProof, DnsRecord, DnsSetProof, DnsValidation};

use super::names::NameReport;
use super::query::Query;

impl Query {
    /// Of the answer, also of one that says no, if it was to be found out.
    pub(crate) fn validation(&self) -> Option<&DnsValidation> {
        self.answer()?.exchange.validation.as_deref()
    }

    /// What is known of one of its records.
    pub(crate) fn proof_of(&self, record: &DnsRecord) -> Option<&DnsSetProof> {
        of_record(self.answer()?, record)
    }
}

impl NameReport {
    /// What is known of a record of the answers.
    pub(crate) fn proof_of(&self, record: &DnsRecord) -> Option<&DnsSetProof> {
        self.answers().find_map(|answer| of_record(answer, record))
    }

    /// What is known of an address of the answers.
    pub(crate) fn proof_of_address(&self, ip: IpAddr) -> Option<&DnsSetProof> {
        self.answers().find_map(|answer| {
            let record = answer.matching().find(|record| record.data.address() == Some(ip))?;
            of_record(answer, record)
        })
    }

    /// Why the name must not be taken as resolved: the first answer that is not proved.
    pub(crate) fn unproven(&self) -> Option<&DnsValidation> {
        let known = self.dns_queries().filter(|query| query.verdict().is_unproven());
        known.into_iter().find_map(Query::validation)
    }

    /// Whether what signatures prove is to be shown with each record.
    pub(crate) fn has_proofs(&self) -> bool {
        self.answers().any(|answer| answer.exchange.validation.is_some())
    }
}

fn of_record<'a>(answer: &'a DnsAnswer, record: &DnsRecord) -> Option<&'a DnsSetProof> {
    let sets = &answer.exchange.validation.as_deref()?.sets;
    sets.iter().find(|set| {
        set.record_type == record.record_type && set.name.eq_ignore_ascii_case(&record.name)
    })
}

/// In the words of JSON.
pub(crate) fn name(proof: DnsProof) -> &'static str {
    match proof {
        DnsProof::Secure => "secure",
        DnsProof::Insecure => "insecure",
        DnsProof::Bogus => "bogus",
        DnsProof::Indeterminate => "indeterminate",
    }
}
