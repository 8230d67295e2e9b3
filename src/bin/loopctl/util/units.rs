//! Durations, sizes and text for people: units, widths and wrapping.

use std::time::{Duration, SystemTime};

/// Milliseconds for a column: one decimal, two below 1 ms.
pub(crate) fn column(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    if ms >= 1.0 || ms == 0.0 { format!("{ms:.1}") } else { format!("{ms:.2}") }
}

/// Parts as columns that add up to the whole. The largest part takes the rounding difference.
pub(crate) fn shares(whole: Duration, parts: &[Duration]) -> Vec<String> {
    let shown = |duration: &Duration| column(*duration).parse::<f64>().unwrap_or_default();
    let mut shares: Vec<f64> = parts.iter().map(shown).collect();
    let over = shown(&whole) - shares.iter().sum::<f64>();
    let largest = (0..parts.len()).max_by_key(|part| parts[*part]);
    // A larger difference is not from rounding.
    if let (Some(largest), true) = (largest, over.abs() > 0.051 && over.abs() < 0.25) {
        shares[largest] += (over * 10.0).round() / 10.0;
    }
    shares.into_iter().map(|ms| column(Duration::from_secs_f64(ms.max(0.0) / 1000.0))).collect()
}

/// Duration with its unit, for a sentence.
pub(crate) fn prose(duration: Duration) -> String {
    match duration {
        d if d >= Duration::from_secs(1) => format!("{:.1} s", d.as_secs_f64()),
        d if d >= Duration::from_millis(1) => format!("{} ms", column(d)),
        d => format!("{} us", d.as_micros()),
    }
}

/// Configured limit without rounding: `50 ms`.
pub(crate) fn limit(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    if ms >= 1000.0 { format!("{} s", ms / 1000.0) } else { format!("{ms} ms") }
}

/// Long duration in its largest unit: `3 d`, `5 h`, `40 min`.
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

/// Share from 0 to 1 in per cent, with a decimal below 10.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 9.95 || percent == 0.0 {
        format!("{percent:.0}%")
    } else {
        format!("{percent:.1}%")
    }
}

/// Number with its noun.
pub(crate) fn count(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// Items with blanks between them. Of a long list the first ones and the number of the others.
pub(crate) fn shortened(items: impl ExactSizeIterator<Item = String>) -> String {
    const MAX: usize = 12;
    const SHOWN: usize = 4;
    let others = if items.len() > MAX { items.len() - SHOWN } else { 0 };
    let shown = items.len() - others;
    let text = items.take(shown).collect::<Vec<_>>().join(" ");
    if others == 0 { text } else { format!("{text} and {others} others") }
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
        // Because 1000.0 after rounding is 1.0 of the next unit.
        if value < 999.95 {
            break;
        }
        (value, unit) = (value / 1000.0, larger);
    }
    format!("{value:.1} {unit}")
}

/// Text of a peer without characters that could move the cursor, change colours, or change the order of others.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() => shown.push(char::REPLACEMENT_CHARACTER),
            // Invisible, or changes the order of what follows.
            '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' => {
                shown.extend(c.escape_unicode());
            }
            c => shown.push(c),
        }
    }
    shown
}

/// Text of a peer with its control characters (C0, DEL, C1) as escapes such as `\u{1b}`.
pub(crate) fn escaped(text: &str) -> String {
    let escape = |c: char| -> String {
        if c.is_control() { c.escape_default().collect() } else { c.into() }
    };
    text.chars().map(escape).collect()
}

/// The columns of a text on a terminal: East Asian characters and emoji take two, escape sequences none.
pub(crate) fn display_width(text: &str) -> usize {
    console::measure_text_width(text)
}

/// Wraps text at blanks to the width `room`. A number stays with its unit; a longer word is not broken.
pub(crate) fn wrap(text: &str, room: usize) -> Vec<String> {
    const GLUE: &str = "\u{a0}ms";
    let mut lines = vec![String::new()];
    for word in text.replace(" ms", GLUE).split(' ') {
        let line = lines.last().map_or(0, |line| display_width(line));
        if line > 0 && line + 1 + display_width(word) > room {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(&word.replace(GLUE, " ms"));
        }
    }
    lines
}

/// Width of the label column.
const LABELS: usize = 11;

