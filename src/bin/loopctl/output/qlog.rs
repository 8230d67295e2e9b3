//! qlog files: JSON text sequences (RFC 7464) with the events of draft-kuehlewind-happy-qlog.

use serde_json::{Value, json};

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

/// An event record. qlog counts from one instant for the whole file: `offset_ms` is when the event's
/// session began.
pub(crate) fn record(event: &Value, offset_ms: f64) -> String {
    let time = event["time_ms"].as_f64().unwrap_or_default() + offset_ms;
    text(
        &json!({ "time": (time * 1e3).round() / 1e3, "name": event["name"], "data": event["data"] }),
    )
}

fn text(record: &Value) -> String {
    format!("{RECORD_SEPARATOR}{record}\n")
}
