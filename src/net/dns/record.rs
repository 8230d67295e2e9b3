//! Resource records, typed and as text.

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::RecordType;

/// Resource record.
///
/// `Display` is the zone file format without the class: `example.com. 3600 MX 10 mail.example.com.`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DnsRecord {
    /// Owner name, with the final dot.
    pub name: String,
    /// Record type.
    pub record_type: RecordType,
    /// TTL.
    pub ttl: Duration,
    /// Data of the record.
    pub data: DnsData,
}

impl fmt::Display for DnsRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, record_type, ttl, data } = self;
        write!(f, "{name} {} {record_type} {data}", ttl.as_secs())
    }
}

/// Data of a resource record. Names end in a dot, and unprintable bytes are escaped.
///
/// ```
/// use loopctl::DnsData;
///
/// let data = DnsData::Txt(vec![b"v=spf1 -all".to_vec(), b"\"\x07".to_vec()]);
/// assert_eq!(data.to_string(), r#""v=spf1 -all" "\"\007""#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DnsData {
    /// IPv4 address.
    A(Ipv4Addr),
    /// IPv6 address.
    Aaaa(Ipv6Addr),
    /// Certification Authority Authorization (RFC 8659).
    Caa {
        /// Critical flag: an authority that does not know the tag must not issue.
        critical: bool,
        /// Property tag: `issue`, `issuewild`, `iodef`.
        tag: String,
        /// Property value, usually a domain.
        value: Vec<u8>,
    },
    /// Canonical name of an alias.
    Cname(String),
    /// Service binding of HTTPS (RFC 9460).
    Https(ServiceBinding),
    /// Mail exchange.
    Mx {
        /// Preference; the lowest is tried first.
        preference: u16,
        /// Host.
        exchange: String,
    },
    /// Name server of a zone.
    Ns(String),
    /// Name of an address.
    Ptr(String),
    /// Start of a zone of authority.
    Soa(StartOfAuthority),
    /// Location of a service (RFC 2782).
    Srv {
        /// Priority; the lowest is tried first.
        priority: u16,
        /// Weight among records of the same priority.
        weight: u16,
        /// Port.
        port: u16,
        /// Host.
        target: String,
    },
    /// Service binding (RFC 9460).
    Svcb(ServiceBinding),
    /// Character strings, in any encoding.
    Txt(Vec<Vec<u8>>),
    /// Other data, as text.
    Other(String),
}

impl DnsData {
    /// Address of an A or AAAA record.
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

/// Start of a zone of authority (RFC 1035 section 3.3.13).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StartOfAuthority {
    /// MNAME: the primary name server.
    pub primary: String,
    /// RNAME: the mailbox of the administrator, with a dot in place of `@`.
    pub mailbox: String,
    /// SERIAL: version of the zone.
    pub serial: u32,
    /// REFRESH: interval at which secondary servers check for changes.
    pub refresh: Duration,
    /// RETRY: interval after a failed check.
    pub retry: Duration,
    /// EXPIRE: time after which a secondary server stops answering.
    pub expire: Duration,
    /// MINIMUM: TTL of negative answers (RFC 2308 section 4).
    pub minimum: Duration,
}

impl fmt::Display for StartOfAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.primary, self.mailbox, self.serial)?;
        let times = [self.refresh, self.retry, self.expire, self.minimum];
        times.iter().try_for_each(|time| write!(f, " {}", time.as_secs()))
    }
}

/// Data of an SVCB or HTTPS record (RFC 9460).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ServiceBinding {
    /// SvcPriority. 0 is alias mode; otherwise the lowest is tried first.
    pub priority: u16,
    /// TargetName; `.` is the owner name.
    pub target: String,
    /// Protocols (`alpn`).
    pub alpn: Vec<String>,
    /// Whether the default protocol is not supported (`no-default-alpn`).
    pub no_default_alpn: bool,
    /// Alternative port (`port`).
    pub port: Option<u16>,
    /// Addresses of the target (`ipv4hint`, `ipv6hint`).
    pub address_hints: Vec<IpAddr>,
    /// Configuration of Encrypted Client Hello (`ech`), in base64.
    pub ech: Option<String>,
    /// Other parameters, as text: `mandatory`, and keys without a name.
    pub others: Vec<(String, String)>,
}

/// Parameters come in the order of their keys (RFC 9460 section 2.2).
impl fmt::Display for ServiceBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.priority, self.target)?;
        let is_first = |key: &str| key == "mandatory" || key == "alpn";
        let (first, last): (Vec<_>, Vec<_>) =
            self.others.iter().partition(|(key, _)| is_first(key));
        first.into_iter().try_for_each(|other| write_parameter(f, other))?;
        if !self.alpn.is_empty() {
            let names: Vec<String> = self.alpn.iter().map(|name| list_item(name)).collect();
            write!(f, " alpn=\"{}\"", names.join(","))?;
        }
        if self.no_default_alpn {
            f.write_str(" no-default-alpn")?;
        }
        if let Some(port) = self.port {
            write!(f, " port={port}")?;
        }
        self.write_hints(f, "ipv4hint", true)?;
        if let Some(ech) = &self.ech {
            write!(f, " ech={ech}")?;
        }
        self.write_hints(f, "ipv6hint", false)?;
        last.into_iter().try_for_each(|other| write_parameter(f, other))
    }
}

impl ServiceBinding {
    fn write_hints(&self, f: &mut fmt::Formatter<'_>, key: &str, is_v4: bool) -> fmt::Result {
        let hints = self.address_hints.iter().filter(|hint| hint.is_ipv4() == is_v4);
        let hints: Vec<String> = hints.map(ToString::to_string).collect();
        if hints.is_empty() { Ok(()) } else { write!(f, " {key}={}", hints.join(",")) }
    }
}

/// A key without a value stands alone.
fn write_parameter(f: &mut fmt::Formatter<'_>, (key, value): &(String, String)) -> fmt::Result {
    if value.is_empty() { write!(f, " {key}") } else { write!(f, " {key}={value}") }
}

/// Item of a list in quotes, whose commas and backslashes are escaped twice (RFC 9460 appendix A.1).
fn list_item(item: &str) -> String {
    let escaped = item.replace('\\', "\\\\").replace(',', "\\,");
    printable(escaped.bytes())
}

/// Quoted character string, as in zone files (RFC 1035 section 5.1).
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", printable(self.0.iter().copied()))
    }
}

/// Escapes control characters, which could change a terminal.
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
