//! Certificates, and clients of other make that speak TLS. Where they are not there, tests say so and pass.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};
use serde_json::Value;

use crate::served::{Served, parse};
use crate::support::{has_program, loopctl};

/// A server with `--json --tls`, and what its clients have to know.
pub(crate) struct Private {
    pub(crate) server: Served,
    pub(crate) listening: Value,
    /// A server that is killed removes nothing.
    _runtime: tempfile::TempDir,
}

impl Private {
    /// With a certificate of its own.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::with(&[&["--tls"], args].concat())
    }

    pub(crate) fn with(args: &[&str]) -> Self {
        let runtime = tempfile::tempdir().unwrap();
        let mut command = loopctl();
        command.args(["serve", "--json", "127.0.0.1:0"]).args(args);
        let server = Served::spawn(command.env("XDG_RUNTIME_DIR", runtime.path()));
        let listening = parse(&server.listening);
        Self { server, listening, _runtime: runtime }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        PathBuf::from(self.listening["tls"]["ca_file"].as_str().unwrap())
    }

    /// Runs a script of Python with a context `c` that trusts the server, `connect(name, **more)` and `version`.
    pub(crate) fn python(&self, version: &str, script: &str) -> Option<String> {
        python(&self.ca().display().to_string(), self.server.address.port(), version, script)
    }
}

const PRELUDE: &str = r"
import socket, ssl, sys, time
ca, port, version = sys.argv[1], int(sys.argv[2]), sys.argv[3]
c = ssl.create_default_context(cafile=ca)
if version:
    c.minimum_version = c.maximum_version = getattr(ssl.TLSVersion, 'TLSv1_' + version[-1])
def connect(name='localhost', **more):
    return c.wrap_socket(socket.create_connection(('127.0.0.1', port), timeout=20), server_hostname=name, **more)
def receive(s, count):
    data = b''
    while len(data) < count:
        piece = s.recv(count - len(data))
        if not piece:
            break
        data += piece
    return data
def refusal(name='localhost'):
    try:
        connect(name)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except ssl.SSLError as error:
        return error.reason or error.args[1]
    except OSError as error:
        return type(error).__name__
";

/// The last words of a script, which has to end well.
pub(crate) fn python(ca: &str, port: u16, version: &str, script: &str) -> Option<String> {
    if !has_program("python3") {
        return None;
    }
    let script = format!("{PRELUDE}{script}");
    let ran =
        Command::new("python3").args(["-c", &script, ca, &port.to_string(), version]).output();
    Some(text(ran.unwrap()))
}

pub(crate) fn text(output: Output) -> String {
    let (out, err) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{err}");
    String::from_utf8(out).unwrap().trim().to_owned()
}

/// Certificates in files, all signed by `ca`.
pub(crate) struct Papers(tempfile::TempDir);

impl Papers {
    /// One for each name, with its key: `NAME.pem` and `NAME.key`.
    pub(crate) fn of(names: &[&str]) -> Self {
        let papers = Self(tempfile::tempdir().unwrap());
        let mut authority = CertificateParams::default();
        authority.distinguished_name = subject("Test CA");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(authority, key).unwrap();
        fs::write(papers.path("ca.pem"), authority.pem()).unwrap();
        for name in names {
            let mut params = CertificateParams::new(vec![(*name).to_owned()]).unwrap();
            params.distinguished_name = subject(name);
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &authority).unwrap();
            fs::write(papers.path(&format!("{name}.pem")), certificate.pem()).unwrap();
            fs::write(papers.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        papers
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// As `--tls=CERT,KEY`.
    pub(crate) fn flag(&self, name: &str) -> String {
        format!("--tls={},{}", self.text(&format!("{name}.pem")), self.text(&format!("{name}.key")))
    }
}

fn subject(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}
