//! HTTP exchange in the documents of `connect`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{ErrorRecord, Ms};

/// Request of --http over the connection, and its response. null: none was sent, or it did not come so far.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Http {
    pub(crate) method: String,
    /// Request target: path and query.
    pub(crate) path: String,
    pub(crate) version: HttpVersion,
    #[schemars(range(min = 100, max = 999))]
    pub(crate) status: Option<u16>,
    /// Reason phrase, as sent or as registered.
    pub(crate) reason: Option<String>,
    pub(crate) server: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) content_length: Option<u64>,
    pub(crate) location: Option<String>,
    /// max-age of Strict-Transport-Security, in seconds.
    pub(crate) hsts_seconds: Option<u64>,
    /// Whether Alt-Svc offers HTTP/3.
    pub(crate) offers_http3: bool,
    /// Number of interim responses (1xx).
    pub(crate) interim_responses: u32,
    /// Start of the request.
    pub(crate) start_ms: Ms,
    /// The kernel had taken the whole request.
    pub(crate) sent_ms: Option<Ms>,
    /// First byte of the response; over HTTP/2, its header.
    pub(crate) first_byte_ms: Option<Ms>,
    /// End of the header.
    pub(crate) head_ms: Option<Ms>,
    pub(crate) end_ms: Ms,
    /// Time of the server: from sent_ms to first_byte_ms, without round_trip_ms.
    pub(crate) server_ms: Option<Ms>,
    /// Round trip by the kernel.
    pub(crate) round_trip_ms: Option<Ms>,
    pub(crate) body_ms: Option<Ms>,
    /// Bytes of the body, without its transfer coding.
    pub(crate) body_bytes: u64,
    /// Rate of the body; null: it took less than 1 ms.
    pub(crate) bytes_per_second: Option<u64>,
    pub(crate) error: Option<ErrorRecord>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) enum HttpVersion {
    #[serde(rename = "HTTP/1.0")]
    Http10,
    #[serde(rename = "HTTP/1.1")]
    Http11,
    #[serde(rename = "HTTP/2")]
    Http2,
}
