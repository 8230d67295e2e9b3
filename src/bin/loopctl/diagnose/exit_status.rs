//! Exit statuses of reports; `exit.rs` has the table of all statuses.

use signal_hook::consts::{SIGINT, SIGPIPE};

use super::path;
use crate::exit::Exit;
use crate::report::http::HttpFailureKind;
use crate::report::names::{NameEnd, NameReport};
use crate::report::relay::{RelayEnd, RelayError};
use crate::report::repeat::{RepeatReport, RunFailure};
use crate::report::served::ServeOutcome;
use crate::report::target_result::TargetResult;
use crate::report::transfer::{TransferEnd, TransferError};
use crate::report::{End, FailureKind, Report, Unmet};
use crate::util::cancellation::StopReason;

/// Exit status of a target of `connect` or `sendfile`.
pub(crate) fn for_target(result: &TargetResult) -> Exit {
    match result {
        TargetResult::Report(report) => for_report(report),
        TargetResult::Repeat(report) => for_repeat(report),
        TargetResult::Path(report) => path::exit_status(report),
    }
}

/// Exit status of one connection, with its relay or transfer.
pub(crate) fn for_report(report: &Report) -> Exit {
    let report = report.last_hop();
    match report.end {
        End::Connected if !report.unmet.is_empty() => for_unmet(&report.unmet),
        End::Connected => match (&report.relay, &report.transfer) {
            (Some(relay), _) => for_relay(&relay.end),
            (None, Some(transfer)) => for_transfer(&transfer.end),
            (None, None) => Exit::Success,
        },
        // Because the connection was not tried, the file decides.
        End::Failed(FailureKind::NoFile) => report
            .transfer
            .as_ref()
            .map_or(Exit::CannotRead, |transfer| for_transfer(&transfer.end)),
        End::Failed(kind) => for_failure(kind),
        End::Interrupted(reason) => for_stop(reason),
    }
}

/// Exit status of a run of a policy under `--compare`.
pub(crate) fn for_run(end: End, unmet: &[Unmet]) -> Exit {
    match end {
        End::Connected if !unmet.is_empty() => for_unmet(unmet),
        End::Connected => Exit::Success,
        End::Failed(kind) => for_failure(kind),
        End::Interrupted(reason) => for_stop(reason),
    }
}

/// Exit status of `--count`. After SIGINT, as ping: success if any run succeeded; otherwise every run counts.
pub(crate) fn for_repeat(report: &RepeatReport) -> Exit {
    let connected = report.runs.connected > 0;
    match report.interrupted {
        Some(StopReason::Signal(SIGINT)) if connected => return Exit::Success,
        Some(StopReason::Signal(SIGINT)) => return Exit::Mixed,
        Some(reason) => return for_stop(reason),
        None => {}
    }
    let mut exits: Vec<Exit> = report.runs.failures.iter().map(|it| for_run_failure(*it)).collect();
    exits.sort_unstable();
    exits.dedup();
    match exits.as_slice() {
        [] => Exit::Success,
        [only] if !connected => *only,
        [only @ (Exit::Unexpected | Exit::NotTrusted | Exit::HttpError)] => *only,
        _ => Exit::Mixed,
    }
}

/// Exit status of a name of `resolve`.
pub(crate) fn for_name(report: &NameReport) -> Exit {
    match report.end {
        NameEnd::Found => Exit::Success,
        NameEnd::Failed(_) => Exit::NotResolved,
        NameEnd::Interrupted(reason) => for_stop(reason),
    }
}

/// Exit status of `serve`, after it listened.
pub(crate) fn for_serve(outcome: ServeOutcome) -> Exit {
    match outcome {
        ServeOutcome::Completed => Exit::Success,
        ServeOutcome::Signal(number) => Exit::Signal(number),
        ServeOutcome::ClientsCutOff | ServeOutcome::TooFewClients => Exit::TimedOut,
        ServeOutcome::Incomplete => Exit::ReceiveFailed,
    }
}

