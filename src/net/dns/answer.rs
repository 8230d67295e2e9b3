//! Answers of name servers. `message.rs` checks them against the question.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

#[cfg(feature = "dnssec")]
use super::DnsValidation;
use super::verdict::{AliasChain, matching};
use super::{DnsData, DnsOddity, DnsRecord, DnsServer, RecordType};
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
    /// Faults of the message that do not change the answer.
    pub oddities: Vec<DnsOddity>,
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
    /// Reason why the last message had no EDNS, if the client uses it.
    pub without_edns: Option<EdnsFallback>,
    /// Result of DNSSEC validation, where the client validates.
    #[cfg(feature = "dnssec")]
    pub validation: Option<Box<DnsValidation>>,
}

/// Reason why a server was queried without EDNS (RFC 6891 section 6.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdnsFallback {
    /// It did not understand a query with EDNS: FORMERR, NOTIMP or BADVERS.
    NotUnderstood,
    /// It did not answer a query with EDNS in time.
    Silence,
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

/// Names of response codes, from IANA's registry "DNS RCODEs".
const RCODES: [(u16, &str); 20] = [
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (6, "YXDOMAIN"),
    (7, "YXRRSET"),
    (8, "NXRRSET"),
    (9, "NOTAUTH"),
    (10, "NOTZONE"),
    (11, "DSOTYPENI"),
    (16, "BADVERS"),
    (17, "BADKEY"),
    (18, "BADTIME"),
    (19, "BADMODE"),
    (20, "BADNAME"),
    (21, "BADALG"),
    (22, "BADTRUNC"),
    (23, "BADCOOKIE"),
];

impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match RCODES.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "RCODE{}", self.0),
        }
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
        // The text is UTF-8, and some servers end it with a zero byte.
        let text = String::from_utf8_lossy(text);
        let text = text.trim_end_matches('\0').chars().map(shown).collect();
        Some(Self { code: u16::from_be_bytes(*code), text })
    }

    /// Name of the code in IANA's registry "Extended DNS Error Codes".
    ///
    /// ```
    /// use loopctl::{DnsAnswer, ExtendedError};
    ///
    /// /// Whether the name server blocks the name.
    /// fn is_blocked(answer: &DnsAnswer) -> bool {
    ///     answer.extended_errors.iter().filter_map(ExtendedError::name).any(|name| name == "Blocked")
    /// }
    /// ```
    pub fn name(&self) -> Option<&'static str> {
        const NAMES: [&str; 31] = [
            "Other Error",
            "Unsupported DNSKEY Algorithm",
            "Unsupported DS Digest Type",
            "Stale Answer",
            "Forged Answer",
            "DNSSEC Indeterminate",
            "DNSSEC Bogus",
            "Signature Expired",
            "Signature Not Yet Valid",
            "DNSKEY Missing",
            "RRSIGs Missing",
            "No Zone Key Bit Set",
            "NSEC Missing",
            "Cached Error",
            "Not Ready",
            "Blocked",
            "Censored",
            "Filtered",
            "Prohibited",
            "Stale NXDOMAIN Answer",
            "Not Authoritative",
            "Not Supported",
            "No Reachable Authority",
            "Network Error",
            "Invalid Data",
            "Signature Expired before Valid",
            "Too Early",
            "Unsupported NSEC3 Iterations Value",
            "Unable to conform to policy",
            "Synthesized",
            "Invalid Query Type",
        ];
        NAMES.get(usize::from(self.code)).copied()
    }
}

/// A character that does not change a terminal or the order of the text; others are escaped.
fn shown(letter: char) -> String {
    let is_format = matches!(
        letter,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    if letter.is_control() || is_format {
        letter.escape_unicode().to_string()
    } else {
        letter.to_string()
    }
}

impl fmt::Display for ExtendedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "extended error {}", self.code)?;
        if let Some(name) = self.name() {
            write!(f, " ({name})")?;
        }
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}

impl DnsAnswer {
    /// Name at the end of the CNAME chain; the queried name without one. At most 32 records are followed.
    pub fn canonical_name(&self) -> &str {
        AliasChain::of(&self.name, &self.records).end
    }

    /// Records of the queried type at the end of the CNAME chain.
    pub fn matching(&self) -> impl Iterator<Item = &DnsRecord> {
        matching(&self.name, self.record_type, &self.records)
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
