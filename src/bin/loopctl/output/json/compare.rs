//! Comparison of policies in the document of a connection.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use loopctl::Address;
use loopctl::plan::{Answer, Family};

use super::{error, tls};
use crate::diagnose::cause;
use crate::diagnose::{exit_status, name};
use crate::output::human::compare::client;
use crate::output::wire::common::{ErrorKind, ErrorRecord, without_port};
use crate::output::wire::compare::{
    Compare, IfSilent, Measured, MeasuredOutcome, Mismatch, PolicyRow, Predicted, PredictedOutcome,
    PredictedStart, ProbeAddress, ProbeQuery, ProbeQueryResult, ProbeTls, Probes, QueryType,
};
use crate::output::wire::query::QueryVia;
use crate::report::compare::{self, Comparison, Lookup, LookupEnd, Measurement, Probe, Row};
use crate::report::prediction::{
    PredictedEnd, PredictedResult, PredictedStart as Start, Prediction,
};
use crate::report::{End, FailureKind, Report};

/// `None` where nothing was compared.
pub(crate) fn compare(report: &Report) -> Option<Compare> {
    let comparison = report.comparison.as_ref()?;
    let Comparison { measurement, rows, is_live } = &**comparison;
    let limit = report.subject.timeout;
    let ids = report.attempts.iter().zip(1..).map(|(attempt, id)| (&attempt.address, id)).collect();
    Some(Compare {
        live: *is_live,
        probe_timeout_ms: measurement.probe_timeout.into(),
        kernel_timeout_ms: measurement.kernel.into(),
        probes: Probes {
            queries: measurement.lookups.iter().map(|lookup| query(lookup, measurement)).collect(),
            addresses: measurement.probes.iter().map(|probe| address(probe, &ids)).collect(),
        },
        policies: rows.iter().map(|row| policy(row, limit)).collect(),
    })
}

/// Reason why the policy that was asked for has no connection where others have one.
pub(crate) fn error(own: &Row, kind: FailureKind) -> ErrorRecord {
    let why = own.measured.as_ref().and_then(cause::run_failure);
    let why = why.unwrap_or_else(|| "no connection in time".to_owned());
    ErrorRecord::plain(kind.into(), format!("policy {}: {why}", own.name))
}

fn query(lookup: &Lookup, measurement: &Measurement) -> ProbeQuery {
    let (result, error) = match &lookup.end {
        LookupEnd::Found(_) => (ProbeQueryResult::Answered, None),
        LookupEnd::Failed(error) => {
            let result = match error.answer::<SocketAddr>() {
                Answer::NoName => ProbeQueryResult::NxDomain,
                Answer::NoData => ProbeQueryResult::NoData,
                Answer::TimedOut => ProbeQueryResult::Timeout,
                _ => ProbeQueryResult::Error,
            };
            (result, Some(ErrorRecord::plain(ErrorKind::Dns, name::resolver(error))))
        }
        LookupEnd::Silent => {
            let error = ErrorRecord::plain(ErrorKind::Timeout, "no answer");
            (ProbeQueryResult::Timeout, Some(error))
        }
        LookupEnd::Interrupted => (ProbeQueryResult::Canceled, None),
    };
    let found = match &lookup.end {
        LookupEnd::Found(found) => found.as_slice(),
        _ => &[],
    };
    ProbeQuery {
        types: match lookup.family {
            Family::Unspecified => vec![QueryType::Aaaa, QueryType::A],
            family => vec![family.into()],
        },
        via: if measurement.is_dns { QueryVia::Dns } else { QueryVia::System },
        start_ms: lookup.start.into(),
        duration_ms: lookup.took.into(),
        result,
        addresses: found.iter().map(|to| to.ip().to_string()).collect(),
        error,
    }
}

