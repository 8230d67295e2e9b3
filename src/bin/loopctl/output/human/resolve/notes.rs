//! Notes on queries, and the errors of a name.

use std::time::Duration;

use loopctl::{DnsData, DnsEvent, DnsEventKind, EdnsFallback, ExtendedError};

use crate::diagnose::{cause, hint, name, trace};
use crate::report::names::{NameEnd, NameReport};
use crate::report::query::{Query, QueryOutcome, QueryProgress, QueryStatus};
use crate::report::trace::Step;
use crate::util::message::Message;
use crate::util::units;

/// Status of a query as text, with its DNS symbol.
pub(crate) fn status(status: QueryStatus) -> &'static str {
    match status {
        QueryStatus::Answered => "answered",
        QueryStatus::NxDomain => "no such name (NXDOMAIN)",
        QueryStatus::NoData => "no such record (NODATA)",
        QueryStatus::Referral => "a referral to other servers, not an answer",
        QueryStatus::Lame => "the server is not in charge of the name (lame)",
        QueryStatus::AliasLoop => "the aliases of the name go round",
        QueryStatus::AliasNotFollowed => "an alias that the server did not follow",
        QueryStatus::AliasChainTooLong => "too many aliases in a row",
        QueryStatus::ServFail => "the server failed (SERVFAIL)",
        QueryStatus::Refused => "the server refused (REFUSED)",
        QueryStatus::Timeout => "no answer",
        QueryStatus::Indeterminate => "cannot be verified (DNSSEC)",
        QueryStatus::Bogus => "bogus (DNSSEC)",
        QueryStatus::Error => "failed",
        QueryStatus::Canceled => "no answer before the connection was established",
    }
}

/// Notes on a query: the reason for a missing answer, retries, truncation, ignored messages.
pub(crate) fn of_query(query: &Query) -> Vec<String> {
    let mut notes = Vec::new();
    match (&query.end, query.verdict()) {
        (QueryOutcome::Pending, _) => notes.push("pending".to_owned()),
        (QueryOutcome::Interrupted, _) => notes.push("interrupted".to_owned()),
        (_, QueryStatus::Answered) => {}
        // Because name and server are on the same line.
        (QueryOutcome::Failed(error), QueryStatus::Error) if error.failure.is_some() => {
            notes.extend(error.failure.iter().map(cause::failure_text));
        }
        (_, QueryStatus::Error) => notes.extend(name::query(query)),
        (QueryOutcome::SystemFailed(error), _) => notes.push(name::without_name(error)),
        (_, other) => notes.push(status(other).to_owned()),
    }
    if let (QueryStatus::NxDomain | QueryStatus::NoData, Some(answer)) =
        (query.verdict(), query.answer())
    {
        let soa = answer.authority.iter().find(|it| matches!(it.data, DnsData::Soa(_)));
        let kept = answer.ttl().zip(soa);
        notes.extend(
            kept.map(|(ttl, soa)| {
                format!("negative TTL {} s (SOA of {})", ttl.as_secs(), soa.name)
            }),
        );
    }
    let said = query.answer().map(|answer| answer.extended_errors.as_slice()).unwrap_or_default();
    notes.extend(said.iter().map(ExtendedError::to_string));
    notes.extend(without_edns(query));
    let oddities = query.answer().map(|answer| answer.oddities.as_slice()).unwrap_or_default();
    notes.extend(oddities.iter().map(|oddity| format!("odd message: {oddity}")));
    notes.extend(progress(&query.progress, query));
    notes
}

/// Use of a query without EDNS: an observation about the server, whose reason is not known.
fn without_edns(query: &Query) -> Option<String> {
    let answer = query.answer()?;
    Some(match answer.exchange.without_edns? {
        EdnsFallback::NotUnderstood => "answers only without EDNS (an error with it)".to_owned(),
        EdnsFallback::Silence => "answers only without EDNS (silent with it)".to_owned(),
    })
}

