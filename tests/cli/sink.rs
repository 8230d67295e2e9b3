//! `serve --mode sink`: what clients send, kept.

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::served::Served;
use crate::support::{loopctl, run};

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
    drop(other);
    std::thread::sleep(Duration::from_millis(50));
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
    server.ask(b"x");
    let ran = server.end();
    assert_eq!(ran.code, Some(23), "{}", ran.stdout);
    assert!(ran.stderr.contains("cannot write to `/dev/full`"), "{}", ran.stderr);
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
