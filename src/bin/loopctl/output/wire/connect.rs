//! Document of `loopctl connect --json`: `schemas/connect.v1.json`. `json/connect.rs` fills it in.

use loopctl::plan::Preset;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::common::{
    AddressRecord, AttemptResult, ErrorRecord, IpFamily, Ms, Outcome, RunEnd, SlowCallback,
    WallClock, Word,
};
use super::compare::{Compare, QueryType};
use super::http::Http;
use super::other_clients::OtherClients;
use super::query::{HostsLine, Query, Record};
use super::surroundings::{Route, Surroundings};
use super::tls::Tls;
use crate::diagnose::findings::{Basis, EvidenceSource, FindingKind};

/// All _ms are milliseconds since work on the target began, or durations. null: it did not happen, or is not known.
/// Fields may be added within version 1; none is removed or changes its meaning.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "One target of `loopctl connect --json`", extend("allOf" = conditions()))]
pub(crate) struct Document {
    pub(crate) schema: Name,
    /// Version of the program.
    pub(crate) version: Word,
    /// Target as it was typed.
    pub(crate) target: String,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    /// Start in RFC 3339, UTC; the only wall-clock time.
    pub(crate) start: WallClock,
    pub(crate) outcome: Outcome,
    pub(crate) end: RunEnd,
    /// Exit code of the process, were this its only target.
    pub(crate) exit_code: u8,
    pub(crate) total_ms: Ms,
    /// Time from the resolver's answer to the start of the attempt that won, without the delays of this host: late
    /// starts, and answers that it read late.
    pub(crate) cost_ms: Option<Ms>,
    /// Cost of Happy Eyeballs: from the first answer with addresses to the start of the attempt that won; waiting
    /// for another answer, and cost_ms.
    pub(crate) he_cost_ms: Option<Ms>,
    /// Reasons for the time it took, in the order in which they happened; empty where the first address won at once.
    pub(crate) why: Vec<Why>,
    pub(crate) policy: Policy,
    pub(crate) resolve: Resolve,
    /// Attempts that were started, in starting order.
    pub(crate) attempts: Vec<Attempt>,
    /// attempt_id of the connection.
    #[schemars(range(min = 1))]
    pub(crate) selected: Option<usize>,
    pub(crate) tls: Option<Tls>,
    pub(crate) tcp_info: Option<TcpInfo>,
    #[schemars(extend("enum" = ["tcp", "udp", "unix"]))]
    pub(crate) transport: Word,
    /// Request of --http, and its response.
    pub(crate) http: Option<Http>,
    /// Redirects that were followed (--location), in their order. outcome, error and exit_code are those of the last.
    #[serde(default)]
    pub(crate) redirects: Vec<Self>,
    pub(crate) relay: Option<Relay>,
    pub(crate) slow_callbacks: Vec<SlowCallback>,
    /// Expectations that did not hold.
    pub(crate) unmet: Vec<Unmet>,
    /// Times in which this process did not run, as far as its timers show.
    #[serde(default)]
    pub(crate) stalls: Vec<Stall>,
    pub(crate) waited: Option<Waited>,
    pub(crate) compare: Option<Compare>,
    pub(crate) error: Option<ErrorRecord>,
    /// Clients that would have fared worse here; null: none is known to.
    pub(crate) other_clients: Option<OtherClients>,
    /// Number of addresses that were not tried.
    pub(crate) not_tried: usize,
    /// Hint about a remedy or the next step, as on standard error.
    pub(crate) hint: Option<String>,
    /// State of this host; null: every attempt connected, and no proxy is set for the target.
    pub(crate) surroundings: Option<Surroundings>,
}