fn progress(progress: &QueryProgress, query: &Query) -> Vec<String> {
    let mut notes = Vec::new();
    if progress.retries > 0 {
        notes.push(format!("asked {} times", progress.retries + 1));
    }
    if progress.truncated {
        let transport = query.progress.server.as_ref().map(|(_, transport)| transport.to_string());
        let again = transport.filter(|name| name != "udp");
        let again = again.map_or_else(String::new, |name| format!(", retried over {name}"));
        notes.push(format!("truncated{again}"));
    }
    if !progress.ignored.is_empty() {
        let mut why: Vec<_> = progress.ignored.iter().map(ToString::to_string).collect();
        why.dedup();
        let what = match progress.ignored.len() {
            1 => "1 message".to_owned(),
            count => format!("{count} messages"),
        };
        notes.push(format!("{what} ignored ({})", why.join(", ")));
    }
    // Because the error of a query without a reachable server says it.
    if query.verdict() != QueryStatus::Error {
        let failed = progress.failures.first();
        notes.extend(failed.map(|(server, failure)| {
            format!("{}: {}", server.endpoint(), cause::failure_text(failure))
        }));
    }
    notes
}

/// Errors, causes, warnings and hints of a name, for standard error.
pub(crate) fn explain(report: &NameReport) -> Message {
    let text = &report.subject.text;
    match report.end {
        NameEnd::Found => Message::warnings(disagreement(report).into_iter().collect()),
        NameEnd::Interrupted(_) => Message::error(format!("interrupted while resolving `{text}`")),
        NameEnd::Failed(why) => {
            let error = Some(format!("could not resolve `{text}`: {}", status(why)));
            let causes = causes(report);
            Message {
                error,
                causes,
                warnings: Vec::new(),
                hints: vec![hint::name::hint_for_name(report, why)],
            }
        }
    }
}

fn causes(report: &NameReport) -> Vec<String> {
    let lost = report.hops.iter().filter_map(|hop| match &hop.step {
        Step::Lost(error) => Some(format!("{}: {}", hop.zone, trace::message(error))),
        _ => None,
    });
    let mut causes: Vec<String> = lost.collect();
    if report.hops.is_empty() {
        causes.extend(report.queries.wanted().filter_map(name::query));
    } else {
        causes.extend(report.failing().and_then(name::query));
    }
    causes.dedup();
    causes
}

/// Warning for a name that only the system resolves.
fn disagreement(report: &NameReport) -> Option<String> {
    let is_found = |query: &&Query| query.verdict() == QueryStatus::Answered;
    let (system, dns): (Vec<&Query>, Vec<&Query>) =
        report.queries.wanted().partition(|query| query.is_of_system());
    if !report.subject.wants_addresses || system.is_empty() || dns.is_empty() {
        return None;
    }
    let is_known = system.iter().any(is_found) && !dns.iter().any(is_found);
    let why = dns.iter().map(|query| query.verdict()).max_by_key(|it| it.severity());
    let why = status(why.filter(|_| is_known)?);
    Some(format!("name servers: {why}; the system has it from elsewhere, such as /etc/hosts"))
}

/// Line of a query event, for `-v`.
pub(crate) fn event(event: &DnsEvent, at: Duration) -> Option<String> {
    let what = match &event.kind {
        DnsEventKind::Asked { server, transport, attempt, edns } => {
            let again = if *attempt > 1 { format!(" (try {attempt})") } else { String::new() };
            let plain = if *edns { "" } else { " without EDNS" };
            format!("ask {}/{transport}{plain}{again}", server.endpoint())
        }
        DnsEventKind::Connected { server, transport } => {
            format!("connected to {}/{transport}", server.endpoint())
        }
        DnsEventKind::Answered { server, transport, rcode, records, truncated, bytes, .. } => {
            let cut = if *truncated { ", truncated" } else { "" };
            format!(
                "{rcode} from {}/{transport}, {records} records, {bytes} bytes{cut}",
                server.endpoint()
            )
        }
        DnsEventKind::Ignored { server, why } => {
            format!("message from {} ignored: {why}", server.endpoint())
        }
        DnsEventKind::TimedOut { server, transport, after } => {
            let after = units::prose(*after);
            format!("{}/{transport} silent for {after}", server.endpoint())
        }
        DnsEventKind::Failed { server, transport, failure } => {
            format!("{}/{transport}: {}", server.endpoint(), failure.message)
        }
        DnsEventKind::Canceled => "given up".to_owned(),
        _ => return None,
    };
    let ms = units::column(at);
    Some(format!("{ms:>9} ms  {} {}  {what}", event.name, event.record_type))
}
