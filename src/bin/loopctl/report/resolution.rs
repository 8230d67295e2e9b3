//! Names and what came of them, as plain data: a fold over events.

use std::net::IpAddr;
use std::time::Duration;

use loopctl::plan::{Family, FirstAttemptReason, Reason};
use loopctl::{Address, DnsConfigError, DnsError, EaiCode, EventKind, ResolveError};

use super::query;
use super::query::{Queries, QueryOutcome};
use super::{End, FailureKind, Report, Subject, TransportKind};

/// Where the addresses came from.
#[derive(Debug, Clone)]
pub(crate) struct Resolution {
    pub(crate) via: Via,
    pub(crate) started: Option<Duration>,
    pub(crate) took: Option<Duration>,
    /// In the order in which they are tried.
    pub(crate) candidates: Vec<Address>,
    pub(crate) error: Option<NameFailure>,
    /// To the system or to name servers.
    pub(crate) queries: Queries,
    /// The system prefers IPv4 (gai.conf(5)).
    pub(crate) is_ipv4_preferred: bool,
    /// The only family that this host has no address for to connect from.
    pub(crate) sourceless: Option<Family>,
}

/// Reason why a target has no address.
#[derive(Debug, Clone)]
pub(crate) enum NameFailure {
    Resolver(ResolveError),
    /// The configuration of the name servers is unusable.
    Config(DnsConfigError),
    /// `--resolve` has no address of the requested family.
    NoPinnedAddress,
    /// A lookup that was measured by itself had no answer in time.
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
    /// The answer to an earlier try.
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
                // It may be the time that was up: how it all ended will say.
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

    /// Ends the queries still open.
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

    /// Whether each family is asked for by itself.
    pub(crate) fn asks_apart(&self) -> bool {
        let is_race = self.subject.transport == TransportKind::Tcp;
        let is_looked_up = matches!(self.resolve.via, Via::System | Via::Dns);
        let Subject { policy, family, .. } = &self.subject;
        is_race
            && is_looked_up
            && *family == Family::Unspecified
            && policy.resolution_delay().is_some()
    }

    /// Name servers tell of each question themselves.
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
        let (queries, is_ipv4_preferred, sourceless) = Default::default();
        Self { via, started, took, candidates, error, queries, is_ipv4_preferred, sourceless }
    }

    /// Some policies start attempts out of the order of the list: what has been tried stands before the rest.
    pub(super) fn take(&mut self, number: usize, address: &Address) {
        let rest = self.candidates.get_mut(number..).unwrap_or_default();
        if let Some(at) = rest.iter().position(|candidate| candidate == address) {
            rest[..=at].rotate_right(1);
        }
    }

    /// Reason for a start, corrected: a race that begins with all addresses does not know that a lookup came first.
    pub(super) fn reason(&self, reason: Reason) -> Reason {
        match (reason, self.via) {
            (Reason::First(FirstAttemptReason::Known), Via::System | Via::Dns) => {
                Reason::First(FirstAttemptReason::AllAnswered)
            }
            (reason, _) => reason,
        }
    }

    /// Notes which family this host cannot connect to, where it can to the other: such addresses sort last.
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
