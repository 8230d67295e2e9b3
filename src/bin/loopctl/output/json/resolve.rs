//! Report of a name as one JSON document.

use loopctl::plan::DnsTransport;
use loopctl::{
    DnsAnswer, DnsProof, DnsProofReason, DnsRecord, DnsSetProof, EaiCode, EdnsFallback,
    HostsAddress, HostsFile, RecordType,
};

use crate::diagnose::cause::failure_text;
use crate::diagnose::difference::{self, differences};
use crate::diagnose::{self, exit_status, name, name_service, rank};
use crate::output::human::resolve::notes;
use crate::output::wire::common::{ErrorKind, ErrorRecord, RunEnd, VERSION, slow_callbacks};
use crate::output::wire::query::{
    Exchange, ExtendedError, Flags, HostsLine, Query, QueryResult, QueryVia, Record, Reply,
    Transport, WithoutEdns,
};
use crate::output::wire::resolve::{
    Address, Difference, Document, Hop, Name, Outcome, Proof, ProofKind, Proved, Purpose, StepKind,
    Validation, VerifiedQuery,
};
use crate::report::names::{NameEnd, NameReport, is_signature};
use crate::report::order::AddressRow;
use crate::report::query::{self, QueryOutcome, QueryStatus, ServerReply};
use crate::report::trace::{self, Step};

/// Document of one name.
pub(crate) fn document(report: &NameReport) -> Document {
    let subject = &report.subject;
    let records = report.records().into_iter();
    Document {
        schema: Name::V1,
        version: VERSION,
        name: subject.text.clone(),
        ascii_name: subject.name.clone(),
        port: subject.port,
        start: report.started_at.wall.into(),
        outcome: report.end.into(),
        end: RunEnd::new(matches!(report.end, NameEnd::Interrupted(_))),
        exit_code: exit_status::for_name(report).code(),
        duration_ms: report.total.into(),
        queries: report.queries.0.iter().map(verified).collect(),
        addresses: report.addresses.iter().map(|row| address(report, row)).collect(),
        hosts: report.hosts_lines().iter().map(Into::into).collect(),
        differences: differences(report).into_iter().map(Difference::from).collect(),
        warnings: warnings(report),
        records: records.map(|it| proved(Record::from(it), report.proof_of(it))).collect(),
        trace: report.hops.iter().map(Hop::from).collect(),
        slow_callbacks: slow_callbacks(&report.slow),
        error: error(report),
    }
}

impl From<difference::Difference> for Difference {
    fn from(difference: difference::Difference) -> Self {
        Self { kind: difference.kind, message: difference.text }
    }
}

fn warnings(report: &NameReport) -> Vec<String> {
    let is_system_asked = report.queries.0.iter().any(query::Query::is_of_system);
    let service = report.service.as_ref();
    service.map_or_else(Vec::new, |service| name_service::warnings(service, is_system_asked))
}

/// Question as `connect` has it as well.
pub(crate) fn query(query: &query::Query) -> Query<Record> {
    with_answers(query, answers(query).map(|(record, _)| record).collect())
}

/// Question with what signatures prove of the answer, and of each of its records.
fn verified(query: &query::Query) -> VerifiedQuery {
    let answers = answers(query)
        .map(|(record, origin)| proved(record, origin.and_then(|origin| query.proof_of(origin))));
    VerifiedQuery {
        query: with_answers(query, answers.collect()),
        purpose: match query.role {
            query::QueryRole::Answer => Purpose::Answer,
            query::QueryRole::Verification => Purpose::Verification,
        },
        dnssec: query.validation().map(|known| Validation {
            proof: known.proof.into(),
            why: known.reason.as_ref().map(DnsProofReason::to_string),
            chain: known.chain.clone(),
        }),
    }
}

fn proved<T>(of: T, known: Option<&DnsSetProof>) -> Proved<T> {
    Proved { of, dnssec: known.map(Proof::from) }
}

impl From<&DnsSetProof> for Proof {
    fn from(known: &DnsSetProof) -> Self {
        let why = known.reason.as_ref().map(DnsProofReason::to_string);
        Self { proof: known.proof.into(), why }
    }
}

impl From<DnsProof> for ProofKind {
    fn from(proof: DnsProof) -> Self {
        match proof {
            DnsProof::Secure => Self::Secure,
            DnsProof::Insecure => Self::Insecure,
            DnsProof::Bogus => Self::Bogus,
            DnsProof::Indeterminate => Self::Indeterminate,
        }
    }
}

