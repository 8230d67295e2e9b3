//! What a name server has answered.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

#[cfg(feature = "dnssec")]
use super::DnsValidation;
use super::record::printable;
use super::{DnsData, DnsRecord, DnsServer, RecordType};
use crate::plan::DnsTransport;

/// The answer to a [query](super::DnsClient::query).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsAnswer {
    /// The name that was asked for, with the dot at the end.
    pub name: String,
    /// What was asked for.
    pub record_type: RecordType,
    /// What kind of answer it is.
    pub rcode: Rcode,
    /// What else the server says of it.
    pub flags: DnsFlags,
    /// The answer itself, aliases included, in the server's order.
    pub records: Vec<DnsRecord>,
    /// Who is in charge: of an answer that there is nothing, the start of the zone; of a referral, the name servers
    /// of the zone below, and then those of their addresses that came along.
    pub authority: Vec<DnsRecord>,
    /// Why, where the server says so.
    pub extended_errors: Vec<ExtendedError>,
    /// How it went.
    pub exchange: DnsExchange,
}

/// Who was asked, and how long it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsExchange {
    /// Who has answered; of an error, whom it is about. `None` where nobody could be asked.
    pub server: Option<DnsServer>,
    /// Over what it was asked in the end.
    pub transport: Option<DnsTransport>,
    /// When the query began, on the loop's clock.
    pub started: Instant,
    /// How long all of it took.
    pub took: Duration,
    /// The time between the message that was answered and its answer, connecting left out.
    pub round_trip: Option<Duration>,
    /// How often a server was asked after the first time; TCP after a truncated answer is not counted.
    pub retries: usize,
    /// Whether an answer did not fit into a datagram.
    pub truncated: bool,
    /// What signatures prove of the answer, where the client verifies them.
    #[cfg(feature = "dnssec")]
    pub validation: Option<Box<DnsValidation>>,
}

/// What a server says of its answer (RFC 1035 section 4.1.1, RFC 4035 section 3.2.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DnsFlags {
    /// AA: the server is in charge of the name.
    pub authoritative: bool,
    /// TC: there is more, which did not fit.
    pub truncated: bool,
    /// RA: the server asks others.
    pub recursion_available: bool,
    /// AD: the server has verified it with DNSSEC.
    pub authentic: bool,
}

/// The kind of an answer.
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
    /// It went well.
    pub const NOERROR: Self = Self(0);
    /// The server could not read the question.
    pub const FORMERR: Self = Self(1);
    /// The server could not find out.
    pub const SERVFAIL: Self = Self(2);
    /// There is no such name.
    pub const NXDOMAIN: Self = Self(3);
    /// The server cannot do that.
    pub const NOTIMP: Self = Self(4);
    /// The server does not want to.
    pub const REFUSED: Self = Self(5);
    /// The server does not know this version of EDNS.
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

/// Why an answer is what it is, in the server's words (RFC 8914).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedError {
    /// The number of the reason; 6 is "DNSSEC bogus".
    pub code: u16,
    /// More about it; most often nothing.
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
    /// The name at the end of all aliases; the one that was asked for if there are none. No more than 32 are followed.
    pub fn canonical_name(&self) -> &str {
        /// Name servers themselves follow no more than about 16, and a message has room for thousands.
        const MAX_ALIASES: usize = 32;
        let mut name = self.name.as_str();
        // Aliases that go round in a circle have no end.
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

    /// The records of the type that was asked for, at the end of all aliases.
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

    /// The addresses in it.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.matching().filter_map(|record| record.data.address())
    }

    /// How long it may be kept: the shortest time of its records. Of an answer that there is nothing, what the
    /// start of the zone says (RFC 2308 section 5); `None` where it says nothing.
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
