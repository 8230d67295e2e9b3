//! Records, typed and as text.

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::RecordType;

/// A resource record.
///
/// Its text is what zone files have, without the class: `example.com. 3600 MX 10 mail.example.com.`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsRecord {
    /// Whose record it is, with the dot at the end.
    pub name: String,
    /// Its type.
    pub record_type: RecordType,
    /// How long it may be kept.
    pub ttl: Duration,
    /// What it says.
    pub data: DnsData,
}

impl fmt::Display for DnsRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, record_type, ttl, data } = self;
        write!(f, "{name} {} {record_type} {data}", ttl.as_secs())
    }
}

/// What a record says. Names end in a dot, and what is not printable in them is escaped.
///
/// ```
/// use loopctl::DnsData;
///
/// let data = DnsData::Txt(vec![b"v=spf1 -all".to_vec(), b"\"\x07".to_vec()]);
/// assert_eq!(data.to_string(), r#""v=spf1 -all" "\"\007""#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DnsData {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// Who may issue certificates.
    Caa {
        /// Whoever does not know the tag must not issue.
        critical: bool,
        /// What it is about: `issue`, `issuewild`, `iodef`.
        tag: String,
        /// Who, most often a domain.
        value: Vec<u8>,
    },
    /// Another name of the same thing.
    Cname(String),
    /// How to scope an HTTPS service.
    Https(ServiceBinding),
    /// Who takes mail.
    Mx {
        /// The smallest is tried first.
        preference: u16,
        /// The host.
        exchange: String,
    },
    /// A name server of a zone.
    Ns(String),
    /// The name of an address.
    Ptr(String),
    /// The start of a zone.
    Soa(StartOfAuthority),
    /// Where a service is.
    Srv {
        /// The smallest is tried first.
        priority: u16,
        /// The share among those of the same priority.
        weight: u16,
        /// The port.
        port: u16,
        /// The host.
        target: String,
    },
    /// How to scope a service.
    Svcb(ServiceBinding),
    /// Texts, which need not be any known encoding.
    Txt(Vec<Vec<u8>>),
    /// Anything else, as text.
    Other(String),
}

impl DnsData {
    /// The address that it is, if it is one.
    ///
    /// ```
    /// use loopctl::DnsData;
    ///
    /// let address = "192.0.2.1".parse::<std::net::Ipv4Addr>()?;
    /// assert_eq!(DnsData::A(address).address(), Some(address.into()));
    /// assert_eq!(DnsData::Ns("ns.example.".to_owned()).address(), None);
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::A(address) => Some(IpAddr::V4(*address)),
            Self::Aaaa(address) => Some(IpAddr::V6(*address)),
            _ => None,
        }
    }
}

impl fmt::Display for DnsData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A(address) => address.fmt(f),
            Self::Aaaa(address) => address.fmt(f),
            Self::Caa { critical, tag, value } => {
                write!(f, "{} {tag} {}", u8::from(*critical) << 7, Quoted(value))
            }
            Self::Cname(name) | Self::Ns(name) | Self::Ptr(name) => f.write_str(name),
            Self::Https(binding) | Self::Svcb(binding) => binding.fmt(f),
            Self::Mx { preference, exchange } => write!(f, "{preference} {exchange}"),
            Self::Soa(soa) => soa.fmt(f),
            Self::Srv { priority, weight, port, target } => {
                write!(f, "{priority} {weight} {port} {target}")
            }
            Self::Txt(texts) => {
                for (at, text) in texts.iter().enumerate() {
                    let space = if at == 0 { "" } else { " " };
                    write!(f, "{space}{}", Quoted(text))?;
                }
                Ok(())
            }
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// The start of a zone (RFC 1035 section 3.3.13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartOfAuthority {
    /// The name server where changes are made.
    pub primary: String,
    /// Whose mailbox it is, its `@` written as a dot.
    pub mailbox: String,
    /// Grows with every change.
    pub serial: u32,
    /// How often other servers look for changes.
    pub refresh: Duration,
    /// How soon they look again when they could not.
    pub retry: Duration,
    /// How long they answer without having been able to look.
    pub expire: Duration,
    /// How long it may be kept that there is nothing (RFC 2308).
    pub minimum: Duration,
}

impl fmt::Display for StartOfAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.primary, self.mailbox, self.serial)?;
        let times = [self.refresh, self.retry, self.expire, self.minimum];
        times.iter().try_for_each(|time| write!(f, " {}", time.as_secs()))
    }
}

/// What an SVCB or HTTPS record says (RFC 9460).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceBinding {
    /// 0: the service has moved to the target; otherwise the smallest is tried first.
    pub priority: u16,
    /// The host; `.` is the name that was asked for.
    pub target: String,
    /// The protocols that are spoken.
    pub alpn: Vec<String>,
    /// Whether the service speaks none but those.
    pub no_default_alpn: bool,
    /// Another port than usual.
    pub port: Option<u16>,
    /// Addresses of the target, so that one need not wait for them.
    pub address_hints: Vec<IpAddr>,
    /// The configuration of Encrypted Client Hello, as base64.
    pub ech: Option<String>,
    /// Anything else, as text: `mandatory`, and keys without a name.
    pub others: Vec<(String, String)>,
}

impl fmt::Display for ServiceBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.priority, self.target)?;
        if !self.alpn.is_empty() {
            let names: Vec<String> = self.alpn.iter().map(|name| printable(name.bytes())).collect();
            write!(f, " alpn=\"{}\"", names.join(","))?;
        }
        if self.no_default_alpn {
            f.write_str(" no-default-alpn")?;
        }
        if let Some(port) = self.port {
            write!(f, " port={port}")?;
        }
        for (key, is_v4) in [("ipv4hint", true), ("ipv6hint", false)] {
            let hints = self.address_hints.iter().filter(|hint| hint.is_ipv4() == is_v4);
            let hints: Vec<String> = hints.map(ToString::to_string).collect();
            if !hints.is_empty() {
                write!(f, " {key}={}", hints.join(","))?;
            }
        }
        if let Some(ech) = &self.ech {
            write!(f, " ech={ech}")?;
        }
        self.others.iter().try_for_each(|(key, value)| write!(f, " {key}={value}"))
    }
}

/// A text in quotes, as zone files have it (RFC 1035 section 5.1).
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", printable(self.0.iter().copied()))
    }
}

/// What comes from a stranger must not scope a terminal as control characters.
pub(super) fn printable(bytes: impl IntoIterator<Item = u8>) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = match byte {
            b'"' | b'\\' => write!(text, "\\{}", char::from(byte)),
            b' '..=b'~' => write!(text, "{}", char::from(byte)),
            _ => write!(text, "\\{byte:03}"),
        };
    }
    text
}
