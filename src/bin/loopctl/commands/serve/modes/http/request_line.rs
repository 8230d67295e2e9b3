//! The request line (RFC 9112, section 3), checked by itself, so that the response says what is wrong with it.

use std::borrow::Cow;

use percent_encoding::percent_encode;

use super::bad_request::BadRequest;
use super::status::Status;

/// Start of the PROXY protocol, version 2, without the empty lines before it.
const PROXY_2: &[u8] = b"\0\r\nQUIT\n";

/// Length of a version such as `HTTP/1.1`.
const VERSION: usize = 8;

/// Whether the line is complete and its elements are as RFC 9112 has them.
///
/// # Errors
/// Another protocol, or what is wrong with the line.
pub(super) fn check(bytes: &[u8]) -> Result<bool, BadRequest> {
    if let Some(text) = other_protocol(bytes) {
        return Err(BadRequest::malformed(text));
    }
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        let method = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
        return check_method(method).map(|()| false);
    };
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    check_line(line).map(|()| true)
}

/// The head in the form that the parser of the fields knows: raw bytes of the target are percent-encoded, and a higher
/// minor version is HTTP/1.1 (RFC 9110, section 2.5). The line has been checked.
pub(super) fn normalized(head: &[u8]) -> Cow<'_, [u8]> {
    let end = head.iter().position(|byte| *byte == b'\n').unwrap_or(head.len());
    let line = head[..end].strip_suffix(b"\r").unwrap_or(&head[..end]);
    if line.is_ascii() && matches!(line.last(), Some(b'0' | b'1')) {
        return Cow::Borrowed(head);
    }
    // The set has no character: it encodes what is not ASCII.
    let mut changed: Vec<u8> = percent_encode(line, &NOTHING).to_string().into_bytes();
    if let Some(minor) = changed.last_mut().filter(|minor| **minor > b'1') {
        *minor = b'1';
    }
    changed.extend(&head[line.len()..]);
    Cow::Owned(changed)
}

const NOTHING: percent_encoding::AsciiSet = percent_encoding::AsciiSet::EMPTY;

/// Whether a value of Host is one: a host, and possibly a port (RFC 9110, section 7.2).
pub(super) fn is_host(value: &str) -> bool {
    let (host, port) = match value.rfind(':') {
        Some(colon) if !value[colon..].contains(']') => (&value[..colon], &value[colon + 1..]),
        _ => (value, ""),
    };
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte);
    is_port
        && match literal {
            Some(inner) => {
                !inner.is_empty() && inner.bytes().all(|byte| byte == b':' || is_name(byte))
            }
            None => host.bytes().all(is_name),
        }
}

fn other_protocol(bytes: &[u8]) -> Option<&'static str> {
    // The handshake of RFC 8446 begins with a record of type 22 and a version of 3.x.
    if let [0x16, 0x03, ..] = bytes {
        return Some("this is a TLS handshake, not HTTP");
    }
    let is_proxy_2 = !bytes.is_empty()
        && bytes[..bytes.len().min(PROXY_2.len())] == PROXY_2[..bytes.len().min(PROXY_2.len())];
    if bytes.starts_with(b"PROXY ") || is_proxy_2 {
        return Some("this is the PROXY protocol, not HTTP");
    }
    bytes.starts_with(b"SSH-").then_some("this is SSH, not HTTP")
}

fn check_line(line: &[u8]) -> Result<(), BadRequest> {
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    check_method(parts[0])?;
    let (target, version) = match parts[..] {
        [_, target, version] => (target, version),
        [_] => return Err(BadRequest::malformed("the request line has no target")),
        [_, _] => return Err(BadRequest::malformed("the request line has no version")),
        [_, .., version] if version.starts_with(b"HTTP/") => {
            return Err(BadRequest::malformed("the target has a space: it is written as %20"));
        }
        _ => return Err(BadRequest::malformed("the request line has more than three parts")),
    };
    check_version(version)?;
    check_target(parts[0], target)
}

fn check_method(method: &[u8]) -> Result<(), BadRequest> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    match method.iter().all(is_token) {
        true if !method.is_empty() => Ok(()),
        _ => Err(BadRequest::malformed("the method is malformed")),
    }
}

/// Only a version that is one, with another major number, is not supported (RFC 9110, section 15.6.6).
fn check_version(version: &[u8]) -> Result<(), BadRequest> {
    let numbers = version.strip_prefix(b"HTTP/").filter(|_| version.len() == VERSION);
    match numbers {
        Some([b'1', b'.', b'0'..=b'9']) => Ok(()),
        Some([b'0'..=b'9', b'.', b'0'..=b'9']) => {
            let text = "the server speaks HTTP/1.1, not this major version";
            Err(BadRequest::new(Status::VERSION_NOT_SUPPORTED, text))
        }
        _ => Err(BadRequest::malformed("the version is malformed")),
    }
}

/// The four forms of RFC 9112, section 3.2.
fn check_target(method: &[u8], target: &[u8]) -> Result<(), BadRequest> {
    let refuse = |text| Err(BadRequest::malformed(text));
    if target.is_empty() {
        return refuse("the target is empty");
    }
    if target.iter().any(u8::is_ascii_control) {
        return refuse("the target has a control character");
    }
    if method == b"CONNECT" {
        return match str::from_utf8(target) {
            Ok(target) if is_authority(target) => Ok(()),
            _ => refuse("the target of CONNECT is not host:port"),
        };
    }
    match target {
        [b'/', ..] => Ok(()),
        b"*" if method == b"OPTIONS" => Ok(()),
        b"*" => refuse("the target * is for OPTIONS only"),
        _ if is_url(target) => Ok(()),
        _ => refuse("the target is neither a path nor a URL"),
    }
}

