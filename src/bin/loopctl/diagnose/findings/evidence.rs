//! Evidence: observations that a finding rests on, and how it follows from them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Relation of a finding to its evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Basis {
    /// Observed.
    Fact,
    /// Follows from observations that exclude every other cause known.
    Inference,
    /// One of several causes with the same evidence.
    Guess,
}

impl Basis {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fact => "fact",
            Self::Inference => "inference",
            Self::Guess => "guess",
        }
    }
}

/// One observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Evidence {
    pub(crate) source: EvidenceSource,
    pub(crate) text: String,
}

/// Place of an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum EvidenceSource {
    /// Times of events on this program's clock.
    Clock,
    /// Error of a system call or of a socket.
    Errno,
    /// Error queue of a socket: an ICMP message and its sender.
    ErrorQueue,
    /// State of a TCP connection in the kernel.
    TcpInfo,
    /// Answers of the resolver or of name servers.
    Names,
    /// Routes, addresses and interfaces of this host.
    Routes,
    /// File of this host, /proc included.
    File,
    /// Environment of the process.
    Environment,
}

impl EvidenceSource {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Errno => "errno",
            Self::ErrorQueue => "error queue",
            Self::TcpInfo => "TCP_INFO",
            Self::Names => "names",
            Self::Routes => "routes",
            Self::File => "file",
            Self::Environment => "environment",
        }
    }

    /// Observation at this place.
    pub(crate) fn says(self, text: impl Into<String>) -> Evidence {
        Evidence { source: self, text: text.into() }
    }
}
