//! URLs as targets (RFC 3986), without the secrets that they may contain.

use loopctl::plan::{Host, Port, Target};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::scheme::{Scheme, Security};
use super::target_mistake::TargetMistake;
use crate::util::secrets::masked_query;

/// Target as it was typed, with or without a scheme.
#[derive(Debug)]
pub(super) struct ParsedTarget {
    /// The text as it may be printed.
    pub(super) shown: String,
    pub(super) target: Target,
    /// `None` without a scheme.
    pub(super) security: Option<Security>,
    pub(super) http: Option<HttpTarget>,
}

/// Target of an HTTP request, from a URL with the scheme `http` or `https`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpTarget {
    /// Value of `Host` and `:authority` (RFC 9110 section 7.2): the port is left out if it is the scheme's.
    pub(crate) authority: String,
    /// Path and query in the form of a request (RFC 9112 section 3.2.1).
    pub(crate) path: String,
}

/// Characters that a path and a query cannot have.
const NOT_IN_PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`');

/// The parts of a URL.
struct Parts<'a> {
    scheme: &'static Scheme,
    /// User name and password, in front of the `@`.
    user: Option<&'a str>,
    /// Hosts with their ports; databases list several.
    hosts: &'a str,
    /// Path and query, encoded.
    path: String,
}

/// The targets of a URL; `None` for text that is none. A database's URL may have several hosts.
pub(super) fn parse(text: &str) -> Option<Result<Vec<ParsedTarget>, TargetMistake>> {
    let (scheme, rest) = text.split_once("://")?;
    Some(
        Parts::new(scheme, rest)
            .and_then(|parts| parts.hosts.split(',').map(|host| parts.target(host)).collect()),
    )
}

impl<'a> Parts<'a> {
    fn new(name: &str, rest: &'a str) -> Result<Self, TargetMistake> {
        let scheme =
            Scheme::by_name(name).ok_or_else(|| TargetMistake::UnknownScheme(name.to_owned()))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = path.split_once('#').map_or(path, |(path, _)| path);
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(user), hosts),
            None => (None, authority),
        };
        // Because a password with a raw `/`, `?` or `#` ends the authority too early.
        if user.is_none() && rest[end..].contains('@') && !scheme.is_http() {
            return Err(TargetMistake::RawPassword);
        }
        let path = utf8_percent_encode(path, NOT_IN_PATH).to_string();
        Ok(Self { scheme, user, hosts, path })
    }

    fn target(&self, typed: &str) -> Result<ParsedTarget, TargetMistake> {
        let scheme = self.scheme.name;
        let host = decoded(typed);
        let (host, port) = match split_port(&host) {
            (host, Some(port)) => (host, port.to_owned()),
            (host, None) => {
                let port = self.scheme.port;
                let missing = || TargetMistake::UrlWithoutPort(scheme, host.to_owned());
                (host, port.ok_or_else(missing)?.to_string())
            }
        };
        if host.is_empty() {
            return Err(TargetMistake::UrlWithoutHost(scheme));
        }
        let target = format!("{host}:{port}").parse()?;
        let query = self.path.split_once('?').map_or("", |(_, query)| query);
        Ok(ParsedTarget {
            shown: self.shown(typed),
            security: Some(self.scheme.security(query)),
            http: self.scheme.is_http().then(|| self.http(&target)),
            target,
        })
    }

    /// The URL without passwords, tokens and its fragment.
    fn shown(&self, host: &str) -> String {
        let user = self.user.map_or_else(String::new, |user| masked_user(user, self.scheme));
        format!("{}://{user}{host}{}", self.scheme.name, masked_query(&self.path))
    }

    fn http(&self, target: &Target) -> HttpTarget {
        let path =
            if self.path.starts_with('/') { self.path.clone() } else { format!("/{}", self.path) };
        HttpTarget { authority: authority(target, self.scheme), path }
    }
}

/// Host and port without a zone, which has a meaning on this host only (RFC 6874 section 1).
fn authority(target: &Target, scheme: &Scheme) -> String {
    let Target::Tcp(host, port) = target else { return String::new() };
    let host = match host {
        Host::Literal(ip) if ip.is_ipv6() => format!("[{ip}]"),
        Host::Literal(ip) => ip.to_string(),
        Host::Name(name) => match Host::split_zone(name) {
            Some((ip, _)) => format!("[{ip}]"),
            None => name.clone(),
        },
    };
    match port {
        Port::Number(number) if Some(*number) == scheme.port => host,
        port => format!("{host}:{port}"),
    }
}

