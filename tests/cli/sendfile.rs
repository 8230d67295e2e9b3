//! `sendfile`: what arrives, which way it went, and every way in which it can fail.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use jsonschema::Validator;
use serde_json::Value;
use socket2::SockRef;
use tempfile::TempDir;

use crate::json::assert_valid as assert_valid_connect;
use crate::served::{Served, timed};
use crate::support::{Ran, Signal, has_program, loopctl, refusing, run, signal};

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = include_str!("../../schemas/sendfile.v1.json");
    jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
});

/// The document, which is what the schema says, and agrees with the exit status.
pub(crate) fn document(ran: &Ran) -> Value {
    let document = ran.json();
    let errors: Vec<String> =
        SCHEMA.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
    if !document["connect"].is_null() {
        assert_valid_connect(&document["connect"]);
    }
    if let Some(code) = ran.code {
        assert_eq!(document["exit_code"], code);
    }
    document
}

pub(crate) fn every_byte(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 251) as u8 ^ (n >> 12) as u8).collect()
}

/// A folder for files to send.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) -> String {
        fs::write(self.path(name), content).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A file of this size with something at its end, that needs no room.
    pub(crate) fn sparse(&self, name: &str, size: u64, end: &[u8]) -> String {
        let mut file = File::create(self.path(name)).unwrap();
        file.seek(SeekFrom::Start(size - end.len() as u64)).unwrap();
        file.write_all(end).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }
}

/// A listener, and what its first client sends.
pub(crate) fn receiver() -> (String, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let receiving = spawn(move || {
        let (mut client, mut all) = (listener.accept().unwrap().0, Vec::new());
        // What was broken off is no end: it is told by what is missing.
        let _ = client.read_to_end(&mut all);
        all
    });
    (address, receiving)
}

/// Somebody who listens, and what is to happen to the connection.
pub(crate) fn peer<T: Send + 'static>(
    then: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    SockRef::from(&listener).set_recv_buffer_size(64 * 1024).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (address, spawn(move || then(listener.accept().unwrap().0)))
}

pub(crate) fn send(args: &[&str]) -> Ran {
    run(&[&["sendfile"], args].concat())
}

