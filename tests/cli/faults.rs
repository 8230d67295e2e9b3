//! `serve --fault`: each fault as a client sees it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::served::{Served, timed};
use crate::support::{loopctl, run};

fn with(faults: &[&str]) -> Served {
    let args: Vec<&str> = faults.iter().flat_map(|fault| ["--fault", fault]).collect();
    Served::start(&[&["--json"], &args[..]].concat())
}

/// One byte there and back.
fn round_trip(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"x")?;
    stream.read_exact(&mut [0])
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The best of several, for an upper bound on a machine that does other things, too.
fn best(what: impl FnMut() -> Duration) -> Duration {
    std::iter::repeat_with(what).take(5).min().unwrap()
}

#[test]
fn accept_delay_ignores_a_client_for_a_while() {
    let server = with(&["accept-delay=200ms"]);
    let took = best(|| {
        let mut stream = server.connect();
        let (took, result) = timed(|| round_trip(&mut stream));
        result.unwrap();
        assert!(took >= ms(190), "{took:?}");
        let (second, result) = timed(|| round_trip(&mut stream));
        result.unwrap();
        assert!(second < ms(190), "only the beginning is late: {second:?}");
        took
    });
    assert!(took < ms(260), "{took:?}");
}

#[test]
fn delay_makes_each_reply_late_within_its_jitter() {
    let server = with(&["delay=100ms~50ms"]);
    let mut stream = server.connect();
    let mut times = Vec::new();
    for _ in 0..10 {
        let (took, result) = timed(|| round_trip(&mut stream));
        result.unwrap();
        assert!(took >= ms(50), "{took:?}");
        times.push(took);
    }
    let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    assert!(*least < ms(155), "{times:?}");
    assert!(*most - *least > ms(5), "they differ: {times:?}");
}

#[test]
fn accept_delay_comes_before_what_else_has_its_time() {
    let server = with(&["accept-delay=200ms", "close"]);
    let (took, read) = timed(|| server.connect().read(&mut [0]));
    assert_eq!(read.unwrap(), 0);
    assert!(took >= ms(200), "{took:?}");
}

#[test]
fn a_client_that_takes_all_it_gets_does_not_hold_up_the_clock() {
    let mut server = Served::start(&["--json", "--mode", "chargen", "--fault", "close=100ms"]);
    let took = best(|| {
        let (took, read) = timed(|| std::io::copy(&mut server.connect(), &mut std::io::sink()));
        // The server may have had more to send when it closed.
        let _ = read;
        server.record();
        took
    });
    assert!((ms(100)..ms(500)).contains(&took), "{took:?}");
}

#[test]
fn close_ends_the_connection_after_its_time() {
    let mut server = with(&["close=150ms"]);
    let took = best(|| {
        let mut stream = server.connect();
        round_trip(&mut stream).unwrap();
        let (took, read) = timed(|| stream.read(&mut [0]));
        assert_eq!(read.unwrap(), 0, "an end-of-file, not a reset");
        let record = server.record();
        assert_eq!((&record["end"], &record["faults"][0]), (&"fault".into(), &"close".into()));
        assert!(record["duration_ms"].as_f64().unwrap() >= 150.0, "{record}");
        took
    });
    assert!(took < ms(200), "{took:?}");
    assert_eq!(with(&["close"]).connect().read(&mut [0]).unwrap(), 0);
}

#[test]
fn reset_resets() {
    let mut server = with(&["reset"]);
    let mut stream = server.connect();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.record()["end"], "fault");
    let server = with(&["reset=100ms"]);
    let mut stream = server.connect();
    round_trip(&mut stream).unwrap();
    let (took, read) = timed(|| stream.read(&mut [0]));
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(took >= ms(50), "{took:?}");
}

