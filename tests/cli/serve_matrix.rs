//! `serve`: every mode with every fault, alone and beside `half-close`, with and without TLS. A client comes and goes;
//! nothing that it does may keep the server from its end.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

use loopctl::{TlsClient, run as on_loop};

use crate::served::{Served, parse, timed};
use crate::support::{Signal, loopctl};

const MODES: [&[&str]; 9] = [
    &["--mode", "echo"],
    &["--mode", "discard"],
    &["--mode", "chargen"],
    &["--mode", "daytime"],
    &["--mode", "http"],
    &["--mode", "http", "--root", "/usr/share"],
    &["--mode", "sink", "--checksum", "sha256"],
    &["--mode", "blackhole"],
    &["--shell", "cat; yes"],
];

/// Faults of the connection to the upstream.
const UP_FAULTS: [&str; 8] = [
    "up:delay=20ms",
    "up:close=20ms",
    "up:reset=20ms",
    "up:half-close=20ms",
    "up:stall-after=5",
    "up:reset-after=5",
    "up:slice=3B/1ms",
    "up:rate=1kB/s",
];

const FAULTS: [&str; 10] = [
    "accept-delay=20ms",
    "delay=20ms",
    "close=20ms",
    "reset=20ms",
    "half-close=20ms",
    "stall-after=5",
    "reset-after=5",
    "slice=3B/1ms",
    "slice=1B/0s",
    "rate=1kB/s",
];

const TLS_FAULTS: [&str; 3] = ["tls-stall", "tls-close", "tls-bare-fin"];

