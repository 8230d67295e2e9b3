//! The report as one JSON document: `schemas/connect.v1.json`.

use std::time::Duration;

use loopctl::plan::{Family, SlowLog, Success};
use loopctl::{Address, Failure, Phase, SocketOption, SocketOptions, TcpInfo};
use serde::Serialize;
use serde_json::{Value, json};

use super::events;
use crate::diagnose::cause;
use crate::diagnose::cause::Cause;
use crate::diagnose::why::{CausedBy, Finding, findings};
use crate::diagnose::{exit_status, expectation, name, transfer};
use crate::output::units::ms;
use crate::report::relay::{RelayEnd, RelayError, RelayReport};
use crate::report::repeat::{AddressStats, RepeatReport, Times};
use crate::report::{
    Attempt, End, FailureKind, Outcome, Report, Subject, TlsReport, Via, WaitReport,
};

pub(crate) use super::tls::version as tls_version;

/// Keys in the order in which people look for them.
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    version: &'static str,
    target: &'a str,
    host: Option<&'a str>,
    port: Option<u16>,
    start: String,
    outcome: &'static str,
    end: &'static str,
    exit_code: u8,
    total_ms: f64,
    cost_ms: Option<f64>,
    he_cost_ms: Option<f64>,
    why: Vec<Value>,
    policy: Value,
    resolve: Value,
    attempts: Vec<AttemptRecord>,
    selected: Option<usize>,
    tls: Option<Value>,
    tcp_info: Option<TcpRecord>,
    transport: &'static str,
    relay: Option<Value>,
    slow_callbacks: Vec<Value>,
    unmet: Vec<Value>,
    waited: Option<Value>,
    compare: Option<Value>,
    error: Option<ErrorRecord>,
}

#[derive(Serialize)]
struct AttemptRecord {
    attempt_id: usize,
    #[serde(flatten)]
    address: AddressRecord,
    local: Option<String>,
    start_ms: f64,
    reason: &'static str,
    after: Option<usize>,
    slip_ms: f64,
    duration_ms: f64,
    tls_ms: Option<f64>,
    result: &'static str,
    answered: Option<bool>,
    phase: Option<String>,
    error: Option<ErrorRecord>,
    tcp_info: Option<TcpRecord>,
    socket: Option<Value>,
    refused_options: Vec<Value>,
}

/// An address in its parts.
#[derive(Serialize)]
pub(crate) struct AddressRecord {
    ip: Option<String>,
    port: Option<u16>,
    family: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct ErrorRecord {
    pub(crate) kind: &'static str,
    pub(crate) errno: Option<i32>,
    pub(crate) name: Option<&'static str>,
    pub(crate) message: String,
}

#[derive(Serialize)]
struct TcpRecord {
    rtt_us: Option<u64>,
    rttvar_us: Option<u64>,
    retransmits: u32,
    snd_mss: u32,
}

/// One target's document.
pub(crate) fn document(report: &Report) -> Value {
    let subject = &report.subject;
    let document = Document {
        schema: "loopctl.connect.v1",
        version: env!("CARGO_PKG_VERSION"),
        target: &subject.text,
        host: subject.host.as_deref(),
        port: subject.port,
        start: humantime::format_rfc3339_micros(report.started_at.wall).to_string(),
        outcome: outcome(report),
        end: if is_interrupted(report) { "interrupted" } else { "completed" },
        exit_code: exit_status::for_report(report).code(),
        total_ms: ms(report.total),
        cost_ms: report.cost().map(ms),
        he_cost_ms: report.race_cost().map(ms),
        why: reasons(report),
        policy: policy(report),
        resolve: resolve(report),
        attempts: attempts(report),
        selected: report.selected.map(|number| number + 1),
        tls: super::tls::tls(report),
        tcp_info: report.winner().and_then(|winner| winner.tcp).map(TcpRecord::from),
        transport: subject.transport.name(),
        relay: report.relay.as_ref().map(|it| relay(report, it)),
        slow_callbacks: slow_callbacks(&report.slow),
        unmet: unmet(report),
        waited: report.waited.as_ref().map(waited),
        compare: super::compare::compare(report),
        error: error(report),
    };
    serde_json::to_value(document).unwrap_or_default()
}

fn attempts(report: &Report) -> Vec<AttemptRecord> {
    let attempts = report.attempts.iter().enumerate();
    attempts.map(|(number, attempt)| AttemptRecord::new(report, number, attempt)).collect()
}

fn reasons(report: &Report) -> Vec<Value> {
    let record = |why: Finding| {
        let (attempt, family, query) = match why.caused_by {
            CausedBy::Attempt(number) => (Some(number + 1), None, None),
            CausedBy::Family(Family::Inet6) => (None, Some("ipv6"), None),
            CausedBy::Family(_) => (None, Some("ipv4"), None),
            CausedBy::Query(Family::Inet6) => (None, None, Some("AAAA")),
            CausedBy::Query(_) => (None, None, Some("A")),
        };
        json!({
            "kind": why.kind,
            "attempt_id": attempt,
            "family": family,
            "query": query,
            "cost_ms": ms(why.cost),
            "message": why.text,
        })
    };
    findings(report).into_iter().map(record).collect()
}

fn relay(report: &Report, relay: &RelayReport) -> Value {
    json!({
        "bytes_sent": relay.sent,
        "bytes_received": relay.received,
        "duration_ms": ms(relay.took),
        "end": relay_end(&relay.end),
        "error": relay_error(report),
    })
}

/// The race, or what went over the connection that it gave.
fn is_interrupted(report: &Report) -> bool {
    let relay = report.relay.as_ref();
    matches!(report.end, End::Interrupted(_))
        || relay.is_some_and(|relay| matches!(relay.end, RelayEnd::Interrupted(_)))
}

fn relay_end(end: &RelayEnd) -> &'static str {
    match end {
        RelayEnd::Eof => "eof",
        RelayEnd::Interrupted(_) => "interrupted",
        RelayEnd::OutputClosed => "closed",
        RelayEnd::Failed(RelayError::Reset(_)) => "reset",
        RelayEnd::Failed(RelayError::Idle(_)) => "idle",
        RelayEnd::Failed(_) => "error",
    }
}

