//! Records of `loopctl serve --json`: `schemas/serve.v1.json`.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{
    AddressRecord, AttemptResult, ErrorRecord, Hex, IpFamily, Ms, SlowCallback, TlsVersion, Word,
};

/// One line each: every socket first, then connections as they end (datagrams as they are dealt with), totals in
/// between with --stats, the summary last. null: did not happen, or is not known.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "One record of `loopctl serve --json`")]
#[serde(untagged)]
pub(crate) enum Record {
    Listening(Listening),
    Faults(FaultsChanged),
    Connection(Box<Connection>),
    Datagram(Datagram),
    Transfer(Transfer),
    Stats(Stats),
    Summary(Summary),
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) enum Name {
    #[serde(rename = "loopctl.serve.v1")]
    V1,
}

/// Kind of a record, one type for each so that its schema is a constant.
macro_rules! kinds {
    ($($kind:ident $word:literal),*) => {$(
        #[derive(Debug, Serialize, Deserialize, JsonSchema)]
        #[schemars(inline)]
        pub(crate) enum $kind {
            #[serde(rename = $word)]
            Word,
        }
    )*};
}

kinds!(
    IsListening "listening",
    IsFaults "faults",
    IsConnection "connection",
    IsDatagram "datagram",
    IsTransfer "transfer",
    IsStats "stats",
    IsSummary "summary"
);

/// Socket that clients can connect to.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Listening {
    pub(crate) schema: Name,
    pub(crate) record: IsListening,
    /// Address; the path of a Unix domain socket as targets have it, with `unix:` in front.
    #[serde(flatten)]
    pub(crate) address: AddressRecord,
    /// Certificates; with --tls only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Certificates")]
    pub(crate) tls: Option<Certificates>,
    /// Faults and rate in force, with units and percentages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) in_force: Vec<String>,
}

/// Change of the faults while the server runs, by SIGHUP or the control socket.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FaultsChanged {
    pub(crate) schema: Name,
    pub(crate) record: IsFaults,
    /// Faults and rate in force from now on, with units and percentages.
    pub(crate) in_force: Vec<String>,
}

/// Certificate for clients that ask for no name or for an unknown one, and the others.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Certificates {
    #[serde(flatten)]
    pub(crate) first: Certificate,
    /// File that a client has to trust, if the certificate was made for this run.
    pub(crate) ca_file: Option<String>,
    /// Certificates of the other --tls=FILE.
    pub(crate) others: Vec<Certificate>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Certificate {
    /// SHA-256 of the whole certificate.
    pub(crate) sha256: Hex,
    /// Host names and addresses in it.
    pub(crate) names: Vec<String>,
}

/// IP address and port of one end of a connection.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Socket {
    pub(crate) ip: String,
    pub(crate) port: u16,
    pub(crate) family: IpFamily,
}

impl From<SocketAddr> for Socket {
    fn from(address: SocketAddr) -> Self {
        let (ip, port) = (address.ip(), address.port());
        Self { ip: ip.to_string(), port, family: ip.into() }
    }
}

/// Connection that has ended.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Connection {
    pub(crate) schema: Name,
    pub(crate) record: IsConnection,
    /// Address of the client; null for a Unix socket.
    pub(crate) peer: Option<Socket>,
    pub(crate) local: Option<Socket>,
    /// Bytes that the client sent and the mode took.
    pub(crate) bytes_in: u64,
    /// Bytes that the kernel accepted for sending; a lower bound if the connection broke off.
    pub(crate) bytes_out: u64,
    pub(crate) duration_ms: Ms,
    pub(crate) end: End,
    /// Whether it was cut off when the time to finish was up.
    pub(crate) aborted: bool,
    /// Faults sampled for the connection, applied or not.
    pub(crate) faults: Vec<String>,
    /// Faults that took effect, in that order.
    #[serde(default)]
    pub(crate) faults_applied: Vec<String>,
    /// Connection to the upstream; with --upstream only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Upstream")]
    pub(crate) upstream: Option<Upstream>,
    /// TLS session; null: plain text, or the handshake did not complete.
    pub(crate) tls: Option<Tls>,
    pub(crate) error: Option<ErrorRecord>,
}

