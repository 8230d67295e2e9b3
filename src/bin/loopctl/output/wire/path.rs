//! Document of `loopctl connect --path --json`: `schemas/path.v1.json`. `json/path.rs` fills it in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{AddressRecord, ErrorRecord, Ms, Outcome, RunEnd, WallClock, Word};

/// All _ms are milliseconds. null: it did not happen, or is not known. Fields may be added within version 1; none is
/// removed or changes its meaning.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "One target of `loopctl connect --path --json`")]
pub(crate) struct Document {
    pub(crate) schema: Name,
    /// Version of the program.
    pub(crate) version: Word,
    /// Target as it was typed.
    pub(crate) target: String,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    #[schemars(extend("enum" = ["tcp", "udp"]))]
    pub(crate) transport: Word,
    /// Start in RFC 3339, UTC; the only wall-clock time.
    pub(crate) start: WallClock,
    /// Result. success: an address was reached. timeout: packets or answers vanish on the way to an address.
    pub(crate) outcome: Outcome,
    pub(crate) end: RunEnd,
    /// Exit code of the process, were this its only target.
    pub(crate) exit_code: u8,
    pub(crate) total_ms: Ms,
    /// Packets to each hop (--probes); the kernel may send a SYN again while an answer is awaited.
    #[schemars(range(min = 1))]
    pub(crate) probes: u32,
    /// Largest hop limit (--max-hops).
    #[schemars(range(min = 1))]
    pub(crate) max_hops: u8,
    pub(crate) paths: Vec<Path>,
    pub(crate) error: Option<ErrorRecord>,
    /// Hint about a remedy or the next step, as on standard error.
    pub(crate) hint: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) enum Name {
    #[serde(rename = "loopctl.path.v1")]
    V1,
}

/// Path to one address.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Path {
    #[serde(flatten)]
    pub(crate) address: AddressRecord,
    pub(crate) result: PathResult,
    /// Hop of the end: that of the target, of the rejection, of the first router of a loop, or the last hop that
    /// answered.
    pub(crate) last_hop: Option<u8>,
    /// Host that sent the last answer.
    pub(crate) last_ip: Option<String>,
    /// End of the path as a sentence.
    pub(crate) message: String,
    /// Whether every probe has ended; false: --timeout or a signal ended the sweep.
    pub(crate) complete: bool,
    pub(crate) path_mtu: Option<PathMtu>,
    /// Hops up to the last one that answered.
    pub(crate) hops: Vec<Hop>,
}

/// End of a path. reached: the target answered, by SYN-ACK, RST, a datagram or ICMP. rejected: a router or this host
/// sent an ICMP error. loop: routers send the packets to each other. silent: nothing came from beyond last_hop.
/// unsent: this host could not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum PathResult {
    Reached,
    Rejected,
    Loop,
    Silent,
    Unsent,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct PathMtu {
    /// Size of the largest IP packet, in bytes.
    pub(crate) bytes: u32,
    /// Router that reported it; null: the kernel's value for the route.
    pub(crate) ip: Option<String>,
}

/// Answers to the packets with one hop limit.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Hop {
    /// Hop limit of the packets.
    #[schemars(range(min = 1))]
    pub(crate) hop: u8,
    /// Packets sent, those that the kernel sent again included.
    pub(crate) sent: u32,
    pub(crate) answered: u32,
    /// Share of packets without an answer, 0 to 1; null: nothing was sent. Routers limit their errors, so that the
    /// loss of a hop before others that answer is not the loss of the path.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(crate) loss: Option<f64>,
    pub(crate) rtt_min_ms: Option<Ms>,
    pub(crate) rtt_max_ms: Option<Ms>,
    pub(crate) answers: Vec<Answer>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Answer {
    pub(crate) ip: String,
    pub(crate) kind: AnswerKind,
    /// ICMP message, with its meaning.
    pub(crate) icmp: Option<Icmp>,
    /// Round-trip time; null: the packet had been sent again, so that either may have been answered.
    pub(crate) rtt_ms: Option<Ms>,
}

/// Kind of an answer. time_exceeded: the hop limit was used up. connected: SYN-ACK. refused: RST. datagram: the
/// service's. icmp: another ICMP error. own_error: an ICMP error of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum AnswerKind {
    TimeExceeded,
    Connected,
    Refused,
    Datagram,
    Icmp,
    OwnError,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Icmp {
    #[serde(rename = "type")]
    pub(crate) kind: u8,
    pub(crate) code: u8,
    pub(crate) message: String,
}
