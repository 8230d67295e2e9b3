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
            DnsErrorKind::BadName => write!(f, "not a name: {why}"),
        }
    }
}

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exchange = &self.exchange;
        write!(f, "cannot resolve `{}` ({}): ", self.name.escape_debug(), self.record_type)?;
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
