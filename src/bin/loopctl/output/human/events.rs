//! Lines about events as they happen, for `-v`.

use loopctl::plan::{FirstAttemptReason, Reason};
use loopctl::{Event, EventKind, SocketSnapshot, TlsError, TlsErrorKind};

use super::text::reached;
use crate::diagnose::cause::failure_text;
use crate::report::family::FamilyNames as _;
use crate::report::{Report, Via};
use crate::util::units;

/// Line of an event, or `None` for an event that has no line.
pub(crate) fn event(event: &Event, report: &Report) -> Option<String> {
    let is_looked_up = matches!(report.resolve.via, Via::System | Via::Dns);
    let what = match &event.kind {
        EventKind::ResolveStarted { host } if is_looked_up => {
            format!("resolving {host}")
        }
        EventKind::Resolved { addresses } if is_looked_up => {
            format!("resolved to {}", count(addresses.len()))
        }
        EventKind::ResolveFailed { error } => error.to_string(),
        EventKind::QueryAnswered { family, addresses } => {
            format!("{} has {}", family.record_type(), count(addresses.len()))
        }
        EventKind::QueryFailed { family, error } => {
            format!("{}: {error}", family.record_type())
        }
        EventKind::QueryCanceled { family } => {
            format!("{}: no answer, no longer needed", family.record_type())
        }
        EventKind::AttemptStarted { attempt, address, reason, .. } => {
            format!("#{} {address} started{}", attempt + 1, start_reason(*reason))
        }
        EventKind::AttemptConnected { attempt, .. } => format!("#{} connected", attempt + 1),
        EventKind::AttemptSucceeded { attempt, .. } | EventKind::AttemptFailed { attempt, .. }
            if report.attempts.get(*attempt)?.tls.is_some() =>
        {
            // Because the line of its handshake says it.
            return None;
        }
        EventKind::AttemptSucceeded { attempt, snapshot } => {
            format!("#{} {}{}", attempt + 1, reached(report, *attempt), socket_text(snapshot))
        }
        EventKind::AttemptFailed { attempt, failure, snapshot, .. } => {
            let icmp = snapshot.icmp.map_or_else(String::new, |icmp| format!(", {icmp}"));
            format!("#{} {}{icmp}{}", attempt + 1, failure_text(failure), socket_text(snapshot))
        }
        EventKind::AttemptTimedOut { attempt, snapshot } => {
            format!("#{} timed out{}", attempt + 1, socket_text(snapshot))
        }
        EventKind::AttemptCanceled { attempt, snapshot } => {
            format!("#{} given up{}", attempt + 1, socket_text(snapshot))
        }
        kind => tls_line(kind, report)?,
    };
    Some(format!("{:>9} ms  {what}", units::column(report.since_start(event.at))))
}

/// Line of a handshake, with the number of its attempt where handshakes are part of the race.
fn tls_line(kind: &EventKind, report: &Report) -> Option<String> {
    let (attempt, text) = match kind {
        EventKind::TlsStarted { attempt } => (attempt, "TLS handshake started".to_owned()),
        EventKind::TlsFirstByte { attempt } => (attempt, "first byte from the peer".to_owned()),
        EventKind::TlsEstablished { attempt, info, .. } => {
            (attempt, format!("{} established, {}", info.version, info.cipher_suite))
        }
        EventKind::TlsFailed { attempt, error, failure, .. } => {
            // Because the line of the attempt's end says it.
            let kind = error.as_ref().map(TlsError::kind);
            let is_given_up = matches!(kind, Some(TlsErrorKind::Canceled | TlsErrorKind::TimedOut));
            if is_given_up && attempt.is_some() && report.selected.is_none() {
                return None;
            }
            (attempt, failure_text(failure))
        }
        _ => return None,
    };
    let raced = attempt
        .filter(|number| report.attempts.get(*number).is_some_and(|attempt| attempt.tls.is_some()));
    Some(raced.map_or_else(|| text.clone(), |number| format!("#{} {text}", number + 1)))
}

fn count(addresses: usize) -> String {
    if addresses == 1 { "1 address".to_owned() } else { format!("{addresses} addresses") }
}

/// Local address of an attempt, and its SYN retransmits.
fn socket_text(snapshot: &SocketSnapshot) -> String {
    let from = snapshot.local.map_or_else(String::new, |local| format!(", from {local}"));
    match snapshot.tcp.map_or(0, |tcp| tcp.retransmits) {
        0 => from,
        count => format!("{from}, SYN resent {count}"),
    }
}

/// Reason for the start of an attempt.
fn start_reason(reason: Reason) -> String {
    match reason {
        Reason::First(FirstAttemptReason::ResolutionDelay) => {
            ", the Resolution Delay has passed".to_owned()
        }
        Reason::First(_) => String::new(),
        Reason::Timer => ", no answer yet".to_owned(),
        Reason::AttemptEnded(number) => format!(" after #{}", number + 1),
        Reason::LateAnswer => ", its address was resolved late".to_owned(),
        Reason::ParallelLimit => ", below the limit of parallel attempts".to_owned(),
    }
}
