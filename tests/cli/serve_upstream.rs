//! `serve --upstream`: bytes, ends and faults in both directions, as client and upstream see them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use loopctl::{TlsClient, run as on_loop};
use socket2::SockRef;

use crate::served::{Served, timed};
use crate::support::{good, has_localhost, has_program, loopctl, refusing, run, wait_until_stuck};

fn proxy(upstream: &str, args: &[&str]) -> Served {
    Served::start(&[&["--upstream", upstream, "--json"], args].concat())
}

/// A proxy before a listener of this process.
fn before_listener(args: &[&str]) -> (Served, TcpListener) {
    let (listener, address) = good("127.0.0.1");
    (proxy(&address.to_string(), args), listener)
}

fn accept(listener: &TcpListener) -> TcpStream {
    let stream = listener.accept().unwrap().0;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn bytes_and_ends_go_both_ways_and_are_in_the_record() {
    let upstream = Served::start(&["--mode", "echo"]);
    let mut server = proxy(&upstream.address.to_string(), &[]);
    let question = vec![7; 300_000];
    assert_eq!(server.ask(&question), question);
    let record = server.record();
    assert_eq!((&record["end"], &record["bytes_in"]), (&"eof".into(), &300_000.into()));
    let link = &record["upstream"];
    assert_eq!(link["address"]["port"], upstream.address.port());
    assert_eq!((&link["bytes_in"], &link["bytes_out"]), (&300_000.into(), &300_000.into()));
    assert!(link["connect_ms"].as_f64().unwrap() > 0.0, "{link}");
    assert_eq!(link["attempts"][0]["result"], "success");
    let text = run(&["serve", "--help"]).stdout;
    assert!(text.contains("--upstream <TARGET>"), "{text}");
}

#[test]
fn an_upstream_that_has_finished_still_gets_what_the_client_sends() {
    let (mut server, listener) = before_listener(&[]);
    let mut client = server.connect();
    let mut upstream = accept(&listener);
    upstream.write_all(b"bye").unwrap();
    upstream.shutdown(Shutdown::Write).unwrap();
    let mut said = Vec::new();
    client.read_to_end(&mut said).unwrap();
    assert_eq!(said, b"bye");
    client.write_all(b"later").unwrap();
    drop(client);
    said.clear();
    upstream.read_to_end(&mut said).unwrap();
    assert_eq!(said, b"later");
    assert_eq!(server.record()["end"], "eof");
}

#[test]
fn a_reset_is_passed_on_as_a_reset() {
    let (mut server, listener) = before_listener(&[]);
    let mut client = server.connect();
    let mut upstream = accept(&listener);
    upstream.write_all(b"part").unwrap();
    client.read_exact(&mut [0; 4]).unwrap();
    reset(upstream);
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let record = server.record();
    assert_eq!((&record["end"], &record["bytes_out"]), (&"upstream".into(), &4.into()));
    assert_eq!(record["error"]["message"], "the upstream reset the connection");

    let mut client = server.connect();
    let mut upstream = accept(&listener);
    client.write_all(b"x").unwrap();
    upstream.read_exact(&mut [0]).unwrap();
    reset(client);
    assert_eq!(upstream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.record()["end"], "reset");
}

#[test]
fn the_addresses_of_an_upstream_race_and_a_failure_resets_the_client() {
    let nobody = refusing("127.0.0.1").to_string();
    let mut server = proxy(&nobody, &[]);
    let mut client = server.connect();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let record = server.record();
    assert_eq!((&record["end"], &record["error"]["kind"]), (&"upstream".into(), &"refused".into()));
    assert!(record["error"]["message"].as_str().unwrap().contains(&nobody), "{record}");
    assert_eq!(record["upstream"]["attempts"][0]["error"]["name"], "ECONNREFUSED");
    if !has_localhost() {
        return;
    }
    let (listener, address) = good("127.0.0.1");
    let mut server = proxy(&format!("localhost:{}", address.port()), &[]);
    drop((server.connect(), accept(&listener)));
    let attempts = server.record()["upstream"]["attempts"].clone();
    let results: Vec<_> = attempts.as_array().unwrap().iter().map(|it| &it["result"]).collect();
    // The hosts file may have no IPv6 address for it.
    let (last, others) = results.split_last().unwrap();
    assert!(*last == "success" && others.iter().all(|it| *it == "failure"), "{attempts}");
}

/// A fault, what the upstream receives of `12345678`, whether its connection is reset, and the end in the record.
const UP_FAULTS: [(&str, &[u8], bool, &str); 6] = [
    ("up:reset-after=5", b"12345", true, "fault"),
    ("up:half-close=0", b"", false, "eof"),
    ("up:close=300ms", b"12345678", false, "fault"),
    ("up:reset=300ms", b"12345678", true, "fault"),
    ("up:slice=3B/1ms", b"12345678", false, "eof"),
    ("up:delay=300ms", b"12345678", false, "eof"),
];

#[test]
fn the_upstream_sees_the_faults_of_its_connection() {
    for (fault, received, is_reset, end) in UP_FAULTS {
        let (mut server, listener) = before_listener(&["--fault", fault]);
        let mut client = server.connect();
        let mut upstream = accept(&listener);
        if received.is_empty() {
            assert_eq!(upstream.read(&mut [0]).unwrap(), 0, "{fault}");
        }
        client.write_all(b"12345678").unwrap();
        let mut said = Vec::new();
        let (took, result) = timed(|| {
            let mut first = vec![0; received.len()];
            upstream.read_exact(&mut first).map(|()| said = first)
        });
        result.unwrap();
        assert!(fault != "up:delay=300ms" || took >= Duration::from_millis(290), "{took:?}");
        if end == "eof" {
            client.shutdown(Shutdown::Write).unwrap();
        }
        let rest = upstream.read_to_end(&mut said);
        assert_eq!((said.as_slice(), rest.is_err()), (received, is_reset), "{fault}");
        drop(upstream);
        assert_eq!(client.read(&mut [0]).unwrap(), 0, "{fault}");
        drop(client);
        let record = server.record();
        assert_eq!(record["end"], end, "{fault}: {record}");
        let name = fault.split('=').next().unwrap();
        assert_eq!(record["faults_applied"][0], name, "{record}");
    }
}

#[test]
fn a_stalled_upstream_gets_nothing_more_and_replies_still_come() {
    let (mut server, listener) = before_listener(&["--fault", "up:stall-after=3"]);
    let mut client = server.connect();
    let mut upstream = accept(&listener);
    client.write_all(b"123456").unwrap();
    upstream.read_exact(&mut [0; 3]).unwrap();
    upstream.write_all(b"reply").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    drop(client);
    let record = server.record();
    let sent = &record["upstream"]["bytes_out"];
    assert_eq!((&record["end"], sent), (&"fault".into(), &3.into()), "{record}");
}

#[test]
fn what_waits_for_an_upstream_that_does_not_read_is_bounded() {
    let (mut server, listener) = before_listener(&[]);
    let mut client = server.connect();
    let upstream = accept(&listener);
    client.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    while client.write(&[0; 65_536]).is_ok() {}
    wait_until_stuck(&upstream);
    reset(client);
    drop(upstream);
    let record = server.record();
    let (taken, sent) = (&record["bytes_in"], &record["upstream"]["bytes_out"]);
    let waiting = taken.as_u64().unwrap() - sent.as_u64().unwrap();
    assert!((1..=512 << 10).contains(&waiting), "{waiting} {record}");
}

/// Says something over TLS, and returns the answer.
fn ask_over_tls(server: &Served, ca: &str) -> Vec<u8> {
    let tls = TlsClient::builder().ca_pem(ca).build().unwrap().server_name("localhost").unwrap();
    let address = server.address;
    on_loop(async |event_loop| {
        let opening = event_loop.create_connection("127.0.0.1", address.port()).tls(tls);
        let (mut reader, mut writer) = opening.open_stream().await.unwrap();
        writer.write_all(b"secret").await.unwrap();
        reader.read_exactly(6).await.unwrap()
    })
    .unwrap()
}

#[test]
fn tls_passes_through_ends_at_the_proxy_or_begins_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (ca, proxy_ca) = (path("upstream.pem"), path("proxy.pem"));
    let plain = Served::start(&[]);
    let secure = Served::start(&["--tls", "--tls-cert-file", &ca]);
    let secure_address = format!("127.0.0.1:{}", secure.address.port());
    let read = |path: &str| std::fs::read_to_string(path).unwrap();

    let through = proxy(&secure_address, &[]);
    assert_eq!(ask_over_tls(&through, &read(&ca)), b"secret");

    let plain_address = plain.address.to_string();
    let ended = proxy(&plain_address, &["--tls", "--tls-cert-file", &proxy_ca]);
    assert_eq!(ask_over_tls(&ended, &read(&proxy_ca)), b"secret");

    let begun = proxy(&secure_address, &["--upstream-tls", "--ca", &ca]);
    assert_eq!(begun.ask(b"secret"), b"secret");

    let mut distrusts = proxy(&secure_address, &["--upstream-tls", "--ca", &proxy_ca]);
    assert!(distrusts.connect().read(&mut [0]).is_err());
    let record = distrusts.record();
    assert_eq!((&record["end"], &record["error"]["kind"]), (&"upstream".into(), &"cert".into()));
    let insecure = proxy(&secure_address, &["--upstream-tls", "--insecure"]);
    assert_eq!(insecure.ask(b"secret"), b"secret");
}

