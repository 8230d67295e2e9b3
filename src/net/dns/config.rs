//! Configuration of a client.

use super::DnsServer;
#[cfg(feature = "dnssec")]
use super::TrustAnchors;
use super::message::QueryFlags;
#[cfg(feature = "tls")]
use crate::net::TlsClient;
use crate::net::resolver::hosts::HostsFile;
use crate::plan::{QueryPolicy, SearchList};

/// Everything that a client was told.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) servers: Vec<DnsServer>,
    pub(super) policy: QueryPolicy,
    pub(super) search: SearchList,
    pub(super) hosts: HostsFile,
    pub(super) flags: QueryFlags,
    pub(super) options: ResolverOptions,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<TlsClient>,
    /// Whose keys are trusted, if answers are to be verified.
    #[cfg(feature = "dnssec")]
    pub(super) anchors: Option<TrustAnchors>,
}

/// How servers and types are gone through.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ResolverOptions {
    /// Each query begins with the next server.
    pub(super) rotates: bool,
    /// A and AAAA one after the other.
    pub(super) one_at_a_time: bool,
    pub(super) no_ipv6: bool,
}
