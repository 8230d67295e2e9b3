//! Validates answers with hickory. Its future is polled here, and its queries are sent here, without a task or
//! thread.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use hickory_net::dnssec::DnssecDnsHandle;
use hickory_net::proto::dnssec::rdata::{DNSKEY, DNSSECRData};
use hickory_net::proto::dnssec::{self, Proof, Verifier};
use hickory_net::proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Message, Query};
use hickory_net::proto::rr::{LowerName, Name, RData, Record, RecordType};
use hickory_net::xfer::{DnsHandle, FirstAnswer};
use hickory_net::{DnsError as NetDnsError, NetError};

use super::handle::{PendingQuery, QueryQueue, now};
use super::keys::Given;
use super::message::Question;
use super::reason::{MAX_SIGNATURES, Seen};
use super::rrset::{self, RrSet, signature};
use super::{
    DnsAnswer, DnsClient, DnsError, DnsErrorKind, DnsProof, DnsProofReason, DnsSetProof,
    DnsValidation, TrustAnchors, message, name_text, opt_out,
};
use crate::net::Failure;

/// Maximum number of signatures of a trust anchor's zone.
const MAX_SIGNATURES_OF_KEYS: usize = 8;

/// Maximum number of queries per answer. An attacker could cause thousands (CVE-2023-50387).
const MAX_QUESTIONS: usize = 100;

impl DnsClient {
    /// Adds the result of the validation, if the client validates.
    pub(super) async fn verified(
        &self,
        result: Result<DnsAnswer, DnsError>,
        wire: &[u8],
        query: u64,
    ) -> Result<DnsAnswer, DnsError> {
        let Some(anchors) = &self.core.config.anchors else { return result };
        let is_answer = result.as_ref().err().is_none_or(|error| is_about_the_name(error.kind));
        let message = message::for_validation(wire).filter(|_| is_answer);
        let Some((message, question)) =
            message.and_then(|it| it.queries.first().cloned().map(|question| (it, question)))
        else {
            return result;
        };
        let verifying = Verifying {
            client: self,
            anchors,
            query,
            asked: Cell::new(0),
            seen: RefCell::new(HashMap::new()),
        };
        attached(result, verifying.run(&message, &question).await)
    }
}

/// Validation of one answer.
struct Verifying<'a> {
    client: &'a DnsClient,
    anchors: &'a TrustAnchors,
    query: u64,
    asked: Cell<usize>,
    /// Messages given to hickory.
    seen: RefCell<HashMap<(Name, RecordType), Given>>,
}

