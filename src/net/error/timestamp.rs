//! Dates in the text of errors.

use std::time::{Duration, SystemTime};

/// RFC 3339, in UTC, to the second. Times before 1970 and after 9999 have no representation and are clamped.
pub(in crate::net) fn rfc3339(time: SystemTime) -> String {
    const MAX_SECONDS: u64 = 253_402_300_799;
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = Duration::from_secs(since_epoch.as_secs().min(MAX_SECONDS));
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + seconds).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_too_early_or_too_late_to_be_printed() {
        let day = Duration::from_secs(86_400);
        assert_eq!(rfc3339(SystemTime::UNIX_EPOCH - day), "1970-01-01T00:00:00Z");
        let late = SystemTime::UNIX_EPOCH + 4_000_000 * day;
        assert_eq!(rfc3339(late), "9999-12-31T23:59:59Z");
    }
}