fn is_authority(target: &str) -> bool {
    let port = target.rsplit_once(':').map_or("", |(_, port)| port);
    is_host(target) && !target.starts_with(':') && port.parse::<u16>().is_ok()
}

/// A scheme and an authority. That of HTTP has a host (RFC 9110, section 4.2.1).
fn is_url(target: &[u8]) -> bool {
    let Some(colon) = target.iter().position(|byte| *byte == b':') else { return false };
    let (scheme, rest) = target.split_at(colon);
    let Some(rest) = rest.strip_prefix(b"://") else { return false };
    let authority = rest.split(|byte| b"/?#".contains(byte)).next().unwrap_or_default();
    let host = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    let is_http = ["http", "https"].iter().any(|it| scheme.eq_ignore_ascii_case(it.as_bytes()));
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(is_scheme)
        && (!is_http || !host.is_empty() && !host.starts_with(b":"))
        && str::from_utf8(host).is_ok_and(is_host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(line: &[u8]) -> (u16, &'static str) {
        let error = check(&[line, b"\r\n"].concat()).unwrap_err();
        (error.status.code, error.text)
    }

    #[test]
    fn each_mistake_has_its_name() {
        for (line, code, text) in [
            (&b"GET /sp ace HTTP/1.1"[..], 400, "the target has a space: it is written as %20"),
            (b"GET /two  spaces HTTP/1.1", 400, "the target has a space: it is written as %20"),
            (b"GET  HTTP/1.1", 400, "the target is empty"),
            (b"GET /", 400, "the request line has no version"),
            (b"GET", 400, "the request line has no target"),
            (b"GET / HTTP/2.0", 505, "the server speaks HTTP/1.1, not this major version"),
            (b"GET / HTTP/0.9", 505, "the server speaks HTTP/1.1, not this major version"),
            (b"PRI * HTTP/2.0", 505, "the server speaks HTTP/1.1, not this major version"),
            (b"GET / HTTP/1", 400, "the version is malformed"),
            (b"GET / HTTP/1.10", 400, "the version is malformed"),
            (b"GET / http/1.1", 400, "the version is malformed"),
            (b"GET / FTP/1.1", 400, "the version is malformed"),
            (b"G(T / HTTP/1.1", 400, "the method is malformed"),
            (b"GET a.txt HTTP/1.1", 400, "the target is neither a path nor a URL"),
            (b"GET host:80 HTTP/1.1", 400, "the target is neither a path nor a URL"),
            (b"GET http:///a HTTP/1.1", 400, "the target is neither a path nor a URL"),
            (b"GET * HTTP/1.1", 400, "the target * is for OPTIONS only"),
            (b"CONNECT / HTTP/1.1", 400, "the target of CONNECT is not host:port"),
            (b"GET /\x7f HTTP/1.1", 400, "the target has a control character"),
            (b"\x16\x03\x01\x02\x00", 400, "this is a TLS handshake, not HTTP"),
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2", 400, "this is the PROXY protocol, not HTTP"),
            (b"\0\r\nQUIT\n\x21\x11\0\x0c", 400, "this is the PROXY protocol, not HTTP"),
            (b"SSH-2.0-OpenSSH_9.9", 400, "this is SSH, not HTTP"),
        ] {
            assert_eq!(refusal(line), (code, text), "{line:?}");
        }
    }

    #[test]
    fn lines_that_are_in_order_pass_and_incomplete_ones_wait() {
        for line in [
            "GET / HTTP/1.1",
            "GET /a?b=c&d HTTP/1.0",
            "GET /\u{e9} HTTP/1.9",
            "OPTIONS * HTTP/1.1",
            "GET http://h:80/a HTTP/1.1",
            "GET HTTPS://[::1]/ HTTP/1.1",
            "CONNECT [::1]:443 HTTP/1.1",
            "M-SEARCH / HTTP/1.1",
        ] {
            assert_eq!(check(format!("{line}\n").as_bytes()), Ok(true), "{line}");
            assert_eq!(check(&line.as_bytes()[..line.len() - 3]), Ok(false), "{line}");
        }
    }

    #[test]
    fn hosts_are_those_of_the_rfc() {
        for host in ["", "a", "a.example:8080", "[::1]", "[::1]:80", "a_b", "1.2.3.4", "a:"] {
            assert!(is_host(host), "{host}");
        }
        for host in ["a b/c@", "a/b", "user@a", "[::1", "a:b", "a:1:2", "\u{e9}", "[]", "<a>"] {
            assert!(!is_host(host), "{host}");
        }
    }

    #[test]
    fn raw_bytes_and_minor_versions_are_made_known() {
        let changed = normalized(b"GET /\xff\xc3\xa9%41 HTTP/1.7\r\nA: \xff\r\n\r\n");
        assert_eq!(&*changed, b"GET /%FF%C3%A9%41 HTTP/1.1\r\nA: \xff\r\n\r\n");
        let same = b"GET / HTTP/1.0\r\n\r\n";
        assert!(matches!(normalized(same), Cow::Borrowed(_)));
    }
}
