//! Trace of a resolution from the root, with a hop for each zone.

use std::net::SocketAddr;
use std::time::Duration;

use loopctl::DnsConfigError;

use super::query::QueryStatus;

/// Query to the servers of one zone, and the referral or answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hop {
    /// Zone whose servers were queried, with the dot at the end.
    pub(crate) zone: String,
    /// Query name.
    pub(crate) name: String,
    /// Server that answered, or the last one queried.
    pub(crate) server: Option<NamedServer>,
    pub(crate) started: Duration,
    pub(crate) took: Duration,
    pub(crate) step: Step,
}

/// A server in charge of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedServer {
    /// `None` where only its address is known.
    pub(crate) name: Option<String>,
    pub(crate) address: SocketAddr,
}

/// Next step after a hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Referral to the servers of a child zone.
    Referral { zone: String, servers: Vec<String> },
    /// Alias (CNAME), which is resolved from the root.
    Alias(String),
    /// Final answer and its number of records, 0 for a negative one.
    End(QueryStatus, usize),
    /// End without an answer.
    Lost(TraceError),
}

/// Reason why a trace ends without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TraceError {
    TooManyHops(usize),
    /// No server of this zone has an address that this host can reach.
    NoServerAddress(String),
    /// The referral leads to this zone, which is not below the current one.
    NotBelow(String),
    /// The aliases lead back to this name.
    AliasLoop(String),
    Client(DnsConfigError),
}

impl Hop {
    pub(crate) fn verdict(&self) -> QueryStatus {
        match self.step {
            Step::End(verdict, _) => verdict,
            Step::Referral { .. } => QueryStatus::Timeout,
            Step::Alias(_) | Step::Lost(_) => QueryStatus::Error,
        }
    }
}