fn relay_error(report: &Report) -> Option<ErrorRecord> {
    transfer::relay_failure(report).map(|(what, failure)| failed(&what, &failure))
}

fn failed(what: &str, failure: &Failure) -> ErrorRecord {
    let record = ErrorRecord::of_failure(failure, Some(Cause::of_failure(failure)));
    ErrorRecord { message: format!("{what}: {}", record.message), ..record }
}

/// What failed on a connection that was there.
pub(crate) fn failure(what: &str, failure: &Failure) -> Value {
    serde_json::to_value(failed(what, failure)).unwrap_or_default()
}

fn outcome(report: &Report) -> &'static str {
    match report.end {
        End::Connected => "success",
        End::Failed(FailureKind::TimedOut) => "timeout",
        End::Failed(_) => "failure",
        End::Interrupted(_) => "interrupted",
    }
}

fn policy(report: &Report) -> Value {
    let policy = &report.subject.policy;
    json!({
        "name": policy.base.name(),
        "changed": policy.changed(),
        "connection_attempt_delay_ms": policy.connection_attempt_delay.map(ms),
        "resolution_delay_ms": policy.resolution_delay().map(ms),
        "floor_ms": ms(policy.pacing.minimum_delay.delay),
        "interleave": policy.interleave,
        "max_parallel": policy.max_parallel,
        "max_addresses": policy.selection.max_addresses,
        "attempt_timeout_ms": policy.attempt_timeout.map(ms),
        "deadline_ms": ms(report.subject.timeout),
        "all": policy.run_all,
        "success": success(&report.subject),
    })
}

/// What an attempt had to reach to win.
pub(crate) fn success(subject: &Subject) -> &'static str {
    let by_tls = subject.policy.pacing.success == Success::Tls && subject.may_race_tls();
    if by_tls { "tls" } else { "tcp" }
}

fn resolve(report: &Report) -> Value {
    let resolve = &report.resolve;
    let candidates: Vec<_> = resolve.candidates.iter().map(AddressRecord::from).collect();
    let kind = if report.has_timed_out() { "timeout" } else { "dns" };
    let error = resolve.error.as_ref().map(|error| ErrorRecord::plain(kind, name::failure(error)));
    let is_looked_up = matches!(resolve.via, Via::System | Via::Dns);
    let via = match resolve.via {
        Via::System => "system",
        Via::Dns => "dns",
        Via::Literal => "literal",
        Via::Given => "given",
        Via::Cached => "cached",
    };
    json!({
        "via": via,
        "duration_ms": resolve.took.filter(|_| is_looked_up).map(ms),
        "queries": super::resolve::queries(&resolve.queries),
        "candidates": candidates,
        "error": error,
    })
}