/// Reason for the end of a connection; truncated: the client's TLS stream ended without close_notify, or with
/// --resume, its file before the length that it had announced; upstream: it could not be reached, or broke off.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum End {
    Eof,
    Reset,
    Truncated,
    Idle,
    Limit,
    Fault,
    Shutdown,
    Upstream,
    Error,
}

/// Connection of a client to the upstream.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Upstream {
    /// Address that is connected; null: none.
    pub(crate) address: Option<AddressRecord>,
    /// Time until the connection, with the handshake of TLS, or until its failure.
    pub(crate) connect_ms: Ms,
    /// Bytes from the upstream.
    pub(crate) bytes_in: u64,
    /// Bytes that the kernel accepted for sending to the upstream.
    pub(crate) bytes_out: u64,
    /// Attempts in the order of their starts.
    pub(crate) attempts: Vec<UpstreamAttempt>,
}

/// Attempt to connect to one address of the upstream.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct UpstreamAttempt {
    #[serde(flatten)]
    pub(crate) address: AddressRecord,
    pub(crate) start_ms: Ms,
    pub(crate) duration_ms: Ms,
    pub(crate) result: AttemptResult,
    pub(crate) error: Option<ErrorRecord>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Tls {
    pub(crate) version: TlsVersion,
    /// Registered name of the cipher suite, such as TLS_AES_256_GCM_SHA384.
    pub(crate) cipher: String,
    /// Group of the key exchange.
    pub(crate) group: Option<String>,
    pub(crate) alpn: Option<String>,
    /// Name that the client asked for.
    pub(crate) sni: Option<String>,
    pub(crate) resumed: bool,
    /// Certificate of the client.
    pub(crate) client: Option<ClientCertificate>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ClientCertificate {
    /// Subject as in RFC 4514; null where the certificate is not X.509.
    pub(crate) subject: Option<String>,
    /// SHA-256 of the whole certificate.
    pub(crate) sha256: Hex,
}

/// Datagram, and the answer to it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Datagram {
    pub(crate) schema: Name,
    pub(crate) record: IsDatagram,
    /// Address of the client; null for a Unix socket, and for several clients.
    pub(crate) peer: Option<Socket>,
    /// Name of the client's Unix socket, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) peer_path: Option<String>,
    /// Number of datagrams: more than 1 where they come too fast for a record each.
    pub(crate) count: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// Whether it was served; false: it was refused.
    pub(crate) allowed: bool,
    /// Reason why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) refusal: Option<Word>,
    pub(crate) error: Option<ErrorRecord>,
}

/// Data received by a sink: of each client with --output DIR or without --output, of all of them otherwise.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Transfer {
    pub(crate) schema: Name,
    pub(crate) record: IsTransfer,
    /// File; its name ends in .part where it is not complete.
    pub(crate) path: Option<String>,
    pub(crate) bytes: u64,
    pub(crate) complete: bool,
    pub(crate) checksum: Option<Checksum>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Checksum {
    pub(crate) algorithm: Algorithm,
    pub(crate) hex: Hex,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Algorithm {
    Sha256,
    Blake3,
}

/// Totals so far.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Counts {
    pub(crate) accepted: u64,
    pub(crate) closed: u64,
    pub(crate) aborted: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

/// Totals while the server runs (--stats).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Stats {
    pub(crate) schema: Name,
    pub(crate) record: IsStats,
    #[serde(flatten)]
    pub(crate) counts: Counts,
    pub(crate) open: u64,
    pub(crate) time_ms: Ms,
}

/// Totals when the server has ended.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Summary {
    pub(crate) schema: Name,
    pub(crate) record: IsSummary,
    #[serde(flatten)]
    pub(crate) counts: Counts,
    pub(crate) duration_ms: Ms,
    /// Value for --fault-seed that repeats the faults of this run.
    pub(crate) fault_seed: Option<u64>,
    pub(crate) slow_callbacks: Vec<SlowCallback>,
    /// Reason why there was no server, or why a sink could not store what it received.
    pub(crate) error: Option<ErrorRecord>,
}
