//! Document of many tries: `schemas/repeat.v1.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{AddressRecord, Ms, RunEnd, Word};

/// Durations are milliseconds. null: nothing was timed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(bound = "", title = "All tries of one target of `loopctl connect --count`")]
pub(crate) struct Document<R> {
    pub(crate) schema: Name,
    /// Version of the program.
    pub(crate) version: Word,
    /// Target as it was typed.
    pub(crate) target: String,
    pub(crate) end: RunEnd,
    pub(crate) exit_code: u8,
    pub(crate) duration_ms: Ms,
    pub(crate) tries: u64,
    pub(crate) connected: u64,
    /// Times from the first question to the connection, of the tries that connected.
    pub(crate) times: Option<Times>,
    /// Phases of the HTTP exchanges that succeeded (--http); null: there were none.
    pub(crate) http: Option<HttpTimes>,
    /// Tries won by addresses of each family.
    pub(crate) won_by: WonBy,
    pub(crate) syn: SynStats,
    pub(crate) addresses: Vec<AddressStats>,
    /// Hints about the tries, each once.
    pub(crate) hints: Vec<Hint>,
    /// A loopctl.connect.v1 document for each try with --json; with --ndjson they are records of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<serde_json::Value>")]
    pub(crate) reports: Option<R>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) enum Name {
    #[serde(rename = "loopctl.repeat.v1")]
    V1,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Hint {
    /// Hint, worded for the first try that it is about.
    pub(crate) hint: String,
    /// Number of tries that it is about.
    pub(crate) tries: u64,
}

/// Phases of HTTP exchanges.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct HttpTimes {
    /// From the request to the first byte, without the round trip.
    pub(crate) server: Option<Times>,
    pub(crate) body: Option<Times>,
    /// From the first question to the end of the response.
    pub(crate) total: Option<Times>,
}

/// Distribution of times.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Times {
    pub(crate) min_ms: Ms,
    pub(crate) p50_ms: Ms,
    pub(crate) p90_ms: Ms,
    pub(crate) p99_ms: Ms,
    pub(crate) max_ms: Ms,
    /// Whether the quantiles are times as measured: up to 10000 tries. Beyond that they have three digits.
    pub(crate) is_exact: bool,
}

/// SYNs of the attempts that connected. A SYN that the kernel sent again was lost, or its answer was lost or late, or
/// the accept queue was full.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct SynStats {
    /// All SYNs, those sent again included.
    pub(crate) sent: u64,
    pub(crate) resent: u64,
    pub(crate) resent_percent: f64,
    /// Tries won by an attempt with a SYN that was sent again.
    pub(crate) tries: u64,
    /// Those of them whose first SYN was answered, but late: the round-trip time is that of a slow path.
    pub(crate) first_answered: u64,
    /// Median handshake with a resent SYN, less the median without. null: there were not both.
    pub(crate) cost_ms: Option<Ms>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct WonBy {
    pub(crate) ipv4: u64,
    pub(crate) ipv6: u64,
}

/// One address over all tries.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct AddressStats {
    #[serde(flatten)]
    pub(crate) address: AddressRecord,
    pub(crate) won: u64,
    /// Tries in which another address won, before or after this one had connected.
    pub(crate) lost: u64,
    pub(crate) failed: u64,
    pub(crate) last_failure: Option<String>,
    /// Times of the attempts to this address that connected.
    pub(crate) connect_times: Option<Times>,
}
