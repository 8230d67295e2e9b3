//! Questions to the system and to name servers, in the documents of `connect` and `resolve`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{ErrorRecord, Ms, Word};

/// One question, from the first message to the last.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Query<R> {
    pub(crate) via: QueryVia,
    /// Name as it was asked for, completed by the search list.
    pub(crate) name: String,
    /// Type, such as A; A,AAAA where the system was asked for both.
    #[serde(rename = "type")]
    pub(crate) record_type: String,
    /// Host and port of the name server; null: the system, or no server could be asked.
    pub(crate) server: Option<String>,
    /// Last transport in use: tcp after a truncated answer.
    pub(crate) transport: Option<Transport>,
    pub(crate) start_ms: Ms,
    pub(crate) duration_ms: Ms,
    /// Result; canceled: a connection was there before the answer.
    pub(crate) result: QueryResult,
    /// Response code of the answer (RFC 1035, section 4.1.1).
    pub(crate) rcode: Option<String>,
    pub(crate) flags: Option<Flags>,
    /// Whether an answer did not fit into a datagram.
    pub(crate) truncated: bool,
    /// Reason why the server was asked without EDNS; null: it was asked with EDNS, or did not answer.
    pub(crate) without_edns: Option<WithoutEdns>,
    /// Reasons that the server gives (RFC 8914).
    pub(crate) extended_errors: Vec<ExtendedError>,
    /// Faults of the message that do not change the answer.
    pub(crate) oddities: Vec<String>,
    pub(crate) retries: usize,
    /// Reasons for ignored messages, such as forged ones.
    pub(crate) ignored: Vec<String>,
    /// Messages to name servers, with what each server did; empty for the system.
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) answers: Vec<R>,
    /// Seconds for which a negative answer may be cached (RFC 2308).
    pub(crate) negative_ttl: Option<u64>,
    /// Whether signatures came with the answer, good or bad.
    pub(crate) signed: Option<bool>,
    pub(crate) error: Option<ErrorRecord>,
}

/// Line of the hosts file with an address of the name.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct HostsLine {
    pub(crate) ip: String,
    pub(crate) file: Word,
    #[schemars(range(min = 1))]
    pub(crate) line: usize,
}

/// One message to a name server.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Exchange {
    /// Host and port.
    pub(crate) server: String,
    pub(crate) transport: Transport,
    pub(crate) edns: bool,
    pub(crate) start_ms: Ms,
    /// Time until the reply, or the end of the query.
    pub(crate) duration_ms: Ms,
    /// Reply; pending: none before the query ended; silent: none within the time limit of a message.
    pub(crate) reply: Reply,
    /// Response code of an answer.
    pub(crate) rcode: Option<String>,
    /// Error of the socket or of the decoder.
    pub(crate) message: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Reply {
    Pending,
    Answered,
    Truncated,
    Silent,
    Failed,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum QueryVia {
    System,
    Dns,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Transport {
    Udp,
    Tcp,
    Tls,
    Https,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum QueryResult {
    Answered,
    NxDomain,
    NoData,
    /// The system does not know the name (EAI_NONAME).
    NoName,
    /// The system has no address for the name (EAI_NODATA, EAI_ADDRFAMILY).
    NoAddress,
    /// NOERROR without records from a server that is not in charge, with the servers of another zone.
    Referral,
    /// NOERROR without records from a server that is not in charge and asks no other.
    Lame,
    /// Aliases (CNAME) that lead back to one of them.
    #[serde(rename = "alias_loop")]
    AliasLoop,
    /// Alias (CNAME) about whose target the server says nothing.
    #[serde(rename = "alias_not_followed")]
    AliasNotFollowed,
    /// More aliases (CNAME) in a row than are followed.
    #[serde(rename = "alias_chain_too_long")]
    AliasChainTooLong,
    ServFail,
    Refused,
    Timeout,
    Error,
    Canceled,
    Indeterminate,
    Bogus,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum WithoutEdns {
    /// The server did not understand a question with EDNS.
    NotUnderstood,
    /// The server did not answer a question with EDNS.
    Silence,
}

/// Extended DNS Error (RFC 8914).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ExtendedError {
    pub(crate) code: u16,
    /// Name in IANA's registry; null: the code has none.
    pub(crate) name: Option<String>,
    /// Text of the server, which may be empty.
    pub(crate) text: String,
}

/// Flags of an answer (RFC 1035, section 4.1.1, and RFC 4035, section 3.2.3).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Flags {
    pub(crate) authoritative: bool,
    pub(crate) recursion_available: bool,
    /// AD: the server claims to have verified the answer, worth as much as the server.
    pub(crate) authentic: bool,
}

/// Resource record.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Record {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) record_type: String,
    /// Time to live in seconds; null: from the system's resolver, which has none.
    pub(crate) ttl: Option<u64>,
    /// Data as zone files have it.
    pub(crate) data: String,
}