impl Verifying<'_> {
    async fn run(&self, message: &Message, question: &Query) -> DnsValidation {
        let mut all = DnsValidation {
            proof: DnsProof::Secure,
            reason: None,
            chain: Vec::new(),
            sets: Vec::new(),
        };
        for part in rrset::split(message, question) {
            let (set, chain) = self.judge(&part).await;
            if all.reason.is_none() || rank(set.proof) > rank(all.proof) {
                (all.proof, all.reason, all.chain) = (set.proof, set.reason.clone(), chain);
            }
            if !part.is_denial {
                all.sets.push(set);
            }
        }
        all
    }

    /// Status of one set, and the zones that prove it.
    async fn judge(&self, part: &RrSet) -> (DnsSetProof, Vec<String>) {
        let set = |proof, reason| DnsSetProof {
            name: name_text::text(&part.name),
            record_type: super::RecordType::of(part.record_type),
            proof,
            reason,
        };
        if part.record_type == RecordType::RRSIG && !part.is_denial {
            let reason = Some(DnsProofReason::Signatures);
            return (set(DnsProof::Indeterminate, reason), Vec::new());
        }
        let Some(top) = self.anchors.above(&part.name) else {
            return (set(DnsProof::Indeterminate, Some(DnsProofReason::NoAnchor)), Vec::new());
        };
        let trusted = match self.trusted(&top).await {
            Ok(trusted) => trusted,
            Err(reason) => return (set(DnsProof::Indeterminate, Some(reason)), Vec::new()),
        };
        let trusted = Arc::new(trusted);
        let proof = match part.of_wildcard() {
            Some(pieces) => self.prove_wildcard(&pieces, &trusted).await,
            None => self.prove(part, &trusted).await,
        };
        let seen = self.seen.borrow();
        let left = Cell::new(MAX_SIGNATURES);
        let seen = Seen { given: &seen, anchors: self.anchors, top: &top, now: now(), left };
        let (reason, chain) = seen.explain(part, proof);
        if proof == DnsProof::Secure
            && part.is_denial
            && let Some(zone) = opt_out::zone(part)
        {
            let reason = DnsProofReason::OptOut { zone: name_text::text(&zone) };
            return (set(DnsProof::Insecure, Some(reason)), chain);
        }
        let proof = match reason {
            // The set may be secure; its chain is missing.
            Some(DnsProofReason::Unanswered { .. }) => DnsProof::Indeterminate,
            _ => proof,
        };
        (set(proof, reason), chain)
    }

    /// Trusted keys of a trust anchor's zone.
    async fn trusted(&self, top: &Name) -> Result<dnssec::TrustAnchors, DnsProofReason> {
        let given = self.get(&Query::query(top.clone(), RecordType::DNSKEY)).await;
        let what = || format!("DNSKEY of {}", name_text::text(top));
        let response = match &*given {
            Ok(response) => response,
            Err(why) => {
                return Err(DnsProofReason::Unanswered { what: what(), why: why.clone() });
            }
        };
        let keys: Vec<(&Record, &DNSKEY)> = response.answers.iter().filter_map(dnskey).collect();
        let signatures: Vec<_> = response.answers.iter().filter_map(signature).collect();
        if keys.is_empty() || signatures.is_empty() {
            return Err(DnsProofReason::NoDnssec);
        }
        let anchored = keys.iter().filter(|(_, key)| self.anchors.has(top, key));
        let anchored: Vec<&DNSKEY> = anchored.map(|(_, key)| *key).collect();
        // For keys of an anchor below the root, hickory would query the DS of the zone.
        let vouches = |key: &&DNSKEY| {
            signatures.iter().take(MAX_SIGNATURES_OF_KEYS).any(|signature| {
                let records = keys.iter().map(|(record, _)| *record);
                let (class, input) = (keys[0].0.dns_class, signature.input());
                let (now, from, to) =
                    (now(), input.sig_inception.get(), input.sig_expiration.get());
                let is_now = now.wrapping_sub(from).cast_signed() >= 0
                    && to.wrapping_sub(now).cast_signed() >= 0;
                is_now && key.verify_rrsig(top, class, signature, records).is_ok()
            })
        };
        let all_count = !top.is_root() && anchored.iter().any(vouches);
        let mut trusted = dnssec::TrustAnchors::empty();
        for (_, key) in &keys {
            if all_count || anchored.contains(key) {
                trusted.insert_with_name(key.public_key(), LowerName::from(top));
            }
        }
        Ok(trusted)
    }

    /// Status of wildcard records: the wildcard must be secure, and a closer match denied.
    async fn prove_wildcard(
        &self,
        (original, denials): &(RrSet, Vec<RrSet>),
        trusted: &Arc<dnssec::TrustAnchors>,
    ) -> DnsProof {
        match (self.prove(original, trusted).await, denials.first()) {
            (DnsProof::Secure, Some(denial)) => self.prove(denial, trusted).await,
            (DnsProof::Secure, None) => DnsProof::Bogus,
            (other, _) => other,
        }
    }

    /// Polls hickory, and the queries that it needs, until the status is known.
    async fn prove(&self, part: &RrSet, trusted: &Arc<dnssec::TrustAnchors>) -> DnsProof {
        let Ok(own) = DnsResponse::from_message(part.message.clone()) else {
            return DnsProof::Bogus;
        };
        let key = (part.name.clone(), part.record_type);
        self.seen.borrow_mut().insert(key, Rc::new(Ok(own.clone())));
        let asking = QueryQueue::default();
        let handle = DnssecDnsHandle::with_trust_anchor(asking.clone(), Arc::clone(trusted));
        let request = DnsRequest::from_query(part.query(), DnsRequestOptions::default());
        let mut proving = handle.send(request).first_answer();
        let mut answering: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = Vec::new();
        let proved = poll_fn(|cx: &mut Context<'_>| {
            loop {
                if let Poll::Ready(proved) = Pin::new(&mut proving).poll(cx) {
                    return Poll::Ready(proved);
                }
                let wanted = asking.take();
                let under_way = answering.len();
                let is_new = !wanted.is_empty();
                for wanted in wanted {
                    answering.push(Box::pin(self.answer(wanted, part, &own)));
                }
                answering.retain_mut(|answer| answer.as_mut().poll(cx).is_pending());
                if !is_new && answering.len() == under_way {
                    return Poll::Pending;
                }
            }
        });
        verdict(part, proved.await)
    }

    /// Gives hickory an answer: first the one to validate, then those of its queries.
    async fn answer(&self, wanted: PendingQuery, part: &RrSet, own: &DnsResponse) {
        let PendingQuery { query, reply } = wanted;
        let answer = if query == part.query() {
            Ok(own.clone())
        } else {
            match &*self.get(&query).await {
                Ok(response) => Ok(response.clone()),
                Err(why) => Err(NetError::from(why.clone())),
            }
        };
        // hickory has dropped the query and does not need the answer.
        let _ = reply.send(answer);
    }

    async fn get(&self, query: &Query) -> Given {
        let asked = self.asked.replace(self.asked.get() + 1);
        let given = if asked < MAX_QUESTIONS {
            let client = self.client;
            client.core.keys.get(&client.core.event_loop, query, self.ask(query)).await
        } else {
            Rc::new(Err(format!("given up after {MAX_QUESTIONS} questions")))
        };
        let key = (query.name().clone(), query.query_type());
        self.seen.borrow_mut().insert(key, Rc::clone(&given));
        given
    }

    /// Sends one query, and returns its answer with its lifetime.
    async fn ask(
        &self,
        query: &Query,
    ) -> (Result<DnsResponse, String>, Option<std::time::Duration>) {
        let record_type = super::RecordType::of(query.query_type());
        let question = Question::of(query.name().clone(), record_type);
        let (result, wire) = self.client.subquery(question, self.query).await;
        let answer = match &result {
            Ok(answer) => Some(answer),
            Err(error) if is_about_the_name(error.kind) => error.answer.as_deref(),
            Err(_) => None,
        };
        let ttl = answer.and_then(DnsAnswer::ttl);
        let response = match (answer, result.as_ref().err()) {
            (Some(_), _) => message::for_validation(&wire)
                .ok_or_else(|| "the answer cannot be read".to_owned())
                .and_then(|it| DnsResponse::from_message(it).map_err(|error| error.to_string())),
            (None, error) => Err(error.map_or_else(String::new, DnsError::reason)),
        };
        (response, ttl)
    }
}

