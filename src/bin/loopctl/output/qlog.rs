//! qlog files: JSON text sequences (RFC 7464) with the events of draft-kuehlewind-happy-qlog.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::units;
use super::wire::event::{self, Event};

use crate::config::environment::Environment;

const RECORD_SEPARATOR: char = '\u{1e}';

/// The draft has no events of TLS; these are ours, as `schemas/event.v1.json` has them.
const TLS_EVENTS: &str = "urn:loopctl:qlog:events:tls-01";

/// The first record of a file.
pub(crate) fn header() -> String {
    let reference = humantime::format_rfc3339_millis(Environment::wall_clock()).to_string();
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

/// Event as qlog has it: time counts from one instant for the whole file.
#[derive(Serialize)]
struct Record<'a> {
    time: f64,
    #[serde(flatten)]
    event: &'a Event,
}

/// An event record; `offset` is when the event's session began.
pub(crate) fn record(record: &event::Record, offset: Duration) -> String {
    let time = record.time_ms.value() + units::ms(offset);
    text(&Record { time: (time * 1e3).round() / 1e3, event: &record.event })
}

fn text(record: &impl Serialize) -> String {
    format!("{RECORD_SEPARATOR}{}\n", serde_json::to_string(record).unwrap_or_default())
}
