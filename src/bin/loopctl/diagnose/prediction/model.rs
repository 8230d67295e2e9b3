//! Model of a network, from a measurement.

use std::net::SocketAddr;
use std::time::Duration;

use loopctl::TlsErrorKind;
use loopctl::plan::{Answer, Family};

use crate::report::compare::{Lookup, LookupEnd, Measurement, Probe};
use crate::report::{Outcome, TlsReport};

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
    /// Whether the outcome is unknown.
    pub(crate) fn is_silent(self) -> bool {
        let is = |step: StepModel| step.end == StepEnd::Silent;
        is(self.tcp) || self.tls.is_some_and(is)
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
}

impl Measurement {
    pub(super) fn model(&self) -> NetworkModel {
        let order = self.probes.iter().map(|probe| probe.to).collect();
        let attempts = self.probes.iter().filter_map(|probe| Some((probe.to, probe.model()?)));
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
    pub(crate) fn model(&self) -> Option<AttemptModel> {
        let end = match &self.attempt.outcome {
            Outcome::Success => StepEnd::Succeeds,
            Outcome::Failure(_, failure) if failure.at_once => StepEnd::Unsent,
            Outcome::Failure(..) => StepEnd::Fails,
            Outcome::Timeout | Outcome::Canceled | Outcome::Pending => StepEnd::Silent,
        };
        let tcp = StepModel { took: self.attempt.took, end };
        Some(AttemptModel { tcp, tls: self.tls.as_ref().and_then(|tls| self.tls_step(tls)) })
    }

    fn tls_step(&self, tls: &TlsReport) -> Option<StepModel> {
        let took = tls.ended?.saturating_sub(self.attempt.end());
        let end = match &tls.failure {
            None => StepEnd::Succeeds,
            Some(failure) if failure.kind() == Some(TlsErrorKind::TimedOut) => StepEnd::Silent,
            Some(_) => StepEnd::Fails,
        };
        Some(StepModel { took, end })
    }
}
