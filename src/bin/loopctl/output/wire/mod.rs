//! JSON documents and records as types; their schemas are generated from them.
//! `output/json` fills them in.

use serde::Serialize;

pub(crate) mod common;
pub(crate) mod compare;
pub(crate) mod connect;
pub(crate) mod event;
pub(crate) mod http;
pub(crate) mod other_clients;
pub(crate) mod path;
pub(crate) mod query;
pub(crate) mod repeat;
pub(crate) mod resolve;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod surroundings;
pub(crate) mod tls;
pub(crate) mod transfer;

/// Record on a line by itself. Types of this module have no map with keys other than strings, which alone would fail.
pub(crate) fn line(record: &impl Serialize) -> String {
    serde_json::to_string(record).unwrap_or_default() + "\n"
}

/// Document over several lines.
pub(crate) fn pretty(document: &impl Serialize) -> String {
    serde_json::to_string_pretty(document).unwrap_or_default()
}
