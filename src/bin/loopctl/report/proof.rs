//! DNSSEC validation of the answers about a name.

use std::net::IpAddr;

use loopctl::{DnsAnswer, DnsProof, DnsRecord, DnsSetProof, DnsValidation};

use super::names::NameReport;
use super::query::Query;

impl Query {
    /// Validation of the answer, also of a negative one, if it was requested.
    pub(crate) fn validation(&self) -> Option<&DnsValidation> {
        self.answer()?.exchange.validation.as_deref()
    }

    /// Validation of one record of the answer.
    pub(crate) fn proof_of(&self, record: &DnsRecord) -> Option<&DnsSetProof> {
        record_proof(self.answer()?, record)
    }
}

impl NameReport {
    /// Validation of a record of any answer.
    pub(crate) fn proof_of(&self, record: &DnsRecord) -> Option<&DnsSetProof> {
        self.answers().find_map(|answer| record_proof(answer, record))
    }

    /// Validation of an address of any answer.
    pub(crate) fn proof_of_address(&self, ip: IpAddr) -> Option<&DnsSetProof> {
        self.answers().find_map(|answer| {
            let record = answer.matching().find(|record| record.data.address() == Some(ip))?;
            record_proof(answer, record)
        })
    }

    /// Validation of the first answer that lacks a required proof.
    pub(crate) fn unproven(&self) -> Option<&DnsValidation> {
        let known = self.dns_queries().filter(|query| query.verdict().is_unproven());
        known.into_iter().find_map(Query::validation)
    }

    /// Whether the validation is shown with each record.
    pub(crate) fn has_proofs(&self) -> bool {
        self.answers().any(|answer| answer.exchange.validation.is_some())
    }
}

fn record_proof<'a>(answer: &'a DnsAnswer, record: &DnsRecord) -> Option<&'a DnsSetProof> {
    let sets = &answer.exchange.validation.as_deref()?.sets;
    sets.iter().find(|set| {
        set.record_type == record.record_type && set.name.eq_ignore_ascii_case(&record.name)
    })
}

/// Value in JSON documents.
pub(crate) fn name(proof: DnsProof) -> &'static str {
    match proof {
        DnsProof::Secure => "secure",
        DnsProof::Insecure => "insecure",
        DnsProof::Bogus => "bogus",
        DnsProof::Indeterminate => "indeterminate",
    }
}
