//! Data of records in the format of zone files, as dig prints them with `+nosplit`.
//!
//! [`fields`] lists the fields of each type, [`special`] has the types that a list cannot describe, and [`cursor`]
//! reads both.

mod cursor;
mod fields;
mod special;

use std::ops::Range;

pub(super) use cursor::Cursor;

/// Data as text; in the format of RFC 3597 section 5 for a type without one, and for data that do not fit the type.
/// The flag is set if they fit.
pub(super) fn text(message: &[u8], record_type: u16, data: Range<usize>) -> (String, bool) {
    let bytes = message.get(data.clone()).unwrap_or_default();
    let mut cursor = Cursor::new(message, data);
    let read = match fields::of(record_type) {
        Some(fields) => fields::text(&mut cursor, fields),
        None if special::is_known(record_type) => special::text(&mut cursor, record_type),
        None => return (unknown(bytes), true),
    };
    match read.filter(|_| cursor.is_empty()) {
        Some(text) => (text, true),
        None => (unknown(bytes), false),
    }
}

/// Unknown data in the format of RFC 3597 section 5.
fn unknown(bytes: &[u8]) -> String {
    let hex = data_encoding::HEXUPPER.encode(bytes);
    format!("\\# {} {hex}", bytes.len()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(record_type: u16, bytes: &[u8]) -> String {
        text(bytes, record_type, 0..bytes.len()).0
    }

    #[test]
    fn o4_data_as_zone_files_have_them() {
        let loc = b"\x00\x12\x16\x13\x8b\x0d\x2b\xf3\x70\xbe\x1c\xcb\x00\x98\x96\x7c";
        let nsec = b"\x04host\x07example\x03com\0\x00\x06\x40\x01\x00\x00\x00\x03";
        let table: [(u16, &[u8], &str); 24] = [
            (13, b"\x08INTEL PC\x07Linux 6", r#""INTEL PC" "Linux 6""#),
            (13, b"\0\0", r#""" """#),
            (17, b"\x02me\0\0", "me. ."),
            (19, b"\x03\"\\\xe9", r#""\"\\\233""#),
            (20, b"\x01a\x01b", r#""a" "b""#),
            (29, loc, "51 30 12.595 N 71 6 16.245 W -0.04m 1m 10000m 10m"),
            (35, b"\0\x64\0\x0a\x01U\x07E2U+sip\x05!a!b!\0", r#"100 10 "U" "E2U+sip" "!a!b!" ."#),
            (37, b"\0\x01\x30\x39\x08\x01\x02", "PKIX 12345 RSASHA256 AQI="),
            (37, b"\0\x09\x30\x39\x00\x01\x02", "9 12345 0 AQI="),
            (39, b"\x01a\x04test\0", "a.test."),
            (42, b"\0\x01\x18\x03\xc0\0\x02", "1:192.0.2.0/24"),
            (43, b"\x30\x39\x08\x02\xab\xcd", "12345 8 2 ABCD"),
            (44, b"\x01\x01\xab", "1 1 AB"),
            (45, b"\x0a\x01\x02\xc0\0\x02\x26\x01", "10 1 2 192.0.2.38 AQ=="),
            (45, b"\x0a\x00\x02\x01", "10 0 2 . AQ=="),
            (47, nsec, "host.example.com. A MX RRSIG NSEC"),
            (50, b"\x01\x01\0\x0a\x01\xab\x01\x07\0\x01\x40", "1 1 10 AB 0S A"),
            (51, b"\x01\0\0\0\0", "1 0 0 -"),
            (104, b"\0\x0a\0\x14\x4f\xff\xff\x20\xee\x64", "10 14:4fff:ff20:ee64"),
            (108, b"\0\0\x5e\0\x53\x2a", "00-00-5e-00-53-2a"),
            (256, b"\0\x0a\0\x01https://h.test/x", r#"10 1 "https://h.test/x""#),
            (260, b"\x0a\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", "10 0 2 ::1"),
            (65280, b"\x01\xab", "\\# 2 01AB"),
            (65280, b"", "\\# 0"),
        ];
        for (record_type, bytes, wanted) in table {
            assert_eq!(shown(record_type, bytes), wanted, "type {record_type}");
        }
    }

    #[test]
    fn o4_data_that_do_not_fit_their_type_are_shown_as_bytes() {
        for (record_type, bytes) in [(13, &b"\x08INTEL"[..]), (29, b"\x01"), (43, b"\0"), (39, b"")]
        {
            let (shown, fits) = text(bytes, record_type, 0..bytes.len());
            assert!(shown.starts_with(&format!("\\# {}", bytes.len())) && !fits, "{shown}");
        }
    }
}
