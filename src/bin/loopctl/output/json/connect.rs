//! Report of a connection as one JSON document.

use std::time::Duration;

use loopctl::plan::{self, Family, FirstAttemptReason, Reason};
use loopctl::{Failure, IcmpError, Phase, ResolvConf};

use super::{compare, error, http, other_clients, resolve, surroundings, tls};
use crate::diagnose::cause;
use crate::diagnose::findings::{CausedBy, Finding, findings};
use crate::diagnose::{exit_status, expectation, hint, name, transfer};
use crate::output::wire::common::{
    AttemptResult, ErrorKind, ErrorRecord, IpFamily, Outcome, RunEnd, VERSION, slow_callbacks,
};
use crate::output::wire::compare::QueryType;
use crate::output::wire::connect::{
    Attempt, Document, Evidence, Icmp, Keepalive, Name, NameProbe, NameServer, Policy,
    RefusedOption, Relay, Resolve, Seen, SocketOptions, Stall, StartReason, Success, TcpInfo,
    Unmet, Via, Waited, Why,
};
use crate::report::name_probe;
use crate::report::relay::{RelayEnd, RelayError, RelayReport};
use crate::report::{self, End, FailureKind, Report, Subject, TlsReport};
use crate::util::units;

/// Document of one target.
pub(crate) fn document(report: &Report) -> Document {
    let subject = &report.subject;
    Document {
        schema: Name::V1,
        version: VERSION,
        target: subject.text.clone(),
        host: subject.host.clone(),
        port: subject.port,
        start: report.started_at.wall.into(),
        outcome: outcome(report),
        end: RunEnd::new(is_interrupted(report)),
        exit_code: exit_status::for_report(report).code(),
        total_ms: report.total.into(),
        cost_ms: report.cost().map(Into::into),
        he_cost_ms: report.race_cost().map(Into::into),
        why: findings(report).into_iter().map(Why::from).collect(),
        policy: policy(subject),
        resolve: resolution(report),
        attempts: (0..report.attempts.len()).map(|number| attempt(report, number)).collect(),
        selected: report.selected.map(|number| number + 1),
        tls: tls::tls(report),
        tcp_info: report.winner().and_then(|winner| winner.tcp).map(TcpInfo::from),
        transport: subject.transport.name().into(),
        http: http::http(report),
        redirects: report.redirects.iter().map(document).collect(),
        relay: report.relay.as_ref().map(|it| relay(report, it)),
        slow_callbacks: slow_callbacks(&report.slow),
        unmet: report.last_hop().unmet.iter().map(Unmet::from).collect(),
        stalls: report.surroundings.stalls.iter().map(stall).collect(),
        waited: report.waited.as_ref().map(Waited::from),
        compare: compare::compare(report),
        error: error(report),
        other_clients: other_clients::other_clients(report),
        not_tried: report.not_tried().len(),
        hint: hint::hint(report),
        surroundings: surroundings::surroundings(report),
    }
}

impl From<Finding> for Why {
    fn from(why: Finding) -> Self {
        let (attempt_id, family, query) = match why.caused_by {
            CausedBy::Attempt(number) => (Some(number + 1), None, None),
            CausedBy::Family(family) => (None, Some(family.into()), None),
            CausedBy::Query(family) => (None, None, Some(family.into())),
            CausedBy::Host => (None, None, None),
        };
        let evidence =
            why.evidence.into_iter().map(|it| Evidence { source: it.source, message: it.text });
        Self {
            kind: why.kind,
            attempt_id,
            family,
            query,
            cost_ms: why.cost.into(),
            message: why.text,
            basis: why.basis,
            evidence: evidence.collect(),
        }
    }
}

impl From<Family> for IpFamily {
    fn from(family: Family) -> Self {
        if family == Family::Inet6 { Self::Ipv6 } else { Self::Ipv4 }
    }
}

impl From<Family> for QueryType {
    fn from(family: Family) -> Self {
        if family == Family::Inet6 { Self::Aaaa } else { Self::A }
    }
}

fn stall(stall: &report::stalls::Stall) -> Stall {
    Stall { start_ms: stall.start.into(), duration_ms: stall.took().into() }
}

fn relay(report: &Report, relay: &RelayReport) -> Relay {
    Relay {
        bytes_sent: relay.sent,
        bytes_received: relay.received,
        duration_ms: relay.took.into(),
        end: match relay.end {
            RelayEnd::Eof => "eof",
            RelayEnd::Interrupted(_) => "interrupted",
            RelayEnd::OutputClosed => "closed",
            RelayEnd::Failed(RelayError::Reset(_)) => "reset",
            RelayEnd::Failed(RelayError::Idle(_)) => "idle",
            RelayEnd::Failed(_) => "error",
        }
        .into(),
        error: transfer::relay_failure(report).as_ref().map(error::of_connection),
    }
}

