//! The HTTP request of `--http`, and what its response must be.

use std::path::Path;

use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use regex::bytes::Regex;

use loopctl::plan::Target;

use super::RaceRequest;
use super::target_race::TargetRaces;
use super::targets::{TargetRequest, read_bytes, read_url};
use crate::cli::{ConnectionArgs, HttpArgs, Pinned, TlsArgs};
use crate::exit::{Exit, FatalError};
use crate::util::message::plain;

/// The request that every target gets.
#[derive(Debug, Clone)]
pub(crate) struct HttpRequest {
    /// Request target of `--http`; `None` where only URLs have one.
    path: Option<String>,
    pub(crate) method: Method,
    /// Header fields that are added, or that replace those of the same name.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
    /// Whether redirects are followed.
    pub(crate) follow: bool,
    redirects: RedirectRequest,
    pub(crate) expect: HttpExpectations,
}

/// Connections of redirects, which are configured when they are needed.
#[derive(Debug, Clone)]
struct RedirectRequest {
    race: RaceRequest,
    tls: TlsArgs,
    /// Addresses of `--resolve`, which hold for redirects as well.
    pins: Vec<Pinned>,
}

/// One request: the first of a target, or that of a redirect.
#[derive(Debug, Clone)]
pub(crate) struct HttpCall {
    pub(crate) method: Method,
    /// Host and port of a URL.
    pub(crate) authority: Option<String>,
    pub(crate) path: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

/// Conditions that a response must meet.
#[derive(Debug, Clone, Default)]
pub(crate) struct HttpExpectations {
    pub(crate) status: Option<StatusSet>,
    /// Pattern that the body must contain.
    pub(crate) body: Option<Regex>,
    /// Whether a status of 400 or above is a failure.
    pub(crate) fail: bool,
}

/// Set of statuses: ranges with both ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatusSet {
    /// Text as it was typed.
    pub(crate) text: String,
    ranges: Vec<(u16, u16)>,
}

impl HttpRequest {
    /// `None` without `--http` and without an http or https URL.
    ///
    /// # Errors
    /// Values that are no request, other flags of HTTP without a request, and a body that cannot be read.
    pub(super) fn new(
        args: HttpArgs,
        connection: &ConnectionArgs,
        race: &RaceRequest,
        targets: &[TargetRequest],
    ) -> Result<Option<Self>, FatalError> {
        if args.http.is_none() && targets.iter().all(|target| target.http.is_none()) {
            return args.without_request().map(|()| None);
        }
        let path = args.http.as_deref().map(origin_form).transpose()?;
        let default = if args.data.is_some() { Method::POST } else { Method::GET };
        let method = match &args.method {
            Some(text) => Method::from_bytes(text.as_bytes())
                .map_err(|_| FatalError::usage(format!("`{text}` is not an HTTP method")))?,
            None => default,
        };
        if method == Method::CONNECT {
            return Err(FatalError::usage(
                "--method CONNECT asks for a tunnel, not for a response",
            ));
        }
        let headers = args.header.iter().map(|(name, value)| field(name, value));
        Ok(Some(Self {
            path,
            method,
            headers: headers.collect::<Result<_, _>>()?,
            body: args.data.as_deref().map(body).transpose()?.unwrap_or_default().into(),
            follow: args.location,
            redirects: RedirectRequest {
                race: race.clone(),
                // Because the URL of a redirect decides.
                tls: TlsArgs { tls: false, starttls: None, sni: None, ..connection.tls.clone() },
                pins: connection.names.resolve.clone(),
            },
            expect: HttpExpectations {
                status: args.expect_status,
                body: args.expect_body,
                fail: args.fail,
            },
        }))
    }

    /// The first request to a target; `None` for a target without a URL where `--http` is not given.
    pub(super) fn call(&self, target: &TargetRequest) -> Option<HttpCall> {
        let of_url = target.http.as_ref();
        let path = of_url.map(|url| url.path.clone()).or_else(|| self.path.clone())?;
        let authority = of_url.map(|url| url.authority.clone());
        let Self { method, headers, body, .. } = self.clone();
        Some(HttpCall { method, authority, path, headers, body })
    }

