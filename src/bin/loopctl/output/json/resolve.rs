//! A name as one JSON document: `schemas/resolve.v1.json`.

use loopctl::EaiCode;
use loopctl::{DnsAnswer, DnsRecord, DnsSetProof, RecordType};
use serde_json::{Value, json};

use super::connect::slow_callbacks;
use crate::diagnose::{exit_status, name};
use crate::output::human::resolve::words;
use crate::output::units::ms;
use crate::report::names::{NameEnd, NameReport, is_signature};
use crate::report::order::AddressRow;
use crate::report::proof;
use crate::report::query::{Queries, Query, QueryOutcome, QueryRole, QueryStatus};
use crate::report::trace::{Hop, Step};

/// One name's document, keys in the order in which people look for them.
pub(crate) fn document(report: &NameReport) -> Value {
    let subject = &report.subject;
    let is_interrupted = matches!(report.end, NameEnd::Interrupted(_));
    let records = report.records().into_iter();
    let records: Vec<Value> =
        records.map(|it| with_proof(record(it), report.proof_of(it))).collect();
    let addresses = report.addresses.iter();
    let addresses: Vec<Value> =
        addresses.map(|it| with_proof(address(it), report.proof_of_address(it.ip))).collect();
    json!({
        "schema": "loopctl.resolve.v1",
        "version": env!("CARGO_PKG_VERSION"),
        "name": subject.text,
        "ascii_name": subject.name,
        "port": subject.port,
        "start": humantime::format_rfc3339_micros(report.started_at.wall).to_string(),
        "outcome": report.end.name(),
        "end": if is_interrupted { "interrupted" } else { "completed" },
        "exit_code": exit_status::for_name(report).code(),
        "duration_ms": ms(report.total),
        "queries": report.queries.0.iter().map(query_with_proof).collect::<Vec<_>>(),
        "addresses": addresses,
        "records": records,
        "trace": report.hops.iter().map(hop).collect::<Vec<_>>(),
        "slow_callbacks": slow_callbacks(&report.slow),
        "error": error(report),
    })
}

/// The questions about a name, as `connect` has them as well.
pub(crate) fn queries(queries: &Queries) -> Vec<Value> {
    queries.0.iter().map(query).collect()
}

/// With what signatures prove of the answer, and of each of its records.
fn query_with_proof(query: &Query) -> Value {
    let mut value = self::query(query);
    let proofs = query.answer().into_iter().flat_map(|it| &it.records).map(|it| query.proof_of(it));
    if let Some(answers) = value["answers"].as_array_mut() {
        let proofs = proofs.chain(std::iter::repeat(None));
        for (answer, proof) in answers.iter_mut().zip(proofs) {
            *answer = with_proof(answer.take(), proof);
        }
    }
    value["purpose"] = match query.role {
        QueryRole::Answer => "answer",
        QueryRole::Verification => "verification",
    }
    .into();
    value["dnssec"] = query.validation().map_or(Value::Null, |known| {
        let why = known.reason.as_ref().map(ToString::to_string);
        json!({ "proof": proof::name(known.proof), "why": why, "chain": known.chain })
    });
    value
}

fn with_proof(mut record: Value, known: Option<&DnsSetProof>) -> Value {
    record["dnssec"] = known.map_or(Value::Null, |known| {
        let why = known.reason.as_ref().map(ToString::to_string);
        json!({ "proof": proof::name(known.proof), "why": why })
    });
    record
}

fn query(query: &Query) -> Value {
    let answer = query.answer();
    let (server, transport) = match &query.progress.server {
        Some((server, transport)) => (Some(server.endpoint()), Some(transport.to_string())),
        None => (None, None),
    };
    let flags = answer.map(|answer| {
        json!({
            "authoritative": answer.flags.authoritative,
            "recursion_available": answer.flags.recursion_available,
            "authentic": answer.flags.authentic,
        })
    });
    let is_negative = matches!(query.verdict(), QueryStatus::NxDomain | QueryStatus::NoData);
    let negative = answer.filter(|_| is_negative).and_then(DnsAnswer::ttl);
    json!({
        "via": if query.is_of_system() { "system" } else { "dns" },
        "name": query.name,
        "type": query.type_names(),
        "server": server,
        "transport": transport,
        "start_ms": ms(query.started),
        "duration_ms": ms(query.took),
        "result": query.verdict().name(),
        "rcode": answer.map(|answer| answer.rcode.to_string()),
        "flags": flags,
        "truncated": query.progress.truncated,
        "retries": query.progress.retries,
        "ignored": query.progress.ignored.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "answers": answers(query),
        "negative_ttl": negative.map(|ttl| ttl.as_secs()),
        "signed": answer.map(is_signed),
        "error": failure(query),
    })
}

