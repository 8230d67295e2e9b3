//! Kinds of findings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Kind of a finding: the `kind` of a `why` entry in JSON documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum FindingKind {
    LateAnswer,
    Waited,
    NoAddresses,
    FailedQuery,
    NoSourceAddress,
    GaiConf,
    Silent,
    Refused,
    Unreachable,
    Prohibited,
    NoRoute,
    Reset,
    TlsSilent,
    Untrusted,
    TlsFailed,
    CannotBind,
    Failed,
    Slow,
    SynResent,
    LateStart,
    /// A name server does not answer at all.
    NameServerSilent,
    /// A name server answers one of A and AAAA.
    QuerySilent,
    NameServerSlow,
    /// A name server refuses, fails, or cannot be reached.
    NameServerFailed,
    SearchList,
    /// A lookup was slow, and its name servers are fast.
    SlowLookup,
    /// This host looked late at a connection that was there.
    LateEnd,
    OwnFirewall,
    SilentGateway,
    SilentNeighbour,
    Rejected,
    RoundTrip,
    Starttls,
    TlsServerTime,
    TlsSlow,
    /// The server took most of the time to its first byte.
    HttpServerTime,
    /// The server accepted the connection and sent nothing.
    HttpSilent,
    HttpBodySlow,
    WrongRoute,
    InterfaceDown,
    NoAddress,
    NoInterface,
    NotOwnAddress,
    NoFreePort,
    /// The accept queue of a service on this host is full.
    AcceptQueue,
    /// This host drops packets to itself.
    DroppedHere,
    Proxy,
}

impl FindingKind {
    /// Whether the finding is about this host, and no part of the race.
    pub(crate) fn is_about_host(self) -> bool {
        matches!(
            self,
            Self::WrongRoute
                | Self::InterfaceDown
                | Self::NoAddress
                | Self::NoInterface
                | Self::NotOwnAddress
                | Self::NoFreePort
                | Self::AcceptQueue
                | Self::DroppedHere
                | Self::Proxy
        )
    }

    /// Plain words for the kind, for several addresses with the same finding.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::LateAnswer => "late answer",
            Self::Waited => "waited",
            Self::NoAddresses => "no addresses",
            Self::FailedQuery => "failed query",
            Self::NoSourceAddress => "no source address",
            Self::GaiConf => "gai.conf",
            Self::Silent => "silent",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Prohibited => "prohibited",
            Self::NoRoute => "no route",
            Self::Reset => "reset",
            Self::TlsSilent => "tls silent",
            Self::Untrusted => "untrusted",
            Self::TlsFailed => "tls failed",
            Self::CannotBind => "cannot bind",
            Self::Failed => "failed",
            Self::Slow => "slow",
            Self::SynResent => "SYN resent",
            Self::LateStart => "late start",
            Self::NameServerSilent => "name server silent",
            Self::QuerySilent => "query silent",
            Self::NameServerSlow => "name server slow",
            Self::NameServerFailed => "name server failed",
            Self::SearchList => "search list",
            Self::SlowLookup => "slow lookup",
            Self::LateEnd => "late end",
            Self::OwnFirewall => "rejected by a firewall of this host",
            Self::SilentGateway => "behind a silent gateway",
            Self::SilentNeighbour => "without an answer on their network",
            Self::Rejected => "rejected",
            Self::RoundTrip => "round trip",
            Self::Starttls => "STARTTLS",
            Self::TlsServerTime => "TLS server time",
            Self::TlsSlow => "slow TLS",
            Self::HttpServerTime => "HTTP server time",
            Self::HttpSilent => "HTTP silent",
            Self::HttpBodySlow => "slow body",
            Self::WrongRoute => "routed to another interface",
            Self::InterfaceDown => "on an interface without carrier",
            Self::NoAddress => "without an own address of their family",
            Self::NoInterface => "no interface",
            Self::NotOwnAddress => "not own address",
            Self::NoFreePort => "no free port",
            Self::AcceptQueue => "behind a full accept queue of this host",
            Self::DroppedHere => "dropped by this host",
            Self::Proxy => "proxy",
        }
    }
}
