//! `serve`: what clients get, what is told, how it ends.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::served::{Served, parse, timed};
use crate::support::{
    Ran, Signal, is_ignored, loopctl, run, wait_until_read, wait_until_refused, wait_until_stuck,
};

#[test]
fn echo_sends_back_and_the_first_line_is_the_address() {
    let server = Served::start(&[]);
    assert_eq!(server.ask(b"hello\n"), b"hello\n");
    let all: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    assert_eq!(server.ask(&all), all);
    let ran = server.terminate();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("6 B in        6 B out"), "{}", ran.stdout);
    assert!(ran.stdout.contains("100.0 kB in   100.0 kB out"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n2 clients in "), "{}", ran.stdout);
}

#[test]
fn listen_is_another_name_for_it() {
    let mut command = loopctl();
    command.args(["listen", "127.0.0.1:0", "-n", "1"]);
    let server = Served::spawn(&mut command);
    assert_eq!(server.ask(b"x"), b"x");
    assert_eq!(server.end().code, Some(0));
}

#[test]
fn discard_chargen_daytime_and_blackhole() {
    let server = Served::start(&["--mode", "discard"]);
    assert_eq!(server.ask(&[7; 200_000]), b"");

    let server = Served::start(&["--mode", "chargen"]);
    let mut stream = server.connect();
    let mut received = vec![0; 100_000];
    stream.read_exact(&mut received).unwrap();
    assert!(received.starts_with(b" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOP"));
    assert_eq!(&received[72..75], b"\r\n!");

    let server = Served::start(&["--mode", "daytime"]);
    let date = String::from_utf8(server.ask(b"")).unwrap();
    assert!(date.ends_with("Z\r\n") && date.starts_with("20"), "{date}");

    let server = Served::start(&["--mode", "blackhole"]);
    let mut stream = server.connect();
    stream.write_all(b"anybody?").unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(stream.read(&mut [0; 8]).is_err());
    assert_eq!(server.terminate().code, Some(0), "it does not wait for such a client");
}

#[test]
fn a_blackhole_stops_a_client_that_sends() {
    let server = Served::start(&["--mode", "blackhole"]);
    let mut stream = server.connect();
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut sent = 0;
    while sent < 64 << 20 {
        match stream.write(&[0; 1 << 16]) {
            Ok(count) => sent += count,
            Err(_) => return,
        }
    }
    panic!("{sent} bytes went down the hole");
}

#[test]
fn localhost_has_both_families_and_one_port() {
    let mut command = loopctl();
    command.arg("serve");
    let mut server = Served::spawn(&mut command);
    assert_eq!(server.address.ip().to_string(), "127.0.0.1");
    if TcpStream::connect(("::1", server.address.port())).is_ok() {
        assert_eq!(server.line(), format!("listening on [::1]:{}\n", server.address.port()));
    }
}

#[test]
fn json_has_a_record_for_each_socket_connection_and_the_sum() {
    let mut server = Served::start(&["--json", "-n", "2"]);
    assert_eq!(server.ask(b"one"), b"one");
    let record = server.record();
    assert_eq!(record["record"], "connection");
    assert_eq!((&record["bytes_in"], &record["bytes_out"]), (&3.into(), &3.into()));
    assert_eq!((&record["end"], &record["error"]), (&"eof".into(), &().into()));
    assert_eq!(record["local"]["port"], server.address.port());
    drop(server.connect());
    assert_eq!(server.record()["end"], "eof");
    let ran = server.end();
    assert_eq!(ran.code, Some(0));
    let summary = parse(&ran.stdout);
    assert_eq!(summary["record"], "summary");
    assert_eq!((&summary["accepted"], &summary["closed"]), (&2.into(), &2.into()));
}

#[test]
fn every_kind_of_record_is_as_the_schema_says() {
    let directory = tempfile::tempdir().unwrap();
    let unix = format!("unix:{}", directory.path().join("s").display());
    let args = ["--json", &unix, "--stats", "50ms", "--debug", "--slow-callback", "0"];
    let mut server = Served::start(&args);
    server.ask(b"x");
    let kind = |record: &Value| record["record"].as_str().unwrap().to_owned();
    let mut kinds = vec![kind(&parse(&server.listening))];
    while kinds.iter().filter(|kind| *kind == "stats").count() < 3 || kinds.len() < 5 {
        kinds.push(kind(&server.record()));
    }
    let ran = server.terminate();
    kinds.extend(ran.stdout.lines().map(|line| kind(&parse(line))));
    assert_eq!((&*kinds[0], &*kinds[kinds.len() - 1]), ("listening", "summary"));
    kinds.retain(|kind| kind != "stats");
    assert_eq!(kinds, ["listening", "listening", "connection", "summary"]);

    let mut server = Served::start(&["--json", "--udp"]);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"x", server.address).unwrap();
    assert_eq!(server.record()["record"], "datagram");
}

