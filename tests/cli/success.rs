//! `--success`: whether a race ends with TCP, or with the TLS handshake.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use loopctl::TlsServer;
use serde_json::Value;

use crate::json::assert_valid;
use crate::ndjson::records;
use crate::support::{Ran, Signal, loopctl, run, signal, start};
use crate::tls_peer::{Files, echoing_at};

/// Addresses of one name: a server of TLS on the first, and others on its port.
struct Host {
    files: Files,
    port: u16,
    silent: TcpListener,
}

const GOOD: &str = "127.0.0.1";
/// Accepts connections, and says nothing.
const SILENT: &str = "127.0.0.2";
const EXPIRED: &str = "127.0.0.3";
/// Speaks another protocol than `h2`, and says so.
const CHOOSY: &str = "127.0.0.4";
const REFUSING: &str = "127.0.0.5";

impl Host {
    fn new() -> Self {
        let files = Files::new();
        // The port of the first has to be free on the others.
        std::iter::repeat_with(|| echoing_at(GOOD, 0, files.authority.server()).port())
            .take(20)
            .find_map(|port| Some((port, TcpListener::bind((SILENT, port)).ok()?)))
            .map(|(port, silent)| Self { files, port, silent })
            .unwrap()
    }

    fn expired(self) -> Self {
        let papers = self.files.authority.expired_papers("localhost");
        echoing_at(EXPIRED, self.port, papers.server());
        self
    }

    fn choosy(self) -> Self {
        let papers = self.files.authority.papers("localhost");
        let server = TlsServer::builder().identity_pem(papers.chain, papers.key).alpn(["other"]);
        echoing_at(CHOOSY, self.port, server.build().unwrap());
        self
    }

    fn args(&self, addresses: &[&str], more: &[&str]) -> Vec<String> {
        let pins = format!("localhost:{}", addresses.join(","));
        let target = format!("localhost:{}", self.port);
        let flags = ["--tls", "--ca", self.files.ca(), "--resolve", &pins];
        let all = [&flags[..], &["--interleave", "0"], more, &[&target]].concat();
        all.into_iter().map(str::to_owned).collect()
    }

    fn run(&self, command: &[&str], addresses: &[&str], more: &[&str]) -> Ran {
        let args = self.args(addresses, more);
        run(&[command, &args.iter().map(String::as_str).collect::<Vec<_>>()].concat())
    }

    fn document(&self, addresses: &[&str], more: &[&str]) -> Value {
        let ran = self.run(&["connect", "--json"], addresses, more);
        let document = ran.json();
        assert_valid(&document);
        assert_eq!(document["exit_code"], ran.code.unwrap());
        document
    }
}

const BY_TLS: [&str; 2] = ["--success", "tls"];

#[test]
fn t30_a_silent_handshake_makes_way_for_the_next_address() {
    let host = Host::new();
    let by_tls = [&BY_TLS[..], &["--happy-eyeballs=100ms"]].concat();
    let seen = host.document(&[SILENT, GOOD], &by_tls);
    assert_eq!((&seen["exit_code"], &seen["selected"]), (&0.into(), &2.into()), "{seen:#}");
    assert_eq!(
        (&seen["policy"]["success"], &seen["tls"]["result"]),
        (&"tls".into(), &"success".into())
    );
    let [silent, good] = [0, 1].map(|number| &seen["attempts"][number]);
    assert_eq!((&silent["result"], &silent["error"]), (&"canceled".into(), &Value::Null));
    let ms = |value: &Value| value.as_f64().unwrap();
    // The timer counts from TCP, not from the start.
    let up = ms(&silent["start_ms"]) + ms(&silent["duration_ms"]);
    assert!(ms(&good["start_ms"]) >= up + 99.0, "{seen:#}");
    assert!(
        ms(&silent["tls_ms"]) >= 99.0 && ms(&silent["duration_ms"]) < ms(&silent["tls_ms"]),
        "{seen:#}"
    );
    assert_eq!(good["tls_ms"], seen["tls"]["duration_ms"]);

    let told = host.run(&["connect"], &[SILENT, GOOD], &by_tls);
    assert!(told.stdout.contains("  lost, TLS silent "), "{}", told.stdout);
    let hint = format!("hint: `{SILENT}` connects, but did not finish TLS within ");
    assert!(told.stderr.contains(&hint), "{}", told.stderr);
}

