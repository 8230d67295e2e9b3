//! `serve --tls` and clients of other make: modes, versions, certificates, names, sessions.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::served::Served;
use crate::support::{Signal, has_ipv6, has_localhost, has_program, loopctl, signal};
use crate::tls_clients::{Papers, Private, python, text};

const VERSIONS: [&str; 2] = ["1.2", "1.3"];

/// Mode, what is sent, what comes back at least.
const MODES: [(&[&str], &str, &str); 6] = [
    (&[], "hello", "hello"),
    (&["--mode", "chargen"], "", " !\"#$%&'()*+,-./0123456789"),
    (&["--mode", "daytime"], "", "20"),
    (&["--mode", "http"], "GET /x HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK"),
    (&["--exec", "cat"], "hello", "hello"),
    (&["--shell", "read x; echo got $x"], "abc\n", "got abc\n"),
];

#[test]
fn tls_01_every_mode_in_both_versions() {
    for version in VERSIONS {
        for (mode, question, answer) in MODES {
            let mut tls = Private::start(mode);
            let count = answer.len();
            let script = format!(
                "s = connect(); s.sendall({question:?}.encode())
sys.stdout.write(receive(s, {count}).decode())"
            );
            let Some(received) = tls.python(version, &script) else { return };
            assert_eq!(received, answer.trim(), "{mode:?} {version}");
            let record = tls.server.record();
            assert_eq!(record["tls"]["version"], format!("TLSv{version}"), "{record}");
            assert_eq!(record["tls"]["sni"], "localhost");
            assert_eq!(record["tls"]["client"], serde_json::Value::Null);
            assert_eq!(record["bytes_in"], question.len(), "{mode:?} {version}: {record}");
        }
    }
}

#[test]
fn tls_01_what_only_receives() {
    let file = tempfile::tempdir().unwrap();
    let path = file.path().join("got");
    let output = path.display().to_string();
    for mode in [&["discard"][..], &["sink", "--output", &output]] {
        let mut tls = Private::start(&[&["--mode"], mode].concat());
        let script = "s = connect(); s.sendall(b'x' * 300000); s.unwrap().close()";
        if tls.python("", script).is_none() {
            return;
        }
        let record = tls.server.record();
        assert_eq!((&record["end"], &record["bytes_in"]), (&"eof".into(), &300_000.into()));
        assert_eq!(tls.server.terminate().code, Some(0));
    }
    assert_eq!(fs::read(path).unwrap(), vec![b'x'; 300_000]);
}

#[test]
fn tls_01_a_black_hole_shakes_hands_and_says_no_more() {
    let mut tls = Private::start(&["--mode", "blackhole"]);
    let script = "
s = connect(); s.sendall(b'x'); s.settimeout(0.3)
try:
    print('read', s.recv(1))
except TimeoutError:
    print(s.version())
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\\1\\0\\0\\0\\0\\0\\0\\0'); s.close()";
    let Some(told) = tls.python("", script) else { return };
    assert_eq!(told, "TLSv1.3");
    let record = tls.server.record();
    assert_eq!((&record["end"], &record["bytes_in"]), (&"reset".into(), &0.into()));
    assert_eq!(record["tls"]["version"], "TLSv1.3");
}

#[test]
fn tls_01_curl_trusts_the_file_and_gets_one() {
    if !has_program("curl") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("a"), "file").unwrap();
    let root = root.path().display().to_string();
    let mut tls = Private::start(&["--mode", "http", "--root", &root]);
    let url = format!("https://{}/a", tls.server.address);
    let curl = || {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--noproxy", "*", &url]);
        curl
    };
    assert_eq!(text(curl().arg("--cacert").arg(tls.ca()).output().unwrap()), "file");
    // It asks for no name where the host is an address.
    let record = tls.server.record();
    assert_eq!((&record["tls"]["sni"], &record["end"]), (&serde_json::Value::Null, &"eof".into()));
    // 60: it does not trust the certificate.
    assert_eq!(curl().output().unwrap().status.code(), Some(60));
    let record = tls.server.record();
    assert_eq!((&record["tls"], &record["end"]), (&serde_json::Value::Null, &"error".into()));
    assert_eq!(
        record["error"]["message"],
        "the peer sent the fatal alert unknown_ca: the chain does not lead to a trusted authority"
    );
    assert_eq!(record["error"]["kind"], "tls");
}

