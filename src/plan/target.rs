//! Parsing of targets such as `example.com:443`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use super::Host;

/// Port number, or name of a service (`/etc/services`).
///
/// ```
/// use loopctl::plan::Port;
///
/// assert_eq!("443".parse(), Ok(Port::Number(443)));
/// assert_eq!("https".parse(), Ok(Port::Service("https".to_owned())));
/// assert!("65536".parse::<Port>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Port {
    /// Port number.
    Number(u16),
    /// Service name, which the resolver translates into a number.
    Service(String),
}

/// Target of a connection: `host:port`, `[v6]:port`, `[v6%zone]:port`, `:port` (localhost), `unix:/path`, or
/// `unix:@name` for an abstract socket, which has no file. A file called `@name` is `unix:./@name`.
///
/// ```
/// use loopctl::plan::{Host, Port, Target};
///
/// let target: Target = "example.com:https".parse().unwrap();
/// assert_eq!(target, Target::Tcp(Host::from("example.com"), Port::Service("https".to_owned())));
/// let error = "2001:db8::1:443".parse::<Target>().unwrap_err();
/// assert_eq!(error.hint().as_deref(), Some("write `[2001:db8::1]:443`"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// TCP port of a host.
    Tcp(Host, Port),
    /// Unix domain socket; an abstract name has a leading NUL.
    Unix(PathBuf),
}

/// Error in a target.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetError {
    /// No port.
    NoPort(String),
    /// Port that is neither a number up to 65535 nor a service name.
    BadPort(String),
    /// Host that is neither an address nor a valid name, and the reason.
    BadHost(String, &'static str),
    /// IPv6 address without brackets.
    BareIpv6(String),
    /// `[` without `]`, or brackets around something else than an IPv6 address.
    BadBrackets(String),
    /// URL; a target is only its host and port.
    Url(String),
    /// `unix:` without a path, or with control characters in it.
    NoPath,
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.strip_prefix('@') {
                _ if path.is_empty() || path.contains(char::is_control) => Err(TargetError::NoPath),
                Some(name) => Ok(Self::Unix(format!("\0{name}").into())),
                None => Ok(Self::Unix(path.into())),
            };
        }
        if text.contains("://") {
            return Err(TargetError::Url(text.into()));
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => bracketed(text, rest)?,
            None => plain(text)?,
        };
        if port.is_empty() {
            return Err(TargetError::NoPort(text.into()));
        }
        Ok(Self::Tcp(host, port.parse()?))
    }
}

/// Parses `[v6]:port`; `rest` is the text after the opening bracket.
fn bracketed<'a>(text: &str, rest: &'a str) -> Result<(Host, &'a str), TargetError> {
    let (address, after) =
        rest.split_once(']').ok_or_else(|| TargetError::BadBrackets(text.into()))?;
    let host = match (Host::split_zone(address), address.parse()) {
        (Some((ip, zone)), _) => Host::Name(format!("{ip}%{}", without_escape(zone))),
        (None, Ok(ip @ IpAddr::V6(_))) => Host::Literal(ip),
        _ => return Err(TargetError::BadBrackets(text.into())),
    };
    let port = after.strip_prefix(':').ok_or_else(|| TargetError::NoPort(text.into()))?;
    Ok((host, port))
}

/// Zone without the `%25` of a URI (RFC 6874 section 2). Digits alone are the index of an interface.
fn without_escape(zone: &str) -> &str {
    let name = zone.strip_prefix("25").filter(|name| name.contains(|c: char| !c.is_ascii_digit()));
    name.unwrap_or(zone)
}

fn plain(text: &str) -> Result<(Host, &str), TargetError> {
    if looks_like_ipv6(text) {
        return Err(TargetError::BareIpv6(text.into()));
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(|| TargetError::NoPort(text.into()))?;
    let host = if host.is_empty() { "localhost" } else { host };
    Ok((host.parse()?, port))
}

/// Whether the text is an IPv6 address without brackets, with or without a zone or a port.
fn looks_like_ipv6(text: &str) -> bool {
    let is_ipv6 = |text: &str| {
        let bare = text.split_once('%').map_or(text, |(bare, _)| bare);
        matches!(bare.parse(), Ok(IpAddr::V6(_)))
    };
    is_ipv6(text) || text.rsplit_once(':').is_some_and(|(address, _)| is_ipv6(address))
}

impl FromStr for Port {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let is_service = |c: char| c.is_ascii_alphanumeric() || "-_+.".contains(c);
        if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) {
            text.parse().map(Self::Number).map_err(|_| TargetError::BadPort(text.into()))
        } else if text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(is_service)
        {
            Ok(Self::Service(text.into()))
        } else {
            Err(TargetError::BadPort(text.into()))
        }
    }
}

impl From<u16> for Port {
    fn from(number: u16) -> Self {
        Self::Number(number)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Service(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(Host::Literal(ip), Port::Number(port)) => SocketAddr::new(*ip, *port).fmt(f),
            Self::Tcp(host, port) if host.to_string().contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => match path.to_str().and_then(|path| path.strip_prefix('\0')) {
                Some(name) => write!(f, "unix:@{name}"),
                None => write!(f, "unix:{}", path.display()),
            },
        }
    }
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPort(text) => write!(f, "`{text}` has no port"),
            Self::BadPort(text) => write!(f, "`{text}` is not a port"),
            Self::BadHost(host, why) => write!(f, "`{}` is not a host: {why}", host.escape_debug()),
            Self::BareIpv6(text) => write!(f, "`{text}` is an IPv6 address without brackets"),
            Self::BadBrackets(text) => {
                write!(f, "`{text}` has no IPv6 address between `[` and `]`")
            }
            Self::Url(text) => write!(f, "`{}` is a URL", text.escape_debug()),
            Self::NoPath => write!(f, "`unix:` needs a path, without control characters"),
        }
    }
}

impl std::error::Error for TargetError {}

impl TargetError {
    /// Advice on what to type instead, if there is any.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoPort(text) if text.starts_with('/') => Some(format!("write `unix:{text}`")),
            Self::NoPort(text) => {
                Some(format!("write `{}:443`, or the port you mean", text.trim_end_matches(':')))
            }
            Self::BadPort(_) => {
                Some("a port is a number up to 65535, or a service name".to_owned())
            }
            Self::BareIpv6(text) => Some(with_brackets(text)),
            Self::Url(text) => Some(without_scheme(text)),
            Self::NoPath => Some("write `unix:/path/of/the/socket`".to_owned()),
            Self::BadHost(..) | Self::BadBrackets(_) => None,
        }
    }
}

/// Advice with the host and port of a URL; without a port, the default port of its scheme.
fn without_scheme(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match scheme {
        _ if has_port => format!("write `{authority}`"),
        "http" | "ws" => format!("write `{authority}:80`"),
        _ => format!("write `{authority}:443`, or the port you mean"),
    }
}

/// Advice for an IPv6 address without brackets. A decimal last group is most likely meant as the port.
fn with_brackets(text: &str) -> String {
    let is_address = |text: &str| {
        let bare = text.split_once('%').map_or(text, |(bare, _)| bare);
        bare.parse::<IpAddr>().is_ok()
    };
    let split = text
        .rsplit_once(':')
        .filter(|(address, port)| is_address(address) && port.parse::<u16>().is_ok());
    match split {
        Some((address, port)) => format!("write `[{address}]:{port}`"),
        None => format!("write `[{text}]:443`, or the port you mean"),
    }
}