fn with_answers<R>(query: &query::Query, answers: Vec<R>) -> Query<R> {
    let answer = query.answer();
    let asked = query.progress.server.as_ref();
    let is_negative = query.verdict().is_negative();
    let negative = answer.filter(|_| is_negative).and_then(DnsAnswer::ttl);
    let said = answer.map(|answer| answer.extended_errors.as_slice()).unwrap_or_default();
    let odd = answer.map(|answer| answer.oddities.as_slice()).unwrap_or_default();
    Query {
        via: if query.is_of_system() { QueryVia::System } else { QueryVia::Dns },
        name: query.name.clone(),
        record_type: query.type_names(),
        server: asked.map(|(server, _)| server.endpoint().to_string()),
        transport: asked.map(|(_, transport)| (*transport).into()),
        start_ms: query.started.into(),
        duration_ms: query.took.into(),
        result: query.verdict().into(),
        rcode: answer.map(|answer| answer.rcode.to_string()),
        flags: answer.map(|answer| Flags {
            authoritative: answer.flags.authoritative,
            recursion_available: answer.flags.recursion_available,
            authentic: answer.flags.authentic,
        }),
        truncated: query.progress.truncated,
        without_edns: answer.and_then(|it| it.exchange.without_edns).map(WithoutEdns::from),
        extended_errors: said.iter().map(ExtendedError::from).collect(),
        oddities: odd.iter().map(ToString::to_string).collect(),
        retries: query.progress.retries,
        ignored: query.progress.ignored.iter().map(ToString::to_string).collect(),
        exchanges: query.progress.exchanges.iter().map(Exchange::from).collect(),
        answers,
        negative_ttl: negative.map(|ttl| ttl.as_secs()),
        signed: answer.map(is_signed),
        error: failure(query),
    }
}

impl From<&HostsAddress> for HostsLine {
    fn from(found: &HostsAddress) -> Self {
        Self { ip: found.address.to_string(), file: HostsFile::PATH.into(), line: found.line }
    }
}

impl From<&query::Exchange> for Exchange {
    fn from(exchange: &query::Exchange) -> Self {
        let (reply, rcode, message) = match &exchange.reply {
            ServerReply::Pending => (Reply::Pending, None, None),
            ServerReply::Answered(rcode) => (Reply::Answered, Some(rcode.to_string()), None),
            ServerReply::Truncated => (Reply::Truncated, None, None),
            ServerReply::Silent => (Reply::Silent, None, None),
            ServerReply::Failed(failure) => (Reply::Failed, None, Some(failure_text(failure))),
        };
        Self {
            server: exchange.server.endpoint(),
            transport: exchange.transport.into(),
            edns: exchange.edns,
            start_ms: exchange.started.into(),
            duration_ms: exchange.took.into(),
            reply,
            rcode,
            message,
        }
    }
}

impl From<EdnsFallback> for WithoutEdns {
    fn from(reason: EdnsFallback) -> Self {
        match reason {
            EdnsFallback::NotUnderstood => Self::NotUnderstood,
            EdnsFallback::Silence => Self::Silence,
        }
    }
}

impl From<&loopctl::ExtendedError> for ExtendedError {
    fn from(error: &loopctl::ExtendedError) -> Self {
        let name = error.name().map(str::to_owned);
        Self { code: error.code, name, text: error.text.clone() }
    }
}

impl From<DnsTransport> for Transport {
    fn from(transport: DnsTransport) -> Self {
        match transport {
            DnsTransport::Tcp => Self::Tcp,
            DnsTransport::Tls => Self::Tls,
            DnsTransport::Https => Self::Https,
            _ => Self::Udp,
        }
    }
}

impl From<QueryStatus> for QueryResult {
    fn from(verdict: QueryStatus) -> Self {
        match verdict {
            QueryStatus::Answered => Self::Answered,
            QueryStatus::NxDomain => Self::NxDomain,
            QueryStatus::NoData => Self::NoData,
            QueryStatus::NoName => Self::NoName,
            QueryStatus::NoAddress => Self::NoAddress,
            QueryStatus::Referral => Self::Referral,
            QueryStatus::Lame => Self::Lame,
            QueryStatus::AliasLoop => Self::AliasLoop,
            QueryStatus::AliasNotFollowed => Self::AliasNotFollowed,
            QueryStatus::AliasChainTooLong => Self::AliasChainTooLong,
            QueryStatus::Refused => Self::Refused,
            QueryStatus::ServFail => Self::ServFail,
            QueryStatus::Error => Self::Error,
            QueryStatus::Timeout => Self::Timeout,
            QueryStatus::Canceled => Self::Canceled,
            QueryStatus::Indeterminate => Self::Indeterminate,
            QueryStatus::Bogus => Self::Bogus,
        }
    }
}

/// Whether there is a signature in it, good or bad.
fn is_signed(answer: &DnsAnswer) -> bool {
    answer.records.iter().chain(&answer.authority).any(|it| is_signature(it.record_type))
}

/// Answers as records; of name servers, with the records that they come from.
fn answers(query: &query::Query) -> Box<dyn Iterator<Item = (Record, Option<&DnsRecord>)> + '_> {
    if let QueryOutcome::System(texts) = &query.end {
        return Box::new(texts.iter().map(|text| (of_system(query, text), None)));
    }
    let records = query.answer().map(|answer| answer.records.as_slice()).unwrap_or_default();
    Box::new(records.iter().map(|record| (Record::from(record), Some(record))))
}