#[test]
fn tls_01_the_first_lines_tell_the_certificate_and_how_to_trust_it() {
    if !has_program("openssl") {
        return;
    }
    let mut server = Served::start(&["--tls", "--mode", "daytime"]);
    let names = server.line();
    assert!(names.starts_with("certificate for localhost, 127.0.0.1, ::1"), "{names}");
    let pin = server.line().trim().strip_prefix("SHA-256 ").unwrap().to_owned();
    let command = server.line();
    let words = shell_words(&command);
    assert_eq!(words[..4], ["loopctl", "connect", "--tls", "--ca"]);
    assert_eq!(words[5], server.address.to_string());
    let told = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in", &words[4]])
        .output()
        .unwrap();
    let fingerprint = text(told).replace(':', "").to_lowercase();
    assert_eq!(fingerprint.split('=').nth(1), Some(&pin[..]));
    let peer = Command::new("openssl")
        .args(["s_client", "-brief", "-verify_return_error", "-verify_ip", "127.0.0.1"])
        .args(["-CAfile", &words[4], "-connect", &words[5]])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&peer.stderr).contains("Verification: OK"), "{peer:?}");
    let line = server.line();
    assert!(line.contains("  TLS 1.3  eof"), "{line}");
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn tls_01_the_line_that_is_printed_works_as_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let unix = format!("unix:{}", dir.path().join("s").display());
    let places = ["127.0.0.1:0", "[::1]:0", ":0", "localhost:0", &unix];
    let can = |place: &&str| match *place {
        "[::1]:0" => has_ipv6(),
        ":0" | "localhost:0" => has_localhost(),
        _ => true,
    };
    for place in places.into_iter().filter(can) {
        let mut command = loopctl();
        command.args(["serve", "--tls", "--mode", "daytime", place]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let is_command = |line: &String| line.trim().starts_with("loopctl connect ");
        let line = lines.find(is_command).unwrap();
        let ran = loopctl().args(&shell_words(&line)[1..]).output().unwrap();
        signal(&child, Signal::TERM);
        child.wait().unwrap();
        let told = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && told.contains("TLS 1.3"), "{line}: {ran:?}");
    }
}

/// There is nothing to quote in them.
fn shell_words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn tls_06_client_certificates_are_asked_for_and_told() {
    let papers = Papers::of(&["somebody", "localhost"]);
    let (ca, own) = (papers.text("ca.pem"), papers.flag("localhost"));
    for version in VERSIONS {
        let mut tls = Private::with(&[&own, "--client-ca", &ca]);
        let port = tls.server.address.port();
        let script = format!(
            "c.load_cert_chain({:?}, {:?}); s = connect(); s.sendall(b'x'); s.recv(1); s.unwrap()",
            papers.text("somebody.pem"),
            papers.text("somebody.key"),
        );
        if python(&ca, port, version, &script).is_none() {
            return;
        }
        let record = tls.server.record();
        let client = &record["tls"]["client"];
        assert_eq!((&record["end"], &client["subject"]), (&"eof".into(), &"CN=somebody".into()));
        assert_eq!(client["sha256"].as_str().unwrap().len(), 64);
        // In TLS 1.3 a client hears of it when it reads.
        let script = "
try:
    s = connect(); s.sendall(b'x'); print(s.recv(1))
except ssl.SSLError as error:
    print(error.reason)";
        let told = python(&ca, port, version, script).unwrap();
        assert!(
            told.contains("CERTIFICATE_REQUIRED") || told.contains("HANDSHAKE_FAILURE"),
            "{told}"
        );
        let record = tls.server.record();
        assert_eq!((&record["end"], &record["error"]["kind"]), (&"error".into(), &"cert".into()));
        assert_eq!(record["error"]["message"], "the peer sent no certificate");
    }
}

#[test]
fn tls_06_the_certificate_is_the_one_for_the_name() {
    let papers = Papers::of(&["a.example", "b.example"]);
    let both = fs::read(papers.path("b.example.pem")).unwrap();
    let key = fs::read(papers.path("b.example.key")).unwrap();
    fs::write(papers.path("b"), [both, key].concat()).unwrap();
    let second = format!("--tls={}", papers.text("b"));
    let mut tls = Private::with(&[&papers.flag("a.example"), &second, "--alpn", "h2,http/1.1"]);
    let told = &tls.listening["tls"];
    assert_eq!(told["names"], serde_json::json!(["a.example"]));
    assert_eq!(told["others"][0]["names"], serde_json::json!(["b.example"]));
    assert_eq!(told["ca_file"], serde_json::Value::Null);
    let script = "
c.set_alpn_protocols(['http/1.1'])
for name in ['b.example', 'a.example']:
    s = connect(name); print(s.getpeercert()['subject'][0][0][1], s.selected_alpn_protocol()); s.unwrap()
print(refusal('c.example'))";
    let port = tls.server.address.port();
    let Some(told) = python(&papers.text("ca.pem"), port, "", script) else { return };
    let (chosen, refused) = told.rsplit_once('\n').unwrap();
    assert_eq!(chosen, "b.example http/1.1\na.example http/1.1");
    assert!(refused.starts_with("Hostname mismatch"), "{refused}");
    for name in ["b.example", "a.example"] {
        let record = tls.server.record();
        assert_eq!(
            (&record["tls"]["sni"], &record["tls"]["alpn"]),
            (&name.into(), &"http/1.1".into())
        );
    }
}

