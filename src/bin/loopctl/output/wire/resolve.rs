//! Document of `loopctl resolve --json`: `schemas/resolve.v1.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::common::{ErrorRecord, IpFamily, Ms, RunEnd, SlowCallback, WallClock, Word};
use super::query::{HostsLine, Query, Record};
use crate::diagnose::difference::DifferenceKind;

/// All _ms are milliseconds since work on the name began, or durations. null: it did not happen, or is not known.
/// Fields may be added within version 1; none is removed or changes its meaning.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "One name of `loopctl resolve --json`", extend("allOf" = conditions()))]
pub(crate) struct Document {
    pub(crate) schema: Name,
    /// Version of the program.
    pub(crate) version: Word,
    /// Name as it was typed.
    pub(crate) name: String,
    /// Name as it goes over the wire, without the port.
    pub(crate) ascii_name: String,
    pub(crate) port: Option<u16>,
    /// Start in RFC 3339, UTC; the only wall-clock time.
    pub(crate) start: WallClock,
    pub(crate) outcome: Outcome,
    pub(crate) end: RunEnd,
    #[schemars(extend("enum" = [0, 6, 130, 143, 23, 141]))]
    pub(crate) exit_code: u8,
    pub(crate) duration_ms: Ms,
    /// Questions in the order in which they began.
    pub(crate) queries: Vec<VerifiedQuery>,
    /// Addresses; first those that a connection would try, in that order.
    pub(crate) addresses: Vec<Address>,
    /// Lines of the hosts file that gave addresses of the system.
    pub(crate) hosts: Vec<HostsLine>,
    /// Reasons for different answers of the system and of name servers, each with evidence.
    pub(crate) differences: Vec<Difference>,
    /// Lines of /etc/resolv.conf without effect, and files that cannot be read.
    pub(crate) warnings: Vec<String>,
    /// Records of types other than addresses, and of traces.
    pub(crate) records: Vec<Proved<Record>>,
    /// Zones from the root downwards (--trace).
    pub(crate) trace: Vec<Hop>,
    pub(crate) slow_callbacks: Vec<SlowCallback>,
    pub(crate) error: Option<ErrorRecord>,
}

/// Reason why the system and name servers differ.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Difference {
    pub(crate) kind: DifferenceKind,
    pub(crate) message: String,
}

fn conditions() -> serde_json::Value {
    json!([{
        "if": { "properties": { "outcome": { "const": "success" } } },
        "then": { "properties": { "exit_code": { "const": 0 }, "error": { "type": "null" } } },
        "else": { "properties": { "error": { "type": "object" } } },
    }])
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) enum Name {
    #[serde(rename = "loopctl.resolve.v1")]
    V1,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Outcome {
    Success,
    NxDomain,
    NoData,
    /// The system does not know the name (EAI_NONAME).
    NoName,
    /// The system has no address for the name (EAI_NODATA, EAI_ADDRFAMILY).
    NoAddress,
    Referral,
    Lame,
    #[serde(rename = "alias_loop")]
    AliasLoop,
    #[serde(rename = "alias_not_followed")]
    AliasNotFollowed,
    #[serde(rename = "alias_chain_too_long")]
    AliasChainTooLong,
    ServFail,
    Refused,
    Timeout,
    Error,
    Interrupted,
    Indeterminate,
    Bogus,
}

/// One question, with what signatures prove of the answer.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Query")]
pub(crate) struct VerifiedQuery {
    #[serde(flatten)]
    pub(crate) query: Query<Proved<Record>>,
    /// Purpose; verification: keys, and what proves them, asked for with --dnssec.
    pub(crate) purpose: Purpose,
    /// Proof of the answer as a whole, also of a negative one; null: not verified.
    pub(crate) dnssec: Option<Validation>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Purpose {
    Answer,
    Verification,
}

/// Something with what signatures prove of it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Proved{T}")]
pub(crate) struct Proved<T> {
    #[serde(flatten)]
    pub(crate) of: T,
    /// Proof of the record and those of its name and type; null: not verified, or itself a signature.
    pub(crate) dnssec: Option<Proof>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Validation {
    pub(crate) proof: ProofKind,
    /// Reason where it is not secure.
    pub(crate) why: Option<String>,
    /// Zones whose keys are proved, from the trust anchor down.
    pub(crate) chain: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Proof {
    pub(crate) proof: ProofKind,
    /// Reason where it is not secure.
    pub(crate) why: Option<String>,
}

/// Security status (RFC 4035, section 4.3), found out by this program from the trust anchors.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum ProofKind {
    Secure,
    Insecure,
    Bogus,
    Indeterminate,
}

/// Address with its ranks.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Address {
    pub(crate) ip: String,
    pub(crate) family: IpFamily,
    /// Rank in the order of the system, from 1.
    #[schemars(range(min = 1))]
    pub(crate) system_rank: Option<usize>,
    /// Rank in the order of the name servers, from 1.
    #[schemars(range(min = 1))]
    pub(crate) dns_rank: Option<usize>,
    /// Rank in the order of a connection, from 1; null: a connection would not try it.
    #[schemars(range(min = 1))]
    pub(crate) connect_rank: Option<usize>,
    /// Time to live in seconds.
    pub(crate) ttl: Option<u64>,
    /// Source address of a connection from this host; null: there is none.
    pub(crate) source: Option<String>,
    /// Rule that explains the rank, usually of RFC 6724; null: there is nothing to explain.
    pub(crate) rule: Option<String>,
    /// Proof of the record and those of its name and type; null: not verified.
    pub(crate) dnssec: Option<Proof>,
}

/// One zone on the way down from the root.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Hop {
    /// Zone whose servers were asked.
    pub(crate) zone: String,
    /// Name that they were asked for.
    pub(crate) name: String,
    /// Address and port of the server that answered, or was asked last.
    pub(crate) server: Option<String>,
    pub(crate) server_name: Option<String>,
    pub(crate) start_ms: Ms,
    pub(crate) duration_ms: Ms,
    pub(crate) step: StepKind,
    /// Zone of a referral, or target of an alias.
    pub(crate) next_name: Option<String>,
    pub(crate) name_servers: Vec<String>,
    /// Reason where the way ends.
    pub(crate) message: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum StepKind {
    Referral,
    Alias,
    Answered,
    NxDomain,
    NoData,
    Lame,
    ServFail,
    Refused,
    Timeout,
    Error,
    Lost,
}
