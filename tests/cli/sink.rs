//! `serve --mode sink`: what clients send, kept.

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::served::Served;
use crate::support::{loopctl, run, wait_until_sent};

fn every_byte(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 251) as u8).collect()
}

#[test]
fn a_file_gets_what_clients_send_one_after_another() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("got");
    let path = file.to_str().unwrap();
    let server = Served::start(&["--mode", "sink", "--output", path, "-n", "2"]);
    let (first, second) = (every_byte(3 << 20), b"second".to_vec());
    let mut slow = server.connect();
    slow.write_all(&first[..1000]).unwrap();
    let mut other = server.connect();
    other.write_all(&second).unwrap();
    // Not more than that: the first one has the file.
    wait_until_sent(&other);
    drop(other);
    slow.write_all(&first[1000..]).unwrap();
    drop(slow);
    let ran = server.end();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(std::fs::read(&file).unwrap() == [first, second].concat());
}

#[test]
fn a_file_that_exists_is_kept_unless_force_is_given() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("got");
    std::fs::write(&file, "precious").unwrap();
    let path = file.to_str().unwrap();
    let ran = run(&["serve", "127.0.0.1:0", "--mode", "sink", "--output", path]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(23), ""));
    assert!(ran.stderr.contains("--force"), "{}", ran.stderr);
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    let server = Served::start(&["--mode", "sink", "--output", path, "--force", "--once"]);
    server.ask(b"new");
    server.end();
    assert_eq!(std::fs::read(&file).unwrap(), b"new");
    let ran = run(&["serve", "127.0.0.1:0", "--mode", "sink", "--output", "/no/such/place"]);
    assert_eq!(ran.code, Some(23));
}

fn names(directory: &std::path::Path) -> Vec<String> {
    let names = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn sha256sum(path: &std::path::Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_file_has_its_name_when_it_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("got");
    let path = file.to_str().unwrap();
    let args = ["--mode", "sink", "--output", path, "--once", "--checksum", "sha256"];
    let server = Served::start(&args);
    let mut stream = server.connect();
    stream.write_all(b"the first half, ").unwrap();
    let part = directory.path().join("got.part");
    while std::fs::read(&part).unwrap() != b"the first half, " {
        std::thread::yield_now();
    }
    assert_eq!(names(directory.path()), ["got.part"]);
    stream.write_all(b"the second half").unwrap();
    drop(stream);
    let ran = server.end();
    assert_eq!((ran.code, names(directory.path())), (Some(0), vec!["got".to_owned()]));
    assert_eq!(std::fs::read(&file).unwrap(), b"the first half, the second half");
    assert!(ran.stdout.contains(&sha256sum(&file)), "{}", ran.stdout);
}

#[test]
fn what_is_not_whole_is_kept_apart() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("got");
    let path = file.to_str().unwrap();
    let args = ["--mode", "sink", "--output", path, "--checksum", "blake3"];
    let server = Served::start(&[&args[..], &["--once", "--idle-timeout", "200ms"]].concat());
    let mut stream = server.connect();
    stream.write_all(b"half of it").unwrap();
    let ran = server.end();
    assert_eq!((ran.code, names(directory.path())), (Some(56), vec!["got.part".to_owned()]));
    let warning = format!("warning: transfer incomplete: 10 bytes are in `{path}.part`\n");
    assert!(ran.stderr.contains(&warning), "{}", ran.stderr);
    // It is not replaced either.
    let ran = run(&[&["serve", "127.0.0.1:0"][..], &args].concat());
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(23), ""));
    assert!(ran.stderr.contains("got.part` exists"), "{}", ran.stderr);
    let server = Served::start(&[&args[..], &["--once", "--force"]].concat());
    server.ask(b"abc");
    let ran = server.end();
    assert_eq!((ran.code, names(directory.path())), (Some(0), vec!["got".to_owned()]));
    // printf abc | b3sum
    let sum = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";
    assert!(ran.stdout.contains(&format!("{sum}  {path}\n")), "{}", ran.stdout);
}

#[test]
fn where_nobody_came_nothing_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("got");
    let server = Served::start(&["--mode", "sink", "--output", file.to_str().unwrap()]);
    assert_eq!(names(directory.path()), ["got.part"]);
    assert_eq!(server.terminate().code, Some(0));
    assert_eq!(names(directory.path()), [""; 0]);
}