#[test]
fn tls_01_no_protocol_in_common_fails_and_none_named_does_not() {
    let mut tls = Private::start(&["--alpn", "h2"]);
    let script = "
c.set_alpn_protocols(['spdy/1']); print(refusal())
s = ssl.create_default_context(cafile=ca).wrap_socket(socket.create_connection(('127.0.0.1', port)), server_hostname='localhost')
print(s.selected_alpn_protocol())";
    let Some(told) = tls.python("", script) else { return };
    assert!(told.contains("alert no application protocol") && told.ends_with("\nNone"), "{told}");
    let record = tls.server.record();
    let message = "TLS failed: no protocol is common to both sides (ALPN, RFC 7301)";
    assert_eq!((&record["end"], &record["error"]["message"]), (&"error".into(), &message.into()));
}

#[test]
fn tls_01_sessions_are_resumed() {
    for version in VERSIONS {
        let mut tls = Private::start(&[]);
        let script = "
session = None
for _ in range(2):
    s = connect(session=session); s.sendall(b'x'); s.recv(1); session = s.session
    print(s.session_reused); s.unwrap()";
        let Some(told) = tls.python(version, script) else { return };
        assert_eq!(told, "False\nTrue", "{version}");
        for resumed in [false, true] {
            assert_eq!(tls.server.record()["tls"]["resumed"], resumed, "{version}");
        }
    }
}

#[test]
fn tls_01_no_version_below_the_least() {
    let mut tls = Private::start(&["--tls-min", "1.3"]);
    let Some(told) = tls.python("1.2", "print(refusal())") else { return };
    assert_eq!(told, "TLSV1_ALERT_PROTOCOL_VERSION");
    let record = tls.server.record();
    assert_eq!((&record["end"], &record["error"]["kind"]), (&"error".into(), &"tls".into()));
    assert_eq!(tls.python("1.3", "print(connect().version())").unwrap(), "TLSv1.3");
}

#[test]
fn tls_26_twenty_five_clients_of_a_mebibyte_each_way() {
    let mut tls = Private::start(&[]);
    let script = "
import threading
def talk(seed):
    s = connect(); piece = bytes((seed + n) % 256 for n in range(65536))
    for _ in range(16):
        s.sendall(piece); assert receive(s, 65536) == piece
    s.unwrap(); done.append(seed)
done = []
threads = [threading.Thread(target=talk, args=(seed,)) for seed in range(25)]
[t.start() for t in threads]; [t.join() for t in threads]
print(len(done))";
    let Some(told) = tls.python("", script) else { return };
    assert_eq!(told, "25");
    for _ in 0..25 {
        let record = tls.server.record();
        let moved = (&record["bytes_in"], &record["bytes_out"]);
        assert_eq!(moved, (&(1 << 20).into(), &(1 << 20).into()), "{record}");
        assert_eq!(record["end"], "eof");
    }
}

#[test]
fn tls_13_a_slow_reader_gets_all_that_is_queued_also_when_the_server_ends() {
    let root = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..8_000_000_u32).map(|n| n as u8).collect();
    fs::write(root.path().join("a"), &bytes).unwrap();
    let root = root.path().display().to_string();
    for ends in [false, true] {
        let mut tls = Private::start(&["--mode", "http", "--root", &root]);
        // Most of the file is still to be sent when the server is told to end.
        let end = format!("os.kill({}, signal.SIGTERM)", tls.server.id());
        let script = "
import os, signal
s = connect(); s.sendall(b'GET /a HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n')
data = s.recv(1); END; time.sleep(0.4)
while True:
    piece = s.recv(65536)
    if not piece:
        break
    data += piece
body = data.split(b'\\r\\n\\r\\n', 1)[1]
print(len(body), body == bytes(n % 256 for n in range(8000000)))";
        let script = script.replace("END", if ends { &end } else { "pass" });
        let Some(told) = tls.python("", &script) else { return };
        assert_eq!(told, "8000000 True");
        let record = tls.server.record();
        assert!(record["bytes_out"].as_u64().unwrap() > 8_000_000, "{record}");
        assert_eq!(record["end"], "eof", "{record}");
    }
}

#[test]
fn tls_19_an_end_without_a_farewell_is_told_as_truncated() {
    for version in VERSIONS {
        let mut tls = Private::start(&["--mode", "sink", "-n", "1"]);
        let script = "s = connect(); s.sendall(b'x' * 1000); s.shutdown(socket.SHUT_WR)
while s.recv(4096): pass";
        if tls.python(version, script).is_none() {
            return;
        }
        let record = tls.server.record();
        assert_eq!((&record["end"], &record["bytes_in"]), (&"truncated".into(), &1000.into()));
        assert_eq!(record["error"]["kind"], "tls");
        assert_eq!(tls.server.end().code, Some(56), "a sink did not get all");
    }
}

