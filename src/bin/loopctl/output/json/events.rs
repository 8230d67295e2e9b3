//! Records of events as they happen, with the names of draft-kuehlewind-happy-qlog.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use loopctl::plan::{Family, FirstAttemptReason, Policy, Reason};
use loopctl::{AbortReason, Address, DnsEvent, DnsEventKind, Event, EventKind, Phase};

use super::connect::success;
use super::{error, http};
use crate::diagnose::name;
use crate::output::wire::common::{AddressRecord, AttemptResult, variant_name};
use crate::output::wire::connect::Success;
use crate::output::wire::event;
use crate::output::wire::event::{
    AnswerType, AttemptOutcome, AttemptScheduled, AttemptStarted, CandidateDiscovered,
    CandidatesSorted, ConfigSet, ConnectionAborted, ConnectionSelected, DnsQueryFinished,
    DnsQueryStarted, DnsResult, Empty, Event as Data, Group, HandshakeFinished, HttpFinished,
    HttpRequested, HttpResponded, InSession, Metrics, MetricsOutcome, Name, OfAttempt,
    PreferredFamily, Record, ScheduleReason, SuccessDefinition, Target, TimerCanceled, TimerEnd,
    TimerSet, Transport,
};
use crate::report::http::HttpFailure;
use crate::report::query::{QueryOutcome, types};
use crate::report::{End, Outcome, Report, Subject, TlsReport, TransportKind, Via};

/// Session and time of an event.
struct Moment<'a> {
    session: &'a str,
    at: Duration,
}

impl Moment<'_> {
    fn record<T>(&self, event: fn(InSession<T>) -> Data, data: T) -> Record {
        let event = event(InSession { data, he_session_id: self.session.to_owned() });
        Record { schema: Name::V1, time_ms: self.at.into(), event }
    }
}

/// Records of one event, which `report` has already applied.
pub(crate) fn records(session: &str, event: &Event, report: &Report) -> Vec<Record> {
    let moment = Moment { session, at: report.since_start(event.at) };
    match &event.kind {
        EventKind::ResolveStarted { .. }
        | EventKind::Resolved { .. }
        | EventKind::ResolveFailed { .. }
            if report.resolve.via == Via::System && !report.asks_apart() =>
        {
            of_system(report, report.subject.family, &moment).into_iter().collect()
        }
        EventKind::QueryStarted { family }
        | EventKind::QueryAnswered { family, .. }
        | EventKind::QueryFailed { family, .. }
        | EventKind::QueryCanceled { family }
            if report.resolve.via == Via::System =>
        {
            of_system(report, *family, &moment).into_iter().collect()
        }
        EventKind::CandidatesSorted { candidates } => sorted(candidates, &moment),
        EventKind::AttemptStarted { attempt, address, reason, .. } => {
            started(*attempt, address, *reason, report, &moment)
        }
        EventKind::AttemptSucceeded { attempt, .. }
        | EventKind::AttemptFailed { attempt, .. }
        | EventKind::AttemptTimedOut { attempt, .. }
        | EventKind::AttemptCanceled { attempt, .. } => {
            let outcome = outcome(*attempt, report);
            outcome.map(|it| moment.record(Data::AttemptOutcome, it)).into_iter().collect()
        }
        EventKind::NextAttemptTimerSet { delay } => timer_set(*delay, report, &moment),
        EventKind::NextAttemptTimerFired => {
            vec![moment.record(Data::NextAttemptTimerFired, Empty {})]
        }
        EventKind::NextAttemptTimerCanceled { reason } => {
            let reason = (*reason).into();
            vec![moment.record(Data::NextAttemptTimerCanceled, TimerCanceled { reason })]
        }
        EventKind::ConnectionSelected { attempt } => {
            let selected = ConnectionSelected { attempt_id: id(*attempt) };
            vec![moment.record(Data::ConnectionSelected, selected)]
        }
        EventKind::ConnectionAborted { reason } => {
            let aborted = ConnectionAborted { reason: abort(*reason) };
            vec![moment.record(Data::ConnectionAborted, aborted)]
        }
        kind => tls_event(kind, report, &moment).into_iter().collect(),
    }
}