#[test]
fn log_json_leaves_the_first_line_for_people() {
    let mut server = Served::start(&["--log", "json", "--once"]);
    server.ask(b"x");
    assert_eq!(server.record()["record"], "connection");
    assert_eq!(server.record()["record"], "summary");
}

#[test]
fn once_refuses_the_second_client_and_waits_for_the_first() {
    let server = Served::start(&["--once"]);
    let mut first = server.connect();
    first.write_all(b"a").unwrap();
    first.read_exact(&mut [0]).unwrap();
    assert!(TcpStream::connect(server.address).is_err(), "only one is accepted");
    first.write_all(b"b").unwrap();
    first.read_exact(&mut [0]).unwrap();
    drop(first);
    assert_eq!(server.end().code, Some(0));
}

#[test]
fn quiet_says_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("port");
    let path = file.to_str().unwrap();
    let mut command = loopctl();
    command.args(["serve", "-q", "127.0.0.1:0", "--once", "--port-file", path]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    let port: u16 = loop {
        if let Ok(port) = std::fs::read_to_string(&file) {
            break port.trim().parse().unwrap();
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "there is no port file");
    };
    drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len(), output.stderr.len()), (Some(0), 0, 0));
}

#[test]
fn sigterm_lets_idle_clients_go_and_those_who_are_served_finish() {
    let server = Served::start(&["--json"]);
    let mut idle = server.connect();
    let (took, mut ran) = timed(|| server.terminate());
    assert_eq!(idle.read(&mut [0]).unwrap(), 0, "a proper end-of-file");
    assert!(took < Duration::from_secs(4), "the grace is not used up: {took:?}");
    assert_eq!(ran.code, Some(0));
    ran.stdout = ran.stdout.lines().next().unwrap().to_owned();
    assert_eq!(ran.json()["end"], "shutdown");
}

#[test]
fn an_upload_under_way_is_taken_to_its_end() {
    for mode in ["sink", "echo"] {
        let ran = (0..5).find_map(|_| steady_upload(mode)).expect("the client was never in time");
        assert_eq!(ran.code, Some(0), "{}", ran.stdout);
        let record = parse(ran.stdout.lines().next().unwrap());
        assert_eq!((&record["bytes_in"], &record["end"]), (&405.into(), &"eof".into()), "{mode}");
    }
}

