//! Waterfall of a race: each question and each address a row.

use super::connect;
use super::model::{BarRow, Bars, Mark, Segment, Shade, Tone};
use super::words::{address, column, word};
use crate::output::wire::common::{AttemptResult, ErrorKind, Ms};
use crate::output::wire::connect::{Attempt, Document};
use crate::output::wire::query::{Query, QueryResult};

pub(super) fn race(document: &Document) -> Bars {
    let names = document.resolve.queries.iter().map(query);
    let attempts = document.attempts.iter().map(|it| attempt(document, it));
    Bars::of_ms(names.chain(attempts).collect())
}

/// Row of a question: its type, the one who was asked, its time.
pub(super) fn query<R>(query: &Query<R>) -> BarRow {
    let (from, took) = (query.start_ms.value(), query.duration_ms.value());
    let whom = query.server.clone().unwrap_or_else(|| word(&query.via));
    let mark = match query.result {
        QueryResult::Timeout => Some(Mark::Silent),
        QueryResult::Error | QueryResult::ServFail | QueryResult::Refused | QueryResult::Bogus => {
            Some(Mark::Failed)
        }
        _ => None,
    };
    BarRow {
        label: format!("{} {whom}", query.record_type),
        tone: if mark.is_some() { Tone::Bad } else { Tone::Plain },
        segments: vec![Segment { shade: Shade::Lookup, from, to: from + took }],
        mark: mark.map(|mark| (from + took, mark)),
        note: format!("{} ms {}", column(query.duration_ms), result(query.result)),
    }
}

pub(super) fn result(result: QueryResult) -> String {
    match result {
        QueryResult::NxDomain => "NXDOMAIN".to_owned(),
        QueryResult::ServFail => "SERVFAIL".to_owned(),
        QueryResult::Refused => "REFUSED".to_owned(),
        QueryResult::NoData => "no data".to_owned(),
        QueryResult::NoName => "no name".to_owned(),
        QueryResult::NoAddress => "no address".to_owned(),
        QueryResult::Timeout => "no answer".to_owned(),
        result => word(&result),
    }
}

fn attempt(document: &Document, attempt: &Attempt) -> BarRow {
    let start = attempt.start_ms.value();
    let tcp_end = start + attempt.duration_ms.value();
    let first = first_start(document).min(start);
    let mut segments = Vec::new();
    if start > first {
        segments.push(Segment { shade: Shade::Stagger, from: first, to: start });
    }
    segments.push(Segment { shade: transport(document), from: start, to: tcp_end });
    let secured = secured(document, attempt, tcp_end);
    let end = secured.iter().map(|segment| segment.to).fold(tcp_end, f64::max);
    segments.extend(secured);
    let took = match attempt.tls_ms {
        Some(tls) => format!("{} + {} ms", column(attempt.duration_ms), column(tls)),
        None => format!("{} ms", column(attempt.duration_ms)),
    };
    BarRow {
        label: format!("{} {}", attempt.attempt_id, address(&attempt.address)),
        tone: connect::tone(document, attempt),
        segments,
        mark: mark(document, attempt).map(|mark| (end, mark)),
        note: format!("{took} {}", end_of(document, attempt)),
    }
}

/// Outcome in a word or two; the table has all of it.
fn end_of(document: &Document, attempt: &Attempt) -> String {
    let handshake = connect::handshake(document, attempt).and_then(|tls| tls.error.as_ref());
    match attempt.error.as_ref().or(handshake).map(|error| (error.kind, &error.message)) {
        None => connect::outcome(document, attempt),
        Some((ErrorKind::Tls, _)) => "TLS failed".to_owned(),
        Some((ErrorKind::Cert, _)) => "not trusted".to_owned(),
        Some((ErrorKind::Timeout, _)) => "timed out".to_owned(),
        Some((ErrorKind::Io, message)) => message.clone(),
        Some((kind, _)) => word(&kind),
    }
}

/// End of an attempt, or of the handshake over it.
fn mark(document: &Document, attempt: &Attempt) -> Option<Mark> {
    let handshake = connect::handshake(document, attempt).map(|tls| tls.result);
    match handshake.filter(|_| attempt.result == AttemptResult::Success).unwrap_or(attempt.result) {
        AttemptResult::Failure => Some(Mark::Failed),
        AttemptResult::Timeout => Some(Mark::Silent),
        AttemptResult::Canceled => Some(Mark::Canceled),
        AttemptResult::Success => (attempt.answered == Some(false)).then_some(Mark::Silent),
    }
}

/// Start of the first attempt, from which the stagger of the others counts.
fn first_start(document: &Document) -> f64 {
    let first = document.attempts.iter().map(|attempt| attempt.start_ms.value());
    first.fold(f64::INFINITY, f64::min)
}

fn transport(document: &Document) -> Shade {
    match document.transport.as_ref() {
        "udp" => Shade::Udp,
        "unix" => Shade::Unix,
        _ => Shade::Tcp,
    }
}

/// TLS over the attempt, after the dialogue in plain text.
fn secured(document: &Document, attempt: &Attempt, tcp_end: f64) -> Vec<Segment> {
    let Some(tls) = connect::handshake(document, attempt) else {
        let took = attempt.tls_ms.map(Ms::value);
        let segment = |took| Segment { shade: Shade::Tls, from: tcp_end, to: tcp_end + took };
        return took.map(segment).into_iter().collect();
    };
    let dialogue = tls.starttls.as_ref().map(|it| {
        let from = it.start_ms.value();
        Segment { shade: Shade::StartTls, from, to: from + it.duration_ms.value() }
    });
    let handshake = tls.start_ms.zip(tls.duration_ms).map(|(start, took)| {
        let from = start.value();
        Segment { shade: Shade::Tls, from, to: from + took.value() }
    });
    dialogue.into_iter().chain(handshake).collect()
}

/// Tick of an axis.
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) text: String,
}

/// Three to six ticks from zero, at steps of 1, 2 or 5.
pub(super) fn axis(max: f64, unit: &str) -> Vec<Tick> {
    if max <= 0.0 {
        return vec![Tick { at: 0.0, text: format!("0 {unit}") }];
    }
    let power = 10f64.powf((max / 5.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let step = steps.into_iter().find(|step| max / step <= 5.0).unwrap_or(max);
    let step = if unit == "tries" { step.max(1.0).round() } else { step };
    let count = (max / step + 1e-9).floor() as usize;
    let tick = |number: usize| {
        let at = step * number as f64;
        let digits = usize::from(step < 1.0) + usize::from(step < 0.1) + usize::from(step < 0.01);
        let unit = if number == 0 || number == count { format!(" {unit}") } else { String::new() };
        Tick { at, text: format!("{at:.digits$}{unit}") }
    };
    (0..=count).map(tick).collect()
}

/// Share of an axis in per cent, with two decimals.
pub(super) fn percent(value: f64, max: f64) -> f64 {
    let share = if max > 0.0 { value / max } else { 0.0 };
    (share.clamp(0.0, 1.0) * 10_000.0).round() / 100.0
}
