//! `serve`: sockets of LISTEN_FDS are held to the rules of an ADDR.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::served::Served;
use crate::support::{Ran, loopctl};

/// `serve ARGS` with this descriptor 3, or with a closed one, as systemd starts it.
fn handed(variables: &str, socket: Option<OwnedFd>, args: &[&str]) -> Command {
    let give = if socket.is_some() { "exec 3<&0 0</dev/null" } else { "exec 3<&-" };
    let script = format!("{give}; export {variables}; exec \"$0\" serve \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_loopctl")]).args(args);
    command.stdin(socket.map_or_else(Stdio::null, Stdio::from));
    command
}

const ONE: &str = "LISTEN_FDS=1 LISTEN_PID=$$";

fn refused(variables: &str, socket: Option<OwnedFd>, args: &[&str]) -> Ran {
    let args = [args, &["--timeout", "5s"]].concat();
    handed(variables, socket, &args).output().unwrap().into()
}

fn udp() -> OwnedFd {
    UdpSocket::bind("127.0.0.1:0").unwrap().into()
}

fn tcp() -> OwnedFd {
    TcpListener::bind("127.0.0.1:0").unwrap().into()
}

#[test]
fn what_an_address_is_refused_for_is_refused_in_the_same_words() {
    let datagrams: [&[&str]; 9] = [
        &["--tls"],
        &["--mode", "http"],
        &["--exec", "cat"],
        &["--shell", "cat"],
        &["--fault", "close=1s"],
        &["--rate", "1MB/s"],
        &["--max-conns", "3"],
        &["--idle-timeout", "3s"],
        &["--mode", "sink", "--max-size", "3"],
    ];
    for args in datagrams {
        let ran = refused(ONE, Some(udp()), args);
        assert_eq!(ran.code, Some(2), "{args:?} {}", ran.stderr);
        let address: Ran =
            loopctl().args(["serve", "-u", "127.0.0.1:0"]).args(args).output().unwrap().into();
        assert_eq!(ran.stderr, address.stderr, "{args:?}");
        assert_eq!(ran.stdout, "", "{args:?}");
    }
    let ran = refused(ONE, Some(tcp()), &["--udp"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("descriptor 3 of LISTEN_FDS is for connections"), "{}", ran.stderr);
    assert_eq!(refused(ONE, Some(tcp()), &["--fault", "backlog"]).code, Some(2));
    let folder = tempfile::tempdir().unwrap();
    let unix = || UnixListener::bind(folder.path().join("reset")).unwrap();
    let ran = refused(ONE, Some(unix().into()), &["--fault", "reset-after=5"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("a Unix socket has no reset"), "{}", ran.stderr);
}

#[test]
fn a_descriptor_that_cannot_be_served_is_named_and_nothing_takes_its_place() {
    let file = || OwnedFd::from(tempfile::tempfile().unwrap());
    let bound = || {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        OwnedFd::from(socket.unwrap())
    };
    let cases: [(&str, Option<OwnedFd>, &str); 6] = [
        (ONE, None, "descriptor 3 of LISTEN_FDS"),
        (ONE, Some(file()), "descriptor 3 of LISTEN_FDS"),
        (ONE, Some(bound()), "not listening"),
        ("LISTEN_FDS=2 LISTEN_PID=$$", Some(tcp()), "descriptor 4 of LISTEN_FDS"),
        ("LISTEN_FDS=many LISTEN_PID=$$", Some(tcp()), "`many`"),
        ("LISTEN_FDS=-1", Some(tcp()), "`-1`"),
    ];
    for (variables, socket, expected) in cases {
        let ran = refused(variables, socket, &[]);
        assert_eq!(ran.code, Some(45), "{variables} {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{variables} {}", ran.stderr);
        assert!(!ran.stdout.contains("listening"), "{}", ran.stdout);
    }
}

#[test]
fn sockets_for_another_process_are_not_ours() {
    let mut command = handed("LISTEN_FDS=1 LISTEN_PID=1", Some(tcp()), &["127.0.0.1:0", "--once"]);
    let server = Served::spawn(&mut command);
    assert_eq!(server.ask(b"x"), b"x");
}

#[test]
fn unix_datagrams_are_served_and_their_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    let args = ["-n", "1", "--timeout", "20s"];
    let ran = std::thread::scope(|scope| {
        let serving =
            scope.spawn(move || handed(ONE, Some(socket.into()), &args).output().unwrap());
        let client = UnixDatagram::bind(folder.path().join("client")).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.send_to(b"hello", &path).unwrap();
        let mut answer = [0; 10];
        assert_eq!(client.recv(&mut answer).unwrap(), 5);
        Ran::from(serving.join().unwrap())
    });
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(path.exists(), "it belongs to whoever has bound it");
}

#[test]
fn programs_see_neither_the_sockets_nor_the_variables() {
    let line = "ls -l /proc/self/fd; env | grep ^LISTEN_; :";
    let variables =
        "LISTEN_FDS=1 LISTEN_FDNAMES=web LISTEN_PID=$$ TCPREMOTEIP=10.0.0.1 TCPLOCALHOST=x";
    for addresses in [&[][..], &["127.0.0.1:0"]] {
        let args = [addresses, &["--once", "--shell", line]].concat();
        let server = Served::spawn(&mut handed(variables, Some(tcp()), &args));
        let answer = String::from_utf8(server.ask(b"")).unwrap();
        assert!(!answer.contains("LISTEN_"), "{answer}");
        assert!(!answer.contains("socket:"), "{answer}");
    }
}
