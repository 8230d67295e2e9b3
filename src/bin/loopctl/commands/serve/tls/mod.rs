//! `--tls`: who the server is, and the handshake with each client.

mod handshake;
mod self_signed;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use loopctl::{TlsConfigError, TlsServer};
use tempfile::TempPath;

use super::refusal::{Refusal, unreadable};
use super::session::Session;
use crate::config::environment::Environment;
use crate::config::fault::Fault;
use crate::config::{IdentityFiles, KeyLog, ServerTls, key_log};
use crate::exit::Exit;
use crate::output::writer::Writer;
use crate::report::certificate::Certificate;
use crate::report::served::Shown;
use crate::util::message::Message;
use self_signed::{Made, Papers};

/// Clients that take long to be sent the last of it are for `--idle-timeout` and `--grace` to end, as without
/// TLS.
const NO_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// TLS as it was opened before the first client could come.
pub(super) struct Tls {
    usual: TlsServer,
    /// In the place of the usual one, for the faults that want another certificate.
    forged: Vec<(Fault, TlsServer)>,
    shown: Shown,
    /// Removed when this is dropped.
    _ca_file: Option<TempPath>,
}

impl Tls {
    /// What the client is shown who has met these faults.
    fn server(&self, has: impl Fn(Fault) -> bool) -> &TlsServer {
        let forged = self.forged.iter().find(|(fault, _)| has(*fault));
        forged.map_or(&self.usual, |(_, server)| server)
    }

    pub(super) fn shown(&self) -> &Shown {
        &self.shown
    }
}

impl Session {
    /// Everything that can be wrong with it is told before anybody can connect.
    pub(super) fn open_tls(&self, request: &ServerTls) -> Result<Tls, Refusal> {
        let rules = Rules::new(request)?;
        match &request.identities[..] {
            [] => self.make_identity(request, &rules),
            files => read_identities(files, &rules),
        }
    }

    fn make_identity(&self, request: &ServerTls, rules: &Rules<'_>) -> Result<Tls, Refusal> {
        let failed = |error: rcgen::Error| {
            Refusal::new(Exit::Mixed, format!("cannot make a certificate: {error}"))
        };
        let made = Made::new(&self.request.listen.places).map_err(failed)?;
        let usual = made.usual().map_err(failed)?;
        let mut trusted = usual.chain.clone();
        let mut forged = Vec::new();
        let is_wanted = |fault| self.request.faults.faults.iter().any(|arg| arg.fault == fault);
        for fault in [Fault::TlsWrongName, Fault::TlsExpired] {
            let papers = match fault {
                _ if !is_wanted(fault) => continue,
                Fault::TlsWrongName => made.for_another_name(),
                _ => made.expired(),
            };
            let papers = papers.map_err(failed)?;
            // A client that trusts it sees what is wrong with it, and not only that it is unknown.
            trusted += &papers.chain;
            forged.push((fault, rules.server(&[papers]).map_err(unusable)?));
        }
        let usual = rules.server(&[usual]).map_err(unusable)?;
        let (ca_file, temporary) = write_trusted(request.cert_file.as_deref(), &trusted)?;
        let shown = Shown { certificates: certificates(&usual), ca_file: Some(ca_file) };
        Ok(Tls { usual, forged, shown, _ca_file: temporary })
    }
}

fn read_identities(files: &[IdentityFiles], rules: &Rules<'_>) -> Result<Tls, Refusal> {
    let mut all = Vec::new();
    for identity in files {
        let papers = Papers { chain: read(&identity.chain)?, key: read(&identity.key)? };
        // Each by itself, so that the one can be named that is wrong.
        let alone = rules.server(std::slice::from_ref(&papers));
        alone.map_err(|error| nonsense(&format!("--tls={}", identity.text()), &error))?;
        all.push(papers);
    }
    let usual = rules.server(&all).map_err(unusable)?;
    let shown = Shown { certificates: certificates(&usual), ca_file: None };
    Ok(Tls { usual, forged: Vec::new(), shown, _ca_file: None })
}

/// What is the same whatever the certificate.
struct Rules<'a> {
    request: &'a ServerTls,
    client_ca: Option<String>,
    key_log: Option<KeyLog>,
}

impl<'a> Rules<'a> {
    fn new(request: &'a ServerTls) -> Result<Self, Refusal> {
        let client_ca = request.client_ca.as_deref().map(read).transpose()?;
        let rules = Self { request, client_ca, key_log: key_log()? };
        if let (Some(path), Some(ca)) = (&request.client_ca, &rules.client_ca) {
            let wrong = |error| nonsense(&format!("--client-ca {}", path.display()), &error);
            loopctl::TlsClient::builder().ca_pem(ca).build().map_err(wrong)?;
        }
        Ok(rules)
    }

    fn server(&self, identities: &[Papers]) -> Result<TlsServer, TlsConfigError> {
        let mut builder = TlsServer::builder()
            .alpn(&self.request.alpn)
            .min_version(self.request.least)
            .shutdown_timeout(NO_LIMIT);
        if let Some(ca) = &self.client_ca {
            builder = builder.client_ca_pem(ca);
        }
        if let Some(log) = self.key_log.clone() {
            builder = builder.key_log(move |line| log(line));
        }
        for identity in identities {
            builder = builder.identity_pem(&identity.chain, &identity.key);
        }
        builder.build()
    }
}

fn certificates(server: &TlsServer) -> Vec<Certificate> {
    server.certificates().map(Certificate::new).collect()
}

/// Where it is asked for, or else where only this user can read it, until the end.
fn write_trusted(at: Option<&Path>, pem: &str) -> Result<(PathBuf, Option<TempPath>), Refusal> {
    if let Some(path) = at {
        let mut file = Writer::create(path)?;
        file.write(pem);
        file.finish()?;
        return Ok((absolute(path), None));
    }
    let mut failure = None;
    for dir in Environment::runtime_dirs() {
        match write_temporary(&dir, pem) {
            Ok(file) => return Ok((absolute(&file), Some(file))),
            Err(error) => failure = Some(format!("{}: {error}", dir.display())),
        }
    }
    let mut message = Message::error("cannot write the certificate to a temporary file");
    message.causes.extend(failure);
    message.hints.push("--tls-cert-file names another place".to_owned());
    Err(Refusal { message, exit: Exit::CannotWrite })
}

fn write_temporary(dir: &Path, pem: &str) -> io::Result<TempPath> {
    let mut file = tempfile::Builder::new().prefix("loopctl-").suffix(".pem").tempfile_in(dir)?;
    file.write_all(pem.as_bytes())?;
    Ok(file.into_temp_path())
}

/// Whoever uses it may be somewhere else.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn read(path: &Path) -> Result<String, Refusal> {
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    // What is no text has no PEM in it either, which is told as such.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn nonsense(what: &str, error: &TlsConfigError) -> Refusal {
    let causes = vec![error.to_string()];
    Message { causes, ..Message::error(format!("cannot use `{what}`")) }.into()
}

fn unusable(error: TlsConfigError) -> Refusal {
    let causes = vec![error.to_string()];
    Message { causes, ..Message::error("cannot speak TLS like this") }.into()
}
