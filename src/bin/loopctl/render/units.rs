//! Durations as people read them.

use std::time::{Duration, SystemTime};

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

/// A long time, in the largest unit that says enough: `3 d`, `5 h`, `40 min`.
pub(crate) fn long(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// A date and time of day, in UTC (RFC 3339).
pub(crate) fn date(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time.max(SystemTime::UNIX_EPOCH)).to_string()
}

/// Milliseconds for JSON, to the microsecond.
pub(crate) fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// A number of bytes, in powers of 1000.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64;
    let mut unit = "";
    for larger in UNITS {
        // What would be rounded to 1000.0 is one of the next unit.
        if value < 999.95 {
            break;
        }
        (value, unit) = (value / 1000.0, larger);
    }
    format!("{value:.1} {unit}")
}

/// What a peer says, without what would move the cursor or change colours.
pub(crate) fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(shown).collect()
}

/// Columns without the escape sequences.
pub(crate) fn visible_width(row: &str) -> usize {
    let mut width = 0;
    let mut in_escape = false;
    for c in row.chars() {
        match c {
            '\u{1b}' => in_escape = true,
            'm' if in_escape => in_escape = false,
            _ if in_escape => {}
            _ => width += 1,
        }
    }
    width
}

/// Lines of words, none wider than there is room unless a single word is.
pub(crate) fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > room {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// A line that is too wide goes on below, broken where its columns are.
pub(crate) fn fit(line: &str, width: Option<usize>) -> String {
    const INDENT: &str = "           ";
    let Some(width) = width.filter(|width| visible_width(line) > *width) else {
        return format!("{line}\n");
    };
    let (lead, rest) = line.split_at(lead(line, INDENT.len()));
    let mut fitted = String::from(lead);
    let mut used = lead.len();
    let mut is_first = true;
    for column in rest.split("  ").map(str::trim).filter(|column| !column.is_empty()) {
        let wide = visible_width(column);
        if !is_first && used + 2 + wide > width {
            fitted += &format!("\n{INDENT}");
            used = INDENT.len();
        } else if !is_first {
            fitted += "  ";
            used += 2;
        }
        fitted += column;
        used += wide;
        is_first = false;
    }
    fitted + "\n"
}

/// What stays as it is at the beginning of a line: the blanks, and a label in a column of its own.
fn lead(line: &str, labels: usize) -> usize {
    let blanks = line.len() - line.trim_start().len();
    let has_label = line.get(..labels).is_some_and(|label| label.ends_with("  "));
    let ends_there = line.get(labels..).is_some_and(|rest| !rest.starts_with(' '));
    if has_label && ends_there { labels } else { blanks }
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
    fn bytes_have_one_decimal_from_a_thousand_on() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (1 << 30, "1.1 GB"),
            (u64::MAX, "18446.7 PB"),
        ];
        for (count, expected) in cases {
            assert_eq!(bytes(count), expected, "{count}");
        }
    }

    #[test]
    fn what_is_too_wide_goes_on_below() {
        let line = "  resolve  -  given   1 AAAA, 1 A   order v6,v4";
        assert_eq!(fit(line, None), format!("{line}\n"));
        assert_eq!(fit(line, Some(80)), format!("{line}\n"));
        let fitted = fit(line, Some(40));
        assert_eq!(fitted, "  resolve  -  given  1 AAAA, 1 A\n           order v6,v4\n");
    }

    #[test]
    fn prose_has_units() {
        assert_eq!(prose(Duration::from_secs(10)), "10.0 s");
        assert_eq!(prose(Duration::from_micros(10_940)), "10.9 ms");
        assert_eq!(prose(Duration::from_micros(30)), "30 us");
    }
}