/// Relations between the fields, which types do not express.
fn conditions() -> Value {
    let success = json!({ "properties": { "outcome": { "const": "success" } } });
    json!([
        {
            "if": success,
            "then": { "properties": {
                "selected": { "type": "integer" },
                "error": { "type": "null" },
                "exit_code": {
                    "$comment": "a relay that ended otherwise has its own; 60 is --cert-expiry",
                    "enum": [0, 3, 22, 23, 26, 28, 55, 56, 60, 130, 141, 143],
                },
            } },
            "else": {
                "properties": {
                    "error": { "type": "object" },
                    "exit_code": { "not": { "const": 0 } },
                },
                "anyOf": [
                    { "properties": { "selected": { "type": "null" } } },
                    {
                        "$comment": "the connection is there, TLS over it is not",
                        "properties": { "tls": { "type": "object" } },
                    },
                    {
                        "$comment": "the connection is there, a whole response is not",
                        "properties": { "http": { "type": "object" } },
                    },
                ],
            },
        },
        {
            "if": { "properties": {
                "outcome": { "const": "success" },
                "relay": { "type": "null" },
            } },
            "then": { "properties": { "exit_code": { "enum": [0, 3, 22, 60] } } },
        },
        {
            "if": { "properties": { "outcome": { "const": "interrupted" } } },
            "then": { "properties": { "end": { "const": "interrupted" } } },
            "else": {
                "$comment": "a relay may be interrupted on a connection that is a success",
                "anyOf": [
                    { "properties": { "end": { "const": "completed" } } },
                    { "properties": { "relay": { "type": "object" } } },
                ],
            },
        },
    ])
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) enum Name {
    #[serde(rename = "loopctl.connect.v1")]
    V1,
}

/// Reason for a delay, with the attempt, the family or the question that caused it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Why {
    pub(crate) kind: FindingKind,
    #[schemars(range(min = 1))]
    pub(crate) attempt_id: Option<usize>,
    pub(crate) family: Option<IpFamily>,
    pub(crate) query: Option<QueryType>,
    /// Delay of the connection for this reason.
    pub(crate) cost_ms: Ms,
    pub(crate) message: String,
    /// Relation to the evidence. fact: observed. inference: follows from observations that exclude every other
    /// cause known. guess: one of several causes with the same evidence.
    pub(crate) basis: Basis,
    /// Observations that the reason rests on.
    pub(crate) evidence: Vec<Evidence>,
}

/// Observation, with its source.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Evidence {
    pub(crate) source: EvidenceSource,
    pub(crate) message: String,
}

/// Fields of a policy that flags can change.
const CHANGEABLE: [&str; 8] = [
    "connection_attempt_delay_ms",
    "resolution_delay_ms",
    "min_connection_attempt_delay_ms",
    "interleave",
    "max_parallel",
    "max_addresses",
    "attempt_timeout_ms",
    "success",
];

/// Rules of the race.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Policy {
    /// Preset that the rules come from, but for the changed fields.
    #[schemars(extend("enum" = Preset::ALL.map(Preset::name)))]
    pub(crate) name: Word,
    /// Fields that flags have set to another value than the preset's.
    #[schemars(extend("items" = json!({ "enum": CHANGEABLE })))]
    pub(crate) changed: Vec<Word>,
    /// Connection Attempt Delay (RFC 8305); null: one address after another.
    pub(crate) connection_attempt_delay_ms: Option<Ms>,
    /// Resolution Delay (RFC 8305); null: the addresses of all families are waited for.
    pub(crate) resolution_delay_ms: Option<Ms>,
    /// Minimum time between the starts of two attempts, where a packet has left.
    pub(crate) min_connection_attempt_delay_ms: Ms,
    /// First Address Family Count (RFC 8305); 0: the order of the resolver.
    pub(crate) interleave: usize,
    pub(crate) max_parallel: Option<usize>,
    /// Largest number of addresses to try.
    #[schemars(range(min = 1))]
    pub(crate) max_addresses: Option<usize>,
    pub(crate) attempt_timeout_ms: Option<Ms>,
    pub(crate) deadline_ms: Ms,
    pub(crate) all: bool,
    /// Condition for an attempt to win: a connection, or the end of the TLS handshake over it.
    pub(crate) success: Success,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Success {
    Tcp,
    Tls,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Resolve {
    pub(crate) via: Via,
    pub(crate) duration_ms: Option<Ms>,
    /// Questions to the system (one for each family, or one for both) or to name servers, as in loopctl.resolve.v1.
    pub(crate) queries: Vec<Query<Record>>,
    /// Addresses in the order in which they are tried.
    pub(crate) candidates: Vec<AddressRecord>,
    /// Lines of the hosts file that gave candidates.
    pub(crate) hosts: Vec<HostsLine>,
    /// Questions of this program to each name server of the system; null: the system's lookup needs no explanation.
    pub(crate) probe: Option<NameProbe>,
    pub(crate) error: Option<ErrorRecord>,
}

/// Questions of this program to the name servers of resolv.conf(5), without EDNS, each asked once.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct NameProbe {
    pub(crate) start_ms: Ms,
    /// Names of the search list, in the order in which the system asks for them.
    pub(crate) names: Vec<String>,
    /// timeout of resolv.conf(5).
    pub(crate) timeout_ms: Ms,
    /// attempts of resolv.conf(5).
    pub(crate) attempts: u32,
    /// Longest time that getaddrinfo needs for one name: no server answers, or the first one answers only one of A and
    /// AAAA.
    pub(crate) getaddrinfo_max_ms: Ms,
    pub(crate) servers: Vec<NameServer>,
}

