//! Phases that take most of the time. Each has a finding of its own, and none has that of another.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::json::assert_valid;
use crate::support::run;
use crate::tls_peer::{Files, as_localhost, plain};

const PAUSE: Duration = Duration::from_millis(700);

/// Place of a pause in the answers of a server.
#[derive(Clone, Copy)]
enum Pause {
    BeforeFirstByte,
    AfterFirstByte,
}

/// A way to a server that delays what it says, once.
fn delaying(server: SocketAddr, pause: Pause) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut server = TcpStream::connect(server).unwrap();
        let (mut from_client, mut to_server) =
            (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
        let mut said = [0; 4096];
        let count = server.read(&mut said).unwrap();
        let early = match pause {
            Pause::BeforeFirstByte => 0,
            Pause::AfterFirstByte => 1,
        };
        client.write_all(&said[..early]).unwrap();
        thread::sleep(PAUSE);
        client.write_all(&said[early..count]).unwrap();
        std::io::copy(&mut server, &mut client)
    });
    address
}

/// The findings of a run that connects.
fn findings(files: &Files, address: SocketAddr, flags: &[&str]) -> Vec<Value> {
    let target = as_localhost(address);
    let target = target.each_ref().map(String::as_str);
    let args = [&["connect", "--json", "--ca", files.ca()], flags, &target].concat();
    let ran = run(&args);
    let document = ran.json();
    assert_valid(&document);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    document["why"].as_array().unwrap().clone()
}

/// The only finding beside those about a busy host. Together they cost at least the pause.
#[track_caller]
fn only<'a>(findings: &'a [Value], kind: &str) -> &'a Value {
    let (late, found): (Vec<&Value>, Vec<&Value>) =
        findings.iter().partition(|why| why["kind"] == "late_end");
    assert_eq!(found.len(), 1, "{findings:#?}");
    assert_eq!(found[0]["kind"], kind, "{findings:#?}");
    let cost = |why: &&Value| why["cost_ms"].as_f64().unwrap();
    let all: f64 = found.iter().chain(&late).map(cost).sum();
    assert!(all >= 690.0, "{findings:#?}");
    assert!(!found[0]["evidence"].as_array().unwrap().is_empty());
    found[0]
}

#[test]
fn a_slow_answer_to_the_client_hello_is_the_time_of_the_server() {
    let files = Files::new();
    let address = delaying(files.server(), Pause::BeforeFirstByte);
    let found = findings(&files, address, &["--tls"]);
    let said = only(&found, "tls_server_time")["message"].as_str().unwrap();
    assert!(said.starts_with("the server took ") && said.contains("(round trip "), "{said}");
}

#[test]
fn an_answer_that_begins_early_and_ends_late_is_not_the_time_before_it() {
    let files = Files::new();
    let address = delaying(files.server(), Pause::AfterFirstByte);
    let found = findings(&files, address, &["--tls"]);
    let said = only(&found, "tls_slow")["message"].as_str().unwrap();
    assert!(said.contains("after the first byte") && said.contains("(round trip "), "{said}");
}

#[test]
fn a_slow_dialogue_before_tls_is_told_as_that() {
    let files = Files::new();
    let tls = files.authority.server();
    let address = plain(async move |mut reader, mut writer| {
        thread::sleep(PAUSE);
        for (said, heard) in [("220 mail\r\n", 18), ("250 STARTTLS\r\n", 10), ("220 go\r\n", 0)] {
            writer.write_all(said.as_bytes()).await.unwrap();
            reader.read_exactly(heard).await.unwrap();
        }
        let _ = writer.start_tls(tls.clone()).await;
        let _ = reader.read(&mut [0; 64]).await;
    });
    let found = findings(&files, address, &["--starttls", "smtp"]);
    assert!(only(&found, "starttls")["message"].as_str().unwrap().contains("(SMTP)"), "{found:#?}");
}

#[test]
fn a_quick_handshake_has_no_reason() {
    let files = Files::new();
    let found = findings(&files, files.server(), &["--tls"]);
    assert!(found.iter().all(|why| why["kind"] == "late_end"), "{found:#?}");
}
