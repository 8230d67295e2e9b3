//! Faults that change while `serve` runs: `loopctl control` and SIGHUP.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use crate::served::{Served, timed};
use crate::support::{Ran, Signal, loopctl, run};

fn control(socket: &str, words: &[&str]) -> Ran {
    run(&[&["control", socket], words].concat())
}

fn round_trip(stream: &mut TcpStream) -> Duration {
    let (took, result) = timed(|| {
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])
    });
    result.unwrap();
    took
}

/// The best of several, for an upper bound on a machine that does other things, too.
fn best(stream: &mut TcpStream) -> Duration {
    (0..5).map(|_| round_trip(stream)).min().unwrap()
}

#[test]
fn open_connections_get_new_faults_and_lose_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control");
    let socket = format!("unix:{}", path.display());
    let mut server = Served::start(&["--control", &socket, "--json"]);
    let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut client = server.connect();
    assert!(best(&mut client) < Duration::from_millis(150));
    assert_eq!(control(&socket, &[]).stdout, "");

    let set = control(&socket, &["set", "delay=200ms", "rate=1MB/s"]);
    assert_eq!((set.code, &*set.stdout), (Some(0), "delay 200 ms\nrate 1.0 MB/s\n"));
    let record = server.record();
    assert_eq!(
        (&record["record"], &record["in_force"][0]),
        (&"faults".into(), &"delay 200 ms".into())
    );
    assert!(round_trip(&mut client) >= Duration::from_millis(190));

    for (wrong, words) in [
        ("backlog", "has to be given when the server starts"),
        ("up:delay=1s", "needs --upstream"),
        ("latency=5", "write delay"),
    ] {
        let refused = control(&socket, &["set", wrong]);
        assert_eq!(refused.code, Some(2), "{wrong}");
        assert!(refused.stderr.contains(words), "{wrong}: {}", refused.stderr);
        assert_eq!(control(&socket, &["get"]).stdout, set.stdout, "all stay as they are");
    }
    assert_eq!(control(&socket, &["set"]).stdout, "");
    assert_eq!(server.record()["in_force"], serde_json::json!([]));
    assert!(best(&mut client) < Duration::from_millis(150));

    control(&socket, &["set", "reset"]);
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.terminate().code, Some(0));
    assert!(!path.exists());
    assert_eq!(control(&socket, &[]).code, Some(7));
}

#[test]
fn a_socket_of_others_is_left_alone_and_a_stale_one_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control");
    let socket = format!("unix:{}", path.display());
    let theirs = UnixListener::bind(&path).unwrap();
    let ran = run(&["serve", "127.0.0.1:0", "--control", &socket]);
    assert_eq!(ran.code, Some(45), "{}", ran.stderr);
    theirs.set_nonblocking(true).unwrap();
    drop(theirs);
    let server = Served::start(&["--control", &socket]);
    assert_eq!(control(&socket, &["set", "delay=1s"]).stdout, "delay 1 s\n");
    fs::remove_file(&path).unwrap();
    fs::write(&path, "a file").unwrap();
    server.terminate();
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
    let ran = run(&["serve", "127.0.0.1:0", "--control", &socket]);
    assert_eq!(ran.code, Some(45), "no socket: {}", ran.stderr);
}

#[test]
fn sighup_reads_the_file_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("faults");
    let name = path.to_str().unwrap();
    fs::write(&path, "delay=200ms # slow\n").unwrap();
    let mut server = Served::start(&["--faults", name]);
    assert_eq!(server.line(), "in force: delay 200 ms\n");
    let mut client = server.connect();
    assert!(round_trip(&mut client) >= Duration::from_millis(190));
    fs::write(&path, "# nothing\n").unwrap();
    server.signal(Signal::HUP);
    assert_eq!(server.line(), "in force: no fault\n");
    assert!(best(&mut client) < Duration::from_millis(150));
    fs::write(&path, "close=1h\n").unwrap();
    server.signal(Signal::HUP);
    assert_eq!(server.line(), "in force: close after 3600 s\n");
    fs::write(&path, "slice=1B/1ms\ndelay\n").unwrap();
    server.signal(Signal::HUP);
    let ran = server.terminate();
    assert_eq!(ran.code, Some(0));
    assert!(!ran.stdout.contains("in force"), "{}", ran.stdout);
    for words in ["the faults stay as they are", "line 2: delay needs"] {
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    assert_eq!(run(&["serve", "--faults", "/no/such/file"]).code, Some(26));
    fs::write(&path, "delay\n").unwrap();
    let ran = run(&["serve", "--faults", name]);
    assert!(ran.code == Some(2) && ran.stderr.contains("line 1: delay needs"), "{}", ran.stderr);
}

/// Faults in turn, set while clients come and go. LOOPCTL_SOAK_SECONDS lengthens the run.
#[test]
fn random_faults_leave_memory_and_descriptors_as_they_were() {
    let seconds = std::env::var("LOOPCTL_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("control").display());
    let upstream = Served::start(&[]);
    let address = upstream.address.to_string();
    let mut server = Served::start(&["--upstream", &address, "--control", &socket]);
    server.discard_stdout();
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count();
    let choices = [
        "",
        "delay=5ms",
        "up:delay=5ms",
        "close=5ms",
        "up:close=5ms",
        "reset=5ms",
        "up:reset=5ms",
        "half-close=5ms",
        "up:half-close=5ms",
        "stall-after=3",
        "up:stall-after=3",
        "reset-after=3",
        "up:reset-after=3",
        "slice=1B/1ms",
        "up:slice=1B/1ms",
        "rate=9kB/s",
        "up:rate=9kB/s",
        "accept-delay=5ms",
    ];
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(5));
    let (mut at, mut early) = (0_usize, None);
    while Instant::now() < end || at < choices.len() {
        // Steps that share no factor with the number of choices go through all pairs.
        let pair =
            [choices[at % choices.len()], choices[(at * 7 + at / choices.len()) % choices.len()]];
        let faults =
            pair.iter().filter(|fault| !fault.is_empty()).map(|fault| format!("{fault}@50%"));
        let mut command = loopctl();
        // Two of one kind are refused.
        let _ = command.args(["control", &socket, "set"]).args(faults).output().unwrap();
        for _ in 0..8 {
            let mut client = server.connect();
            client.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            let _ = client.write_all(b"hello");
            let _ = client.read(&mut [0; 9]);
        }
        at += 1;
        if at == choices.len() {
            early = Some(server.peak_memory());
        }
    }
    let grown = server.peak_memory().saturating_sub(early.unwrap());
    assert!(grown < 4 << 20, "{grown} bytes after {at} turns");
    assert_eq!(control(&socket, &["set", "close"]).code, Some(0));
    let before = Instant::now();
    while descriptors() > 24 {
        assert!(before.elapsed() < Duration::from_secs(40), "{} descriptors", descriptors());
        std::thread::yield_now();
    }
    assert_eq!(server.terminate().code, Some(0));
}
