//! Answers of name servers. `message.rs` checks them against the question.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

#[cfg(feature = "dnssec")]
use super::DnsValidation;
use super::record::printable;
use super::{DnsData, DnsRecord, DnsServer, RecordType};
use crate::plan::DnsTransport;

/// Answer to a [query](super::DnsClient::query).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsAnswer {
    /// Queried name, with the final dot.
    pub name: String,
    /// Queried type.
    pub record_type: RecordType,
    /// Response code.
    pub rcode: Rcode,
    /// Flags of the header.
    pub flags: DnsFlags,
    /// Answer section, CNAME records included, in the server's order.
    pub records: Vec<DnsRecord>,
    /// Authority section. A negative answer has the SOA of the zone. A referral has the name servers of the zone
    /// below, followed by their addresses from the additional section.
    pub authority: Vec<DnsRecord>,
    /// Extended DNS Errors (RFC 8914).
    pub extended_errors: Vec<ExtendedError>,
    /// Server, transport and times of the exchange.
    pub exchange: DnsExchange,
}

/// Server, transport and times of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsExchange {
    /// Server that answered, or that the error is about; `None` where none could be queried.
    pub server: Option<DnsServer>,
    /// Transport of the last message.
    pub transport: Option<DnsTransport>,
    /// Start of the query, on the loop's clock.
    pub started: Instant,
    /// Duration of the query.
    pub took: Duration,
    /// Time from the message to its answer, without connecting.
    pub round_trip: Option<Duration>,
    /// Number of retries. TCP after a truncated answer is not counted.
    pub retries: usize,
    /// Whether an answer was truncated.
    pub truncated: bool,
    /// Result of DNSSEC validation, where the client validates.
    #[cfg(feature = "dnssec")]
    pub validation: Option<Box<DnsValidation>>,
}

/// Flags of an answer (RFC 1035 section 4.1.1, RFC 4035 section 3.2.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DnsFlags {
    /// AA: the server is authoritative for the name.
    pub authoritative: bool,
    /// TC: the answer is truncated.
    pub truncated: bool,
    /// RA: the server offers recursion.
    pub recursion_available: bool,
    /// AD: the server has validated the answer with DNSSEC.
    pub authentic: bool,
}

/// Response code (RFC 1035 section 4.1.1, RFC 6891 section 6.1.3).
///
/// ```
/// use loopctl::Rcode;
///
/// assert_eq!(Rcode::NXDOMAIN.to_string(), "NXDOMAIN");
/// assert_eq!(Rcode(99).to_string(), "RCODE99");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rcode(pub u16);

impl Rcode {
    /// No error.
    pub const NOERROR: Self = Self(0);
    /// Format error: the server could not read the query.
    pub const FORMERR: Self = Self(1);
    /// Server failure.
    pub const SERVFAIL: Self = Self(2);
    /// The name does not exist.
    pub const NXDOMAIN: Self = Self(3);
    /// The server does not support this kind of query.
    pub const NOTIMP: Self = Self(4);
    /// The server refuses to answer, by policy.
    pub const REFUSED: Self = Self(5);
    /// The server does not support this EDNS version.
    pub const BADVERS: Self = Self(16);
}

impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "NOERROR",
            1 => "FORMERR",
            2 => "SERVFAIL",
            3 => "NXDOMAIN",
            4 => "NOTIMP",
            5 => "REFUSED",
            6 => "YXDOMAIN",
            9 => "NOTAUTH",
            16 => "BADVERS",
            number => return write!(f, "RCODE{number}"),
        })
    }
}

/// Extended DNS Error (RFC 8914).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExtendedError {
    /// INFO-CODE; 6 is "DNSSEC bogus".
    pub code: u16,
    /// EXTRA-TEXT, often empty.
    pub text: String,
}

impl ExtendedError {
    pub(super) fn of(option: &[u8]) -> Option<Self> {
        let (code, text) = option.split_first_chunk()?;
        Some(Self { code: u16::from_be_bytes(*code), text: printable(text.iter().copied()) })
    }
}

impl fmt::Display for ExtendedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "extended error {}", self.code)?;
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}

impl DnsAnswer {
    /// Name at the end of the CNAME chain; the queried name without one. At most 32 records are followed.
    pub fn canonical_name(&self) -> &str {
        /// Name servers follow about 16; a message has room for thousands.
        const MAX_ALIASES: usize = 32;
        let mut name = self.name.as_str();
        // A chain of CNAME records can be a loop.
        for _ in self.records.iter().take(MAX_ALIASES) {
            let alias = |record: &&DnsRecord| {
                record.record_type == RecordType::Cname && record.name.eq_ignore_ascii_case(name)
            };
            match self.records.iter().find(alias).map(|record| &record.data) {
                Some(DnsData::Cname(target)) => name = target,
                _ => return name,
            }
        }
        name
    }

    /// Records of the queried type at the end of the CNAME chain.
    pub fn matching(&self) -> impl Iterator<Item = &DnsRecord> {
        const ANY: RecordType = RecordType::Other(255);
        let name = match self.record_type {
            RecordType::Cname | ANY => &self.name,
            _ => self.canonical_name(),
        };
        let is_wanted = move |record: &&DnsRecord| {
            (self.record_type == ANY || record.record_type == self.record_type)
                && record.name.eq_ignore_ascii_case(name)
        };
        self.records.iter().filter(is_wanted)
    }

    /// Addresses of the answer.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.matching().filter_map(|record| record.data.address())
    }

    /// Time for which the answer may be cached: the lowest TTL. For a negative answer it is that of the SOA (RFC 2308
    /// section 5); `None` without one.
    pub fn ttl(&self) -> Option<Duration> {
        if self.matching().next().is_some() {
            return self.records.iter().map(|record| record.ttl).min();
        }
        let negative = self.authority.iter().filter_map(|record| match &record.data {
            DnsData::Soa(soa) => Some(record.ttl.min(soa.minimum)),
            _ => None,
        });
        negative.chain(self.records.iter().map(|record| record.ttl)).min()
    }
}
