//! Events as they happen: for scripts in the words of draft-kuehlewind-happy-qlog, for people in a line.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use loopctl::plan::{Family, FirstAttemptReason, Policy, Reason};
use loopctl::{
    AbortReason, Address, DnsEvent, DnsEventKind, Event, EventKind, Phase, SocketSnapshot,
    TimerEnd, TlsError, TlsErrorKind,
};
use serde_json::{Value, json};

use super::connect::{AddressRecord, success};
use crate::diagnose::cause::Cause;
use crate::diagnose::name;
use crate::output::human::text::reached;
use crate::output::units;
use crate::output::units::ms;
use crate::report::query::{QueryOutcome, QueryStatus, types};
use crate::report::{End, Outcome, Report, Subject, TlsFailure, TlsReport, TransportKind, Via};

/// The records that one event gives; `report` has heard it already.
pub(crate) fn records(session: &str, event: &Event, report: &Report) -> Vec<Value> {
    let at = report.since_start(event.at);
    let record = |name: &str, data: Value| record(session, at, name, data);
    match &event.kind {
        EventKind::ResolveStarted { .. }
        | EventKind::Resolved { .. }
        | EventKind::ResolveFailed { .. }
            if report.resolve.via == Via::System && !report.asks_apart() =>
        {
            of_system(report, report.subject.family, record)
        }
        EventKind::QueryStarted { family }
        | EventKind::QueryAnswered { family, .. }
        | EventKind::QueryFailed { family, .. }
        | EventKind::QueryCanceled { family }
            if report.resolve.via == Via::System =>
        {
            of_system(report, *family, record)
        }
        EventKind::CandidatesSorted { candidates } => sorted(candidates, record),
        EventKind::AttemptStarted { attempt, address, reason, .. } => {
            started(*attempt, address, *reason, report, record)
        }
        EventKind::AttemptSucceeded { attempt, .. }
        | EventKind::AttemptFailed { attempt, .. }
        | EventKind::AttemptTimedOut { attempt, .. }
        | EventKind::AttemptCanceled { attempt, .. } => {
            vec![record("attempt_outcome", outcome(*attempt, report))]
        }
        EventKind::NextAttemptTimerSet { delay } => timer_set(*delay, report, record),
        EventKind::NextAttemptTimerFired => vec![record("next_attempt_timer_fired", json!({}))],
        EventKind::NextAttemptTimerCanceled { reason } => {
            let reason = match reason {
                TimerEnd::Success => "success",
                TimerEnd::ListExhausted => "list_exhausted",
                _ => "abort",
            };
            vec![record("next_attempt_timer_canceled", json!({ "reason": reason }))]
        }
        EventKind::ConnectionSelected { attempt } => {
            vec![record("connection_selected", json!({ "attempt_id": id(*attempt) }))]
        }
        EventKind::ConnectionAborted { reason } => {
            vec![record("connection_aborted", json!({ "reason": abort(*reason) }))]
        }
        kind => match tls_event(kind, report) {
            Some((name, data)) => vec![tls_record(session, at, name, data)],
            None => Vec::new(),
        },
    }
}

/// The records of one question to a name server; the report has heard of it already.
pub(crate) fn query_records(session: &str, event: &DnsEvent, report: &Report) -> Vec<Value> {
    let at = report.since_start(event.at);
    let id = (event.query + 1).to_string();
    let hostname = event.name.trim_end_matches('.');
    match &event.kind {
        // Of the first message alone; the others are retries.
        DnsEventKind::Asked { .. } if report.resolve.queries.is_first(event) => {
            let qtypes = [event.record_type.to_string()];
            let data = json!({ "dns_id": id, "hostname": hostname, "qtypes": qtypes });
            vec![record(session, at, "dns_query_started", data)]
        }
        DnsEventKind::Finished { result } => {
            let (kind, error, exchange) = match &**result {
                Ok(answer) => ("positive", None, &answer.exchange),
                Err(error) if error.answer.is_some() => {
                    ("negative", Some(error.to_string()), &*error.exchange)
                }
                Err(error) => ("error", Some(error.to_string()), &*error.exchange),
            };
            let found = result.iter().flat_map(|answer| answer.addresses());
            let results: Vec<Value> = found.map(dns_result).collect();
            let data = without_nulls(json!({
                "dns_id": id,
                "hostname": hostname,
                "results": results,
                "answer_type": kind,
                "error_message": error,
                "duration_ms": whole_ms(exchange.took),
            }));
            vec![record(session, at, "dns_query_finished", data)]
        }
        _ => Vec::new(),
    }
}

