//! Findings about SYNs that the kernel sent again. Its round-trip time shows which of them was answered.

use std::time::Duration;

use super::{Basis, CausedBy, Evidence, EvidenceSource, Finding, FindingKind, attempts};
use crate::diagnose::cause::ip_text;
use crate::report::{Attempt, Report};
use crate::util::units;

/// SYN that was answered, as far as the round-trip time of the kernel shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnsweredSyn {
    /// The round trip takes about as long as the connect.
    First,
    /// The round trip is much shorter.
    Later,
    /// Without timestamps, there is no round trip.
    Unknown,
}

/// The SYN of a connection that was answered; `None` if it was sent once.
pub(crate) fn answered_syn(attempt: &Attempt) -> Option<AnsweredSyn> {
    let tcp = attempt.connected?;
    if tcp.retransmits == 0 {
        return None;
    }
    let waited = attempt.took.saturating_sub(attempt.end_lag);
    Some(match tcp.rtt {
        Duration::ZERO => AnsweredSyn::Unknown,
        // Because the first retransmission follows after a second, nine tenths leave no doubt.
        rtt if rtt * 10 >= waited * 9 => AnsweredSyn::First,
        _ => AnsweredSyn::Later,
    })
}

/// Connections that full accept queues dropped during the run, as evidence.
pub(super) fn overflow_evidence(count: u64) -> Evidence {
    EvidenceSource::File.says(match count {
        0 => "/proc/net/netstat: ListenOverflows did not rise".to_owned(),
        count => format!("/proc/net/netstat: ListenOverflows rose by {count}"),
    })
}

/// Finding about the SYN of the connection, if it was sent again.
pub(super) fn syn_finding(report: &Report) -> Option<Finding> {
    let (number, winner) = (report.selected?, report.winner()?);
    let (answered, tcp) = (answered_syn(winner)?, winner.connected?);
    let times = tcp.retransmits;
    let rtt = units::prose(tcp.rtt);
    let waited = winner.took.saturating_sub(winner.end_lag);
    let overflows = report.surroundings.listen_overflows.filter(|_| winner.is_on_this_host());
    let (basis, cost, text) = match (answered, overflows) {
        (AnsweredSyn::First, _) => (
            Basis::Inference,
            waited,
            format!(
                "SYN resent {times}, and the first one answered after {rtt}: a slow path, or its answer was lost"
            ),
        ),
        (AnsweredSyn::Later, Some(1..)) => (
            Basis::Inference,
            waited.saturating_sub(tcp.rtt),
            format!("SYN resent {times}: the accept queue of a service on this host was full"),
        ),
        (AnsweredSyn::Later, Some(0)) => (
            Basis::Inference,
            waited.saturating_sub(tcp.rtt),
            format!("SYN resent {times}: dropped on this host, and no accept queue was full"),
        ),
        (AnsweredSyn::Later, None) => (
            Basis::Inference,
            waited.saturating_sub(tcp.rtt),
            format!(
                "SYN resent {times} (round trip {rtt}): lost on the way, or its accept queue was full"
            ),
        ),
        (AnsweredSyn::Unknown, _) => (
            Basis::Fact,
            waited,
            format!(
                "SYN resent {times}; without timestamps, loss, a full accept queue and a slow path look the same"
            ),
        ),
    };
    let mut evidence = attempts::evidence(winner);
    evidence.extend(overflows.map(overflow_evidence));
    let (kind, caused_by) = (FindingKind::SynResent, CausedBy::Attempt(number));
    let text = format!("`{}`: {text}", ip_text(winner));
    Some(Finding { kind, caused_by, cost, text, basis, evidence })
}
