//! What can be asked for.

use std::fmt;
use std::str::FromStr;

use hickory_proto::rr;

/// A type of resource record.
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
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// Who may issue certificates (RFC 8659).
    Caa,
    /// Another name of the same thing.
    Cname,
    /// How to scope an HTTPS service (RFC 9460).
    Https,
    /// Who takes mail.
    Mx,
    /// The name servers of a zone.
    Ns,
    /// The name of an address.
    Ptr,
    /// The start of a zone.
    Soa,
    /// Where a service is (RFC 2782).
    Srv,
    /// How to scope a service (RFC 9460).
    Svcb,
    /// Text.
    Txt,
    /// Any other, by its number.
    Other(u16),
}

/// A text that is no type of record.
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

    /// In upper or lower case; `TYPE99` is any number (RFC 3597).
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