/// The record that opens a session: the rules in force.
pub(crate) fn config_set(session: &str, subject: &Subject, prefer: Option<Family>) -> Value {
    let Policy { connection_attempt_delay, interleave, max_parallel, .. } = &*subject.policy;
    let success = match (subject.transport, success(subject)) {
        (TransportKind::Udp, _) => "not_refused",
        (_, "tls") => "tls_connected",
        _ => "tcp_connected",
    };
    let preferred = match prefer {
        Some(Family::Inet) => "ipv4",
        Some(Family::Inet6) => "ipv6",
        _ => "auto",
    };
    let policy = json!({
        "preferred_address_family_count": interleave,
        "connection_attempt_delay_ms": connection_attempt_delay.map(whole_ms),
        "max_parallel_attempts": max_parallel,
        "preferred_family": preferred,
        "success_definition": success,
    });
    let data = json!({ "policy": without_nulls(policy), "reason": "app_config" });
    record(session, Duration::ZERO, "config_set", data)
}

/// The record that closes a session.
pub(crate) fn metrics(session: &str, now: Instant, report: &Report) -> Value {
    let successes: Vec<_> =
        report.attempts.iter().filter(|attempt| attempt.outcome == Outcome::Success).collect();
    let first = successes.iter().min_by_key(|attempt| attempt.end());
    let data = json!({
        "outcome": if report.end == End::Connected { "success" } else { "aborted" },
        "total_duration_ms": whole_ms(report.total),
        "tt_first_success_ms": first.map(|attempt| whole_ms(attempt.end())),
        "first_success_family": first.map(|attempt| AddressRecord::family_of(&attempt.address)),
        "first_success_transport": first.map(|_| transport(report)),
        "attempts_total": report.attempts.len(),
        "attempts_success": successes.len(),
        "attempts_failure": report.attempts.len() - successes.len(),
    });
    record(session, report.since_start(now), "metrics", without_nulls(data))
}

fn record(session: &str, at: Duration, name: &str, mut data: Value) -> Value {
    data["he_session_id"] = session.into();
    let name = format!("hev3:{name}");
    json!({ "schema": "loopctl.event.v1", "time_ms": ms(at), "name": name, "data": data })
}

/// The draft has no events of TLS; these are ours.
fn tls_record(session: &str, at: Duration, name: &str, mut data: Value) -> Value {
    data["he_session_id"] = session.into();
    let name = format!("tls:{name}");
    json!({ "schema": "loopctl.event.v1", "time_ms": ms(at), "name": name, "data": data })
}

fn tls_event(kind: &EventKind, report: &Report) -> Option<(&'static str, Value)> {
    let id = |attempt: &Option<usize>| attempt.map(id);
    let (name, attempt, data) = match kind {
        EventKind::TlsStarted { attempt } => ("handshake_started", attempt, json!({})),
        EventKind::TlsFirstByte { attempt } => ("first_byte", attempt, json!({})),
        EventKind::TlsEstablished { attempt, .. } | EventKind::TlsFailed { attempt, .. } => {
            ("handshake_finished", attempt, handshake(report, *attempt))
        }
        _ => return None,
    };
    let mut data = data;
    if let Some(id) = id(attempt) {
        data["attempt_id"] = id.into();
    }
    Some((name, data))
}

fn handshake(report: &Report, attempt: Option<usize>) -> Value {
    let raced = attempt.and_then(|number| report.tls_of(number));
    let Some(tls) = raced.or(report.tls.as_ref()) else { return json!({}) };
    let info = tls.info.as_deref();
    let failure = tls.failure.as_ref();
    without_nulls(json!({
        "result": failure.map_or("success", TlsFailure::result),
        "version": info.map(|info| super::connect::tls_version(info.version)),
        "cipher": info.map(|info| &info.cipher_suite),
        "duration_ms": tls.took().map(whole_ms),
        "error_message": failure.map(|failure| crate::diagnose::cause::of_tls(tls, failure)),
    }))
}

