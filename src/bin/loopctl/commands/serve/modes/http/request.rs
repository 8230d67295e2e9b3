//! Parsing of a request's head: request line and fields (RFC 9112, sections 2 to 5).

use std::time::{Duration, Instant};

use httparse::EMPTY_HEADER;

use super::bad_request::{BadRequest, MAX_FIELDS, MAX_HEAD};
use super::body::Body;
use super::request_line;
use super::status::Status;

/// Time from the first to the last byte of a head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Splits received bytes into heads.
#[derive(Default)]
pub(super) struct RequestParser {
    /// Received and not yet consumed.
    pub(super) buffer: Vec<u8>,
    /// Time of the first byte of an incomplete head.
    head_started: Option<Instant>,
}

/// A request without its content.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    /// HTTP/1.1; otherwise HTTP/1.0.
    is_http11: bool,
    fields: Vec<(String, String)>,
    /// The head as received.
    pub(super) head: Vec<u8>,
}

impl RequestParser {
    /// Consumes the next head, if it is complete.
    ///
    /// # Errors
    /// A head that is malformed, too long or too slow.
    pub(super) fn next(&mut self, now: Instant) -> Result<Option<Request>, BadRequest> {
        // Empty lines before a request are ignored (RFC 9112, section 2.2).
        let blank = self.buffer.iter().take_while(|byte| b"\r\n".contains(byte)).count();
        self.buffer.drain(..blank);
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let started = *self.head_started.get_or_insert(now);
        let request = Request::parse(&mut self.buffer)?;
        if request.is_some() {
            self.head_started = None;
        } else if now >= started + HEAD_TIMEOUT {
            let text = "the request's head took longer than 10 s";
            return Err(BadRequest::new(Status::REQUEST_TIMEOUT, text));
        }
        Ok(request)
    }

    /// Time left for a head of which the first byte has been received.
    pub(super) fn time_left(&self, now: Instant) -> Option<Duration> {
        self.head_started.map(|started| (started + HEAD_TIMEOUT).saturating_duration_since(now))
    }
}

impl Request {
    /// Removes a head from the front of `bytes`, if it is complete.
    fn parse(bytes: &mut Vec<u8>) -> Result<Option<Self>, BadRequest> {
        if !request_line::check(bytes)? {
            return match bytes.len() <= MAX_HEAD {
                true => Ok(None),
                false => Err(BadRequest::too_long(bytes)),
            };
        }
        let head = request_line::normalized(bytes);
        let added = head.len() - bytes.len();
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Request::new(&mut fields);
        let length = match parsed.parse(&head).map_err(BadRequest::from)? {
            httparse::Status::Complete(length) if length - added <= MAX_HEAD => length - added,
            httparse::Status::Partial if bytes.len() <= MAX_HEAD => return Ok(None),
            _ => return Err(BadRequest::too_long(bytes)),
        };
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let fields = parsed.headers.iter().map(|field| (field.name.to_owned(), text(field.value)));
        let mut request = Self {
            method: parsed.method.unwrap_or_default().to_owned(),
            target: parsed.path.unwrap_or_default().to_owned(),
            is_http11: parsed.version == Some(1),
            fields: fields.collect(),
            head: Vec::new(),
        };
        request.head = bytes.drain(..length).collect();
        // RFC 9112, section 3.2
        let hosts = request.values("host").count();
        if hosts > 1 || (hosts == 0 && request.is_http11) {
            return Err(BadRequest::malformed("a request has one Host field"));
        }
        if !request.values("host").all(request_line::is_host) {
            return Err(BadRequest::malformed("the value of Host is not a host"));
        }
        Ok(Some(request))
    }

