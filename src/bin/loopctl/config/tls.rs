//! The TLS of a client: trust, identity, names, STARTTLS.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use clap::ValueEnum;
use loopctl::plan::{Host, Target};
use loopctl::{TlsClient, TlsClientBuilder, TlsConfigError, TlsVersion};

use super::scheme::Security;
use super::targets::TargetRequest;
use crate::cli::{OwnArgs, Protocols, TlsArgs, VersionArg};
use crate::exit::{Exit, FatalError};
use crate::util::message::plain;

/// The TLS of a client.
#[derive(Debug, Clone)]
pub(crate) struct TlsRequest {
    pub(crate) client: TlsClient,
    /// The protocol that upgrades to TLS.
    pub(crate) starttls: Option<StartTls>,
    /// The server name instead of the target's host; an empty one is none.
    pub(crate) name: Option<String>,
    /// Whether a client certificate is configured.
    pub(crate) has_own: bool,
    /// Whether protocols are offered (ALPN).
    pub(crate) offers_alpn: bool,
    /// Whether TLS 1.3 alone is offered.
    pub(crate) requires_13: bool,
}

/// A protocol that begins in plain text and upgrades to TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StartTls {
    /// RFC 3207
    Smtp,
    /// RFC 9051
    Imap,
    /// RFC 2595
    Pop3,
    /// RFC 4217
    Ftp,
    /// PostgreSQL's SSLRequest
    Postgres,
    /// RFC 4511
    Ldap,
    /// RFC 6120
    Xmpp,
    /// MySQL's SSLRequest
    #[value(name = "mysql")]
    MySql,
    /// RFC 4642
    Nntp,
    /// ManageSieve, RFC 5804
    Sieve,
    /// RFC 2033
    Lmtp,
}

impl TlsRequest {
    /// Files and the system's store are read here, before anything is timed. `--alpn` comes before the protocols of a
    /// URL's scheme.
    ///
    /// # Errors
    /// Options that do not go together, and files that cannot be read.
    pub(super) fn new(args: &TlsArgs, security: Security) -> Result<Self, FatalError> {
        let tls_min = args.tls_min.unwrap_or(VersionArg::Tls12);
        let mut builder = TlsClient::builder().min_version(tls_min.into());
        let (starttls, by_scheme) = match security {
            Security::StartTls(protocol) => (Some(protocol), &[][..]),
            Security::Tls(alpn) => (None, alpn),
            Security::Plain | Security::Datagrams => (None, &[][..]),
        };
        let by_flag = args.alpn.as_ref().map(|Protocols(names)| names.as_slice());
        builder = match by_flag {
            Some(names) => builder.alpn(names),
            None => builder.alpn(by_scheme),
        };
        builder = with_trust(builder, &args.trust.ca, args.trust.insecure)?;
        builder = with_identity(builder, &args.own)?;
        if let Some(log) = key_log()? {
            builder = builder.key_log(move |line| log(line));
        }
        // Because a resumed session would skip the verification that is to be reported.
        let client = builder.resumption(false).build().map_err(unusable)?;
        let name = args.sni.as_deref().map(|name| Host::from(name).to_string());
        let client = match name.as_deref() {
            None => client,
            Some("") => client.any_server_name(),
            Some(name) => client.server_name(name).map_err(unusable)?,
        };
        Ok(Self {
            client,
            starttls,
            name,
            has_own: args.own.cert.is_some(),
            offers_alpn: by_flag.is_some() || !by_scheme.is_empty(),
            requires_13: tls_min == VersionArg::Tls13,
        })
    }

    /// The client for this target: its host is the name, if no other was given.
    ///
    /// # Errors
    /// A host that is not a valid server name.
    pub(crate) fn client_for(&self, target: &Target) -> Result<TlsClient, TlsConfigError> {
        match (&self.name, target) {
            (None, Target::Tcp(host, _)) => self.client.clone().server_name(&host.to_string()),
            _ => Ok(self.client.clone()),
        }
    }
}

