//! What every policy would get from here, and what that is known from.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use loopctl::plan::{Answer, Family, Preset};
use loopctl::{ResolveError, TlsErrorKind};

use super::{Attempt, End as ReportEnd, Outcome, Report, TlsReport};
use crate::config::NamedPolicy;
use crate::diagnose::cause;
use crate::diagnose::prediction::{
    AttemptModel, NameModel, NetworkModel, PredictedResult, Prediction, QueryModel, StepEnd,
    StepModel, predict,
};
use crate::exit::Exit;

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
    /// Addresses for which nobody was asked.
    pub(crate) given: Vec<SocketAddr>,
    /// In the order of RFC 6724.
    pub(crate) probes: Vec<Probe>,
    pub(crate) prefer: Option<Family>,
    /// Whether those who ask for each family by itself are told to take IPv4 first (gai.conf(5)).
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
    pub(crate) exit: Exit,
    /// The address of the connection.
    pub(crate) to: Option<SocketAddr>,
    /// When it was there, or when there was none.
    pub(crate) after: Duration,
    /// Why there is none.
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

/// How far a time may be from its prediction: so much, and a tenth.
const TOLERANCE: Duration = Duration::from_millis(15);

impl Comparison {
    /// A row for each preset, and one for the policy that was asked for if it is none of them.
    pub(crate) fn new(
        measurement: Measurement,
        own: &NamedPolicy,
        is_live: bool,
        epoch: Instant,
    ) -> Self {
        let presets = Preset::ALL.map(|preset| (preset.name(), NamedPolicy::from(preset)));
        let is_changed = !own.changed().is_empty();
        let other = is_changed.then(|| (OWN, own.clone()));
        let world = measurement.world();
        let row = |(name, policy): (&'static str, NamedPolicy)| Row {
            name,
            prediction: predict(&policy, &world, epoch),
            is_own: if is_changed { name == OWN } else { policy.base == own.base },
            policy,
            measured: None,
        };
        let rows = presets.into_iter().chain(other).map(row).collect();
        Self { measurement, rows, is_live }
    }

    /// What was measured before somebody ended it.
    pub(crate) fn unfinished(measurement: Measurement, is_live: bool) -> Self {
        Self { measurement, rows: Vec::new(), is_live }
    }

    pub(crate) fn own(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.is_own)
    }
}

impl Report {
    /// The policy that was asked for, where it has no connection and others have one.
    pub(crate) fn left_behind(&self) -> Option<&Row> {
        let comparison = self.comparison.as_ref()?;
        let connects = |row: &Row| match &row.measured {
            Some(Measured { to: Some(_), .. }) => true,
            _ => row.prediction.connection().is_some(),
        };
        let do_others = comparison.rows.iter().any(connects);
        let is_one = do_others && matches!(self.end, ReportEnd::Failed(_));
        comparison.own().filter(|_| is_one)
    }

    /// Addresses that have connected, and failed in TLS, when each was tried by itself.
    pub(crate) fn probes_without_tls(&self) -> impl Iterator<Item = (&Probe, &TlsReport)> {
        let probes = self.comparison.iter().flat_map(|it| &it.measurement.probes);
        let with_tls = probes.filter_map(|probe| Some((probe, probe.tls.as_ref()?)));
        with_tls.filter(|(_, tls)| tls.failure.is_some())
    }
}

/// What a policy is called that flags have made of another.
const OWN: &str = "yours";

impl Row {
    /// How it ended, or would within `limit`, if what was silent stays so.
    pub(crate) fn exit(&self, measurement: &Measurement, limit: Duration) -> Exit {
        if let Some(measured) = &self.measured {
            return measured.exit;
        }
        match self.prediction.end.filter(|end| end.after <= limit).map(|end| end.how) {
            // Nobody has anything to connect to, for servers that did not answer.
            None if measurement.probes.is_empty() && measurement.is_dns => Exit::NotResolved,
            None => Exit::TimedOut,
            Some(PredictedResult::Connects(_)) => Exit::Success,
            Some(PredictedResult::NotResolved) => Exit::NotResolved,
            Some(PredictedResult::AllFail) => {
                let tried = self.prediction.starts.iter().filter_map(|it| measurement.probe(it.to));
                // What has come furthest tells most.
                tried.map(Probe::exit).max().unwrap_or(Exit::NotConnected)
            }
            Some(PredictedResult::NoTls(to)) => {
                measurement.probe(to).map_or(Exit::NoTls, Probe::exit)
            }
        }
    }

