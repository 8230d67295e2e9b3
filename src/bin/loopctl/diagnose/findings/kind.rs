//! Kinds of findings.

use schemars::JsonSchema;
use serde::Serialize;

/// Kind of a finding: the `kind` of a `why` entry in JSON documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
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
}

impl FindingKind {
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
        }
    }
}
