//! Why a query has no answer.

use std::fmt;
use std::io;

use super::answer::{DnsAnswer, DnsExchange};
use super::{DnsServer, Rcode, RecordType};
use crate::net::Failure;

/// What kind of failure a query is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DnsErrorKind {
    /// There is no such name.
    NxDomain,
    /// There is such a name, but nothing of that type.
    NoData,
    /// The servers could not find out.
    ServFail,
    /// The servers do not want to answer.
    Refused,
    /// Some other code.
    Code(Rcode),
    /// The servers were silent.
    TimedOut,
    /// The answers could not be read.
    Malformed,
    /// The servers could not be reached.
    Network,
    /// The name cannot be asked for.
    BadName,
    /// There is an answer, but its signatures do not prove it.
    Bogus,
    /// There is an answer, but what would prove it cannot be had.
    Indeterminate,
}

/// A query without the answer that was wanted: which question, who said no, and how long it took.
#[derive(Debug, Clone)]
pub struct DnsError {
    /// What kind of failure it is. Of several servers that failed, one that answered counts more than one that
    /// could not be read, reached, or heard.
    pub kind: DnsErrorKind,
    /// The name that was asked for.
    pub name: String,
    /// What was asked for.
    pub record_type: RecordType,
    /// What went wrong, where the system or the codec said so.
    pub failure: Option<Failure>,
    /// The answer that says no, if there is one.
    pub answer: Option<Box<DnsAnswer>>,
    /// How it went.
    pub exchange: Box<DnsExchange>,
}

impl DnsError {
    /// The server that the error is about; `None` where none could be asked.
    pub fn server(&self) -> Option<&DnsServer> {
        self.exchange.server.as_ref()
    }

    /// The system's error number, where a socket failed.
    pub fn errno(&self) -> Option<i32> {
        self.failure.as_ref()?.errno
    }

    /// What went wrong, without what it is about and who was asked.
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
