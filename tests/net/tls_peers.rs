//! TLS with others: OpenSSL's own tools and Python's `ssl`. Where they are not there, the tests say so and pass.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use loopctl::{LoopHandle, TlsClient, TlsError, TlsErrorKind, TlsServer, TlsVersion};

use crate::skip::has_program;
use crate::support::tls::{Authority, Papers, to};
use crate::support::{Recorder, pattern, run};

/// Certificates in files.
struct Files {
    directory: tempfile::TempDir,
    authority: Authority,
}

impl Files {
    fn new() -> Self {
        let (directory, authority) = (tempfile::tempdir().unwrap(), Authority::new("Test CA"));
        let files = Self { directory, authority };
        fs::write(files.path("ca"), files.authority.pem()).unwrap();
        for name in ["localhost", "somebody"] {
            let Papers { chain, key } = files.authority.papers(name);
            fs::write(files.path(name), chain + &key).unwrap();
        }
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.pem"))
    }

    fn server(&self) -> loopctl::TlsServerBuilder {
        TlsServer::builder().identity_files(self.path("localhost"), self.path("localhost"))
    }

    fn client(&self) -> loopctl::TlsClientBuilder {
        TlsClient::builder().ca_file(self.path("ca"))
    }
}

/// A child that ends with the test.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const VERSIONS: [(TlsVersion, &str); 2] =
    [(TlsVersion::Tls12, "-tls1_2"), (TlsVersion::Tls13, "-tls1_3")];

/// `openssl s_server`, which sends every line back the other way round.
fn s_server(files: &Files, more: &[&str]) -> (Peer, SocketAddr) {
    let mut child = Command::new("openssl")
        .args(["s_server", "-accept", "127.0.0.1:0", "-rev", "-cert"])
        .arg(files.path("localhost"))
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = loop {
        let line = lines.next().expect("it says where it listens").unwrap();
        if let Some(address) = line.strip_prefix("ACCEPT ") {
            break address.parse().unwrap();
        }
    };
    std::thread::Builder::new().spawn(move || lines.for_each(drop)).unwrap();
    (Peer(child), address)
}

#[test]
fn tls_01_our_client_and_the_server_of_openssl() {
    if !has_program("openssl") {
        return;
    }
    let files = Files::new();
    for (version, flag) in VERSIONS {
        let (_peer, address) = s_server(&files, &[flag, "-alpn", "http/1.1"]);
        run(async |event_loop| {
            let client = files.client().alpn(["h2", "http/1.1"]).build().unwrap();
            for is_resumed in [false, true] {
                let (mut reader, mut writer) =
                    to(&event_loop, address, &client).open_stream().await.unwrap();
                let _ = writer.write(b"hello\n");
                assert_eq!(reader.read_line().await.unwrap(), b"olleh\n");
                let info = writer.transport().tls().unwrap();
                assert_eq!((info.version, info.resumed), (version, is_resumed));
                assert_eq!(info.alpn.as_deref(), Some(&b"http/1.1"[..]));
                writer.close();
                writer.wait_closed().await.unwrap();
            }
        });
    }
}

#[test]
fn tls_06_client_certificates_for_the_server_of_openssl() {
    if !has_program("openssl") {
        return;
    }
    let files = Files::new();
    let ca = files.path("ca").display().to_string();
    for (_, flag) in VERSIONS {
        let more = [flag, "-Verify", "1", "-verify_return_error", "-CAfile", &ca];
        let (_peer, address) = s_server(&files, &more);
        run(async |event_loop| {
            let own = files.path("somebody");
            let known = files.client().identity_files(&own, &own).build().unwrap();
            let (mut reader, mut writer) =
                to(&event_loop, address, &known).open_stream().await.unwrap();
            let _ = writer.write(b"hello\n");
            assert_eq!(reader.read_line().await.unwrap(), b"olleh\n");
            drop((reader, writer));
            let unknown = files.client().build().unwrap();
            let error = match to(&event_loop, address, &unknown).open_stream().await {
                Err(error) => error.attempts()[0].error.to_string(),
                Ok((mut reader, _writer)) => {
                    let error = reader.read(&mut [0]).await.unwrap_err();
                    assert_eq!(TlsError::within(&error).unwrap().kind(), TlsErrorKind::Alert);
                    error.to_string()
                }
            };
            assert!(error.starts_with("the peer sent a fatal alert: "), "{error}");
        });
    }
}

