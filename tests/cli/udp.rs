//! `connect --udp`: who answers, who is silent, who refuses; and datagrams relayed.

use std::io::Write;
use std::net::UdpSocket;
use std::process::{Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::json::assert_valid;
use crate::ndjson::records;
use crate::support::{loopctl, run};

fn socket(address: &str) -> (UdpSocket, String) {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

/// A port that nobody is bound to.
fn refusing() -> String {
    socket("127.0.0.1:0").1
}

/// Sends back what comes, so many times.
fn echo(times: usize) -> String {
    let (socket, address) = socket("127.0.0.1:0");
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        for _ in 0..times {
            let Ok((count, from)) = socket.recv_from(&mut buffer) else { return };
            socket.send_to(&buffer[..count], from).unwrap();
        }
    });
    address
}

fn document(args: &[&str]) -> Value {
    let ran = run(&[&["connect", "--udp", "--json"], args].concat());
    let document = ran.json();
    assert_valid(&document);
    assert_eq!(document["transport"], "udp");
    assert_eq!(document["exit_code"], ran.code.unwrap());
    document
}

fn relay(args: &[&str], input: &[u8]) -> Output {
    let mut command = loopctl();
    command.args(["connect", "--relay", "--udp"]).args(args).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn an_answer_is_told_at_once() {
    let document = document(&[&echo(1)]);
    assert_eq!((&document["outcome"], &document["exit_code"]), (&"success".into(), &0.into()));
    assert_eq!(document["attempts"][0]["answered"], true);
    assert!(document["total_ms"].as_f64().unwrap() < 200.0, "{document:#}");
    let human = run(&["connect", "--udp", &echo(1)]).stdout;
    assert!(human.contains("  udp  answered in ") && human.contains("  answered\n"), "{human}");
}

#[test]
fn silence_takes_its_time_and_is_no_proof() {
    let (_silent, address) = socket("127.0.0.1:0");
    let document = document(&[&address]);
    assert_eq!((&document["outcome"], &document["selected"]), (&"success".into(), &1.into()));
    assert_eq!(document["attempts"][0]["answered"], false);
    assert!(document["total_ms"].as_f64().unwrap() >= 200.0, "never early: {document:#}");
    let ran = run(&["connect", "--udp", "--attempt-timeout", "20ms", &address]);
    assert!(ran.stdout.contains("  udp  silent for "), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("hint: `127.0.0.1` neither answered nor refused"),
        "{}",
        ran.stderr
    );
}

#[test]
fn who_refuses_is_passed_over() {
    let (_silent, address) = socket("127.0.0.2:0");
    let port = address.rsplit_once(':').unwrap().1;
    let target = format!("h.test:{port}");
    let pins = ["--resolve", "h.test:127.0.0.1,127.0.0.2,127.0.0.3"];
    let document = document(&[&pins[..], &["--attempt-timeout=30ms", &target]].concat());
    assert_eq!(document["selected"], 2);
    let first = &document["attempts"][0];
    assert_eq!((&first["result"], &first["error"]["kind"]), (&"failure".into(), &"refused".into()));
    assert_eq!(document["attempts"].as_array().unwrap().len(), 2);
    let all = run(&[&["connect", "-u", "--json", "--all"], &pins[..], &[&target]].concat()).json();
    assert_valid(&all);
    assert_eq!((&all["attempts"].as_array().unwrap().len(), &all["selected"]), (&3, &2.into()));
}

#[test]
fn exit_7_when_all_refuse_and_45_without_a_source() {
    let ran = run(&["connect", "--udp", &refusing()]);
    assert_eq!(ran.code, Some(7));
    assert!(ran.stderr.contains("connection refused after"), "{}", ran.stderr);
    assert_eq!(document(&[&refusing()])["error"]["name"], "ECONNREFUSED");
    let ran = run(&["connect", "--udp", "--source", "192.0.2.7", &refusing()]);
    assert_eq!(ran.code, Some(45), "{}", ran.stderr);
    let ran = run(&["connect", "--udp", "--source", "::1", &refusing()]);
    assert!(ran.stderr.contains("no matching local address with family=IPv4"), "{}", ran.stderr);
    assert_eq!(run(&["connect", "--udp", "nosuchname.invalid:53"]).code, Some(6));
}

#[test]
fn socket_options_are_in_force() {
    let address = echo(1);
    let document = document(&["--ttl=5", "--dscp=10", "--source", "127.0.0.9", &address]);
    let attempt = &document["attempts"][0];
    assert_eq!((&attempt["socket"]["ttl"], &attempt["socket"]["dscp"]), (&5.into(), &10.into()));
    assert!(attempt["local"].as_str().unwrap().starts_with("127.0.0.9:"), "{attempt:#}");
}

#[test]
fn what_makes_no_sense_without_connections_is_refused() {
    let flags = [
        "--tfo",
        "--mptcp",
        "--nodelay",
        "--keepalive",
        "--tcp-info",
        "--count=2",
        "--happy-eyeballs=off",
        "--max-parallel=2",
    ];
    for flag in flags {
        let ran = run(&["connect", "--udp", flag, "127.0.0.1:9"]);
        assert_eq!(ran.code, Some(2), "{flag}");
        assert!(ran.stderr.contains("--udp") && ran.stderr.contains(&flag[..5]), "{}", ran.stderr);
    }
    assert_eq!(run(&["connect", "--udp", "unix:/x"]).code, Some(2));
}

#[test]
fn events_are_told_in_the_words_of_the_draft() {
    let (events, documents) = records(&["--udp", &echo(1)]);
    assert_eq!(documents.len(), 1);
    let named = |name: &str| events.iter().find(|event| event["name"] == name).unwrap();
    let policy = &named("hev3:config_set")["data"]["policy"];
    assert_eq!(policy["success_definition"], "not_refused");
    assert_eq!(named("hev3:attempt_started")["data"]["transport"], "udp");
    let refused = records(&["--udp", &refusing()]).0;
    assert!(refused.iter().any(|event| event["data"]["error_code"] == "ECONNREFUSED"));
}

#[test]
fn a_relay_sends_what_it_reads_and_ends_when_nothing_comes_any_more() {
    let began = Instant::now();
    let output = relay(&[&echo(1)], b"ping");
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"ping"[..]));
    assert!(began.elapsed() >= Duration::from_millis(500), "never early: {:?}", began.elapsed());
    let began = Instant::now();
    let output = relay(&["--idle-timeout=800ms", &echo(1)], b"ping");
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"ping"[..]));
    assert!(began.elapsed() >= Duration::from_millis(800), "{:?}", began.elapsed());
}

#[test]
fn long_input_is_several_datagrams() {
    let (socket, address) = socket("127.0.0.1:0");
    let receiving = thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        let mut sizes = Vec::new();
        while sizes.iter().sum::<usize>() < 100_000 {
            sizes.push(socket.recv(&mut buffer).unwrap());
        }
        sizes
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(100_000).unwrap();
    let from = std::fs::File::open(file.path()).unwrap();
    let mut command = loopctl();
    command.args(["connect", "-ru", "-q", "--idle-timeout=50ms", &address]).stdin(from);
    assert_eq!(command.status().unwrap().code(), Some(0));
    assert_eq!(receiving.join().unwrap(), [65_507, 29, 34_464]);
}

#[test]
fn exit_56_when_datagrams_are_refused() {
    let address = refusing();
    let output = relay(&[&address], b"ping");
    assert_eq!(output.status.code(), Some(56));
    let told = String::from_utf8(output.stderr).unwrap();
    let error = format!("error: cannot receive from `{address}`: connection refused\n");
    assert!(told.ends_with(&error), "{told}");
}
