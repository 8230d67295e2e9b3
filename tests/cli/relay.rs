//! `connect --relay`: bytes both ways, and every way to end.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::json::assert_valid;
use crate::support::{Ran, Signal, loopctl, refusing, run, signal, wait_until_sent};

const MIB: usize = 1 << 20;

/// A peer that does this with its only connection.
fn peer<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || serve(listener.accept().unwrap().0));
    (address.to_string(), serving)
}

fn read_all(mut stream: impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

/// Closes with a reset, once the handshake is over for the other side as well.
fn reset(stream: TcpStream) {
    thread::sleep(Duration::from_millis(30));
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

fn relay(args: &[&str]) -> Command {
    let mut command = loopctl();
    command.args(["connect", "--relay"]).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A relay whose standard input stays open for as long as the test holds it.
struct Open {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
}

impl Open {
    fn start(args: &[&str]) -> Self {
        let mut child = relay(args).stdin(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, stdin, stdout }
    }

    fn end(self) -> (std::process::ExitStatus, String) {
        let output = self.child.wait_with_output().unwrap();
        (output.status, String::from_utf8(output.stderr).unwrap())
    }
}

/// Gives a relay this input and closes it.
fn feed(args: &[&str], input: &[u8]) -> std::process::Output {
    let mut child = relay(args).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeding = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap().unwrap();
    output
}

/// Bytes of every value, in an order that shows what is lost or swapped.
fn bytes(size: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..size).map(|_| next()).collect()
}

/// An upper bound of what takes some milliseconds on a machine with nothing else to do.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The shortest of several tries, so that a busy machine is not what is measured.
fn best_of(tries: usize, mut run: impl FnMut() -> Duration) -> Duration {
    (0..tries).map(|_| run()).min().unwrap()
}

#[test]
fn a_server_that_answers_after_the_end_of_the_input() {
    let took = best_of(3, || {
        let (address, _) = peer(|mut stream| {
            let all = read_all(&stream);
            stream.write_all(all.len().to_string().as_bytes()).unwrap();
        });
        let began = Instant::now();
        let output = feed(&[&address], b"hello");
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"5"[..]));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.starts_with(&format!("{address} → {address}  tcp  connected in")), "{told}");
        assert!(told.contains("\nrelayed 5 B out, 1 B in, in "), "{told}");
        began.elapsed()
    });
    assert!(took < AT_ONCE, "{took:?}");
}

#[test]
fn a_server_that_closes_while_the_input_stays_open() {
    let took = best_of(3, || {
        let (address, _) = peer(|mut stream| stream.write_all(b"bye").unwrap());
        let began = Instant::now();
        let mut open = Open::start(&[&address]);
        assert_eq!(read_all(&mut open.stdout), b"bye");
        let status = open.child.wait().unwrap();
        let took = began.elapsed();
        assert_eq!(status.code(), Some(0));
        drop(open.stdin);
        took
    });
    assert!(took < AT_ONCE, "{took:?}");
}

#[test]
fn a_server_that_says_nothing_and_listens_gets_everything() {
    let content = bytes(5 * MIB);
    let input = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(input.path(), &content).unwrap();
    let serve = |stream: TcpStream| {
        // As `ncat -l` does where its own input is empty.
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        thread::sleep(Duration::from_millis(50));
        read_all(stream)
    };
    let (address, serving) = peer(serve);
    let from = File::open(input.path()).unwrap();
    assert_eq!(relay(&["-q", &address]).stdin(from).status().unwrap().code(), Some(0));
    assert!(serving.join().unwrap() == content, "from a file");
    let (address, serving) = peer(serve);
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&content[..60_000]).unwrap();
    assert_eq!(relay(&["-q", &address]).stdin(reader).status().unwrap().code(), Some(0));
    assert!(serving.join().unwrap() == content[..60_000], "from a pipe, which stays open");
    drop(writer);
}

