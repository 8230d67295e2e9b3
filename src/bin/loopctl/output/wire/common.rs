//! Values that several documents share.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use loopctl::Address;
use loopctl::plan::{Family, SlowLog};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::util::units;

pub(crate) const VERSION: Word = Cow::Borrowed(env!("CARGO_PKG_VERSION"));

/// Word of a fixed list, which a document of another version may not be limited to.
pub(crate) type Word = Cow<'static, str>;

/// Milliseconds, to the microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Ms(f64);

impl Ms {
    pub(crate) fn value(self) -> f64 {
        self.0
    }

    /// Duration; zero for a number of a document that is none.
    pub(crate) fn duration(self) -> Duration {
        Duration::try_from_secs_f64(self.0 / 1000.0).unwrap_or_default()
    }
}

impl From<Duration> for Ms {
    fn from(duration: Duration) -> Self {
        Self(units::ms(duration))
    }
}

impl JsonSchema for Ms {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Ms".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0 })
    }
}

/// Time of day on this host's clock: RFC 3339, UTC, with microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct WallClock(String);

impl From<SystemTime> for WallClock {
    fn from(time: SystemTime) -> Self {
        Self(humantime::format_rfc3339_micros(time).to_string())
    }
}

impl fmt::Display for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for WallClock {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "WallClock".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$";
        json_schema!({ "type": "string", "pattern": pattern })
    }
}

/// SHA-256 or BLAKE3 checksum in hexadecimal digits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hex(pub(crate) String);

impl JsonSchema for Hex {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Hex".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
    }
}

/// End of the work: by itself, or by the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum RunEnd {
    Completed,
    Interrupted,
}

impl RunEnd {
    pub(crate) fn new(is_interrupted: bool) -> Self {
        if is_interrupted { Self::Interrupted } else { Self::Completed }
    }
}

/// Result of a connection or of a transfer over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Outcome {
    Success,
    Failure,
    Timeout,
    Interrupted,
}

/// End of an attempt or of a handshake, with the names of qlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum AttemptResult {
    Success,
    Failure,
    Timeout,
    Canceled,
}

/// Kind of an error, by which scripts decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum ErrorKind {
    Refused,
    Unreachable,
    Reset,
    Timeout,
    Dns,
    Tls,
    Cert,
    Http,
    Io,
}

/// Error with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Error")]
pub(crate) struct ErrorRecord {
    pub(crate) kind: ErrorKind,
    /// Error number of the system.
    pub(crate) errno: Option<i32>,
    /// Symbol of the error, such as ECONNREFUSED, EAI_NONAME or NXDOMAIN.
    pub(crate) name: Option<String>,
    #[schemars(length(min = 1))]
    pub(crate) message: String,
}

impl ErrorRecord {
    pub(crate) fn plain(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, errno: None, name: None, message: message.into() }
    }
}

/// Address family of an IP address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum IpFamily {
    Ipv4,
    Ipv6,
}

/// Family of the packets to an address: an IPv4-mapped one is IPv4.
impl From<IpAddr> for IpFamily {
    fn from(ip: IpAddr) -> Self {
        if ip.to_canonical().is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }
}

/// Address family, Unix domain sockets included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum AddressFamily {
    Ipv4,
    Ipv6,
    Unix,
}

/// Address: IP address and port, or the path of a Unix domain socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Address")]
pub(crate) struct AddressRecord {
    /// IP address, with its zone.
    pub(crate) ip: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) family: AddressFamily,
    /// Path of a Unix domain socket; ip and port are null then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) path: Option<String>,
}

impl From<&Address> for AddressFamily {
    fn from(address: &Address) -> Self {
        match address.family() {
            Some(Family::Inet6) => Self::Ipv6,
            Some(_) => Self::Ipv4,
            None => Self::Unix,
        }
    }
}

impl From<&Address> for AddressRecord {
    fn from(address: &Address) -> Self {
        let family = address.into();
        match address {
            Address::Inet(inet) => Self {
                ip: Some(without_port(address)),
                port: Some(inet.port()),
                family,
                path: None,
            },
            Address::Unix(path) => {
                Self { ip: None, port: None, family, path: Some(path.display().to_string()) }
            }
        }
    }
}

/// The IP address as text, zone included.
pub(crate) fn without_port(address: &Address) -> String {
    let text = address.to_string();
    let host = text.rsplit_once(':').map_or(text.as_str(), |(host, _)| host);
    host.trim_matches(['[', ']']).to_owned()
}

/// Version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) enum TlsVersion {
    #[serde(rename = "TLSv1.2")]
    Tls12,
    #[serde(rename = "TLSv1.3")]
    Tls13,
}

impl From<loopctl::TlsVersion> for TlsVersion {
    fn from(version: loopctl::TlsVersion) -> Self {
        match version {
            loopctl::TlsVersion::Tls12 => Self::Tls12,
            _ => Self::Tls13,
        }
    }
}

/// Slow callbacks of one kind (`--slow-callback`).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SlowCallback {
    /// Name of the task, or the kind of the callback.
    pub(crate) what: String,
    /// File and line that scheduled it.
    pub(crate) scheduled_at: Option<String>,
    #[schemars(range(min = 1))]
    pub(crate) count: u64,
    pub(crate) total_ms: Ms,
    pub(crate) longest_ms: Ms,
}

pub(crate) fn slow_callbacks(slow: &SlowLog) -> Vec<SlowCallback> {
    let jobs = slow.worst().iter();
    jobs.map(|job| SlowCallback {
        what: job.name.clone(),
        scheduled_at: job.origin.map(|at| format!("{}:{}", at.file(), at.line())),
        count: job.count,
        total_ms: job.total.into(),
        longest_ms: job.longest.into(),
    })
    .collect()
}

/// Serialized name of a unit variant, for formats without types: CSV, texts of qlog.
pub(crate) fn variant_name(variant: &impl Serialize) -> String {
    let value = serde_json::to_value(variant).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}
