//! Servers of OpenSSL whose certificate or settings are unusual.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::support::{Ran, has_program, run};

const P256: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

const CA_CONFIG: &str = "[ca]\ndefault_ca=d\n[d]\ndatabase=db\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\n\
    policy=p\n[p]\ncommonName=supplied\n";

/// An authority with its certificates, in a folder that is gone with the test.
pub(crate) struct Lab {
    folder: TempDir,
}

/// A certificate for `good.test` that the authority signs.
#[derive(Clone, Copy)]
pub(crate) struct Leaf {
    /// Arguments of `openssl req` for the key.
    pub(crate) key: &'static [&'static str],
    /// Lines of its extensions.
    pub(crate) extensions: &'static str,
    pub(crate) subject: &'static str,
    /// Arguments of `openssl x509`.
    pub(crate) signing: &'static [&'static str],
    /// Name of the certificate and key of its issuer.
    pub(crate) issuer: &'static str,
}

impl Default for Leaf {
    fn default() -> Self {
        Self {
            key: P256,
            extensions: "subjectAltName=DNS:good.test",
            subject: "/CN=good.test",
            signing: &["-days", "30", "-set_serial", "7"],
            issuer: "ca",
        }
    }
}

/// A server that is killed with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Lab {
    /// `None` where OpenSSL is not installed.
    pub(crate) fn new() -> Option<Self> {
        if !has_program("openssl") {
            return None;
        }
        let lab = Self { folder: TempDir::new().unwrap() };
        lab.root("ca", "/CN=Root", &["-days", "900"]);
        Some(lab)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn openssl(&self, args: &[&str]) {
        let mut command = Command::new("openssl");
        let output = command.args(args).current_dir(self.folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {args:?}: {said}");
    }

    /// An authority that signs itself: NAME.pem and NAME.key.
    pub(crate) fn root(&self, name: &str, subject: &str, more: &[&str]) {
        let (key, pem) = (format!("{name}.key"), format!("{name}.pem"));
        let files = ["-nodes", "-keyout", &key, "-out", &pem, "-subj", subject];
        self.openssl(&[&["req", "-x509"], P256, &files, more].concat());
    }

    /// An authority below another one.
    pub(crate) fn middle(&self, name: &str, extensions: &str, more: &'static [&'static str]) {
        let extensions: &'static str = Box::leak(extensions.to_owned().into_boxed_str());
        let leaf = Leaf { extensions, subject: "/CN=Middle", signing: more, ..Leaf::default() };
        self.sign(name, &leaf);
    }

    /// NAME.pem and NAME.key.
    pub(crate) fn sign(&self, name: &str, leaf: &Leaf) {
        let file = |end: &str| format!("{name}.{end}");
        let (key, csr, pem, ext) = (file("key"), file("csr"), file("pem"), file("ext"));
        let files = ["-nodes", "-keyout", &key, "-out", &csr, "-subj", leaf.subject];
        self.openssl(&[&["req", "-new"], leaf.key, &files].concat());
        let (ca, ca_key) = (format!("{}.pem", leaf.issuer), format!("{}.key", leaf.issuer));
        let dated = leaf.signing.contains(&"-startdate");
        let mut words = match dated {
            // `openssl x509` takes dates only since version 3.4.
            true => vec![
                "ca", "-config", "ca.cnf", "-batch", "-notext", "-cert", &ca, "-keyfile", &ca_key,
            ],
            false => vec!["x509", "-req", "-CA", &ca, "-CAkey", &ca_key],
        };
        words.extend(["-in", &csr, "-out", &pem]);
        if dated {
            fs::write(self.path("ca.cnf"), CA_CONFIG).unwrap();
            fs::write(self.path("db"), "").unwrap();
        }
        if !leaf.extensions.is_empty() {
            fs::write(self.path(&ext), leaf.extensions).unwrap();
            words.extend(["-extfile", &ext]);
        }
        self.openssl(&[&words, leaf.signing].concat());
    }

    /// A server with NAME.pem.
    pub(crate) fn serve(&self, name: &str, args: &[&str]) -> Server {
        let (pem, key) = (format!("{name}.pem"), format!("{name}.key"));
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-cert", &pem, "-key", &key]);
        command.args(args).current_dir(self.folder.path());
        // It ends with its standard input.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.ok()?;
            line.strip_prefix("ACCEPT ")?.rsplit(':').next()?.parse().ok()
        });
        // Because the server stops when nobody reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        Server { child, port: port.expect("the server does not start") }
    }

    /// Runs `connect --tls` to a server, by a name that leads to it.
    pub(crate) fn connect(&self, server: &Server, name: &str, args: &[&str]) -> Ran {
        let ca = self.text("ca.pem");
        let (target, resolve) = (format!("{name}:{}", server.port), format!("{name}:127.0.0.1"));
        let trust: &[&str] = match args.contains(&"--ca") || args.contains(&"--insecure") {
            true => &[],
            false => &["--ca", &ca],
        };
        let words = ["connect", "--tls", "--timeout", "10s", "--resolve", &resolve, &target];
        run(&[&words[..], trust, args].concat())
    }
}

/// Asserts that a report has no name of a type.
pub(crate) fn assert_words(report: &str) {
    const NAMES: [&str; 12] = [
        "Error(",
        "Some(",
        "None,",
        "Ok(",
        "Context {",
        "OtherError",
        "PeerMisbehaved",
        "Incompatible",
        "InvalidMessage",
        "DnsName(",
        "IpAddress(",
        "Payload",
    ];
    for name in NAMES {
        assert!(!report.contains(name), "{name} in: {report}");
    }
    assert!(!report.contains("panicked"), "{report}");
}
