//! Name resolution of a target as plain data: a fold over events.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use loopctl::plan::{Family, FirstAttemptReason, Reason};
use loopctl::{Address, DnsConfigError, DnsError, EaiCode, EventKind, HostsAddress, ResolveError};

use super::name_probe::NameProbe;
use super::query;
use super::query::{Queries, Query, QueryOutcome};
use super::{End, FailureKind, Report, SecondQuery, Subject, TransportKind};
use crate::config::NameService;

/// Source of the addresses, with queries and candidates.
#[derive(Debug, Clone)]
pub(crate) struct Resolution {
    pub(crate) via: Via,
    pub(crate) started: Option<Duration>,
    pub(crate) took: Option<Duration>,
    /// Candidates in the order of the attempts.
    pub(crate) candidates: Vec<Address>,
    pub(crate) error: Option<NameFailure>,
    /// Queries to the system or to name servers.
    pub(crate) queries: Queries,
    /// Result of asking again for the answer that was missing when the connection was made.
    pub(crate) second_query: Option<SecondQuery>,
    /// Whether gai.conf(5) puts IPv4 first.
    pub(crate) is_ipv4_preferred: bool,
    /// Family for which this host has no source address, while it has one for the other.
    pub(crate) sourceless: Option<Family>,
    /// Lines of the hosts file that gave the candidates.
    pub(crate) hosts: Vec<HostsAddress>,
    /// Configuration of the system's resolver, where its name servers were asked.
    pub(crate) service: Option<Rc<NameService>>,
    /// What the system's name servers say to this program.
    pub(crate) probe: Option<NameProbe>,
}

/// Reason why a target has no address.
#[derive(Debug, Clone)]
pub(crate) enum NameFailure {
    Resolver(ResolveError),
    /// The configuration of the name servers is unusable.
    Config(DnsConfigError),
    /// `--resolve` has no address of the requested family.
    NoPinnedAddress,
    /// A separately measured lookup had no answer in time.
    Unanswered,
}

impl NameFailure {
    /// The `EAI_*` error of the system's resolver.
    pub(crate) fn code(&self) -> Option<EaiCode> {
        match self {
            Self::Resolver(error) => error.code(),
            _ => None,
        }
    }

    /// The failed query to a name server.
    pub(crate) fn dns(&self) -> Option<&DnsError> {
        match self {
            Self::Resolver(error) => error.dns(),
            _ => None,
        }
    }
}

impl From<ResolveError> for NameFailure {
    fn from(error: ResolveError) -> Self {
        Self::Resolver(error)
    }
}

impl From<DnsConfigError> for NameFailure {
    fn from(error: DnsConfigError) -> Self {
        Self::Config(error)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// `getaddrinfo`.
    System,
    /// Name servers.
    Dns,
    /// The target is an address itself.
    Literal,
    /// `--resolve`.
    Given,
    /// Addresses from an earlier run.
    Cached,
}

impl Report {
    pub(super) fn apply_name_event(&mut self, at: Duration, kind: &EventKind) {
        let is_joint = !self.asks_apart();
        match kind {
            EventKind::ResolveStarted { .. } => {
                self.resolve.started = Some(at);
                if is_joint {
                    self.ask_system(self.subject.family, at);
                }
            }
            EventKind::Resolved { addresses } => {
                self.resolve.end(at);
                if is_joint {
                    self.resolve.queries.answer_system(None, at, addresses);
                }
            }
            EventKind::ResolveFailed { error } => {
                self.resolve.end(at);
                // Because a time limit may be the reason, the end of the report decides.
                if error.code().is_some() {
                    self.resolve.queries.fail_system(None, at, error);
                }
                self.resolve.error = Some(NameFailure::Resolver(error.clone()));
            }
            EventKind::QueryStarted { family } => self.ask_system(*family, at),
            EventKind::QueryAnswered { family, addresses } => {
                self.resolve.queries.answer_system(Some(*family), at, addresses);
            }
            EventKind::QueryFailed { family, error } => {
                self.resolve.queries.fail_system(Some(*family), at, error);
            }
            EventKind::QueryCanceled { family } => self.resolve.queries.cancel(*family, at),
            _ => {}
        }
    }

