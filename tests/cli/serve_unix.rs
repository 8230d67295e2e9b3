//! `serve unix:`: files of other programs stay; what a Unix socket cannot do is refused.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Ran, Signal, loopctl, run, signal};

fn serve(path: &Path, args: &[&str]) -> Ran {
    let address = format!("unix:{}", path.display());
    run(&[&["serve", &address, "--timeout", "3s"], args].concat())
}

fn inode(path: &Path) -> u64 {
    std::fs::symlink_metadata(path).unwrap().ino()
}

#[test]
fn the_socket_of_a_live_program_stays_whatever_its_type() {
    let folder = tempfile::tempdir().unwrap();
    let (streams, datagrams) = (folder.path().join("streams"), folder.path().join("datagrams"));
    let _listener = UnixListener::bind(&streams).unwrap();
    let _socket = UnixDatagram::bind(&datagrams).unwrap();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    std::fs::write(&file, "precious").unwrap();
    std::os::unix::fs::symlink(&datagrams, &link).unwrap();
    for path in [&streams, &datagrams, &file, &link] {
        let before = inode(path);
        for args in [&["--udp"][..], &[]] {
            let ran = serve(path, args);
            assert_eq!(ran.code, Some(45), "{path:?} {args:?} {}", ran.stderr);
            assert_eq!(inode(path), before, "{path:?} {args:?}");
        }
    }
}

#[test]
fn a_stale_socket_is_replaced_and_only_ours_is_removed() {
    for is_datagram in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.sock");
        match is_datagram {
            true => drop(UnixDatagram::bind(&path).unwrap()),
            false => drop(UnixListener::bind(&path).unwrap()),
        }
        let mut server = start(&path);
        std::fs::remove_file(&path).unwrap();
        // What another program has put there meanwhile.
        std::fs::write(&path, "new").unwrap();
        signal(&server, Signal::TERM);
        assert!(server.wait().unwrap().success());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");

        std::fs::remove_file(&path).unwrap();
        let mut server = start(&path);
        assert!(path.exists());
        signal(&server, Signal::TERM);
        assert!(server.wait().unwrap().success());
        assert!(!path.exists());
    }
}

fn start(path: &Path) -> Child {
    let mut command = loopctl();
    command.args(["serve", "--udp", &format!("unix:{}", path.display())]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on unix:"), "{line}");
    child
}

fn wait_until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
}

#[test]
fn a_reset_is_refused_where_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    for fault in ["reset", "reset=1s@50%", "reset-after=5"] {
        let ran = serve(&path, &["--fault", fault]);
        assert_eq!(ran.code, Some(2), "{fault}");
        assert!(ran.stderr.contains("a Unix socket has no reset"), "{}", ran.stderr);
    }
}

/// A closed Unix socket has no half-close that could be mistaken for it.
#[test]
fn a_program_ends_when_its_client_has_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let mut command = loopctl();
    command.args(["serve", "--once", "--shell", "echo up; exec tail -f /dev/null"]);
    command.arg(format!("unix:{}", path.display()));
    let mut server = command.stdout(Stdio::null()).spawn().unwrap();
    wait_until(|| path.exists());
    let mut stream = loop {
        match UnixStream::connect(&path) {
            Ok(stream) => break stream,
            Err(_) => std::thread::yield_now(),
        }
    };
    stream.read_exact(&mut [0; 3]).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert!(server.try_wait().unwrap().is_none(), "a half-close is no departure");
    stream.write_all(b"x").unwrap_err();
    drop(stream);
    assert!(server.wait().unwrap().success());
}