/// A server of ours that sends everything back.
async fn echo(event_loop: &LoopHandle, tls: TlsServer) -> (loopctl::Server, SocketAddr) {
    let server = event_loop.create_server("127.0.0.1", 0).tls(tls);
    let server = server.serve_streams(async |mut reader, mut writer| {
        let mut buffer = vec![0; 30_000];
        while let Ok(count) = reader.read(&mut buffer).await
            && count > 0
        {
            if writer.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
    });
    let server = server.await.unwrap();
    let address = server.local_addrs()[0];
    (server, address)
}

/// Runs a client beside our loop, and gives what it said.
async fn outside(
    event_loop: &LoopHandle,
    mut command: Command,
    input: &'static [u8],
) -> (bool, String) {
    let asking = event_loop.run_in_executor(move || {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Peer(command.spawn().unwrap());
        let mut stdin = child.0.stdin.take().unwrap();
        // Who is not let in may be gone already.
        let _ = stdin.write_all(input);
        let (mut said, mut stdout) = (Vec::new(), child.0.stdout.take().unwrap());
        let mut buffer = [0; 4096];
        while !input.is_empty() && !said.windows(input.len()).any(|window| window == input) {
            match stdout.read(&mut buffer).unwrap() {
                0 => break,
                count => said.extend_from_slice(&buffer[..count]),
            }
        }
        drop(stdin);
        stdout.read_to_end(&mut said).unwrap();
        child.0.stderr.take().unwrap().read_to_end(&mut said).unwrap();
        let is_well = child.0.wait().unwrap().success();
        (is_well, String::from_utf8_lossy(&said).into_owned())
    });
    asking.await.unwrap()
}

#[test]
fn tls_01_the_client_of_openssl_and_our_server() {
    if !has_program("openssl") {
        return;
    }
    let files = Files::new();
    for (_, flag) in VERSIONS {
        run(async |event_loop| {
            let (_server, address) =
                echo(&event_loop, files.server().alpn(["h2"]).build().unwrap()).await;
            let session = files.path("session");
            let _ = fs::remove_file(&session);
            for (file, words) in [("-sess_out", "\nNew, "), ("-sess_in", "\nReused, ")] {
                let mut client = Command::new("openssl");
                client.args(["s_client", "-servername", "localhost", "-alpn", "h2", flag]);
                client.args(["-verify_return_error", "-connect", &address.to_string()]);
                client.arg("-CAfile").arg(files.path("ca")).arg(file).arg(&session);
                let (is_well, said) = outside(&event_loop, client, b"hello there\n").await;
                assert!(is_well, "{said}");
                for wanted in [words, "ALPN protocol: h2", "Verify return code: 0 (ok)"] {
                    assert!(said.contains(wanted), "{wanted:?} in {said}");
                }
            }
        });
    }
}

#[test]
fn tls_06_the_client_of_openssl_has_to_say_who_it_is() {
    if !has_program("openssl") {
        return;
    }
    let files = Files::new();
    for (_, flag) in VERSIONS {
        run(async |event_loop| {
            let tls = files.server().client_ca_file(files.path("ca")).build().unwrap();
            let (_server, address) = echo(&event_loop, tls).await;
            for is_known in [true, false] {
                let mut client = Command::new("openssl");
                client.args(["s_client", flag, "-quiet", "-no_ign_eof"]);
                client.args(["-connect", &address.to_string()]);
                if is_known {
                    client.arg("-cert").arg(files.path("somebody"));
                }
                let (_, said) = outside(&event_loop, client, b"hello there\n").await;
                assert_eq!(said.contains("hello there"), is_known, "{said}");
                assert_eq!(said.contains("certificate required"), !is_known);
            }
        });
    }
}

const PYTHON_CLIENT: &str = "
import socket, ssl, sys, threading
context = ssl.create_default_context(cafile=sys.argv[1])
plain = socket.create_connection(('127.0.0.1', int(sys.argv[2])))
tls = context.wrap_socket(plain, server_hostname='localhost')
data = bytes(range(256)) * 4096
threading.Thread(target=tls.sendall, args=(data,)).start()
back = b''
while len(back) < len(data):
    back += tls.recv(65536)
assert back == data
tls.unwrap()
print('all is well')
";

const PYTHON_SERVER: &str = "
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
while True:
    plain, _ = listener.accept()
    tls = context.wrap_socket(plain, server_side=True)
    while data := tls.recv(65536):
        tls.sendall(data)
    try:
        tls.unwrap()
    except OSError:
        # We wait for no answer to our farewell.
        pass
    tls.close()
    tls = context.wrap_socket(listener.accept()[0], server_side=True)
    tls.sendall(b'cut sho')
    # The end of the stream without a farewell.
    tls.shutdown(socket.SHUT_RDWR)
    tls.close()
";

#[test]
fn tls_01_the_client_of_python_and_our_server() {
    if !has_program("python3") {
        return;
    }
    let files = Files::new();
    run(async |event_loop| {
        let (_server, address) = echo(&event_loop, files.server().build().unwrap()).await;
        let mut client = Command::new("python3");
        client.arg("-c").arg(PYTHON_CLIENT).arg(files.path("ca"));
        client.arg(address.port().to_string());
        let (is_well, said) = outside(&event_loop, client, b"").await;
        assert!(is_well && said == "all is well\n", "{said}");
    });
}

#[test]
fn tls_19_our_client_and_the_server_of_python() {
    if !has_program("python3") {
        return;
    }
    let files = Files::new();
    let mut command = Command::new("python3");
    command.arg("-c").arg(PYTHON_SERVER).arg(files.path("localhost")).stdout(Stdio::piped());
    let mut peer = Peer(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(peer.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], line.trim().parse().unwrap()));
    run(async |event_loop| {
        let client = files.client().build().unwrap();
        let (mut reader, mut writer) =
            to(&event_loop, address, &client).open_stream().await.unwrap();
        let sending = event_loop.create_task(async move {
            writer.write_all(&pattern(1 << 20)).await.unwrap();
            writer
        });
        assert!(reader.read_exactly(1 << 20).await.unwrap() == pattern(1 << 20));
        // Both say farewell, and nothing is an error.
        drop(sending.await.unwrap());
        assert_eq!(reader.read(&mut [0]).await.unwrap(), 0);
        drop(reader);
        let connection = to(&event_loop, address, &client).open(Recorder::new).await.unwrap();
        connection.transport.wait_closed().await;
        assert_eq!(connection.with(|recorder| recorder.data()), b"cut sho");
        let lost = crate::support::Seen::Lost(Some(std::io::ErrorKind::UnexpectedEof));
        assert_eq!(connection.with(|recorder| recorder.seen.last().cloned()), Some(lost));
    });
}
