//! Servers: records and totals.

use std::io;
use std::path::{Path, PathBuf};

use loopctl::plan::SlowLog;
use loopctl::{Address, Failure};

use super::story::{address, errno, ms};
use super::{Golden, WIDTHS, plain};
use crate::output::human::serve::text;
use crate::output::json::serve as json;
use crate::output::wire::{self, serve::Record};
use crate::report::certificate::Certificate;
use crate::report::served::{
    Bytes, ClientError, ClientRecord, Datagram, DatagramRefusal, EndReason, Endpoints, ErrorSource,
    ServedCertificates, TlsOutcome, Totals, TransferRecord, UpstreamAttempt, UpstreamOutcome,
    UpstreamRace, UpstreamRecord,
};
use crate::util::checksum::{Algorithm, Sum};

fn record(golden: &mut Golden, title: &str, record: &Record) {
    golden.section(&format!("{title}: json"), &wire::line(record));
    super::assert_valid("serve.v1.json", record);
}

fn shown() -> ServedCertificates {
    let der = include_bytes!("../../../../tests/golden/expired.der");
    let certificates = vec![Certificate::new(der), Certificate::new(b"no X.509")];
    ServedCertificates { certificates, ca_file: Some(PathBuf::from("/tmp/a ca.pem")) }
}

#[test]
fn listening() {
    let mut golden = Golden::default();
    let unix = Address::Unix(Path::new("/run/test.sock").into());
    let places = [
        ("inet", Address::from(address("0.0.0.0:8080"))),
        ("inet6", Address::from(address("[::1]:8080"))),
        ("unix", unix),
    ];
    for (title, place) in places {
        record(&mut golden, title, &json::listening(&place, None, &[]));
        record(
            &mut golden,
            &format!("{title}, TLS"),
            &json::listening(&place, Some(&shown()), &["delay 200 ms".to_owned()]),
        );
        golden.section(&format!("{title}, TLS: human"), &text::shown(&shown(), &place));
    }
    record(&mut golden, "faults", &json::faults_changed(&["delay 200 ms".to_owned()]));
    let message = "cannot listen on 127.0.0.1:80: permission denied";
    record(&mut golden, "refused", &json::refused(message, ms(1.5)));
    golden.assert("serve/listening.txt");
}

fn ended(end: EndReason, error: Option<ClientError>) -> ClientRecord {
    ClientRecord {
        endpoints: Endpoints {
            peer: Some(address("10.77.0.9:50000")),
            local: Some(address("10.77.0.1:8080")),
        },
        tls: TlsOutcome::Plaintext,
        bytes: Bytes { received: 1200, sent: 3_400_000 },
        took: ms(1502.25),
        end,
        faults: Vec::new(),
        applied: Vec::new(),
        upstream: None,
        error,
        aborted: false,
    }
}

fn trouble(source: ErrorSource, failure: Failure) -> Option<ClientError> {
    Some(ClientError { failure, source })
}

fn says(text: &str) -> Failure {
    Failure::from(&io::Error::other(text))
}

/// The second address of an upstream, after the first has refused.
fn proxied() -> UpstreamRecord {
    let mut record = refused();
    record.race.attempts.push(UpstreamAttempt {
        address: Address::from(address("10.77.0.5:5432")),
        start: ms(1.0),
        took: ms(2.5),
        outcome: UpstreamOutcome::Success,
    });
    (record.race.selected, record.race.took) = (Some(1), ms(3.5));
    record.bytes = Bytes { received: 3_400_000, sent: 1200 };
    record
}

fn refused() -> UpstreamRecord {
    let attempt = UpstreamAttempt {
        address: Address::from(address("[fd00::5]:5432")),
        start: ms(0.0),
        took: ms(1.0),
        outcome: UpstreamOutcome::Failure(errno(111)),
    };
    let race = UpstreamRace { attempts: vec![attempt], selected: None, took: ms(1.0) };
    UpstreamRecord { race, bytes: Bytes::default() }
}

fn all() -> Vec<ClientRecord> {
    let mut unix = ended(EndReason::Eof, None);
    unix.endpoints = Endpoints { peer: None, local: None };
    let mut faulty = ended(EndReason::Fault, None);
    faulty.faults = vec!["delay".to_owned(), "reset".to_owned()];
    faulty.applied = vec!["reset".to_owned()];
    faulty.upstream = Some(proxied());
    let mut unreachable = ended(EndReason::Upstream, trouble(ErrorSource::Io, errno(111)));
    unreachable.upstream = Some(refused());
    let mut cut = ended(EndReason::Shutdown, None);
    cut.aborted = true;
    let mut without =
        ended(EndReason::Error, trouble(ErrorSource::Tls, says("the peer does not speak TLS")));
    without.tls = TlsOutcome::Incomplete;
    vec![
        ended(EndReason::Eof, None),
        unix,
        ended(EndReason::Reset, trouble(ErrorSource::Io, errno(104))),
        ended(EndReason::Truncated, trouble(ErrorSource::Tls, says("truncated: the stream ended"))),
        ended(EndReason::Idle, None),
        ended(
            EndReason::Limit,
            trouble(ErrorSource::Io, says("the client's network is not allowed")),
        ),
        faulty,
        unreachable,
        cut,
        ended(EndReason::Error, trouble(ErrorSource::Io, errno(28))),
        without,
        ended(
            EndReason::Error,
            trouble(ErrorSource::Certificate, says("the client's certificate has expired")),
        ),
    ]
}

