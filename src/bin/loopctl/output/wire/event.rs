//! Records of `loopctl connect --ndjson` and of qlog files: `schemas/event.v1.json`.

use schemars::JsonSchema;
use serde::Serialize;

use super::common::{AddressFamily, AttemptResult, IpFamily, Ms, TlsVersion};
use super::compare::QueryType;
use super::connect::StartReason;
use super::http::HttpVersion;

/// Names and fields are those of draft-kuehlewind-happy-qlog; events of TLS and HTTP, which it does not have, are ours. local,
/// syn_retransmits, and of attempt_started reason, after_attempt_id and start_lag_ms (with fractions) are ours. time_ms
/// counts from the moment work on the target began; durations inside data are whole milliseconds, as the draft has
/// them. An optional field of the draft is left out, not null.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "One event of `loopctl connect --ndjson`")]
pub(crate) struct Record {
    pub(crate) schema: Name,
    pub(crate) time_ms: Ms,
    #[serde(flatten)]
    pub(crate) event: Event,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) enum Name {
    #[serde(rename = "loopctl.event.v1")]
    V1,
}

/// Event with its data.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "name", content = "data")]
pub(crate) enum Event {
    #[serde(rename = "hev3:config_set")]
    ConfigSet(InSession<ConfigSet>),
    #[serde(rename = "hev3:dns_query_started")]
    DnsQueryStarted(InSession<DnsQueryStarted>),
    #[serde(rename = "hev3:dns_query_finished")]
    DnsQueryFinished(InSession<DnsQueryFinished>),
    #[serde(rename = "hev3:candidate_discovered")]
    CandidateDiscovered(InSession<CandidateDiscovered>),
    #[serde(rename = "hev3:candidates_sorted")]
    CandidatesSorted(InSession<CandidatesSorted>),
    #[serde(rename = "hev3:attempt_scheduled")]
    AttemptScheduled(InSession<AttemptScheduled>),
    #[serde(rename = "hev3:attempt_started")]
    AttemptStarted(InSession<AttemptStarted>),
    #[serde(rename = "hev3:attempt_outcome")]
    AttemptOutcome(InSession<AttemptOutcome>),
    #[serde(rename = "hev3:next_attempt_timer_set")]
    NextAttemptTimerSet(InSession<TimerSet>),
    #[serde(rename = "hev3:next_attempt_timer_fired")]
    NextAttemptTimerFired(InSession<Empty>),
    #[serde(rename = "hev3:next_attempt_timer_canceled")]
    NextAttemptTimerCanceled(InSession<TimerCanceled>),
    #[serde(rename = "hev3:connection_selected")]
    ConnectionSelected(InSession<ConnectionSelected>),
    #[serde(rename = "hev3:connection_aborted")]
    ConnectionAborted(InSession<ConnectionAborted>),
    #[serde(rename = "hev3:metrics")]
    Metrics(InSession<Metrics>),
    #[serde(rename = "tls:handshake_started")]
    TlsHandshakeStarted(InSession<OfAttempt>),
    #[serde(rename = "tls:first_byte")]
    TlsFirstByte(InSession<OfAttempt>),
    #[serde(rename = "tls:handshake_finished")]
    TlsHandshakeFinished(InSession<HandshakeFinished>),
    #[serde(rename = "http:request_started")]
    HttpRequested(InSession<HttpRequested>),
    #[serde(rename = "http:response_started")]
    HttpResponded(InSession<HttpResponded>),
    #[serde(rename = "http:finished")]
    HttpFinished(InSession<HttpFinished>),
}