/// Whether there is a signature in it, good or bad.
fn is_signed(answer: &DnsAnswer) -> bool {
    answer.records.iter().chain(&answer.authority).any(|it| is_signature(it.record_type))
}

fn answers(query: &Query) -> Vec<Value> {
    if let QueryOutcome::System(texts) = &query.end {
        let told = |data: &String| {
            let record_type = match query.types.as_slice() {
                [RecordType::Ptr] => "PTR",
                _ if data.contains(':') => "AAAA",
                _ => "A",
            };
            json!({ "name": query.name, "type": record_type, "ttl": null, "data": data })
        };
        return texts.iter().map(told).collect();
    }
    let records = query.answer().map(|answer| answer.records.as_slice()).unwrap_or_default();
    records.iter().map(record).collect()
}

fn record(record: &DnsRecord) -> Value {
    json!({
        "name": record.name,
        "type": record.record_type.to_string(),
        "ttl": record.ttl.as_secs(),
        "data": record.data.to_string(),
    })
}

fn failure(query: &Query) -> Option<Value> {
    let message = name::query(query)?;
    let name = match (&query.end, query.answer()) {
        (QueryOutcome::SystemFailed(error), _) => {
            error.code().and_then(EaiCode::symbol).map(str::to_owned)
        }
        (_, Some(_)) if query.verdict() == QueryStatus::NoData => Some("NODATA".to_owned()),
        (_, Some(answer)) => Some(answer.rcode.to_string()),
        _ => None,
    };
    let kind = match (query.verdict(), &query.end) {
        (QueryStatus::Timeout, _) => "timeout",
        (_, QueryOutcome::Interrupted) => "io",
        _ => "dns",
    };
    Some(json!({ "kind": kind, "errno": null, "name": name, "message": message }))
}

fn address(row: &AddressRow) -> Value {
    json!({
        "ip": row.ip.to_string(),
        "family": if row.ip.is_ipv4() { "ipv4" } else { "ipv6" },
        "system_rank": row.ranks.system,
        "dns_rank": row.ranks.dns,
        "connect_rank": row.ranks.connect,
        "ttl": row.ttl.map(|ttl| ttl.as_secs()),
        "source": row.source.map(|source| source.to_string()),
        "rule": row.rule,
    })
}

fn hop(hop: &Hop) -> Value {
    let (step, zone, servers, message) = match &hop.step {
        Step::Referral { zone, servers } => ("referral", Some(zone), servers.as_slice(), None),
        Step::Alias(target) => ("alias", Some(target), &[][..], None),
        Step::End(verdict, _) => (verdict.name(), None, &[][..], None),
        Step::Lost(why) => ("lost", None, &[][..], Some(why)),
    };
    let server = hop.server.as_ref();
    json!({
        "zone": hop.zone,
        "name": hop.name,
        "server": server.map(|server| server.address.to_string()),
        "server_name": server.and_then(|server| server.name.clone()),
        "start_ms": ms(hop.started),
        "duration_ms": ms(hop.took),
        "step": step,
        "leads_to": zone,
        "name_servers": servers,
        "message": message,
    })
}

fn error(report: &NameReport) -> Option<Value> {
    let verdict = match report.end {
        NameEnd::Found => return None,
        NameEnd::Interrupted(_) => {
            let message = "interrupted";
            return Some(json!({ "kind": "io", "errno": null, "name": null, "message": message }));
        }
        NameEnd::Failed(verdict) => verdict,
    };
    let kind = if verdict == QueryStatus::Timeout { "timeout" } else { "dns" };
    let failing = report.failing().and_then(failure);
    let name = failing.as_ref().map_or(Value::Null, |failing| failing["name"].clone());
    let message = failing
        .map_or_else(|| words::verdict(verdict).into(), |failing| failing["message"].clone());
    Some(json!({ "kind": kind, "errno": null, "name": name, "message": message }))
}
