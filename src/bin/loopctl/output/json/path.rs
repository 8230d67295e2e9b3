//! Path to a target as one JSON document.

use std::net::IpAddr;

use loopctl::Address;

use super::error;
use crate::diagnose::{hint, name, path as diagnose};
use crate::output::wire::common::{ErrorKind, ErrorRecord, Outcome, RunEnd, VERSION};
use crate::output::wire::path::{
    Answer, AnswerKind, Document, Hop, Icmp, Name, Path, PathMtu, PathResult,
};
use crate::report::End;
use crate::report::path::{self, HopAnswer, HopAnswerKind, PathEnd, PathReport};

pub(crate) fn document(report: &PathReport) -> Document {
    let (base, exit) = (&report.base, diagnose::exit_status(report));
    let is_interrupted = matches!(base.end, End::Interrupted(_));
    Document {
        schema: Name::V1,
        version: VERSION,
        target: base.subject.text.clone(),
        host: base.subject.host.clone(),
        port: base.subject.port,
        transport: base.subject.transport.name().into(),
        start: base.started_at.wall.into(),
        outcome: outcome(report, is_interrupted),
        end: RunEnd::new(is_interrupted),
        exit_code: exit.code(),
        total_ms: base.total.into(),
        probes: report.probes,
        max_hops: report.max_hops,
        paths: report.paths.iter().map(|path| one(report, path)).collect(),
        error: failure(report),
        hint: hint::hint(base).filter(|_| base.resolve.error.is_some()),
    }
}

fn outcome(report: &PathReport, is_interrupted: bool) -> Outcome {
    let is_silent = |path: &path::Path| matches!(path.end(), PathEnd::Silent { .. });
    match () {
        () if is_interrupted => Outcome::Interrupted,
        () if report.is_reached() => Outcome::Success,
        () if report.paths.iter().any(is_silent) => Outcome::Timeout,
        () => Outcome::Failure,
    }
}

fn failure(report: &PathReport) -> Option<ErrorRecord> {
    if let Some(error) = &report.base.resolve.error {
        return Some(ErrorRecord::plain(ErrorKind::Dns, name::failure(error)));
    }
    if matches!(report.base.end, End::Interrupted(_)) {
        return Some(ErrorRecord::plain(ErrorKind::Io, "interrupted"));
    }
    if report.is_reached() {
        return None;
    }
    let path = report.paths.first()?;
    if let Some(failure) = &path.unsent {
        return Some(error::of_failure(failure, None));
    }
    let kind = match path.end() {
        PathEnd::Silent { .. } => ErrorKind::Timeout,
        _ => ErrorKind::Unreachable,
    };
    Some(ErrorRecord::plain(kind, diagnose::end_text(report, path)))
}

/// Path to one address.
pub(crate) fn one(report: &PathReport, path: &path::Path) -> Path {
    let (result, last_hop, last_ip) = match path.end() {
        PathEnd::Reached { hop, answer } => (PathResult::Reached, Some(hop), Some(answer.from)),
        PathEnd::Rejected { hop, answer } => (PathResult::Rejected, Some(hop), Some(answer.from)),
        PathEnd::Loop { first, from } => (PathResult::Loop, Some(first), Some(from)),
        PathEnd::Silent { after } => {
            let hop = path.hops.get(usize::from(after).wrapping_sub(1));
            let from = hop.and_then(|hop| Some(hop.answers.first()?.from));
            (PathResult::Silent, hop.map(|hop| hop.number), from)
        }
        PathEnd::Unsent => (PathResult::Unsent, None, None),
    };
    Path {
        address: (&Address::from(path.to)).into(),
        result,
        last_hop,
        last_ip: last_ip.map(text),
        message: diagnose::end_text(report, path),
        complete: path.is_complete,
        path_mtu: path.mtu.map(|mtu| PathMtu { bytes: mtu.bytes, ip: mtu.from.map(text) }),
        hops: path.shown_hops().iter().map(hop).collect(),
    }
}

fn hop(hop: &path::Hop) -> Hop {
    let loss = f64::from(hop.lost()) / f64::from(hop.sent.max(1));
    let rtts = hop.rtts();
    Hop {
        hop: hop.number,
        sent: hop.sent,
        answered: hop.answered(),
        loss: (hop.sent > 0).then_some((loss * 1000.0).round() / 1000.0),
        rtt_min_ms: rtts.map(|(min, _)| min.into()),
        rtt_max_ms: rtts.map(|(_, max)| max.into()),
        answers: hop.answers.iter().map(answer).collect(),
    }
}

fn answer(answer: &HopAnswer) -> Answer {
    let (kind, code) = match answer.kind {
        HopAnswerKind::TimeExceeded => (AnswerKind::TimeExceeded, None),
        HopAnswerKind::Connected => (AnswerKind::Connected, None),
        HopAnswerKind::Refused => (AnswerKind::Refused, None),
        HopAnswerKind::Datagram => (AnswerKind::Datagram, None),
        HopAnswerKind::Icmp(code) => (AnswerKind::Icmp, Some(code)),
        HopAnswerKind::OwnError(code) => (AnswerKind::OwnError, Some(code)),
    };
    let message = || diagnose::answer_text(answer);
    Answer {
        ip: text(answer.from),
        kind,
        icmp: code.map(|icmp| Icmp { kind: icmp.icmp_type, code: icmp.code, message: message() }),
        rtt_ms: answer.rtt.map(Into::into),
    }
}

fn text(ip: IpAddr) -> String {
    ip.to_string()
}
