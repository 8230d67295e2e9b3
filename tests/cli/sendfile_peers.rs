//! `sendfile` where something is odd: the kind of socket, the peer, or the file while it is sent.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::sendfile::{Files, document, every_byte, peer, receiver, send, spawned};
use crate::served::timed;
use crate::support::{Ran, Signal, loopctl, signal, skipped};

/// Where the peer knows only TCP, the kernel's counters of such a socket are of no use.
#[test]
fn sf_16_multipath_tcp_ends_when_all_has_arrived() {
    let files = Files::new();
    let data = every_byte(10_000_000);
    let file = files.write("file", &data);
    for method in ["sendfile", "copy"] {
        let (to, receiving) = receiver();
        let args = ["--mptcp", "--json", "--idle-timeout", "3s", "--method", method, &file, &to];
        let ran = send(&args);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_eq!(document(&ran)["sent_bytes"], data.len());
        assert!(receiving.join().unwrap() == data);
    }
}

/// It sends back what it gets, and reads no more until that has been taken.
#[test]
fn sf_13_a_peer_that_answers_meanwhile_is_heard() {
    let files = Files::new();
    let file = files.write("file", &every_byte(10_000_000));
    for method in ["sendfile", "copy"] {
        let (to, echoing) = peer(|mut client| {
            let (mut buffer, mut count) = (vec![0; 1 << 16], 0);
            loop {
                match client.read(&mut buffer).unwrap() {
                    0 => return count,
                    read => {
                        count += read;
                        client.write_all(&buffer[..read]).unwrap();
                    }
                }
            }
        });
        let ran = send(&["--idle-timeout", "3s", "--method", method, &file, &to]);
        assert_eq!(ran.code, Some(0), "{method}: {}", ran.stderr);
        assert_eq!(echoing.join().unwrap(), 10_000_000);
    }
}

#[test]
fn who_fills_a_pipe_slowly_is_not_the_peer() {
    let (to, receiving) = receiver();
    let mut command = loopctl();
    command.args(["sendfile", "--json", "--idle-timeout", "200ms", "-", &to]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for piece in [&b"first, "[..], b"second, ", b"third"] {
        std::thread::sleep(Duration::from_millis(500));
        stdin.write_all(piece).unwrap();
    }
    drop(stdin);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(receiving.join().unwrap(), b"first, second, third");
}

/// As few as over TCP, where the kernel lets its sockets have as much memory.
#[test]
fn sf_17_a_unix_socket_takes_ten_megabytes_in_few_calls() {
    let files = Files::new();
    let file = files.write("file", &every_byte(10_000_000));
    let listener = UnixListener::bind(files.path("socket")).unwrap();
    let receiving = std::thread::spawn(move || {
        std::io::copy(&mut listener.accept().unwrap().0, &mut std::io::sink()).unwrap()
    });
    let ran = send(&["--json", &file, &format!("unix:{}", files.path("socket").display())]);
    assert_eq!((ran.code, receiving.join().unwrap()), (Some(0), 10_000_000), "{}", ran.stderr);
    let most = fs::read_to_string("/proc/sys/net/core/wmem_max").unwrap();
    let most: u64 = most.trim().parse().unwrap();
    let few = if most >= 2 << 20 { 20 } else { 60 };
    let calls = document(&ran)["calls"].as_u64().unwrap();
    assert!((1..=few).contains(&calls), "{calls} calls");
}

#[test]
fn a_standard_input_that_is_closed_is_not_an_empty_file() {
    for (from, code) in [("<&-", 26), ("</dev/null", 0)] {
        let (to, receiving) = receiver();
        let script = format!("exec \"$0\" sendfile - {to} {from}");
        let mut command = Command::new("sh");
        let ran = command.args(["-c", &script, env!("CARGO_BIN_EXE_loopctl")]).output().unwrap();
        let ran = Ran::from(ran);
        assert_eq!(ran.code, Some(code), "{from}: {}", ran.stderr);
        match code {
            0 => assert!(receiving.join().unwrap().is_empty()),
            _ => assert_eq!(ran.stderr, "error: cannot read `-`: standard input is closed\n"),
        }
    }
}

fn fifo(files: &Files) -> String {
    let path = files.path("fifo").to_str().unwrap().to_owned();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[test]
fn a_fifo_that_nobody_writes_to_takes_its_time_and_no_more() {
    let files = Files::new();
    let fifo = fifo(&files);
    let (to, receiving) = receiver();
    let (took, ran) = timed(|| send(&["--json", "--timeout", "400ms", &fifo, &to]));
    assert_eq!((ran.code, receiving.join().unwrap()), (Some(28), Vec::new()), "{}", ran.stderr);
    assert!(took >= Duration::from_millis(390), "{took:?}");
    let error = format!("error: cannot send `{fifo}`: timed out after 400.0 ms\n");
    assert_eq!(ran.stderr, error, "and no thread is left behind");
    assert_eq!(document(&ran)["outcome"], "timeout");

    let (to, receiving) = receiver();
    let mut child = spawned(&["--json", "-v", &fifo, &to]);
    // It says that it has connected.
    let mut said = [0; 10];
    child.stderr.as_mut().unwrap().read_exact(&mut said).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    signal(&child, Signal::INT);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(document(&ran)["exit_code"], 130);
    assert!(!ran.stderr.contains("while connecting"), "{}", ran.stderr);
    receiving.join().unwrap();
}

#[test]
fn a_fifo_is_sent_as_it_is_written() {
    let files = Files::new();
    let path = fifo(&files);
    let data = every_byte(300_000);
    let (to, receiving) = receiver();
    let copy = data.clone();
    let end = path.clone();
    let writing = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        fs::write(end, copy).unwrap();
    });
    let ran = send(&["--json", &path, &to]);
    writing.join().unwrap();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(receiving.join().unwrap() == data);
}

