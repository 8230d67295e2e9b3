//! The time at the beginning of lines.

use std::time::SystemTime;

use crate::config::environment::Environment;

/// `[1794787200.250449] `: seconds since the epoch, to the microsecond, as `ping -D` prints them.
pub(crate) fn now() -> String {
    let now = Environment::wall_clock().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("[{}.{:06}] ", now.as_secs(), now.subsec_micros())
}

/// Text whose lines begin with the time, but for the empty ones.
pub(crate) fn stamped(stamp: &str, text: &str) -> String {
    let begin = |line: &str| {
        if line.trim().is_empty() { line.to_owned() } else { format!("{stamp}{line}") }
    };
    text.split_inclusive('\n').map(begin).collect()
}