/// The record of a question to the system, when it is asked and when it has its end.
fn of_system(report: &Report, family: Family, record: impl Fn(&str, Value) -> Value) -> Vec<Value> {
    let types = types(family);
    let queries = &report.resolve.queries.0;
    let Some(place) = queries.iter().position(|query| query.types == types) else {
        return Vec::new();
    };
    let query = &queries[place];
    let qtypes: Vec<String> = types.iter().rev().map(ToString::to_string).collect();
    let data = json!({ "dns_id": id(place), "hostname": query.name });
    let data = match &query.end {
        QueryOutcome::Pending if report.resolve.error.is_none() => {
            let asked = json!({ "qtypes": qtypes });
            return vec![record("dns_query_started", joined(data, asked))];
        }
        QueryOutcome::System(found) => {
            let results: Vec<Value> = addresses(found).collect();
            joined(data, json!({ "results": results, "answer_type": "positive" }))
        }
        end => {
            let is_negative =
                matches!(query.verdict(), QueryStatus::NxDomain | QueryStatus::NoData);
            let kind = if is_negative { "negative" } else { "error" };
            let message = match end {
                QueryOutcome::Canceled => Some("canceled".to_owned()),
                _ => {
                    name::query(query).or_else(|| report.resolve.error.as_ref().map(name::failure))
                }
            };
            let results: [Value; 0] = [];
            joined(
                data,
                json!({ "results": results, "answer_type": kind, "error_message": message }),
            )
        }
    };
    let took = match query.end {
        QueryOutcome::Pending => report.resolve.took.unwrap_or_default(),
        _ => query.took,
    };
    let took = json!({ "duration_ms": whole_ms(took) });
    vec![record("dns_query_finished", without_nulls(joined(data, took)))]
}

fn joined(mut data: Value, more: Value) -> Value {
    if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
        data.extend(more);
    }
    data
}

fn addresses(texts: &[String]) -> impl Iterator<Item = Value> {
    texts.iter().filter_map(|text| text.parse().ok()).map(dns_result)
}

fn dns_result(ip: IpAddr) -> Value {
    let target = target(&Address::from(SocketAddr::new(ip, 0)));
    json!({ "type": "address", "address": target["address"], "family": target["family"] })
}

fn sorted(candidates: &[Address], record: impl Fn(&str, Value) -> Value) -> Vec<Value> {
    let targets: Vec<Value> = candidates.iter().map(target).collect();
    let discovered = targets
        .iter()
        .map(|target| record("candidate_discovered", json!({ "source": "dns", "target": target })));
    let mut records: Vec<Value> = discovered.collect();
    let groups = json!([{ "group_id": "1", "candidates": targets }]);
    records.push(record("candidates_sorted", json!({ "groups": groups })));
    records
}

/// An attempt, and before it how it came to be scheduled, where no timer has told that already.
fn started(
    number: usize,
    address: &Address,
    why: Reason,
    report: &Report,
    record: impl Fn(&str, Value) -> Value,
) -> Vec<Value> {
    let target = target(address);
    let trigger = match why {
        Reason::First(FirstAttemptReason::ResolutionDelay) => Some("resolution_delay_expired"),
        Reason::First(_) | Reason::LateAnswer => Some("dns_completed"),
        _ => None,
    };
    let scheduled = trigger.map(|trigger| {
        record("attempt_scheduled", scheduled(number, &target, Duration::ZERO, trigger))
    });
    let schedule = report.attempts.get(number).map(|attempt| attempt.schedule);
    let data = without_nulls(json!({
        "attempt_id": id(number),
        "target": target,
        "transport": transport(report),
        "reason": reason(why),
        "after_attempt_id": schedule.and_then(|schedule| schedule.after()).map(id),
        "slip_ms": schedule.map(|schedule| ms(schedule.start_lag)),
    }));
    scheduled.into_iter().chain([record("attempt_started", data)]).collect()
}

