//! Records of a server: clients, datagrams, transfers and totals.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use loopctl::{Address, Failure, TlsError, TlsErrorKind, TlsInfo};

use super::certificate::Certificate;
use crate::util::checksum::Sum;

/// Reason for the end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EndReason {
    /// Both directions ended with end-of-file.
    Eof,
    /// The client reset or closed the connection too early.
    Reset,
    /// The client closed without close_notify (RFC 8446, section 6.1): the last bytes may be missing.
    Truncated,
    /// No byte moved for `--idle-timeout`.
    Idle,
    /// A limit of the server: the client's network, or a request or transfer that is too large or too slow.
    Limit,
    /// `--fault`
    Fault,
    /// The server shut down.
    Shutdown,
    /// The upstream could not be reached, or broke off.
    Upstream,
    /// An error on the server's side.
    Error,
}

/// Outcome of a server that listened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServeOutcome {
    Completed,
    /// A second signal, during the grace period.
    Signal(i32),
    /// Clients that had not finished at the end of the grace period.
    ClientsCutOff,
    /// A sink did not receive all of a transfer.
    Incomplete,
    /// `--timeout` passed before the requested number of clients had come.
    TooFewClients,
}

/// Record of a closed connection.
#[derive(Debug, Clone)]
pub(crate) struct ClientRecord {
    pub(crate) endpoints: Endpoints,
    pub(crate) tls: TlsOutcome,
    pub(crate) bytes: Bytes,
    pub(crate) took: Duration,
    pub(crate) end: EndReason,
    /// Names of the faults that were drawn.
    pub(crate) faults: Vec<String>,
    /// Names of the faults that took effect.
    pub(crate) applied: Vec<String>,
    /// The connection to `--upstream`.
    pub(crate) upstream: Option<UpstreamRecord>,
    pub(crate) error: Option<ClientError>,
    /// The connection was aborted at the end of the grace period.
    pub(crate) aborted: bool,
}

/// A client's connection to `--upstream`.
#[derive(Debug, Clone)]
pub(crate) struct UpstreamRecord {
    pub(crate) race: UpstreamRace,
    pub(crate) bytes: Bytes,
}

/// The race of an upstream's addresses.
#[derive(Debug, Clone, Default)]
pub(crate) struct UpstreamRace {
    /// In the order of their starts.
    pub(crate) attempts: Vec<UpstreamAttempt>,
    /// The attempt that won.
    pub(crate) selected: Option<usize>,
    /// Time until the connection or the failure, with the handshake of TLS.
    pub(crate) took: Duration,
}

/// An attempt to connect to one address of an upstream.
#[derive(Debug, Clone)]
pub(crate) struct UpstreamAttempt {
    pub(crate) address: Address,
    /// Time since the beginning of the race.
    pub(crate) start: Duration,
    pub(crate) took: Duration,
    pub(crate) outcome: UpstreamOutcome,
}

/// End of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UpstreamOutcome {
    Success,
    Failure(Failure),
    Timeout,
    /// Another attempt won, or the client left.
    Canceled,
}

/// Record of a transfer to a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TransferRecord {
    /// `None` without a file.
    pub(crate) path: Option<PathBuf>,
    pub(crate) bytes: u64,
    pub(crate) is_whole: bool,
    pub(crate) sum: Option<Sum>,
}

/// Addresses of a connection; `None` for a Unix socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endpoints {
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) local: Option<SocketAddr>,
}

/// TLS of a connection.
#[derive(Debug, Clone)]
pub(crate) enum TlsOutcome {
    /// The server has no `--tls`.
    Plaintext,
    /// The connection ended before the handshake did.
    Incomplete,
    Established(Box<TlsInfo>),
}

