//! Conditional requests and ranges (RFC 9110, sections 13 and 14): which part of a file is sent, if any.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::request::Request;
use crate::config::environment::Environment;

/// Validators of a representation (RFC 9110, section 8.8).
#[derive(Debug, Clone)]
pub(super) struct Validators {
    /// A strong entity tag, with its quotes.
    pub(super) etag: String,
    pub(super) last_modified: Option<SystemTime>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Precondition {
    /// The method is performed.
    Passed,
    /// 304: the client has this representation.
    NotModified,
    /// 412: the client has another representation.
    Failed,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum RequestedRange {
    Whole,
    Part(Range<u64>),
    /// 416: the range begins at or after the end.
    Unsatisfiable,
}

impl Validators {
    /// Evaluates the preconditions in the order of RFC 9110, section 13.2.2.
    pub(super) fn evaluate(&self, request: &Request) -> Precondition {
        let is_unmodified_since = |date: &str| Some(self.seconds()? <= seconds(date)?);
        let has_failed = match (request.field("if-match"), request.field("if-unmodified-since")) {
            (Some(tags), _) => !self.matches(&tags, ""),
            (None, Some(date)) => is_unmodified_since(&date) == Some(false),
            (None, None) => false,
        };
        if has_failed {
            return Precondition::Failed;
        }
        let is_not_modified =
            match (request.field("if-none-match"), request.field("if-modified-since")) {
                (Some(tags), _) => self.matches(&tags, "W/"),
                (None, Some(date)) => is_unmodified_since(&date) == Some(true),
                (None, None) => false,
            };
        if is_not_modified { Precondition::NotModified } else { Precondition::Passed }
    }

    /// Evaluates Range and If-Range. Range is ignored with other methods than GET, and where it is malformed
    /// (RFC 9110, section 14.2).
    pub(super) fn range(&self, request: &Request, size: u64) -> RequestedRange {
        let range = request.field("range").filter(|_| request.method == "GET");
        let is_current = |validator: String| {
            let is_etag = validator.starts_with(['"', 'W']) && validator.contains('"');
            match is_etag {
                true => validator == self.etag,
                false => self.has_strong_date() && self.seconds() == seconds(&validator),
            }
        };
        match range.filter(|_| request.field("if-range").is_none_or(is_current)) {
            Some(range) => parse_range(&range, size).unwrap_or(RequestedRange::Whole),
            None => RequestedRange::Whole,
        }
    }

    /// Whether the date is a strong validator: the file may change twice within a second, and clocks may differ
    /// (RFC 9110, section 8.8.2.2).
    fn has_strong_date(&self) -> bool {
        const SAFE: Duration = Duration::from_secs(60);
        let age =
            self.last_modified.and_then(|then| Environment::wall_clock().duration_since(then).ok());
        age.is_some_and(|age| age >= SAFE)
    }

    /// Whether a list of entity tags has ours. `ignored`: the prefix of weak tags, where the comparison is weak.
    fn matches(&self, tags: &str, ignored: &str) -> bool {
        let is_ours =
            |tag: &str| tag == "*" || tag.strip_prefix(ignored).unwrap_or(tag) == self.etag;
        tags.split(',').any(|tag| is_ours(tag.trim()))
    }

    /// In whole seconds, the resolution of dates in HTTP.
    fn seconds(&self) -> Option<u64> {
        Some(self.last_modified?.duration_since(UNIX_EPOCH).ok()?.as_secs())
    }
}

fn seconds(date: &str) -> Option<u64> {
    let date = httpdate::parse_http_date(date).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// Parses `bytes=0-99`, `bytes=100-` or `bytes=-100`. `None` for a malformed Range, and for several ranges, both of
/// which a server may ignore (RFC 9110, section 14.2).
fn parse_range(range: &str, size: u64) -> Option<RequestedRange> {
    let (unit, range) = range.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.eq_ignore_ascii_case("bytes") || [first, last].iter().any(|text| !is_digits(text)) {
        return None;
    }
    // A number beyond 64 bits is beyond the end of any file.
    let number = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX));
    let part = match (number(first), number(last)) {
        (None, None) => return None,
        (Some(first), Some(last)) if last < first => return None,
        // A suffix of an empty file is the whole file.
        (None, Some(1..)) if size == 0 => return None,
        (None, Some(count)) => size.saturating_sub(count)..size,
        (Some(first), last) => first..last.map_or(size, |last| last.saturating_add(1).min(size)),
    };
    Some(match part.start < size {
        true => RequestedRange::Part(part),
        false => RequestedRange::Unsatisfiable,
    })
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::serve::modes::http::request::tests::request;

    const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    /// Modified within the second of `NOW`.
    fn validators() -> Validators {
        let modified = UNIX_EPOCH + Duration::from_millis(784_111_777_900);
        Validators { etag: "\"a-1\"".to_owned(), last_modified: Some(modified) }
    }

    fn with(fields: &str) -> Request {
        request(&format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n"))
    }

    #[test]
    fn ranges_are_cut_to_what_there_is() {
        let some = |range| Some(RequestedRange::Part(range));
        let beyond = || Some(RequestedRange::Unsatisfiable);
        for (range, size, expected) in [
            ("bytes=0-0", 10, some(0..1)),
            ("bytes=0-9", 10, some(0..10)),
            ("bytes=9-9", 10, some(9..10)),
            ("bytes=9-", 10, some(9..10)),
            ("bytes=3-99", 10, some(3..10)),
            ("bytes=3-99999999999999999999999", 10, some(3..10)),
            ("bytes=0-18446744073709551615", 10, some(0..10)),
            ("Bytes= 2-3 ", 10, some(2..4)),
            ("bytes=-1", 10, some(9..10)),
            ("bytes=-10", 10, some(0..10)),
            ("bytes=-11", 10, some(0..10)),
            ("bytes=10-", 10, beyond()),
            ("bytes=10-20", 10, beyond()),
            ("bytes=99999999999999999999999-", 10, beyond()),
            ("bytes=-0", 10, beyond()),
            ("bytes=0-", 0, beyond()),
            ("bytes=0-0", 0, beyond()),
            ("bytes=-5", 0, None),
            ("bytes=3-2", 10, None),
            ("bytes=-", 10, None),
            ("bytes=", 10, None),
            ("bytes", 10, None),
            ("bytes=a-b", 10, None),
            ("bytes=+1-2", 10, None),
            ("bytes=--1", 10, None),
            ("bytes=0-1,3-4", 10, None),
            ("lines=0-1", 10, None),
        ] {
            assert_eq!(parse_range(range, size), expected, "{range} of {size}");
        }
    }

    #[test]
    fn only_get_has_ranges_and_only_of_the_clients_representation() {
        let range = |fields: &str| validators().range(&with(fields), 10);
        assert_eq!(range("Range: bytes=0-0"), RequestedRange::Part(0..1));
        for (validator, is_current) in [
            (NOW, true),
            (BEFORE, false),
            ("\"a-1\"", true),
            ("\"a-2\"", false),
            ("W/\"a-1\"", false),
            ("Wed, 06 Nov 1994 08:49:37 GMT", false),
            ("x", false),
        ] {
            let range = range(&format!("Range: bytes=0-0\r\nIf-Range: {validator}"));
            let expected = match is_current {
                true => RequestedRange::Part(0..1),
                false => RequestedRange::Whole,
            };
            assert_eq!(range, expected, "{validator}");
        }
        let head = request("HEAD / HTTP/1.1\r\nHost: x\r\nRange: bytes=0-0\r\n\r\n");
        assert_eq!(validators().range(&head, 10), RequestedRange::Whole);
    }

    #[test]
    fn preconditions_compare_validators() {
        use Precondition::{Failed, NotModified, Passed};
        let table = [
            ("X: y".to_owned(), Passed),
            (format!("If-Modified-Since: {NOW}"), NotModified),
            (format!("If-Modified-Since: {BEFORE}"), Passed),
            ("If-Modified-Since: yesterday".to_owned(), Passed),
            ("If-None-Match: \"a-1\"".to_owned(), NotModified),
            ("If-None-Match: \"b\", W/\"a-1\"".to_owned(), NotModified),
            ("If-None-Match: *".to_owned(), NotModified),
            (format!("If-None-Match: \"b\"\r\nIf-Modified-Since: {NOW}"), Passed),
            (format!("If-Unmodified-Since: {NOW}"), Passed),
            (format!("If-Unmodified-Since: {BEFORE}"), Failed),
            ("If-Match: \"a-1\"".to_owned(), Passed),
            ("If-Match: *".to_owned(), Passed),
            ("If-Match: W/\"a-1\"".to_owned(), Failed),
            ("If-Match: \"b\"\r\nIf-None-Match: \"a-1\"".to_owned(), Failed),
        ];
        for (fields, expected) in table {
            assert_eq!(validators().evaluate(&with(&fields)), expected, "{fields}");
        }
        let undated = Validators { last_modified: None, ..validators() };
        assert_eq!(undated.evaluate(&with(&format!("If-Modified-Since: {NOW}"))), Passed);
        assert_eq!(undated.evaluate(&with(&format!("If-Unmodified-Since: {BEFORE}"))), Passed);
    }
}