impl TargetRequest {
    /// # Errors
    /// A target without a server name.
    pub(super) fn check_name(&self, is_only: bool) -> Result<(), FatalError> {
        let Some(tls) = &self.race.tls else { return Ok(()) };
        if let (None, Target::Unix(_)) = (&tls.name, &self.target) {
            let error =
                "a Unix socket has no name for TLS: give one with --sni, or --sni '' for none";
            return Err(FatalError::usage(error));
        }
        // With several targets, each report has its error.
        if is_only { tls.client_for(&self.target).map(drop).map_err(unusable) } else { Ok(()) }
    }
}

/// The client of `--upstream-tls`, for the host of the target.
///
/// # Errors
/// Files that cannot be read, and a target without a server name.
pub(super) fn client_of_upstream(
    target: &Target,
    ca: &[PathBuf],
    insecure: bool,
) -> Result<TlsClient, FatalError> {
    let Target::Tcp(host, _) = target else {
        return Err(FatalError::usage("a Unix socket has no name for --upstream-tls"));
    };
    let client = with_trust(TlsClient::builder(), ca, insecure)?.build().map_err(unusable)?;
    client.server_name(&host.to_string()).map_err(unusable)
}

fn with_trust(
    mut builder: TlsClientBuilder,
    ca: &[PathBuf],
    insecure: bool,
) -> Result<TlsClientBuilder, FatalError> {
    for path in ca {
        readable(path)?;
        builder = builder.ca_file(path);
    }
    Ok(if insecure { builder.dangerous_accept_any_certificate() } else { builder })
}

fn with_identity(
    builder: TlsClientBuilder,
    args: &OwnArgs,
) -> Result<TlsClientBuilder, FatalError> {
    let Some(cert) = &args.cert else { return Ok(builder) };
    let key = args.key.as_ref().unwrap_or(cert);
    readable(cert)?;
    readable(key)?;
    Ok(builder.identity_files(cert, key))
}

/// A sink of lines with secrets.
pub(crate) type KeyLog = Arc<dyn Fn(&str) + Send + Sync>;

/// Key log of `SSLKEYLOGFILE`. Lines are appended, because several programs may write to the file; only this user
/// may read it.
///
/// # Errors
/// A file that cannot be written.
pub(crate) fn key_log() -> Result<Option<KeyLog>, FatalError> {
    let path = std::env::var_os("SSLKEYLOGFILE").filter(|path| !path.is_empty());
    let Some(path) = path.map(PathBuf::from) else { return Ok(None) };
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
    let file = Mutex::new(opened.map_err(|error| {
        let text =
            format!("cannot write to `{}` (SSLKEYLOGFILE): {}", path.display(), plain(error));
        FatalError::new(Exit::CannotWrite, text)
    })?);
    Ok(Some(Arc::new(move |line: &str| {
        let line = format!("{line}\n");
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(line.as_bytes()) {
            log::warn!("cannot write to SSLKEYLOGFILE: {error}");
        }
    })))
}

/// A file that cannot be read has another exit status than one that holds something else.
fn readable(path: &Path) -> Result<(), FatalError> {
    let read = File::open(path).and_then(|file| file.metadata());
    let error = match read {
        Ok(found) if found.is_dir() => "it is a directory".to_owned(),
        Ok(_) => return Ok(()),
        Err(error) => plain(error),
    };
    let text = format!("cannot read `{}`: {error}", path.display());
    Err(FatalError::new(Exit::CannotRead, text))
}

fn unusable(error: TlsConfigError) -> FatalError {
    FatalError::usage(format!("cannot speak TLS like this: {error}"))
}

impl From<VersionArg> for TlsVersion {
    fn from(arg: VersionArg) -> Self {
        match arg {
            VersionArg::Tls12 => Self::Tls12,
            VersionArg::Tls13 => Self::Tls13,
        }
    }
}
