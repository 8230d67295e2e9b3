//! What became of clients: plain data.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use loopctl::{Address, Failure, TlsError, TlsErrorKind, TlsInfo};

use super::certificate::Certificate;

use crate::util::checksum::Sum;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// Both sides had said what they had to say.
    Eof,
    /// The client broke it off.
    Reset,
    /// The client's stream ended without TLS's farewell: what came last may be missing.
    Truncated,
    /// Nothing moved for the idle timeout.
    Idle,
    /// Against a rule: not a network that is allowed, a request too large or too slow.
    Limit,
    /// A fault that was asked for.
    Fault,
    /// The server ended.
    Shutdown,
    /// Something failed here.
    Error,
}

/// Outcome of a server that listened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServeOutcome {
    Completed,
    /// A second signal, while clients were given time to finish.
    Signal(i32),
    /// Clients that had not finished in time.
    ClientsCutOff,
    /// A sink did not receive all of a transfer.
    Incomplete,
    /// Time was up before the requested number of clients had come.
    TooFewClients,
}

/// A connection that is over.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) names: Names,
    pub(crate) tls: Security,
    pub(crate) bytes: Bytes,
    pub(crate) took: Duration,
    pub(crate) end: End,
    pub(crate) faults: Vec<&'static str>,
    pub(crate) error: Option<Trouble>,
    /// It had to be cut off, with something still to send.
    pub(crate) aborted: bool,
}

/// What a sink has received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// `None` where it is not kept in a file.
    pub(crate) path: Option<PathBuf>,
    pub(crate) bytes: u64,
    pub(crate) is_whole: bool,
    pub(crate) sum: Option<Sum>,
}

/// Both ends of a connection; `None` for a Unix socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) local: Option<SocketAddr>,
}

/// Whether a connection was private.
#[derive(Debug, Clone)]
pub(crate) enum Security {
    /// Nobody asked for that.
    Plain,
    /// The handshake did not come to its end.
    Missing,
    Tls(Box<TlsInfo>),
}

/// What went wrong, and whose affair it is.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    pub(crate) failure: Failure,
    pub(crate) area: Area,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Area {
    Io,
    Tls,
    /// The client's certificate.
    Certificate,
}

/// What a server with TLS shows its clients.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// The one for clients that ask for no name comes first.
    pub(crate) certificates: Vec<Certificate>,
    /// Where a client finds what it has to trust, if it was made for this run.
    pub(crate) ca_file: Option<PathBuf>,
}

/// A datagram, and what was sent back.
#[derive(Debug, Clone)]
pub(crate) struct Datagram {
    /// `None` for a Unix socket without a name.
    pub(crate) peer: Option<Address>,
    pub(crate) bytes: Bytes,
    pub(crate) is_allowed: bool,
    pub(crate) error: Option<Trouble>,
}

/// Received, and taken by the system to be sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bytes {
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

/// Everything so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    pub(crate) accepted: u64,
    pub(crate) closed: u64,
    pub(crate) aborted: u64,
    /// Of those accepted, who were not allowed.
    pub(crate) refused: u64,
    pub(crate) bytes: Bytes,
    pub(crate) ends: BTreeMap<End, Share>,
}

/// Those that ended for the same reason.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Share {
    pub(crate) count: u64,
    pub(crate) bytes: Bytes,
    pub(crate) longest: Duration,
}

impl End {
    /// Whether what is queued is still sent.
    pub(crate) fn is_orderly(self) -> bool {
        matches!(self, Self::Eof | Self::Limit | Self::Fault | Self::Shutdown)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Eof => "eof",
            Self::Reset => "reset",
            Self::Truncated => "truncated",
            Self::Idle => "idle",
            Self::Limit => "limit",
            Self::Fault => "fault",
            Self::Shutdown => "shutdown",
            Self::Error => "error",
        }
    }
}

impl Stored {
    pub(crate) fn name(&self) -> String {
        let path = self.path.as_ref();
        path.map_or_else(|| "-".to_owned(), |path| path.to_string_lossy().into_owned())
    }
}

impl Totals {
    pub(crate) fn open(&self) -> u64 {
        self.accepted - self.closed - self.aborted
    }

    pub(crate) fn count(&mut self, ended: &Ended) {
        match ended.aborted {
            true => self.aborted += 1,
            false => self.closed += 1,
        }
        self.bytes.add(ended.bytes);
        let share = self.ends.entry(ended.end).or_default();
        share.count += 1;
        share.bytes.add(ended.bytes);
        share.longest = share.longest.max(ended.took);
    }
}

impl Totals {
    /// A datagram is over as soon as it is answered.
    pub(crate) fn count_datagram(&mut self, datagram: &Datagram) {
        self.closed += 1;
        self.bytes.add(datagram.bytes);
    }
}

impl Bytes {
    pub(crate) fn add(&mut self, other: Self) {
        self.received += other.received;
        self.sent += other.sent;
    }
}

/// Why a conversation stops.
#[derive(Debug)]
pub(crate) enum Halt {
    End(End, Option<Trouble>),
    /// The connection stays, and nothing moves on it any more.
    Stall,
    /// The client sees a reset once it has what was sent.
    Reset,
}

impl Halt {
    pub(crate) fn because(end: End, error: io::Error) -> Self {
        Self::End(end, Some(Trouble::from(&error)))
    }

    pub(crate) fn limit(why: &str) -> Self {
        Self::because(End::Limit, io::Error::other(why.to_owned()))
    }
}

/// What the connection says: the client went away, or something is wrong here.
impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        if let Some(of_tls) = TlsError::within(&error) {
            let is_truncated = of_tls.kind() == TlsErrorKind::Truncated;
            return Self::because(if is_truncated { End::Truncated } else { End::Error }, error);
        }
        let left = [BrokenPipe, ConnectionAborted, ConnectionReset].contains(&error.kind());
        Self::because(if left { End::Reset } else { End::Error }, error)
    }
}

impl From<&io::Error> for Trouble {
    fn from(error: &io::Error) -> Self {
        let area = match TlsError::within(error).map(TlsError::kind) {
            None => Area::Io,
            Some(TlsErrorKind::Certificate) => Area::Certificate,
            Some(_) => Area::Tls,
        };
        Self { failure: Failure::from(error), area }
    }
}