/// The user ended the race, or the relay over the connection.
fn is_interrupted(report: &Report) -> bool {
    let relay = report.relay.as_ref();
    matches!(report.last_hop().end, End::Interrupted(_))
        || relay.is_some_and(|relay| matches!(relay.end, RelayEnd::Interrupted(_)))
}

fn outcome(report: &Report) -> Outcome {
    match report.last_hop().end {
        End::Connected => Outcome::Success,
        End::Failed(FailureKind::TimedOut) => Outcome::Timeout,
        End::Failed(_) => Outcome::Failure,
        End::Interrupted(_) => Outcome::Interrupted,
    }
}

fn policy(subject: &Subject) -> Policy {
    let policy = &subject.policy;
    Policy {
        name: policy.base.name().into(),
        changed: policy.changed().into_iter().map(Into::into).collect(),
        connection_attempt_delay_ms: policy.connection_attempt_delay.map(Into::into),
        resolution_delay_ms: policy.resolution_delay().map(Into::into),
        min_connection_attempt_delay_ms: policy.pacing.minimum_delay.delay.into(),
        interleave: policy.interleave,
        max_parallel: policy.max_parallel.map(Into::into),
        max_addresses: policy.selection.max_addresses.map(Into::into),
        attempt_timeout_ms: policy.attempt_timeout.map(Into::into),
        deadline_ms: subject.timeout.into(),
        all: policy.run_all,
        success: success(subject),
    }
}

/// Condition for an attempt to win.
pub(crate) fn success(subject: &Subject) -> Success {
    let by_tls = subject.policy.pacing.success == plan::Success::Tls && subject.may_race_tls();
    if by_tls { Success::Tls } else { Success::Tcp }
}

fn resolution(report: &Report) -> Resolve {
    let resolve = &report.resolve;
    let is_looked_up = matches!(resolve.via, report::Via::System | report::Via::Dns);
    Resolve {
        via: match resolve.via {
            report::Via::System => Via::System,
            report::Via::Dns => Via::Dns,
            report::Via::Literal => Via::Literal,
            report::Via::Given => Via::Given,
            report::Via::Cached => Via::Cached,
        },
        duration_ms: resolve.took.filter(|_| is_looked_up).map(Into::into),
        queries: resolve.queries.0.iter().map(resolve::query).collect(),
        candidates: resolve.candidates.iter().map(Into::into).collect(),
        hosts: resolve.hosts.iter().map(Into::into).collect(),
        probe: resolve.probe.as_ref().map(NameProbe::from),
        error: name_error(report),
    }
}

impl From<&name_probe::NameProbe> for NameProbe {
    fn from(probe: &name_probe::NameProbe) -> Self {
        let conf = &probe.service.conf;
        let servers = probe.servers().iter().enumerate().map(|(place, server)| NameServer {
            address: server.host.to_string(),
            file: ResolvConf::PATH.into(),
            line: server.line,
            queries: probe.queries_to(place).map(resolve::query).collect(),
        });
        Self {
            start_ms: probe.started.into(),
            names: probe.names.clone(),
            timeout_ms: conf.timeout.into(),
            attempts: conf.attempts,
            getaddrinfo_max_ms: conf.system_worst_case().into(),
            servers: servers.collect(),
        }
    }
}

fn name_error(report: &Report) -> Option<ErrorRecord> {
    let kind = if report.has_timed_out() { ErrorKind::Timeout } else { ErrorKind::Dns };
    let error = report.resolve.error.as_ref();
    error.map(|error| ErrorRecord::plain(kind, name::failure(error)))
}

impl From<&report::Unmet> for Unmet {
    fn from(unmet: &report::Unmet) -> Self {
        Self { expectation: expectation::flag(unmet).into(), message: expectation::text(unmet) }
    }
}

impl From<&report::WaitReport> for Waited {
    fn from(waited: &report::WaitReport) -> Self {
        let seen = waited.seen.iter();
        let seen =
            seen.map(|(run, count)| Seen { what: cause::summary(run), count: *count }).collect();
        Self { duration_ms: waited.took.into(), seen }
    }
}

/// Reason why there is no connection: the name, or the end of the last attempt.
pub(crate) fn error(report: &Report) -> Option<ErrorRecord> {
    let report = report.last_hop();
    let kind = match report.end {
        End::Connected => return None,
        End::Interrupted(_) => return Some(ErrorRecord::plain(ErrorKind::Io, "interrupted")),
        End::Failed(kind) => kind,
    };
    if let Some(error) = name_error(report) {
        return Some(error);
    }
    if let Some(own) = report.failed_own_policy() {
        return Some(compare::error(own, kind));
    }
    let of_probes = report.probes_without_tls().next();
    let of_probes = of_probes.and_then(|(_, tls)| Some((tls, tls.failure.as_ref()?)));
    if let Some((tls, failure)) = report.tls_failure().or(of_probes) {
        return Some(error::of_tls(tls, failure));
    }
    if let Some((exchange, failure)) = report.http_failure() {
        return Some(http::failed(exchange, failure));
    }
    if kind == FailureKind::TimedOut {
        let message = format!("timed out after {}", units::prose(report.total));
        return Some(ErrorRecord::plain(ErrorKind::Timeout, message));
    }
    let last = report.attempts.iter().max_by_key(|attempt| attempt.end())?;
    error::of_attempt(last)
}

