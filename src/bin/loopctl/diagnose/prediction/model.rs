//! Model of a network, from a measurement.

use std::net::SocketAddr;
use std::time::Duration;

use loopctl::plan::{Answer, Family};
use loopctl::{CertificateProblem, Phase, TlsAlert, TlsError, TlsErrorKind};

use crate::report::compare::{Lookup, LookupEnd, Measurement, Probe};
use crate::report::{Attempt, Outcome, TlsFailure, TlsPhase, TlsReport};

/// Inputs of a simulated race.
#[derive(Debug, Clone)]
pub(crate) struct NetworkModel {
    pub(crate) names: NameModel,
    /// Addresses in the order of RFC 6724, for policies with a query per family.
    pub(crate) order: Vec<SocketAddr>,
    pub(crate) attempts: Vec<(SocketAddr, AttemptModel)>,
    /// Family whose addresses are tried first.
    pub(crate) prefer: Option<Family>,
    /// Whether TLS begins with the connection, and not after STARTTLS, which no race includes.
    pub(crate) begins_with_tls: bool,
    /// Time limit of the kernel for a connection attempt.
    pub(crate) kernel: Duration,
}

/// Source of the addresses.
#[derive(Debug, Clone)]
pub(crate) enum NameModel {
    /// Addresses without a lookup.
    Known(Vec<SocketAddr>),
    Asked {
        /// Answers to a query per family, the preferred one first.
        separate: Vec<(Family, QueryModel)>,
        /// Answer to a query for all families, as by getaddrinfo(3).
        joint: QueryModel,
    },
}

/// Answer to a query, and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueryModel {
    pub(crate) after: Duration,
    /// `None` without an answer until then.
    pub(crate) answer: Option<Answer<SocketAddr>>,
}

/// Steps of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AttemptModel {
    pub(crate) tcp: StepModel,
    /// TLS handshake, if requested and connected.
    pub(crate) tls: Option<StepModel>,
}

impl AttemptModel {
    /// Whether an answer is missing.
    pub(crate) fn is_silent(self) -> bool {
        let is = |step: StepModel| step.end == StepEnd::Silent;
        is(self.tcp) || self.tls.is_some_and(is)
    }

    /// Whether the handshake failed for a reason that may be this program's alone.
    pub(crate) fn is_unmeasurable(self) -> bool {
        self.tls.is_some_and(|step| step.end == StepEnd::Unmeasurable)
    }
}

/// TCP or TLS handshake of an attempt: its end and duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StepModel {
    pub(crate) took: Duration,
    pub(crate) end: StepEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepEnd {
    Succeeds,
    Fails,
    /// Rejected by this host, without a packet.
    Unsent,
    /// No answer until the time limit of the measurement.
    Silent,
    /// Failed for a reason that may be this program's alone, so that other clients may succeed.
    Unmeasurable,
}

impl StepEnd {
    /// Whether nothing is known of what follows.
    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::Silent | Self::Unmeasurable)
    }
}

impl Measurement {
    pub(crate) fn model(&self) -> NetworkModel {
        let order = self.probes.iter().map(|probe| probe.to).collect();
        let attempts = self.probes.iter().map(|probe| (probe.to, probe.model()));
        let in_plain = |probe: &Probe| probe.tls.as_ref().is_some_and(|tls| tls.starttls.is_some());
        NetworkModel {
            names: self.names(),
            order,
            attempts: attempts.collect(),
            prefer: self.prefer,
            begins_with_tls: !self.probes.iter().any(in_plain),
            kernel: self.kernel,
        }
    }

    fn names(&self) -> NameModel {
        let mut separate: Vec<(Family, QueryModel)> = self
            .lookups
            .iter()
            .filter(|lookup| lookup.family != Family::Unspecified || self.lookups.len() == 1)
            .map(|lookup| (lookup.family, lookup.reply(self.is_dns)))
            .collect();
        if separate.is_empty() {
            return NameModel::Known(self.given.clone());
        }
        let gai_conf = self.is_ipv4_first.then_some(Family::Inet);
        let preferred = self.prefer.or(gai_conf).unwrap_or(Family::Inet6);
        separate.sort_by_key(|(family, _)| *family != preferred);
        let joint = match self.lookup(Family::Unspecified) {
            Some(lookup) => lookup.reply(self.is_dns),
            None => self.joined(&separate),
        };
        NameModel::Asked { separate, joint }
    }