    /// A field's value. The values of repeated fields are joined by commas (RFC 9110, section 5.3).
    pub(super) fn field(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self.values(name).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The framing of the content.
    pub(super) fn body(&self) -> Result<Body, BadRequest> {
        match (self.field("transfer-encoding"), self.field("content-length")) {
            (None, None) => Ok(Body::with_length(0)),
            (None, Some(length)) => length_of(&length).map(Body::with_length),
            // Both together are an attempt at request smuggling (RFC 9112, section 6.1).
            (Some(_), Some(_)) => Err(BadRequest::malformed(
                "a request has Transfer-Encoding or Content-Length, not both",
            )),
            (Some(coding), None) if !self.is_http11 || !coding.eq_ignore_ascii_case("chunked") => {
                Err(BadRequest::new(Status::NOT_IMPLEMENTED, "the only transfer coding is chunked"))
            }
            (Some(_), None) => Ok(Body::chunked()),
        }
    }

    /// Whether the client wants a persistent connection (RFC 9112, section 9.3).
    pub(super) fn keeps_alive(&self) -> bool {
        let options = self.field("connection").unwrap_or_default();
        let has = |name: &str| options.split(',').any(|o| o.trim().eq_ignore_ascii_case(name));
        !has("close") && (self.is_http11 || has("keep-alive"))
    }

    /// Whether the response has to confirm a persistent connection, which HTTP/1.0 does not have by default.
    pub(super) fn needs_keep_alive(&self) -> bool {
        !self.is_http11 && self.keeps_alive()
    }

    /// Whether the client sends its content only after `100 Continue` (RFC 9110, section 10.1.1).
    pub(super) fn expects_continue(&self) -> bool {
        let expected = self.field("expect").unwrap_or_default();
        self.is_http11 && expected.eq_ignore_ascii_case("100-continue")
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let matching = self.fields.iter().filter(move |field| field.0.eq_ignore_ascii_case(name));
        matching.map(|field| &*field.1)
    }
}

/// The number of a Content-Length. Equal ones count as one (RFC 9110, section 8.6).
fn length_of(values: &str) -> Result<u64, BadRequest> {
    let mut numbers = values.split(',').map(|number| {
        let number = number.trim_matches([' ', '\t']);
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let malformed = || BadRequest::malformed("Content-Length is not a number");
        number.parse::<u64>().ok().filter(|_| is_number).ok_or_else(malformed)
    });
    let first = numbers.next().unwrap_or(Ok(0))?;
    for other in numbers {
        if other? != first {
            return Err(BadRequest::malformed("there are two values of Content-Length"));
        }
    }
    Ok(first)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use loopctl::EventLoop;

    /// Parses a whole request.
    pub(in crate::commands::serve) fn request(text: &str) -> Request {
        Request::parse(&mut text.as_bytes().to_vec()).unwrap().unwrap()
    }

    fn rejection(text: &str) -> u16 {
        Request::parse(&mut text.as_bytes().to_vec()).unwrap_err().status.code
    }

    #[test]
    fn a_head_is_consumed_when_it_is_complete_and_no_more_than_it() {
        let now = EventLoop::new().unwrap().handle().time();
        let mut parser = RequestParser::default();
        assert!(parser.next(now).unwrap().is_none());
        parser.buffer.extend(b"\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n");
        assert!(parser.next(now).unwrap().is_none());
        parser.buffer.extend(b"\r\nPUT /b HTTP/1.0\n\nrest");
        let first = parser.next(now).unwrap().unwrap();
        assert_eq!((&*first.method, &*first.target), ("GET", "/a"));
        assert_eq!(first.head, b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(parser.next(now).unwrap().unwrap().target, "/b");
        assert_eq!(parser.buffer, b"rest");
    }

    #[test]
    fn a_head_has_ten_seconds_from_its_first_byte() {
        let now = EventLoop::new().unwrap().handle().time();
        let seconds = Duration::from_secs;
        let mut parser = RequestParser::default();
        assert_eq!((parser.next(now).unwrap().is_none(), parser.time_left(now)), (true, None));
        let begun = now + seconds(100);
        parser.buffer.extend(b"GET / HTTP/1.1\r\nHost: x\r\n");
        assert!(parser.next(begun).unwrap().is_none(), "idle time does not count");
        assert_eq!(parser.time_left(begun + seconds(4)), Some(seconds(6)));
        assert!(parser.next(begun + seconds(9)).unwrap().is_none(), "nor is it counted anew");
        assert_eq!(parser.time_left(begun + seconds(11)), Some(Duration::ZERO));
        let error = parser.next(begun + seconds(10)).unwrap_err();
        assert_eq!(error.status, Status::REQUEST_TIMEOUT);
        parser.buffer.extend(b"\r\n");
        assert!(parser.next(begun + seconds(11)).unwrap().is_some(), "it is complete after all");
        assert_eq!(parser.time_left(begun), None);
    }

    #[test]
    fn heads_that_are_too_large_or_malformed_are_rejected() {
        let long = "x".repeat(MAX_HEAD);
        assert_eq!(rejection(&format!("GET /{long}")), 414);
        assert_eq!(rejection(&format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n")), 414);
        assert_eq!(rejection(&format!("GET / HTTP/1.1\r\nHost: x\r\nA: {long}")), 431);
        assert_eq!(rejection(&format!("GET / HTTP/1.1\r\nHost: x\r\nA: {long}\r\n\r\n")), 431);
        let fields = |count| format!("GET / HTTP/1.0\r\n{}\r\n", "A: b\r\n".repeat(count));
        assert_eq!(request(&fields(MAX_FIELDS)).values("a").count(), MAX_FIELDS);
        assert_eq!(rejection(&fields(MAX_FIELDS + 1)), 431);
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
            assert_eq!(rejection(malformed), 400, "{malformed:?}");
        }
        assert_eq!(rejection("GET / HTTP/2.0\r\n\r\n"), 505);
    }

    #[test]
    fn connections_persist_by_version_and_connection_field() {
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
            ("Content-Length: 5\r\nContent-Length: 5", Ok(false)),
            ("Content-Length: 0, 0", Ok(true)),
            ("Content-Length: 5, x", Err(400)),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked", Err(400)),
            ("Transfer-Encoding: gzip, chunked", Err(501)),
        ] {
            let request = request(&format!("PUT / HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n"));
            let body = request.body().map(|body| body.is_complete());
            let body = body.map_err(|error| error.status.code);
            assert_eq!(body, expected, "{fields}");
        }
    }
}