/// One name server of resolv.conf(5).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct NameServer {
    pub(crate) address: String,
    pub(crate) file: Word,
    /// Line of the file; null: the default server.
    pub(crate) line: Option<usize>,
    pub(crate) queries: Vec<Query<Record>>,
}

/// Source of the addresses.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Via {
    System,
    Dns,
    Literal,
    Given,
    Cached,
}

/// Time in which this process did not run.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Stall {
    pub(crate) start_ms: Ms,
    pub(crate) duration_ms: Ms,
}

/// Attempt to connect to one address.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("allOf" = attempt_conditions()))]
pub(crate) struct Attempt {
    #[schemars(range(min = 1))]
    pub(crate) attempt_id: usize,
    #[serde(flatten)]
    pub(crate) address: AddressRecord,
    /// Address of this end.
    pub(crate) local: Option<String>,
    pub(crate) start_ms: Ms,
    pub(crate) reason: StartReason,
    /// attempt_id of the attempt whose end started this one.
    #[schemars(range(min = 1))]
    pub(crate) after: Option<usize>,
    /// Time between the planned start and the start: the delay of this process, not the network's.
    pub(crate) start_lag_ms: Ms,
    /// Time until TCP was connected, or the attempt ended without; tls_ms follows it.
    pub(crate) duration_ms: Ms,
    /// Duration of the TLS handshake over this connection, as far as it came; null: there was none.
    pub(crate) tls_ms: Option<Ms>,
    /// Result. failure: the network or the kernel refused. timeout: a deadline passed. canceled: another attempt
    /// won, or the user interrupted.
    pub(crate) result: AttemptResult,
    /// Whether a datagram came back, over UDP; null: nothing was sent, or it was refused.
    pub(crate) answered: Option<bool>,
    /// Step that failed.
    #[schemars(extend("enum" = ["socket", "socket options", "bind", "connect", "tls", null]))]
    pub(crate) phase: Option<String>,
    pub(crate) error: Option<ErrorRecord>,
    /// ICMP error about the packets of the attempt; null: none came.
    pub(crate) icmp: Option<Icmp>,
    /// Time from the arrival of the answer to the SYN until this process looked at it: its own delay, not the
    /// network's. It is part of duration_ms. Of a rejection, whose time the kernel does not keep, it is the longest
    /// such time.
    pub(crate) end_lag_ms: Ms,
    /// Whether the peer reset the connection right after it had accepted it.
    pub(crate) reset: bool,
    pub(crate) tcp_info: Option<TcpInfo>,
    pub(crate) socket: Option<SocketOptions>,
    pub(crate) refused_options: Vec<RefusedOption>,
    /// Route of this host to the address, looked up after the attempt failed.
    pub(crate) route: Option<Route>,
}

