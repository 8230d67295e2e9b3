//! `sendfile --resume` and a sink that resumes: killed, broken off, changed, and others who answer in its place.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::sendfile::{Files, document, every_byte, peer, send, sha256sum, spawned};
use crate::served::Served;
use crate::support::{Ran, Signal, loopctl, signal};

#[test]
fn what_was_broken_off_is_resumed() {
    let files = Files::new();
    let data = every_byte(300_000);
    let file = files.write("file", &data);
    let got = files.path("got");
    let sink = ["--mode", "sink", "--once", "--resume", "--checksum", "sha256", "--output"];
    let sink = [&sink[..], &[got.to_str().unwrap()]].concat();
    let server = Served::start(&sink);
    let to = server.address.to_string();
    let child = spawned(&["--resume", "--rate", "500kB/s", &file, &to]);
    let part = files.path("got.part");
    while fs::metadata(&part).map_or(0, |found| found.len()) < 50_000 {
        std::thread::yield_now();
    }
    signal(&child, Signal::INT);
    child.wait_with_output().unwrap();
    assert_eq!(server.end().code, Some(56));
    let had = fs::metadata(&part).unwrap().len();
    let server = Served::start(&sink);
    let to = server.address.to_string();
    let ran = send(&["--json", "--resume", "--checksum", "sha256", &file, &to]);
    let document = document(&ran);
    assert_eq!((ran.code, server.end().code), (Some(0), Some(0)), "{}", ran.stderr);
    assert_eq!(
        (&document["offset_bytes"], &document["sent_bytes"]),
        (&had.into(), &(300_000 - had).into())
    );
    assert_eq!(document["sha256"], sha256sum(&got)[..64]);
    assert!(fs::read(&got).unwrap() == data);
}

/// A sink on a socket of this kind, where it listens, and where the file comes to be.
struct Sinking {
    server: Child,
    to: String,
    got: PathBuf,
}

impl Sinking {
    fn start(files: &Files, is_unix: bool, args: &[&str]) -> Self {
        let (socket, got) = (files.path("socket"), files.path("got"));
        let _ = fs::remove_file(&socket);
        let place =
            if is_unix { format!("unix:{}", socket.display()) } else { "127.0.0.1:0".to_owned() };
        let mut command = loopctl();
        command.args(["serve", &place, "--mode", "sink", "--once", "--output"]).arg(&got);
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut server = command.spawn().unwrap();
        let (mut line, mut byte) = (String::new(), [0]);
        while !line.ends_with('\n') {
            server.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
            line.push(char::from(byte[0]));
        }
        let to = line.trim().strip_prefix("listening on ").unwrap();
        let to = if is_unix { format!("unix:{}", socket.display()) } else { to.to_owned() };
        Self { server, to, got }
    }

    fn part(&self) -> PathBuf {
        self.got.with_file_name("got.part")
    }

    fn end(self) -> Ran {
        Ran::from(self.server.wait_with_output().unwrap())
    }
}

/// The kernel closes its socket as if it had come to its end.
#[test]
fn a_sender_that_is_killed_leaves_no_whole_file_and_is_resumed() {
    for is_unix in [false, true] {
        let files = Files::new();
        let data = every_byte(3_000_000);
        let file = files.write("file", &data);
        let mut sink = Sinking::start(&files, is_unix, &["--resume"]);
        // More than once.
        for more in [500_000, 400_000] {
            let had = fs::metadata(sink.part()).map_or(0, |found| found.len());
            let mut child = spawned(&["--resume", "--rate", "2MB/s", &file, &sink.to]);
            while fs::metadata(sink.part()).map_or(0, |found| found.len()) < had + more {
                assert_eq!(child.try_wait().unwrap(), None, "it has time to be killed");
                std::thread::yield_now();
            }
            child.kill().unwrap();
            child.wait().unwrap();
            let (got, part) = (sink.got.clone(), sink.part());
            let ran = sink.end();
            assert_eq!(ran.code, Some(56), "{is_unix}: {}", ran.stderr);
            assert!(ran.stderr.contains("of 3000000 bytes"), "{}", ran.stderr);
            assert!(!got.exists(), "{is_unix}");
            let kept = fs::read(part).unwrap();
            assert!(kept.len() as u64 >= had + more && kept == data[..kept.len()]);
            sink = Sinking::start(&files, is_unix, &["--resume"]);
        }
        let ran = send(&["--resume", &file, &sink.to]);
        let (got, part) = (sink.got.clone(), sink.part());
        let ended = sink.end();
        assert_eq!((ran.code, ended.code), (Some(0), Some(0)), "{}{}", ran.stderr, ended.stderr);
        assert!(fs::read(got).unwrap() == data && !part.exists(), "{is_unix}");
    }
}

