//! For scripts: one record a line (schema loopctl.serve.v1).

use std::net::SocketAddr;
use std::time::Duration;

use loopctl::plan::SlowLog;
use loopctl::{Address, TlsInfo, TlsVersion};
use serde_json::{Map, Value, json};

use super::connect::slow_callbacks;
use crate::output::units::ms;
use crate::report::certificate::Certificate;
use crate::report::served::{
    ClientError, ClientRecord, Datagram, EndReason, ErrorSource, ServedCertificates, TlsOutcome,
    Totals, TransferRecord,
};

/// A socket that clients can connect to.
pub(crate) fn listening(address: &Address, shown: Option<&ServedCertificates>) -> Value {
    let mut record = record("listening");
    let place = match address {
        Address::Inet(address) => socket(*address),
        unix @ Address::Unix(_) => {
            json!({"ip": null, "port": null, "family": "unix", "path": unix.to_string()})
        }
    };
    extend(&mut record, place);
    if let Some(shown) = shown {
        record.insert("tls".to_owned(), certificates(shown));
    }
    Value::Object(record)
}

/// That of the first, and those that clients get who ask for another name.
fn certificates(shown: &ServedCertificates) -> Value {
    let told = |one: &Certificate| json!({"sha256": one.sha256, "names": one.names()});
    let mut all = shown.certificates.iter().map(told);
    let mut record = all.next().unwrap_or_else(|| json!({}));
    record["ca_file"] = shown.ca_file.as_ref().map(|path| path.to_string_lossy()).into();
    record["others"] = all.collect();
    record
}

/// A connection that is over.
pub(crate) fn connection(ended: &ClientRecord) -> Value {
    let mut record = record("connection");
    extend(
        &mut record,
        json!({
            "peer": ended.endpoints.peer.map(socket),
            "local": ended.endpoints.local.map(socket),
            "bytes_in": ended.bytes.received,
            "bytes_out": ended.bytes.sent,
            "duration_ms": ms(ended.took),
            "end": ended.end.name(),
            "aborted": ended.aborted,
            "faults": ended.faults,
            "tls": match &ended.tls {
                TlsOutcome::Established(info) => tls(info),
                TlsOutcome::Plaintext | TlsOutcome::Incomplete => Value::Null,
            },
            "error": ended.error.as_ref().map(|trouble| error(trouble, ended.end)),
        }),
    );
    Value::Object(record)
}

/// A datagram that has been dealt with.
pub(crate) fn datagram(datagram: &Datagram) -> Value {
    let mut record = record("datagram");
    let peer = datagram.peer.as_ref();
    extend(
        &mut record,
        json!({
            "peer": peer.and_then(Address::as_inet).map(socket),
            "bytes_in": datagram.bytes.received,
            "bytes_out": datagram.bytes.sent,
            "allowed": datagram.is_allowed,
            "error": datagram.error.as_ref().map(|trouble| error(trouble, EndReason::Error)),
        }),
    );
    Value::Object(record)
}

/// What a sink has received.
pub(crate) fn stored(stored: &TransferRecord) -> Value {
    let mut record = record("transfer");
    let sum = stored.sum.as_ref();
    extend(
        &mut record,
        json!({
            "path": stored.path.as_ref().map(|path| path.to_string_lossy()),
            "bytes": stored.bytes,
            "complete": stored.is_whole,
            "checksum": sum.map(|sum| json!({"algorithm": sum.algorithm.name(), "hex": sum.hex})),
        }),
    );
    Value::Object(record)
}

pub(crate) fn stats(totals: &Totals, after: Duration) -> Value {
    let mut record = record("stats");
    extend(&mut record, counts(totals));
    record.insert("open".to_owned(), totals.open().into());
    record.insert("time_ms".to_owned(), ms(after).into());
    Value::Object(record)
}

/// All of it, at the end; `trouble`: what went wrong with what a sink has to store.
pub(crate) fn summary(
    totals: &Totals,
    took: Duration,
    seed: Option<u64>,
    slow: &SlowLog,
    trouble: Option<&ClientError>,
) -> Value {
    let mut record = record("summary");
    extend(&mut record, counts(totals));
    record.insert("duration_ms".to_owned(), ms(took).into());
    record.insert("fault_seed".to_owned(), seed.into());
    record.insert("slow_callbacks".to_owned(), slow_callbacks(slow).into());
    let error = trouble.map(|trouble| error(trouble, EndReason::Error));
    record.insert("error".to_owned(), error.into());
    Value::Object(record)
}

/// All of it, where nothing could begin.
pub(crate) fn refused(why: &str, took: Duration) -> Value {
    let mut summary = summary(&Totals::default(), took, None, &SlowLog::new(0), None);
    let error = json!({"kind": "io", "errno": null, "name": null, "message": why});
    summary["error"] = error;
    summary
}

fn record(kind: &str) -> Map<String, Value> {
    let mut record = Map::new();
    record.insert("schema".to_owned(), "loopctl.serve.v1".into());
    record.insert("record".to_owned(), kind.into());
    record
}

fn counts(totals: &Totals) -> Value {
    json!({
        "accepted": totals.accepted,
        "closed": totals.closed,
        "aborted": totals.aborted,
        "bytes_in": totals.bytes.received,
        "bytes_out": totals.bytes.sent,
    })
}

fn socket(address: SocketAddr) -> Value {
    let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
    json!({"ip": address.ip().to_string(), "port": address.port(), "family": family})
}

fn tls(info: &TlsInfo) -> Value {
    let client = info.peer.chain.first().map(|der| {
        let client = Certificate::new(der);
        json!({"subject": client.parsed.as_ref().map(|said| &said.subject), "sha256": client.sha256})
    });
    json!({
        "version": match info.version {
            TlsVersion::Tls12 => "TLSv1.2",
            TlsVersion::Tls13 => "TLSv1.3",
        },
        "cipher": info.cipher_suite,
        "group": info.key_exchange,
        "alpn": info.alpn.as_deref().map(String::from_utf8_lossy),
        "sni": info.server_name,
        "resumed": info.resumed,
        "client": client,
    })
}

fn error(trouble: &ClientError, end: EndReason) -> Value {
    let ClientError { failure, source } = trouble;
    let kind = match source {
        ErrorSource::Tls => "tls",
        ErrorSource::Certificate => "cert",
        ErrorSource::Io if end == EndReason::Reset => "reset",
        ErrorSource::Io => "io",
    };
    json!({
        "kind": kind,
        "errno": failure.errno,
        "name": failure.name(),
        "message": failure.message,
    })
}

fn extend(record: &mut Map<String, Value>, with: Value) {
    if let Value::Object(with) = with {
        record.extend(with);
    }
}
