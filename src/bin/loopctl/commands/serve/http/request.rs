//! A request's head, from bytes to what is asked for.

use std::time::{Duration, Instant};

use httparse::EMPTY_HEADER;

use super::body::Body;
use super::refused::{LONGEST, MOST_FIELDS, Refused};
use super::status::Status;

/// How long it may take from its first byte to its end.
const SLOWEST: Duration = Duration::from_secs(10);

/// What has come and not been taken yet.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) bytes: Vec<u8>,
    /// When the first byte of a head was seen.
    since: Option<Instant>,
}

/// One request without its body.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    /// HTTP/1.1, not 1.0.
    is_current: bool,
    fields: Vec<(String, String)>,
    /// As it came.
    pub(super) head: Vec<u8>,
}

impl Inbox {
    /// Takes the next head if it is complete. A decision: it is told the time.
    pub(super) fn next(&mut self, now: Instant) -> Result<Option<Request>, Refused> {
        // Empty lines before a request are to be ignored (RFC 9112, 2.2).
        let blank = self.bytes.iter().take_while(|byte| b"\r\n".contains(byte)).count();
        self.bytes.drain(..blank);
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let since = *self.since.get_or_insert(now);
        let request = Request::take(&mut self.bytes)?;
        if request.is_some() {
            self.since = None;
        } else if now >= since + SLOWEST {
            let why = "the request's head took longer than 10 s";
            return Err(Refused::new(Status::REQUEST_TIMEOUT, why));
        }
        Ok(request)
    }

    /// How long the head that has begun may still take.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        self.since.map(|since| (since + SLOWEST).saturating_duration_since(now))
    }
}

impl Request {
    fn take(bytes: &mut Vec<u8>) -> Result<Option<Self>, Refused> {
        let mut fields = [EMPTY_HEADER; MOST_FIELDS];
        let mut parsed = httparse::Request::new(&mut fields);
        let length = match parsed.parse(bytes).map_err(Refused::from)? {
            httparse::Status::Complete(length) if length <= LONGEST => length,
            httparse::Status::Partial if bytes.len() <= LONGEST => return Ok(None),
            _ => return Err(Refused::too_long(bytes)),
        };
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let fields = parsed.headers.iter().map(|field| (field.name.to_owned(), text(field.value)));
        let mut request = Self {
            method: parsed.method.unwrap_or_default().to_owned(),
            target: parsed.path.unwrap_or_default().to_owned(),
            is_current: parsed.version == Some(1),
            fields: fields.collect(),
            head: Vec::new(),
        };
        request.head = bytes.drain(..length).collect();
        let hosts = request.all("host").count();
        if hosts > 1 || (hosts == 0 && request.is_current) {
            return Err(Refused::malformed("a request names one host"));
        }
        Ok(Some(request))
    }