#[test]
fn a_sender_that_does_not_resume_is_refused_by_a_sink_that_does() {
    for is_unix in [false, true] {
        for kept in [0, 1_000_000] {
            let files = Files::new();
            let data = every_byte(2_000_000);
            let file = files.write("file", &data);
            fs::write(files.path("got.part"), &data[..kept]).unwrap();
            let sink = Sinking::start(&files, is_unix, &["--resume"]);
            let ran = send(&[&file, &sink.to]);
            let (got, part) = (sink.got.clone(), sink.part());
            let ended = sink.end();
            assert_eq!((ran.code, ended.code), (Some(55), Some(56)), "{is_unix} {}", ran.stderr);
            assert!(
                ended.stderr.contains("the client does not follow the protocol"),
                "{}",
                ended.stderr
            );
            assert!(!got.exists() && fs::read(part).unwrap_or_default() == data[..kept]);
        }
    }
}

/// Neither end has been asked for a checksum, or they were asked for different ones.
#[test]
fn a_file_that_has_changed_is_not_resumed() {
    let asked = [&[][..], &["--checksum", "blake3"], &["--checksum", "sha256"]];
    for (is_unix, there, here) in
        [(false, 0, 0), (true, 0, 1), (false, 1, 2), (false, 2, 1), (false, 1, 1)]
    {
        let files = Files::new();
        let mut data = every_byte(500_000);
        let old = data[..200_000].to_vec();
        fs::write(files.path("got.part"), &old).unwrap();
        data[100_000] ^= 1;
        let file = files.write("file", &data);
        let args = [&["--resume"], asked[there]].concat();
        let sink = Sinking::start(&files, is_unix, &args);
        let ran = send(&[&["--resume", "--json"], asked[here], &[&file, &sink.to]].concat());
        let document = document(&ran);
        assert_eq!(ran.code, Some(18), "{}", ran.stderr);
        let why = "the 200000 bytes there differ from the beginning of the file";
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
        assert_eq!((&document["sent_bytes"], &document["outcome"]), (&0.into(), &"failure".into()));
        let (got, part) = (sink.got.clone(), sink.part());
        assert_eq!(sink.end().code, Some(56));
        assert!(!got.exists() && fs::read(part).unwrap() == old);
    }
}

/// Whatever either end was asked for, the sender compares what it printed.
#[test]
fn checksums_of_different_kinds_are_compared_all_the_same() {
    let files = Files::new();
    let data = every_byte(500_000);
    let file = files.write("file", &data);
    fs::write(files.path("got.part"), &data[..200_000]).unwrap();
    let sink = Sinking::start(&files, false, &["--resume", "--checksum", "blake3"]);
    let ran = send(&["--resume", "--checksum", "sha256", &file, &sink.to]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.ends_with(&sha256sum(Path::new(&file))), "{}", ran.stdout);
    let got = sink.got.clone();
    assert_eq!(sink.end().code, Some(0));
    assert!(fs::read(got).unwrap() == data);

    // Sinks that say other things in the end.
    let sum = |digit: &str| format!("sha256:{}", digit.repeat(64));
    let nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for (last, code, why) in [
        (format!("loopctl-sink 2 500000 {}\n", sum("a")), 18, "the checksum is sha256:aaaa"),
        (format!("loopctl-sink 2 499999 {}\n", sum("a")), 18, "it has 499999 bytes there"),
        (
            format!("loopctl-sink 2 500000 {}\n", sum("a").replace("sha256", "blake3")),
            18,
            "the checksum cannot be compared",
        ),
        ("loopctl-sink 2 500000 md5:0\n".to_owned(), 56, "did not confirm that it has stored"),
        ("loopctl-sink 2 500000 -\n".to_owned(), 56, "did not confirm that it has stored"),
        (String::new(), 56, "did not confirm that it has stored"),
    ] {
        let (to, talking) = peer(move |mut client| {
            client.write_all(format!("loopctl-sink 2 0 {nothing}\n").as_bytes()).unwrap();
            let mut all = Vec::new();
            client.read_to_end(&mut all).unwrap();
            client.write_all(last.as_bytes()).unwrap();
            all
        });
        let ran = send(&["--resume", "--checksum", "sha256", &file, &to]);
        assert_eq!(ran.code, Some(code), "{}", ran.stderr);
        assert!(ran.stderr.contains(why), "{why}: {}", ran.stderr);
        let all = talking.join().unwrap();
        assert!(all.strip_prefix(b"loopctl-send 2 0 500000\n").unwrap() == data);
    }
}

