//! Address and transport of a name server.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::plan::{DnsTransport, Host, Port, Target};

/// Name server: `udp://1.1.1.1`, `tcp://[2606:4700:4700::1111]:53`, `tls://dns.google`,
/// `tls://1.1.1.1#one.one.one.one`, `https://dns.google/dns-query`, or `@1.1.1.1` as in dig.
///
/// Default transport: UDP, with TCP for truncated answers. Default port: 53, for TLS 853, for HTTPS 443. Default
/// path: `/dns-query`. The name after `#` replaces the host in the check of the certificate. A host name is looked up
/// by the system.
///
/// ```
/// use loopctl::DnsServer;
///
/// let server: DnsServer = "@1.1.1.1".parse()?;
/// assert_eq!(server.to_string(), "udp://1.1.1.1:53");
/// assert_eq!(server.endpoint(), "1.1.1.1:53");
/// let refused = "quic://dns.adguard.com".parse::<DnsServer>().unwrap_err();
/// assert!(refused.to_string().contains("udp, tcp, tls and https"));
/// # Ok::<(), loopctl::DnsConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DnsServer {
    transport: DnsTransport,
    host: Host,
    port: u16,
    tls_name: Option<String>,
    /// Path of HTTPS, with its slash; empty for other transports.
    path: String,
}

impl DnsServer {
    /// Server by its address.
    ///
    /// ```
    /// use loopctl::{DnsServer, plan::DnsTransport};
    ///
    /// let server = DnsServer::new(DnsTransport::Tcp, "[::1]:5353".parse()?);
    /// assert_eq!(server.to_string(), "tcp://[::1]:5353");
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    pub fn new(transport: DnsTransport, address: SocketAddr) -> Self {
        let host = match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => {
                Host::Name(format!("{}%{}", v6.ip(), v6.scope_id()))
            }
            _ => Host::Literal(address.ip()),
        };
        let path = default_path(transport).to_owned();
        Self { transport, host, port: address.port(), tls_name: None, path }
    }

    /// Transport.
    pub fn transport(&self) -> DnsTransport {
        self.transport
    }

    /// Address or name.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port, as in `[::1]:53`.
    pub fn endpoint(&self) -> String {
        Target::Tcp(self.host.clone(), Port::Number(self.port)).to_string()
    }

    /// Path of HTTPS; empty for other transports.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Name that the certificate must contain.
    #[cfg(feature = "tls")]
    pub(super) fn tls_name(&self) -> String {
        self.tls_name.clone().unwrap_or_else(|| self.host.to_string())
    }

    pub(super) fn of_system(host: Host, transport: DnsTransport) -> Self {
        let (port, path) = (default_port(transport), default_path(transport).to_owned());
        Self { transport, host, port, tls_name: None, path }
    }

    pub(super) fn literal(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Literal(ip) => Some(SocketAddr::new(ip, self.port)),
            Host::Name(_) => None,
        }
    }
}

fn default_port(transport: DnsTransport) -> u16 {
    match transport {
        DnsTransport::Udp | DnsTransport::Tcp => 53,
        DnsTransport::Tls => 853,
        DnsTransport::Https => 443,
    }
}

fn default_path(transport: DnsTransport) -> &'static str {
    if transport == DnsTransport::Https { "/dns-query" } else { "" }
}

impl FromStr for DnsServer {
    type Err = DnsConfigError;

    fn from_str(text: &str) -> Result<Self, DnsConfigError> {
        let refuse = |why: &str| DnsConfigError::new(format!("the name server `{text}`"), why);
        let rest = text.strip_prefix('@').unwrap_or(text);
        let (transport, rest) = match rest.split_once("://") {
            None => (DnsTransport::Udp, rest),
            Some(("udp", rest)) => (DnsTransport::Udp, rest),
            Some(("tcp", rest)) => (DnsTransport::Tcp, rest),
            Some(("tls", rest)) => (DnsTransport::Tls, rest),
            Some(("https", rest)) => (DnsTransport::Https, rest),
            Some((scheme, _)) => {
                let why = format!("`{scheme}` is not spoken here, only udp, tcp, tls and https");
                return Err(refuse(&why));
            }
        };
        let (rest, tls_name) = match rest.split_once('#') {
            Some((_, name)) if name.is_empty() || !transport.is_encrypted() => {
                return Err(refuse(
                    "a name after `#` is for the certificate of a tls or https server",
                ));
            }
            Some((rest, name)) => (rest, Some(name.to_owned())),
            None => (rest, None),
        };
        let (rest, path) = match rest.split_once('/') {
            None | Some((_, "")) => {
                (rest.trim_end_matches('/'), default_path(transport).to_owned())
            }
            Some((rest, path)) if transport == DnsTransport::Https && is_path(path) => {
                (rest, format!("/{path}"))
            }
            Some(_) => {
                return Err(refuse("only an https server has a path, and that is plain text"));
            }
        };
        let place = place(rest, default_port(transport));
        let (host, port) = place.ok_or_else(|| refuse("it is no host, with or without a port"))?;
        Ok(Self { transport, host, port, tls_name, path })
    }
}

