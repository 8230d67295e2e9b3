//! Failures of queries.

use std::fmt;
use std::io;

use super::answer::{DnsAnswer, DnsExchange};
use super::{DnsServer, Rcode, RecordType};
use crate::net::Failure;

/// Verdict of a failed query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DnsErrorKind {
    /// NXDOMAIN: the name does not exist.
    NxDomain,
    /// NODATA: the name exists without a record of the type (RFC 2308 section 2.2).
    NoData,
    /// NOERROR without records from a server that is not authoritative for the name and offers no recursion. It names
    /// the servers of another zone, in [`authority`](DnsAnswer::authority) (RFC 1034 section 4.3.2).
    Referral,
    /// NOERROR without records from a server that is not authoritative for the name and offers no recursion. Nothing
    /// is known of the name ("lame delegation", RFC 9499).
    Lame,
    /// The aliases (CNAME) of the name lead back to one of them (RFC 1034 section 3.6.2).
    AliasLoop,
    /// The name is an alias (CNAME), and the server gave nothing about its target, which is
    /// [`canonical_name`](DnsAnswer::canonical_name).
    AliasNotFollowed,
    /// More aliases (CNAME) in a row than are followed.
    AliasChainTooLong,
    /// SERVFAIL: the server could not find the answer.
    ServFail,
    /// REFUSED: the server refuses to answer.
    Refused,
    /// Another response code.
    Code(Rcode),
    /// No server answered in time.
    TimedOut,
    /// The answer cannot be decoded.
    Malformed,
    /// A socket failed; [`DnsError::failure`] has the error.
    Network,
    /// The name is below `onion`, which is not in DNS, so that no server was asked (RFC 7686 section 2).
    Onion,
    /// The name is not a domain name.
    BadName,
    /// DNSSEC: a signature is wrong or missing (RFC 4035 section 4.3).
    Bogus,
    /// DNSSEC: the proof cannot be obtained (RFC 4035 section 4.3).
    Indeterminate,
}

/// Failed query: verdict, question, server and times.
#[derive(Debug, Clone)]
pub struct DnsError {
    /// Verdict. Of several servers, an answer ranks before one that cannot be decoded, a socket error, and silence.
    pub kind: DnsErrorKind,
    /// Queried name.
    pub name: String,
    /// Queried type.
    pub record_type: RecordType,
    /// Error of the socket or the decoder.
    pub failure: Option<Failure>,
    /// Negative answer, if there is one.
    pub answer: Option<Box<DnsAnswer>>,
    /// Server, transport and times of the exchange.
    pub exchange: Box<DnsExchange>,
}

impl DnsError {
    /// Server that the error is about; `None` where none could be queried.
    pub fn server(&self) -> Option<&DnsServer> {
        self.exchange.server.as_ref()
    }

    /// System error number, where a socket failed.
    pub fn errno(&self) -> Option<i32> {
        self.failure.as_ref()?.errno
    }

    /// Last name of the aliases in the answer.
    pub fn alias_end(&self) -> Option<&str> {
        self.answer.as_deref().map(DnsAnswer::canonical_name)
    }

    /// Zone whose servers a referral names.
    pub fn referred_zone(&self) -> Option<&str> {
        let records = self.answer.as_deref()?.authority.iter();
        let mut servers = records.filter(|record| record.record_type == RecordType::Ns);
        servers.next().map(|record| record.name.as_str())
    }

    /// Reason, without name and server.
    #[cfg(feature = "dnssec")]
    pub(super) fn reason(&self) -> String {
        struct Why<'a>(&'a DnsError);
        impl fmt::Display for Why<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.write_reason(f)
            }
        }
        Why(self).to_string()
    }

    fn write_reason(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = self.failure.as_ref().map_or("", |failure| failure.message.as_str());
        match self.kind {
            DnsErrorKind::NxDomain => f.write_str("no such name (NXDOMAIN)"),
            DnsErrorKind::NoData => f.write_str("the name has no such record (NODATA)"),
            DnsErrorKind::Referral => match self.referred_zone() {
                Some(zone) => write!(f, "the server refers to the servers of `{zone}`"),
                None => f.write_str("the server refers to other servers"),
            },
            DnsErrorKind::Lame => {
                f.write_str("the server is not in charge of the name, and asks no other (lame)")
            }
            DnsErrorKind::AliasLoop => match self.alias_end() {
                Some(last) => write!(f, "its aliases (CNAME) go round: `{last}` leads back"),
                None => f.write_str("its aliases (CNAME) go round"),
            },
            DnsErrorKind::AliasNotFollowed => match self.alias_end() {
                Some(target) => write!(
                    f,
                    "the name is an alias of `{target}`, about which the server says nothing"
                ),
                None => f.write_str("the name is an alias, which the server did not follow"),
            },
            DnsErrorKind::AliasChainTooLong => {
                f.write_str("more aliases (CNAME) in a row than are followed")
            }
            DnsErrorKind::ServFail => f.write_str("the server failed (SERVFAIL)"),
            DnsErrorKind::Refused => f.write_str("the server refused (REFUSED)"),
            DnsErrorKind::Code(code) => write!(f, "the server said {code}"),
            DnsErrorKind::TimedOut => {
                let seconds = self.exchange.took.as_secs_f64();
                write!(f, "no answer within {seconds:.1} s")
            }
            DnsErrorKind::Malformed => write!(f, "the answer cannot be read: {why}"),
            DnsErrorKind::Network => f.write_str(why),
            DnsErrorKind::Bogus => write!(f, "bogus: {why}"),
            DnsErrorKind::Indeterminate => write!(f, "it cannot be verified: {why}"),
            DnsErrorKind::Onion => {
                f.write_str("names of .onion are Tor's, and name servers are not asked (RFC 7686)")
            }
            DnsErrorKind::BadName => write!(f, "not a name: {why}"),
        }
    }
}

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exchange = &self.exchange;
        // Names have no control characters, unless they are the caller's text.
        let is_text = self.kind == DnsErrorKind::BadName;
        let name = if is_text { self.name.escape_debug().to_string() } else { self.name.clone() };
        write!(f, "cannot resolve `{name}` ({}): ", self.record_type)?;
        self.write_reason(f)?;
        match (&exchange.server, exchange.transport) {
            (Some(server), Some(transport)) if transport != server.transport() => {
                write!(f, ", from {server} over {transport}")?;
            }
            (Some(server), _) => write!(f, ", from {server}")?,
            (None, _) => {}
        }
        let said = self.answer.iter().flat_map(|answer| &answer.extended_errors);
        said.into_iter().try_for_each(|error| write!(f, " ({error})"))
    }
}

impl std::error::Error for DnsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.failure.as_ref().map(|failure| failure as _)
    }
}

impl From<DnsError> for io::Error {
    fn from(error: DnsError) -> Self {
        let kind = match error.kind {
            DnsErrorKind::TimedOut => io::ErrorKind::TimedOut,
            DnsErrorKind::Network => {
                error.failure.as_ref().map_or(io::ErrorKind::Other, |failure| failure.kind)
            }
            DnsErrorKind::BadName => io::ErrorKind::InvalidInput,
            DnsErrorKind::Malformed => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::NotFound,
        };
        Self::new(kind, error)
    }
}