pub(crate) fn slow_callbacks(slow: &SlowLog) -> Vec<Value> {
    let record = |job: &loopctl::plan::SlowJob| {
        json!({
            "what": job.name,
            "scheduled_at": job.origin.map(|at| format!("{}:{}", at.file(), at.line())),
            "count": job.count,
            "total_ms": ms(job.total),
            "longest_ms": ms(job.longest),
        })
    };
    slow.worst().iter().map(record).collect()
}

fn unmet(report: &Report) -> Vec<Value> {
    let unmet = report.unmet.iter();
    unmet
        .map(|it| json!({ "expectation": expectation::flag(it), "message": expectation::text(it) }))
        .collect()
}

fn waited(waited: &WaitReport) -> Value {
    let seen: Vec<_> =
        waited.seen.iter().map(|(what, count)| json!({ "what": what, "count": count })).collect();
    json!({ "duration_ms": ms(waited.took), "seen": seen })
}

/// The document of many tries: `schemas/repeat.v1.json`.
pub(crate) fn repeat(series: &RepeatReport, took: Duration, tries: Option<&[Value]>) -> Value {
    let addresses: Vec<Value> = series.addresses.iter().map(address_stats).collect();
    let mut document = json!({
        "schema": "loopctl.repeat.v1",
        "version": env!("CARGO_PKG_VERSION"),
        "target": series.subject.text,
        "end": if series.interrupted.is_some() { "interrupted" } else { "completed" },
        "exit_code": exit_status::for_repeat(series).code(),
        "duration_ms": ms(took),
        "tries": series.runs.done,
        "connected": series.runs.connected,
        "times": times(&series.times),
        "won_by": { "ipv4": series.won_by(Family::Inet), "ipv6": series.won_by(Family::Inet6) },
        "addresses": addresses,
    });
    if let Some(tries) = tries {
        document["reports"] = tries.into();
    }
    document
}

fn address_stats(stats: &AddressStats) -> Value {
    let mut record = serde_json::to_value(AddressRecord::from(&stats.address)).unwrap_or_default();
    record["won"] = stats.won.into();
    record["lost"] = stats.lost.into();
    record["failed"] = stats.failed.into();
    record["last_failure"] = stats.last_failure.as_ref().map(cause::last_failure).into();
    record["connect_times"] = times(&stats.times);
    record
}

/// `null` where nothing was timed.
fn times(times: &Times) -> Value {
    if times.is_empty() {
        return Value::Null;
    }
    json!({
        "min_ms": ms(times.min()),
        "p50_ms": ms(times.quantile(0.5)),
        "p90_ms": ms(times.quantile(0.9)),
        "p99_ms": ms(times.quantile(0.99)),
        "max_ms": ms(times.max()),
    })
}

/// Why there is no connection: the name, or what ended the last attempt.
fn error(report: &Report) -> Option<ErrorRecord> {
    let kind_of_target = match report.end {
        End::Connected => return None,
        End::Interrupted(_) => return Some(ErrorRecord::plain("io", "interrupted".to_owned())),
        End::Failed(kind) => kind,
    };
    if let Some(error) = &report.resolve.error {
        let timed_out = kind_of_target == FailureKind::TimedOut;
        let kind = if timed_out { "timeout" } else { "dns" };
        return Some(ErrorRecord::plain(kind, name::failure(error)));
    }
    if let Some(own) = report.failed_own_policy() {
        return Some(super::compare::error(own, kind_of_target));
    }
    let of_probes = report.probes_without_tls().next();
    let of_probes = of_probes.and_then(|(_, tls)| Some((tls, tls.failure.as_ref()?)));
    if let Some((tls, failure)) = report.tls_failure().or(of_probes) {
        return Some(super::tls::error(tls, failure));
    }
    if kind_of_target == FailureKind::TimedOut {
        let message = format!("timed out after {}", crate::output::units::prose(report.total));
        return Some(ErrorRecord::plain("timeout", message));
    }
    let last = report.attempts.iter().max_by_key(|attempt| attempt.end())?;
    ErrorRecord::of(last)
}

impl ErrorRecord {
    pub(crate) fn plain(kind: &'static str, message: String) -> Self {
        Self { kind, errno: None, name: None, message }
    }

    pub(crate) fn of(attempt: &Attempt) -> Option<Self> {
        match (&attempt.outcome, attempt.tls_failure()) {
            (Outcome::Failure(..) | Outcome::Timeout, Some((tls, failure))) => {
                Some(super::tls::error(tls, failure))
            }
            (outcome, _) => Self::of_outcome(outcome, attempt),
        }
    }