#[test]
fn every_byte_arrives_in_order_both_ways() {
    let (there, back) = (bytes(25 * MIB), bytes(25 * MIB + 1));
    let answer = back.clone();
    let (address, serving) = peer(move |mut stream| {
        let mut sending = stream.try_clone().unwrap();
        let sender = thread::spawn(move || sending.write_all(&answer).unwrap());
        let mut all = vec![0; 25 * MIB];
        stream.read_exact(&mut all).unwrap();
        // Its end would end the relay.
        sender.join().unwrap();
        all
    });
    let output = feed(&["-q", &address], &there);
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    assert!(serving.join().unwrap() == there, "what went there");
    assert!(output.stdout == back, "what came back");
}

#[test]
fn regular_files_on_both_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let content = bytes(5 * MIB + 17);
    std::fs::write(&from, &content).unwrap();
    let (address, _) = peer(|mut stream| {
        let all = read_all(&stream);
        stream.write_all(&all).unwrap();
    });
    let output = relay(&[&address])
        .stdin(File::open(&from).unwrap())
        .stdout(File::create(&to).unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(std::fs::read(&to).unwrap() == content);
    let ran = Ran::from(output);
    assert!(ran.stderr.contains("relayed 5.2 MB out, 5.2 MB in, in "), "{}", ran.stderr);
}

#[test]
fn a_file_is_written_from_where_it_stands() {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(b"before ", 0).unwrap();
    std::io::Seek::seek(&mut &file, std::io::SeekFrom::End(0)).unwrap();
    let (address, _) = peer(|mut stream| stream.write_all(b"after").unwrap());
    relay(&["-q", &address]).stdout(file.try_clone().unwrap()).output().unwrap();
    let mut all = [0; 12];
    file.read_exact_at(&mut all, 0).unwrap();
    assert_eq!(&all, b"before after");
}

#[test]
fn unix_sockets_with_and_without_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let hidden = format!("loopctl-relay-{}", std::process::id());
    let name = <UnixAddr as SocketAddrExt>::from_abstract_name(&hidden).unwrap();
    let nameless = UnixListener::bind_addr(&name).unwrap();
    let targets = [format!("unix:{}", path.display()), format!("unix:@{hidden}")];
    for (listener, target) in [listener, nameless].into_iter().zip(targets) {
        let serving = thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let all = read_all(&stream);
            stream.write_all(&all).unwrap();
        });
        let output = feed(&[&target], b"to and fro");
        serving.join().unwrap();
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"to and fro"[..]));
    }
}

#[test]
fn exit_56_when_the_peer_resets_after_all_that_came_before() {
    let (address, _) = peer(|mut stream| {
        stream.write_all(b"some").unwrap();
        reset(stream);
    });
    let mut open = Open::start(&[&address]);
    assert_eq!(read_all(&mut open.stdout), b"some");
    let (status, told) = open.end();
    assert_eq!(status.code(), Some(56), "{told}");
    let error = format!("error: cannot receive from `{address}`: connection reset by peer\n");
    assert!(told.ends_with(&error), "{told}");
}

#[test]
fn exit_55_when_the_peer_takes_no_more() {
    // More than the pipe behind the program takes: as long as we read nothing, it does not get to the end.
    let (address, serving) = peer(|mut stream| {
        stream.write_all(&vec![7; 300_000]).unwrap();
        // What is still on its way when it closes is lost as soon as we send something.
        wait_until_sent(&stream);
    });
    let mut open = Open::start(&[&address]);
    serving.join().unwrap();
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(20));
        open.stdin.write_all(b"x").unwrap();
    }
    assert_eq!(read_all(&mut open.stdout).len(), 300_000, "what had come is still written");
    let (status, told) = open.end();
    assert_eq!(status.code(), Some(55), "{told}");
    assert!(told.ends_with(&format!("error: cannot send to `{address}`: broken pipe\n")), "{told}");
}

