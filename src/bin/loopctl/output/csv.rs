//! One attempt a line: comma-separated with a header, or tab-separated without one.

use super::json::{error, path};
use super::wire::common::{AddressRecord, AttemptResult, ErrorKind, Ms, variant_name};
use super::wire::path as wire;
use crate::report::path::{Path, PathReport};
use crate::report::{Attempt, Outcome, Report, TlsReport};
use crate::util::units::ms;

/// The columns, in order.
const HEADER: [&str; 15] = [
    "target",
    "try",
    "attempt_id",
    "ip",
    "port",
    "family",
    "local",
    "start_ms",
    "duration_ms",
    "result",
    "error",
    "errno",
    "syn_retransmits",
    "tls_ms",
    "tls_error",
];

/// The header, for CSV.
pub(crate) fn header() -> String {
    csv(&HEADER.map(str::to_owned))
}

/// Every attempt of a report. A target without attempts has one line with the error.
pub(crate) fn lines(report: &Report, nth: u64, as_csv: bool) -> String {
    let attempts = report.attempts.iter().enumerate();
    let mut rows: Vec<_> =
        attempts.map(|(number, attempt)| row(report, nth, number, attempt)).collect();
    if rows.is_empty() {
        rows.push(row_without_attempt(report, nth));
    }
    let line = |row: &[String; 15]| if as_csv { csv(row) } else { tabs(row) };
    rows.iter().map(line).collect()
}

fn row(report: &Report, nth: u64, number: usize, attempt: &Attempt) -> [String; 15] {
    let AddressRecord { ip, port, family, path } = (&attempt.address).into();
    let error = error::of_connect(attempt);
    let errno = error.as_ref().and_then(|error| error.errno);
    let tls = report.tls_of(number);
    let failure = tls.and_then(|tls| tls.failure.as_ref());
    let failure = failure.filter(|_| attempt.outcome != Outcome::Canceled);
    [
        report.subject.text.clone(),
        nth.to_string(),
        (number + 1).to_string(),
        ip.or(path).unwrap_or_default(),
        port.map_or_else(String::new, |port| port.to_string()),
        variant_name(&family),
        attempt.socket.local.map_or_else(String::new, |local| local.to_string()),
        ms(attempt.start).to_string(),
        ms(attempt.took).to_string(),
        variant_name(&AttemptResult::from(&attempt.outcome)),
        error.map_or_else(String::new, |error| variant_name(&error.kind)),
        errno.map_or_else(String::new, |errno| errno.to_string()),
        attempt.resends().to_string(),
        tls.and_then(TlsReport::took).map_or_else(String::new, |took| ms(took).to_string()),
        failure.map_or_else(String::new, |failure| variant_name(&ErrorKind::from(failure))),
    ]
}

fn row_without_attempt(report: &Report, nth: u64) -> [String; 15] {
    let mut row = [const { String::new() }; 15];
    row[0].clone_from(&report.subject.text);
    row[1] = nth.to_string();
    row[8] = ms(report.total).to_string();
    row[9] = "failure".to_owned();
    row[10] =
        variant_name(&report.tls_failure().map_or(ErrorKind::Dns, |(_, failure)| failure.into()));
    row
}

/// The columns of `--path`, in order.
const PATH_HEADER: [&str; 13] = [
    "target",
    "to",
    "result",
    "hop",
    "sent",
    "answered",
    "ip",
    "answer",
    "icmp_type",
    "icmp_code",
    "rtt_min_ms",
    "rtt_max_ms",
    "path_mtu",
];

/// The header of `--path`, for CSV.
pub(crate) fn path_header() -> String {
    csv(&PATH_HEADER.map(str::to_owned))
}

/// Every hop of every path, with a line for each host that answered. A path without hops has one line.
pub(crate) fn path_lines(report: &PathReport, as_csv: bool) -> String {
    let rows = report.paths.iter().flat_map(|path| path_rows(report, path));
    rows.map(|row| if as_csv { csv(&row) } else { tabs(&row) }).collect()
}

fn path_rows(report: &PathReport, path: &Path) -> Vec<[String; 13]> {
    let document = path::one(report, path);
    let row = |hop: Option<&wire::Hop>, answer: Option<&wire::Answer>| {
        let number = |value: Option<u32>| value.map_or_else(String::new, |it| it.to_string());
        let time = |value: Option<Ms>| value.map_or_else(String::new, |it| it.value().to_string());
        let icmp = answer.and_then(|answer| answer.icmp.as_ref());
        [
            report.base.subject.text.clone(),
            path.to.to_string(),
            variant_name(&document.result),
            number(hop.map(|hop| hop.hop.into())),
            number(hop.map(|hop| hop.sent)),
            number(hop.map(|hop| hop.answered)),
            answer.map_or_else(String::new, |answer| answer.ip.clone()),
            answer.map_or_else(String::new, |answer| variant_name(&answer.kind)),
            number(icmp.map(|icmp| icmp.kind.into())),
            number(icmp.map(|icmp| icmp.code.into())),
            time(hop.and_then(|hop| hop.rtt_min_ms)),
            time(hop.and_then(|hop| hop.rtt_max_ms)),
            number(document.path_mtu.as_ref().map(|mtu| mtu.bytes)),
        ]
    };
    let mut rows = Vec::new();
    for hop in &document.hops {
        let mut hosts: Vec<&wire::Answer> = Vec::new();
        for answer in &hop.answers {
            if !hosts.iter().any(|known| (&known.ip, known.kind) == (&answer.ip, answer.kind)) {
                hosts.push(answer);
            }
        }
        rows.extend(hosts.iter().map(|answer| row(Some(hop), Some(*answer))));
        if hosts.is_empty() {
            rows.push(row(Some(hop), None));
        }
    }
    if rows.is_empty() { vec![row(None, None)] } else { rows }
}

fn csv<const N: usize>(row: &[String; N]) -> String {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    // Writing to memory does not fail.
    let _ = writer.write_record(row);
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

fn tabs<const N: usize>(row: &[String; N]) -> String {
    row.join("\t") + "\n"
}