#[test]
fn a_directory_gets_a_file_for_each_client() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("000002"), "was there").unwrap();
    let path = directory.path().to_str().unwrap();
    let args = ["--json", "--mode", "sink", "--output", path, "--checksum", "sha256", "-n", "3"];
    let mut server = Served::start(&args);
    let mut first = server.connect();
    first.write_all(b"one").unwrap();
    while !names(directory.path()).contains(&"000001.part".to_owned()) {
        std::thread::yield_now();
    }
    // Both are there at the same time.
    let second = every_byte(300_000);
    server.ask(&second);
    let record = server.record();
    let third = directory.path().join("000003");
    assert_eq!((&record["record"], &record["complete"]), (&"transfer".into(), &true.into()));
    assert_eq!(record["path"], third.to_str().unwrap());
    let hex = record["checksum"]["hex"].as_str().unwrap();
    assert!(sha256sum(&third).starts_with(hex));
    assert_eq!(server.record()["end"], "eof");
    drop(first);
    assert_eq!(server.record()["bytes"], 3);
    assert_eq!(server.record()["end"], "eof");
    socket2::SockRef::from(&{
        let mut last = server.connect();
        last.write_all(b"never whole").unwrap();
        last
    })
    .set_linger(Some(Duration::ZERO))
    .unwrap();
    let record = server.record();
    assert_eq!((&record["complete"], &record["checksum"]), (&false.into(), &().into()));
    assert_eq!(server.end().code, Some(56));
    assert!(std::fs::read(third).unwrap() == second);
    assert_eq!(std::fs::read(directory.path().join("000002")).unwrap(), b"was there");
    let kept = names(directory.path());
    assert_eq!(kept[..3], ["000001", "000002", "000003"]);
    assert!(kept.len() == 3 || kept[3..] == ["000004.part"], "a reset may overtake the bytes");
}

#[test]
fn what_is_too_large_is_broken_off() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("got");
    let path = file.to_str().unwrap();
    let args = ["--mode", "sink", "--output", path, "--once", "--max-size", "1kB"];
    for (size, code, name) in [(1001, 56, "got.part"), (1000, 0, "got")] {
        let server = Served::start(&[&args[..], &["--force"]].concat());
        let mut stream = server.connect();
        stream.write_all(&every_byte(size)).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let ran = server.end();
        assert_eq!((ran.code, names(directory.path())), (Some(code), vec![name.to_owned()]));
        assert_eq!(std::fs::read(directory.path().join(name)).unwrap(), every_byte(1000));
        assert_eq!(code == 56, ran.stdout.contains("limit: larger than --max-size"));
    }
}

#[test]
fn a_directory_on_a_disk_that_is_full_fails_one_transfer_and_tells() {
    let directory = tempfile::tempdir().unwrap();
    // In blocks of 512 bytes: the largest file has 64 KiB.
    let script = "ulimit -f 128; exec \"$0\" serve 127.0.0.1:0 --mode sink -n 2 --output \"$1\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_loopctl")]).arg(directory.path());
    let server = Served::spawn(&mut command);
    let mut stream = server.connect();
    let data = every_byte(64 << 20);
    assert!(stream.write_all(&data).is_err(), "the client hears of it");
    server.ask(b"small enough");
    let ran = server.end();
    assert_eq!(ran.code, Some(23), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("error: cannot store received data: file too large\n"),
        "{}",
        ran.stderr
    );
    let told = format!("65536 bytes are in `{}/000001.part`", directory.path().display());
    assert!(ran.stderr.contains(&told), "as many as there are: {}", ran.stderr);
    assert_eq!(names(directory.path()), ["000001.part", "000002"]);
    assert!(std::fs::read(directory.path().join("000001.part")).unwrap() == data[..64 << 10]);
}

/// A sink that resumes, with something of an earlier transfer.
fn resuming(part: &[u8]) -> (tempfile::TempDir, Served) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("got");
    std::fs::write(directory.path().join("got.part"), part).unwrap();
    let args = ["--mode", "sink", "--once", "--resume", "--checksum", "sha256", "--output"];
    let server = Served::start(&[&args[..], &[file.to_str().unwrap()]].concat());
    (directory, server)
}

#[test]
fn a_client_that_resumes_is_told_how_much_there_is_and_how_it_ended() {
    let (directory, server) = resuming(b"the first half, ");
    let half = &sha256sum(&directory.path().join("got.part"))[..64];
    let answer = server.ask(b"loopctl-send 2 16 31\nthe second half");
    let ran = server.end();
    assert_eq!((ran.code, names(directory.path())), (Some(0), vec!["got".to_owned()]));
    let file = directory.path().join("got");
    assert_eq!(std::fs::read(&file).unwrap(), b"the first half, the second half");
    let sum = sha256sum(&file);
    let end = format!("loopctl-sink 2 31 sha256:{}\n", &sum[..64]);
    let told = format!("loopctl-sink 2 16 sha256:{half}\n{end}");
    assert_eq!(String::from_utf8(answer).unwrap(), told);
    assert!(ran.stdout.contains(&sum), "{}", ran.stdout);
}

