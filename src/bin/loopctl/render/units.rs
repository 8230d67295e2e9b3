//! Durations as people read them.

use std::time::Duration;

/// Milliseconds for a column: one decimal, two below 1 ms.
pub(crate) fn column(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    if ms >= 1.0 || ms == 0.0 { format!("{ms:.1}") } else { format!("{ms:.2}") }
}

/// With its unit, for a sentence.
pub(crate) fn prose(duration: Duration) -> String {
    match duration {
        d if d >= Duration::from_secs(1) => format!("{:.1} s", d.as_secs_f64()),
        d if d >= Duration::from_millis(1) => format!("{} ms", column(d)),
        d => format!("{} us", d.as_micros()),
    }
}

/// Milliseconds for JSON, to the microsecond.
pub(crate) fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_keep_what_is_below_a_millisecond() {
        let cases = [(250_449, "250.4"), (34, "0.03"), (999, "1.00"), (0, "0.0"), (1_000, "1.0")];
        for (us, expected) in cases {
            assert_eq!(column(Duration::from_micros(us)), expected, "{us}");
        }
    }

    #[test]
    fn prose_has_units() {
        assert_eq!(prose(Duration::from_secs(10)), "10.0 s");
        assert_eq!(prose(Duration::from_micros(10_940)), "10.9 ms");
        assert_eq!(prose(Duration::from_micros(30)), "30 us");
    }
}