/// Faults alone, and `half-close` with each other kind.
fn combinations(faults: &[&'static str]) -> Vec<Vec<&'static str>> {
    let alone = faults.iter().map(|fault| vec![*fault]);
    let others = faults.iter().filter(|fault| !fault.starts_with("half-close"));
    let pairs = others.map(|fault| vec!["half-close=20ms", fault]);
    [vec![]].into_iter().chain(alone).chain(pairs).collect()
}

#[test]
fn no_client_holds_a_proxy() {
    for (mode, is_tls) in
        [("echo", false), ("chargen", false), ("blackhole", false), ("echo", true)]
    {
        let upstream = Served::start(&["--mode", mode]);
        let address = upstream.address.to_string();
        let mode = ["--upstream", &address];
        let faults = combinations(&[&FAULTS[..], &UP_FAULTS].concat());
        run_modes(&[&mode], &faults, is_tls);
    }
}

#[test]
fn no_client_holds_a_plain_server() {
    run_all(&combinations(&FAULTS), false);
}

#[test]
fn no_client_holds_a_server_with_tls() {
    run_all(&combinations(&[&FAULTS[..], &TLS_FAULTS].concat()), true);
}

fn run_all(combinations: &[Vec<&'static str>], is_tls: bool) {
    run_modes(&MODES, combinations, is_tls);
}

fn run_modes(modes: &[&[&str]], combinations: &[Vec<&'static str>], is_tls: bool) {
    let cells =
        modes.iter().flat_map(|mode| combinations.iter().map(move |faults| (*mode, faults)));
    let cells = Mutex::new(cells);
    let next = || cells.lock().unwrap().next();
    let work = || {
        while let Some((mode, faults)) = next() {
            run_cell(mode, faults, is_tls);
        }
    };
    // Nearly all of the time is spent waiting.
    std::thread::scope(|scope| (0..12).for_each(|_| drop(scope.spawn(work))));
}

fn run_cell(mode: &[&str], faults: &[&str], is_tls: bool) {
    let name = format!("{mode:?} {faults:?} {is_tls}");
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let mut command = loopctl();
    command.args(["serve", "127.0.0.1:0", "--json", "--grace", "300ms"]).args(mode);
    for fault in faults {
        command.args(["--fault", fault]);
    }
    if is_tls {
        command.arg("--tls").arg("--tls-cert-file").arg(&ca_file);
    }
    let server = Served::spawn(&mut command);
    let ca = is_tls.then(|| std::fs::read_to_string(&ca_file).unwrap());
    for _ in 0..2 {
        visit(server.address, ca.as_deref());
    }
    let (took, ran) = timed(|| {
        server.signal(Signal::TERM);
        server.end()
    });
    assert!(matches!(ran.code, Some(0 | 28)), "{name}: {:?} {}", ran.code, ran.stderr);
    assert!(took < Duration::from_secs(20), "{name}: {took:?}");
    let records = ran.stdout.lines().map(parse).filter(|record| record["record"] == "connection");
    assert_eq!(records.count(), 2, "{name}: {}", ran.stdout);
}

/// Comes, says something, reads a little, and leaves with what it has not read.
fn visit(address: SocketAddr, ca: Option<&str>) {
    let Some(ca) = ca else {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(60))).unwrap();
        // The server may have reset the connection.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        let _ = stream.read(&mut [0; 100]);
        return;
    };
    let tls = TlsClient::builder().ca_pem(ca).build().unwrap().server_name("localhost").unwrap();
    on_loop(async |event_loop| {
        let visiting = async {
            let opening = event_loop.create_connection("127.0.0.1", address.port()).tls(tls);
            let Ok((mut reader, mut writer)) = opening.open_stream().await else { return };
            let _ = writer.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
            let _ = reader.read_some(100).await;
        };
        let _ = event_loop.timeout(Duration::from_millis(300), visiting).await;
    })
    .unwrap();
}

#[test]
fn the_second_client_and_the_time_limit_are_served_after_a_half_close() {
    let args = ["--mode", "chargen", "--fault", "half-close=50ms", "-n", "2", "--json"];
    let mut server = Served::start(&args);
    for _ in 0..2 {
        let mut received = Vec::new();
        server.connect().read_to_end(&mut received).unwrap();
        assert!(!received.is_empty());
        assert_eq!(server.record()["end"], "eof");
    }
    assert_eq!(server.end().code, Some(0));
    let mut server =
        Served::start(&["--mode", "chargen", "--fault", "half-close", "--timeout", "1s"]);
    let mut stream = server.connect();
    while stream.read(&mut [0; 4096]).unwrap() > 0 {}
    stream.shutdown(Shutdown::Both).unwrap();
    assert_eq!(server.line(), "in force: half-close at once\n");
    assert!(server.line().contains("eof (half-close)"));
    assert_eq!(server.end().code, Some(0));
}

#[test]
fn max_conns_counts_the_clients_of_all_addresses() {
    let mut command = loopctl();
    command.args(["serve", "127.0.0.1:0", "127.0.0.1:0", "--max-conns", "1"]);
    let mut server = Served::spawn(&mut command);
    let second: SocketAddr =
        server.line().trim().strip_prefix("listening on ").unwrap().parse().unwrap();
    let mut first = server.connect();
    first.write_all(b"x").unwrap();
    first.read_exact(&mut [0]).unwrap();
    let mut waiting = TcpStream::connect(second).unwrap();
    waiting.write_all(b"y").unwrap();
    waiting.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    waiting.read(&mut [0]).unwrap_err();
    drop(first);
    waiting.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    waiting.read_exact(&mut [0]).unwrap();
}

/// Programs that ignore SIGTERM, whose clients have reset their connections.
#[test]
fn a_program_counts_until_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let running = folder.path().join("running");
    let line = format!(
        "trap '' TERM; mkdir {0} || echo two at once; read x; sleep 1; rmdir {0}",
        running.display()
    );
    let mut server =
        Served::start(&["--max-conns", "1", "--grace", "5s", "--json", "--shell", &line]);
    for _ in 0..2 {
        let stream = server.connect();
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        while !running.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(stream);
        let record = server.record();
        assert_eq!(record["bytes_out"], 0, "{record}");
        assert!(!running.exists(), "its record comes when the program has ended");
    }
}

#[test]
fn a_program_is_killed_after_the_grace_period() {
    let line = "trap '' TERM; echo up; while :; do sleep 600; done";
    let mut server = Served::start(&["--grace", "200ms", "--json", "--shell", line]);
    let mut stream = server.connect();
    stream.read_exact(&mut [0; 3]).unwrap();
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
    let record = server.record();
    assert!(record["duration_ms"].as_f64().unwrap() >= 200.0, "{record}");
}
