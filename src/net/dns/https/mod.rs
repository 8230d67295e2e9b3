//! DNS over HTTPS (RFC 8484): HTTP/2 in [`http2`], and HTTP/1.1 here.

#[cfg(feature = "tls")]
pub(super) mod http2;

use std::fmt;
use std::io;

use httparse::{EMPTY_HEADER, Header, Status, parse_chunk_size};

use super::DnsServer;
use super::channel::without_end;
use crate::net::StreamReader;
use crate::plan::{Host, Port, Target};

/// Media type of DNS messages.
const DNS_MESSAGE: &str = "application/dns-message";

/// Maximum size of a message, in bytes.
const MAX_MESSAGE: usize = 65_535;

/// Response without a DNS message, with the reason.
#[derive(Debug)]
pub(super) struct NoMessage(String);

impl NoMessage {
    pub(super) fn is_within(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|error| error.is::<Self>())
    }
}

impl fmt::Display for NoMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoMessage {}

fn no_message(why: impl fmt::Display) -> io::Error {
    let why = why.to_string().escape_debug().to_string();
    io::Error::new(io::ErrorKind::InvalidData, NoMessage(why))
}

/// Ends of the path of a URI template (RFC 8484 section 4.1.1), which stand for a query with GET.
const TEMPLATES: [(&str, char); 2] = [("{?dns}", '?'), ("{&dns}", '&')];

/// Path of a query with GET; `None` if the path is no template, and the query is sent with POST.
fn get_path(server: &DnsServer, message: &[u8]) -> Option<String> {
    let split = |(end, sign): &(&str, char)| Some((server.path().strip_suffix(end)?, *sign));
    let (path, sign) = TEMPLATES.iter().find_map(split)?;
    Some(format!("{path}{sign}dns={}", data_encoding::BASE64URL_NOPAD.encode(message)))
}

/// Host and port for requests. The default port is omitted (RFC 9110 section 4.2.2), and a zone has no meaning for the
/// server.
fn authority(server: &DnsServer) -> String {
    let host = server.host().to_string();
    let host = Host::from(host.split('%').next().unwrap_or_default());
    match (Target::Tcp(host.clone(), Port::Number(server.port())), server.port()) {
        (_, 443) => match host {
            Host::Literal(ip) if ip.is_ipv6() => format!("[{ip}]"),
            host => host.to_string(),
        },
        (target, _) => target.to_string(),
    }
}

pub(super) fn request(server: &DnsServer, message: &[u8]) -> Vec<u8> {
    let (authority, length) = (authority(server), message.len());
    if let Some(path) = get_path(server, message) {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {authority}\r\nAccept: {DNS_MESSAGE}\r\n\
             Connection: close\r\n\r\n"
        );
        return head.into_bytes();
    }
    let path = server.path();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: {DNS_MESSAGE}\r\n\
         Accept: {DNS_MESSAGE}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    [head.as_bytes(), message].concat()
}

/// Reason why a response with this status has no message; `None` for 200.
fn status_fault(code: u16, reason: &str, location: Option<&str>) -> Option<String> {
    let said = format!("the server said {code} {reason}");
    let said = said.trim_end();
    Some(match (code, location) {
        (200, _) => return None,
        (300..=399, Some(to)) => format!("{said}: it redirects to {to}, which is not followed"),
        (404 | 410, _) => format!("{said}: is the path of the server right?"),
        (415, _) => format!("{said}: it does not take {DNS_MESSAGE}"),
        _ => said.to_owned(),
    })
}

/// Reason why a response with this media type has no message.
fn type_fault(media_type: Option<&str>) -> Option<String> {
    let kind = media_type.unwrap_or("nothing").split(';').next().unwrap_or_default().trim();
    (!kind.eq_ignore_ascii_case(DNS_MESSAGE)).then(|| format!("it is {kind}, not {DNS_MESSAGE}"))
}

/// End of a body (RFC 9112 section 6.3).
#[derive(Debug, PartialEq, Eq)]
enum Body {
    Counted(usize),
    Chunked,
    /// At the end of the connection.
    Open,
}

/// Reads a response and returns the message in it.
pub(super) async fn response(reader: &mut StreamReader) -> io::Result<Vec<u8>> {
    /// Maximum number of interim responses (1xx); a server could send them without end.
    const MAX_INTERIM: usize = 16;
    for _ in 0..=MAX_INTERIM {
        let head = reader.read_until(b"\r\n\r\n").await.map_err(without_end)?;
        match read_head(&head)? {
            None => {}
            Some(Body::Counted(length)) => {
                return reader.read_exactly(length).await.map_err(without_end);
            }
            Some(Body::Chunked) => return chunks(reader).await,
            Some(Body::Open) => {
                let mut body = Vec::new();
                while let more = reader.read_some(MAX_MESSAGE).await?
                    && !more.is_empty()
                {
                    append(&mut body, &more)?;
                }
                return Ok(body);
            }
        }
    }
    Err(no_message(format!("more than {MAX_INTERIM} interim responses (1xx)")))
}