#[test]
fn exit_26_when_the_input_cannot_be_read() {
    let (address, _) = peer(read_all);
    let output = relay(&[&address]).stdin(File::open("/tmp").unwrap()).output().unwrap();
    let ran = Ran::from(output);
    assert_eq!(ran.code, Some(26));
    assert!(
        ran.stderr.ends_with("error: cannot read standard input: is a directory\n"),
        "{}",
        ran.stderr
    );
    let (address, _) = peer(read_all);
    let output_only = File::options().write(true).open("/dev/null").unwrap();
    let ran = Ran::from(relay(&[&address]).stdin(output_only).output().unwrap());
    assert_eq!(ran.code, Some(26), "{}", ran.stderr);
}

#[test]
fn an_input_that_is_closed_is_empty() {
    let (address, serving) = peer(|stream| read_all(&stream));
    let program = env!("CARGO_BIN_EXE_loopctl");
    let script = format!("{program} connect --relay {address} <&-");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(serving.join().unwrap(), b"");
}

#[test]
fn exit_23_when_the_disk_is_full() {
    let (address, _) = peer(|mut stream| stream.write_all(b"too much").unwrap());
    let full = File::options().write(true).open("/dev/full").unwrap();
    let ran = Ran::from(relay(&[&address]).stdout(full).output().unwrap());
    assert_eq!(ran.code, Some(23));
    assert!(ran.stderr.contains("error: cannot write output: no space left"), "{}", ran.stderr);
}

#[test]
fn exit_141_when_nobody_reads_also_when_nothing_comes() {
    let (address, serving) = peer(|stream| read_all(&stream));
    let open = Open::start(&[&address]);
    let Open { mut child, stdin, stdout } = open;
    drop(stdout);
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(13));
    drop(stdin);
    let told = read_all(child.stderr.take().unwrap());
    let told = String::from_utf8(told).unwrap();
    assert!(!told.contains("error:") && !told.contains("relayed"), "quietly: {told}");
    assert_eq!(serving.join().unwrap(), b"", "the connection is closed");
}

#[test]
fn a_signal_ends_it_after_a_word() {
    for (name, number) in [(Signal::INT, 2), (Signal::TERM, 15)] {
        let (address, serving) = peer(|mut stream| {
            stream.write_all(b"x").unwrap();
            read_all(stream)
        });
        let mut open = Open::start(&[&address]);
        open.stdout.read_exact(&mut [0]).unwrap();
        signal(&open.child, name);
        let (status, told) = open.end();
        assert_eq!(status.signal(), Some(number));
        assert!(told.contains("relayed 0 B out, 1 B in, in "), "{told}");
        assert_eq!(serving.join().unwrap(), b"");
    }
}

#[test]
fn sigquit_tells_how_much_has_gone_and_it_goes_on() {
    let (address, serving) = peer(|mut stream| {
        stream.write_all(b"x").unwrap();
        read_all(stream)
    });
    let mut open = Open::start(&[&address]);
    open.stdout.read_exact(&mut [0]).unwrap();
    signal(&open.child, Signal::QUIT);
    open.stdin.write_all(b"more").unwrap();
    drop(open.stdin);
    let output = open.child.wait_with_output().unwrap();
    assert!(output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.matches("relayed ").count(), 2, "{told}");
    assert_eq!(serving.join().unwrap(), b"more");
}

#[test]
fn an_interrupted_relay_has_a_document_as_well() {
    let (address, _) = peer(|mut stream| {
        stream.write_all(b"x").unwrap();
        read_all(stream)
    });
    let mut open = Open::start(&["--json", &address]);
    open.stdout.read_exact(&mut [0]).unwrap();
    signal(&open.child, Signal::INT);
    let (status, told) = open.end();
    assert_eq!(status.signal(), Some(2));
    let document: Value = serde_json::from_str(&told).unwrap();
    assert_valid(&document);
    assert_eq!((&document["exit_code"], &document["outcome"]), (&130.into(), &"success".into()));
    assert_eq!(document["relay"]["end"], "interrupted");
    assert_eq!(document["end"], "interrupted");
}