#[test]
fn connections() {
    let mut golden = Golden::default();
    for width in WIDTHS {
        let lines =
            all().iter().map(|it| text::connection(it, plain(Some(width)))).collect::<String>();
        golden.section(&format!("human {width}"), &lines);
    }
    for ended in all() {
        record(&mut golden, ended.end.name(), &json::connection(&ended));
    }
    let mut private = ended(EndReason::Eof, None);
    let mut info = super::tls::info();
    info.server_name = Some("many.test".to_owned());
    private.tls = TlsOutcome::Established(Box::new(info));
    record(&mut golden, "TLS", &json::connection(&private));
    golden.section("TLS: human 120", &text::connection(&private, plain(Some(120))));
    golden.assert("serve/connections.txt");
}

#[test]
fn datagrams() {
    let mut golden = Golden::default();
    let datagram = |error, refusal| Datagram {
        peer: Some(address("10.77.0.9:50000").into()),
        count: 1,
        bytes: Bytes { received: 12, sent: 12 },
        refusal,
        error,
    };
    let refused = |refusal| datagram(None, Some(refusal));
    let unnamed = Datagram { peer: None, ..datagram(None, None) };
    let named =
        Datagram { peer: Some(Address::Unix("/run/a\u{1b}[31m\nb".into())), ..unnamed.clone() };
    let many = Datagram { count: 20_000, ..refused(DatagramRefusal::ServicePort) };
    let cases = [
        ("answered", datagram(None, None)),
        ("not allowed", refused(DatagramRefusal::Network)),
        ("failed", datagram(trouble(ErrorSource::Io, errno(90)), None)),
        ("unnamed", unnamed),
        ("named with control characters", named),
        ("many of one client", many.clone()),
        ("many of several clients", Datagram { peer: None, ..many }),
    ];
    for (title, datagram) in cases {
        golden.section(&format!("{title}: human 80"), &text::datagram(&datagram, plain(Some(80))));
        record(&mut golden, title, &json::datagram(&datagram));
    }
    golden.assert("serve/datagrams.txt");
}

#[test]
fn transfers() {
    let mut golden = Golden::default();
    let hex = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned();
    let sum = Some(Sum { algorithm: Algorithm::Sha256, hex });
    let stored = |path: Option<&str>, bytes, is_whole, sum| TransferRecord {
        path: path.map(PathBuf::from),
        bytes,
        is_whole,
        sum,
    };
    let cases = [
        ("whole", stored(Some("in/10m.bin"), 10_485_760, true, sum.clone())),
        ("part", stored(Some("in/10m.bin"), 4096, false, None)),
        ("nothing", stored(Some("in/10m.bin"), 0, false, None)),
        ("not kept", stored(None, 4096, true, sum)),
    ];
    for (title, stored) in cases {
        record(&mut golden, title, &json::stored(&stored));
        golden.section(&format!("{title}: partial"), &text::partial(&stored));
        let line = stored.sum.as_ref().map(|sum| sum.line(&stored.name()));
        let line = line.map(|line| String::from_utf8(line).unwrap());
        golden.section(&format!("{title}: human"), &line.unwrap_or_default());
    }
    golden.assert("serve/transfers.txt");
}

#[test]
fn totals() {
    let mut golden = Golden::default();
    let mut totals = Totals { accepted: 13, refused: 1, ..Totals::default() };
    for ended in all() {
        totals.count(&ended);
    }
    record(&mut golden, "stats", &json::stats(&totals, ms(2500.0)));
    golden.section("stats: human", &text::totals(&totals, ms(2500.0)));
    let mut slow = SlowLog::new(8);
    slow.record("client", None, ms(12.5));
    let trouble = trouble(ErrorSource::Io, errno(28));
    for (title, seed, trouble) in [("summary", None, None), ("troubled", Some(7), trouble.as_ref())]
    {
        let summary = json::summary(&totals, ms(60_000.0), seed, &slow, trouble);
        record(&mut golden, title, &summary);
    }
    for width in WIDTHS {
        let shown = text::summary(&totals, "client", ms(60_000.0), plain(Some(width)));
        golden.section(&format!("summary: human {width}"), &shown);
    }
    let one = Totals { accepted: 1, ..Totals::default() };
    for (title, totals) in [("none", Totals::default()), ("one", one)] {
        let shown = text::summary(&totals, "datagram", ms(1000.0), plain(Some(80)));
        golden.section(&format!("{title}: human 80"), &shown);
    }
    golden.assert("serve/totals.txt");
}