#[test]
fn t30_where_tcp_is_enough_a_silent_handshake_takes_all_the_time() {
    let host = Host::new();
    let seen = host.document(&[SILENT, GOOD], &["--success", "tcp", "--timeout", "300ms"]);
    assert_eq!((&seen["exit_code"], &seen["selected"]), (&28.into(), &1.into()));
    assert_eq!(seen["policy"]["success"], "tcp");
    assert_eq!(seen["attempts"].as_array().unwrap().len(), 1);
    let told = host.run(&["connect"], &[SILENT, GOOD], &["--success", "tcp", "--timeout", "300ms"]);
    assert!(told.stderr.contains("`--success tls` tries the next address"), "{}", told.stderr);
    // Where there is no other address, nothing is promised.
    let told = host.run(&["connect"], &[SILENT], &["--success", "tcp", "--timeout", "300ms"]);
    assert!(told.stderr.contains("has the ClientHello and does not answer"), "{}", told.stderr);
}

#[test]
fn t31_a_certificate_that_is_not_valid_starts_the_next_attempt() {
    let host = Host::new().expired();
    let slow = [&BY_TLS[..], &["--happy-eyeballs=5s"]].concat();
    let seen = host.document(&[EXPIRED, GOOD], &slow);
    assert_eq!((&seen["exit_code"], &seen["selected"]), (&0.into(), &2.into()), "{seen:#}");
    let first = &seen["attempts"][0];
    assert_eq!((&first["result"], &first["phase"]), (&"failure".into(), &"tls".into()));
    assert_eq!(first["error"]["kind"], "cert");
    assert!(seen["attempts"][1]["start_ms"].as_f64().unwrap() < 4000.0, "{seen:#}");
    assert_eq!(seen["attempts"][1]["reason"], "attempt_ended");

    let told = host.run(&["connect"], &[EXPIRED, GOOD], &slow);
    assert!(told.stdout.contains("  cert not valid, TLS "), "{}", told.stdout);
    let hint =
        format!("hint: `{EXPIRED}` connects, but TLS fails there (the certificate has expired); ");
    assert!(told.stderr.contains(&hint), "{}", told.stderr);
    // Who takes any certificate takes this one.
    let seen = host.document(&[EXPIRED, GOOD], &[&slow[..], &["--insecure"]].concat());
    assert_eq!((&seen["selected"], &seen["tls"]["problem"]), (&1.into(), &"expired".into()));
}

#[test]
fn race_tls_the_last_phase_reached_is_the_exit_status() {
    let host = Host::new().expired().choosy();
    let short = ["--timeout", "400ms"];
    let each = ["--attempt-timeout", "200ms"];
    let alpn = ["--alpn", "h2"];
    let cases: [(&[&str], &[&str], i32, &str); 8] = [
        (&[EXPIRED], &[], 60, "cert"),
        (&[EXPIRED, REFUSING], &[], 60, "cert"),
        (&[REFUSING, CHOOSY], &alpn, 35, "tls"),
        (&[CHOOSY, EXPIRED], &alpn, 60, "cert"),
        (&[REFUSING, REFUSING], &[], 7, "refused"),
        (&[REFUSING, SILENT], &short, 28, "timeout"),
        (&[EXPIRED, SILENT], &short, 28, "timeout"),
        (&[SILENT], &each, 28, "timeout"),
    ];
    for (addresses, more, code, kind) in cases {
        let seen = host.document(addresses, &[&BY_TLS[..], more].concat());
        assert_eq!(seen["exit_code"], code, "{addresses:?}: {seen:#}");
        assert_eq!(seen["error"]["kind"], kind, "{addresses:?}: {seen:#}");
        assert_eq!(seen["selected"], Value::Null);
        let told = host.run(&["connect"], addresses, &[&BY_TLS[..], more].concat());
        let causes = told.stderr.matches("  caused by: ").count();
        let mut distinct = addresses.to_vec();
        distinct.dedup();
        assert!(causes >= distinct.len(), "{addresses:?}: {}", told.stderr);
    }
    // What would have to be known to mend it is told as for a single address.
    let told = host.run(&["connect"], &[EXPIRED, REFUSING], &BY_TLS);
    assert!(
        told.stdout.contains("  cert     CN=localhost  not valid  expired "),
        "{}",
        told.stdout
    );
    assert!(told.stderr.contains("the server needs a new certificate"), "{}", told.stderr);
}