/// They have 4096 bytes by their own account.
#[test]
fn sf_07_files_of_sys_are_sent_as_they_are_read() {
    let path = "/sys/class/net/lo/operstate";
    let Ok(content) = fs::read(path) else { return skipped(path) };
    let (to, receiving) = receiver();
    let ran = send(&["--json", path, &to]);
    assert_eq!((ran.code, receiving.join().unwrap()), (Some(0), content), "{}", ran.stderr);
    assert_eq!(document(&ran)["count_bytes"], serde_json::Value::Null);
}

/// At a rate, it goes in many pieces.
#[test]
fn sf_07_what_has_no_size_is_sent_once() {
    let (to, receiving) = receiver();
    let ran = send(&["--rate", "20kB/s", "/proc/cpuinfo", &to]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let text = String::from_utf8(receiving.join().unwrap()).unwrap();
    assert_eq!(text.matches("processor\t: 0\n").count(), 1, "{text}");
}

#[test]
fn what_cannot_be_done_with_a_pipe_is_told_before_anybody_is_connected_to() {
    let files = Files::new();
    let fifo = fifo(&files);
    for (args, code, why) in [
        (["--offset=1"], 26, "cannot read `{}`: --offset needs a seekable file"),
        (["--no-fallback"], 55, "sendfile(2) cannot send `{}`: not a regular file"),
    ] {
        for file in [fifo.as_str(), "-"] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let to = listener.local_addr().unwrap().to_string();
            let mut command = loopctl();
            command.arg("sendfile").args(args).args([file, &to]).stdin(Stdio::piped());
            let ran = Ran::from(command.output().unwrap());
            assert_eq!(ran.code, Some(code), "{}", ran.stderr);
            assert_eq!(ran.stderr, format!("error: {}\n", why.replace("{}", file)));
            assert!(listener.accept().is_err(), "nobody was bothered");
        }
    }
}

/// The size is the same; it is told, and where a checksum is asked for, it decides.
#[test]
fn sf_28_a_file_that_is_written_to_while_it_is_sent_is_told() {
    let files = Files::new();
    for (args, byte, code) in
        [(&[][..], 7, 0), (&["--checksum", "sha256"], 7, 18), (&["--checksum", "sha256"], 0, 0)]
    {
        let mut data = every_byte(60_000);
        data[50_000] = 0;
        let file = files.write("file", &data);
        let path = files.path("file");
        let (to, changing) = peer(move |mut client| {
            client.read_exact(&mut [0; 10_000]).unwrap();
            // The checksum was taken at once; the clock of a file system may tick slowly.
            std::thread::sleep(Duration::from_millis(50));
            File::options().write(true).open(path).unwrap().write_at(&[byte], 50_000).unwrap();
            let _ = client.read_to_end(&mut Vec::new());
        });
        let ran = send(&[args, &["--json", "--rate", "100kB/s", &file, &to]].concat());
        changing.join().unwrap();
        assert_eq!(ran.code, Some(code), "{}", ran.stderr);
        let said = format!("`{file}` was written to during the transfer");
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
        assert_eq!(code == 18, ran.stderr.contains("its checksum was sha256:"), "{}", ran.stderr);
        document(&ran);
    }
}
