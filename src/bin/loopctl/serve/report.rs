//! What became of clients: plain data.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use loopctl::{Address, Failure};

use crate::checksum::Sum;

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// Both sides had said what they had to say.
    Eof,
    /// The client broke it off.
    Reset,
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

/// A connection that is over.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// `None` for a Unix socket.
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) local: Option<SocketAddr>,
    pub(crate) bytes: Bytes,
    pub(crate) took: Duration,
    pub(crate) end: End,
    pub(crate) faults: Vec<&'static str>,
    pub(crate) error: Option<Failure>,
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

/// A datagram, and what was sent back.
#[derive(Debug, Clone)]
pub(crate) struct Datagram {
    /// `None` for a Unix socket without a name.
    pub(crate) peer: Option<Address>,
    pub(crate) bytes: Bytes,
    pub(crate) is_allowed: bool,
    pub(crate) error: Option<Failure>,
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
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Eof => "eof",
            Self::Reset => "reset",
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

    /// What a client that resumes is told at the end.
    pub(crate) fn last_line(&self) -> String {
        let sum = self.sum.as_ref().map(|sum| format!("{}:{}", sum.algorithm.name(), sum.hex));
        format!("loopctl-sink 1 {} {}\n", self.bytes, sum.as_deref().unwrap_or("-"))
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
    End(End, Option<Failure>),
    /// The connection stays, and nothing moves on it any more.
    Stall,
    /// The client sees a reset once it has what was sent.
    Reset,
}

impl Halt {
    pub(crate) fn because(end: End, error: io::Error) -> Self {
        Self::End(end, Some(Failure::from(&error)))
    }

    pub(crate) fn limit(why: &str) -> Self {
        Self::because(End::Limit, io::Error::other(why.to_owned()))
    }
}

/// What the connection says: the client went away, or something is wrong here.
impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        let left = [BrokenPipe, ConnectionAborted, ConnectionReset].contains(&error.kind());
        Self::because(if left { End::Reset } else { End::Error }, error)
    }
}
