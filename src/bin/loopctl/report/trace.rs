//! The way down from the root, a hop for each zone.

use std::net::SocketAddr;
use std::time::Duration;

use super::query::QueryStatus;

/// One zone on the way: who was asked, and whom it named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hop {
    /// Zone whose servers were queried, with the dot at the end.
    pub(crate) zone: String,
    /// Which name they were asked for.
    pub(crate) name: String,
    /// The one that answered, or was asked last.
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
    /// To these servers of a zone below.
    Referral { zone: String, servers: Vec<String> },
    /// To another name, which is looked for from the beginning.
    Alias(String),
    /// Final answer and its number of records, 0 for a negative one.
    End(QueryStatus, usize),
    /// Nowhere: the servers of a zone are not to be found, or send back where the way came from.
    Lost(String),
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
