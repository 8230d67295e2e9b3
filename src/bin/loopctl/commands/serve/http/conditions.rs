//! Whether a file is sent, and which part of it: what a request says about the version that a client has.

use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use super::request::Request;

/// What tells one state of a file from another.
#[derive(Debug, Clone)]
pub(super) struct Version {
    /// With its quotes.
    pub(super) tag: String,
    pub(super) modified: Option<SystemTime>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Send,
    /// The client has it.
    NotModified,
    /// The client has something else.
    Failed,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    Part(Range<u64>),
    /// There is nothing where it would begin.
    Beyond,
}

impl Version {
    /// The conditions in the order of RFC 9110, 13.2.2.
    pub(super) fn judge(&self, request: &Request) -> Verdict {
        let has_it = |date: &str| Some(self.seconds()? <= seconds(date)?);
        let is_stale = match (request.field("if-match"), request.field("if-unmodified-since")) {
            (Some(tags), _) => !self.is_among(&tags, ""),
            (None, Some(date)) => has_it(&date) == Some(false),
            (None, None) => false,
        };
        if is_stale {
            return Verdict::Failed;
        }
        let is_fresh = match (request.field("if-none-match"), request.field("if-modified-since")) {
            (Some(tags), _) => self.is_among(&tags, "W/"),
            (None, Some(date)) => has_it(&date) == Some(true),
            (None, None) => false,
        };
        if is_fresh { Verdict::NotModified } else { Verdict::Send }
    }

    /// The part that a request wants. Only GET has parts, and what is not understood is not heeded.
    pub(super) fn part(&self, request: &Request, size: u64) -> Wanted {
        let range = request.field("range").filter(|_| request.method == "GET");
        let is_current = |known: String| match known.starts_with(['"', 'W']) && known.contains('"')
        {
            true => known == self.tag,
            false => self.seconds().is_some() && self.seconds() == seconds(&known),
        };
        match range.filter(|_| request.field("if-range").is_none_or(is_current)) {
            Some(range) => part(&range, size).unwrap_or(Wanted::All),
            None => Wanted::All,
        }
    }

    fn is_among(&self, tags: &str, weak: &str) -> bool {
        let is_it = |tag: &str| tag == "*" || tag.strip_prefix(weak).unwrap_or(tag) == self.tag;
        tags.split(',').any(|tag| is_it(tag.trim()))
    }

    /// As exact as HTTP is.
    fn seconds(&self) -> Option<u64> {
        Some(self.modified?.duration_since(UNIX_EPOCH).ok()?.as_secs())
    }
}

fn seconds(date: &str) -> Option<u64> {
    let date = httpdate::parse_http_date(date).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// `bytes=0-99`, `bytes=100-` or `bytes=-100`, of so many bytes. Several ranges may be answered by everything
/// (RFC 9110, 14.2), and what makes no sense is.
fn part(range: &str, size: u64) -> Option<Wanted> {
    let (unit, range) = range.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.eq_ignore_ascii_case("bytes") || [first, last].iter().any(|text| !is_digits(text)) {
        return None;
    }
    // What is too large for a number is too large for any file.
    let number = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX));
    let part = match (number(first), number(last)) {
        (None, None) => return None,
        (Some(first), Some(last)) if last < first => return None,
        // The last bytes of nothing are all there is.
        (None, Some(1..)) if size == 0 => return None,
        (None, Some(count)) => size.saturating_sub(count)..size,
        (Some(first), last) => first..last.map_or(size, |last| last.saturating_add(1).min(size)),
    };
    Some(if part.start < size { Wanted::Part(part) } else { Wanted::Beyond })
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::commands::serve::http::request::tests::request;

    const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    /// Changed within the second of `NOW`.
    fn version() -> Version {
        let modified = UNIX_EPOCH + Duration::from_millis(784_111_777_900);
        Version { tag: "\"a-1\"".to_owned(), modified: Some(modified) }
    }

    fn with(fields: &str) -> Request {
        request(&format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n"))
    }

    #[test]
    fn ranges_are_cut_to_what_there_is() {
        let (some, beyond) = (|range| Some(Wanted::Part(range)), Some(Wanted::Beyond));
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
            ("bytes=10-", 10, Some(Wanted::Beyond)),
            ("bytes=10-20", 10, Some(Wanted::Beyond)),
            ("bytes=99999999999999999999999-", 10, Some(Wanted::Beyond)),
            ("bytes=-0", 10, Some(Wanted::Beyond)),
            ("bytes=0-", 0, Some(Wanted::Beyond)),
            ("bytes=0-0", 0, beyond),
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
            assert_eq!(part(range, size), expected, "{range} of {size}");
        }
    }

    #[test]
    fn only_get_has_parts_and_only_of_what_the_client_knows() {
        let part = |fields: &str| version().part(&with(fields), 10);
        assert_eq!(part("Range: bytes=0-0"), Wanted::Part(0..1));
        for (known, is_current) in [
            (NOW, true),
            (BEFORE, false),
            ("\"a-1\"", true),
            ("\"a-2\"", false),
            ("W/\"a-1\"", false),
            ("Wed, 06 Nov 1994 08:49:37 GMT", false),
            ("x", false),
        ] {
            let wanted = part(&format!("Range: bytes=0-0\r\nIf-Range: {known}"));
            let expected = if is_current { Wanted::Part(0..1) } else { Wanted::All };
            assert_eq!(wanted, expected, "{known}");
        }
        let head = request("HEAD / HTTP/1.1\r\nHost: x\r\nRange: bytes=0-0\r\n\r\n");
        assert_eq!(version().part(&head, 10), Wanted::All);
    }

    #[test]
    fn conditions_are_about_the_version_that_the_client_has() {
        use Verdict::{Failed, NotModified, Send};
        let table = [
            ("X: y".to_owned(), Send),
            (format!("If-Modified-Since: {NOW}"), NotModified),
            (format!("If-Modified-Since: {BEFORE}"), Send),
            ("If-Modified-Since: yesterday".to_owned(), Send),
            ("If-None-Match: \"a-1\"".to_owned(), NotModified),
            ("If-None-Match: \"b\", W/\"a-1\"".to_owned(), NotModified),
            ("If-None-Match: *".to_owned(), NotModified),
            (format!("If-None-Match: \"b\"\r\nIf-Modified-Since: {NOW}"), Send),
            (format!("If-Unmodified-Since: {NOW}"), Send),
            (format!("If-Unmodified-Since: {BEFORE}"), Failed),
            ("If-Match: \"a-1\"".to_owned(), Send),
            ("If-Match: *".to_owned(), Send),
            ("If-Match: W/\"a-1\"".to_owned(), Failed),
            ("If-Match: \"b\"\r\nIf-None-Match: \"a-1\"".to_owned(), Failed),
        ];
        for (fields, expected) in table {
            assert_eq!(version().judge(&with(&fields)), expected, "{fields}");
        }
        let ageless = Version { modified: None, ..version() };
        assert_eq!(ageless.judge(&with(&format!("If-Modified-Since: {NOW}"))), Send);
        assert_eq!(ageless.judge(&with(&format!("If-Unmodified-Since: {BEFORE}"))), Send);
    }
}