#[test]
fn a_part_of_something_else_is_noticed() {
    let files = Files::new();
    let file = files.write("file", b"0123456789");
    let got = files.path("got");
    let sink = ["--mode", "sink", "--once", "--resume", "--checksum", "sha256", "--output"];
    let sink = [&sink[..], &[got.to_str().unwrap()]].concat();
    for (part, why) in [
        (&b"01234567890"[..], "it has 11 bytes there, 10 here"),
        (b"x", "the 1 bytes there differ from the beginning of the file: sha256:"),
    ] {
        fs::write(files.path("got.part"), part).unwrap();
        let server = Served::start(&sink);
        let to = server.address.to_string();
        let ran = send(&["--resume", "--checksum", "sha256", &file, &to]);
        assert_eq!(ran.code, Some(18), "{}", ran.stderr);
        assert!(ran.stderr.contains("the peer's copy of"), "{}", ran.stderr);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
        assert_eq!(server.end().code, Some(56), "it has no whole file");
        assert!(!got.exists() && fs::read(files.path("got.part")).unwrap() == part);
    }
    // Nobody who resumes.
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b""] {
        let (to, talking) = peer(move |mut client| client.write_all(answer).unwrap());
        let ran = send(&["--resume", &file, &to]);
        talking.join().unwrap();
        assert_eq!(ran.code, Some(56), "{}", ran.stderr);
        assert!(ran.stderr.contains("the peer does not resume: "), "{}", ran.stderr);
    }
    let (to, silent) = peer(|client| client);
    let ran = send(&["--resume", "--idle-timeout", "200ms", &file, &to]);
    assert_eq!(ran.code, Some(28), "{}", ran.stderr);
    let why = "the peer does not resume: it did not report within 200.0 ms how much it has";
    assert!(ran.stderr.contains(why), "{}", ran.stderr);
    drop(silent.join().unwrap());
}

/// A Unix socket knows no reset; that the peer is such a sink is heard.
#[test]
fn a_small_file_without_resume_is_no_success_either() {
    for is_unix in [false, true] {
        let files = Files::new();
        let file = files.write("file", b"a small file");
        let sink = Sinking::start(&files, is_unix, &["--resume"]);
        let ran = send(&[&file, &sink.to]);
        assert_eq!(ran.code, Some(55), "{}", ran.stderr);
        let got = sink.got.clone();
        assert_eq!(sink.end().code, Some(56));
        assert!(!got.exists());
        if is_unix {
            let why = "the peer is a sink with --resume, which accepts only clients with --resume";
            assert!(ran.stderr.contains(why), "{}", ran.stderr);
        }
    }
}

/// It has all, and is gone before it has said so.
#[test]
fn a_receipt_that_does_not_come_is_told() {
    let files = Files::new();
    let file = files.write("file", b"a file");
    let nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let (to, silent) = peer(move |mut client| {
        client.write_all(format!("loopctl-sink 2 0 {nothing}\n").as_bytes()).unwrap();
        client
    });
    let ran = send(&["--resume", "--idle-timeout", "200ms", &file, &to]);
    assert_eq!(ran.code, Some(28), "{}", ran.stderr);
    let why = "the peer did not confirm that it has stored `";
    assert!(ran.stderr.contains(why) && ran.stderr.contains("it sent no receipt for 200.0 ms"));
    drop(silent.join().unwrap());
}