/// Why an attempt started when it did, in the words of JSON.
pub(crate) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::First(FirstAttemptReason::Known) => "addresses_known",
        Reason::First(FirstAttemptReason::PreferredFamily) => "preferred_family_answered",
        Reason::First(FirstAttemptReason::AllAnswered) => "all_answered",
        Reason::First(FirstAttemptReason::NegativeAnswer) => "preferred_family_has_none",
        Reason::First(FirstAttemptReason::ResolutionDelay) => "resolution_delay_passed",
        Reason::Timer => "attempt_delay_passed",
        Reason::AttemptEnded(_) => "attempt_ended",
        Reason::LateAnswer => "late_answer",
        Reason::ParallelLimit => "room",
    }
}

/// The timer, and the attempt it will start.
fn timer_set(
    delay: Duration,
    report: &Report,
    record: impl Fn(&str, Value) -> Value,
) -> Vec<Value> {
    let data = json!({ "delay_ms": whole_ms(delay), "reason": "initial" });
    let set = record("next_attempt_timer_set", data);
    let next = report.not_tried().first().map(|address| {
        let data = scheduled(report.attempts.len(), &target(address), delay, "policy_timer");
        record("attempt_scheduled", data)
    });
    [Some(set), next].into_iter().flatten().collect()
}

fn scheduled(attempt: usize, target: &Value, after: Duration, reason: &str) -> Value {
    json!({
        "attempt_id": id(attempt),
        "target": target,
        "scheduled_after_ms": whole_ms(after),
        "reason": reason,
    })
}

fn outcome(number: usize, report: &Report) -> Value {
    let Some(attempt) = report.attempts.get(number) else { return json!({}) };
    let code = match &attempt.outcome {
        Outcome::Failure(Phase::Tls, _) => Cause::of(attempt).map(Cause::kind),
        Outcome::Failure(_, failure) => Some(failure.name().unwrap_or("EIO")),
        _ => None,
    };
    without_nulls(json!({
        "attempt_id": id(number),
        "result": attempt.outcome.name(),
        "error_code": code,
        "connect_duration_ms": whole_ms(attempt.took),
        "tls_duration_ms": report.tls_of(number).and_then(TlsReport::took).map(whole_ms),
        "local": attempt.socket.local.map(|local| local.to_string()),
        "syn_retransmits": attempt.resends(),
    }))
}

fn target(address: &Address) -> Value {
    let record = serde_json::to_value(AddressRecord::from(address)).unwrap_or_default();
    let text = if record["ip"].is_null() { record["path"].clone() } else { record["ip"].clone() };
    json!({ "address": text, "port": record["port"].as_u64().unwrap_or(0), "family": record["family"] })
}

fn abort(reason: AbortReason) -> &'static str {
    match reason {
        AbortReason::NotResolved => "no addresses resolved",
        AbortReason::AllFailed => "all attempts failed",
        AbortReason::TimedOut => "timed out",
        _ => "user canceled",
    }
}

/// The draft knows no Unix sockets.
fn transport(report: &Report) -> &'static str {
    if report.subject.transport == TransportKind::Udp { "udp" } else { "tcp" }
}

/// The draft numbers attempts with texts.
fn id(attempt: usize) -> String {
    (attempt + 1).to_string()
}

/// The draft's durations are whole milliseconds.
fn whole_ms(duration: Duration) -> u64 {
    (duration.as_secs_f64() * 1000.0).round() as u64
}

/// An optional field of the draft is left out, not null.
fn without_nulls(mut data: Value) -> Value {
    if let Some(fields) = data.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    data
}

fn count(addresses: usize) -> String {
    if addresses == 1 { "1 address".to_owned() } else { format!("{addresses} addresses") }
}

/// What is asked for to have addresses of a family.
fn query_type(family: Family) -> &'static str {
    if family == Family::Inet6 { "AAAA" } else { "A" }
}

/// Where an attempt came from, and how often it had to ask, for `-v`.
fn socket(snapshot: &SocketSnapshot) -> String {
    let from = snapshot.local.map_or_else(String::new, |local| format!(", from {local}"));
    match snapshot.tcp.map_or(0, |tcp| tcp.retransmits) {
        0 => from,
        count => format!("{from}, SYN resent {count}"),
    }
}