/// Record of a DNS event, which `report` has already applied.
pub(crate) fn query_record(session: &str, event: &DnsEvent, report: &Report) -> Option<Record> {
    let moment = Moment { session, at: report.since_start(event.at) };
    let dns_id = (event.query + 1).to_string();
    let hostname = event.name.trim_end_matches('.').to_owned();
    match &event.kind {
        // Only for the first message, because the others are retries.
        DnsEventKind::Asked { .. } if report.resolve.queries.is_first(event) => {
            let qtypes = vec![event.record_type.to_string()];
            let started = DnsQueryStarted { dns_id, hostname, qtypes };
            Some(moment.record(Data::DnsQueryStarted, started))
        }
        DnsEventKind::Finished { result } => {
            let (answer_type, error_message, exchange) = match &**result {
                Ok(answer) => (AnswerType::Positive, None, &answer.exchange),
                Err(error) if error.answer.is_some() => {
                    (AnswerType::Negative, Some(error.to_string()), &*error.exchange)
                }
                Err(error) => (AnswerType::Error, Some(error.to_string()), &*error.exchange),
            };
            let found = result.iter().flat_map(|answer| answer.addresses());
            let (results, duration_ms) =
                (found.map(DnsResult::from).collect(), whole_ms(exchange.took));
            let finished = DnsQueryFinished {
                dns_id,
                hostname,
                results,
                answer_type,
                error_message,
                duration_ms,
            };
            Some(moment.record(Data::DnsQueryFinished, finished))
        }
        _ => None,
    }
}

/// The record that opens a session: the rules in force.
pub(crate) fn config_set(session: &str, subject: &Subject, prefer: Option<Family>) -> Record {
    let Policy { connection_attempt_delay, interleave, max_parallel, .. } = &*subject.policy;
    let policy = event::Policy {
        preferred_address_family_count: *interleave,
        connection_attempt_delay_ms: connection_attempt_delay.map(whole_ms),
        max_parallel_attempts: max_parallel.map(Into::into),
        preferred_family: match prefer {
            Some(Family::Inet) => PreferredFamily::Ipv4,
            Some(Family::Inet6) => PreferredFamily::Ipv6,
            _ => PreferredFamily::Auto,
        },
        success_definition: match (subject.transport, success(subject)) {
            (TransportKind::Udp, _) => SuccessDefinition::NotRefused,
            (_, Success::Tls) => SuccessDefinition::TlsConnected,
            (_, Success::Tcp) => SuccessDefinition::TcpConnected,
        },
    };
    let moment = Moment { session, at: Duration::ZERO };
    moment.record(Data::ConfigSet, ConfigSet { policy, reason: "app_config" })
}

/// Record of the latest step of the HTTP exchange.
pub(crate) fn http_record(session: &str, report: &Report) -> Option<Record> {
    let exchange = report.http.as_deref()?;
    let document = http::http(report)?;
    let attempt_id = report.selected.map(id);
    let moment = |at| Moment { session, at };
    let is_over = report.end == End::Connected || exchange.failure.is_some();
    Some(match (exchange.head, is_over) {
        (_, true) => {
            let finished = HttpFinished {
                attempt_id,
                result: match &exchange.failure {
                    None => AttemptResult::Success,
                    Some(HttpFailure::TimedOut(_)) => AttemptResult::Timeout,
                    Some(_) => AttemptResult::Failure,
                },
                body_bytes: document.body_bytes,
                body_ms: document.body_ms,
                error_message: document.error.map(|error| error.message),
            };
            moment(exchange.ended).record(Data::HttpFinished, finished)
        }
        (Some(head), false) => {
            let responded = HttpResponded {
                attempt_id,
                status: document.status,
                first_byte_ms: document.first_byte_ms,
                server_ms: document.server_ms,
            };
            moment(head).record(Data::HttpResponded, responded)
        }
        (None, false) => {
            let requested = HttpRequested {
                attempt_id,
                method: document.method,
                path: document.path,
                version: document.version,
            };
            moment(exchange.started).record(Data::HttpRequested, requested)
        }
    })
}

/// The record that closes a session.
pub(crate) fn metrics(session: &str, now: Instant, report: &Report) -> Record {
    let successes: Vec<_> =
        report.attempts.iter().filter(|attempt| attempt.outcome == Outcome::Success).collect();
    let first = successes.iter().min_by_key(|attempt| attempt.end());
    let is_success = report.end == End::Connected;
    let metrics = Metrics {
        outcome: if is_success { MetricsOutcome::Success } else { MetricsOutcome::Aborted },
        total_duration_ms: whole_ms(report.total),
        tt_first_success_ms: first.map(|attempt| whole_ms(attempt.end())),
        first_success_family: first.map(|attempt| (&attempt.address).into()),
        first_success_transport: first.map(|_| transport(report)),
        attempts_total: report.attempts.len(),
        attempts_success: successes.len(),
        attempts_failure: report.attempts.len() - successes.len(),
    };
    Moment { session, at: report.since_start(now) }.record(Data::Metrics, metrics)
}

