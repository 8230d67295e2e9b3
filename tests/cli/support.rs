//! Running the program, and peers on loopback that misbehave.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub(crate) use crate::skip::{has_ipv6, has_localhost, has_program, has_services, skipped};
pub(crate) use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use serde_json::Value;

pub(crate) fn loopctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loopctl"));
    let decisive =
        ["NO_COLOR", "CLICOLOR_FORCE", "LC_ALL", "LC_CTYPE", "LOOPCTL_DEBUG", "LOOPCTL_LOG"];
    for name in decisive {
        command.env_remove(name);
    }
    command.env("LANG", "C.UTF-8").stdin(Stdio::null());
    command
}

pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

pub(crate) fn run(args: &[&str]) -> Ran {
    loopctl().args(args).output().unwrap().into()
}

/// A listener that completes handshakes.
pub(crate) fn good(ip: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A port of this address that nobody listens on.
pub(crate) fn refusing(ip: &str) -> SocketAddr {
    good(ip).1
}

/// An address whose kernel drops every SYN, because the queue of its listener is full.
pub(crate) struct Dead {
    pub(crate) address: SocketAddr,
    _listener: TcpListener,
    _fillers: Vec<TcpStream>,
}

impl Dead {
    pub(crate) fn new(ip: &str) -> Self {
        Self::on(format!("{ip}:0").parse().unwrap())
    }

    pub(crate) fn on(address: SocketAddr) -> Self {
        let listener = loopctl::listen(address, 0).unwrap();
        let address = listener.local_addr().unwrap();
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok();
        let fillers: Vec<_> = std::iter::from_fn(connect).take(16).collect();
        assert!(fillers.len() < 16, "the queue of {address} does not fill up");
        Self { address, _listener: listener, _fillers: fillers }
    }
}

/// Starts the program and waits until it says something on standard error (`-v`).
pub(crate) fn start(args: &[&str]) -> Child {
    let mut command = loopctl();
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Says whether the tests were started with a signal ignored, as by nohup(1) or as a job of a script, which children
/// keep until they install a handler.
pub(crate) fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
    let is_ignored = mask & (1 << (signal.as_raw() - 1)) > 0;
    if is_ignored {
        skipped(&format!("signal {} (ignored here)", signal.as_raw()));
    }
    is_ignored
}

/// Waits until a process has a socket in SYN_SENT to this port, so that a signal hits a running race.
pub(crate) fn wait_for_syn(to: SocketAddr) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while syns_sent(to) == 0 {
        assert!(Instant::now() < deadline, "nobody connects to {to}");
        std::thread::yield_now();
    }
}

/// How many IPv4 sockets of this machine are in SYN_SENT to this port.
pub(crate) fn syns_sent(to: SocketAddr) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = format!(":{:04X}", to.port());
    let is_ours = |line: &&str| {
        let mut fields = line.split_whitespace().skip(2);
        fields.next().is_some_and(|remote| remote.ends_with(&port)) && fields.next() == Some("02")
    };
    table.lines().filter(is_ours).count()
}

/// Waits until the kernel at the other end, on this machine, has all that was written to an IPv4 socket.
pub(crate) fn wait_until_sent(stream: &TcpStream) {
    let [ours, theirs] = ends(stream);
    wait_until(|| queues(ours, theirs).0 == 0);
}

/// Waits until the process at the other end, on this machine, has read all that was written to an IPv4 socket.
pub(crate) fn wait_until_read(stream: &TcpStream) {
    let [ours, theirs] = ends(stream);
    wait_until(|| queues(ours, theirs).0 == 0 && queues(theirs, ours).1 == 0);
}

/// Waits until the other end, on this machine, cannot send because nobody reads here.
pub(crate) fn wait_until_stuck(stream: &TcpStream) {
    let [ours, theirs] = ends(stream);
    wait_until(|| queues(theirs, ours).0 > 0);
}

/// Waits until nobody listens there any more.
pub(crate) fn wait_until_refused(address: SocketAddr) {
    wait_until(|| TcpStream::connect(address).is_err());
}

fn wait_until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "that never comes");
        std::thread::yield_now();
    }
}

fn ends(stream: &TcpStream) -> [u16; 2] {
    [stream.local_addr().unwrap().port(), stream.peer_addr().unwrap().port()]
}

/// Bytes that an IPv4 connection of this machine has not sent, and has not read.
fn queues(local: u16, remote: u16) -> (u64, u64) {
    let ends = [local, remote].map(|port| format!(":{port:04X}"));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let mut sockets = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let is_it = |fields: &Vec<&str>| {
        fields.len() > 4 && fields[1].ends_with(&ends[0]) && fields[2].ends_with(&ends[1])
    };
    let found = sockets.find(is_it).expect("the connection is there");
    let (unsent, unread) = found[4].split_once(':').unwrap();
    let number = |text| u64::from_str_radix(text, 16).unwrap();
    (number(unsent), number(unread))
}