    /// Joint answer from the answers for each family.
    fn joined(&self, separate: &[(Family, QueryModel)]) -> QueryModel {
        let after = separate.iter().map(|(_, reply)| reply.after).max().unwrap_or_default();
        let silences = separate.iter().filter(|(_, reply)| reply.answer.is_none());
        if let Some(after) = silences.map(|(_, reply)| reply.after).min() {
            return QueryModel { after, answer: None };
        }
        let found: Vec<SocketAddr> = self.probes.iter().map(|probe| probe.to).collect();
        let no = separate.first().and_then(|(_, reply)| reply.answer.clone());
        let answer = if found.is_empty() { no } else { Some(Answer::Addresses(found)) };
        QueryModel { after, answer }
    }
}

impl Lookup {
    /// Answer to a lookup; a DNS timeout counts as silence, because other clients have other time limits.
    fn reply(&self, is_dns: bool) -> QueryModel {
        let answer = match &self.end {
            LookupEnd::Found(found) => Some(Answer::Addresses(found.clone())),
            LookupEnd::Failed(error) => match error.answer() {
                Answer::TimedOut if is_dns => None,
                answer => Some(answer),
            },
            LookupEnd::Silent | LookupEnd::Interrupted => None,
        };
        QueryModel { after: self.took, answer }
    }
}

impl Probe {
    pub(crate) fn model(&self) -> AttemptModel {
        AttemptModel::of(&self.attempt, self.tls.as_ref())
    }
}

impl AttemptModel {
    /// Steps of an attempt, with the TLS over it.
    pub(crate) fn of(attempt: &Attempt, tls: Option<&TlsReport>) -> Self {
        let has_connected = attempt.tls.is_some() || attempt.tcp.is_some_and(|tcp| tcp.established);
        let end = match &attempt.outcome {
            Outcome::Success => StepEnd::Succeeds,
            Outcome::Failure(Phase::Tls, _) => StepEnd::Succeeds,
            Outcome::Timeout | Outcome::Canceled if has_connected => StepEnd::Succeeds,
            Outcome::Failure(_, failure) if failure.at_once => StepEnd::Unsent,
            Outcome::Failure(..) => StepEnd::Fails,
            Outcome::Timeout | Outcome::Canceled | Outcome::Pending => StepEnd::Silent,
        };
        let tcp = StepModel { took: attempt.took, end };
        Self { tcp, tls: tls.and_then(|tls| StepModel::of(tls, attempt)) }
    }
}

impl StepModel {
    fn of(tls: &TlsReport, attempt: &Attempt) -> Option<Self> {
        let took = tls.ended?.saturating_sub(attempt.end());
        let is_unfinished = |failure: &TlsFailure| {
            matches!(failure.kind(), Some(TlsErrorKind::TimedOut | TlsErrorKind::Canceled))
        };
        let end = match &tls.failure {
            None => StepEnd::Succeeds,
            Some(failure) if is_unfinished(failure) => StepEnd::Silent,
            Some(failure) if fails_everywhere(failure) => StepEnd::Fails,
            Some(_) => StepEnd::Unmeasurable,
        };
        Some(Self { took, end })
    }
}

/// Whether every client fails at this, and not only those with the algorithms and limits of this program's TLS library.
fn fails_everywhere(failure: &TlsFailure) -> bool {
    let is_shared = |problem: &CertificateProblem| {
        matches!(
            problem,
            CertificateProblem::Missing
                | CertificateProblem::Expired { .. }
                | CertificateProblem::NotYetValid { .. }
                | CertificateProblem::WrongName { .. }
                | CertificateProblem::UnknownIssuer { .. }
                | CertificateProblem::BadSignature
        )
    };
    match (failure.phase, &failure.error) {
        (TlsPhase::StartTls, _) => true,
        (_, Some(TlsError::Certificate { problem, .. })) => is_shared(problem),
        (_, Some(TlsError::AlertReceived(alert))) => *alert == TlsAlert::CertificateRequired,
        (_, Some(error)) => matches!(error.kind(), TlsErrorKind::NotTls | TlsErrorKind::Closed),
        (_, None) => false,
    }
}
