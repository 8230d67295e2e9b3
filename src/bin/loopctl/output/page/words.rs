//! Words and numbers of documents, as pages show them.

use std::time::Duration;

use serde::Serialize;

use crate::output::wire::common::{AddressRecord, Ms, variant_name};
use crate::util::units;

/// Milliseconds for a column.
pub(crate) fn column(ms: Ms) -> String {
    units::column(ms.duration())
}

/// Milliseconds for a column; empty where there are none.
pub(crate) fn column_of(ms: Option<Ms>) -> String {
    ms.map_or_else(String::new, column)
}

/// Duration with its unit.
pub(crate) fn prose(ms: Ms) -> String {
    units::prose(ms.duration())
}

/// Position on an axis, with its unit.
pub(crate) fn prose_of(value: f64) -> String {
    units::prose(Duration::try_from_secs_f64(value / 1000.0).unwrap_or_default())
}

/// Word of an enumeration, with blanks.
pub(crate) fn word(variant: &impl Serialize) -> String {
    variant_name(variant).replace('_', " ")
}

/// Address as targets have it.
pub(crate) fn address(address: &AddressRecord) -> String {
    match (&address.ip, address.port, &address.path) {
        (Some(ip), Some(port), _) => endpoint(ip, port),
        (Some(ip), None, _) => ip.clone(),
        (None, _, Some(path)) => format!("unix:{path}"),
        (None, ..) => "unix".to_owned(),
    }
}

/// IP address and port.
pub(crate) fn endpoint(ip: &str, port: u16) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

pub(crate) fn yes_or_no(holds: bool) -> &'static str {
    if holds { "yes" } else { "no" }
}

/// Longest text of a peer on a page; the JSON document has all of it.
const LONGEST: usize = 400;

/// Text without characters that change the order of others, and of limited length.
pub(crate) fn shown(text: &str) -> String {
    let short: String = text.chars().take(LONGEST).collect();
    let rest = if short.len() < text.len() { "…" } else { "" };
    units::printable(&short) + rest
}
