//! `connect --via dns` and `--server`: names asked of name servers, and every question told.

use std::net::SocketAddr;

use serde_json::Value;

use crate::json::assert_valid;
use crate::name_server::{A, Act, Asked, NameServer, send};
use crate::ndjson::records;
use crate::support::{Ran, good, has_program, loopctl, run};

/// This machine, on IPv4.
fn here(asked: &Asked) -> Vec<Act> {
    send(match asked.kind {
        A => asked.answer().a(60, [127, 0, 0, 1]),
        _ => asked.answer(),
    })
}

fn target(address: SocketAddr) -> String {
    format!("host.test:{}", address.port())
}

fn connect(server: &NameServer, args: &[&str]) -> Ran {
    let server = server.address.to_string();
    run(&[&["connect", "--server", server.as_str()], args].concat())
}

fn document(server: &NameServer, args: &[&str]) -> Value {
    let ran = connect(server, &[&["--json"], args].concat());
    let document = ran.json();
    assert_valid(&document);
    assert_eq!(document["exit_code"], ran.code.unwrap());
    document
}

#[test]
fn o4_the_questions_are_rows_of_the_document() {
    let (_listener, address) = good("127.0.0.1");
    let server = NameServer::new(here);
    let found = document(&server, &[&target(address)]);
    assert_eq!((&found["outcome"], &found["resolve"]["via"]), (&"success".into(), &"dns".into()));
    assert!(found["resolve"]["duration_ms"].as_f64().unwrap() > 0.0);
    let queries = found["resolve"]["queries"].as_array().unwrap();
    let rows: Vec<_> = queries
        .iter()
        .map(|it| (it["type"].as_str().unwrap(), it["result"].as_str().unwrap()))
        .collect();
    assert_eq!(rows, [("AAAA", "nodata"), ("A", "answered")]);
    assert_eq!(queries[1]["answers"][0]["data"], "127.0.0.1");
    assert_eq!(queries[1]["server"], server.address.to_string());
    assert_eq!(found["attempts"][0]["ip"], "127.0.0.1");
}