/// Host with its percent-encoding removed. The zone of an address in brackets keeps its `%25`, which targets take.
fn decoded(host: &str) -> String {
    if host.starts_with('[') {
        return host.to_owned();
    }
    percent_decode_str(host).decode_utf8().map_or_else(|_| host.to_owned(), String::from)
}

/// Host and port of an authority. An empty port is the default (RFC 3986 section 3.2.3).
fn split_port(host: &str) -> (&str, Option<&str>) {
    let after = host.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match host[after..].rfind(':') {
        Some(at) => (&host[..after + at], Some(&host[after + at + 1..])),
        None => (host, None),
    };
    (host, port.filter(|port| !port.is_empty()))
}

/// `user:***@`. A user name without a password may be a token, except where keys or accounts log in.
fn masked_user(user: &str, scheme: &Scheme) -> String {
    let encoded = |text| utf8_percent_encode(text, NOT_IN_PATH).to_string();
    match user.split_once(':') {
        Some((name, _)) => format!("{}:***@", encoded(name)),
        None if matches!(scheme.name, "ssh" | "sftp") => format!("{}@", encoded(user)),
        None => "***@".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> ParsedTarget {
        parse(text).unwrap().unwrap().pop().unwrap()
    }

    #[test]
    fn schemes_give_port_and_security() {
        let http: &[&str] = &["h2", "http/1.1"];
        for (text, target, security) in [
            ("https://h", "h:443", Security::Tls(http)),
            ("HTTP://h:8080/a?b", "h:8080", Security::Plain),
            ("ldaps://h/dc=x", "h:636", Security::Tls(&[])),
            ("https://h:/", "h:443", Security::Tls(http)),
            ("udp://[::1]:53", "[::1]:53", Security::Datagrams),
            ("https://[fe80::1%25lo]/", "[fe80::1%lo]:443", Security::Tls(http)),
            ("https://[fe80::1%lo]:8443/", "[fe80::1%lo]:8443", Security::Tls(http)),
            ("redis://:pw@b\u{fc}cher.test", "xn--bcher-kva.test:6379", Security::Plain),
            ("http://b%C3%BCcher.test", "xn--bcher-kva.test:80", Security::Plain),
        ] {
            let url = one(text);
            let target_of_url = url.target.to_string();
            assert_eq!((&*target_of_url, url.security), (target, Some(security)), "{text}");
        }
    }

    #[test]
    fn requests_have_a_path_and_a_host() {
        for (text, authority, path) in [
            ("https://h", "h", "/"),
            ("https://u:p@h:443?a=b#c", "h", "/?a=b"),
            ("http://h:8080/a b/\u{e9}#x@y", "h:8080", "/a%20b/%C3%A9"),
            ("http://[fe80::1%25lo]:81/", "[fe80::1]:81", "/"),
        ] {
            let http = one(text).http.unwrap();
            assert_eq!((http.authority.as_str(), http.path.as_str()), (authority, path), "{text}");
        }
        assert_eq!(one("ws://h").http, None);
    }

    #[test]
    fn secrets_are_masked() {
        for (text, shown) in [
            (
                "postgres://u:s3cret@h/x?sslpassword=s3cret&a=b",
                "postgres://u:***@h/x?sslpassword=***&a=b",
            ),
            ("redis://:s3cret@h", "redis://:***@h"),
            ("https://u:s3cret@x@h/", "https://u:***@h/"),
            (
                "https://s3cret@h/?X-Amz-Signature=s3cret#s3cret",
                "https://***@h/?X-Amz-Signature=***",
            ),
            ("ssh://git@h", "ssh://git@h"),
            ("http://medium.test/@user", "http://medium.test/@user"),
        ] {
            assert_eq!(one(text).shown, shown);
        }
        assert!(parse("postgres://u:s3/cret@h/x").unwrap().is_err());
    }

    #[test]
    fn databases_list_several_hosts() {
        let urls = parse("mongodb://u:p@a,b:27018,[::1]/x").unwrap().unwrap();
        let targets: Vec<_> = urls.iter().map(|url| url.target.to_string()).collect();
        assert_eq!(targets, ["a:27017", "b:27018", "[::1]:27017"]);
        assert_eq!(urls[1].shown, "mongodb://u:***@b:27018/x");
    }
}