fn of_system(query: &query::Query, data: &str) -> Record {
    let record_type = match query.types.as_slice() {
        [RecordType::Ptr] => RecordType::Ptr,
        _ if data.contains(':') => RecordType::Aaaa,
        _ => RecordType::A,
    };
    let (name, record_type) = (query.name.clone(), record_type.to_string());
    Record { name, record_type, ttl: None, data: data.to_owned() }
}

impl From<&DnsRecord> for Record {
    fn from(record: &DnsRecord) -> Self {
        Self {
            name: record.name.clone(),
            record_type: record.record_type.to_string(),
            ttl: Some(record.ttl.as_secs()),
            data: record.data.to_string(),
        }
    }
}

fn failure(query: &query::Query) -> Option<ErrorRecord> {
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
        (QueryStatus::Timeout, _) => ErrorKind::Timeout,
        (_, QueryOutcome::Interrupted) => ErrorKind::Io,
        _ => ErrorKind::Dns,
    };
    Some(ErrorRecord { kind, errno: None, name, message })
}

fn address(report: &NameReport, row: &AddressRow) -> Address {
    Address {
        ip: row.ip.to_string(),
        family: row.ip.into(),
        system_rank: row.ranks.system,
        dns_rank: row.ranks.dns,
        connect_rank: row.ranks.connect,
        ttl: row.ttl.map(|ttl| ttl.as_secs()),
        source: row.source.map(|source| source.to_string()),
        rule: row.reason.map(rank::message),
        dnssec: report.proof_of_address(row.ip).map(Proof::from),
    }
}

impl From<&trace::Hop> for Hop {
    fn from(hop: &trace::Hop) -> Self {
        let server = hop.server.as_ref();
        let (next_name, name_servers, message) = match &hop.step {
            Step::Referral { zone, servers } => (Some(zone.clone()), servers.clone(), None),
            Step::Alias(target) => (Some(target.clone()), Vec::new(), None),
            Step::End(..) => (None, Vec::new(), None),
            Step::Lost(error) => (None, Vec::new(), Some(diagnose::trace::message(error))),
        };
        Self {
            zone: hop.zone.clone(),
            name: hop.name.clone(),
            server: server.map(|server| server.address.to_string()),
            server_name: server.and_then(|server| server.name.clone()),
            start_ms: hop.started.into(),
            duration_ms: hop.took.into(),
            step: (&hop.step).into(),
            next_name,
            name_servers,
            message,
        }
    }
}

impl From<&Step> for StepKind {
    fn from(step: &Step) -> Self {
        match step {
            Step::Referral { .. } => Self::Referral,
            Step::Alias(_) => Self::Alias,
            Step::Lost(_) => Self::Lost,
            Step::End(verdict, _) => match verdict {
                QueryStatus::Answered => Self::Answered,
                QueryStatus::NxDomain => Self::NxDomain,
                QueryStatus::NoData => Self::NoData,
                QueryStatus::Lame => Self::Lame,
                QueryStatus::ServFail => Self::ServFail,
                QueryStatus::Refused => Self::Refused,
                QueryStatus::Timeout => Self::Timeout,
                _ => Self::Error,
            },
        }
    }
}

impl From<NameEnd> for Outcome {
    fn from(end: NameEnd) -> Self {
        match end {
            NameEnd::Found => Self::Success,
            NameEnd::Interrupted(_) => Self::Interrupted,
            NameEnd::Failed(verdict) => match verdict {
                QueryStatus::NxDomain => Self::NxDomain,
                QueryStatus::NoData => Self::NoData,
                QueryStatus::NoName => Self::NoName,
                QueryStatus::NoAddress => Self::NoAddress,
                QueryStatus::Referral => Self::Referral,
                QueryStatus::Lame => Self::Lame,
                QueryStatus::AliasLoop => Self::AliasLoop,
                QueryStatus::AliasNotFollowed => Self::AliasNotFollowed,
                QueryStatus::AliasChainTooLong => Self::AliasChainTooLong,
                QueryStatus::ServFail => Self::ServFail,
                QueryStatus::Refused => Self::Refused,
                QueryStatus::Timeout => Self::Timeout,
                QueryStatus::Indeterminate => Self::Indeterminate,
                QueryStatus::Bogus => Self::Bogus,
                QueryStatus::Answered | QueryStatus::Error | QueryStatus::Canceled => Self::Error,
            },
        }
    }
}

fn error(report: &NameReport) -> Option<ErrorRecord> {
    let verdict = match report.end {
        NameEnd::Found => return None,
        NameEnd::Interrupted(_) => return Some(ErrorRecord::plain(ErrorKind::Io, "interrupted")),
        NameEnd::Failed(verdict) => verdict,
    };
    let kind = if verdict == QueryStatus::Timeout { ErrorKind::Timeout } else { ErrorKind::Dns };
    Some(match report.failing().and_then(failure) {
        Some(failing) => ErrorRecord { kind, ..failing },
        None => ErrorRecord::plain(kind, notes::status(verdict)),
    })
}
