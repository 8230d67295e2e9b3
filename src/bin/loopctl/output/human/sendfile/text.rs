//! Report of a transfer as text.

use std::io::ErrorKind;

use loopctl::{CopyReason, SendfilePath};

use crate::output::progress::bar::Progress;
use crate::report::transfer::TransferReport;
use crate::util::message::plain;
use crate::util::units::{bytes, printable, prose, wrap};

/// Indentation of wrapped lines.
const INDENT: &str = "  ";

/// Bytes, duration and method, wrapped to the width.
pub(crate) fn sent(sending: &TransferReport, width: Option<usize>) -> String {
    let line = line(sending);
    let lines = width.map_or_else(
        || vec![line.clone()],
        |width| wrap(&line, width.saturating_sub(INDENT.len())),
    );
    lines.join(&format!("\n{INDENT}")) + "\n"
}

/// Checksum in the format of sha256sum(1). For a part of a file it is a comment, which the tools skip.
pub(crate) fn sum(sending: &TransferReport) -> Vec<u8> {
    let Some(sum) = &sending.sum else { return Vec::new() };
    if !sending.is_part {
        return sum.line(sending.path.as_os_str().as_encoded_bytes());
    }
    let (count, offset) = (sending.progress.bytes, sending.offset);
    let name = printable(&sending.file);
    let algorithm = sum.algorithm.name();
    format!("# {algorithm} {}  {count} bytes from {offset} on of {name}\n", sum.hex).into_bytes()
}

fn line(sending: &TransferReport) -> String {
    let went = &sending.progress;
    let of = sending.wanted.filter(|wanted| went.bytes < *wanted);
    let of = of.map_or_else(String::new, |wanted| format!(" of {}", bytes(wanted)));
    let rate = sending.rate().map_or_else(String::new, |rate| format!(" ({}/s)", bytes(rate)));
    let mut line = format!("sent {}{of} in {}{rate}", bytes(went.bytes), prose(sending.took));
    if let Some(path) = went.path {
        let (by, what) = match path {
            SendfilePath::Copied(CopyReason::Asked) => ("copy".to_owned(), "read"),
            SendfilePath::Copied(reason) => (format!("copy: {}", why(reason)), "read"),
            _ => ("sendfile".to_owned(), "call"),
        };
        let plural = if went.calls == 1 { "" } else { "s" };
        line += &format!(" by {by}, {} {what}{plural}", went.calls);
    }
    if let Some(retransmits) = went.retransmits {
        let plural = if retransmits == 1 { "" } else { "s" };
        line += &format!(", {retransmits} retransmit{plural}");
    }
    line
}

fn why(reason: CopyReason) -> String {
    if reason != CopyReason::Tls {
        return plain(reason);
    }
    match loopctl::kernel_tls() {
        Ok(()) => format!("{reason}, although the kernel supports it"),
        // The kernel lacks the tls module.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            format!("{reason}, not supported by this kernel")
        }
        Err(error) => format!("{reason}, refused by the kernel ({})", plain(error)),
    }
}

/// Progress, printed at SIGQUIT.
pub(crate) fn interim(progress: Progress) -> String {
    let Progress { had, sent, took } = progress;
    let had = if had > 0 { format!(", after {} already there", bytes(had)) } else { String::new() };
    format!("sent {} in {}{had} so far\n", bytes(sent), prose(took))
}
