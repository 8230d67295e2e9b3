//! `serve --tls`: clients that do not shake hands, limits, files that are none, and what is left behind.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::served::Served;
use crate::support::{Signal, good, is_ignored, run};
use crate::tls_clients::{Papers, Private};

#[test]
fn tls_30_scanners_are_told_in_a_line_each_and_disturb_nobody() {
    let mut tls = Private::start(&[]);
    // A look whether the port is open, a client in plain, and one that breaks off.
    drop(tls.server.connect());
    let record = tls.server.record();
    let message = "the peer closed the connection during the TLS handshake";
    assert_eq!((&record["end"], &record["error"]["message"]), (&"error".into(), &message.into()));
    let mut plain = tls.server.connect();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut alert = Vec::new();
    plain.read_to_end(&mut alert).unwrap();
    assert_eq!(alert[0], 21, "an alert: {alert:?}");
    let record = tls.server.record();
    assert_eq!((&record["end"], &record["error"]["kind"]), (&"error".into(), &"tls".into()));
    let message = record["error"]["message"].as_str().unwrap();
    assert_eq!(message, "the peer speaks HTTP, not TLS: it sent \"GET / HTTP/1.1\"");
    assert_eq!((&record["bytes_in"], &record["bytes_out"]), (&0.into(), &0.into()));
    let breaking = tls.server.connect();
    socket2::SockRef::from(&breaking).set_linger(Some(Duration::ZERO)).unwrap();
    drop(breaking);
    let record = tls.server.record();
    assert_eq!((&record["end"], &record["error"]["kind"]), (&"reset".into(), &"reset".into()));
    if let Some(told) =
        tls.python("", "s = connect(); s.sendall(b'x'); print(s.recv(1)); s.unwrap()")
    {
        assert_eq!(told, "b'x'");
        assert_eq!(tls.server.record()["end"], "eof");
    }
    let ran = tls.server.terminate();
    assert_eq!((ran.code, &ran.stderr[..]), (Some(0), ""), "the exception handler heard nothing");
}

#[test]
fn tls_02_a_handshake_counts_as_a_client() {
    let mut tls = Private::start(&["--max-conns", "1", "--idle-timeout", "300ms"]);
    let mut silent = tls.server.connect();
    if let Some(told) = tls.python("", "s = connect(); print(s.version()); s.unwrap()") {
        assert_eq!(told, "TLSv1.3");
        let record = tls.server.record();
        assert_eq!((&record["end"], &record["tls"]), (&"idle".into(), &serde_json::Value::Null));
        assert!(record["duration_ms"].as_f64().unwrap() >= 300.0, "{record}");
        assert_eq!(tls.server.record()["end"], "eof", "it waited for its turn");
    }
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    let mut tls = Private::start(&["-n", "1"]);
    tls.server.connect().shutdown(Shutdown::Write).unwrap();
    assert_eq!(tls.server.record()["end"], "error");
    assert_eq!(tls.server.end().code, Some(0));
}

#[test]
fn tls_04_a_handshake_under_way_does_not_hold_up_the_end() {
    let mut tls = Private::start(&["--grace", "20s"]);
    let mut silent = tls.server.connect();
    // It has been accepted when the next one has been served.
    tls.server.connect().shutdown(Shutdown::Both).unwrap();
    tls.server.record();
    tls.server.signal(Signal::TERM);
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    let record = tls.server.record();
    assert_eq!((&record["end"], &record["aborted"]), (&"shutdown".into(), &false.into()));
    assert!(record["duration_ms"].as_f64().unwrap() < 10_000.0, "{record}");
    assert_eq!(tls.server.end().code, Some(0));
}

#[test]
fn networks_that_are_not_allowed_get_no_handshake() {
    let mut tls = Private::start(&["--allow", "192.0.2.0/24"]);
    let mut stream = tls.server.connect();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    let record = tls.server.record();
    assert_eq!((&record["end"], &record["error"]["kind"]), (&"limit".into(), &"io".into()));
}

