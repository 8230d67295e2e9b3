//! Records of a server, one a line.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loopctl::plan::SlowLog;
use loopctl::{Address, TlsInfo};

use crate::output::wire::common::{
    AddressRecord, AttemptResult, ErrorKind, ErrorRecord, Hex, slow_callbacks,
};
use crate::output::wire::serve::{
    self, Algorithm, Certificates, Checksum, ClientCertificate, Connection, Counts, FaultsChanged,
    IsConnection, IsDatagram, IsFaults, IsListening, IsStats, IsSummary, IsTransfer, Listening,
    Name, Record, Socket, Stats, Summary, Tls, Transfer,
};
use crate::report::certificate::Certificate;
use crate::report::served::{
    ClientError, ClientRecord, Datagram, DatagramRefusal, EndReason, ErrorSource,
    ServedCertificates, TlsOutcome, Totals, TransferRecord, UpstreamAttempt, UpstreamOutcome,
    UpstreamRecord,
};
use crate::util::checksum;

/// A socket that clients can connect to.
pub(crate) fn listening(
    address: &Address,
    shown: Option<&ServedCertificates>,
    in_force: &[String],
) -> Record {
    let address = AddressRecord::from(address);
    let path = address.path.map(|path| format!("unix:{path}"));
    Record::Listening(Listening {
        schema: Name::V1,
        record: IsListening::Word,
        address: AddressRecord { path, ..address },
        tls: shown.and_then(certificates),
        in_force: in_force.to_vec(),
    })
}

/// Faults that are in force from now on.
pub(crate) fn faults_changed(in_force: &[String]) -> Record {
    let (schema, record) = (Name::V1, IsFaults::Word);
    Record::Faults(FaultsChanged { schema, record, in_force: in_force.to_vec() })
}

/// Certificate of the first, and those for clients that ask for another name.
fn certificates(shown: &ServedCertificates) -> Option<Certificates> {
    let mut all = shown.certificates.iter().map(serve::Certificate::from);
    let first = all.next()?;
    let ca_file = shown.ca_file.as_deref().map(text);
    Some(Certificates { first, ca_file, others: all.collect() })
}