/// Wraps a line that is too wide, between its columns.
pub(crate) fn fit(line: &str, width: Option<usize>) -> String {
    const INDENT: &str = "           ";
    let Some(width) = width.filter(|width| display_width(line) > *width) else {
        return format!("{line}\n");
    };
    let (lead, rest) = line.split_at(lead(line, LABELS));
    let mut fitted = String::from(lead);
    let mut used = display_width(lead);
    let mut is_first = true;
    for column in rest.split("  ").map(str::trim).filter(|column| !column.is_empty()) {
        let wide = display_width(column);
        if !is_first && used + 2 + wide > width {
            fitted += &format!("\n{INDENT}");
            used = LABELS;
        } else if !is_first {
            fitted += "  ";
            used += 2;
        }
        // A column that is wider than a line is wrapped at blanks.
        fitted +=
            &if used == LABELS { below_label(column, Some(width)) } else { column.to_owned() };
        used += wide;
        is_first = false;
    }
    fitted + "\n"
}

/// Label with a sentence, wrapped at blanks.
pub(crate) fn labelled(label: &str, sentence: &str, width: Option<usize>) -> String {
    format!("{label:<LABELS$}{}\n", below_label(sentence, width))
}

/// Text in the column after a label, wrapped to the width.
fn below_label(sentence: &str, width: Option<usize>) -> String {
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(LABELS));
    wrap(sentence, room).join(&format!("\n{:LABELS$}", ""))
}

/// Length of the fixed beginning of a line: blanks, and a label in a separate column.
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
    fn control_characters_are_escaped() {
        assert_eq!(
            escaped("a\u{1b}[31m\nb\u{7f}\u{9b}\u{e9}"),
            "a\\u{1b}[31m\\nb\\u{7f}\\u{9b}\u{e9}"
        );
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
    fn wide_characters_take_two_columns() {
        let widths = [("cert", 4), ("\u{8bc1}\u{4e66}", 4), ("\u{1f512}", 2), ("e\u{301}", 1)];
        for (text, columns) in widths {
            assert_eq!(display_width(text), columns, "{text}");
        }
        let line =
            "  cert     CN=\u{8bc1}\u{4e66}\u{8bc1}\u{4e66}\u{8bc1}\u{4e66}  not trusted  9 d left";
        for row in fit(line, Some(40)).lines() {
            assert!(display_width(row) <= 40, "{row}");
        }
        assert_eq!(wrap("\u{8bc1}\u{4e66} \u{8bc1}\u{4e66}", 8).len(), 2);
        assert_eq!(wrap("\u{8bc1}\u{4e66} \u{8bc1}\u{4e66}", 9).len(), 1);
    }

    #[test]
    fn parts_add_up_to_the_whole_as_it_is_shown() {
        let us = Duration::from_micros;
        let cases = [
            (25_049, &[3_849, 150, 21_050][..], "3.8 0.15 21.1"),
            (262_449, &[1_149, 250_649, 10_651], "1.1 250.6 10.7"),
            (10_160, &[5_049, 5_049, 62], "5.0 5.1 0.06"),
            (350, &[130, 220], "0.13 0.22"),
            // A larger difference is not from rounding.
            (10_000, &[5_000, 4_000], "5.0 4.0"),
        ];
        for (whole, parts, expected) in cases {
            let parts: Vec<_> = parts.iter().copied().map(us).collect();
            assert_eq!(shares(us(whole), &parts).join(" "), expected);
        }
    }

    #[test]
    fn sentences_are_broken_between_words() {
        let wrapped = labelled("  why", "one two three four", Some(20));
        assert_eq!(wrapped, "  why      one two\n           three\n           four\n");
        assert_eq!(labelled("", "one two", None), "           one two\n");
        assert_eq!(labelled("", "one 2.0 ms", Some(16)), "           one\n           2.0 ms\n");
    }

    #[test]
    fn limits_are_printed_without_rounding() {
        let cases = [(50_000, "50 ms"), (2_500_000, "2.5 s"), (1_500, "1.5 ms")];
        for (us, expected) in cases {
            assert_eq!(limit(Duration::from_micros(us)), expected);
        }
    }

    #[test]
    fn prose_has_units() {
        assert_eq!(prose(Duration::from_secs(10)), "10.0 s");
        assert_eq!(prose(Duration::from_micros(10_940)), "10.9 ms");
        assert_eq!(prose(Duration::from_micros(30)), "30 us");
    }
}
