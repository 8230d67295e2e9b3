//! Messages about failed transfers and relays.

use std::io;

use loopctl::Failure;

use crate::report::Report;
use crate::report::relay::{RelayEnd, RelayError};
use crate::report::transfer::{Difference, FileChange, TransferEnd, TransferError, TransferReport};
use crate::util::units;

/// The operation that failed, and the failure.
pub(crate) type Failed = (String, Failure);

/// The failure of a relay, if it failed.
pub(crate) fn relay_failure(report: &Report) -> Option<Failed> {
    let RelayEnd::Failed(error) = &report.relay.as_ref()?.end else { return None };
    let address = report.winner().map(|winner| winner.address.to_string()).unwrap_or_default();
    Some(match error {
        RelayError::Input(failure) => ("cannot read standard input".to_owned(), failure.clone()),
        RelayError::Output(failure) => ("cannot write output".to_owned(), failure.clone()),
        RelayError::Reset(failure) | RelayError::Receive(failure) => {
            (format!("cannot receive from `{address}`"), failure.clone())
        }
        RelayError::Send(failure) => (format!("cannot send to `{address}`"), failure.clone()),
        RelayError::Idle(limit) => {
            let what = format!("no data to or from `{address}`");
            (what, late(format!("idle for {}", units::prose(*limit))))
        }
    })
}

/// The failure of a transfer, if it failed.
pub(crate) fn transfer_failure(transfer: &TransferReport) -> Option<Failed> {
    let TransferEnd::Failed(error) = &transfer.end else { return None };
    Some(failed(error, &transfer.file))
}

/// The change of a file that was written to during the transfer.
pub(crate) fn change(transfer: &TransferReport) -> Option<String> {
    let file = &transfer.file;
    Some(match transfer.change? {
        FileChange::Growth(bytes) => {
            format!("`{file}` has grown by {bytes} bytes during the transfer, which were not sent")
        }
        FileChange::Content => {
            format!(
                "`{file}` was written to during the transfer: the copy may be partly old, partly new"
            )
        }
    })
}

fn failed(error: &TransferError, file: &str) -> Failed {
    let cannot_send = || format!("cannot send `{file}`");
    let unconfirmed = || format!("the peer did not confirm that it has stored `{file}`");
    match error {
        TransferError::File(failure) => (format!("cannot read `{file}`"), failure.clone()),
        TransferError::Method(failure) => {
            (format!("sendfile(2) cannot send `{file}`"), failure.clone())
        }
        TransferError::Send(failure) => (cannot_send(), failure.clone()),
        TransferError::NotASink(failure) => {
            ("the peer does not resume".to_owned(), failure.clone())
        }
        TransferError::Unconfirmed(failure) => (unconfirmed(), failure.clone()),
        TransferError::ResumeRequired => {
            let text = "the peer is a sink with --resume, which accepts only clients with --resume";
            (cannot_send(), other(text.to_owned()))
        }
        TransferError::Idle(limit) => {
            (cannot_send(), late(format!("the peer accepted no data for {}", units::prose(*limit))))
        }
        TransferError::NoOffer(limit) => {
            let text = format!("it did not report within {} how much it has", units::prose(*limit));
            ("the peer does not resume".to_owned(), late(text))
        }
        TransferError::NoReceipt(limit) => {
            (unconfirmed(), late(format!("it sent no receipt for {}", units::prose(*limit))))
        }
        TransferError::Timeout(limit) => {
            (cannot_send(), late(format!("timed out after {}", units::prose(*limit))))
        }
        TransferError::Short { sent, wanted } => {
            let text = format!("it ended after {sent} of {wanted} bytes");
            (format!("`{file}` was sent in part"), other(text))
        }
        TransferError::Changed { then, now } => {
            let text = format!("its checksum was {then}, and is {now} now");
            (format!("`{file}` was written to during the transfer"), other(text))
        }
        TransferError::Differs(difference) => {
            let what = format!("the peer's copy of `{file}` differs");
            (what, other(difference_text(difference)))
        }
    }
}

fn difference_text(difference: &Difference) -> String {
    match difference {
        Difference::Size { there, here } => format!("it has {there} bytes there, {here} here"),
        Difference::Sum { there, here } => format!("the checksum is {there} there, {here} here"),
        Difference::NotComparable { there } => {
            format!("the checksum cannot be compared: {there} there")
        }
        Difference::Beginning { size, there, here } => format!(
            "the {size} bytes there differ from the beginning of the file: {there} there, {here} here"
        ),
    }
}

fn late(text: String) -> Failure {
    Failure::from(&io::Error::new(io::ErrorKind::TimedOut, text))
}

fn other(text: String) -> Failure {
    Failure::from(&io::Error::other(text))
}