/// What an attempt did not start without, for `-v`.
fn occasion(reason: Reason) -> String {
    match reason {
        Reason::First(FirstAttemptReason::ResolutionDelay) => {
            ", the Resolution Delay has passed".to_owned()
        }
        Reason::First(_) => String::new(),
        Reason::Timer => ", no answer yet".to_owned(),
        Reason::AttemptEnded(number) => format!(" after #{}", number + 1),
        Reason::LateAnswer => ", its address came late".to_owned(),
        Reason::ParallelLimit => ", now that there is room".to_owned(),
    }
}

/// One line about an event, for `-v`.
pub(crate) fn line(event: &Event, report: &Report) -> Option<String> {
    let is_looked_up = matches!(report.resolve.via, Via::System | Via::Dns);
    let what = match &event.kind {
        EventKind::ResolveStarted { host } if is_looked_up => {
            format!("resolving {host}")
        }
        EventKind::Resolved { addresses } if is_looked_up => {
            format!("resolved to {}", count(addresses.len()))
        }
        EventKind::ResolveFailed { error } => error.to_string(),
        EventKind::QueryAnswered { family, addresses } => {
            format!("{} has {}", query_type(*family), count(addresses.len()))
        }
        EventKind::QueryFailed { family, error } => {
            format!("{}: {error}", query_type(*family))
        }
        EventKind::QueryCanceled { family } => {
            format!("{} has no answer, and nobody waits for it", query_type(*family))
        }
        EventKind::AttemptStarted { attempt, address, reason, .. } => {
            format!("#{} {address} started{}", attempt + 1, occasion(*reason))
        }
        EventKind::AttemptConnected { attempt, .. } => format!("#{} connected", attempt + 1),
        EventKind::AttemptSucceeded { attempt, .. } | EventKind::AttemptFailed { attempt, .. }
            if report.attempts.get(*attempt)?.tls.is_some() =>
        {
            // Its handshake has said so.
            return None;
        }
        EventKind::AttemptSucceeded { attempt, snapshot } => {
            format!("#{} {}{}", attempt + 1, reached(report, *attempt), socket(snapshot))
        }
        EventKind::AttemptFailed { attempt, failure, snapshot, .. } => {
            format!(
                "#{} {}{}",
                attempt + 1,
                crate::diagnose::cause::failure_text(failure),
                socket(snapshot)
            )
        }
        EventKind::AttemptTimedOut { attempt, snapshot } => {
            format!("#{} timed out{}", attempt + 1, socket(snapshot))
        }
        EventKind::AttemptCanceled { attempt, snapshot } => {
            format!("#{} given up{}", attempt + 1, socket(snapshot))
        }
        kind @ (EventKind::TlsStarted { .. }
        | EventKind::TlsFirstByte { .. }
        | EventKind::TlsEstablished { .. }
        | EventKind::TlsFailed { .. }) => tls_line(kind, report)?,
        _ => return None,
    };
    Some(format!("{:>9} ms  {what}", units::column(report.since_start(event.at))))
}

/// One line about a handshake. In a race there may be several.
fn tls_line(kind: &EventKind, report: &Report) -> Option<String> {
    let (attempt, text) = match kind {
        EventKind::TlsStarted { attempt } => (attempt, "TLS handshake started".to_owned()),
        EventKind::TlsFirstByte { attempt } => (attempt, "the peer answers".to_owned()),
        EventKind::TlsEstablished { attempt, info } => {
            (attempt, format!("{} established, {}", info.version, info.cipher_suite))
        }
        EventKind::TlsFailed { attempt, error, failure, .. } => {
            // The end of the attempt says so.
            let kind = error.as_ref().map(TlsError::kind);
            let is_given_up = matches!(kind, Some(TlsErrorKind::Canceled | TlsErrorKind::TimedOut));
            if is_given_up && attempt.is_some() && report.selected.is_none() {
                return None;
            }
            (attempt, crate::diagnose::cause::failure_text(failure))
        }
        _ => return None,
    };
    let raced = attempt
        .filter(|number| report.attempts.get(*number).is_some_and(|attempt| attempt.tls.is_some()));
    Some(raced.map_or_else(|| text.clone(), |number| format!("#{} {text}", number + 1)))
}
