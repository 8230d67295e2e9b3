//! `connect --tls`: what was agreed on, whom the peer says it is, and everything that goes wrong.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::{Duration, Instant};

use loopctl::{TlsServer, TlsVersion};
use serde_json::Value;

use crate::authority::{Authority, Papers};
use crate::json::assert_valid;
use crate::support::{Ran, loopctl, run};
use crate::tls_peer::{Files, as_localhost, echoing};

/// Connects to a server as to `localhost`.
fn connect(address: SocketAddr, args: &[&str]) -> Ran {
    let target = as_localhost(address);
    let target = target.each_ref().map(String::as_str);
    run(&[&["connect", "--tls"], args, &target].concat())
}

fn document(address: SocketAddr, args: &[&str]) -> Value {
    let ran = connect(address, &[&["--json"], args].concat());
    let document = ran.json();
    assert_valid(&document);
    assert_eq!(document["exit_code"], ran.code.unwrap());
    document
}

fn server(papers: &Papers) -> loopctl::TlsServerBuilder {
    TlsServer::builder().identity_pem(&papers.chain, &papers.key)
}

#[test]
fn tls_01_what_was_agreed_on_is_in_the_report() {
    let files = Files::new();
    let papers = files.authority.papers("localhost");
    let address = echoing(server(&papers).alpn(["h2"]).build().unwrap());
    let shown = connect(address, &["--ca", files.ca(), "--alpn", "h2,http/1.1", "-v"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    for part in [
        "  tcp+tls  connected in",
        "  TLS 1.3  AES_256_GCM_SHA384  X25519  h2\n",
        "  cert     CN=localhost  ok for localhost  ",
        "+ tls ",
        "     issuer  CN=Test CA\n",
        "     names   localhost\n",
        "     key     EC P-256  signed with ecdsa-with-SHA256\n",
        "     pin     sha256//",
    ] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    let document = document(address, &["--ca", files.ca(), "--alpn", "h2,http/1.1"]);
    let tls = &document["tls"];
    assert_eq!((&tls["version"], &tls["alpn"]), (&"TLSv1.3".into(), &"h2".into()));
    assert_eq!(
        (&tls["cipher"], &tls["group"]),
        (&"TLS_AES_256_GCM_SHA384".into(), &"X25519".into())
    );
    assert_eq!((&tls["sni"], &tls["verified"]), (&"localhost".into(), &true.into()));
    assert_eq!(tls["peer"]["subject"], "CN=localhost");
    let steps = ["start_ms", "first_byte_ms"].map(|key| tls[key].as_f64().unwrap());
    let end = tls["start_ms"].as_f64().unwrap() + tls["duration_ms"].as_f64().unwrap();
    assert!(steps[0] <= steps[1] && steps[1] <= end);
    // The race is over when the loop has heard of it.
    let total = document["total_ms"].as_f64().unwrap();
    assert!(end <= total + 0.002, "{document:#}");
}

#[test]
fn tls_01_an_old_version_is_told_and_can_be_refused() {
    let files = Files::new();
    let papers = files.authority.papers("localhost");
    let address = echoing(server(&papers).max_version(TlsVersion::Tls12).build().unwrap());
    let seen = document(address, &["--ca", files.ca()]);
    assert_eq!(seen["tls"]["version"], "TLSv1.2");
    let refused = document(address, &["--ca", files.ca(), "--tls-min", "1.3"]);
    assert_eq!((&refused["exit_code"], &refused["error"]["kind"]), (&35.into(), &"tls".into()));
}

/// Fails with 60, and says what is wrong; the certificates are shown all the same.
#[track_caller]
fn assert_not_trusted(address: SocketAddr, args: &[&str], problem: &str, words: &str) {
    let seen = document(address, args);
    assert_eq!((&seen["exit_code"], &seen["error"]["kind"]), (&60.into(), &"cert".into()));
    assert_eq!(
        (&seen["tls"]["problem"], &seen["tls"]["verified"]),
        (&problem.into(), &false.into())
    );
    assert!(!seen["tls"]["chain"].as_array().unwrap().is_empty());
    let message = seen["error"]["message"].as_str().unwrap();
    assert!(message.contains(words), "{message}");
    let shown = connect(address, args);
    assert_eq!(shown.code, Some(60));
    assert!(
        shown.stdout.contains("failed")
            && shown.stdout.contains("\n  chain, as received\n  1  CN=")
    );
    assert!(shown.stderr.contains("TLS failed after"), "{}", shown.stderr);
    assert!(shown.stderr.contains(words), "{}", shown.stderr);
    // The same with a shrug.
    let taken = document(address, &[args, &["--insecure"]].concat());
    assert_eq!((&taken["exit_code"], &taken["tls"]["problem"]), (&0.into(), &problem.into()));
}

#[test]
fn tls_06_why_a_certificate_is_not_trusted() {
    let files = Files::new();
    let (ca, ours) = (["--ca", files.ca()], &files.authority);
    let expired = echoing(server(&ours.expired_papers("localhost")).build().unwrap());
    assert_not_trusted(expired, &ca, "expired", " d ago, on 2021-01-01T00:00:00Z");
    let wrong = echoing(server(&ours.papers("other.test")).build().unwrap());
    assert_not_trusted(wrong, &ca, "wrong_name", "not for localhost, only for other.test");
    let strange = echoing(Authority::new("Strange CA").server());
    let words = "issuer unknown: the chain ends at CN=localhost, signed by CN=Strange CA";
    assert_not_trusted(strange, &ca, "unknown_issuer", words);
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let own = Papers { chain: own.cert.pem(), key: own.signing_key.serialize_pem() };
    let own = echoing(server(&own).build().unwrap());
    assert_not_trusted(own, &ca, "unknown_issuer", "the certificate is self-signed");
}

#[test]
fn tls_06_a_chain_without_its_middle_is_incomplete() {
    let files = Files::new();
    let deputy = files.authority.deputy("Deputy CA");
    let papers = deputy.papers("localhost");
    let words = "the chain ends at CN=localhost, signed by CN=Deputy CA";
    let incomplete = echoing(server(&papers).build().unwrap());
    assert_not_trusted(incomplete, &["--ca", files.ca()], "unknown_issuer", words);
    let chain = format!("{}{}", papers.chain, deputy.pem());
    let complete = echoing(server(&Papers { chain, ..papers }).build().unwrap());
    let seen = document(complete, &["--ca", files.ca()]);
    assert_eq!(
        (&seen["exit_code"], seen["tls"]["chain"].as_array().unwrap().len()),
        (&0.into(), 2)
    );
}

#[test]
fn tls_07_another_name_and_none() {
    let files = Files::new();
    let address = echoing(files.authority.papers("other.test").server());
    let other = document(address, &["--ca", files.ca(), "--sni", "other.test"]);
    assert_eq!((&other["exit_code"], &other["tls"]["sni"]), (&0.into(), &"other.test".into()));
    let none = document(address, &["--ca", files.ca(), "--sni", ""]);
    assert_eq!((&none["exit_code"], &none["tls"]["sni"]), (&0.into(), &Value::Null));
    let by_address = run(&["connect", "--tls", "--json", "--ca", files.ca(), &address.to_string()]);
    let by_address = by_address.json();
    assert_eq!((&by_address["exit_code"], &by_address["tls"]["sni"]), (&60.into(), &Value::Null));
}

#[test]
fn tls_06_a_certificate_that_ends_soon_is_not_good_enough() {
    let files = Files::new();
    let address = files.server();
    let far = connect(address, &["--ca", files.ca(), "--cert-expiry", "14d"]);
    assert_eq!(far.code, Some(0), "{}", far.stderr);
    let seen = document(address, &["--ca", files.ca(), "--cert-expiry", "9999999d"]);
    assert_eq!((&seen["exit_code"], &seen["outcome"]), (&60.into(), &"success".into()));
    assert_eq!(seen["unmet"][0]["expectation"], "cert-expiry");
    let again = ["--ca", files.ca(), "--cert-expiry", "9999999d", "-c", "2", "-i", "10ms"];
    assert_eq!(connect(address, &again).code, Some(60));
}

#[test]
fn tls_02_trust_comes_from_the_environment_where_no_file_is_given() {
    let files = Files::new();
    let target = as_localhost(files.server());
    let connect = |ca: &str| {
        let mut command = loopctl();
        command.args(["connect", "--tls"]).args(&target).env("SSL_CERT_FILE", ca);
        Ran::from(command.env("SSL_CERT_DIR", "/no/such/folder").output().unwrap())
    };
    assert_eq!(connect(files.ca()).code, Some(0));
    let nothing = connect("/no/such/file");
    assert_eq!(nothing.code, Some(2), "{}", nothing.stderr);
    let none = "the certificates of SSL_CERT_FILE and SSL_CERT_DIR: there are none";
    assert!(nothing.stderr.contains(none), "{}", nothing.stderr);
    let lost = "warn: the certificates of SSL_CERT_FILE: ";
    assert!(nothing.stderr.contains(lost), "{}", nothing.stderr);
}

#[test]
fn tls_01_secrets_are_logged_where_the_environment_asks_for_them() {
    let files = Files::new();
    let (target, log) = (as_localhost(files.server()), files.path("keys"));
    for _ in 0..2 {
        let mut command = loopctl();
        command.args(["connect", "-q", "--tls", "--ca", files.ca()]).args(&target);
        let ran = command.env("SSLKEYLOGFILE", &log).output().unwrap();
        assert_eq!(ran.status.code(), Some(0));
    }
    let kept = std::fs::read_to_string(&log).unwrap();
    let lines = kept.lines().filter(|line| line.starts_with("CLIENT_HANDSHAKE_TRAFFIC_SECRET "));
    assert_eq!(lines.count(), 2, "{kept}");
    assert_eq!(std::fs::metadata(&log).unwrap().mode() & 0o777, 0o600);
    let mut command = loopctl();
    command.args(["connect", "--tls", "--ca", files.ca()]).args(&target);
    let ran = Ran::from(command.env("SSLKEYLOGFILE", "/no/such/file").output().unwrap());
    assert_eq!(ran.code, Some(23), "{}", ran.stderr);
}

#[test]
fn tls_06_a_client_certificate_is_given_and_its_absence_told() {
    let files = Files::new();
    let papers = files.authority.papers("localhost");
    let asking = server(&papers).client_ca_pem(files.authority.pem()).build().unwrap();
    let address = echoing(asking);
    let own = files.write("client.pem", &files.authority.papers("client"));
    let known = document(address, &["--ca", files.ca(), "--cert", &own]);
    assert_eq!(
        (&known["exit_code"], &known["tls"]["client_certificate_requested"]),
        (&0.into(), &true.into())
    );
    let unknown = connect(address, &["--ca", files.ca()]);
    assert_eq!(unknown.code, Some(35));
    let words =
        "refused after the TLS handshake: the peer sent the fatal alert certificate_required";
    assert!(unknown.stderr.contains(words), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("hint: the server requires a client certificate"));
    let relayed = connect(address, &["--ca", files.ca(), "--relay"]);
    assert_eq!(relayed.code, Some(35), "{}", relayed.stderr);
    let wrong = files.write("wrong.pem", &Authority::new("Strange CA").papers("client"));
    let refused = connect(address, &["--ca", files.ca(), "--cert", &wrong]);
    assert_eq!(refused.code, Some(35));
    assert!(refused.stderr.contains("rejects the one of --cert"), "{}", refused.stderr);
}

#[test]
fn tls_03_a_handshake_that_stops_half_way() {
    let files = Files::new();
    // The head of a record that does not come.
    let half = rude(|mut stream| {
        stream.write_all(&[22, 3, 3, 0, 200, 2, 0, 0]).unwrap();
        hold(stream);
    });
    let seen = connect(half, &["--ca", files.ca(), "--timeout", "300ms"]);
    assert_eq!(seen.code, Some(28));
    assert!(
        seen.stderr.contains("the peer stopped in the middle of the handshake"),
        "{}",
        seen.stderr
    );
}

#[test]
fn tls_07_several_targets_each_have_their_report() {
    let files = Files::new();
    let good = as_localhost(files.server());
    let ran = run(&[
        "connect",
        "--tls",
        "--json",
        "--ca",
        files.ca(),
        &good[0],
        &good[1],
        &good[2],
        "127.1:1",
    ]);
    let documents = ran.json();
    assert_eq!(documents.as_array().unwrap().len(), 2, "{documents:#}");
    documents.as_array().unwrap().iter().for_each(assert_valid);
    assert_eq!((&documents[0]["exit_code"], ran.code), (&0.into(), Some(1)));
    assert_ne!(documents[1]["exit_code"], 0);
}

/// Says nothing until the client leaves.
fn hold(mut stream: std::net::TcpStream) {
    while stream.read(&mut [0; 1 << 14]).is_ok_and(|count| count > 0) {}
}

/// A server that does this with its only client, which has sent its first message.
fn rude(serve: impl FnOnce(std::net::TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        assert!(stream.read(&mut [0; 1 << 14]).unwrap() > 0, "the client begins");
        serve(stream);
    });
    address
}

#[test]
fn tls_05_peers_that_do_not_speak_tls() {
    let files = Files::new();
    let plain = rude(|mut stream| stream.write_all(b"220 mail.test ESMTP\r\n").unwrap());
    let seen = connect(plain, &["--ca", files.ca()]);
    assert_eq!(seen.code, Some(35), "{}", seen.stderr);
    assert!(
        seen.stderr.contains("speaks SMTP, not TLS: it sent \"220 mail.test ESMTP\""),
        "{}",
        seen.stderr
    );
    assert!(seen.stderr.contains("--starttls"), "{}", seen.stderr);
    let closing = rude(drop);
    let seen = document(closing, &["--ca", files.ca()]);
    assert_eq!((&seen["exit_code"], &seen["tls"]["result"]), (&35.into(), &"failure".into()));
    let message = seen["error"]["message"].as_str().unwrap();
    assert!(message.contains("closed the connection during the TLS handshake"), "{message}");
    // A record whose type is right, and nothing else.
    let garbage = rude(|mut stream| stream.write_all(&[22, 3, 3, 0, 4, 1, 2, 3, 4]).unwrap());
    assert_eq!(connect(garbage, &["--ca", files.ca()]).code, Some(35));
}

#[test]
fn tls_03_a_silent_peer_is_left_when_the_time_is_up() {
    let files = Files::new();
    let silent = rude(hold);
    let began = Instant::now();
    let seen = document(silent, &["--ca", files.ca(), "--timeout", "300ms"]);
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!((&seen["exit_code"], &seen["outcome"]), (&28.into(), &"timeout".into()));
    assert_eq!(
        (&seen["tls"]["result"], &seen["tls"]["first_byte_ms"]),
        (&"timeout".into(), &Value::Null)
    );
}

#[test]
fn tls_01_relays_series_and_formats_know_tls() {
    let files = Files::new();
    let address = files.server();
    let target = as_localhost(address);
    let mut relay = loopctl();
    relay.args(["connect", "--relay", "--tls", "--ca", files.ca()]).args(&target);
    let (input, mut feed) = std::io::pipe().unwrap();
    feed.write_all(b"hello\n").unwrap();
    drop(feed);
    let relayed = Ran::from(relay.stdin(input).output().unwrap());
    assert_eq!((relayed.code, relayed.stdout.as_str()), (Some(0), "hello\n"), "{}", relayed.stderr);
    assert!(relayed.stderr.contains("TLS 1.3"), "{}", relayed.stderr);

    let series = connect(address, &["--ca", files.ca(), "-c", "2", "-i", "10ms"]);
    assert_eq!(series.code, Some(0));
    assert_eq!(series.stdout.matches(" + tls ").count(), 2, "{}", series.stdout);

    let events = connect(address, &["--ca", files.ca(), "--ndjson"]);
    let names: Vec<String> = events
        .stdout
        .lines()
        .filter_map(|line| {
            let record: Value = serde_json::from_str(line).unwrap();
            record["name"].as_str().filter(|name| name.starts_with("tls:")).map(str::to_owned)
        })
        .collect();
    assert_eq!(names, ["tls:handshake_started", "tls:first_byte", "tls:handshake_finished"]);

    let metrics = connect(address, &["--ca", files.ca(), "--prom"]);
    assert!(metrics.stdout.contains("phase=\"tls\"}"), "{}", metrics.stdout);
    assert!(metrics.stdout.contains("\nloopctl_ssl_earliest_cert_expiry{target="));

    let csv = connect(address, &["--csv"]);
    assert!(csv.stdout.lines().nth(1).unwrap().ends_with(",cert"), "{}", csv.stdout);
}

#[test]
fn tls_02_what_makes_no_sense_is_refused() {
    let files = Files::new();
    let one = files.write("one.pem", &files.authority.papers("one"));
    let other = files.write("other.pem", &files.authority.papers("other"));
    let empty = files.path("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let empty = empty.to_str().unwrap();
    let cases: [(&[&str], i32); 9] = [
        (&["--sni", "a.test", "--udp", "a:1"], 2),
        (&["--tls", "--sni", "a b", "a:1"], 2),
        (&["--tls", "--key", &one, "a:1"], 2),
        (&["--tls", "--cert", &one, "--key", &other, "a:1"], 2),
        (&["--tls", "--ca", empty, "a:1"], 2),
        (&["--tls", "--ca", "/no/such/file", "a:1"], 26),
        (&["--tls", "--ca", "/", "a:1"], 26),
        (&["--tls", "--udp", "a:1"], 2),
        (&["--tls", "unix:/no/such/socket"], 2),
    ];
    for (args, code) in cases {
        let ran = run(&[&["connect"], args].concat());
        assert_eq!(ran.code, Some(code), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{args:?}: {}", ran.stderr);
    }
}
