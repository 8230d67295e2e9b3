//! Clients that would have fared worse than a run, in the document of a connection.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{Ms, Word};
use super::compare::QueryType;

/// Common clients that would have taken at least a second longer, or failed, by what this run has measured.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct OtherClients {
    pub(crate) cause: Cause,
    /// Query without an answer, if that is the cause.
    pub(crate) query: Option<QueryType>,
    /// IP addresses without an answer, if they are the cause.
    pub(crate) silent: Vec<String>,
    pub(crate) clients: Vec<OtherClient>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Cause {
    /// They wait for the answers about both families.
    Answer,
    /// They try an address without an answer first.
    SilentAddress,
    /// They take the first TCP connection, over which TLS fails or is silent.
    Tls,
    Several,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct OtherClient {
    /// Policy that behaves like the client.
    pub(crate) policy: Word,
    pub(crate) client: Word,
    pub(crate) outcome: Outcome,
    /// Time until this outcome; for hangs, the time before which nothing happens if the silence lasts.
    pub(crate) ms: Ms,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Outcome {
    Success,
    Failure,
    Hangs,
}