impl From<&Certificate> for serve::Certificate {
    fn from(certificate: &Certificate) -> Self {
        Self { sha256: Hex(certificate.sha256.clone()), names: certificate.names().to_vec() }
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A connection that has ended.
pub(crate) fn connection(ended: &ClientRecord) -> Record {
    Record::Connection(Box::new(Connection {
        schema: Name::V1,
        record: IsConnection::Word,
        peer: ended.endpoints.peer.map(Socket::from),
        local: ended.endpoints.local.map(Socket::from),
        bytes_in: ended.bytes.received,
        bytes_out: ended.bytes.sent,
        duration_ms: ended.took.into(),
        end: ended.end.into(),
        aborted: ended.aborted,
        faults: ended.faults.clone(),
        faults_applied: ended.applied.clone(),
        upstream: ended.upstream.as_ref().map(serve::Upstream::from),
        tls: match &ended.tls {
            TlsOutcome::Established(info) => Some(Tls::from(&**info)),
            TlsOutcome::Plaintext | TlsOutcome::Incomplete => None,
        },
        error: ended.error.as_ref().map(|trouble| error(trouble, ended.end)),
    }))
}

impl From<EndReason> for serve::End {
    fn from(end: EndReason) -> Self {
        match end {
            EndReason::Eof => Self::Eof,
            EndReason::Reset => Self::Reset,
            EndReason::Truncated => Self::Truncated,
            EndReason::Idle => Self::Idle,
            EndReason::Limit => Self::Limit,
            EndReason::Fault => Self::Fault,
            EndReason::Shutdown => Self::Shutdown,
            EndReason::Upstream => Self::Upstream,
            EndReason::Error => Self::Error,
        }
    }
}

impl From<&UpstreamRecord> for serve::Upstream {
    fn from(record: &UpstreamRecord) -> Self {
        let UpstreamRecord { race, bytes } = record;
        let selected = race.winner();
        Self {
            address: selected.map(|attempt| AddressRecord::from(&attempt.address)),
            connect_ms: race.took.into(),
            bytes_in: bytes.received,
            bytes_out: bytes.sent,
            attempts: race.attempts.iter().map(serve::UpstreamAttempt::from).collect(),
        }
    }
}

impl From<&UpstreamAttempt> for serve::UpstreamAttempt {
    fn from(attempt: &UpstreamAttempt) -> Self {
        let (result, failure) = match &attempt.outcome {
            UpstreamOutcome::Success => (AttemptResult::Success, None),
            UpstreamOutcome::Failure(failure) => (AttemptResult::Failure, Some(failure)),
            UpstreamOutcome::Timeout => (AttemptResult::Timeout, None),
            UpstreamOutcome::Canceled => (AttemptResult::Canceled, None),
        };
        let error = failure.map(|failure| {
            let trouble = ClientError { failure: failure.clone(), source: ErrorSource::Io };
            error(&trouble, EndReason::Upstream)
        });
        Self {
            address: AddressRecord::from(&attempt.address),
            start_ms: attempt.start.into(),
            duration_ms: attempt.took.into(),
            result,
            error,
        }
    }
}

/// A datagram, and what was sent back.
pub(crate) fn datagram(datagram: &Datagram) -> Record {
    let peer = datagram.peer.as_ref();
    Record::Datagram(serve::Datagram {
        schema: Name::V1,
        record: IsDatagram::Word,
        peer: peer.and_then(Address::as_inet).map(Socket::from),
        peer_path: peer.and_then(path_of).map(|path| text(&path)),
        count: datagram.count,
        bytes_in: datagram.bytes.received,
        bytes_out: datagram.bytes.sent,
        allowed: datagram.refusal.is_none(),
        refusal: datagram.refusal.map(DatagramRefusal::text).map(Into::into),
        error: datagram.error.as_ref().map(|trouble| error(trouble, EndReason::Error)),
    })
}

fn path_of(address: &Address) -> Option<PathBuf> {
    match address {
        Address::Unix(path) => Some(path.clone()),
        Address::Inet(_) => None,
    }
}

/// Data received by a sink.
pub(crate) fn stored(stored: &TransferRecord) -> Record {
    Record::Transfer(Transfer {
        schema: Name::V1,
        record: IsTransfer::Word,
        path: stored.path.as_deref().map(text),
        bytes: stored.bytes,
        complete: stored.is_whole,
        checksum: stored.sum.as_ref().map(Checksum::from),
    })
}

impl From<&checksum::Sum> for Checksum {
    fn from(sum: &checksum::Sum) -> Self {
        let algorithm = match sum.algorithm {
            checksum::Algorithm::Sha256 => Algorithm::Sha256,
            checksum::Algorithm::Blake3 => Algorithm::Blake3,
        };
        Self { algorithm, hex: Hex(sum.hex.clone()) }
    }
}

pub(crate) fn stats(totals: &Totals, after: Duration) -> Record {
    Record::Stats(Stats {
        schema: Name::V1,
        record: IsStats::Word,
        counts: totals.into(),
        open: totals.open(),
        time_ms: after.into(),
    })
}

impl From<&Totals> for Counts {
    fn from(totals: &Totals) -> Self {
        Self {
            accepted: totals.accepted,
            closed: totals.closed,
            aborted: totals.aborted,
            bytes_in: totals.bytes.received,
            bytes_out: totals.bytes.sent,
        }
    }
}

/// Totals at the end; `trouble` is the failure of a sink to store what it received.
pub(crate) fn summary(
    totals: &Totals,
    took: Duration,
    seed: Option<u64>,
    slow: &SlowLog,
    trouble: Option<&ClientError>,
) -> Record {
    Record::Summary(Summary {
        schema: Name::V1,
        record: IsSummary::Word,
        counts: totals.into(),
        duration_ms: took.into(),
        fault_seed: seed,
        slow_callbacks: slow_callbacks(slow),
        error: trouble.map(|trouble| error(trouble, EndReason::Error)),
    })
}

/// Totals of a server that could not begin.
pub(crate) fn refused(why: &str, took: Duration) -> Record {
    Record::Summary(Summary {
        schema: Name::V1,
        record: IsSummary::Word,
        counts: (&Totals::default()).into(),
        duration_ms: took.into(),
        fault_seed: None,
        slow_callbacks: Vec::new(),
        error: Some(ErrorRecord::plain(ErrorKind::Io, why)),
    })
}

impl From<&TlsInfo> for Tls {
    fn from(info: &TlsInfo) -> Self {
        Self {
            version: info.version.into(),
            cipher: info.cipher_suite.clone(),
            group: info.key_exchange.clone(),
            alpn: info.alpn.as_deref().map(|name| String::from_utf8_lossy(name).into_owned()),
            sni: info.server_name.clone(),
            resumed: info.resumed,
            client: info.peer.chain.first().map(|der| Certificate::new(der).into()),
        }
    }
}

impl From<Certificate> for ClientCertificate {
    fn from(certificate: Certificate) -> Self {
        let subject = certificate.parsed.map(|said| said.subject);
        Self { subject, sha256: Hex(certificate.sha256) }
    }
}

fn error(trouble: &ClientError, end: EndReason) -> ErrorRecord {
    let ClientError { failure, source } = trouble;
    let kind = match source {
        ErrorSource::Name => ErrorKind::Dns,
        ErrorSource::Tls => ErrorKind::Tls,
        ErrorSource::Certificate => ErrorKind::Cert,
        ErrorSource::Io if end == EndReason::Reset => ErrorKind::Reset,
        ErrorSource::Io => match failure.kind {
            io::ErrorKind::ConnectionRefused => ErrorKind::Refused,
            io::ErrorKind::TimedOut => ErrorKind::Timeout,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                ErrorKind::Unreachable
            }
            _ => ErrorKind::Io,
        },
    };
    let name = failure.name().map(str::to_owned);
    ErrorRecord { kind, errno: failure.errno, name, message: failure.message.clone() }
}
