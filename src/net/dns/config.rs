//! Configuration of a client.

use super::DnsServer;
#[cfg(feature = "dnssec")]
use super::TrustAnchors;
use super::message::QueryFlags;
use crate::net::HostsFile;
#[cfg(feature = "tls")]
use crate::net::TlsClient;
use crate::plan::{QueryPolicy, SearchList};

/// Settings of a client.
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
    /// Trust anchors, if answers are validated.
    #[cfg(feature = "dnssec")]
    pub(super) anchors: Option<TrustAnchors>,
}

/// Options of resolv.conf(5).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ResolverOptions {
    /// Each query starts with the next server.
    pub(super) rotates: bool,
    /// A follows AAAA instead of running beside it.
    pub(super) one_at_a_time: bool,
    pub(super) no_ipv6: bool,
}