    /// Cancels the open queries.
    pub(crate) fn end_queries(&mut self) {
        let end = match self.end {
            End::Interrupted(_) => QueryOutcome::Interrupted,
            _ if self.selected.is_some() => QueryOutcome::Canceled,
            End::Failed(FailureKind::NotResolved) => match &self.resolve.error {
                Some(NameFailure::Resolver(error)) if self.resolve.via == Via::System => {
                    QueryOutcome::SystemFailed(error.clone())
                }
                _ => QueryOutcome::TimedOut,
            },
            _ => QueryOutcome::TimedOut,
        };
        self.resolve.queries.end_all(self.total, &end);
    }

    /// Whether one family had no answer by the Resolution Delay, and the other one had.
    pub(crate) fn lacks_answer(&self) -> bool {
        let delay = self.subject.policy.resolution_delay();
        let queries = &self.resolve.queries.0;
        let is_open = |query: &Query| match &query.end {
            QueryOutcome::Canceled | QueryOutcome::Pending => {
                delay.is_some_and(|delay| query.took >= delay)
            }
            QueryOutcome::SystemFailed(error) => error.code() == Some(EaiCode::AGAIN),
            _ => false,
        };
        queries.iter().any(is_open)
            && queries.iter().any(|query| matches!(query.end, QueryOutcome::System(_)))
    }

    /// Whether a query has no answer yet.
    pub(crate) fn is_looking_up(&self) -> bool {
        let queries = &self.resolve.queries.0;
        queries.iter().any(|query| matches!(query.end, QueryOutcome::Pending))
    }

    /// Whether each family has a separate query.
    pub(crate) fn asks_apart(&self) -> bool {
        let is_race = self.subject.transport == TransportKind::Tcp;
        let is_looked_up = matches!(self.resolve.via, Via::System | Via::Dns);
        let Subject { policy, family, .. } = &self.subject;
        is_race
            && is_looked_up
            && *family == Family::Unspecified
            && policy.resolution_delay().is_some()
    }

    /// Adds a query to the system; a DNS client reports its own queries.
    fn ask_system(&mut self, family: Family, at: Duration) {
        if self.resolve.via == Via::System {
            let host = self.subject.host.clone().unwrap_or_default();
            self.resolve.queries.ask_system(host, query::types(family), at);
        }
    }
}

impl Resolution {
    pub(super) fn new(via: Via) -> Self {
        let (started, took, error, candidates) = Default::default();
        let (queries, second_query, is_ipv4_preferred, sourceless) = Default::default();
        let (hosts, service, probe) = Default::default();
        Self {
            via,
            started,
            took,
            candidates,
            error,
            queries,
            second_query,
            is_ipv4_preferred,
            sourceless,
            hosts,
            service,
            probe,
        }
    }

    /// Moves a started candidate before the rest, because some policies start attempts out of order.
    pub(super) fn take(&mut self, number: usize, address: &Address) {
        let rest = self.candidates.get_mut(number..).unwrap_or_default();
        if let Some(at) = rest.iter().position(|candidate| candidate == address) {
            rest[..=at].rotate_right(1);
        }
    }

    /// Reason for the first attempt; `Known` addresses from a lookup count as answered queries.
    pub(super) fn reason(&self, reason: Reason) -> Reason {
        match (reason, self.via) {
            (Reason::First(FirstAttemptReason::Known), Via::System | Via::Dns) => {
                Reason::First(FirstAttemptReason::AllAnswered)
            }
            (reason, _) => reason,
        }
    }

    /// Records the family without a source address, if the other one has a source; its addresses sort last.
    pub(crate) fn note_sources(&mut self, source: impl Fn(IpAddr) -> Option<IpAddr>) {
        let lacks = |family| {
            let of_family = |it: &&Address| it.family() == Some(family);
            let mut known =
                self.candidates.iter().filter(of_family).filter_map(Address::as_inet).peekable();
            known.peek().is_some() && known.all(|address| source(address.ip()).is_none())
        };
        self.sourceless = match (lacks(Family::Inet6), lacks(Family::Inet)) {
            (true, false) => Some(Family::Inet6),
            (false, true) => Some(Family::Inet),
            _ => None,
        };
    }

    fn end(&mut self, at: Duration) {
        self.took = self.started.map(|started| at.saturating_sub(started));
    }
}