/// Exit status of unmet expectations; a certificate that expires too soon takes precedence, then an HTTP error.
fn for_unmet(unmet: &[Unmet]) -> Exit {
    let of_one = |unmet: &Unmet| match unmet {
        Unmet::CertificateExpiry { .. } => Exit::NotTrusted,
        Unmet::HttpError { .. } => Exit::HttpError,
        _ => Exit::Unexpected,
    };
    unmet.iter().map(of_one).max().unwrap_or(Exit::Unexpected)
}

fn for_http(kind: HttpFailureKind) -> Exit {
    match kind {
        HttpFailureKind::Empty => Exit::EmptyReply,
        HttpFailureKind::Invalid => Exit::WeirdReply,
        HttpFailureKind::Http2 => Exit::Http2,
        HttpFailureKind::Http2Stream => Exit::Http2Stream,
        HttpFailureKind::Send => Exit::SendFailed,
        HttpFailureKind::Receive | HttpFailureKind::Unfinished => Exit::ReceiveFailed,
        HttpFailureKind::Partial => Exit::Partial,
        HttpFailureKind::TooManyRedirects => Exit::TooManyRedirects,
    }
}

fn for_run_failure(failure: RunFailure) -> Exit {
    match failure {
        RunFailure::Failed(kind) => for_failure(kind),
        RunFailure::Unexpected => Exit::Unexpected,
        RunFailure::CertificateExpiry => Exit::NotTrusted,
        RunFailure::HttpError => Exit::HttpError,
    }
}

fn for_failure(kind: FailureKind) -> Exit {
    match kind {
        FailureKind::NotResolved => Exit::NotResolved,
        FailureKind::NotConnected => Exit::NotConnected,
        FailureKind::TimedOut => Exit::TimedOut,
        FailureKind::NoTls => Exit::NoTls,
        FailureKind::CannotBind => Exit::CannotBind,
        FailureKind::NoSocket => Exit::Mixed,
        FailureKind::NoFile => Exit::CannotRead,
        FailureKind::NotTrusted => Exit::NotTrusted,
        FailureKind::NoHttp(kind) => for_http(kind),
    }
}

fn for_relay(end: &RelayEnd) -> Exit {
    match end {
        RelayEnd::Eof => Exit::Success,
        RelayEnd::Interrupted(reason) => for_stop(*reason),
        RelayEnd::OutputClosed => Exit::Signal(SIGPIPE),
        RelayEnd::Failed(RelayError::Input(_)) => Exit::CannotRead,
        RelayEnd::Failed(RelayError::Output(_)) => Exit::CannotWrite,
        RelayEnd::Failed(RelayError::Reset(_) | RelayError::Receive(_)) => Exit::ReceiveFailed,
        RelayEnd::Failed(RelayError::Send(_)) => Exit::SendFailed,
        RelayEnd::Failed(RelayError::Idle(_)) => Exit::TimedOut,
    }
}

fn for_transfer(end: &TransferEnd) -> Exit {
    let error = match end {
        TransferEnd::Complete => return Exit::Success,
        TransferEnd::Interrupted(reason) => return for_stop(*reason),
        TransferEnd::Failed(error) => error,
    };
    match error {
        TransferError::File(_) => Exit::CannotRead,
        TransferError::Method(_) | TransferError::Send(_) | TransferError::ResumeRequired => {
            Exit::SendFailed
        }
        TransferError::NotASink(_) | TransferError::Unconfirmed(_) => Exit::ReceiveFailed,
        TransferError::Idle(_)
        | TransferError::NoOffer(_)
        | TransferError::NoReceipt(_)
        | TransferError::Timeout(_) => Exit::TimedOut,
        TransferError::Short { .. } | TransferError::Changed { .. } | TransferError::Differs(_) => {
            Exit::Partial
        }
    }
}

fn for_stop(reason: StopReason) -> Exit {
    Exit::from(reason)
}