/// The draft has no events of TLS; these are ours.
fn tls_event(kind: &EventKind, report: &Report, moment: &Moment<'_>) -> Option<Record> {
    let of = |attempt: &Option<usize>| OfAttempt { attempt_id: attempt.map(id) };
    match kind {
        EventKind::TlsStarted { attempt } => {
            Some(moment.record(Data::TlsHandshakeStarted, of(attempt)))
        }
        EventKind::TlsFirstByte { attempt } => Some(moment.record(Data::TlsFirstByte, of(attempt))),
        EventKind::TlsEstablished { attempt, .. } | EventKind::TlsFailed { attempt, .. } => {
            let finished = handshake(report, *attempt, of(attempt))?;
            Some(moment.record(Data::TlsHandshakeFinished, finished))
        }
        _ => None,
    }
}

fn handshake(report: &Report, attempt: Option<usize>, of: OfAttempt) -> Option<HandshakeFinished> {
    let raced = attempt.and_then(|number| report.tls_of(number));
    let tls = raced.or(report.tls.as_ref())?;
    let (info, failure) = (tls.info.as_deref(), tls.failure.as_ref());
    Some(HandshakeFinished {
        result: failure.map_or(AttemptResult::Success, AttemptResult::from),
        version: info.map(|info| info.version.into()),
        cipher: info.map(|info| info.cipher_suite.clone()),
        duration_ms: tls.took().map(whole_ms),
        error_message: failure.map(|failure| crate::diagnose::cause::tls_message(tls, failure)),
        of,
    })
}

/// Record of the start or the end of a query to the system.
fn of_system(report: &Report, family: Family, moment: &Moment<'_>) -> Option<Record> {
    let types = types(family);
    let queries = &report.resolve.queries.0;
    let index = queries.iter().position(|query| query.types == types)?;
    let query = &queries[index];
    let (dns_id, hostname) = (id(index), query.name.clone());
    let is_negative = query.verdict().is_negative();
    let (results, answer_type, error_message) = match &query.end {
        QueryOutcome::Pending if report.resolve.error.is_none() => {
            let qtypes = types.iter().rev().map(ToString::to_string).collect();
            let started = DnsQueryStarted { dns_id, hostname, qtypes };
            return Some(moment.record(Data::DnsQueryStarted, started));
        }
        QueryOutcome::System(found) => {
            let found = found.iter().filter_map(|text| text.parse().ok());
            (found.map(|ip: IpAddr| ip.into()).collect(), AnswerType::Positive, None)
        }
        end => {
            let kind = if is_negative { AnswerType::Negative } else { AnswerType::Error };
            let message = match end {
                QueryOutcome::Canceled => Some("canceled".to_owned()),
                _ => {
                    name::query(query).or_else(|| report.resolve.error.as_ref().map(name::failure))
                }
            };
            (Vec::new(), kind, message)
        }
    };
    let took = match query.end {
        QueryOutcome::Pending => report.resolve.took.unwrap_or_default(),
        _ => query.took,
    };
    let duration_ms = whole_ms(took);
    let finished =
        DnsQueryFinished { dns_id, hostname, results, answer_type, error_message, duration_ms };
    Some(moment.record(Data::DnsQueryFinished, finished))
}

impl From<IpAddr> for DnsResult {
    fn from(ip: IpAddr) -> Self {
        Self { kind: "address", address: ip.to_string(), family: ip.into() }
    }
}

fn sorted(candidates: &[Address], moment: &Moment<'_>) -> Vec<Record> {
    let targets: Vec<Target> = candidates.iter().map(Target::from).collect();
    let discovered = targets.iter().map(|target| {
        let discovered = CandidateDiscovered { source: "dns", target: target.clone() };
        moment.record(Data::CandidateDiscovered, discovered)
    });
    let mut records: Vec<Record> = discovered.collect();
    let groups = vec![Group { group_id: "1", candidates: targets }];
    records.push(moment.record(Data::CandidatesSorted, CandidatesSorted { groups }));
    records
}