#[test]
fn files_that_cannot_be_read_or_hold_something_else() {
    let papers = Papers::of(&["a", "b"]);
    let (cert, key) = (papers.text("a.pem"), papers.text("a.key"));
    let other = papers.text("b.key");
    fs::write(papers.path("empty"), "").unwrap();
    fs::write(papers.path("binary"), [0xff, 0xfe, 0]).unwrap();
    let (empty, binary) = (papers.text("empty"), papers.text("binary"));
    let fine = format!("--tls={cert},{key}");
    let ca = |path: &str| vec![fine.clone(), "--client-ca".to_owned(), path.to_owned()];
    let own = |value: &str| vec![fine.clone(), format!("--tls={value}")];
    let cases = [
        (26, own("/nowhere,/nowhere"), "cannot read `/nowhere`: no such file"),
        (26, own(&format!("{cert},/nowhere")), "cannot read `/nowhere`: no such file"),
        (26, ca("/nowhere"), "cannot read `/nowhere`: no such file"),
        (2, own(&format!("{cert},{other}")), "the private key is not that of the certificate"),
        (2, own(&cert), "key: "),
        (2, own(&format!("{key},{key}")), "there is no certificate in it"),
        (2, own(&empty), "there is no certificate in it"),
        (2, own(&binary), "there is no certificate in it"),
        (2, ca(&empty), "there is no certificate in it"),
        (2, own(","), "is not CERT or CERT,KEY"),
        (2, own(""), "--tls generates a certificate, and --tls=FILE reads one"),
        (2, vec!["--tls".to_owned(); 2], "--tls is given twice"),
        (2, vec![fine.clone(), "--tls-cert-file=x".to_owned()], "--tls-cert-file is for"),
        (2, vec![fine.clone(), "--udp".to_owned()], "there is no TLS over --udp"),
        (2, vec!["--tls".to_owned(), "--alpn=h2,".to_owned()], "write it as h2,http/1.1"),
        (2, vec!["--alpn=h2".to_owned()], "--tls"),
        (2, vec!["--client-ca=x".to_owned()], "--tls"),
        (2, vec!["--tls-min=1.3".to_owned()], "--tls"),
        (2, vec!["--tls-cert-file=x".to_owned()], "--tls"),
    ];
    for (code, flags, text) in cases {
        let args = ["serve", "127.0.0.1:0", "--timeout", "5s"].into_iter();
        let args: Vec<&str> = args.chain(flags.iter().map(String::as_str)).collect();
        let ran = run(&args);
        assert_eq!(ran.code, Some(code), "{flags:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
        assert!(ran.stderr.contains(text), "{flags:?}: {}", ran.stderr);
    }
}

#[test]
fn the_certificate_made_for_a_run_ends_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let left = || fs::read_dir(dir.path()).unwrap().count();
    let spawn = |more: &[&str]| {
        let mut command = crate::support::loopctl();
        command.env("XDG_RUNTIME_DIR", dir.path());
        command.args(["serve", "--tls", "--json", "127.0.0.1:0"]).args(more);
        Served::spawn(&mut command)
    };
    let ends = [&[Signal::TERM][..], &[Signal::INT, Signal::INT], &[Signal::HUP]];
    for ends in ends.into_iter().take(if is_ignored(Signal::HUP) { 2 } else { 3 }) {
        let server = spawn(&["--mode", "blackhole"]);
        let file = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(file.path()).unwrap().starts_with("-----BEGIN CERTIFICATE"));
        let _client = server.connect();
        ends.iter().for_each(|signal| server.signal(*signal));
        server.end();
        assert_eq!(left(), 0, "{ends:?}");
    }
    assert_eq!(spawn(&["--timeout", "50ms"]).end().code, Some(0));
    assert_eq!(left(), 0, "--timeout");
    let (_taken, address) = good("127.0.0.1");
    let mut command = crate::support::loopctl();
    command.env("XDG_RUNTIME_DIR", dir.path()).args(["serve", "--tls", &address.to_string()]);
    assert_eq!(command.output().unwrap().status.code(), Some(45));
    assert_eq!(left(), 0, "no server");
}

#[test]
fn where_there_is_no_place_for_the_certificate() {
    let mut command = crate::support::loopctl();
    command.env("XDG_RUNTIME_DIR", "/nowhere").env("TMPDIR", "/nowhere");
    let output = command.args(["serve", "--tls", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(23));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("hint: --tls-cert-file writes it to another path"), "{stderr}");
    let ran = run(&["serve", "--tls", "127.0.0.1:0", "--tls-cert-file", "/nowhere/x"]);
    assert_eq!(ran.code, Some(23), "{}", ran.stderr);
}
