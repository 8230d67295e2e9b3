//! Meaning of a path: where packets end, and the exit status.

use std::net::IpAddr;
use std::time::Duration;

use super::cause::failure_text;
use super::host_cause::{is_rejecting, route_text};
use super::{hint, name};
use crate::exit::Exit;
use crate::report::path::{Hop, HopAnswer, HopAnswerKind, Path, PathEnd, PathReport};
use crate::report::{End, TransportKind};
use crate::util::message::Message;
use crate::util::units;

/// Exit status: success if an address was reached; otherwise that of the failed connection.
pub(crate) fn exit_status(report: &PathReport) -> Exit {
    match report.base.end {
        End::Interrupted(reason) => Exit::from(reason),
        _ if report.base.resolve.error.is_some() => Exit::NotResolved,
        _ if report.is_reached() => Exit::Success,
        _ if report.paths.iter().any(|path| matches!(path.end(), PathEnd::Silent { .. })) => {
            Exit::TimedOut
        }
        _ => Exit::NotConnected,
    }
}

/// Message on standard error about a target that was not reached.
pub(crate) fn explain(report: &PathReport) -> Message {
    let target = &report.base.subject.text;
    let hints = || hint::hint(&report.base).into_iter().collect();
    match (&report.base.resolve.error, report.base.end) {
        (Some(error), _) => Message {
            causes: vec![name::failure(error)],
            hints: hints(),
            ..Message::error(format!("could not trace the path to `{target}`"))
        },
        (None, End::Interrupted(_)) => {
            Message::error(format!("interrupted while tracing the path to `{target}`"))
        }
        _ if report.is_reached() => Message::default(),
        _ => Message {
            causes: report
                .paths
                .iter()
                .map(|path| format!("{}: {}", path.to, end_text(report, path)))
                .collect(),
            ..Message::error(format!("packets do not reach `{target}`"))
        },
    }
}

/// Sentence about the end of a path.
pub(crate) fn end_text(report: &PathReport, path: &Path) -> String {
    match path.end() {
        PathEnd::Reached { hop, answer } => {
            format!("reached at hop {hop}: {}", answer_text(&answer))
        }
        PathEnd::Rejected { answer, .. } if is_own(&answer) => own_text(path, &answer),
        PathEnd::Rejected { hop, answer } => {
            let from = answer.from;
            format!("rejected at hop {hop} by `{from}`: {}", answer_text(&answer))
        }
        PathEnd::Loop { first, from } => {
            format!("routing loop: packets come back to `{from}` after hop {first}")
        }
        PathEnd::Unsent => {
            let failure = path.unsent.as_ref().map(failure_text).unwrap_or_default();
            let route = path.route.as_ref().filter(|route| is_rejecting(route.kind));
            let route = route.map(|route| format!(" (route `{}` of this host)", route_text(route)));
            format!("no packet was sent: {failure}{}", route.unwrap_or_default())
        }
        PathEnd::Silent { .. } if !path.is_complete => {
            format!("no answer of the target within {}", units::prose(report.base.total))
        }
        PathEnd::Silent { after: 0 } => "no answer from any hop: packets are dropped before the \
                                         first router, or no router reports them"
            .to_owned(),
        PathEnd::Silent { after } => {
            let hop = &path.hops[usize::from(after) - 1];
            let from = hop.answers.first().map(|answer| answer.from);
            silent_text(report, after, from)
        }
    }
}

/// Sentence about an ICMP error of this host: a neighbour that does not answer, or the host's own firewall.
fn own_text(path: &Path, answer: &HopAnswer) -> String {
    let is_neighbour = match answer.kind {
        HopAnswerKind::OwnError(icmp) => {
            matches!((icmp.is_v6, icmp.icmp_type, icmp.code), (false, 3, 1) | (true, 1, 3))
        }
        _ => false,
    };
    // Linux asks for a neighbour for 1 s or longer; a firewall answers at once.
    let is_late = answer.rtt.is_none_or(|rtt| rtt >= Duration::from_millis(900));
    if !(is_neighbour && is_late) {
        return format!("rejected by this host's own firewall: {}", answer_text(answer));
    }
    let gateway = path.route.as_ref().and_then(|route| route.gateway);
    match gateway {
        Some(gateway) => {
            format!("the gateway `{gateway}` does not answer (ARP or neighbour discovery)")
        }
        None => format!("`{}` does not answer ARP or neighbour discovery", path.to.ip()),
    }
}

fn silent_text(report: &PathReport, after: u8, from: Option<IpAddr>) -> String {
    let router = from.map_or_else(String::new, |from| format!(" (`{from}`)"));
    let rival = match report.base.subject.transport {
        TransportKind::Udp => ", or the service does not answer",
        _ => "",
    };
    format!(
        "no answer from beyond hop {after}{router}: packets, or the answers to them, are dropped there or later{rival}"
    )
}

/// Answer in words.
pub(crate) fn answer_text(answer: &HopAnswer) -> String {
    match answer.kind {
        HopAnswerKind::TimeExceeded => "time exceeded".to_owned(),
        HopAnswerKind::Connected => "connected".to_owned(),
        HopAnswerKind::Refused => "connection refused (RST)".to_owned(),
        HopAnswerKind::Datagram => "answered".to_owned(),
        HopAnswerKind::Icmp(icmp) | HopAnswerKind::OwnError(icmp) => {
            format!("{} ({} {}/{})", icmp.meaning(), icmp.protocol(), icmp.icmp_type, icmp.code)
        }
    }
}

fn is_own(answer: &HopAnswer) -> bool {
    matches!(answer.kind, HopAnswerKind::OwnError(_))
}

/// Whether a hop lost packets and a later hop none: its router may limit its errors (RFC 1812, 4.3.2.8; RFC 4443, 2.4 f).
pub(crate) fn is_rate_limited(path: &Path, hop: &Hop) -> bool {
    let shown = path.shown_hops();
    let mut later = shown.iter().skip(usize::from(hop.number)).filter(|it| !it.answers.is_empty());
    hop.lost() > 0 && later.any(|later| later.lost() == 0)
}