#[test]
fn race_tls_every_handshake_has_its_attempt_in_the_events() {
    let host = Host::new().expired();
    let more = [&BY_TLS[..], &["--happy-eyeballs=100ms"]].concat();
    let args = host.args(&[EXPIRED, SILENT, GOOD], &more);
    let (events, documents) = records(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(documents[0]["selected"], 3);
    let policy = &events[0]["data"]["policy"];
    assert_eq!(policy["success_definition"], "tls_connected");
    let ends = events.iter().filter(|event| event["name"] == "tls:handshake_finished");
    let ends: Vec<_> = ends
        .map(|e| (e["data"]["attempt_id"].as_str().unwrap(), e["data"]["result"].as_str().unwrap()))
        .collect();
    assert_eq!(ends, [("1", "failure"), ("3", "success"), ("2", "canceled")]);
    let csv = host.run(&["connect", "--csv"], &[EXPIRED, SILENT, GOOD], &more).stdout;
    let rows: Vec<Vec<&str>> = csv.lines().skip(1).map(|row| row.split(',').collect()).collect();
    let ends: Vec<_> = rows.iter().map(|row| (row[9], row[10], row[14])).collect();
    assert_eq!(ends, [("failure", "cert", "cert"), ("canceled", "", ""), ("success", "", "")]);
    assert!(rows.iter().all(|row| row[13].parse::<f64>().unwrap() > 0.0), "tls_ms: {csv}");
}

#[test]
fn race_tls_all_of_them_can_be_let_finish() {
    let host = Host::new().expired();
    let more =
        [&BY_TLS[..], &["--all", "--attempt-timeout", "300ms", "--happy-eyeballs=10ms"]].concat();
    let seen = host.document(&[GOOD, SILENT, EXPIRED], &more);
    let results = [0, 1, 2].map(|number| seen["attempts"][number]["result"].as_str().unwrap());
    assert_eq!(results, ["success", "timeout", "failure"], "{seen:#}");
    let kinds = [1, 2].map(|number| seen["attempts"][number]["error"]["kind"].as_str().unwrap());
    assert_eq!((kinds, &seen["exit_code"]), (["timeout", "cert"], &0.into()));
    let told = host.run(&["connect"], &[GOOD, SILENT, EXPIRED], &more);
    assert!(told.stdout.contains("  timed out, TLS silent "), "{}", told.stdout);
}

#[test]
fn race_tls_an_interrupt_ends_every_handshake() {
    let host = Host::new();
    let other = TcpListener::bind((CHOOSY, host.port)).unwrap();
    let cases: [(&[&str], &[&TcpListener]); 2] =
        [(&[SILENT], &[&host.silent]), (&[SILENT, CHOOSY], &[&host.silent, &other])];
    for (addresses, silent) in cases {
        let more = [&BY_TLS[..], &["--json", "--happy-eyeballs=10ms"]].concat();
        let args = host.args(addresses, &more);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let child = start(&[&["connect"], &args[..]].concat());
        let begun: Vec<TcpStream> = silent.iter().map(|silent| greeted(silent)).collect();
        signal(&child, Signal::INT);
        let ran = Ran::from(child.wait_with_output().unwrap());
        drop(begun);
        let seen = ran.json();
        assert_valid(&seen);
        assert_eq!((&seen["end"], &seen["exit_code"]), (&"interrupted".into(), &130.into()));
        assert_eq!(seen["attempts"].as_array().unwrap().len(), addresses.len());
        assert!(seen["attempts"].as_array().unwrap().iter().all(|it| it["result"] == "canceled"));
        assert_eq!(seen["tls"]["result"], "canceled");
    }
}

/// A client that has said hello, so that its handshake is under way.
fn greeted(silent: &TcpListener) -> TcpStream {
    let (mut client, _) = silent.accept().unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert!(client.read(&mut [0; 5]).unwrap() > 0);
    client
}

#[test]
fn race_tls_what_is_expected_is_judged_of_the_winner() {
    let host = Host::new().expired();
    let more = [&BY_TLS[..], &["--cert-expiry", "1d"]].concat();
    assert_eq!(host.document(&[EXPIRED, GOOD], &more)["exit_code"], 0);
    let more = [&BY_TLS[..], &["--cert-expiry", "2000000d"]].concat();
    assert_eq!(host.document(&[EXPIRED, GOOD], &more)["exit_code"], 60);
    let more = [&BY_TLS[..], &["--fail-on-fallback"]].concat();
    assert_eq!(host.document(&[EXPIRED, GOOD], &more)["exit_code"], 3);
}

/// A server of TLS 1.3 judges its client when the race is over for the client.
#[test]
fn race_tls_a_client_that_is_refused_after_the_handshake_is_told_so() {
    let host = Host::new();
    let papers = host.files.authority.papers("localhost");
    let asking = TlsServer::builder().identity_pem(papers.chain, papers.key);
    let asking = asking.client_ca_pem(host.files.authority.pem()).build().unwrap();
    echoing_at(CHOOSY, host.port, asking);
    let seen = host.document(&[CHOOSY], &BY_TLS);
    assert_eq!((&seen["exit_code"], &seen["selected"]), (&35.into(), &1.into()), "{seen:#}");
    let own = host.files.write("own.pem", &host.files.authority.papers("a client"));
    let seen = host.document(&[CHOOSY], &[&BY_TLS[..], &["--cert", &own]].concat());
    assert_eq!(
        (&seen["exit_code"], &seen["tls"]["client_certificate_requested"]),
        (&0.into(), &true.into())
    );
}

#[test]
fn race_tls_files_and_pipes_go_to_the_address_that_speaks_tls() {
    let host = Host::new().expired();
    let args = host.args(&[EXPIRED, GOOD], &BY_TLS);
    let mut relay = loopctl();
    let (input, feed) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut &feed, b"hello\n").unwrap();
    drop(feed);
    let ran =
        Ran::from(relay.args(["connect", "--relay"]).args(&args).stdin(input).output().unwrap());
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "hello\n"), "{}", ran.stderr);

    let file = host.files.path("file");
    std::fs::write(&file, b"content").unwrap();
    let sent = host.run(&["sendfile", file.to_str().unwrap()], &[EXPIRED, GOOD], &BY_TLS);
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
    assert!(sent.stdout.contains("sent 7 B"), "{}", sent.stdout);
}