/// An error with its source.
#[derive(Debug, Clone)]
pub(crate) struct ClientError {
    pub(crate) failure: Failure,
    pub(crate) source: ErrorSource,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorSource {
    Io,
    /// Resolution of the upstream's name.
    Name,
    Tls,
    /// Verification of the peer's certificate.
    Certificate,
}

/// Certificates of a server with `--tls`.
#[derive(Debug, Clone)]
pub(crate) struct ServedCertificates {
    /// First the one for clients that send no server name.
    pub(crate) certificates: Vec<Certificate>,
    /// File with the generated certificates, for a client to trust.
    pub(crate) ca_file: Option<PathBuf>,
}

/// Record of a datagram and of the reply, or of many where they come too fast for a line each.
#[derive(Debug, Clone)]
pub(crate) struct Datagram {
    /// `None` for a Unix socket without a name, and for several clients.
    pub(crate) peer: Option<Address>,
    /// Number of datagrams.
    pub(crate) count: u64,
    pub(crate) bytes: Bytes,
    /// `None`: it was served.
    pub(crate) refusal: Option<DatagramRefusal>,
    pub(crate) error: Option<ClientError>,
}

/// Reason why a datagram got no reply. Its source may be forged, and a reply may go round for ever (CVE-1999-0103).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DatagramRefusal {
    /// `--allow` does not name the network.
    Network,
    /// It came from a socket of this server.
    OwnSocket,
    /// The source port is that of a service: below 1024.
    ServicePort,
    /// The source is no address of one host.
    NotUnicast,
    /// The source has had as many replies as it may have in a second.
    Budget,
    /// The queue of waiting replies is full.
    QueueFull,
}

impl DatagramRefusal {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Network => "the client's network is not allowed",
            Self::OwnSocket => "its source is a socket of this server",
            Self::ServicePort => "its source port is below 1024",
            Self::NotUnicast => "its source is not the address of one host",
            Self::Budget => "its source has had 1000 replies in a second",
            Self::QueueFull => "16 MiB of replies are waiting",
        }
    }
}

/// Bytes received, and bytes that the kernel took for sending.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bytes {
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// Totals of a server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    pub(crate) accepted: u64,
    pub(crate) closed: u64,
    pub(crate) aborted: u64,
    /// Accepted clients that `--allow` refused.
    pub(crate) refused: u64,
    pub(crate) bytes: Bytes,
    pub(crate) ends: BTreeMap<EndReason, EndTotals>,
}

/// Totals of the connections that ended for the same reason.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EndTotals {
    pub(crate) count: u64,
    pub(crate) bytes: Bytes,
    pub(crate) longest: Duration,
}

impl EndReason {
    /// Whether the write buffer is sent before the connection is closed.
    pub(crate) fn is_orderly(self) -> bool {
        matches!(self, Self::Eof | Self::Limit | Self::Fault | Self::Shutdown)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Eof => "eof",
            Self::Reset => "reset",
            Self::Truncated => "truncated",
            Self::Idle => "idle",
            Self::Limit => "limit",
            Self::Fault => "fault",
            Self::Shutdown => "shutdown",
            Self::Upstream => "upstream",
            Self::Error => "error",
        }
    }
}

impl UpstreamRace {
    /// The attempt whose connection is used.
    pub(crate) fn winner(&self) -> Option<&UpstreamAttempt> {
        self.attempts.get(self.selected?)
    }
}

impl TransferRecord {
    /// The name of the file, whose bytes are not always text.
    pub(crate) fn name(&self) -> Vec<u8> {
        let path = self.path.as_ref();
        path.map_or_else(|| b"-".to_vec(), |path| path.as_os_str().as_encoded_bytes().to_vec())
    }
}

impl Totals {
    pub(crate) fn open(&self) -> u64 {
        self.accepted - self.closed - self.aborted
    }

    pub(crate) fn count(&mut self, ended: &ClientRecord) {
        match ended.aborted {
            true => self.aborted += 1,
            false => self.closed += 1,
        }
        self.bytes.add(ended.bytes);
        let share = self.ends.entry(ended.end).or_default();
        share.count += 1;
        share.bytes.add(ended.bytes);
        share.longest = share.longest.max(ended.took);
    }
}

impl Totals {
    /// Counts a datagram as closed at once.
    pub(crate) fn count_datagram(&mut self, datagram: &Datagram) {
        self.closed += datagram.count;
        self.bytes.add(datagram.bytes);
    }
}

impl Bytes {
    pub(crate) fn add(&mut self, other: Self) {
        self.received += other.received;
        self.sent += other.sent;
    }
}

impl From<&io::Error> for ClientError {
    fn from(error: &io::Error) -> Self {
        let source = match TlsError::within(error).map(TlsError::kind) {
            None => ErrorSource::Io,
            Some(TlsErrorKind::Certificate) => ErrorSource::Certificate,
            Some(_) => ErrorSource::Tls,
        };
        Self { failure: Failure::from(error), source }
    }
}