/// ICMP or ICMPv6 error.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Icmp {
    #[schemars(extend("enum" = ["ICMP", "ICMPv6"]))]
    pub(crate) protocol: Word,
    #[serde(rename = "type")]
    pub(crate) icmp_type: u8,
    pub(crate) code: u8,
    /// Sender; null: not known.
    pub(crate) from: Option<String>,
    /// Whether the sender is this host.
    pub(crate) from_this_host: bool,
    /// Type and code in words.
    pub(crate) meaning: Word,
}

fn attempt_conditions() -> Value {
    json!([{
        "if": { "properties": { "result": { "enum": ["failure", "timeout"] } } },
        "then": { "properties": { "error": { "type": "object" } } },
        "else": { "properties": { "error": { "type": "null" } } },
    }])
}

/// Reason for the start time of an attempt: the addresses were known from the beginning; those of the preferred
/// family came; all questions were answered; the preferred family has no address; the Resolution Delay passed; the
/// Connection Attempt Delay passed; another attempt ended (see after); its address came late; fewer than
/// max_parallel were under way again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum StartReason {
    AddressesKnown,
    PreferredFamilyAnswered,
    AllAnswered,
    PreferredFamilyHasNone,
    ResolutionDelayPassed,
    AttemptDelayPassed,
    AttemptEnded,
    LateAnswer,
    ParallelLimit,
}

/// Options of a socket in force, where some were asked for.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct SocketOptions {
    pub(crate) interface: Option<String>,
    pub(crate) ttl: Option<u8>,
    pub(crate) dscp: Option<u8>,
    pub(crate) mark: Option<u32>,
    pub(crate) nodelay: bool,
    pub(crate) mptcp: bool,
    pub(crate) tfo: bool,
    pub(crate) keepalive: Option<Keepalive>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Keepalive {
    pub(crate) idle_ms: Ms,
    pub(crate) interval_ms: Ms,
    pub(crate) count: u32,
}

/// Option that the kernel refused.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct RefusedOption {
    #[schemars(extend("enum" = ["ttl", "dscp", "mark", "tfo", "mptcp", "nodelay", "keepalive"]))]
    pub(crate) option: String,
    pub(crate) error: Option<ErrorRecord>,
}

/// State of a socket in the kernel when its attempt ended.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TcpInfo {
    /// Round-trip time; null: not measured, as after a lost SYN.
    pub(crate) rtt_us: Option<u64>,
    pub(crate) rttvar_us: Option<u64>,
    /// Segments sent again; before the handshake is over: SYNs.
    pub(crate) retransmits: u32,
    pub(crate) snd_mss: u32,
    /// Bytes sent, with those sent again.
    pub(crate) bytes_sent: u64,
    /// Bytes that the peer acknowledged. The SYN counts as one.
    pub(crate) bytes_acked: u64,
    pub(crate) bytes_received: u64,
    /// Segments received out of order.
    pub(crate) received_out_of_order: u32,
}

/// Traffic of --relay over the connection.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Relay {
    /// Bytes taken from standard input and given to the kernel.
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) duration_ms: Ms,
    /// End. eof: the peer's end, or silence of datagrams after the end of the input. idle: --idle-timeout. closed:
    /// standard output was closed.
    #[schemars(extend("enum" = ["eof", "reset", "idle", "closed", "interrupted", "error"]))]
    pub(crate) end: Word,
    pub(crate) error: Option<ErrorRecord>,
}

/// Expectation that did not hold.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Unmet {
    #[schemars(extend("enum" = ["require", "fail-on-fallback", "max-cost", "cert-expiry", "expect-status", "expect-body", "fail"]))]
    pub(crate) expectation: Word,
    pub(crate) message: String,
}

/// Results of the tries of --wait.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Waited {
    pub(crate) duration_ms: Ms,
    pub(crate) seen: Vec<Seen>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Seen {
    pub(crate) what: String,
    #[schemars(range(min = 1))]
    pub(crate) count: u64,
}
