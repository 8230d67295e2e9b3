//! `--tls`: certificates of the server, read from files or generated for one run.

pub(super) mod handshake;
mod self_signed;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use loopctl::{TlsConfigError, TlsServer};
use tempfile::TempPath;

use super::refusal::{Refusal, unreadable};
use crate::config::environment::Environment;
use crate::config::{Fault, Faults, KeyLog, ListenSpec, ServeRequest, ServerTls, key_log};
use crate::exit::Exit;
use crate::output::writer::Writer;
use crate::report::certificate::Certificate;
use crate::report::served::ServedCertificates;
use crate::util::message::Message;
use self_signed::{Generator, Identity};

/// No limit for close_notify: as without TLS, `--idle-timeout` and `--grace` end clients that are slow to close.
const NO_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// TLS configurations of the server.
pub(super) struct Tls {
    regular: TlsServer,
    /// Replacements for `tls-wrong-name` and `tls-expired`.
    faulty: Vec<(Fault, TlsServer)>,
    served: ServedCertificates,
    /// Removed when this is dropped.
    _ca_file: Option<TempPath>,
}

impl Tls {
    /// Reads or generates the certificates, before any client connects.
    ///
    /// # Errors
    /// A file that cannot be read or written, or that has no usable certificate or key.
    pub(super) fn open(request: &ServerTls, serve: &ServeRequest) -> Result<Self, Refusal> {
        let options = TlsOptions::new(request)?;
        if request.identities.is_empty() {
            let specs = &serve.listen.specs;
            return Self::generate(&options, specs, &serve.faults);
        }
        Self::read(&options)
    }

    /// The configuration for a client with these faults.
    fn server(&self, has_fault: impl Fn(Fault) -> bool) -> &TlsServer {
        let faulty = self.faulty.iter().find(|(fault, _)| has_fault(*fault));
        faulty.map_or(&self.regular, |(_, server)| server)
    }

    pub(super) fn served(&self) -> &ServedCertificates {
        &self.served
    }

    fn generate(
        options: &TlsOptions<'_>,
        specs: &[ListenSpec],
        faults: &Faults,
    ) -> Result<Self, Refusal> {
        let failed = |error: rcgen::Error| {
            Refusal::new(Exit::Mixed, format!("cannot make a certificate: {error}"))
        };
        let generator = Generator::new(specs).map_err(failed)?;
        let regular = generator.regular().map_err(failed)?;
        let mut trusted = regular.chain.clone();
        let mut faulty = Vec::new();
        let is_wanted = |fault| faults.faults.iter().any(|arg| arg.fault == fault);
        for fault in [Fault::TlsWrongName, Fault::TlsExpired] {
            let identity = match fault {
                _ if !is_wanted(fault) => continue,
                Fault::TlsWrongName => generator.for_another_name(),
                _ => generator.expired(),
            };
            let identity = identity.map_err(failed)?;
            // Trusted as well, so that the only thing wrong with it is the fault.
            trusted += &identity.chain;
            faulty.push((fault, options.server(&[identity]).map_err(unusable)?));
        }
        let regular = options.server(&[regular]).map_err(unusable)?;
        let cert_file = options.request.cert_file.as_deref();
        let (ca_file, temporary) = write_trusted(cert_file, &trusted)?;
        let served =
            ServedCertificates { certificates: certificates(&regular), ca_file: Some(ca_file) };
        Ok(Self { regular, faulty, served, _ca_file: temporary })
    }

    fn read(options: &TlsOptions<'_>) -> Result<Self, Refusal> {
        let mut identities = Vec::new();
        for files in &options.request.identities {
            let identity = Identity { chain: read(&files.chain)?, key: read(&files.key)? };
            // One by one, so that the message names the faulty one.
            let alone = options.server(std::slice::from_ref(&identity));
            alone.map_err(|error| invalid(&format!("--tls={}", files.text()), &error))?;
            identities.push(identity);
        }
        let regular = options.server(&identities).map_err(unusable)?;
        let served = ServedCertificates { certificates: certificates(&regular), ca_file: None };
        Ok(Self { regular, faulty: Vec::new(), served, _ca_file: None })
    }
}

/// TLS options that do not depend on the certificate.
struct TlsOptions<'a> {
    request: &'a ServerTls,
    client_ca: Option<String>,
    key_log: Option<KeyLog>,
}

impl<'a> TlsOptions<'a> {
    fn new(request: &'a ServerTls) -> Result<Self, Refusal> {
        let client_ca = request.client_ca.as_deref().map(read).transpose()?;
        let options = Self { request, client_ca, key_log: key_log()? };
        if let (Some(path), Some(ca)) = (&request.client_ca, &options.client_ca) {
            let invalid = |error| invalid(&format!("--client-ca {}", path.display()), &error);
            loopctl::TlsClient::builder().ca_pem(ca).build().map_err(invalid)?;
        }
        Ok(options)
    }

    fn server(&self, identities: &[Identity]) -> Result<TlsServer, TlsConfigError> {
        let mut builder = TlsServer::builder()
            .alpn(&self.request.alpn)
            .min_version(self.request.min_version)
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

/// Writes the generated certificates to `--tls-cert-file`, or else to a temporary file that only this user can
/// read.
fn write_trusted(
    cert_file: Option<&Path>,
    pem: &str,
) -> Result<(PathBuf, Option<TempPath>), Refusal> {
    if let Some(path) = cert_file {
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
    message.hints.push("--tls-cert-file writes it to another path".to_owned());
    Err(Refusal { message, exit: Exit::CannotWrite })
}

fn write_temporary(dir: &Path, pem: &str) -> io::Result<TempPath> {
    let mut file = tempfile::Builder::new().prefix("loopctl-").suffix(".pem").tempfile_in(dir)?;
    file.write_all(pem.as_bytes())?;
    Ok(file.into_temp_path())
}

/// For clients that run in another directory.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn read(path: &Path) -> Result<String, Refusal> {
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    // Binary data has no PEM in it, and is reported as such later.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn invalid(what: &str, error: &TlsConfigError) -> Refusal {
    let causes = vec![error.to_string()];
    Message { causes, ..Message::error(format!("cannot use `{what}`")) }.into()
}

fn unusable(error: TlsConfigError) -> Refusal {
    let causes = vec![error.to_string()];
    Message { causes, ..Message::error("cannot use TLS with these options") }.into()
}
