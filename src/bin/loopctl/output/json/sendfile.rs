//! The document: `schemas/sendfile.v1.json`.

use loopctl::{CopyReason, SendfilePath};
use serde_json::{Value, json};

use super::connect;
use crate::diagnose::{exit_status, transfer};
use crate::exit::Exit;
use crate::output::units::ms;
use crate::report::transfer::TransferReport;
use crate::report::{End, Report};
use crate::util::checksum::Algorithm;

pub(crate) fn document(report: &Report, sending: &TransferReport) -> Value {
    let went = &sending.progress;
    let reason = match went.path {
        Some(SendfilePath::Copied(reason)) => Some(reason),
        _ => None,
    };
    let method = went.path.map(|path| match path {
        SendfilePath::Native => "sendfile",
        SendfilePath::Copied(_) => "copy",
    });
    let sum = |wanted| sending.sum.as_ref().filter(|sum| sum.algorithm == wanted).map(|s| &s.hex);
    json!({
        "schema": "loopctl.sendfile.v1",
        "version": env!("CARGO_PKG_VERSION"),
        "file": sending.file,
        "target": report.subject.text,
        "outcome": outcome(report),
        "exit_code": exit_status::for_report(report).code(),
        "offset_bytes": sending.offset,
        "count_bytes": sending.wanted,
        "sent_bytes": went.bytes,
        "method": method,
        "fallback_reason": reason.map(CopyReason::name),
        "kernel_tls": reason.filter(|reason| *reason == CopyReason::Tls).map(|_| loopctl::kernel_tls().is_ok()),
        "calls": went.calls,
        "duration_ms": ms(sending.took),
        "bytes_per_second": sending.rate(),
        "retransmits": went.retransmits,
        "sha256": sum(Algorithm::Sha256),
        "blake3": sum(Algorithm::Blake3),
        "connect": sending.is_opened.then(|| connection(report)),
        "error": error(report, sending),
    })
}

fn outcome(report: &Report) -> &'static str {
    match (report.end, exit_status::for_report(report)) {
        (End::Interrupted(_), _) | (_, Exit::Signal(_)) => "interrupted",
        (_, Exit::Success) => "success",
        (_, Exit::TimedOut) => "timeout",
        _ => "failure",
    }
}

/// What failed of the transfer, or else of the connection.
fn error(report: &Report, sending: &TransferReport) -> Value {
    match transfer::transfer_failure(sending) {
        Some((what, failure)) => connect::failure(&what, &failure),
        None => connection(report)["error"].clone(),
    }
}

/// The document of the connection, which says nothing of what it was for.
fn connection(report: &Report) -> Value {
    let mut alone = report.clone();
    alone.transfer = None;
    connect::document(&alone)
}