/// Whether the text is valid in an HTTP request line.
fn is_path(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Parses host and port; an IPv6 address without a port needs no brackets.
fn place(text: &str, default_port: u16) -> Option<(Host, u16)> {
    let bare = text.split('%').next().and_then(|bare| bare.parse::<IpAddr>().ok());
    if bare.is_some() && !text.ends_with('%') {
        return Some((Host::from(text), default_port));
    }
    let has_port = text.rsplit_once(':').is_some_and(|(_, after)| !after.contains(']'));
    let whole = if has_port { text.to_owned() } else { format!("{text}:{default_port}") };
    match whole.parse() {
        Ok(Target::Tcp(host, Port::Number(port))) if !whole.starts_with(':') => Some((host, port)),
        _ => None,
    }
}

impl fmt::Display for DnsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.transport, self.endpoint(), self.path)?;
        match &self.tls_name {
            Some(name) => write!(f, "#{name}"),
            None => Ok(()),
        }
    }
}

/// Invalid configuration of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsConfigError {
    what: String,
    why: String,
}

impl DnsConfigError {
    pub(super) fn new(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { what: what.into(), why: why.to_string() }
    }
}

impl fmt::Display for DnsConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what.escape_debug(), self.why)
    }
}

impl std::error::Error for DnsConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o4_servers_as_they_are_typed() {
        let table = [
            ("1.1.1.1", "udp://1.1.1.1:53"),
            ("@1.1.1.1:5353", "udp://1.1.1.1:5353"),
            ("@::1", "udp://[::1]:53"),
            ("udp://[::1]", "udp://[::1]:53"),
            ("tcp://[::1]:54/", "tcp://[::1]:54"),
            ("tls://1.1.1.1", "tls://1.1.1.1:853"),
            ("tls://1.1.1.1:8853#one.one.one.one", "tls://1.1.1.1:8853#one.one.one.one"),
            ("tls://dns.google", "tls://dns.google:853"),
            ("https://dns.google", "https://dns.google:443/dns-query"),
            ("https://[::1]:8443/", "https://[::1]:8443/dns-query"),
            ("https://1.1.1.1/a/b?c#name.test", "https://1.1.1.1:443/a/b?c#name.test"),
            ("fe80::1%eth0", "udp://[fe80::1%eth0]:53"),
            ("[fe80::1%eth0]:5353", "udp://[fe80::1%eth0]:5353"),
            ("localhost:5353", "udp://localhost:5353"),
        ];
        for (typed, meant) in table {
            let server: DnsServer = typed.parse().unwrap();
            assert_eq!(server.to_string(), meant, "{typed}");
            assert_eq!(server.to_string().parse(), Ok(server), "{typed} comes back");
        }
    }

    #[test]
    fn o4_what_is_no_server_is_refused_in_words() {
        let table = [
            ("", "no host"),
            ("@", "no host"),
            (":53", "no host"),
            ("[::1", "no host"),
            ("1.1.1.1:dns", "no host"),
            ("1.1.1.1:70000", "no host"),
            ("fe80::1%", "no host"),
            ("a b", "no host"),
            ("udp://1.1.1.1#name", "for the certificate"),
            ("tls://1.1.1.1#", "for the certificate"),
            ("quic://1.1.1.1", "not spoken here"),
            ("http://1.1.1.1/dns-query", "not spoken here"),
            ("tls://1.1.1.1/dns-query", "has a path"),
            ("https://1.1.1.1/a b", "has a path"),
        ];
        for (typed, why) in table {
            let error = typed.parse::<DnsServer>().unwrap_err().to_string();
            assert!(error.contains(why) && error.contains(&format!("`{typed}`")), "{error}");
        }
    }
}