/// Record of a probe; `ids` has the number of each attempt.
fn address(probe: &Probe, ids: &HashMap<&Address, usize>) -> ProbeAddress {
    ProbeAddress {
        ip: without_port(&probe.attempt.address),
        port: probe.to.port(),
        family: probe.to.ip().into(),
        label: probe.label.clone(),
        attempt_id: ids.get(&probe.attempt.address).copied(),
        start_ms: probe.attempt.start.into(),
        duration_ms: probe.attempt.took.into(),
        result: (&probe.attempt.outcome).into(),
        error: error::of_attempt(&probe.attempt),
        tls: probe.tls.as_ref().map(|tls| ProbeTls {
            duration_ms: tls.took().map(Into::into),
            result: tls::result(tls),
            error: tls.failure.as_ref().map(|failure| error::of_tls(tls, failure)),
        }),
    }
}

fn policy(row: &Row, limit: Duration) -> PolicyRow {
    let mismatch = row.mismatch(limit);
    PolicyRow {
        name: row.name.into(),
        client: client(row.name).into(),
        selected: row.is_own,
        predicted: predicted(&row.prediction),
        measured: row.measured.as_ref().map(measured),
        matches: row.measured.as_ref().map(|_| mismatch.is_none()),
        mismatch: mismatch.map(Mismatch::from),
    }
}

fn predicted(prediction: &Prediction) -> Predicted {
    let certain = prediction.end.filter(|_| prediction.certain_until.is_none());
    let uncertain = prediction.end.filter(|_| prediction.certain_until.is_some());
    let (outcome, to) = ending(certain);
    Predicted {
        outcome,
        ip: to.map(|to| to.ip().to_string()),
        port: to.map(|to| to.port()),
        ms: certain.map(|end| end.after.into()),
        at_least_ms: prediction.certain_until.map(Into::into),
        if_silent: uncertain.map(if_silent),
        starts: prediction.starts.iter().map(start).collect(),
    }
}

fn if_silent(end: PredictedEnd) -> IfSilent {
    let (outcome, to) = ending(Some(end));
    let (ip, port) = (to.map(|to| to.ip().to_string()), to.map(|to| to.port()));
    IfSilent { outcome, ip, port, ms: end.after.into() }
}

fn ending(end: Option<PredictedEnd>) -> (PredictedOutcome, Option<SocketAddr>) {
    match end.map(|end| end.how) {
        None => (PredictedOutcome::Unknown, None),
        Some(PredictedResult::Connects(to)) => (PredictedOutcome::Success, Some(to)),
        Some(PredictedResult::NoTls(to)) => (PredictedOutcome::NoTls, Some(to)),
        Some(PredictedResult::NotResolved) => (PredictedOutcome::NotResolved, None),
        Some(PredictedResult::AllFail) => (PredictedOutcome::Failure, None),
    }
}

fn start(start: &Start) -> PredictedStart {
    PredictedStart {
        ip: start.to.ip().to_string(),
        port: start.to.port(),
        start_ms: start.at.into(),
        reason: start.reason.into(),
    }
}

fn measured(measured: &compare::Measured) -> Measured {
    Measured {
        outcome: match measured.to {
            Some(_) => MeasuredOutcome::Success,
            None if measured.end == End::Failed(FailureKind::TimedOut) => MeasuredOutcome::Timeout,
            None => MeasuredOutcome::Failure,
        },
        ip: measured.to.map(|to| to.ip().to_string()),
        port: measured.to.map(|to| to.port()),
        ms: measured.after.into(),
        exit_code: exit_status::for_run(measured.end, &measured.unmet).code(),
        message: cause::run_failure(measured),
    }
}

impl From<compare::Mismatch> for Mismatch {
    fn from(mismatch: compare::Mismatch) -> Self {
        match mismatch {
            compare::Mismatch::OtherWinner => Self::OtherWinner,
            compare::Mismatch::Earlier(_) => Self::Earlier,
            compare::Mismatch::Later(_) => Self::Later,
            compare::Mismatch::Connected => Self::Connected,
            compare::Mismatch::NotConnected => Self::NotConnected,
        }
    }
}