/// The announcement may come in pieces, and what follows it with it.
#[test]
fn an_announcement_may_come_byte_by_byte() {
    let (directory, server) = resuming(b"ab");
    let mut stream = server.connect();
    stream.set_nodelay(true).unwrap();
    for byte in b"loopctl-send 2 2 4\ncd" {
        stream.write_all(&[*byte]).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(server.end().code, Some(0));
    assert_eq!(std::fs::read(directory.path().join("got")).unwrap(), b"abcd");
}

#[test]
fn what_is_not_what_was_announced_is_never_a_whole_file_and_never_mixed_with_a_part() {
    for (said, kept, why) in [
        (&b"just a file"[..], &b"ab"[..], "error: the client does not follow the protocol of "),
        (b"loopctl-send 1 2 4\ncd", b"ab", "error: the client does not follow the protocol of "),
        (b"loopctl-send 2 1 4\nbcd", b"ab", "error: the client does not follow the protocol of "),
        (b"loopctl-send 2 2 1\n", b"ab", "error: the client does not follow the protocol of "),
        (&[b'0'; 200_000], b"ab", "error: the client does not follow the protocol of "),
        (b"", b"ab", "error: the client disconnected without announcing a file"),
        (b"loopctl-send 2", b"ab", "error: the client disconnected without announcing a file"),
        (b"loopctl-send 2 2 5\ncd", b"abcd", "error: the file ended after 4 of 5 bytes"),
        (b"loopctl-send 2 2 5\n", b"ab", "error: the file ended after 2 of 5 bytes"),
        (b"loopctl-send 2 2 4\ncdef", b"ab", "error: the client sent more than the 4 bytes"),
    ] {
        let (directory, server) = resuming(b"ab");
        let mut stream = server.connect();
        // The refusal may come before all is written.
        let _ = stream.write_all(said);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let error = stream.read_to_end(&mut answer).map_err(|error| error.kind());
        assert_eq!(error, Err(std::io::ErrorKind::ConnectionReset), "no end is heard: {why}");
        let ran = server.end();
        assert_eq!(ran.code, Some(56), "{why}: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{why}: {}", ran.stderr);
        assert_eq!(names(directory.path()), ["got.part"], "{why}");
        assert_eq!(std::fs::read(directory.path().join("got.part")).unwrap(), kept, "{why}");
    }
}

/// What is told of it is what is there, in every record.
#[test]
fn a_file_on_a_disk_that_is_full_ends_the_server_and_tells() {
    for resume in [&[][..], &["--resume"]] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("got");
        let script = "ulimit -f 128; exec \"$0\" \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_loopctl"), "serve", "127.0.0.1:0"]);
        command.args(["--json", "--once", "--mode", "sink"]).args(resume).arg("--output");
        let mut server = Served::spawn(command.arg(&file));
        let mut stream = server.connect();
        let data = every_byte(64 << 20);
        let said = format!("loopctl-send 2 0 {}\n", data.len());
        let said = if resume.is_empty() { String::new() } else { said };
        stream.write_all(said.as_bytes()).unwrap();
        assert!(stream.write_all(&data).is_err(), "the client hears of it");
        let records: Vec<_> = (0..3).map(|_| server.record()).collect();
        let of = |kind: &str| records.iter().find(|record| record["record"] == kind).unwrap();
        let (connection, transfer, summary) = (of("connection"), of("transfer"), of("summary"));
        assert_eq!((&connection["end"], &connection["aborted"]), (&"error".into(), &false.into()));
        assert_eq!(connection["error"]["name"], "EFBIG", "{connection}");
        assert_eq!((&transfer["complete"], &transfer["bytes"]), (&false.into(), &65_536.into()));
        assert_eq!(summary["error"]["name"], "EFBIG", "{summary}");
        let ran = server.end();
        assert_eq!(ran.code, Some(23), "{}", ran.stderr);
        assert!(ran.stderr.contains("got`: file too large\n"), "{}", ran.stderr);
        assert_eq!(names(directory.path()), ["got.part"]);
        let part = std::fs::read(directory.path().join("got.part")).unwrap();
        assert!(part == data[..64 << 10]);
    }
}

#[test]
fn a_folder_that_cannot_be_written_to_is_told_before_anybody_comes() {
    let ran = run(&["serve", "127.0.0.1:0", "--mode", "sink", "--output", "/proc"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(23), ""));
    assert!(ran.stderr.starts_with("error: cannot write to `/proc`: "), "{}", ran.stderr);
}

#[test]
fn hints_can_be_followed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("got");
    std::fs::write(&file, "whole").unwrap();
    let args = ["serve", "127.0.0.1:0", "--mode", "sink", "--once", "--output"];
    let args = [&args[..], &[file.to_str().unwrap()]].concat();
    let ran = run(&args);
    assert!(ran.code == Some(23) && ran.stderr.contains("hint: --force replaces it\n"));
    let ran = run(&[&args[..], &["--resume"]].concat());
    assert!(ran.code == Some(23) && !ran.stderr.contains("--force"), "{}", ran.stderr);
    assert!(ran.stderr.contains("got` exists\n\nhint: the file is complete: "), "{}", ran.stderr);
}

