//! Arguments about TLS.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::values::{alpn, duration};
use crate::config::{Security, StartTls};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "TLS")]
#[command(group = clap::ArgGroup::new("secure").multiple(true))]
pub(crate) struct TlsArgs {
    /// Use TLS; report version, cipher suite and certificate; -v shows the whole certificate chain
    ///
    /// The connection counts as made when the handshake is done, within --timeout. Certificates must lead
    /// to a CA that the system trusts, or that --ca names, and match the host of the target or --sni.
    /// The other flags of this group imply --tls for a target without a scheme. Sessions are never resumed. If the server requests a client certificate, loopctl waits 50 ms to 1 s
    /// for the server to accept or reject it.
    #[arg(long, group = "secure")]
    pub(crate) tls: bool,
    /// Start TLS inside a plain-text protocol (STARTTLS)
    ///
    /// The exchange runs over the connection that won the race, so an attempt wins by TCP. Plain-text data
    /// after the server's answer is rejected.
    #[arg(long, value_name = "PROTOCOL", group = "secure")]
    pub(crate) starttls: Option<StartTls>,
    /// Server name to send (SNI) and to match against the certificate; empty sends none and matches any
    #[arg(long, value_name = "NAME")]
    pub(crate) sni: Option<String>,
    /// ALPN protocols to offer, in order of preference
    #[arg(long, value_name = "NAME[,NAME...]", value_parser = alpn)]
    pub(crate) alpn: Option<Protocols>,
    /// Minimum TLS version [default: 1.2]
    #[arg(long, value_name = "VERSION")]
    pub(crate) tls_min: Option<VersionArg>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) own: OwnArgs,
}

impl TlsArgs {
    /// Security that `--tls` and `--starttls` request.
    pub(crate) fn security(&self) -> Option<Security> {
        match self.starttls {
            Some(protocol) => Some(Security::StartTls(protocol)),
            None => self.tls.then_some(Security::Tls(&[])),
        }
    }

    /// Whether a flag has no effect without TLS.
    pub(crate) fn implies_tls(&self) -> bool {
        let Self { sni, alpn, tls_min, trust, own, .. } = self;
        let of_trust = !trust.ca.is_empty() || trust.insecure || trust.cert_expiry.is_some();
        of_trust || sni.is_some() || alpn.is_some() || tls_min.is_some() || own.cert.is_some()
    }
}

/// Arguments that decide which certificates are accepted.
#[derive(Debug, Clone, Args)]
pub(crate) struct TrustArgs {
    /// Trust the CA certificates in FILE (PEM) instead of the system's; repeatable
    ///
    /// A server that sends a certificate of FILE itself is trusted as well, whether it is a CA's or not.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Vec<PathBuf>,
    /// Accept any certificate; certificate problems are still reported
    ///
    /// The peer must still prove that it holds the certificate's key, where the key is of a kind and size that can
    /// be checked.
    #[arg(short = 'k', long)]
    pub(crate) insecure: bool,
    /// Exit 60 if a certificate of the peer expires within this time, such as 14d
    ///
    /// The verified path is judged; an expired certificate outside it is only noted. A date that cannot be read does
    /// not meet the expectation.
    #[arg(long, value_name = "DUR", value_parser = duration)]
    pub(crate) cert_expiry: Option<Duration>,
}

/// Client certificate.
#[derive(Debug, Clone, Args)]
pub(crate) struct OwnArgs {
    /// Client certificate with its chain (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// Private key of --cert (PEM), if it is in a separate file
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
}

/// ALPN protocol names in order of preference (RFC 7301).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Protocols(pub(crate) Vec<String>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VersionArg {
    /// RFC 5246
    #[value(name = "1.2")]
    Tls12,
    /// RFC 8446
    #[value(name = "1.3")]
    Tls13,
}
