//! Transfer of a file as one JSON document.

use loopctl::{CopyReason, SendfilePath};

use super::{connect, error};
use crate::diagnose::{exit_status, transfer};
use crate::exit::Exit;
use crate::output::wire::common::{Hex, Outcome, VERSION};
use crate::output::wire::connect::Document as ConnectDocument;
use crate::output::wire::transfer::{Document, FallbackReason, Method, Name};
use crate::report::transfer::TransferReport;
use crate::report::{End, Report};
use crate::util::checksum::Algorithm;

pub(crate) fn document(report: &Report, sending: &TransferReport) -> Document {
    let went = &sending.progress;
    let reason = match went.path {
        Some(SendfilePath::Copied(reason)) => Some(reason),
        _ => None,
    };
    let sum = |algorithm| {
        let sum = sending.sum.as_ref().filter(|sum| sum.algorithm == algorithm);
        sum.map(|sum| Hex(sum.hex.clone()))
    };
    let is_encrypted = reason == Some(CopyReason::Tls);
    let failed = transfer::transfer_failure(sending).as_ref().map(error::of_connection);
    Document {
        schema: Name::V1,
        version: VERSION,
        file: sending.file.clone(),
        target: report.subject.text.clone(),
        outcome: outcome(report),
        exit_code: exit_status::for_report(report).code(),
        offset_bytes: sending.offset,
        count_bytes: sending.wanted,
        sent_bytes: went.bytes,
        method: went.path.map(Method::from),
        fallback_reason: reason.map(FallbackReason::from),
        kernel_tls: is_encrypted.then(|| loopctl::kernel_tls().is_ok()),
        calls: went.calls,
        duration_ms: sending.took.into(),
        bytes_per_second: sending.rate(),
        retransmits: went.retransmits,
        sha256: sum(Algorithm::Sha256),
        blake3: sum(Algorithm::Blake3),
        connect: sending.is_opened.then(|| Box::new(connection(report))),
        error: failed.or_else(|| connect::error(report)),
    }
}

/// Document of the connection, whose exit code is not that of the transfer.
fn connection(report: &Report) -> ConnectDocument {
    let mut document = connect::document(report);
    if report.end == End::Connected && report.unmet.is_empty() {
        document.exit_code = Exit::Success.code();
    }
    document
}

fn outcome(report: &Report) -> Outcome {
    match (report.end, exit_status::for_report(report)) {
        (End::Interrupted(_), _) | (_, Exit::Signal(_)) => Outcome::Interrupted,
        (_, Exit::Success) => Outcome::Success,
        (_, Exit::TimedOut) => Outcome::Timeout,
        _ => Outcome::Failure,
    }
}

impl From<SendfilePath> for Method {
    fn from(path: SendfilePath) -> Self {
        match path {
            SendfilePath::Copied(_) => Self::Copy,
            _ => Self::Sendfile,
        }
    }
}

impl From<CopyReason> for FallbackReason {
    fn from(reason: CopyReason) -> Self {
        match reason {
            CopyReason::Asked => Self::Asked,
            CopyReason::Tls => Self::Tls,
            CopyReason::NotRegularFile => Self::NotARegularFile,
            _ => Self::Refused,
        }
    }
}
