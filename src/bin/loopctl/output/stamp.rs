//! The time at the beginning of a line.

use std::time::SystemTime;

use crate::config::environment::Environment;

/// `[1794787200.250449] `: seconds since the epoch, to the microsecond, as `ping -D` prints them.
pub(crate) fn now() -> String {
    let now = Environment::wall_clock().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("[{}.{:06}] ", now.as_secs(), now.subsec_micros())
}