    /// How the run differs from the prediction; `None` where it does not, or there was none. `limit` is what ended a
    /// run that had not come to its end.
    pub(crate) fn mismatch(&self, limit: Duration) -> Option<Mismatch> {
        let measured = self.measured.as_ref()?;
        let near = |expected: Duration| TOLERANCE + expected / 10;
        let off = |expected: Duration| {
            let is_far = measured.after.abs_diff(expected) > near(expected);
            is_far.then(|| match measured.after < expected {
                true => Mismatch::Earlier(expected - measured.after),
                false => Mismatch::Later(measured.after - expected),
            })
        };
        let prediction = &self.prediction;
        if let Some(from) = prediction.certain_until {
            // Only what comes before that contradicts it.
            let is_early = measured.after + near(from) < from.min(limit);
            return is_early.then(|| Mismatch::Earlier(from - measured.after));
        }
        let expected = prediction.end?;
        match (expected.to(), measured.to) {
            _ if expected.after > limit && measured.exit == Exit::TimedOut => None,
            (Some(expected), Some(to)) if expected != to => Some(Mismatch::OtherWinner),
            (Some(_), None) => Some(Mismatch::NotConnected),
            (None, Some(_)) => Some(Mismatch::Connected),
            _ => off(expected.after),
        }
    }
}

impl Measured {
    pub(crate) fn of(report: &Report) -> Self {
        let is_connected = report.end == ReportEnd::Connected;
        let winner = report.winner().filter(|_| is_connected);
        let after = report.connected_after().filter(|_| is_connected);
        Self {
            exit: report.exit(),
            to: winner.and_then(|winner| winner.address.as_inet()),
            after: after.unwrap_or(report.total),
            why: (!is_connected).then(|| cause::summary_by_address(report)),
        }
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

    fn world(&self) -> NetworkModel {
        let order = self.probes.iter().map(|probe| probe.to).collect();
        let fates = self.probes.iter().filter_map(|probe| Some((probe.to, probe.fate()?)));
        let in_plain = |probe: &Probe| probe.tls.as_ref().is_some_and(|tls| tls.starttls.is_some());
        NetworkModel {
            names: self.names(),
            order,
            fates: fates.collect(),
            prefer: self.prefer,
            begins_with_tls: !self.probes.iter().any(in_plain),
            kernel: self.kernel,
        }
    }

    fn names(&self) -> NameModel {
        let mut apart: Vec<(Family, QueryModel)> = self
            .lookups
            .iter()
            .filter(|lookup| lookup.family != Family::Unspecified || self.lookups.len() == 1)
            .map(|lookup| (lookup.family, lookup.reply(self.is_dns)))
            .collect();
        if apart.is_empty() {
            return NameModel::Known(self.given.clone());
        }
        let told = self.is_ipv4_first.then_some(Family::Inet);
        let preferred = self.prefer.or(told).unwrap_or(Family::Inet6);
        apart.sort_by_key(|(family, _)| *family != preferred);
        let joint = match self.lookup(Family::Unspecified) {
            Some(lookup) => lookup.reply(self.is_dns),
            None => self.joined(&apart),
        };
        NameModel::Asked { apart, joint }
    }

    /// What the answers about each family come to for whoever waits for all of them.
    fn joined(&self, apart: &[(Family, QueryModel)]) -> QueryModel {
        let after = apart.iter().map(|(_, reply)| reply.after).max().unwrap_or_default();
        let silences = apart.iter().filter(|(_, reply)| reply.answer.is_none());
        if let Some(after) = silences.map(|(_, reply)| reply.after).min() {
            return QueryModel { after, answer: None };
        }
        let found: Vec<SocketAddr> = self.probes.iter().map(|probe| probe.to).collect();
        let no = apart.first().and_then(|(_, reply)| reply.answer.clone());
        let answer = if found.is_empty() { no } else { Some(Answer::Addresses(found)) };
        QueryModel { after, answer }
    }
}

impl Lookup {
    pub(crate) fn end(&self) -> Duration {
        self.start + self.took
    }

    /// How long a name server is waited for is everybody's own: that ours gave up says nothing of others.
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
    /// How an attempt to this address alone would end.
    fn exit(&self) -> Exit {
        match self.tls.as_ref().and_then(|tls| tls.failure.as_ref()) {
            Some(failure) => failure.exit(),
            None => Exit::NotConnected,
        }
    }

    pub(crate) fn fate(&self) -> Option<AttemptModel> {
        let end = match &self.attempt.outcome {
            Outcome::Success => StepEnd::Succeeds,
            Outcome::Failure(_, failure) if failure.at_once => StepEnd::Unsent,
            Outcome::Failure(..) => StepEnd::Fails,
            Outcome::Timeout | Outcome::Canceled | Outcome::Pending => StepEnd::Silent,
        };
        let tcp = StepModel { took: self.attempt.took, end };
        Some(AttemptModel { tcp, tls: self.tls.as_ref().and_then(|tls| self.tls_leg(tls)) })
    }

    fn tls_leg(&self, tls: &TlsReport) -> Option<StepModel> {
        let took = tls.ended?.saturating_sub(self.attempt.end());
        let end = match &tls.failure {
            None => StepEnd::Succeeds,
            Some(failure) if failure.kind() == Some(TlsErrorKind::TimedOut) => StepEnd::Silent,
            Some(_) => StepEnd::Fails,
        };
        Some(StepModel { took, end })
    }
}