/// Whether a failure is an answer about the name, which signatures can prove.
fn is_about_the_name(kind: DnsErrorKind) -> bool {
    matches!(
        kind,
        DnsErrorKind::NxDomain
            | DnsErrorKind::NoData
            | DnsErrorKind::AliasLoop
            | DnsErrorKind::AliasNotFollowed
            | DnsErrorKind::AliasChainTooLong
    )
}

fn dnskey(record: &Record) -> Option<(&Record, &DNSKEY)> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some((record, key)),
        _ => None,
    }
}

/// Converts hickory's result.
fn verdict(part: &RrSet, proved: Result<DnsResponse, NetError>) -> DnsProof {
    let response = match proved {
        Ok(response) => response,
        Err(NetError::Dns(NetDnsError::Nsec { proof, .. })) => return proof_of(proof),
        Err(_) => return DnsProof::Bogus,
    };
    if !part.is_denial {
        let records = response.answers.iter();
        let records = records.filter(|record| record.record_type() == part.record_type);
        let proofs = records.map(|record| proof_of(record.proof));
        return proofs.reduce(worse).unwrap_or(DnsProof::Bogus);
    }
    let denies = |record: &&Record| {
        matches!(record.record_type(), RecordType::NSEC | RecordType::NSEC3)
            && record.proof.is_secure()
    };
    match response.authorities.iter().find(denies) {
        Some(_) => DnsProof::Secure,
        None => DnsProof::Insecure,
    }
}

fn proof_of(proof: Proof) -> DnsProof {
    match proof {
        Proof::Secure => DnsProof::Secure,
        Proof::Insecure => DnsProof::Insecure,
        Proof::Bogus => DnsProof::Bogus,
        Proof::Indeterminate => DnsProof::Indeterminate,
    }
}

fn worse(a: DnsProof, b: DnsProof) -> DnsProof {
    if rank(a) < rank(b) { b } else { a }
}

/// Rank of a status; higher is worse.
fn rank(proof: DnsProof) -> u8 {
    match proof {
        DnsProof::Secure => 0,
        DnsProof::Insecure => 1,
        DnsProof::Indeterminate => 2,
        DnsProof::Bogus => 3,
    }
}

/// An answer below a trust anchor must be secure, or proved to be unsigned.
fn failure(validation: &DnsValidation) -> Option<DnsErrorKind> {
    match (validation.proof, &validation.reason) {
        (DnsProof::Bogus, _) => Some(DnsErrorKind::Bogus),
        (DnsProof::Indeterminate, Some(DnsProofReason::NoAnchor | DnsProofReason::Signatures)) => {
            None
        }
        (DnsProof::Indeterminate, _) => Some(DnsErrorKind::Indeterminate),
        (DnsProof::Secure | DnsProof::Insecure, _) => None,
    }
}

fn attached(
    result: Result<DnsAnswer, DnsError>,
    validation: DnsValidation,
) -> Result<DnsAnswer, DnsError> {
    let kind = failure(&validation);
    let why = validation.reason.as_ref().map(ToString::to_string).unwrap_or_default();
    let why = Failure::from(&io::Error::new(io::ErrorKind::InvalidData, why));
    let validation = Some(Box::new(validation));
    match (result, kind) {
        (Ok(mut answer), None) => {
            answer.exchange.validation = validation;
            Ok(answer)
        }
        (Ok(mut answer), Some(kind)) => {
            answer.exchange.validation = validation;
            let (name, record_type) = (answer.name.clone(), answer.record_type);
            let exchange = Box::new(answer.exchange.clone());
            let (failure, answer) = (Some(why), Some(Box::new(answer)));
            Err(DnsError { kind, name, record_type, failure, answer, exchange })
        }
        (Err(mut error), kind) => {
            if let Some(kind) = kind {
                (error.kind, error.failure) = (kind, Some(why));
            }
            if let Some(answer) = &mut error.answer {
                answer.exchange.validation.clone_from(&validation);
            }
            error.exchange.validation = validation;
            Err(error)
        }
    }
}
