//! For people.

use std::time::Duration;

use loopctl::{CopyReason, SendfilePath};

use super::super::units::{bytes, prose};
use crate::message::plain;
use crate::sendfile::Sending;

/// How much went, in what time, and which way.
pub(crate) fn sent(sending: &Sending) -> String {
    let went = &sending.went;
    let of = sending.wanted.filter(|wanted| went.bytes < *wanted);
    let of = of.map_or_else(String::new, |wanted| format!(" of {}", bytes(wanted)));
    let rate = sending.rate().map_or_else(String::new, |rate| format!(" ({}/s)", bytes(rate)));
    let mut line = format!("sent {}{of} in {}{rate}", bytes(went.bytes), prose(sending.took));
    if let Some(path) = went.path {
        let (by, what) = match path {
            SendfilePath::Native => ("sendfile".to_owned(), "call"),
            SendfilePath::Copied(CopyReason::Asked) => ("copy".to_owned(), "read"),
            SendfilePath::Copied(reason) => (format!("copy: {}", why(reason)), "read"),
        };
        let plural = if went.calls == 1 { "" } else { "s" };
        line += &format!(" by {by}, {} {what}{plural}", went.calls);
    }
    if let Some(retransmits) = went.retransmits {
        let plural = if retransmits == 1 { "" } else { "s" };
        line += &format!(", {retransmits} retransmit{plural}");
    }
    line + "\n"
}

fn why(reason: CopyReason) -> String {
    if reason != CopyReason::Tls {
        return plain(reason);
    }
    match loopctl::kernel_tls() {
        Ok(()) => format!("{reason}, though the kernel could"),
        Err(error) => format!("{reason}, and the kernel could not ({})", plain(error)),
    }
}

/// In between.
pub(crate) fn so_far(count: u64, took: Duration) -> String {
    format!("sent {} in {} so far\n", bytes(count), prose(took))
}