/// Records of an attempt's start, and before it of its schedule, if no timer event has reported that.
fn started(
    number: usize,
    address: &Address,
    why: Reason,
    report: &Report,
    moment: &Moment<'_>,
) -> Vec<Record> {
    let trigger = match why {
        Reason::First(FirstAttemptReason::ResolutionDelay) => {
            Some(ScheduleReason::ResolutionDelayExpired)
        }
        Reason::First(_) | Reason::LateAnswer => Some(ScheduleReason::DnsCompleted),
        _ => None,
    };
    let scheduled = trigger.map(|trigger| {
        let scheduled = scheduled(number, address, Duration::ZERO, trigger);
        moment.record(Data::AttemptScheduled, scheduled)
    });
    let schedule = report.attempts.get(number).map(|attempt| attempt.schedule);
    let started = AttemptStarted {
        attempt_id: id(number),
        target: address.into(),
        transport: transport(report),
        reason: why.into(),
        after_attempt_id: schedule.and_then(|schedule| schedule.after()).map(id),
        start_lag_ms: schedule.map(|schedule| schedule.start_lag.into()),
    };
    scheduled.into_iter().chain([moment.record(Data::AttemptStarted, started)]).collect()
}

/// Records of a timer and of the attempt that it starts.
fn timer_set(delay: Duration, report: &Report, moment: &Moment<'_>) -> Vec<Record> {
    let set = TimerSet { delay_ms: whole_ms(delay), reason: "initial" };
    let set = moment.record(Data::NextAttemptTimerSet, set);
    let next = report.not_tried().first().map(|address| {
        let number = report.attempts.len();
        let scheduled = scheduled(number, address, delay, ScheduleReason::PolicyTimer);
        moment.record(Data::AttemptScheduled, scheduled)
    });
    [Some(set), next].into_iter().flatten().collect()
}

fn scheduled(
    attempt: usize,
    address: &Address,
    after: Duration,
    reason: ScheduleReason,
) -> AttemptScheduled {
    let (attempt_id, scheduled_after_ms) = (id(attempt), whole_ms(after));
    AttemptScheduled { attempt_id, target: address.into(), scheduled_after_ms, reason }
}

fn outcome(number: usize, report: &Report) -> Option<AttemptOutcome> {
    let attempt = report.attempts.get(number)?;
    let error_code = match &attempt.outcome {
        Outcome::Failure(Phase::Tls, _) => {
            error::of_connect(attempt).map(|error| variant_name(&error.kind))
        }
        Outcome::Failure(_, failure) => Some(failure.name().unwrap_or("EIO").to_owned()),
        _ => None,
    };
    Some(AttemptOutcome {
        attempt_id: id(number),
        result: (&attempt.outcome).into(),
        error_code,
        connect_duration_ms: whole_ms(attempt.took),
        tls_duration_ms: report.tls_of(number).and_then(TlsReport::took).map(whole_ms),
        local: attempt.socket.local.map(|local| local.to_string()),
        syn_retransmits: attempt.resends(),
    })
}

impl From<&Address> for Target {
    fn from(address: &Address) -> Self {
        let AddressRecord { ip, port, family, path } = address.into();
        let address = ip.or(path).unwrap_or_default();
        Self { address, port: port.unwrap_or_default(), family }
    }
}

impl From<loopctl::TimerEnd> for TimerEnd {
    fn from(end: loopctl::TimerEnd) -> Self {
        match end {
            loopctl::TimerEnd::Success => Self::Success,
            loopctl::TimerEnd::ListExhausted => Self::ListExhausted,
            _ => Self::Abort,
        }
    }
}

fn abort(reason: AbortReason) -> &'static str {
    match reason {
        AbortReason::NotResolved => "no addresses resolved",
        AbortReason::AllFailed => "all attempts failed",
        AbortReason::TimedOut => "timed out",
        _ => "user canceled",
    }
}

/// Transport of the draft, which has no Unix sockets.
fn transport(report: &Report) -> Transport {
    if report.subject.transport == TransportKind::Udp { Transport::Udp } else { Transport::Tcp }
}

/// Attempt id as text, as in the draft.
fn id(attempt: usize) -> String {
    (attempt + 1).to_string()
}

/// Duration in whole milliseconds, as in the draft.
fn whole_ms(duration: Duration) -> u64 {
    (duration.as_secs_f64() * 1000.0).round() as u64
}
