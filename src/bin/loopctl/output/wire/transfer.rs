//! Document of `loopctl sendfile --json`: `schemas/sendfile.v1.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{ErrorRecord, Hex, Ms, Outcome, Word};
use super::connect;

/// One document, also when the file could not be read, nothing was connected, or it was interrupted. null: did not
/// happen, or is not known.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "The document of `loopctl sendfile --json`")]
pub(crate) struct Document {
    pub(crate) schema: Name,
    /// Version of the program.
    pub(crate) version: Word,
    /// File name as it was typed.
    pub(crate) file: String,
    /// Target as it was typed.
    pub(crate) target: String,
    pub(crate) outcome: Outcome,
    pub(crate) exit_code: u8,
    /// Start in the file; with --resume, the size that the sink already had.
    pub(crate) offset_bytes: u64,
    /// Bytes to send; null where a file does not say how long it is.
    pub(crate) count_bytes: Option<u64>,
    /// Bytes of the file that the kernel of this host has taken. Only success says that the peer's kernel has them;
    /// with --resume, that the sink has stored them.
    pub(crate) sent_bytes: u64,
    /// Method in use, also where nothing was sent; null where nothing was tried.
    pub(crate) method: Option<Method>,
    /// Reason for a copy.
    pub(crate) fallback_reason: Option<FallbackReason>,
    /// Whether this kernel could encrypt for sendfile(2), where TLS is the reason for a copy.
    pub(crate) kernel_tls: Option<bool>,
    /// Calls of sendfile(2), or reads of the file.
    pub(crate) calls: u64,
    pub(crate) duration_ms: Ms,
    pub(crate) bytes_per_second: Option<u64>,
    /// Segments sent again; null for what is not TCP.
    pub(crate) retransmits: Option<u32>,
    pub(crate) sha256: Option<Hex>,
    pub(crate) blake3: Option<Hex>,
    /// Document loopctl.connect.v1 of the connection; null where there was no file to connect for.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub(crate) connect: Option<Box<connect::Document>>,
    pub(crate) error: Option<ErrorRecord>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) enum Name {
    #[serde(rename = "loopctl.sendfile.v1")]
    V1,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Method {
    Sendfile,
    Copy,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum FallbackReason {
    Asked,
    Tls,
    NotARegularFile,
    Refused,
}