pub(crate) fn sha256sum(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn sf_01_a_file_arrives_by_either_method() {
    let files = Files::new();
    for (size, method) in [(17 * 65_536 + 1, "auto"), (300_000, "sendfile"), (3 << 20, "copy")] {
        let data = every_byte(size);
        let file = files.write("file", &data);
        let (to, receiving) = receiver();
        let ran = send(&["--method", method, &file, &to]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(receiving.join().unwrap() == data, "{method}");
        let by = if method == "copy" { " by copy, " } else { " by sendfile, " };
        let last = ran.stdout.lines().last().unwrap();
        assert!(last.starts_with("sent ") && last.contains(by), "{last}");
        assert!(last.ends_with(" retransmits") || last.ends_with(" 1 retransmit"), "{last}");
    }
}

#[test]
fn sf_02_sf_03_a_part_of_a_file_arrives() {
    let files = Files::new();
    let data = every_byte(10_000);
    let file = files.write("file", &data);
    for method in ["sendfile", "copy"] {
        let (to, receiving) = receiver();
        let args = ["--json", "--method", method, "--offset", "1000", "--count", "2kB"];
        let ran = send(&[&args[..], &[&file, &to]].concat());
        let document = document(&ran);
        assert!(receiving.join().unwrap() == data[1000..3000], "{method}");
        assert_eq!(document["outcome"], "success");
        assert_eq!(
            (&document["offset_bytes"], &document["sent_bytes"]),
            (&1000.into(), &2000.into())
        );
        assert_eq!((&document["count_bytes"], &document["method"]), (&2000.into(), &method.into()));
        assert_eq!(document["calls"], 1, "{document:#}");
        let reason = if method == "copy" { Value::from("asked") } else { Value::Null };
        assert_eq!(document["fallback_reason"], reason);
    }
}

#[test]
fn sf_04_sf_05_nothing_is_something_to_send() {
    let files = Files::new();
    let (empty, ten) = (files.write("empty", b""), files.write("ten", b"0123456789"));
    for args in [vec![empty.as_str()], vec!["--offset", "10", &ten]] {
        let (to, receiving) = receiver();
        let args = [&["--json", "--checksum", "sha256"], &args[..], &[&to]].concat();
        let ran = send(&args);
        let document = document(&ran);
        assert_eq!((ran.code, receiving.join().unwrap()), (Some(0), Vec::new()), "{args:?}");
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(document["sha256"], nothing, "{args:?}");
    }
}

/// Neither the offset nor the size fits into 32 bits.
#[test]
fn sf_17_five_gibibytes_of_nothing_and_an_end() {
    const SIZE: u64 = 5 << 30;
    let files = Files::new();
    let file = files.sparse("sparse", SIZE, b"the end");
    let (to, counting) = peer(|mut client| {
        let (mut buffer, mut count, mut last) = (vec![0; 1 << 20], 0, Vec::new());
        loop {
            match client.read(&mut buffer).unwrap() {
                0 => return (count, last),
                read => {
                    count += read as u64;
                    last.extend_from_slice(&buffer[read.saturating_sub(7)..read]);
                    last.drain(..last.len().saturating_sub(7));
                }
            }
        }
    });
    let ran = send(&["--json", &file, &to]);
    let document = document(&ran);
    assert_eq!(counting.join().unwrap(), (SIZE, b"the end".to_vec()));
    assert_eq!((&document["sent_bytes"], &document["method"]), (&SIZE.into(), &"sendfile".into()));
}

#[test]
fn sf_07_pipes_and_files_without_a_size_are_copied() {
    let data = every_byte(500_000);
    let (to, receiving) = receiver();
    let mut command = loopctl();
    command.args(["sendfile", "--json", "-", &to]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&data).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    let first = document(&ran);
    assert!(receiving.join().unwrap() == data);
    assert_eq!((&first["method"], &first["count_bytes"]), (&"copy".into(), &Value::Null));
    assert_eq!(first["fallback_reason"], "not_a_regular_file");

    let (to, receiving) = receiver();
    let ran = send(&["--json", "/proc/self/status", &to]);
    let second = document(&ran);
    let text = String::from_utf8(receiving.join().unwrap()).unwrap();
    assert!(text.starts_with("Name:\tloopctl"), "{text}");
    assert_eq!(
        (&second["method"], &second["fallback_reason"]),
        (&"copy".into(), &"refused".into())
    );
}

/// It is taken by reading the file once more, which a pipe does not bear.
#[test]
fn sf_07_there_is_no_checksum_of_what_can_be_read_only_once() {
    for file in ["-", "/proc/self/status"] {
        let ran = send(&["--checksum", "sha256", file, "127.0.0.1:1"]);
        assert_eq!(ran.code, Some(26), "{file}: {}", ran.stderr);
        assert!(ran.stderr.contains("--checksum needs a regular file"), "{}", ran.stderr);
    }
}

#[test]
fn standard_input_that_is_a_file_is_sent_from_where_it_is() {
    let files = Files::new();
    let name = files.write("file", b"0123456789");
    let (to, receiving) = receiver();
    let mut file = File::open(name).unwrap();
    file.seek(SeekFrom::Start(4)).unwrap();
    let mut command = loopctl();
    command.args(["sendfile", "--json", "-", &to]).stdin(file);
    let ran = Ran::from(command.output().unwrap());
    assert_eq!(document(&ran)["method"], "sendfile");
    assert_eq!(receiving.join().unwrap(), b"456789");
}

#[test]
fn sf_08_without_a_copy_what_the_kernel_cannot_send_is_an_error() {
    for flag in [&["--no-fallback"][..], &["--method", "sendfile"]] {
        let (to, receiving) = receiver();
        let ran = send(&[flag, &["--json", "/proc/self/status", &to]].concat());
        let document = document(&ran);
        assert_eq!((ran.code, receiving.join().unwrap()), (Some(55), Vec::new()));
        assert_eq!(document["method"], Value::Null);
        assert!(
            ran.stderr.contains("sendfile(2) cannot send `/proc/self/status`: invalid argument")
        );
    }
}

#[test]
fn sf_27_unix_sockets_take_files_too() {
    let files = Files::new();
    let data = every_byte(1 << 20);
    let file = files.write("file", &data);
    let listener = UnixListener::bind(files.path("socket")).unwrap();
    let receiving = spawn(move || {
        let (mut client, mut all) = (listener.accept().unwrap().0, Vec::new());
        client.read_to_end(&mut all).unwrap();
        all
    });
    let ran = send(&["--json", &file, &format!("unix:{}", files.path("socket").display())]);
    let document = document(&ran);
    assert!(receiving.join().unwrap() == data);
    assert_eq!((&document["method"], &document["retransmits"]), (&"sendfile".into(), &Value::Null));
}

#[test]
fn checksums_are_those_of_the_tools_and_of_the_sink() {
    let files = Files::new();
    let data = every_byte(3 << 20);
    let file = files.write("file", &data);
    let got = files.path("got");
    let sink = ["--mode", "sink", "--once", "--checksum", "sha256", "--output"];
    let server = Served::start(&[&sink[..], &[got.to_str().unwrap()]].concat());
    let ran = send(&["--checksum", "sha256", &file, &server.address.to_string()]);
    let received = server.end();
    assert_eq!((ran.code, received.code), (Some(0), Some(0)), "{}{}", ran.stderr, received.stderr);
    assert!(ran.stdout.ends_with(&sha256sum(Path::new(&file))), "{}", ran.stdout);
    assert!(received.stdout.contains(&sha256sum(&got)), "{}", received.stdout);
    assert!(fs::read(got).unwrap() == data);
    // Of a part, it is that of the part.
    let (to, receiving) = receiver();
    let args = ["--json", "--checksum", "sha256", "--offset", "5", "--count", "7"];
    let document = document(&send(&[&args[..], &[&file, &to]].concat()));
    let part = files.write("part", &receiving.join().unwrap());
    let sum = &sha256sum(Path::new(&part))[..64];
    assert_eq!(document["sha256"], sum);
    // The tools have no line for that; this is one that they pass over.
    let (to, receiving) = receiver();
    let ran = send(&[&args[1..], &[&file, &to]].concat());
    let line = format!("# sha256 {sum}  7 bytes from 5 on of {file}\n");
    assert!(ran.stdout.ends_with(&line), "{}", ran.stdout);
    receiving.join().unwrap();
}

#[test]
fn a_rate_is_kept() {
    let files = Files::new();
    let file = files.write("file", &every_byte(5000));
    for method in ["sendfile", "copy"] {
        let (to, receiving) = receiver();
        let args = ["--rate", "10kB/s", "--method", method, &file, &to];
        let (took, ran) = timed(|| send(&args));
        assert_eq!((ran.code, receiving.join().unwrap().len()), (Some(0), 5000));
        assert!(took >= Duration::from_millis(450), "{took:?}");
    }
}

#[test]
fn what_cannot_be_read_is_told_before_anybody_is_connected_to() {
    let files = Files::new();
    let ten = files.write("ten", b"0123456789");
    let folder = files.0.path().to_str().unwrap();
    let missing = files.path("missing");
    let unreadable = "/proc/self/mem";
    for (args, why) in [
        (vec![missing.to_str().unwrap()], "no such file or directory"),
        (vec![folder], "is a directory"),
        (vec!["--offset", "11", &ten], "it has 10 bytes, fewer than the offset 11"),
        (vec!["--resume", "/dev/zero"], "--resume needs a regular file"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let to = listener.local_addr().unwrap().to_string();
        let ran = send(&[&args[..], &[to.as_str()]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(26), ""), "{args:?}");
        let error = format!("error: cannot read `{}`: {why}\n", args[args.len() - 1]);
        assert_eq!(ran.stderr, error);
        let ran = send(&[&["--json"], &args[..], &[to.as_str()]].concat());
        let document = document(&ran);
        assert_eq!((&document["connect"], &document["outcome"]), (&Value::Null, &"failure".into()));
        assert!(listener.accept().is_err(), "nobody was bothered");
    }
    let (to, receiving) = receiver();
    let ran = send(&["--count", "10", unreadable, &to]);
    assert_eq!((ran.code, receiving.join().unwrap()), (Some(26), Vec::new()), "{}", ran.stderr);
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    for (args, word) in [
        (&["--all", "file", "host:1"][..], "there is no flag `--all`"),
        (&["--resume", "-", "host:1"], "--resume"),
        (&["--resume", "--offset", "1", "file", "host:1"], "--offset"),
        (&["--count", "0", "file", "host:1"], "more than nothing"),
        (&["--method", "splice", "file", "host:1"], "splice"),
        (&["--no-fallback", "--method", "copy", "file", "host:1"], "--method"),
        (&["file"], "TARGET"),
        (&["file", "host"], "no port"),
    ] {
        let ran = send(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(ran.stderr.contains(word), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn a_target_that_refuses_is_told_as_connect_tells_it() {
    let files = Files::new();
    let file = files.write("file", b"a file");
    let to = refusing("127.0.0.1").to_string();
    let ran = send(&[&file, &to]);
    assert_eq!(ran.code, Some(7));
    assert!(ran.stderr.contains("could not connect to"), "{}", ran.stderr);
    let document = document(&send(&["--json", &file, &to]));
    assert_eq!((&document["sent_bytes"], &document["outcome"]), (&0.into(), &"failure".into()));
    assert_eq!((&document["count_bytes"], &document["method"]), (&6.into(), &Value::Null));
    assert_eq!(document["error"]["kind"], "refused");
}

#[test]
fn sf_15_a_peer_that_leaves_in_the_middle_is_55() {
    let files = Files::new();
    let file = files.sparse("sparse", 64 << 20, b"the end");
    for method in ["sendfile", "copy"] {
        let (to, leaving) = peer(|mut client| {
            client.read_exact(&mut [0; 1024]).unwrap();
            SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        });
        let ran = send(&["--json", "--method", method, &file, &to]);
        leaving.join().unwrap();
        let document = document(&ran);
        assert_eq!((ran.code, &document["outcome"]), (Some(55), &"failure".into()));
        let sent = document["sent_bytes"].as_u64().unwrap();
        assert!((1024..64 << 20).contains(&sent), "{document:#}");
        assert!(ran.stderr.contains("error: cannot send `"), "{}", ran.stderr);
    }
}

#[test]
fn a_peer_that_stops_reading_is_28() {
    let files = Files::new();
    let file = files.sparse("sparse", 64 << 20, b"the end");
    for method in ["sendfile", "copy"] {
        let (to, sleeping) = peer(|client| client);
        let args = ["--json", "--idle-timeout", "300ms", "--method", method, &file, &to];
        let (took, ran) = timed(|| send(&args));
        let document = document(&ran);
        assert_eq!((ran.code, &document["outcome"]), (Some(28), &"timeout".into()));
        assert_eq!(document["method"], method, "it was chosen");
        assert!(document["calls"].as_u64() > Some(0), "{document:#}");
        assert!(took >= Duration::from_millis(300), "{took:?}");
        assert!(ran.stderr.contains("the peer accepted no data for 300.0 ms"), "{}", ran.stderr);
        drop(sleeping.join().unwrap());
    }
}

#[test]
fn the_time_for_all_of_it_is_limited_where_that_is_asked_for() {
    let files = Files::new();
    let file = files.write("file", &every_byte(100_000));
    let (to, receiving) = receiver();
    let args = ["--json", "--timeout", "300ms", "--rate", "10kB/s", &file, &to];
    let (took, ran) = timed(|| send(&args));
    let document = document(&ran);
    assert_eq!((ran.code, &document["outcome"]), (Some(28), &"timeout".into()));
    assert!(took >= Duration::from_millis(290) && took < Duration::from_secs(8), "{took:?}");
    let received = receiving.join().unwrap().len() as u64;
    assert!(received <= document["sent_bytes"].as_u64().unwrap());
}

#[test]
fn sf_28_a_file_that_shrinks_is_18_and_one_that_grows_is_sent_as_it_was() {
    let files = Files::new();
    for (size, code) in [(20_000_u64, 18), (90_000, 0)] {
        let file = files.write("file", &every_byte(60_000));
        let path = files.path("file");
        let (to, changing) = peer(move |mut client| {
            let mut all = vec![0; 10_000];
            client.read_exact(&mut all).unwrap();
            File::options().write(true).open(path).unwrap().set_len(size).unwrap();
            let ended = client.read_to_end(&mut all);
            (all.len(), ended.is_ok())
        });
        let ran = send(&["--json", "--rate", "100kB/s", &file, &to]);
        let document = document(&ran);
        assert_eq!(ran.code, Some(code), "{}", ran.stderr);
        let (received, is_whole) = changing.join().unwrap();
        assert_eq!(is_whole, code == 0, "a part has no end");
        match code {
            0 => {
                assert_eq!(received, 60_000);
                assert!(ran.stderr.contains("has grown by 30000 bytes"), "{}", ran.stderr);
            }
            _ => {
                assert!(document["sent_bytes"].as_u64().unwrap() < 60_000);
                assert!(ran.stderr.contains("of 60000 bytes"), "{}", ran.stderr);
            }
        }
    }
    let ten = files.write("ten", b"0123456789");
    let (to, receiving) = receiver();
    let ran = send(&["--count", "11", &ten, &to]);
    assert_eq!((ran.code, receiving.join().unwrap()), (Some(18), b"0123456789".to_vec()));
}

pub(crate) fn spawned(args: &[&str]) -> Child {
    let mut command = loopctl();
    command.arg("sendfile").args(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn an_interrupt_tells_how_much_went_and_leaves_no_whole_file() {
    let files = Files::new();
    let file = files.write("file", &every_byte(100_000));
    for (name, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let got = files.path("got");
        let sink = ["--mode", "sink", "--once", "--output", got.to_str().unwrap(), "--force"];
        let server = Served::start(&sink);
        let child = spawned(&["--json", "--rate", "20kB/s", &file, &server.address.to_string()]);
        let part = files.path("got.part");
        while fs::metadata(&part).map_or(0, |found| found.len()) == 0 {
            std::thread::yield_now();
        }
        signal(&child, name);
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.code, None, "it died of the signal");
        let document = document(&ran);
        assert_eq!(
            (&document["outcome"], &document["exit_code"]),
            (&"interrupted".into(), &code.into())
        );
        assert_eq!(server.end().code, Some(56));
        assert!(part.exists() && !got.exists());
    }
}

#[test]
fn sigquit_tells_how_much_has_gone() {
    let files = Files::new();
    let file = files.write("file", &every_byte(100_000));
    let (to, receiving) = receiver();
    let mut child = spawned(&["--rate", "200kB/s", &file, &to]);
    let mut stdout = child.stdout.take().unwrap();
    // The report of the connection comes before the file.
    stdout.read_exact(&mut [0; 64]).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    signal(&child, Signal::QUIT);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, receiving.join().unwrap().len()), (Some(0), 100_000));
    assert!(ran.stderr.starts_with("sent ") && ran.stderr.contains(" so far\n"), "{}", ran.stderr);
}

#[test]
fn a_disk_that_is_full_at_the_other_end_is_told_there_and_here() {
    let files = Files::new();
    let file = files.sparse("sparse", 64 << 20, b"the end");
    let server = Served::start(&["--mode", "sink", "--output", "/dev/full"]);
    let ran = send(&[&file, &server.address.to_string()]);
    assert_eq!(ran.code, Some(55), "{}", ran.stderr);
    assert_eq!(server.end().code, Some(23));
}

#[test]
fn sf_09_over_tls_it_is_a_copy_and_says_so() {
    let files = Files::new();
    let data = every_byte(1 << 20);
    let file = files.write("file", &data);
    let got = files.path("got");
    let sink = ["--tls", "--mode", "sink", "--once", "--resume", "--checksum", "sha256"];
    let sink = [&sink[..], &["--output", got.to_str().unwrap()]].concat();
    let server = Served::start(&sink);
    let to = server.address.to_string();
    let tls = ["--tls", "--insecure", "--json", "--checksum", "sha256", "--resume"];
    let document = document(&send(&[&tls[..], &[&file, &to]].concat()));
    assert_eq!(server.end().code, Some(0));
    assert_eq!(
        (&document["method"], &document["fallback_reason"]),
        (&"copy".into(), &"tls".into())
    );
    assert!(document["kernel_tls"].is_boolean(), "{document:#}");
    assert_eq!(document["connect"]["tls"]["version"], "TLSv1.3");
    assert_eq!(document["sha256"], sha256sum(&got)[..64]);
    assert!(fs::read(&got).unwrap() == data);

    let server = Served::start(&["--tls", "--mode", "discard"]);
    let to = server.address.to_string();
    let ran = send(&["--tls", "--insecure", &file, &to]);
    let why = " by copy: TLS encrypts in this process, ";
    assert!(ran.code == Some(0) && ran.stdout.contains(why), "{}{}", ran.stdout, ran.stderr);
    assert!(!ran.stdout.contains("os error"), "{}", ran.stdout);
    let ran = send(&["--tls", "--insecure", "--no-fallback", &file, &to]);
    assert_eq!(ran.code, Some(55), "{}", ran.stderr);
    assert!(ran.stderr.contains("sendfile(2) cannot send `"), "{}", ran.stderr);
    assert_eq!(send(&["--tls", &file, &to]).code, Some(60), "nobody trusts it");
}

#[test]
fn events_come_before_the_document() {
    let files = Files::new();
    let file = files.write("file", b"a file");
    let (to, receiving) = receiver();
    let ran = send(&["--ndjson", &file, &to]);
    receiving.join().unwrap();
    let lines: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() > 3);
    assert!(lines[..lines.len() - 1].iter().all(|line| line["schema"] == "loopctl.event.v1"));
    assert_eq!(lines[lines.len() - 1]["schema"], "loopctl.sendfile.v1");
    let ran = send(&["-q", &file, &refusing("127.0.0.1").to_string()]);
    assert_eq!((ran.code, ran.stdout, ran.stderr), (Some(7), String::new(), String::new()));
}

/// socat, nc and Python receive what was sent.
#[test]
fn sf_01_other_programs_receive_the_same() {
    let files = Files::new();
    let data = every_byte(17 * 65_536 + 1);
    let file = files.write("file", &data);
    let python = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); \
                  c, _ = s.accept(); f = open(sys.argv[2], 'wb')\nwhile b := c.recv(70000): f.write(b)";
    for method in ["sendfile", "copy"] {
        for tool in ["socat", "nc", "python3"].into_iter().filter(|tool| has_program(tool)) {
            let (port, got) = (refusing("127.0.0.1").port().to_string(), files.path("got"));
            let mut command = Command::new(tool);
            match tool {
                "socat" => command
                    .arg("-u")
                    .arg(format!("TCP4-LISTEN:{port},bind=127.0.0.1"))
                    .arg(format!("CREATE:{}", got.display())),
                "nc" => command
                    .args(["-l", "-s", "127.0.0.1", "-p", &port])
                    .stdout(File::create(&got).unwrap()),
                _ => command.args(["-c", python, &port]).arg(&got),
            };
            let mut child = command.stdin(Stdio::null()).spawn().unwrap();
            let to = format!("127.0.0.1:{port}");
            let mut ran = send(&["--method", method, &file, &to]);
            // It may not listen yet.
            for _ in 0..500 {
                if ran.code != Some(7) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
                ran = send(&["--method", method, &file, &to]);
            }
            assert_eq!(ran.code, Some(0), "{tool}: {}", ran.stderr);
            assert!(child.wait().unwrap().success(), "{tool}");
            assert!(fs::read(&got).unwrap() == data, "{tool} {method}");
        }
    }
}

/// The kernel moves the bytes: in few calls, and none of them through this process.
#[test]
fn sf_17_ten_megabytes_take_at_most_ten_calls_and_no_payload_is_read() {
    let files = Files::new();
    let file = files.write("file", &every_byte(10_000_000));
    if !has_program("strace") {
        return;
    }
    let (to, receiving) = receiver();
    let trace = files.path("trace");
    let mut command = Command::new("strace");
    command.args([
        "-f",
        "-s",
        "0",
        "-e",
        "trace=sendfile,read,write,pread64,sendto,sendmsg,recvfrom",
        "-o",
    ]);
    command.arg(&trace).arg(env!("CARGO_BIN_EXE_loopctl")).args(["sendfile", &file, &to]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(receiving.join().unwrap().len(), 10_000_000, "{output:?}");
    let trace = fs::read_to_string(trace).unwrap();
    let calls = trace.lines().filter(|line| line.contains("sendfile(")).count();
    assert!((1..=10).contains(&calls), "{trace}");
    let moved = |line: &str| line.rsplit("= ").next().and_then(|count| count.parse::<u64>().ok());
    let others = trace.lines().filter(|line| !line.contains("sendfile(")).filter_map(moved);
    let others: u64 = others.sum();
    assert!(others < 100_000, "{others} bytes went through the process\n{trace}");
}

#[test]
fn memory_stays_flat_whatever_the_size() {
    let files = Files::new();
    let file = files.sparse("sparse", 1 << 30, b"the end");
    for method in ["sendfile", "copy"] {
        let (to, counting) =
            peer(|mut client| std::io::copy(&mut client, &mut std::io::sink()).unwrap());
        let mut child = spawned(&["--method", method, &file, &to]);
        let status = format!("/proc/{}/status", child.id());
        let mut most = 0;
        while child.try_wait().unwrap().is_none() {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let kib = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = kib.and_then(|kib| kib.trim().trim_end_matches(" kB").parse().ok());
            most = most.max(kib.unwrap_or(0_u64));
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(counting.join().unwrap(), 1 << 30);
        assert!(most > 0 && most < 32 << 10, "{method}: {most} KiB");
    }
}