    /// A field's value; one that is given again continues it (RFC 9110, 5.3).
    pub(super) fn field(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self.all(name).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// What follows the head.
    pub(super) fn body(&self) -> Result<Body, Refused> {
        match (self.field("transfer-encoding"), self.field("content-length")) {
            (None, None) => Ok(Body::of_length(0)),
            (None, Some(length)) => {
                let is_number = length.bytes().all(|byte| byte.is_ascii_digit());
                let length = length.parse().ok().filter(|_| is_number);
                let refused = || Refused::malformed("Content-Length is no number");
                length.map(Body::of_length).ok_or_else(refused)
            }
            // Who sends both may want to smuggle a request past somebody (RFC 9112, 6.1).
            (Some(_), Some(_)) => {
                Err(Refused::malformed("either Transfer-Encoding or Content-Length"))
            }
            (Some(coding), None) if !self.is_current || !coding.eq_ignore_ascii_case("chunked") => {
                Err(Refused::new(Status::NOT_IMPLEMENTED, "the only transfer coding is chunked"))
            }
            (Some(_), None) => Ok(Body::chunked()),
        }
    }

    /// Whether the client wants to ask again.
    pub(super) fn keeps_alive(&self) -> bool {
        let wishes = self.field("connection").unwrap_or_default();
        let wishes = |what: &str| wishes.split(',').any(|w| w.trim().eq_ignore_ascii_case(what));
        !wishes("close") && (self.is_current || wishes("keep-alive"))
    }

    /// Whether it has to be told that the connection stays: in HTTP/1.0 that is not a matter of course.
    pub(super) fn asks_to_be_kept(&self) -> bool {
        !self.is_current && self.keeps_alive()
    }

    /// Whether the client sends the body only when it is told to.
    pub(super) fn awaits_continue(&self) -> bool {
        let expected = self.field("expect").unwrap_or_default();
        self.is_current && expected.eq_ignore_ascii_case("100-continue")
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let matching = self.fields.iter().filter(move |field| field.0.eq_ignore_ascii_case(name));
        matching.map(|field| &*field.1)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use loopctl::EventLoop;

    /// A request that has come at once.
    pub(in crate::commands::serve) fn request(text: &str) -> Request {
        Request::take(&mut text.as_bytes().to_vec()).unwrap().unwrap()
    }

    fn refusal(text: &str) -> u16 {
        Request::take(&mut text.as_bytes().to_vec()).unwrap_err().status.code
    }

    #[test]
    fn a_head_is_taken_when_it_is_complete_and_no_more_than_it() {
        let now = EventLoop::new().unwrap().handle().time();
        let mut inbox = Inbox::default();
        assert!(inbox.next(now).unwrap().is_none());
        inbox.bytes.extend(b"\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n");
        assert!(inbox.next(now).unwrap().is_none());
        inbox.bytes.extend(b"\r\nPUT /b HTTP/1.0\n\nrest");
        let first = inbox.next(now).unwrap().unwrap();
        assert_eq!((&*first.method, &*first.target), ("GET", "/a"));
        assert_eq!(first.head, b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(inbox.next(now).unwrap().unwrap().target, "/b");
        assert_eq!(inbox.bytes, b"rest");
    }

    #[test]
    fn a_head_has_ten_seconds_from_its_first_byte() {
        let now = EventLoop::new().unwrap().handle().time();
        let seconds = Duration::from_secs;
        let mut inbox = Inbox::default();
        assert_eq!((inbox.next(now).unwrap().is_none(), inbox.left(now)), (true, None));
        let begun = now + seconds(100);
        inbox.bytes.extend(b"GET / HTTP/1.1\r\nHost: x\r\n");
        assert!(inbox.next(begun).unwrap().is_none(), "idle time does not count");
        assert_eq!(inbox.left(begun + seconds(4)), Some(seconds(6)));
        assert!(inbox.next(begun + seconds(9)).unwrap().is_none(), "nor is it counted anew");
        assert_eq!(inbox.left(begun + seconds(11)), Some(Duration::ZERO));
        let refused = inbox.next(begun + seconds(10)).unwrap_err();
        assert_eq!(refused.status, Status::REQUEST_TIMEOUT);
        inbox.bytes.extend(b"\r\n");
        assert!(inbox.next(begun + seconds(11)).unwrap().is_some(), "it is complete after all");
        assert_eq!(inbox.left(begun), None);
    }

    #[test]
    fn what_is_too_large_or_malformed_is_refused() {
        let long = "x".repeat(LONGEST);
        assert_eq!(refusal(&format!("GET /{long}")), 414);
        assert_eq!(refusal(&format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n")), 414);
        assert_eq!(refusal(&format!("GET / HTTP/1.1\r\nHost: x\r\nA: {long}")), 431);
        assert_eq!(refusal(&format!("GET / HTTP/1.1\r\nHost: x\r\nA: {long}\r\n\r\n")), 431);
        let fields = |count| format!("GET / HTTP/1.0\r\n{}\r\n", "A: b\r\n".repeat(count));
        assert_eq!(request(&fields(MOST_FIELDS)).all("a").count(), MOST_FIELDS);
        assert_eq!(refusal(&fields(MOST_FIELDS + 1)), 431);
        for malformed in [
            "\u{16}\u{3}\u{1}",
            "GET\r\n",
            "GET /\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            "GET /\0 HTTP/1.1\r\n",
        ] {
            assert_eq!(refusal(malformed), 400, "{malformed:?}");
        }
        assert_eq!(refusal("GET / HTTP/2.0\r\n\r\n"), 505);
    }

    #[test]
    fn connections_stay_unless_somebody_wants_otherwise() {
        for (version, field, keeps) in [
            (1, "X: y", true),
            (1, "Connection: close", false),
            (1, "Connection: TE, Close", false),
            (1, "Connection: TE\r\nConnection: close", false),
            (0, "X: y", false),
            (0, "Connection: Keep-Alive", true),
            (0, "Connection: keep-alive, close", false),
        ] {
            let request = request(&format!("GET / HTTP/1.{version}\r\nHost: x\r\n{field}\r\n\r\n"));
            assert_eq!(request.keeps_alive(), keeps, "1.{version} {field}");
        }
    }

    #[test]
    fn bodies_have_one_length() {
        for (fields, expected) in [
            ("X: y", Ok(true)),
            ("Content-Length: 0", Ok(true)),
            ("Content-Length: 5", Ok(false)),
            ("Transfer-Encoding: Chunked", Ok(false)),
            ("Content-Length: +5", Err(400)),
            ("Content-Length: ", Err(400)),
            ("Content-Length: 99999999999999999999", Err(400)),
            ("Content-Length: 5\r\nContent-Length: 6", Err(400)),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked", Err(400)),
            ("Transfer-Encoding: gzip, chunked", Err(501)),
        ] {
            let request = request(&format!("PUT / HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n"));
            let body = request.body().map(|body| body.is_over()).map_err(|why| why.status.code);
            assert_eq!(body, expected, "{fields}");
        }
    }
}