#[test]
fn tls_19_whoever_has_been_told_all_may_just_leave() {
    let mut tls = Private::start(&["--mode", "daytime"]);
    let script = "s = connect(); s.recv(100); print(s.recv(1)); s.close()";
    let Some(told) = tls.python("", script) else { return };
    assert_eq!(told, "b''", "the server says farewell");
    assert_eq!(tls.server.record()["end"], "eof");
}

#[test]
fn tls_01_over_a_unix_socket() {
    if !has_program("openssl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (socket, ca) = (dir.path().join("s"), dir.path().join("ca.pem"));
    let mut command = loopctl();
    command.args([
        "serve",
        "--tls",
        "--mode",
        "daytime",
        "--json",
        "127.0.0.1:0",
        "--tls-cert-file",
    ]);
    command.arg(&ca).arg(format!("unix:{}", socket.display()));
    let mut server = Served::spawn(&mut command);
    let record = server.record();
    assert_eq!(
        (&record["family"], &record["tls"]["ca_file"]),
        (&"unix".into(), &ca.to_str().into())
    );
    let peer = Command::new("openssl")
        .args(["s_client", "-quiet", "-verify_return_error", "-verify_hostname", "localhost"])
        .arg("-CAfile")
        .arg(&ca)
        .arg("-unix")
        .arg(&socket)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(peer.stdout.starts_with(b"20"), "{peer:?}");
    let record = server.record();
    assert_eq!(
        (&record["peer"], &record["tls"]["version"]),
        (&serde_json::Value::Null, &"TLSv1.3".into())
    );
    assert_eq!(server.terminate().code, Some(0));
    assert!(ca.exists(), "a file that was asked for stays");
}

#[test]
fn tls_01_gnutls_is_understood_and_secrets_are_logged_on_demand() {
    if !has_program("gnutls-cli") {
        return;
    }
    let runtime = tempfile::tempdir().unwrap();
    let log = runtime.path().join("keys");
    let mut command = loopctl();
    command.args(["serve", "--json", "--tls", "127.0.0.1:0"]).env("SSLKEYLOGFILE", &log);
    let mut server = Served::spawn(command.env("XDG_RUNTIME_DIR", runtime.path()));
    let listening = crate::served::parse(&server.listening);
    let ca = listening["tls"]["ca_file"].as_str().unwrap();
    for priority in ["NORMAL:-VERS-ALL:+VERS-TLS1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.3"] {
        let mut client = Command::new("gnutls-cli");
        client.args(["--x509cafile", ca, "--priority", priority, "--verify-hostname", "localhost"]);
        client.args(["--port", &server.address.port().to_string(), "127.0.0.1"]);
        let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut client.stdin.take().unwrap(), b"hello\n").unwrap();
        let told = text(client.wait_with_output().unwrap());
        assert!(told.contains("The certificate is trusted.") && told.contains("\nhello"), "{told}");
        let record = server.record();
        let version = &priority[priority.len() - 3..];
        assert_eq!(record["tls"]["version"], format!("TLSv{version}"), "{record}");
    }
    let kept = fs::read_to_string(&log).unwrap();
    assert!(kept.contains("CLIENT_RANDOM ") && kept.contains("SERVER_TRAFFIC_SECRET_0 "), "{kept}");
}

/// A probe that leaves at once has had its handshake all the same.
#[test]
fn tls_01_a_client_that_leaves_at_once_is_told_with_what_was_agreed_on() {
    let mut tls = Private::start(&[]);
    let (ca, address) = (tls.ca().display().to_string(), tls.server.address.to_string());
    for _ in 0..20 {
        let mut probe = loopctl();
        probe.args(["connect", "-q", "--tls", "--ca", &ca, &address]);
        assert_eq!(probe.output().unwrap().status.code(), Some(0));
        let record = tls.server.record();
        assert_eq!(record["tls"]["version"], "TLSv1.3", "{record}");
    }
}

#[test]
fn tls_11_an_idle_client_hears_a_farewell() {
    let mut tls = Private::start(&["--idle-timeout", "200ms"]);
    let Some(told) = tls.python(
        "",
        "c.options &= ~0x80 # SSL_OP_IGNORE_UNEXPECTED_EOF, which Python sets
s = connect(suppress_ragged_eofs=False); print(s.recv(1))",
    ) else {
        return;
    };
    assert_eq!(told, "b''", "an end, and no error");
    assert_eq!(tls.server.record()["end"], "idle");
}
