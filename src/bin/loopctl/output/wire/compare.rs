//! Comparison of policies (`--compare`) in the document of a connection.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{AttemptResult, ErrorRecord, IpFamily, Ms, Word};
use super::connect::StartReason;
use super::query::QueryVia;

/// Result that each policy would have, with --compare. The attempts of this document are then those of the
/// measurement.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Compare {
    /// Whether the policies were run as well.
    pub(crate) live: bool,
    /// Longest time to wait for an address.
    pub(crate) probe_timeout_ms: Ms,
    /// Time for which the kernel tries to connect where nothing answers.
    pub(crate) kernel_timeout_ms: Ms,
    pub(crate) probes: Probes,
    /// Policies; empty where the measurement was interrupted.
    pub(crate) policies: Vec<PolicyRow>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Probes {
    /// Questions, each by itself: AAAA, A, and both in one, as getaddrinfo asks.
    pub(crate) queries: Vec<ProbeQuery>,
    /// Addresses, each connected to by itself, in the order of RFC 6724.
    pub(crate) addresses: Vec<ProbeAddress>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ProbeQuery {
    pub(crate) types: Vec<QueryType>,
    pub(crate) via: QueryVia,
    pub(crate) start_ms: Ms,
    pub(crate) duration_ms: Ms,
    pub(crate) result: ProbeQueryResult,
    pub(crate) addresses: Vec<String>,
    pub(crate) error: Option<ErrorRecord>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) enum QueryType {
    #[serde(rename = "A")]
    A,
    #[serde(rename = "AAAA")]
    Aaaa,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum ProbeQueryResult {
    Answered,
    NxDomain,
    NoData,
    Error,
    Timeout,
    Canceled,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ProbeAddress {
    pub(crate) ip: String,
    pub(crate) port: u16,
    pub(crate) family: IpFamily,
    /// Label in the table.
    pub(crate) label: String,
    /// Number of the attempt in this document.
    #[schemars(range(min = 1))]
    pub(crate) attempt_id: Option<usize>,
    pub(crate) start_ms: Ms,
    pub(crate) duration_ms: Ms,
    pub(crate) result: AttemptResult,
    pub(crate) error: Option<ErrorRecord>,
    /// Handshake over it, where --tls asked for one.
    pub(crate) tls: Option<ProbeTls>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ProbeTls {
    pub(crate) duration_ms: Option<Ms>,
    pub(crate) result: AttemptResult,
    pub(crate) error: Option<ErrorRecord>,
}

/// Policy with its result.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Policy")]
pub(crate) struct PolicyRow {
    /// Name of a preset; `yours` is a policy that flags have changed.
    pub(crate) name: Word,
    /// Client that behaves like that.
    pub(crate) client: Word,
    /// Whether it is the policy that was asked for; exit_code and outcome are its own.
    pub(crate) selected: bool,
    pub(crate) predicted: Predicted,
    /// Result of the policy's run; null: it was not run.
    pub(crate) measured: Option<Measured>,
    /// Whether the run was as predicted: the same address, and no more than 15 ms and a tenth apart.
    pub(crate) matches: Option<bool>,
    pub(crate) mismatch: Option<Mismatch>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Predicted {
    /// Outcome; unknown: it depends on an answer that did not come; no_tls: a connection without TLS.
    pub(crate) outcome: PredictedOutcome,
    pub(crate) ip: Option<String>,
    pub(crate) port: Option<u16>,
    /// Time until the connection, or until there is none; null where that is unknown.
    pub(crate) ms: Option<Ms>,
    /// Time up to which the prediction is certain, where its end is unknown.
    pub(crate) at_least_ms: Option<Ms>,
    /// End if the silence lasts, and the kernel gives up as it says; null: unknown, or not the question.
    pub(crate) if_silent: Option<IfSilent>,
    /// Starts of attempts, as far as they are certain.
    pub(crate) starts: Vec<PredictedStart>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum PredictedOutcome {
    Success,
    Failure,
    NotResolved,
    NoTls,
    Unknown,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct IfSilent {
    pub(crate) outcome: PredictedOutcome,
    pub(crate) ip: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) ms: Ms,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct PredictedStart {
    pub(crate) ip: String,
    pub(crate) port: u16,
    pub(crate) start_ms: Ms,
    pub(crate) reason: StartReason,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Measured {
    pub(crate) outcome: MeasuredOutcome,
    pub(crate) ip: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) ms: Ms,
    pub(crate) exit_code: u8,
    /// Reason where there is no connection.
    pub(crate) message: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum MeasuredOutcome {
    Success,
    Failure,
    Timeout,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Mismatch {
    OtherWinner,
    Earlier,
    Later,
    Connected,
    NotConnected,
}