/// Data of an event, and the session that it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct InSession<T> {
    #[serde(flatten)]
    pub(crate) data: T,
    /// Number of the target, and of the try.
    pub(crate) he_session_id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Empty {}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ConfigSet {
    pub(crate) policy: Policy,
    #[schemars(extend("const" = "app_config"))]
    pub(crate) reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Policy {
    pub(crate) preferred_address_family_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub(crate) connection_attempt_delay_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize")]
    pub(crate) max_parallel_attempts: Option<usize>,
    pub(crate) preferred_family: PreferredFamily,
    /// Condition for success; not_refused: UDP has no handshake.
    pub(crate) success_definition: SuccessDefinition,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum PreferredFamily {
    Ipv4,
    Ipv6,
    Auto,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum SuccessDefinition {
    TcpConnected,
    TlsConnected,
    NotRefused,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct DnsQueryStarted {
    pub(crate) dns_id: String,
    pub(crate) hostname: String,
    #[schemars(with = "Vec<QueryType>", length(min = 1))]
    pub(crate) qtypes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct DnsQueryFinished {
    pub(crate) dns_id: String,
    pub(crate) hostname: String,
    pub(crate) results: Vec<DnsResult>,
    pub(crate) answer_type: AnswerType,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) error_message: Option<String>,
    pub(crate) duration_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct DnsResult {
    #[serde(rename = "type")]
    #[schemars(extend("const" = "address"))]
    pub(crate) kind: &'static str,
    pub(crate) address: String,
    pub(crate) family: IpFamily,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum AnswerType {
    Positive,
    Negative,
    Error,
}

/// Address of an attempt; the path of a Unix domain socket has the port 0.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Target {
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) family: AddressFamily,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct CandidateDiscovered {
    #[schemars(extend("const" = "dns"))]
    pub(crate) source: &'static str,
    pub(crate) target: Target,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct CandidatesSorted {
    #[schemars(length(min = 1))]
    pub(crate) groups: Vec<Group>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Group {
    pub(crate) group_id: &'static str,
    pub(crate) candidates: Vec<Target>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct AttemptScheduled {
    pub(crate) attempt_id: String,
    pub(crate) target: Target,
    pub(crate) scheduled_after_ms: u64,
    pub(crate) reason: ScheduleReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum ScheduleReason {
    PolicyTimer,
    DnsCompleted,
    ResolutionDelayExpired,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct AttemptStarted {
    pub(crate) attempt_id: String,
    pub(crate) target: Target,
    pub(crate) transport: Transport,
    /// Reason as in loopctl.connect.v1.
    pub(crate) reason: StartReason,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) after_attempt_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Ms")]
    pub(crate) start_lag_ms: Option<Ms>,
}

/// Transport; the draft has no Unix domain sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct AttemptOutcome {
    pub(crate) attempt_id: String,
    pub(crate) result: AttemptResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) error_code: Option<String>,
    pub(crate) connect_duration_ms: u64,
    /// Duration of the TLS handshake that is a part of the attempt, as far as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub(crate) tls_duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) local: Option<String>,
    pub(crate) syn_retransmits: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct TimerSet {
    pub(crate) delay_ms: u64,
    #[schemars(extend("const" = "initial"))]
    pub(crate) reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct TimerCanceled {
    pub(crate) reason: TimerEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum TimerEnd {
    Success,
    Abort,
    ListExhausted,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ConnectionSelected {
    pub(crate) attempt_id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ConnectionAborted {
    pub(crate) reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Metrics {
    pub(crate) outcome: MetricsOutcome,
    pub(crate) total_duration_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub(crate) tt_first_success_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AddressFamily")]
    pub(crate) first_success_family: Option<AddressFamily>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Transport")]
    pub(crate) first_success_transport: Option<Transport>,
    pub(crate) attempts_total: usize,
    pub(crate) attempts_success: usize,
    pub(crate) attempts_failure: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum MetricsOutcome {
    Success,
    Aborted,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct OfAttempt {
    /// Attempt whose connection it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) attempt_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct HandshakeFinished {
    pub(crate) result: AttemptResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TlsVersion")]
    pub(crate) version: Option<TlsVersion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) cipher: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub(crate) duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) error_message: Option<String>,
    #[serde(flatten)]
    pub(crate) of: OfAttempt,
}

/// Start of the request of --http.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct HttpRequested {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) attempt_id: Option<String>,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) version: HttpVersion,
}

/// End of the header of the response. The times are those of loopctl.connect.v1.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct HttpResponded {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) attempt_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u16")]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Ms")]
    pub(crate) first_byte_ms: Option<Ms>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Ms")]
    pub(crate) server_ms: Option<Ms>,
}

/// End of the response, or of its failure.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct HttpFinished {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) attempt_id: Option<String>,
    pub(crate) result: AttemptResult,
    pub(crate) body_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Ms")]
    pub(crate) body_ms: Option<Ms>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) error_message: Option<String>,
}