/// Packets to an IPv4-mapped address (RFC 4291 section 2.5.5.2) are IPv4, whatever record it is from.
#[test]
fn an_ipv4_mapped_address_of_an_aaaa_record_is_ipv4() {
    let (_listener, address) = good("127.0.0.1");
    let server = NameServer::new(|asked| {
        send(match asked.kind {
            A => asked.answer(),
            _ => asked.answer().aaaa(60, "::ffff:127.0.0.1"),
        })
    });
    let target = target(address);
    assert_eq!(connect(&server, &["--require", "4", &target]).code, Some(0));
    let ran = connect(&server, &["--require", "6", &target]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(ran.stderr.contains("--require"), "{}", ran.stderr);
    assert_eq!(document(&server, &[&target])["attempts"][0]["family"], "ipv4");
}

#[test]
fn o4_the_questions_are_lines_of_the_report_and_steps_of_v() {
    let (_listener, address) = good("127.0.0.1");
    let server = NameServer::new(here);
    let ran = connect(&server, &["-v", &target(address)]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains(" ms  dns   1 A\n"), "{}", ran.stdout);
    let from = format!("from {}/udp", server.address);
    assert!(ran.stdout.contains(&format!(" ms A {from}\n")), "{}", ran.stdout);
    assert!(ran.stdout.contains("no such record (NODATA)"), "{}", ran.stdout);
    let steps = [
        "resolving host.test",
        &format!("host.test. A  ask {}/udp", server.address),
        "host.test. A  NOERROR",
        "resolved to 1 address",
        "connected",
    ];
    let places: Vec<_> = steps.iter().map(|step| ran.stderr.find(step)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}\n{}", ran.stderr);
}

#[test]
fn o4_each_question_is_an_event_of_its_own() {
    let (_listener, address) = good("127.0.0.1");
    let server = NameServer::new(|asked| match asked.is_tcp {
        false => send(asked.answer().truncated()),
        true => here(asked),
    });
    let place = server.address.to_string();
    let (events, documents) = records(&["--server", &place, &target(address)]);
    assert_eq!(documents[0]["resolve"]["queries"][1]["transport"], "tcp");
    let of = |name: &str| -> Vec<&Value> {
        events.iter().filter(|event| event["name"] == name).map(|event| &event["data"]).collect()
    };
    let started: Vec<_> =
        of("hev3:dns_query_started").iter().map(|it| it["qtypes"][0].clone()).collect();
    assert_eq!(started, ["AAAA", "A"], "once each, whatever happened on the way");
    let mut kinds: Vec<_> =
        of("hev3:dns_query_finished").iter().map(|it| it["answer_type"].clone()).collect();
    kinds.sort_by_key(ToString::to_string);
    assert_eq!(kinds, ["negative", "positive"]);
}

#[test]
fn race_t15_the_first_attempt_says_that_the_resolution_delay_has_passed() {
    let (_listener, address) = good("127.0.0.1");
    let server = NameServer::new(|asked| if asked.kind == A { here(asked) } else { Vec::new() });
    let place = server.address.to_string();
    let (events, documents) = records(&["--server", &place, &target(address)]);
    assert_eq!(documents[0]["attempts"][0]["reason"], "resolution_delay_passed");
    let scheduled = events.iter().find(|event| event["name"] == "hev3:attempt_scheduled").unwrap();
    assert_eq!(scheduled["data"]["reason"], "resolution_delay_expired");
    let started = events.iter().find(|event| event["name"] == "hev3:attempt_started").unwrap();
    assert_eq!(started["data"]["reason"], "resolution_delay_passed");
}

#[test]
fn o4_no_such_name_is_exit_6_and_silence_is_told_as_such() {
    let none = NameServer::new(|asked| send(asked.rcode(3)));
    let found = document(&none, &["host.test:1"]);
    assert_eq!((&found["exit_code"], &found["error"]["kind"]), (&6.into(), &"dns".into()));
    assert_eq!(found["resolve"]["queries"][0]["result"], "nxdomain");
    let ran = connect(&none, &["host.test:1"]);
    assert!(ran.stderr.contains("no such name (NXDOMAIN)"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: check the spelling"), "{}", ran.stderr);
    let silent = NameServer::silent();
    let found = document(&silent, &["-4", "--timeout", "400ms", "host.test:1"]);
    assert_eq!(found["exit_code"], 6, "servers have half of the time: {found:#}");
    assert_eq!(found["resolve"]["queries"][0]["result"], "timeout");
    assert!(found["total_ms"].as_f64().unwrap() >= 200.0, "never early");
    assert_eq!(silent.asked().len(), 2, "a lost datagram is not the end");
}

#[test]
fn o4_fresh_dns_asks_every_time_and_otherwise_once() {
    let (_listener, address) = good("127.0.0.1");
    let asked = |more: &[&str]| {
        let server = NameServer::new(here);
        let target = target(address);
        let args = [&["-4", "-c", "3", "-i", "1ms", target.as_str()], more].concat();
        assert_eq!(connect(&server, &args).code, Some(0));
        server.asked().len()
    };
    assert_eq!((asked(&[]), asked(&["--fresh-dns"])), (1, 3));
}

#[test]
fn o4_udp_asks_them_as_well() {
    let server = NameServer::new(here);
    let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = target(peer.local_addr().unwrap());
    let found = document(&server, &["--udp", "--attempt-timeout", "20ms", &target]);
    assert_eq!(found["resolve"]["via"], "dns");
    assert_eq!(found["attempts"][0]["ip"], "127.0.0.1");
}

#[test]
fn o4_what_makes_no_sense_is_told() {
    let ran = run(&["connect", "--via", "system", "--server", "127.0.0.1", "a.test:1"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("--server needs --via dns"), "{}", ran.stderr);
    let ran = run(&["connect", "--server", "quic://127.0.0.1", "a.test:1"]);
    assert!(ran.stderr.contains("udp, tcp, tls and https"), "{}", ran.stderr);
}

/// The files of the resolver are for those who ask name servers; the trust store for those who speak TLS.
#[test]
fn a_plain_connect_reads_no_configuration() {
    if !has_program("strace") {
        return;
    }
    let (_listener, address) = good("127.0.0.1");
    let traced = |args: &[&str]| -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut command = std::process::Command::new("strace");
        command.args(["-f", "-e", "trace=open,openat", "-o"]).arg(&log);
        command.arg(loopctl().get_program()).args(args);
        let ran = command.output().unwrap();
        assert!(ran.status.success());
        let text = std::fs::read_to_string(log).unwrap();
        let read = |line: &&str| {
            ["resolv.conf", "/etc/hosts", "ssl", "certs"].iter().any(|it| line.contains(it))
        };
        text.lines().filter(read).map(str::to_owned).collect()
    };
    let read = traced(&["connect", &address.to_string()]);
    assert_eq!(read, [""; 0]);
    let server = NameServer::new(here);
    let (place, target) = (server.address.to_string(), target(address));
    let read = traced(&["connect", "--server", &place, &target]);
    assert!(read.iter().any(|line| line.contains("resolv.conf")), "or the test sees nothing");
}
