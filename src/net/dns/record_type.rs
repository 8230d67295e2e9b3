//! Types of resource records.

use std::fmt;
use std::str::FromStr;

use hickory_proto::rr;

use super::type_names;

/// Type of a resource record.
///
/// ```
/// use loopctl::RecordType;
///
/// assert_eq!("https".parse(), Ok(RecordType::Https));
/// assert_eq!("TYPE9999".parse::<RecordType>().map(|it| it.to_string()), Ok("TYPE9999".to_owned()));
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

const NAMED: [(RecordType, u16); 12] = [
    (RecordType::A, 1),
    (RecordType::Aaaa, 28),
    (RecordType::Caa, 257),
    (RecordType::Cname, 5),
    (RecordType::Https, 65),
    (RecordType::Mx, 15),
    (RecordType::Ns, 2),
    (RecordType::Ptr, 12),
    (RecordType::Soa, 6),
    (RecordType::Srv, 33),
    (RecordType::Svcb, 64),
    (RecordType::Txt, 16),
];

impl RecordType {
    /// Number of the type.
    ///
    /// ```
    /// assert_eq!(loopctl::RecordType::Aaaa.number(), 28);
    /// ```
    pub fn number(self) -> u16 {
        match self {
            Self::Other(number) => number,
            named => {
                NAMED.iter().find(|(known, _)| *known == named).map_or(0, |(_, number)| *number)
            }
        }
    }

    #[cfg(feature = "dnssec")]
    pub(super) fn of(wire: rr::RecordType) -> Self {
        Self::from(u16::from(wire))
    }

    pub(super) fn wire(self) -> rr::RecordType {
        self.number().into()
    }
}

impl From<u16> for RecordType {
    /// Type of a number.
    fn from(number: u16) -> Self {
        let known = NAMED.iter().find(|(_, known)| *known == number);
        known.map_or(Self::Other(number), |(named, _)| *named)
    }
}

impl FromStr for RecordType {
    type Err = RecordTypeError;

    /// Parses a name of IANA's registry in any case, or `TYPE99` for any number (RFC 3597 section 5).
    fn from_str(text: &str) -> Result<Self, RecordTypeError> {
        let number = type_names::number(text);
        number.map(Self::from).ok_or_else(|| RecordTypeError(text.to_owned()))
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match type_names::name(self.number()) {
            Some(name) => f.write_str(name),
            None => write!(f, "TYPE{}", self.number()),
        }
    }
}

impl fmt::Display for RecordTypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no type of DNS record", self.0.escape_debug())
    }
}

impl std::error::Error for RecordTypeError {}
