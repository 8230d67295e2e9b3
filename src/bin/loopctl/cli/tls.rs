//! What was typed about TLS.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::values::{alpn, duration};

#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
#[command(group = clap::ArgGroup::new("secure").multiple(true))]
pub(crate) struct TlsArgs {
    /// Speak TLS, and report what was agreed on and whom the peer says it is; with -v its whole chain of
    /// certificates
    #[arg(long, group = "secure")]
    pub(crate) tls: bool,
    /// Ask for TLS in the words of a protocol that begins in plain
    #[arg(long, value_name = "PROTOCOL", group = "secure")]
    pub(crate) starttls: Option<StartTlsArg>,
    /// The name that the peer is asked for and must have a certificate for, if it is not the target's host;
    /// an empty one asks for none, and takes any
    #[arg(long, value_name = "NAME", requires = "secure")]
    pub(crate) sni: Option<String>,
    /// What is offered to be spoken over TLS, the best first
    #[arg(long, value_name = "NAME[,NAME...]", requires = "secure", value_parser = alpn)]
    pub(crate) alpn: Option<Protocols>,
    /// No version below this one
    #[arg(long, value_name = "VERSION", requires = "secure", default_value = "1.2")]
    pub(crate) tls_min: VersionArg,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) own: OwnArgs,
}

/// Whom to trust, and for how long.
#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    /// Trust the certificates of FILE (PEM) and not the system's; may be given again
    #[arg(long, value_name = "FILE", requires = "secure")]
    pub(crate) ca: Vec<PathBuf>,
    /// Take any certificate; what is wrong with it is told all the same
    #[arg(long, requires = "secure")]
    pub(crate) insecure: bool,
    /// Fail (60) if a certificate of the peer's ends sooner than this, such as 14d
    #[arg(long, value_name = "DUR", requires = "secure", value_parser = duration)]
    pub(crate) cert_expiry: Option<Duration>,
}

/// Who we are.
#[derive(Debug, Args)]
pub(crate) struct OwnArgs {
    /// Our own certificate with its chain (PEM), for peers that ask
    #[arg(long, value_name = "FILE", requires = "secure")]
    pub(crate) cert: Option<PathBuf>,
    /// The key of --cert (PEM), if it is in a file of its own
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
}

/// Names of protocols, in the order of preference (RFC 7301).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Protocols(pub(crate) Vec<String>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StartTlsArg {
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VersionArg {
    /// RFC 5246
    #[value(name = "1.2")]
    Tls12,
    /// RFC 8446
    #[value(name = "1.3")]
    Tls13,
}