#[test]
fn a_deadline_that_cut_nobody_off_is_no_failure() {
    let server = Served::start(&["--mode", "sink", "--once", "--timeout", "300ms"]);
    let mut stream = server.connect();
    stream.write_all(b"slow, ").unwrap();
    // It has all the time that there is: --grace.
    std::thread::sleep(Duration::from_millis(600));
    stream.write_all(b"but whole").unwrap();
    drop(stream);
    let ran = server.end();
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn what_a_sink_cannot_do_is_refused() {
    for (args, word) in [
        (&["--checksum", "sha256"][..], "--mode sink"),
        (&["--mode", "sink", "--resume", "--once", "--output", "-"], "--resume"),
        (&["--mode", "sink", "--resume", "--once", "--output", "/tmp"], "--resume"),
        (&["--mode", "sink", "--resume", "--output", "x"], "--once"),
        (&["--mode", "sink", "--udp", "--output", "/tmp"], "--udp"),
        (&["--mode", "sink", "--udp", "--max-size", "1"], "--udp"),
    ] {
        let ran = run(&[&["serve", "127.0.0.1:0"], args].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(ran.stderr.contains(word), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn standard_output_is_for_what_is_received_alone() {
    let mut command = loopctl();
    command.args(["serve", "127.0.0.1:0", "--mode", "sink", "--output", "-", "--once"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let address = first_line(&mut child.stderr.as_mut().unwrap());
    let address = address.trim().strip_prefix("listening on ").unwrap();
    let data = every_byte(5 << 20);
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let copy = data.clone();
    let writing = std::thread::spawn(move || stream.write_all(&copy).unwrap());
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success());
    assert!(output.stdout == data);
}

/// Byte by byte: the rest is for others.
fn first_line(from: &mut impl Read) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while from.read(&mut byte).unwrap() == 1 {
        line.push(byte[0]);
        if byte[0] == b'\n' {
            break;
        }
    }
    String::from_utf8(line).unwrap()
}

#[test]
fn an_output_that_fails_ends_it() {
    let server = Served::start(&["--mode", "sink", "--output", "/dev/full"]);
    let mut stream = server.connect();
    stream.write_all(b"x").unwrap();
    // The reset may be here already.
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let heard = stream.read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(heard, Err(std::io::ErrorKind::ConnectionReset), "no end is heard");
    let ran = server.end();
    assert_eq!(ran.code, Some(23), "{}", ran.stdout);
    let error = "error: cannot write to `/dev/full`: no space left on device\n";
    assert!(ran.stderr.contains(error), "{}", ran.stderr);
    assert!(ran.stdout.contains("  error: no space left on device\n"), "{}", ran.stdout);
}

#[test]
fn a_slow_reader_holds_the_client_up() {
    let mut command = loopctl();
    command.args(["serve", "127.0.0.1:0", "--mode", "sink", "--output", "-"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let address = first_line(&mut child.stderr.as_mut().unwrap());
    let address = address.trim().strip_prefix("listening on ").unwrap().to_owned();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut sent = 0;
    while sent < 64 << 20 {
        match stream.write(&[0; 1 << 16]) {
            Ok(count) => sent += count,
            Err(_) => break,
        }
    }
    assert!(sent < 64 << 20, "nobody reads, and yet {sent} bytes were taken");
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn a_transfer_that_breaks_off_is_a_failure_when_it_was_to_come() {
    let server = Served::start(&["--mode", "sink", "--once", "--idle-timeout", "200ms"]);
    let mut stream = server.connect();
    stream.write_all(b"half of it").unwrap();
    assert_eq!(server.end().code, Some(56));
}

#[test]
fn datagrams_are_kept_in_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("got");
    let path = file.to_str().unwrap();
    let args = ["--udp", "--mode", "sink", "--output", path, "-n", "100"];
    let server = Served::start(&args);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut expected = String::new();
    for number in 0..100 {
        let text = format!("{number}\n");
        socket.send_to(text.as_bytes(), server.address).unwrap();
        expected += &text;
    }
    assert_eq!(server.end().code, Some(0));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), expected);
}

#[test]
fn sockets_that_were_handed_over_are_used() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // What systemd does: descriptor 3, and the number of the process that is meant.
    let script =
        "exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" serve --once";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_loopctl")]);
    command.stdin(std::os::fd::OwnedFd::from(listener));
    let server = Served::spawn(&mut command);
    assert_eq!(server.address, address);
    assert_eq!(server.ask(b"x"), b"x");
    assert_eq!(server.end().code, Some(0));
}