/// A client that writes every 5 ms during a shutdown. `None` if this machine held it up for as long as a server waits
/// for a client that says nothing (250 ms).
fn steady_upload(mode: &str) -> Option<Ran> {
    let server = Served::start(&["--json", "--mode", mode]);
    let mut stream = server.connect();
    stream.write_all(b"begin").unwrap();
    wait_until_read(&stream);
    server.signal(Signal::TERM);
    for _ in 0..100 {
        let pause = || std::thread::sleep(Duration::from_millis(5));
        if timed(pause).0 > Duration::from_millis(200) {
            return None;
        }
        stream.write_all(b"more").unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    Some(server.end())
}

#[test]
fn a_transfer_to_be_kept_that_pauses_has_all_the_grace() {
    let server = Served::start(&["--mode", "sink", "--grace", "600ms"]);
    let mut stream = server.connect();
    stream.write_all(b"half of it").unwrap();
    wait_until_read(&stream);
    let (took, ran) = timed(|| server.terminate());
    assert!(took >= Duration::from_millis(600), "{took:?}");
    assert_eq!(ran.code, Some(28), "{}", ran.stdout);
}

#[test]
fn what_does_not_finish_within_the_grace_is_cut_off() {
    let server = Served::start(&["--json", "--mode", "chargen", "--grace", "300ms"]);
    let stuck = server.connect();
    wait_until_stuck(&stuck);
    let (took, ran) = timed(|| server.terminate());
    assert!(took >= Duration::from_millis(300), "{took:?}");
    assert_eq!(ran.code, Some(28), "{}", ran.stdout);
    assert!(ran.stdout.contains(r#""aborted":1"#), "{}", ran.stdout);
    drop(stuck);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let server = Served::start(&["--mode", "chargen", "--grace", "1h"]);
    let stuck = server.connect();
    wait_until_stuck(&stuck);
    server.signal(Signal::INT);
    wait_until_refused(server.address);
    server.signal(Signal::INT);
    let ran = server.end();
    assert_eq!(ran.code, None, "it ends by the signal");
    assert!(ran.stdout.contains("shutdown: cut off"), "{}", ran.stdout);
    drop(stuck);
}

#[test]
fn time_up_is_a_failure_only_if_clients_were_to_come() {
    let (took, ran) = timed(|| run(&["serve", "127.0.0.1:0", "--timeout", "200ms"]));
    assert!(took >= Duration::from_millis(200));
    assert_eq!(ran.code, Some(0));
    assert_eq!(run(&["serve", "127.0.0.1:0", "--timeout", "100ms", "--once"]).code, Some(28));
}

#[test]
fn idle_connections_are_closed_and_busy_ones_are_not() {
    let mut server = Served::start(&["--json", "--idle-timeout", "300ms"]);
    let mut busy = server.connect();
    let begin = Instant::now();
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(100));
        busy.write_all(b"x").unwrap();
        busy.read_exact(&mut [0]).unwrap();
    }
    assert_eq!(busy.read(&mut [0]).unwrap(), 0);
    assert!(begin.elapsed() >= Duration::from_millis(1100));
    assert_eq!(server.record()["end"], "idle");
}

#[test]
fn allow_keeps_others_out() {
    let server = Served::start(&["--allow", "192.0.2.0/24", "--allow", "127.0.0.2"]);
    assert_eq!(server.ask(b""), b"");
    let ran = server.terminate();
    assert!(ran.stdout.contains("limit: the client's network is not allowed"), "{}", ran.stdout);
    let server = Served::start(&["--allow", "127.0.0.0/8"]);
    assert_eq!(server.ask(b"x"), b"x");
}

#[test]
fn who_is_not_allowed_is_none_of_those_who_were_asked_for() {
    let mut server = Served::start(&["--json", "--once", "--allow", "127.0.0.2"]);
    assert_eq!(server.connect().read(&mut [0]).unwrap(), 0);
    assert_eq!(server.record()["end"], "limit");
    let target = server.address.to_string();
    assert_eq!(run(&["connect", "--source", "127.0.0.2", &target]).code, Some(0));
    assert_eq!(server.end().code, Some(0));
}

#[test]
fn sigquit_tells_the_totals_and_sighup_ends_it() {
    if is_ignored(Signal::HUP) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let server = Served::start(&["--json", &format!("unix:{}", path.display())]);
    assert_eq!(server.ask(b"x"), b"x");
    server.signal(Signal::QUIT);
    assert_eq!(server.ask(b"y"), b"y");
    server.signal(Signal::HUP);
    let ran = server.end();
    assert_eq!(ran.code, Some(0));
    assert!(ran.stdout.contains(r#""record":"stats""#), "{}", ran.stdout);
    assert!(!path.exists(), "its socket file is gone");
}

#[test]
fn what_nohup_has_set_stays() {
    let mut command = std::process::Command::new("sh");
    let script = "trap '' HUP; exec \"$0\" serve 127.0.0.1:0 --once";
    command.args(["-c", script, env!("CARGO_BIN_EXE_loopctl")]);
    let server = Served::spawn(&mut command);
    server.signal(Signal::HUP);
    assert_eq!(server.ask(b"x"), b"x");
    assert_eq!(server.end().code, Some(0));
}

#[test]
fn what_never_ends_by_itself_ends_with_the_server() {
    let server = Served::start(&["--json", "--mode", "chargen"]);
    let mut stream = server.connect();
    stream.read_exact(&mut [0; 1000]).unwrap();
    let reading = std::thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
    let (took, ran) = timed(|| server.terminate());
    assert!(reading.join().unwrap().unwrap() > 0);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert!(took < Duration::from_secs(4), "the grace is not used up: {took:?}");
}

#[test]
fn a_second_server_does_not_bother_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let unix = format!("unix:{}", directory.path().join("s").display());
    let server = Served::start(&["--json", "--once", &unix]);
    assert_eq!(run(&["serve", &unix]).code, Some(45));
    assert_eq!(server.ask(b"x"), b"x", "it still waits for its one client");
    let ran = server.end();
    assert_eq!(ran.stdout.matches(r#""record":"connection""#).count(), 1, "{}", ran.stdout);
}

#[test]
fn a_failure_to_listen_has_its_record() {
    let ran = run(&["serve", "--json", "192.0.2.1:0"]);
    assert_eq!(ran.code, Some(45));
    let record = parse(&ran.stdout);
    assert!(record["error"]["message"].as_str().unwrap().contains("192.0.2.1:0: bind: "));
}

#[test]
fn a_client_that_is_cut_off_in_the_middle_is_told_by_a_reset() {
    let mut server = Served::start(&["--json", "--mode", "chargen", "--idle-timeout", "300ms"]);
    let mut stream = server.connect();
    let record = server.record();
    assert_eq!(record["end"], "idle");
    let mut received = Vec::new();
    let error = stream.read_to_end(&mut received).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "a part is not the whole");
    assert!(record["bytes_out"].as_u64().unwrap() >= received.len() as u64);
}

#[test]
fn rate_holds_in_both_directions() {
    let server = Served::start(&["--rate", "100kB/s", "--mode", "chargen"]);
    let mut stream = server.connect();
    let (took, ()) = timed(|| stream.read_exact(&mut [0; 50_000]).unwrap());
    assert!(took >= Duration::from_millis(450), "{took:?}");

    // What is received and sent back takes its time once, not twice.
    let took = std::iter::repeat_with(|| {
        let server = Served::start(&["--rate", "100kB/s"]);
        let (took, echoed) = timed(|| server.ask(&[7; 50_000]));
        assert_eq!(echoed.len(), 50_000);
        assert!(took >= Duration::from_millis(450), "{took:?}");
        took
    });
    let best = took.take(3).min().unwrap();
    assert!(best < Duration::from_millis(900), "{best:?}");
}

#[test]
fn max_conns_has_the_others_wait() {
    let server = Served::start(&["--max-conns", "1"]);
    let first = server.connect();
    let mut second = server.connect();
    second.write_all(b"x").unwrap();
    second.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let error = second.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "it waits, and is not reset");
    drop(first);
    second.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut echo = [0];
    second.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"x");
}

#[test]
fn a_closed_output_ends_it_as_a_signal_would() {
    let mut server = Served::start(&[]);
    assert_eq!(server.ask(b"x"), b"x");
    server.line();
    server.close_stdout();
    assert_eq!(server.end().code, None, "SIGPIPE");
}

#[test]
fn a_reader_of_the_output_that_pauses_holds_up_no_client() {
    const CLIENTS: usize = 3000;
    let server = Served::start(&["--json"]);
    // Far more records than a pipe has room for, and nobody reads them.
    for _ in 0..CLIENTS {
        let mut stream = server.connect();
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }
    server.signal(Signal::TERM);
    let ran = server.end();
    assert_eq!(ran.code, Some(0));
    let ended = ran.stdout.lines().filter(|line| parse(line)["record"] == "connection").count();
    assert_eq!(ended, CLIENTS, "and nothing of it is lost");
}

#[test]
fn an_output_that_nobody_reads_ends_it_without_a_client() {
    let mut server = Served::start(&[]);
    server.close_stdout();
    assert_eq!(server.end().code, None, "SIGPIPE");
}

#[test]
fn clients_that_break_off_are_told_and_harm_nobody() {
    let mut server = Served::start(&["--json", "--mode", "chargen"]);
    let mut stream = server.connect();
    stream.read_exact(&mut [0; 1000]).unwrap();
    stream.shutdown(Shutdown::Both).unwrap();
    drop(stream);
    assert_eq!(server.record()["end"], "reset");
    assert_eq!(server.connect().read(&mut [0]).unwrap(), 1);
}

#[test]
fn addresses_that_cannot_be_had_are_errors_with_hints() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let ran = run(&["serve", &format!("127.0.0.1:{port}")]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(45), ""));
    assert!(ran.stderr.contains("address already in use"), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("ss -lnp sport = :{port}")), "{}", ran.stderr);
    assert_eq!(run(&["serve", "192.0.2.1:0"]).code, Some(45));
    let quiet = run(&["serve", "-q", "192.0.2.1:0"]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(45), ""));
    assert_eq!(run(&["serve", "no-such-host.invalid:0"]).code, Some(6));
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    let wrong: [&[&str]; 15] = [
        &[""],
        &["-n", "0"],
        &["--fault", "delay=1s", "--fault", "delay=2s"],
        &["8080"],
        &["99999"],
        &["localhost"],
        &["--root", "."],
        &["--output", "x"],
        &["--mode", "echo", "--exec", "cat"],
        &["--exec", "cat 'x"],
        &["--fault", "drop"],
        &["--udp", "--exec", "cat"],
        &["--udp", "--fault", "reset"],
        &["--qlog", "x"],
        &["--mode", "sink", "--output", "x", "--max-conns", "2"],
    ];
    for args in wrong {
        let ran = run(&[&["serve"], args].concat());
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("error: ") && ran.stdout.is_empty(), "{args:?}");
    }
    assert!(run(&["serve", "8080"]).stderr.contains("localhost:8080"));
}