    fn of_outcome(outcome: &Outcome, attempt: &Attempt) -> Option<Self> {
        match outcome {
            Outcome::Failure(_, failure) => Some(Self::of_failure(failure, Cause::of(attempt))),
            Outcome::Timeout => Some(Self::plain("timeout", "timed out".to_owned())),
            Outcome::Success | Outcome::Canceled | Outcome::Pending => None,
        }
    }

    fn of_failure(failure: &Failure, cause: Option<Cause>) -> Self {
        let (kind, message) = (cause.map_or("io", Cause::kind), cause::failure_text(failure));
        Self { kind, errno: failure.errno, name: failure.name(), message }
    }
}

impl AttemptRecord {
    fn new(report: &Report, number: usize, attempt: &Attempt) -> Self {
        let phase = match &attempt.outcome {
            Outcome::Failure(Phase::Tls, _) => Some("tls".to_owned()),
            Outcome::Failure(phase, _) => Some(phase.to_string()),
            _ => None,
        };
        let tls = report.tls_of(number).and_then(TlsReport::took);
        Self {
            attempt_id: number + 1,
            address: AddressRecord::from(&attempt.address),
            local: attempt.socket.local.map(|local| local.to_string()),
            start_ms: ms(attempt.start),
            reason: events::reason(attempt.schedule.reason),
            after: attempt.schedule.after().map(|number| number + 1),
            slip_ms: ms(attempt.schedule.start_lag),
            duration_ms: ms(attempt.took),
            tls_ms: tls.map(ms),
            result: attempt.outcome.name(),
            answered: report.answered(number),
            phase,
            error: ErrorRecord::of(attempt),
            tcp_info: attempt.tcp.map(TcpRecord::from),
            socket: attempt.socket.options.as_ref().map(socket),
            refused_options: attempt.socket.refused.iter().map(refused).collect(),
        }
    }
}

/// The options in force.
fn socket(options: &SocketOptions) -> Value {
    let keepalive = options.keepalive.map(|keepalive| {
        json!({
            "idle_ms": ms(keepalive.idle),
            "interval_ms": ms(keepalive.interval),
            "count": keepalive.count,
        })
    });
    json!({
        "interface": options.interface,
        "ttl": options.ttl,
        "dscp": options.dscp,
        "mark": options.mark,
        "nodelay": options.nodelay,
        "mptcp": options.multipath,
        "tfo": options.fast_open,
        "keepalive": keepalive,
    })
}

fn refused((option, failure): &(SocketOption, Failure)) -> Value {
    json!({ "option": option.to_string(), "error": ErrorRecord::of_failure(failure, None) })
}

impl AddressRecord {
    /// The IP address or the path, and the port of the former.
    pub(crate) fn host_and_port(address: &Address) -> (String, Option<u16>) {
        match address {
            Address::Inet(inet) => (without_port(address), Some(inet.port())),
            Address::Unix(path) => (path.display().to_string(), None),
        }
    }

    pub(crate) fn family_of(address: &Address) -> &'static str {
        match address.family() {
            Some(Family::Inet6) => "ipv6",
            Some(_) => "ipv4",
            None => "unix",
        }
    }
}

impl From<&Address> for AddressRecord {
    fn from(address: &Address) -> Self {
        match address {
            Address::Inet(inet) => Self {
                ip: Some(without_port(address)),
                port: Some(inet.port()),
                family: Self::family_of(address),
                path: None,
            },
            Address::Unix(path) => Self {
                ip: None,
                port: None,
                family: Self::family_of(address),
                path: Some(path.display().to_string()),
            },
        }
    }
}

/// The IP address as text, zone included.
fn without_port(address: &Address) -> String {
    let text = address.to_string();
    let host = text.rsplit_once(':').map_or(text.as_str(), |(host, _)| host);
    host.trim_matches(['[', ']']).to_owned()
}

impl From<TcpInfo> for TcpRecord {
    /// A round trip of zero is one that was not measured.
    fn from(tcp: TcpInfo) -> Self {
        let micros =
            |d: Duration| (tcp.established && !tcp.rtt.is_zero()).then_some(d.as_micros() as u64);
        Self {
            rtt_us: micros(tcp.rtt),
            rttvar_us: micros(tcp.rtt_variance),
            retransmits: tcp.retransmits,
            snd_mss: tcp.send_mss,
        }
    }
}