#[test]
fn race_tls_what_makes_no_sense_is_refused() {
    let target = SocketAddr::from(([127, 0, 0, 1], 1)).to_string();
    let cases: [&[&str]; 3] = [
        &["--success", "tls"],
        &["--success", "tls", "--starttls", "smtp"],
        &["--success", "tcp", "--udp"],
    ];
    for args in cases {
        let ran = run(&[&["connect"], args, &[&target]].concat());
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{args:?}: {}", ran.stderr);
    }
    let plain = run(&["connect", "--success", "tcp", "--json", &target]);
    assert_eq!((plain.code, &plain.json()["policy"]["success"]), (Some(7), &"tcp".into()));
    // A policy that has TLS decide makes nothing of it where there is none.
    let hev3 = run(&["connect", "--policy", "hev3", "--json", &target]);
    assert_eq!((hev3.code, &hev3.json()["policy"]["success"]), (Some(7), &"tcp".into()));
}

#[test]
fn tls_02_a_name_that_tls_cannot_use_is_no_name_that_was_not_found() {
    let targets = ["--json", "--tls", "--resolve", "a-.test:127.0.0.1"];
    let ran = run(&[&["connect"], &targets[..], &["a-.test:1", "127.0.0.1:1"]].concat());
    let documents = ran.json();
    documents.as_array().unwrap().iter().for_each(assert_valid);
    let first = &documents[0];
    assert_eq!((&first["exit_code"], &first["error"]["kind"]), (&35.into(), &"tls".into()));
    assert_eq!(
        (&first["resolve"]["error"], &first["attempts"]),
        (&Value::Null, &serde_json::json!([]))
    );
    let told = run(&["connect", "--tls", "a-.test:1", "127.0.0.1:1"]);
    assert!(told.stderr.contains("  caused by: TLS failed: "), "{}", told.stderr);
    let rows = run(&["connect", "--tls", "--csv", "a-.test:1", "127.0.0.1:1"]).stdout;
    assert!(rows.lines().nth(1).unwrap().contains(",failure,tls,"), "{rows}");
}

#[test]
fn tls_02_a_variable_that_leads_nowhere_is_named() {
    let mut command = loopctl();
    command.env("SSL_CERT_FILE", "/no/such/file").env_remove("SSL_CERT_DIR");
    let ran = Ran::from(command.args(["connect", "--tls", "127.0.0.1:1"]).output().unwrap());
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("the certificates of SSL_CERT_FILE: "), "{}", ran.stderr);
}
