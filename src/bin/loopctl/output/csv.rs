//! One attempt a line: comma-separated with a header, or tab-separated without one.

use super::json::error;
use super::wire::common::{AddressRecord, AttemptResult, ErrorKind, variant_name};
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

fn csv(row: &[String; 15]) -> String {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    // Writing to memory does not fail.
    let _ = writer.write_record(row);
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

fn tabs(row: &[String; 15]) -> String {
    row.join("\t") + "\n"
}
