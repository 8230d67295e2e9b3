//! Types of resource records.

use std::fmt;
use std::str::FromStr;

use hickory_proto::rr;

/// Type of a resource record.
///
/// ```
/// use loopctl::RecordType;
///
/// assert_eq!("https".parse(), Ok(RecordType::Https));
/// assert_eq!("TYPE99".parse::<RecordType>().map(|it| it.to_string()), Ok("TYPE99".to_owned()));
/// assert!("no type".parse::<RecordType>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordType {
    /// IPv4 address.
    A,
    /// IPv6 address.
    Aaaa,
    /// Certification Authority Authorization (RFC 8659).
    Caa,
    /// Canonical name of an alias.
    Cname,
    /// Service binding of HTTPS (RFC 9460).
    Https,
    /// Mail exchange.
    Mx,
    /// Name server of a zone.
    Ns,
    /// Name of an address.
    Ptr,
    /// Start of a zone of authority.
    Soa,
    /// Location of a service (RFC 2782).
    Srv,
    /// Service binding (RFC 9460).
    Svcb,
    /// Text.
    Txt,
    /// Another type, by its number.
    Other(u16),
}

/// Error for text that is not a record type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordTypeError(String);

const NAMED: [(RecordType, rr::RecordType); 12] = [
    (RecordType::A, rr::RecordType::A),
    (RecordType::Aaaa, rr::RecordType::AAAA),
    (RecordType::Caa, rr::RecordType::CAA),
    (RecordType::Cname, rr::RecordType::CNAME),
    (RecordType::Https, rr::RecordType::HTTPS),
    (RecordType::Mx, rr::RecordType::MX),
    (RecordType::Ns, rr::RecordType::NS),
    (RecordType::Ptr, rr::RecordType::PTR),
    (RecordType::Soa, rr::RecordType::SOA),
    (RecordType::Srv, rr::RecordType::SRV),
    (RecordType::Svcb, rr::RecordType::SVCB),
    (RecordType::Txt, rr::RecordType::TXT),
];

impl RecordType {
    pub(super) fn of(wire: rr::RecordType) -> Self {
        let known = NAMED.iter().find(|(_, known)| *known == wire);
        known.map_or_else(|| Self::Other(wire.into()), |(named, _)| *named)
    }

    pub(super) fn wire(self) -> rr::RecordType {
        match self {
            Self::Other(number) => number.into(),
            named => NAMED
                .iter()
                .find(|(known, _)| *known == named)
                .map_or(rr::RecordType::ZERO, |(_, wire)| *wire),
        }
    }
}

impl FromStr for RecordType {
    type Err = RecordTypeError;

    /// Parses a mnemonic in any case, or `TYPE99` for any number (RFC 3597 section 5).
    fn from_str(text: &str) -> Result<Self, RecordTypeError> {
        let upper = text.to_ascii_uppercase();
        let by_number = upper.strip_prefix("TYPE").and_then(|number| number.parse::<u16>().ok());
        let wire = match by_number {
            Some(number) => number.into(),
            None => upper.parse().map_err(|_| RecordTypeError(text.to_owned()))?,
        };
        Ok(Self::of(wire))
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wire() {
            rr::RecordType::Unknown(number) => write!(f, "TYPE{number}"),
            wire => wire.fmt(f),
        }
    }
}

impl fmt::Display for RecordTypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no type of DNS record", self.0.escape_debug())
    }
}

impl std::error::Error for RecordTypeError {}
