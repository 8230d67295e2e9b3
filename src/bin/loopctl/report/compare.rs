//! What every policy would get from here, and what that is known from.

use std::net::SocketAddr;
use std::time::Duration;

use loopctl::ResolveError;
use loopctl::plan::Family;

use super::prediction::Prediction;
use super::{Attempt, End, Report, TlsReport, Unmet};
use crate::config::NamedPolicy;

/// What was measured, and what each policy makes of it.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    pub(crate) measurement: Measurement,
    /// In the order of [`Preset::ALL`], then the policy that flags have made. None where the measurement was broken off.
    pub(crate) rows: Vec<Row>,
    /// Whether the policies are run as well.
    pub(crate) is_live: bool,
}

/// One pass over everything there is to measure.
#[derive(Debug, Clone)]
pub(crate) struct Measurement {
    pub(crate) lookups: Vec<Lookup>,
    /// Addresses that needed no lookup.
    pub(crate) given: Vec<SocketAddr>,
    /// In the order of RFC 6724.
    pub(crate) probes: Vec<Probe>,
    pub(crate) prefer: Option<Family>,
    /// Whether policies with a query per family prefer IPv4 (gai.conf(5)).
    pub(crate) is_ipv4_first: bool,
    /// How long each address was waited for at most, and how long the kernel tries.
    pub(crate) patience: Duration,
    pub(crate) kernel: Duration,
    /// Whether the questions went to name servers, each family's by itself.
    pub(crate) is_dns: bool,
}

/// A question for addresses, by itself.
#[derive(Debug, Clone)]
pub(crate) struct Lookup {
    /// `Unspecified` is for both families at once.
    pub(crate) family: Family,
    pub(crate) start: Duration,
    pub(crate) took: Duration,
    pub(crate) end: LookupEnd,
}

#[derive(Debug, Clone)]
pub(crate) enum LookupEnd {
    Found(Vec<SocketAddr>),
    Failed(ResolveError),
    /// Nothing came.
    Silent,
    Interrupted,
}

/// An address, connected to by itself.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    pub(crate) to: SocketAddr,
    /// `6a` is the first address of its family.
    pub(crate) label: String,
    pub(crate) attempt: Attempt,
    pub(crate) tls: Option<TlsReport>,
}

/// A policy, what it would get, and what it has got.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) policy: NamedPolicy,
    /// Whether it is the one that was asked for.
    pub(crate) is_own: bool,
    pub(crate) prediction: Prediction,
    pub(crate) measured: Option<Measured>,
}

/// A run of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) end: End,
    pub(crate) unmet: Vec<Unmet>,
    /// The address of the connection.
    pub(crate) to: Option<SocketAddr>,
    /// When it was there, or when there was none.
    pub(crate) after: Duration,
    /// The causes, where there is none, as `diagnose` puts them.
    pub(crate) why: Option<String>,
}

/// How a run differs from its prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mismatch {
    OtherWinner,
    Earlier(Duration),
    Later(Duration),
    /// It has a connection, and was to have none.
    Connected,
    /// It has none.
    NotConnected,
}

impl Comparison {
    /// Comparison that was stopped during the measurement.
    pub(crate) fn unfinished(measurement: Measurement, is_live: bool) -> Self {
        Self { measurement, rows: Vec::new(), is_live }
    }

    pub(crate) fn own(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.is_own)
    }
}

impl Report {
    /// The policy that was asked for, where it has no connection and others have one.
    pub(crate) fn failed_own_policy(&self) -> Option<&Row> {
        let comparison = self.comparison.as_ref()?;
        let connects = |row: &Row| match &row.measured {
            Some(Measured { to: Some(_), .. }) => true,
            _ => row.prediction.connection().is_some(),
        };
        let others_connect = comparison.rows.iter().any(connects);
        let has_failed = others_connect && matches!(self.end, End::Failed(_));
        comparison.own().filter(|_| has_failed)
    }

    /// Addresses that have connected, and failed in TLS, when each was tried by itself.
    pub(crate) fn probes_without_tls(&self) -> impl Iterator<Item = (&Probe, &TlsReport)> {
        let probes = self.comparison.iter().flat_map(|it| &it.measurement.probes);
        let with_tls = probes.filter_map(|probe| Some((probe, probe.tls.as_ref()?)));
        with_tls.filter(|(_, tls)| tls.failure.is_some())
    }
}

impl Measurement {
    pub(crate) fn probe(&self, to: SocketAddr) -> Option<&Probe> {
        self.probes.iter().find(|probe| probe.to == to)
    }

    pub(crate) fn label(&self, to: SocketAddr) -> &str {
        self.probe(to).map_or("?", |probe| &probe.label)
    }

    pub(crate) fn lookup(&self, family: Family) -> Option<&Lookup> {
        self.lookups.iter().find(|lookup| lookup.family == family)
    }

    /// How long it took until there was an address.
    pub(crate) fn first_answer(&self) -> Duration {
        let found = |lookup: &&Lookup| matches!(lookup.end, LookupEnd::Found(_));
        self.lookups.iter().filter(found).map(|lookup| lookup.took).min().unwrap_or_default()
    }
}

impl Lookup {
    pub(crate) fn end(&self) -> Duration {
        self.start + self.took
    }
}