fn attempt(report: &Report, number: usize) -> Attempt {
    let attempt = &report.attempts[number];
    Attempt {
        attempt_id: number + 1,
        address: (&attempt.address).into(),
        local: attempt.socket.local.map(|local| local.to_string()),
        start_ms: attempt.start.into(),
        reason: attempt.schedule.reason.into(),
        after: attempt.schedule.after().map(|number| number + 1),
        start_lag_ms: attempt.schedule.start_lag.into(),
        duration_ms: attempt.took.into(),
        tls_ms: report.tls_of(number).and_then(TlsReport::took).map(Into::into),
        result: (&attempt.outcome).into(),
        answered: report.answered(number),
        phase: match &attempt.outcome {
            report::Outcome::Failure(Phase::Tls, _) => Some("tls".to_owned()),
            report::Outcome::Failure(phase, _) => Some(phase.to_string()),
            _ => None,
        },
        error: error::of_attempt(attempt),
        icmp: attempt.icmp.as_ref().map(Icmp::from),
        end_lag_ms: report.end_lag(attempt).into(),
        reset: attempt.is_reset,
        tcp_info: attempt.tcp.map(TcpInfo::from),
        socket: attempt.socket.options.as_ref().map(SocketOptions::from),
        refused_options: attempt.socket.refused.iter().map(RefusedOption::from).collect(),
        route: attempt.socket.route.as_ref().map(surroundings::route),
    }
}

impl From<&IcmpError> for Icmp {
    fn from(icmp: &IcmpError) -> Self {
        Self {
            protocol: icmp.protocol().into(),
            icmp_type: icmp.icmp_type,
            code: icmp.code,
            from: icmp.from.map(|from| from.to_string()),
            from_this_host: icmp.is_from_this_host,
            meaning: icmp.meaning().into(),
        }
    }
}

impl From<&report::Outcome> for AttemptResult {
    fn from(outcome: &report::Outcome) -> Self {
        match outcome {
            report::Outcome::Success => Self::Success,
            report::Outcome::Failure(..) => Self::Failure,
            report::Outcome::Timeout => Self::Timeout,
            report::Outcome::Canceled | report::Outcome::Pending => Self::Canceled,
        }
    }
}

impl From<Reason> for StartReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::First(FirstAttemptReason::Known) => Self::AddressesKnown,
            Reason::First(FirstAttemptReason::PreferredFamily) => Self::PreferredFamilyAnswered,
            Reason::First(FirstAttemptReason::AllAnswered) => Self::AllAnswered,
            Reason::First(FirstAttemptReason::NegativeAnswer) => Self::PreferredFamilyHasNone,
            Reason::First(FirstAttemptReason::ResolutionDelay) => Self::ResolutionDelayPassed,
            Reason::Timer => Self::AttemptDelayPassed,
            Reason::AttemptEnded(_) => Self::AttemptEnded,
            Reason::LateAnswer => Self::LateAnswer,
            Reason::ParallelLimit => Self::ParallelLimit,
        }
    }
}

impl From<&loopctl::SocketOptions> for SocketOptions {
    fn from(options: &loopctl::SocketOptions) -> Self {
        Self {
            interface: options.interface.clone(),
            ttl: options.ttl,
            dscp: options.dscp,
            mark: options.mark,
            nodelay: options.nodelay,
            mptcp: options.multipath,
            tfo: options.fast_open,
            keepalive: options.keepalive.map(|keepalive| Keepalive {
                idle_ms: keepalive.idle.into(),
                interval_ms: keepalive.interval.into(),
                count: keepalive.count,
            }),
        }
    }
}

impl From<&(loopctl::SocketOption, Failure)> for RefusedOption {
    fn from((option, failure): &(loopctl::SocketOption, Failure)) -> Self {
        Self { option: option.to_string(), error: Some(error::of_failure(failure, None)) }
    }
}

impl From<loopctl::TcpInfo> for TcpInfo {
    /// A round trip of zero is one that was not measured.
    fn from(tcp: loopctl::TcpInfo) -> Self {
        let is_measured = tcp.established && !tcp.rtt.is_zero();
        let micros = |time: Duration| is_measured.then_some(time.as_micros() as u64);
        Self {
            rtt_us: micros(tcp.rtt),
            rttvar_us: micros(tcp.rtt_variance),
            retransmits: tcp.retransmits,
            snd_mss: tcp.send_mss,
            bytes_sent: tcp.traffic.bytes_sent,
            bytes_acked: tcp.traffic.bytes_acked,
            bytes_received: tcp.traffic.bytes_received,
            received_out_of_order: tcp.traffic.received_out_of_order,
        }
    }
}
