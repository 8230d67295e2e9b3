//! qlog files: JSON text sequences (RFC 7464) with the events of draft-kuehlewind-happy-qlog.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use serde_json::json;

use super::wire::event;
use super::writer::Writer;
use crate::config::environment::Environment;
use crate::exit::{ExitResult, FatalError};
use crate::report::Report;
use crate::util::units::ms;

const RECORD_SEPARATOR: char = '\u{1e}';

/// The draft has no events of TLS and HTTP; these are ours, as `schemas/event.v1.json` has them.
const OWN_EVENTS: [&str; 2] = ["urn:loopctl:qlog:events:tls-01", "urn:loopctl:qlog:events:http-01"];

/// A qlog file, whose times count from the start of its first race.
pub(crate) struct QlogFile {
    writer: Writer,
    started_at: Option<Instant>,
}

impl QlogFile {
    /// # Errors
    /// A file that cannot be created.
    pub(crate) fn create(path: &Path) -> Result<Self, FatalError> {
        let mut writer = Writer::open(path)?;
        writer.write(&header(Environment::wall_clock()));
        Ok(Self { writer, started_at: None })
    }

    /// Writes an event record of a report.
    pub(crate) fn write(&mut self, event: &event::Record, report: &Report) {
        let started_at = *self.started_at.get_or_insert(report.started_at.at);
        let offset = report.started_at.at.saturating_duration_since(started_at);
        self.writer.write(&record(event, offset));
        self.writer.flush();
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.writer.has_failed()
    }

    /// # Errors
    /// The first failure of the file.
    pub(crate) fn finish(&mut self) -> ExitResult {
        self.writer.finish()
    }
}

/// The first record of a file.
pub(crate) fn header(now: SystemTime) -> String {
    let reference = humantime::format_rfc3339_millis(now).to_string();
    text(&json!({
        "file_schema": "urn:ietf:params:qlog:file:sequential",
        "serialization_format": "application/qlog+json-seq",
        "title": "loopctl",
        "trace": {
            "vantage_point": { "name": "loopctl", "type": "client" },
            "event_schemas": ["urn:ietf:params:qlog:events:hev3-00", OWN_EVENTS[0], OWN_EVENTS[1]],
            "common_fields": {
                "time_format": "relative_to_epoch",
                "reference_time": { "clock_type": "monotonic", "epoch": "unknown", "wall_clock_time": reference },
            },
        },
    }))
}

/// An event in qlog, where the time counts from one instant for the whole file.
#[derive(Serialize)]
struct Record<'a> {
    time: f64,
    #[serde(flatten)]
    event: &'a event::Event,
}

/// An event record; `offset` is the start of the event's session.
pub(crate) fn record(record: &event::Record, offset: Duration) -> String {
    let time = record.time_ms.value() + ms(offset);
    text(&Record { time: (time * 1e3).round() / 1e3, event: &record.event })
}

fn text(record: &impl Serialize) -> String {
    format!("{RECORD_SEPARATOR}{}\n", serde_json::to_string(record).unwrap_or_default())
}