    /// Target of a redirect to this URL.
    ///
    /// # Errors
    /// A URL that leads to no host, and files that cannot be read.
    pub(crate) fn redirect(&self, url: &str) -> Result<TargetRequest, FatalError> {
        let RedirectRequest { race, tls, pins } = &self.redirects;
        read_url(url, pins, &mut TargetRaces::of_redirect(race.clone(), tls))
    }
}

impl HttpCall {
    /// Host and port of the target as HTTP has them; the default port is omitted (RFC 9110 section 4.2.3).
    pub(crate) fn authority(&self, target: &Target, port: Option<u16>, has_tls: bool) -> String {
        if let Some(authority) = &self.authority {
            return authority.clone();
        }
        let default = if has_tls { 443 } else { 80 };
        let Target::Tcp(host, _) = target else { return "localhost".to_owned() };
        let host = host.to_string();
        // A zone has no meaning for the server (RFC 6874 section 1).
        let host = host.split('%').next().unwrap_or_default();
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        match port.filter(|port| *port != default) {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }
}

impl HttpArgs {
    /// # Errors
    /// The first flag that needs a request.
    fn without_request(&self) -> Result<(), FatalError> {
        let flags = [
            ("--location", self.location),
            ("--method", self.method.is_some()),
            ("--header", !self.header.is_empty()),
            ("--data", self.data.is_some()),
            ("--fail", self.fail),
            ("--expect-status", self.expect_status.is_some()),
            ("--expect-body", self.expect_body.is_some()),
        ];
        match flags.into_iter().find(|(_, is_given)| *is_given) {
            Some((flag, _)) => {
                Err(FatalError::usage(format!("{flag} needs --http or an http or https URL")))
            }
            None => Ok(()),
        }
    }
}

/// Request target in origin form (RFC 9112 section 3.2.1).
fn origin_form(path: &str) -> Result<String, FatalError> {
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let path = path.split('#').next().unwrap_or_default().to_owned();
    match path.parse::<hyper::http::uri::PathAndQuery>() {
        Ok(_) => Ok(path),
        Err(_) => Err(FatalError::usage(format!("`{path}` is not a path of a URL"))),
    }
}

fn field(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), FatalError> {
    let wrong = || FatalError::usage(format!("`{name}: {value}` is not a header field"));
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
    let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| wrong())?;
    Ok((name, value))
}

/// The body that an argument of curl's form stands for.
fn body(argument: &str) -> Result<Vec<u8>, FatalError> {
    let Some(path) = argument.strip_prefix('@') else { return Ok(argument.as_bytes().to_vec()) };
    read_bytes(Path::new(path)).map_err(|error| {
        FatalError::new(Exit::CannotRead, format!("cannot read `{path}`: {}", plain(error)))
    })
}

impl StatusSet {
    pub(crate) fn contains(&self, status: u16) -> bool {
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}

impl std::str::FromStr for StatusSet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ranges = text.split(',').map(|part| {
            range(part.trim())
                .ok_or_else(|| format!("`{part}` is no status: write 200, 2xx or 200-299"))
        });
        Ok(Self { text: text.to_owned(), ranges: ranges.collect::<Result<_, _>>()? })
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let code = |text: &str| text.parse().ok().filter(|code| (100..=999).contains(code));
    let class = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX"));
    if let Some(digit) = class.and_then(|digit| digit.parse::<u16>().ok()) {
        return (1..=9).contains(&digit).then_some((digit * 100, digit * 100 + 99));
    }
    match text.split_once('-') {
        Some((first, last)) => Some((code(first)?, code(last)?)).filter(|(a, b)| a <= b),
        None => code(text).map(|code| (code, code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_codes_classes_and_ranges() {
        let set: StatusSet = "200,3xx, 400-404".parse().unwrap();
        for (status, is_in) in [(200, true), (201, false), (308, true), (404, true), (405, false)] {
            assert_eq!(set.contains(status), is_in, "{status}");
        }
        for wrong in ["", "20", "2x", "0xx", "ok", "404-400", "200,", "1000"] {
            assert!(wrong.parse::<StatusSet>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_path_begins_with_a_slash_and_has_no_fragment() {
        let path = |text| origin_form(text).map_err(|error| error.message.error);
        assert_eq!(path("a?b=c#d").unwrap(), "/a?b=c");
        assert_eq!(path("/").unwrap(), "/");
        assert!(path("/a b").is_err());
    }
}