#[test]
fn exit_28_when_idle_and_not_before() {
    let (address, _) = peer(|mut stream| {
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(60));
            let _ = stream.write_all(b"x");
        }
        read_all(stream)
    });
    let began = Instant::now();
    let mut open = Open::start(&["--idle-timeout", "150ms", &address]);
    assert_eq!(read_all(&mut open.stdout), b"xxx");
    let (status, told) = open.end();
    assert_eq!(status.code(), Some(28), "{told}");
    assert!(began.elapsed() >= Duration::from_millis(180 + 150), "{:?}", began.elapsed());
    assert!(told.ends_with(&format!("`{address}`: idle for 150.0 ms\n")), "{told}");
}

/// What the kernel holds for a process, in KiB.
fn peak_kib(child: &Child) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Until what goes through has not changed for a while.
fn until_still(mut look: impl FnMut() -> u64) -> u64 {
    let (mut latest, mut since) = (look(), Instant::now());
    while since.elapsed() < Duration::from_millis(300) {
        thread::sleep(Duration::from_millis(10));
        let now = look();
        if now != latest {
            (latest, since) = (now, Instant::now());
        }
    }
    latest
}

/// More than a connection and the program hold; far less than is offered.
fn assert_bounded(moved: u64, child: &Child) {
    assert!(moved > 0 && moved < 20 * MIB as u64, "{moved} bytes went through");
    assert!(peak_kib(child) < 40_000, "{} KiB", peak_kib(child));
}

/// Writes for as long as it is allowed to, and counts.
fn write_on(mut to: impl Write + Send + 'static) -> (Arc<AtomicU64>, JoinHandle<()>) {
    let written = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&written);
    let piece = vec![7; 64 * 1024];
    let writing = thread::spawn(move || {
        while counter.load(Ordering::SeqCst) < 200 * MIB as u64 && to.write_all(&piece).is_ok() {
            counter.fetch_add(piece.len() as u64, Ordering::SeqCst);
        }
    });
    (written, writing)
}

#[test]
fn a_peer_that_never_reads_stops_the_reading_of_a_file() {
    let (hang_up, wait) = std::sync::mpsc::channel::<()>();
    let (address, serving) = peer(move |stream| {
        let _ = wait.recv();
        drop(stream);
    });
    let input = tempfile::NamedTempFile::new().unwrap();
    input.as_file().set_len(200 * MIB as u64).unwrap();
    let from = File::open(input.path()).unwrap();
    let child = relay(&["-q", &address]).stdin(from.try_clone().unwrap()).spawn().unwrap();
    // The place in the file is shared: it tells how far the program has read.
    assert_bounded(until_still(|| std::io::Seek::stream_position(&mut &from).unwrap()), &child);
    signal(&child, Signal::TERM);
    assert_eq!(child.wait_with_output().unwrap().status.signal(), Some(15));
    drop(hang_up);
    serving.join().unwrap();
}

#[test]
fn a_peer_that_never_reads_stops_the_reading_of_a_pipe() {
    let (hang_up, wait) = std::sync::mpsc::channel::<()>();
    let (address, serving) = peer(move |stream| {
        let _ = wait.recv();
        drop(stream);
    });
    let Open { mut child, stdin, stdout } = Open::start(&["-q", &address]);
    let (written, writing) = write_on(stdin);
    assert_bounded(until_still(|| written.load(Ordering::SeqCst)), &child);
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    drop((hang_up, stdout));
    serving.join().unwrap();
    writing.join().unwrap();
}

#[test]
fn an_output_that_nobody_reads_stops_the_reading_of_the_peer() {
    let (tell, told) = std::sync::mpsc::channel();
    let (address, serving) = peer(move |stream| tell.send(write_on(stream)).unwrap());
    let Open { mut child, stdin, stdout } = Open::start(&["-q", &address]);
    serving.join().unwrap();
    let (sent, sending) = told.recv().unwrap();
    assert_bounded(until_still(|| sent.load(Ordering::SeqCst)), &child);
    drop(stdout);
    assert_eq!(child.wait().unwrap().signal(), Some(13));
    drop(stdin);
    sending.join().unwrap();
}

