//! `connect --tls` with servers of other make: OpenSSL, GnuTLS and Python.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::has_program;
use crate::support::{Ran, loopctl};
use crate::tls_peer::{Files, as_localhost};

/// A server that ends with the test.
struct Peer {
    child: Child,
    address: SocketAddr,
}

impl Peer {
    /// `command` is given the port as its last word, and listens there before long.
    fn start(command: impl FnOnce(&str) -> Command) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = command(&address.port().to_string());
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = child.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "it does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        Self { child, address }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gnutls(papers: &str, args: &[&str]) -> Peer {
    Peer::start(|port| {
        let mut command = Command::new("gnutls-serv");
        command.args(["--x509certfile", papers, "--x509keyfile", papers, "--port", port]);
        command.args(args);
        command
    })
}

fn openssl(papers: &str, args: &[&str]) -> Peer {
    Peer::start(|port| {
        let mut command = Command::new("openssl");
        command.args(["s_server", "-cert", papers, "-key", papers, "-quiet", "-accept", port]);
        command.args(args);
        command
    })
}

/// Says back what it hears, to many at a time.
const ECHO: &str = "
import socketserver, ssl, sys
c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain(sys.argv[1])
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        s = c.wrap_socket(self.request, server_side=True, suppress_ragged_eofs=False)
        while data := s.recv(65536):
            s.sendall(data)
        s.unwrap()
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer.request_queue_size = 100
socketserver.ThreadingTCPServer(('127.0.0.1', int(sys.argv[2])), Echo).serve_forever()
";

fn connect(files: &Files, peer: &Peer, args: &[&str]) -> Ran {
    let mut command = loopctl();
    command.args(["connect", "--tls", "--ca", files.ca()]).args(args);
    command.args(as_localhost(peer.address)).output().unwrap().into()
}

#[test]
fn tls_01_openssl_and_gnutls_in_both_versions() {
    let files = Files::new();
    let papers = files.write("server.pem", &files.authority.papers("localhost"));
    let versions = [("1.2", "-tls1_2", "NORMAL:-VERS-ALL:+VERS-TLS1.2")].into_iter().chain([(
        "1.3",
        "-tls1_3",
        "NORMAL:-VERS-ALL:+VERS-TLS1.3",
    )]);
    for (version, of_openssl, of_gnutls) in versions {
        let mut peers = Vec::new();
        if has_program("openssl") {
            peers.push(openssl(&papers, &[of_openssl, "-alpn", "h2"]));
        }
        if has_program("gnutls-serv") {
            peers.push(gnutls(&papers, &["--echo", "--alpn", "h2", "--priority", of_gnutls]));
        }
        for peer in &peers {
            let ran = connect(&files, peer, &["--json", "--alpn", "h2,http/1.1"]);
            let document = ran.json();
            assert_eq!(ran.code, Some(0), "{document:#}");
            assert_eq!(document["tls"]["version"], format!("TLSv{version}"));
            assert_eq!(document["tls"]["alpn"], "h2");
            assert_eq!(document["tls"]["verified"], true);
        }
    }
}

#[test]
fn tls_06_openssl_and_gnutls_that_want_a_client_certificate() {
    let files = Files::new();
    let papers = files.write("server.pem", &files.authority.papers("localhost"));
    let own = files.write("client.pem", &files.authority.papers("client"));
    let mut peers = Vec::new();
    if has_program("openssl") {
        peers.push(openssl(
            &papers,
            &["-Verify", "1", "-verify_return_error", "-CAfile", files.ca()],
        ));
    }
    if has_program("gnutls-serv") {
        peers.push(gnutls(
            &papers,
            &["--echo", "--require-client-cert", "--x509cafile", files.ca()],
        ));
    }
    for peer in &peers {
        let without = connect(&files, peer, &[]);
        assert_eq!(without.code, Some(35), "{}{}", without.stdout, without.stderr);
        assert!(without.stderr.contains("--cert and --key"), "{}", without.stderr);
        let with = connect(&files, peer, &["--cert", &own]);
        assert_eq!(with.code, Some(0), "{}", with.stderr);
    }
}

#[test]
fn tls_13_twenty_five_relays_of_a_mebibyte_each_way() {
    if !has_program("python3") {
        return;
    }
    let files = Files::new();
    let papers = files.write("server.pem", &files.authority.papers("localhost"));
    let peer = Peer::start(|port| {
        let mut command = Command::new("python3");
        command.args(["-c", ECHO, &papers, port]);
        command
    });
    let data = files.path("data");
    std::fs::write(&data, (0..1 << 20).map(|at: u32| (at ^ (at >> 9)) as u8).collect::<Vec<_>>())
        .unwrap();
    let relays = (0..25).map(|number| {
        let answer = files.path(&format!("answer{number}"));
        let mut command = loopctl();
        command.args(["connect", "-q", "--relay", "--tls", "--ca", files.ca()]);
        command.args(as_localhost(peer.address)).stdin(std::fs::File::open(&data).unwrap());
        let child = command.stdout(std::fs::File::create(&answer).unwrap()).spawn().unwrap();
        (child, answer)
    });
    let relays: Vec<_> = relays.collect();
    let sent = std::fs::read(&data).unwrap();
    for (mut child, answer) in relays {
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(std::fs::read(answer).unwrap() == sent);
    }
}

/// It says farewell and resets the connection over ours, which is no loss.
#[test]
fn tls_18_a_server_that_leaves_at_once_is_heard_out() {
    if !has_program("gnutls-serv") {
        return;
    }
    let files = Files::new();
    let papers = files.write("server.pem", &files.authority.papers("localhost"));
    let peer = gnutls(&papers, &["--http"]);
    let (input, mut feed) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut feed, b"GET / HTTP/1.0\r\n\r\n").unwrap();
    drop(feed);
    let mut command = loopctl();
    command.args(["connect", "--relay", "--tls", "--ca", files.ca()]);
    command.args(as_localhost(peer.address)).stdin(input);
    let ran = Ran::from(command.output().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.starts_with("HTTP/1.0 200 OK\r\n") && ran.stdout.ends_with("</HTML>\n\n"),
        "{}",
        ran.stdout
    );
}
