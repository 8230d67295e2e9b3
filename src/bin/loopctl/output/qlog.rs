//! qlog files: JSON text sequences (RFC 7464) with the events of draft-kuehlewind-happy-qlog.

use std::path::Path;
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};

use super::units::ms;
use super::writer::Writer;
use crate::config::environment::Environment;
use crate::exit::{ExitResult, FatalError};
use crate::report::Report;

const RECORD_SEPARATOR: char = '\u{1e}';

/// The draft has no events of TLS; these are ours, as `schemas/event.v1.json` has them.
const TLS_EVENTS: &str = "urn:loopctl:qlog:events:tls-01";

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
    pub(crate) fn write(&mut self, event: &Value, report: &Report) {
        let started_at = *self.started_at.get_or_insert(report.started_at.at);
        let offset = report.started_at.at.saturating_duration_since(started_at);
        self.writer.write(&record(event, ms(offset)));
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
            "event_schemas": ["urn:ietf:params:qlog:events:hev3-00", TLS_EVENTS],
            "common_fields": {
                "time_format": "relative_to_epoch",
                "reference_time": { "clock_type": "monotonic", "epoch": "unknown", "wall_clock_time": reference },
            },
        },
    }))
}

/// An event record. qlog counts from one instant for the whole file; `offset_ms` is the start of the event's session.
pub(crate) fn record(event: &Value, offset_ms: f64) -> String {
    let time = event["time_ms"].as_f64().unwrap_or_default() + offset_ms;
    text(
        &json!({ "time": (time * 1e3).round() / 1e3, "name": event["name"], "data": event["data"] }),
    )
}

fn text(record: &Value) -> String {
    format!("{RECORD_SEPARATOR}{record}\n")
}