/// `None` for an interim response (1xx).
fn read_head(head: &[u8]) -> io::Result<Option<Body>> {
    const MAX_HEADERS: usize = 100;
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    if !matches!(response.parse(head), Ok(Status::Complete(_))) {
        return Err(no_message("it is no response of HTTP/1.1"));
    }
    let code = response.code.unwrap_or_default();
    if (100..=199).contains(&code) {
        return Ok(None);
    }
    let found = |name: &str| find(response.headers, name);
    let reason = response.reason.unwrap_or_default();
    if let Some(why) = status_fault(code, reason, found("location")) {
        return Err(no_message(why));
    }
    if let Some(why) = type_fault(found("content-type")) {
        return Err(no_message(why));
    }
    match (found("transfer-encoding"), found("content-length")) {
        (Some(coding), _) if coding.eq_ignore_ascii_case("chunked") => Ok(Some(Body::Chunked)),
        (Some(coding), _) => Err(no_message(format!("its coding is {coding}"))),
        (None, None) => Ok(Some(Body::Open)),
        (None, Some(length)) => match length.parse() {
            Ok(length) if length <= MAX_MESSAGE => Ok(Some(Body::Counted(length))),
            _ => Err(no_message(format!("its length is {length}"))),
        },
    }
}

fn find<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    found.and_then(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
}

/// Trailer fields are ignored.
async fn chunks(reader: &mut StreamReader) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = reader.read_until(b"\r\n").await.map_err(without_end)?;
        let Ok(Status::Complete((_, size))) = parse_chunk_size(&line) else {
            return Err(no_message("a chunk of it has no size"));
        };
        if size == 0 {
            return Ok(body);
        }
        let size = usize::try_from(size).ok().filter(|size| *size <= MAX_MESSAGE);
        let size = size.ok_or_else(|| no_message("a chunk of it is too long"))?;
        let chunk = reader.read_exactly(size + 2).await.map_err(without_end)?;
        append(&mut body, &chunk[..size])?;
    }
}

fn append(body: &mut Vec<u8>, more: &[u8]) -> io::Result<()> {
    if body.len() + more.len() > MAX_MESSAGE {
        return Err(no_message("it is longer than a message can be"));
    }
    body.extend_from_slice(more);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::*;

    fn head(lines: &str) -> Result<Option<Body>, String> {
        let text = format!("HTTP/1.1 {}\r\n\r\n", lines.replace('\n', "\r\n"));
        read_head(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn o4_heads_of_responses() {
        const TYPE: &str = "200 OK\nContent-Type: application/dns-message";
        assert_eq!(head(&format!("{TYPE}; x=y\ncontent-length: 12")), Ok(Some(Body::Counted(12))));
        assert_eq!(head(&format!("{TYPE}\nTransfer-Encoding: Chunked")), Ok(Some(Body::Chunked)));
        assert_eq!(head(TYPE), Ok(Some(Body::Open)));
        assert_eq!(head("103 Early Hints\nLink: x"), Ok(None));
        let refused = [
            ("404 Not Found", "the server said 404 Not Found: is the path of the server right?"),
            ("403 Forbidden", "the server said 403 Forbidden"),
            (
                "302 Found\nLocation: https://b.test/",
                "the server said 302 Found: it redirects to https://b.test/, which is not followed",
            ),
            ("301", "the server said 301"),
            ("415", "the server said 415: it does not take application/dns-message"),
            ("500", "the server said 500"),
            ("200 OK\nContent-Type: text/html", "it is text/html, not application/dns-message"),
            ("200 OK", "it is nothing, not application/dns-message"),
            ("nonsense", "it is no response of HTTP/1.1"),
            (&format!("{TYPE}\nContent-Length: 70000"), "its length is 70000"),
            (&format!("{TYPE}\nContent-Length: -1"), "its length is -1"),
            (&format!("{TYPE}\nTransfer-Encoding: gzip"), "its coding is gzip"),
        ];
        for (lines, why) in refused {
            assert_eq!(head(lines).unwrap_err(), why, "{lines}");
        }
    }

    #[test]
    fn o4_hosts_of_requests() {
        let host = |server: &str| {
            let text = String::from_utf8(request(&server.parse().unwrap(), b"")).unwrap();
            text.lines().nth(1).unwrap().to_owned()
        };
        assert_eq!(host("https://dns.google"), "Host: dns.google");
        assert_eq!(host("https://[::1]/"), "Host: [::1]");
        assert_eq!(host("https://[::1]:8443/"), "Host: [::1]:8443");
        assert_eq!(host("https://[fe80::1%eth0]:8443/"), "Host: [fe80::1]:8443");
    }

    #[test]
    fn o4_a_template_is_a_query_with_get() {
        let line = |server: &str| {
            let text = String::from_utf8_lossy(&request(&server.parse().unwrap(), b"\xff\xef?"))
                .into_owned();
            text.lines().next().unwrap().to_owned()
        };
        assert_eq!(line("https://a.test/q{?dns}"), "GET /q?dns=_-8_ HTTP/1.1");
        assert_eq!(line("https://a.test/q?x=1{&dns}"), "GET /q?x=1&dns=_-8_ HTTP/1.1");
        assert_eq!(line("https://a.test/{?dns}x"), "POST /{?dns}x HTTP/1.1");
    }

    proptest! {
        #[test]
        fn o4_arbitrary_heads_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_head(&bytes);
            let _ = read_head(&[b"HTTP/1.1 200 OK\r\n", bytes.as_slice(), b"\r\n\r\n"].concat());
        }
    }
}