#[test]
fn curl_and_python_get_files_through_a_slow_proxy() {
    let folder = tempfile::tempdir().unwrap();
    let content = "0123456789".repeat(5000);
    std::fs::write(folder.path().join("file"), &content).unwrap();
    let root = folder.path().to_str().unwrap();
    let upstream = Served::start(&["--mode", "http", "--root", root]);
    let faults = ["--fault", "down:slice=1000B/1ms", "--fault", "up:delay=50ms"];
    let server = proxy(&upstream.address.to_string(), &faults);
    let url = format!("http://{}/file", server.address);
    let script =
        format!("import urllib.request as r; print(r.urlopen('{url}').read().decode(), end='')");
    for (program, args) in [("curl", vec!["-s", &url]), ("python3", vec!["-c", &script])] {
        if has_program(program) {
            let output = std::process::Command::new(program).args(args).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), content, "{program}");
        }
    }
}

#[test]
fn faults_without_a_meaning_and_toxics_are_refused_with_a_hint() {
    for (args, words) in [
        (&["--fault", "up:delay=1s"][..], "--fault up:delay needs --upstream"),
        (&["--upstream", "x:1", "--fault", "up:accept-delay=1s"], "accept-delay is about clients"),
        (&["--upstream", "x:1", "--fault", "delay=1s", "--fault", "down:delay=2s"], "given twice"),
        (&["--upstream", "unix:/x", "--fault", "up:reset"], "up:reset is for TCP"),
        (&["--upstream", "x"], "has no port"),
        (&["--upstream", "x:1", "--udp"], "need connections"),
        (&["--upstream", "x:1", "--exec", "cat"], "cannot be used with"),
        (&["--upstream", "x:1", "--ca", "f"], "--upstream-tls"),
        (&["--fault", "latency=200"], "write delay=200ms~50ms"),
        (&["--fault", "reset_peer=1"], "write reset=1s"),
        (&["--fault", "slow_close=1"], "no fault delays the end alone"),
    ] {
        let ran = run(&[&["serve", "--timeout", "5s"], args].concat());
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{args:?}: {}", ran.stderr);
    }
    let ran = loopctl().args(["serve", "--upstream-tls"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(2));
}