#[test]
fn a_shared_input_keeps_its_mode_during_the_relay_and_after_it() {
    let nonblocking = 0o4000;
    for by_signal in [false, true] {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let (address, _) = peer(move |mut stream| {
            stream.write_all(b"bye").unwrap();
            let _ = ended.recv();
        });
        let (reader, _writer) = std::io::pipe().unwrap();
        let info = format!("/proc/self/fdinfo/{}", reader.as_raw_fd());
        let flags = || flags(&std::fs::read_to_string(&info).unwrap());
        let mut child =
            relay(&["-q", &address]).stdin(reader.try_clone().unwrap()).spawn().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 3]).unwrap();
        assert!(flags() & nonblocking == 0, "others read from it, too");
        if by_signal {
            signal(&child, Signal::INT);
        }
        drop(end);
        assert_eq!(child.wait().unwrap().signal(), by_signal.then_some(2));
        assert!(flags() & nonblocking == 0);
    }
}

fn flags(info: &str) -> u32 {
    let line = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    u32::from_str_radix(line.trim(), 8).unwrap()
}

#[test]
fn a_document_for_programs_is_alone_on_standard_error() {
    let (address, _) = peer(|mut stream| stream.write_all(b"bye").unwrap());
    // With a delay that deserves a warning.
    let output = relay(&["--json", "--happy-eyeballs=50ms", &address]).output().unwrap();
    assert_eq!(output.stdout, b"bye");
    let document: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_valid(&document);
    assert_eq!((&document["transport"], &document["exit_code"]), (&"tcp".into(), &0.into()));
    let relay_ended = &document["relay"];
    assert_eq!((&relay_ended["end"], &relay_ended["bytes_received"]), (&"eof".into(), &3.into()));
    let (address, _) = peer(reset);
    let output = relay(&["--ndjson", &address]).stdin(Stdio::piped()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let document = lines.last().unwrap();
    assert_valid(document);
    assert_eq!(output.status.code(), Some(56), "{told}");
    assert_eq!(document["exit_code"], 56);
    assert_eq!(
        (&document["relay"]["end"], &document["outcome"]),
        (&"reset".into(), &"success".into())
    );
    assert_eq!(document["relay"]["error"]["name"], "ECONNRESET");
}

#[test]
fn the_report_may_go_to_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report.json");
    let (address, _) = peer(|mut stream| stream.write_all(b"bye").unwrap());
    let report = path.display().to_string();
    let output = relay(&["--json", "--report", &report, &address]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.starts_with("relayed 0 B out, 3 B in, in ") && told.lines().count() == 1,
        "{told}"
    );
    assert_valid(&serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap());
}

#[test]
fn a_connection_that_fails_or_is_not_as_expected_is_not_used() {
    let ran = run(&["connect", "--relay", &refusing("127.0.0.1").to_string()]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(7), ""));
    assert!(ran.stderr.contains("connection refused"), "{}", ran.stderr);
    let (address, serving) = peer(read_all);
    let output = feed(&["--require", "6", &address], b"");
    assert_eq!(output.status.code(), Some(3));
    assert!(!String::from_utf8(output.stderr).unwrap().contains("relayed"));
    assert_eq!(serving.join().unwrap(), b"");
}

#[test]
fn it_may_wait_for_the_port_first() {
    let address: SocketAddr = refusing("127.0.0.1");
    let child = relay(&["--wait=10s", &address.to_string()]).spawn().unwrap();
    thread::sleep(Duration::from_millis(60));
    let listener = TcpListener::bind(address).unwrap();
    listener.accept().unwrap().0.write_all(b"at last").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"at last"[..]));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let wrong: [&[&str]; 7] = [
        &["a:1", "b:1"],
        &["-c", "2", "a:1"],
        &["-i", "1s", "a:1"],
        &["--all", "a:1"],
        &["--targets", "-", "a:1"],
        &["--report", "-", "a:1"],
        &[],
    ];
    for args in wrong {
        let ran = run(&[&["connect", "--relay"], args].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(ran.stderr.starts_with("error: "), "{args:?}: {}", ran.stderr);
    }
    assert_eq!(run(&["connect", "--idle-timeout", "1s", "a:1"]).code, Some(2));
}
