//! The programs of `examples/`, run as users would run them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::skip;

const PATIENCE: Duration = Duration::from_secs(30);

/// A running example. It is killed when this is dropped.
struct Example {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Example {
    /// `None`, and a skip that is counted, if Cargo has not built the examples, as with `cargo test --test net`.
    fn start(name: &str, arguments: &[&str]) -> Option<Self> {
        let path = path_of(name);
        if !path.exists() {
            skip::skipped("the examples, which `cargo test` builds");
            return None;
        }
        let mut command = Command::new(path);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Some(Self { child, output })
    }

    fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The address after `listening on`.
    fn address(&mut self) -> SocketAddr {
        let line = self.read_line();
        line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).parse().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The rest of the output, and whether the program succeeded.
    fn end(mut self) -> (String, bool) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        (rest, self.child.wait().unwrap().success())
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn path_of(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().unwrap().with_file_name("examples").join(name)
}

/// A line client.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    /// A member of the chat whose name is known.
    fn enter(address: SocketAddr, name: &str) -> Self {
        let mut client = Self::connect(address);
        let mut question = [0; 6];
        client.0.read_exact(&mut question).unwrap();
        client.say(&format!("{name}\n"));
        client
    }
}

#[test]
fn examples_chat_passes_lines_on_and_drops_a_client_that_does_not_read() {
    let Some(mut chat) = Example::start("chat", &["127.0.0.1"]) else { return };
    let address = chat.address();
    let mut anna = Client::enter(address, "anna");
    let mut deaf = Client::enter(address, "deaf");
    assert_eq!(anna.read_line(), "* deaf came\n");
    deaf.say("I hear nothing\n");
    assert_eq!(anna.read_line(), "deaf: I hear nothing\n");
    let mut ben = Client::enter(address, "ben");
    assert_eq!(anna.read_line(), "* ben came\n");
    anna.say("hello\n");
    assert_eq!(ben.read_line(), "anna: hello\n");
    let text = format!("{}\n", "x".repeat(60_000));
    let reading = thread::Builder::new().spawn(move || {
        let mut lines = std::iter::repeat_with(|| anna.read_line());
        lines.find(|line| line.starts_with('*')).unwrap()
    });
    let reading = reading.unwrap();
    let mut sent = 0;
    while !reading.is_finished() && sent < 2000 {
        ben.say(&text);
        sent += 1;
    }
    assert_eq!(reading.join().unwrap(), "* deaf left\n");
}

#[test]
fn examples_chat_refuses_a_name_that_is_in_use() {
    let Some(mut chat) = Example::start("chat", &["127.0.0.1"]) else { return };
    let address = chat.address();
    let mut first = Client::enter(address, "anna");
    first.say("this line is read after the name\n");
    let mut second = Client::enter(address, "ben");
    assert_eq!(first.read_line(), "* ben came\n");
    let mut third = Client::enter(address, "anna");
    assert_eq!(third.read_line(), "this name cannot be had\n");
    assert_eq!(third.read_line(), "");
    first.0.get_ref().shutdown(Shutdown::Write).unwrap();
    assert_eq!(second.read_line(), "* anna left\n");
}

#[test]
fn examples_scanner_prints_the_open_ports_only() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let open = listener.local_addr().unwrap().port();
    let (first, last) = (open.saturating_sub(300).max(1), open.saturating_add(300));
    let range = [first.to_string(), last.to_string()];
    let Some(scanner) = Example::start("scanner", &["127.0.0.1", &range[0], &range[1]]) else {
        return;
    };
    let (ports, succeeded) = scanner.end();
    let ports: Vec<u16> = ports.lines().map(|port| port.parse().unwrap()).collect();
    assert!(succeeded && ports.contains(&open), "{ports:?}");
    assert!(ports.is_sorted() && ports.len() < 300, "{ports:?}");
}

#[cfg(feature = "tls")]
#[test]
fn examples_tls_upgrade_names_the_client_by_its_certificate() {
    let Some(example) = Example::start("tls_upgrade", &[]) else { return };
    assert_eq!(example.end(), ("go ahead\nhello client.test\n".to_owned(), true));
}

#[test]
fn examples_reverse_proxy_passes_both_directions_and_their_ends_on() {
    let upstream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = upstream.local_addr().unwrap().port().to_string();
    let Some(mut proxy) = Example::start("reverse_proxy", &["0", "127.0.0.1", &port]) else {
        return;
    };
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    let request = vec![b'q'; 3_000_000];
    let length = request.len();
    let sending = thread::Builder::new().spawn(move || {
        client.write_all(&request).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut response = String::new();
        client.read_to_string(&mut response).unwrap();
        response
    });
    let sending = sending.unwrap();
    let (mut server, _) = upstream.accept().unwrap();
    let mut received = Vec::new();
    server.read_to_end(&mut received).unwrap();
    assert_eq!(received.len(), length);
    server.write_all(b"the answer comes after the end").unwrap();
    drop(server);
    assert_eq!(sending.join().unwrap(), "the answer comes after the end");
    let line = std::iter::repeat_with(|| proxy.read_line()).find(|line| !line.starts_with("list"));
    assert_eq!(line.unwrap(), "3000000 B to the server, 30 B back");
}

#[test]
fn examples_supervisor_restarts_a_program_and_ends_it() {
    let script = "echo up; test -e \"$0\" && exec sleep 100; touch \"$0\"";
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let arguments = ["sh", "-c", script, mark.to_str().unwrap()];
    let Some(mut supervisor) = Example::start("supervisor", &arguments) else { return };
    let mut lines = std::iter::repeat_with(|| supervisor.read_line());
    let ended = "sh has ended: exit status: 0";
    let up: Vec<String> = lines.by_ref().take_while(|line| line != ended).collect();
    assert!(up.contains(&"up".to_owned()), "{up:?}");
    lines.by_ref().find(|line| line == "up").unwrap();
    supervisor.signal(Signal::TERM);
    let (rest, succeeded) = supervisor.end();
    assert!(succeeded && rest.contains("sh is stopped: signal: 15 (SIGTERM)"), "{rest}");
}

#[test]
fn examples_dns_forwarder_passes_questions_on_and_ignores_other_ids() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = server.local_addr().unwrap().to_string();
    let Some(mut forwarder) = Example::start("dns_forwarder", &["127.0.0.1:0", &address]) else {
        return;
    };
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.connect(forwarder.address()).unwrap();
    client.send(b"too short").unwrap();
    client.send(b"\x12\x34 a question").unwrap();
    let mut buffer = [0; 64];
    let (length, from) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"\x12\x34 a question");
    server.send_to(b"\x12\x35 a forgery", from).unwrap();
    server.send_to(b"\x12\x34 an answer", from).unwrap();
    let length = client.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"\x12\x34 an answer");
}

#[test]
fn examples_cpu_work_ends_at_an_interrupt_and_gives_every_count_otherwise() {
    let Some(work) = Example::start("cpu_work", &["100", "1000"]) else { return };
    let (counts, succeeded) = work.end();
    let mut counts: Vec<&str> = counts.lines().filter(|line| line.contains("primes")).collect();
    counts.sort_unstable();
    assert!(succeeded);
    assert_eq!(counts, ["168 primes below 1000", "25 primes below 100"]);

    let Some(mut work) = Example::start("cpu_work", &["10", "4000000000"]) else { return };
    assert_eq!(work.read_line(), "4 primes below 10");
    work.signal(Signal::INT);
    let (rest, succeeded) = work.end();
    assert!(!succeeded && !rest.contains("4000000000"), "{rest}");
}