#[test]
fn half_close_ends_our_side_and_goes_on_reading() {
    let mut server = with(&["half-close=100ms"]);
    let mut stream = server.connect();
    round_trip(&mut stream).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    for _ in 0..100 {
        stream.write_all(&[0; 10_000]).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    let record = server.record();
    assert_eq!((&record["bytes_in"], &record["bytes_out"]), (&1_000_001.into(), &1.into()));
    assert_eq!(record["end"], "eof");
}

#[test]
fn stall_after_sends_so_much_and_stays_silent() {
    let mut server = with(&["stall-after=1KiB"]);
    let mut stream = server.connect();
    stream.write_all(&[7; 2048]).unwrap();
    let mut other = server.connect();
    other.write_all(&[7; 2048]).unwrap();
    stream.read_exact(&mut [0; 1024]).unwrap();
    stream.set_read_timeout(Some(ms(200))).unwrap();
    let silence = stream.read(&mut [0]).unwrap_err().kind();
    assert_eq!(silence, ErrorKind::WouldBlock, "the connection stays open");
    // With bytes unread, this is a reset: the only way to leave that can be told from a half-close.
    drop(other);
    let record = server.record();
    assert_eq!((&record["end"], &record["bytes_out"]), (&"fault".into(), &1024.into()));
}

#[test]
fn stall_after_counts_what_is_received_where_nothing_is_sent() {
    let mut command = loopctl();
    command.args(["serve", "127.0.0.1:0", "--mode", "discard", "--fault", "stall-after=1MB"]);
    let server = Served::spawn(&mut command);
    let mut stream = server.connect();
    stream.set_write_timeout(Some(ms(300))).unwrap();
    let mut sent = 0;
    while sent < 64 << 20 {
        match stream.write(&[0; 1 << 16]) {
            Ok(count) => sent += count,
            Err(_) => break,
        }
    }
    assert!((1_000_000..32_000_000).contains(&sent), "{sent}");
    let ran = server.terminate();
    assert!(ran.stdout.contains("1.0 MB in"), "{}", ran.stdout);
}

#[test]
fn reset_after_delivers_so_much_first() {
    let server = with(&["reset-after=100KiB"]);
    for _ in 0..20 {
        let mut stream = server.connect();
        let mut writer = stream.try_clone().unwrap();
        let writing = std::thread::spawn(move || drop(writer.write_all(&[7; 200 << 10])));
        let mut received = Vec::new();
        let error = stream.read_to_end(&mut received).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(received.len(), 100 << 10);
        writing.join().unwrap();
    }
}

#[test]
fn slice_sends_in_small_pieces() {
    let server = with(&["slice=10B/5ms"]);
    let mut stream = server.connect();
    let begin = Instant::now();
    stream.write_all(&[7; 200]).unwrap();
    let (mut pieces, mut received) = (0, 0);
    while received < 200 {
        let mut buffer = [0; 200];
        received += stream.read(&mut buffer).unwrap();
        pieces += 1;
    }
    assert!(begin.elapsed() >= ms(19 * 5), "{:?}", begin.elapsed());
    assert!(pieces > 5, "{pieces}");
}

#[test]
fn rate_takes_its_time() {
    let server = with(&["rate=100kB/s"]);
    let mut stream = server.connect();
    let mut writer = stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(&[7; 50_000]).unwrap());
    let (took, read) = timed(|| stream.read_exact(&mut [0; 50_000]));
    read.unwrap();
    writing.join().unwrap();
    assert!(took >= ms(480), "{took:?}");
}

#[test]
fn backlog_leaves_clients_without_an_answer() {
    let server = with(&["backlog"]);
    let connected = TcpStream::connect_timeout(&server.address, ms(300));
    assert_eq!(connected.unwrap_err().kind(), ErrorKind::TimedOut);
    let target = server.address.to_string();
    assert_eq!(run(&["connect", &target, "--timeout", "300ms"]).code, Some(28));
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn backlog_with_a_number_queues_that_many_clients() {
    let server = with(&["backlog=2"]);
    let connect = || TcpStream::connect_timeout(&server.address, ms(300));
    let (_first, _second) = (connect().unwrap(), connect().unwrap());
    assert_eq!(connect().unwrap_err().kind(), ErrorKind::TimedOut, "silence, not a refusal");
}

#[test]
fn a_percentage_hits_its_share_and_the_seed_repeats_which() {
    let luck = |seed: &str| {
        let server =
            Served::start(&["--fault", "reset@50%", "--fault-seed", seed, "--mode", "daytime"]);
        let tries = (0..40).map(|_| server.connect().read_to_end(&mut Vec::new()).is_ok());
        tries.collect::<Vec<bool>>()
    };
    let first = luck("7");
    let spared = first.iter().filter(|spared| **spared).count();
    assert!((8..32).contains(&spared), "{first:?}");
    assert_eq!(first, luck("7"));
    assert_ne!(first, luck("8"));
}

#[test]
fn the_seed_is_told_where_luck_has_a_part() {
    let told = |args: &[&str]| {
        let args = [&["serve", "127.0.0.1:0", "--timeout", "50ms"], args].concat();
        run(&args).stderr
    };
    assert!(told(&["--fault", "reset@50%", "--fault-seed", "7"]).contains("--fault-seed 7 "));
    assert!(told(&["--fault", "delay=1ms~1ms"]).contains("--fault-seed "));
    assert_eq!(told(&["--fault", "delay=1ms"]), "");
}

#[test]
fn faults_combine() {
    let mut server =
        with(&["accept-delay=100ms", "delay=100ms", "slice=1B/10ms", "reset-after=5B"]);
    let mut stream = server.connect();
    let begin = Instant::now();
    stream.write_all(b"hello world").unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap_err();
    assert_eq!(received, b"hello");
    assert!(begin.elapsed() >= ms(240), "{:?}", begin.elapsed());
    let faults = server.record()["faults"].clone();
    assert_eq!(faults, serde_json::json!(["accept-delay", "delay", "slice", "reset-after"]));
}

#[test]
fn datagrams_can_be_late() {
    let server = Served::start(&["--udp", "--fault", "delay=150ms"]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (took, received) = timed(|| {
        socket.send_to(b"ping", server.address).unwrap();
        socket.recv(&mut [0; 16]).unwrap()
    });
    assert_eq!(received, 4);
    assert!(took >= ms(150), "{took:?}");
}
