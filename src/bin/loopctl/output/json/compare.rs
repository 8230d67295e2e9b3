//! What every policy would get, in the document of a connection.

use std::net::SocketAddr;
use std::time::Duration;

use loopctl::plan::{Answer, Family};
use serde_json::{Value, json};

use super::connect::{AddressRecord, ErrorRecord};
use super::events::reason;
use crate::diagnose::{exit_status, name};
use crate::output::human::compare::client;
use crate::output::units::ms;
use crate::report::compare::{
    Comparison, Lookup, LookupEnd, Measured, Measurement, Mismatch, Probe, Row,
};
use crate::report::prediction::{PredictedEnd, PredictedResult, PredictedStart, Prediction};
use crate::report::{End, FailureKind, Report};

/// `null` where nothing was compared.
pub(crate) fn compare(report: &Report) -> Option<Value> {
    let comparison = report.comparison.as_ref()?;
    let Comparison { measurement, rows, is_live } = &**comparison;
    let limit = report.subject.timeout;
    Some(json!({
        "live": is_live,
        "probe_timeout_ms": ms(measurement.patience),
        "kernel_timeout_ms": ms(measurement.kernel),
        "probes": {
            "queries": measurement.lookups.iter().map(|it| query(it, measurement)).collect::<Vec<_>>(),
            "addresses": measurement.probes.iter().map(|it| address(it, report)).collect::<Vec<_>>(),
        },
        "policies": rows.iter().map(|row| policy(row, limit)).collect::<Vec<_>>(),
    }))
}

/// Why the policy that was asked for has no connection where others have one.
pub(crate) fn error(own: &Row, kind: FailureKind) -> ErrorRecord {
    let kind = match kind {
        FailureKind::TimedOut => "timeout",
        FailureKind::NotResolved => "dns",
        FailureKind::NoTls => "tls",
        FailureKind::NotTrusted => "cert",
        _ => "io",
    };
    let why = own.measured.as_ref().and_then(|measured| measured.why.clone());
    let why = why.unwrap_or_else(|| "no connection in time".to_owned());
    ErrorRecord::plain(kind, format!("by the policy {}: {why}", own.name))
}

fn query(lookup: &Lookup, measurement: &Measurement) -> Value {
    let (result, error) = match &lookup.end {
        LookupEnd::Found(_) => ("answered", None),
        LookupEnd::Failed(error) => {
            let result = match error.answer::<SocketAddr>() {
                Answer::NoName => "nxdomain",
                Answer::NoData => "nodata",
                Answer::TimedOut => "timeout",
                _ => "error",
            };
            (result, Some(ErrorRecord::plain("dns", name::resolver(error))))
        }
        LookupEnd::Silent => {
            ("timeout", Some(ErrorRecord::plain("timeout", "no answer".to_owned())))
        }
        LookupEnd::Interrupted => ("canceled", None),
    };
    let found = match &lookup.end {
        LookupEnd::Found(found) => found.as_slice(),
        _ => &[],
    };
    let types: &[&str] = match lookup.family {
        Family::Inet6 => &["AAAA"],
        Family::Inet => &["A"],
        Family::Unspecified => &["AAAA", "A"],
    };
    json!({
        "types": types,
        "via": if measurement.is_dns { "dns" } else { "system" },
        "start_ms": ms(lookup.start),
        "duration_ms": ms(lookup.took),
        "result": result,
        "addresses": found.iter().map(|to| to.ip().to_string()).collect::<Vec<_>>(),
        "error": error,
    })
}

fn address(probe: &Probe, report: &Report) -> Value {
    let attempt = report.attempts.iter().position(|it| it.address == probe.attempt.address);
    let mut record =
        serde_json::to_value(AddressRecord::from(&probe.attempt.address)).unwrap_or_default();
    record["label"] = probe.label.clone().into();
    record["attempt_id"] = attempt.map(|number| number + 1).into();
    record["start_ms"] = ms(probe.attempt.start).into();
    record["duration_ms"] = ms(probe.attempt.took).into();
    record["result"] = probe.attempt.outcome.name().into();
    record["error"] = json!(ErrorRecord::of(&probe.attempt));
    record["tls"] = json!(probe.tls.as_ref().map(|tls| json!({
        "duration_ms": tls.took().map(ms),
        "result": super::tls::result(tls),
        "error": tls.failure.as_ref().map(|failure| super::tls::error(tls, failure)),
    })));
    record
}

fn policy(row: &Row, limit: Duration) -> Value {
    let mismatch = row.mismatch(limit);
    json!({
        "name": row.name,
        "client": client(row.name),
        "selected": row.is_own,
        "predicted": predicted(&row.prediction),
        "measured": row.measured.as_ref().map(measured),
        "matches": row.measured.as_ref().map(|_| mismatch.is_none()),
        "mismatch": mismatch.map(words),
    })
}

fn predicted(prediction: &Prediction) -> Value {
    let (mut record, silence) = match prediction.certain_until {
        None => (ending(prediction.end), None),
        Some(_) => (ending(None), prediction.end.map(|end| ending(Some(end)))),
    };
    record["at_least_ms"] = prediction.certain_until.map(ms).into();
    record["if_silent"] = json!(silence);
    record["starts"] = prediction.starts.iter().map(start).collect();
    record
}

fn ending(end: Option<PredictedEnd>) -> Value {
    let (outcome, to) = match end.map(|end| end.how) {
        None => ("unknown", None),
        Some(PredictedResult::Connects(to)) => ("success", Some(to)),
        Some(PredictedResult::NoTls(to)) => ("no_tls", Some(to)),
        Some(PredictedResult::NotResolved) => ("not_resolved", None),
        Some(PredictedResult::AllFail) => ("failure", None),
    };
    json!({
        "outcome": outcome,
        "ip": to.map(|to| to.ip().to_string()),
        "port": to.map(|to: SocketAddr| to.port()),
        "ms": end.map(|end| ms(end.after)),
    })
}

fn start(begun: &PredictedStart) -> Value {
    json!({
        "ip": begun.to.ip().to_string(),
        "port": begun.to.port(),
        "start_ms": ms(begun.at),
        "reason": reason(begun.why),
    })
}

fn measured(measured: &Measured) -> Value {
    let is_timeout = measured.end == End::Failed(FailureKind::TimedOut);
    let outcome = match measured.to {
        Some(_) => "success",
        None if is_timeout => "timeout",
        None => "failure",
    };
    json!({
        "outcome": outcome,
        "ip": measured.to.map(|to| to.ip().to_string()),
        "port": measured.to.map(|to| to.port()),
        "ms": ms(measured.after),
        "exit_code": exit_status::for_run(measured.end, &measured.unmet).code(),
        "message": measured.why,
    })
}

fn words(mismatch: Mismatch) -> &'static str {
    match mismatch {
        Mismatch::OtherWinner => "other_winner",
        Mismatch::Earlier(_) => "earlier",
        Mismatch::Later(_) => "later",
        Mismatch::Connected => "connected",
        Mismatch::NotConnected => "not_connected",
    }
}
