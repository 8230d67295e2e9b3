//! Comparison of the policies: measurement, predictions and runs.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Duration;

use loopctl::ResolveError;
use loopctl::plan::Family;

use super::prediction::Prediction;
use super::{Attempt, End, Report, TlsReport, Unmet};
use crate::config::NamedPolicy;

/// Measurement, and the result of each policy.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    pub(crate) measurement: Measurement,
    /// Presets in the order of [`Preset::ALL`], then the policy of the flags. Empty if the measurement was interrupted.
    pub(crate) rows: Vec<Row>,
    /// Whether the policies are also run.
    pub(crate) is_live: bool,
}

/// Lookups of the name and separate attempts to each address.
#[derive(Debug, Clone)]
pub(crate) struct Measurement {
    pub(crate) lookups: Vec<Lookup>,
    /// Addresses that needed no lookup.
    pub(crate) given: Vec<SocketAddr>,
    /// Probes in the order of RFC 6724.
    pub(crate) probes: Probes,
    pub(crate) prefer: Option<Family>,
    /// Whether gai.conf(5) puts IPv4 first for policies with a query per family.
    pub(crate) is_ipv4_first: bool,
    /// Time limit of each probe, and of a connection attempt by the kernel.
    pub(crate) probe_timeout: Duration,
    pub(crate) kernel: Duration,
    /// Whether the lookups were separate DNS queries for each family.
    pub(crate) is_dns: bool,
}

/// Separately measured lookup of addresses.
#[derive(Debug, Clone)]
pub(crate) struct Lookup {
    /// Requested family; `Unspecified` for both in one lookup.
    pub(crate) family: Family,
    pub(crate) start: Duration,
    pub(crate) took: Duration,
    pub(crate) end: LookupEnd,
}

#[derive(Debug, Clone)]
pub(crate) enum LookupEnd {
    Found(Vec<SocketAddr>),
    Failed(ResolveError),
    /// No answer before the time limit.
    Silent,
    Interrupted,
}

/// Probes in an order, found by address in constant time: an answer may have thousands of addresses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Probes {
    ordered: Vec<Probe>,
    places: HashMap<SocketAddr, usize>,
}

impl From<Vec<Probe>> for Probes {
    fn from(ordered: Vec<Probe>) -> Self {
        let places = ordered.iter().enumerate().map(|(place, probe)| (probe.to, place)).collect();
        Self { ordered, places }
    }
}

impl Deref for Probes {
    type Target = [Probe];

    fn deref(&self) -> &[Probe] {
        &self.ordered
    }
}

/// Separate attempt to one address.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    pub(crate) to: SocketAddr,
    /// Label such as `6a`, the first IPv6 address.
    pub(crate) label: String,
    pub(crate) attempt: Attempt,
    pub(crate) tls: Option<TlsReport>,
}

/// Policy with its predicted and its measured result.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) policy: NamedPolicy,
    /// Whether it is the requested policy.
    pub(crate) is_own: bool,
    pub(crate) prediction: Prediction,
    pub(crate) measured: Option<Measured>,
}

/// Result of a run of a policy.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) end: End,
    pub(crate) unmet: Vec<Unmet>,
    /// The address of the connection.
    pub(crate) to: Option<SocketAddr>,
    /// Time until the connection, or until the run failed.
    pub(crate) after: Duration,
    /// Report of the run, if there is no connection.
    pub(crate) failed: Option<Box<Report>>,
}

/// Difference between a run and its prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mismatch {
    OtherWinner,
    Earlier(Duration),
    Later(Duration),
    /// Connected against the prediction.
    Connected,
    /// Not connected against the prediction.
    NotConnected,
}

impl Comparison {
    /// Comparison of an interrupted measurement.
    pub(crate) fn unfinished(measurement: Measurement, is_live: bool) -> Self {
        Self { measurement, rows: Vec::new(), is_live }
    }

    pub(crate) fn own(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.is_own)
    }
}

impl Report {
    /// Requested policy, if it has no connection and others have one.
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

    /// Probes that connected without TLS.
    pub(crate) fn probes_without_tls(&self) -> impl Iterator<Item = (&Probe, &TlsReport)> {
        let probes = self.comparison.iter().flat_map(|it| it.measurement.probes.iter());
        let with_tls = probes.filter_map(|probe| Some((probe, probe.tls.as_ref()?)));
        with_tls.filter(|(_, tls)| tls.failure.is_some())
    }
}

impl Measurement {
    pub(crate) fn probe(&self, to: SocketAddr) -> Option<&Probe> {
        self.probes.places.get(&to).map(|place| &self.probes[*place])
    }

    pub(crate) fn label(&self, to: SocketAddr) -> &str {
        self.probe(to).map_or("?", |probe| &probe.label)
    }

    pub(crate) fn lookup(&self, family: Family) -> Option<&Lookup> {
        self.lookups.iter().find(|lookup| lookup.family == family)
    }

    /// Time until the first answer with an address.
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
