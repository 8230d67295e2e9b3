//! What happened, and when. Reports are made of this and nothing else.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::plan::{Family, Reason};

use super::{Address, Phase, SocketOption, SocketOptions, TcpInfo};
#[cfg(feature = "tls")]
use super::{TlsErrorKind, TlsInfo, TlsPeer};

/// One thing that happened while connecting.
#[derive(Debug, Clone)]
pub struct Event {
    /// When, on the loop's clock.
    pub at: Instant,
    /// What.
    pub kind: EventKind,
}

/// What happened. Attempts are numbered from 0 in the order in which they start, which is the order of the
/// candidates unless the policy has [lanes](crate::plan::AddressQueues).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum EventKind {
    /// The resolver was asked.
    ResolveStarted {
        /// The host's name.
        host: String,
    },
    /// The resolver answered.
    Resolved {
        /// Its addresses, in its order.
        addresses: Vec<SocketAddr>,
    },
    /// The resolver failed, or was given up.
    ResolveFailed {
        /// Why.
        reason: String,
        /// The symbol of the system's resolver for it, such as `EAI_NONAME`.
        symbol: Option<&'static str>,
    },
    /// A race that does not wait for all addresses has asked for those of one family.
    QueryStarted {
        /// Which.
        family: Family,
    },
    /// They have come.
    QueryAnswered {
        /// Which.
        family: Family,
        /// In the resolver's order.
        addresses: Vec<SocketAddr>,
    },
    /// There are none, or nobody could tell.
    QueryFailed {
        /// Which.
        family: Family,
        /// Why.
        reason: String,
        /// The symbol of the system's resolver for it, such as `EAI_NODATA`.
        symbol: Option<&'static str>,
    },
    /// Nobody waits for them any more.
    QueryCanceled {
        /// Which.
        family: Family,
    },
    /// The order in which addresses will be tried is settled.
    CandidatesSorted {
        /// All of them.
        candidates: Vec<Address>,
    },
    /// An answer that came after the first attempt had started has changed the order.
    CandidatesResorted {
        /// Those that have been tried, in the order in which they were, and then the others.
        candidates: Vec<Address>,
    },
    /// An attempt begins.
    AttemptStarted {
        /// Its number.
        attempt: usize,
        /// Where it connects to.
        address: Address,
        /// Why it begins when it does.
        reason: Reason,
        /// When it was to begin: how much later it does is this process's delay, not the network's.
        planned: Instant,
    },
    /// The kernel refused an option of an attempt's socket; the attempt goes on without it.
    OptionRefused {
        /// Its number.
        attempt: usize,
        /// Which option.
        option: SocketOption,
        /// Why.
        failure: Failure,
    },
    /// TCP is up, and the attempt goes on with TLS, which is [what decides](crate::plan::Success::Tls).
    AttemptConnected {
        /// Its number.
        attempt: usize,
        /// What its socket says of itself.
        facts: SocketFacts,
    },
    /// An attempt has become a connection, with TLS where [that is what decides](crate::plan::Success::Tls).
    AttemptSucceeded {
        /// Its number.
        attempt: usize,
        /// What its socket says of itself.
        facts: SocketFacts,
    },
    /// The network or the kernel refused an attempt.
    AttemptFailed {
        /// Its number.
        attempt: usize,
        /// What failed.
        phase: Phase,
        /// How.
        failure: Failure,
        /// What its socket says of itself.
        facts: SocketFacts,
    },
    /// A time limit fell while an attempt was under way.
    AttemptTimedOut {
        /// Its number.
        attempt: usize,
        /// What its socket says of itself.
        facts: SocketFacts,
    },
    /// An attempt was given up: another one won, or nobody waits any more.
    AttemptCanceled {
        /// Its number.
        attempt: usize,
        /// What its socket says of itself.
        facts: SocketFacts,
    },
    /// The Connection Attempt Delay begins to run.
    NextAttemptTimerSet {
        /// How long from now.
        delay: Duration,
    },
    /// The Connection Attempt Delay has passed.
    NextAttemptTimerFired,
    /// The Connection Attempt Delay no longer matters.
    NextAttemptTimerCanceled {
        /// Why.
        reason: TimerEnd,
    },
    /// This attempt is the connection.
    ConnectionSelected {
        /// Its number.
        attempt: usize,
    },
    /// The TLS handshake begins: the client's first message is on its way.
    #[cfg(feature = "tls")]
    TlsStarted {
        /// The attempt whose connection it is; `None` where no race has made the connection.
        attempt: Option<usize>,
    },
    /// The server has answered, in whatever words.
    #[cfg(feature = "tls")]
    TlsFirstByte {
        /// The attempt, as above.
        attempt: Option<usize>,
    },
    /// The TLS handshake is over. Where [TLS is what decides](crate::plan::Success::Tls), the attempt has
    /// succeeded with it.
    #[cfg(feature = "tls")]
    TlsEstablished {
        /// The attempt, as above.
        attempt: Option<usize>,
        /// What was agreed on.
        info: Box<TlsInfo>,
    },
    /// The TLS handshake has failed, or was given up. Where TLS is what decides, the end of the attempt follows.
    #[cfg(feature = "tls")]
    TlsFailed {
        /// The attempt, as above.
        attempt: Option<usize>,
        /// What kind of failure it is; `None` if it is one of the network's.
        why: Option<TlsErrorKind>,
        /// Why, in words.
        failure: Failure,
        /// What the server's certificates were, as far as they came.
        peer: Box<TlsPeer>,
    },
    /// There will be no connection.
    ConnectionAborted {
        /// Why.
        reason: AbortReason,
    },
}

/// Why there will be no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AbortReason {
    /// There was no address.
    NotResolved,
    /// Every attempt failed.
    AllFailed,
    /// The time for the whole operation was up.
    TimedOut,
    /// The operation was cancelled.
    Canceled,
}

/// Why the Connection Attempt Delay no longer matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimerEnd {
    /// There is a connection.
    Success,
    /// There will be none.
    Abort,
    /// There is nothing left to start.
    ListExhausted,
}

/// An [`io::Error`] that can be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of error it is.
    pub kind: io::ErrorKind,
    /// The system's number for it, if it came from the system.
    pub errno: Option<i32>,
    /// What it says.
    pub message: String,
    /// The system call itself failed: this host refused, and nothing was heard from the network.
    pub at_once: bool,
}

impl From<&io::Error> for Failure {
    fn from(error: &io::Error) -> Self {
        let (kind, errno, message) = (error.kind(), os_error(error), error.to_string());
        Self { kind, errno, message, at_once: false }
    }
}

/// The system's number, also of an error that has been put into context.
fn os_error(error: &io::Error) -> Option<i32> {
    let within = || error.get_ref()?.source()?.downcast_ref::<io::Error>()?.raw_os_error();
    error.raw_os_error().or_else(within)
}

impl Failure {
    /// The symbol of the system's error, such as `ECONNREFUSED`.
    ///
    /// ```
    /// let refused = loopctl::Failure::from(&std::io::Error::from_raw_os_error(111));
    /// assert_eq!(refused.name(), Some("ECONNREFUSED"));
    /// ```
    pub fn name(&self) -> Option<&'static str> {
        Some(match self.errno? {
            libc::EACCES => "EACCES",
            libc::EADDRINUSE => "EADDRINUSE",
            libc::EADDRNOTAVAIL => "EADDRNOTAVAIL",
            libc::EAFNOSUPPORT => "EAFNOSUPPORT",
            libc::EAGAIN => "EAGAIN",
            libc::ECONNABORTED => "ECONNABORTED",
            libc::ECONNREFUSED => "ECONNREFUSED",
            libc::ECONNRESET => "ECONNRESET",
            libc::EDQUOT => "EDQUOT",
            libc::EFBIG => "EFBIG",
            libc::EHOSTDOWN => "EHOSTDOWN",
            libc::EHOSTUNREACH => "EHOSTUNREACH",
            libc::EINVAL => "EINVAL",
            libc::EIO => "EIO",
            libc::EISDIR => "EISDIR",
            libc::EMFILE => "EMFILE",
            libc::ENETDOWN => "ENETDOWN",
            libc::ENETUNREACH => "ENETUNREACH",
            libc::ENFILE => "ENFILE",
            libc::ENOBUFS => "ENOBUFS",
            libc::ENOENT => "ENOENT",
            libc::ENOMEM => "ENOMEM",
            libc::ENOPROTOOPT => "ENOPROTOOPT",
            libc::ENOSPC => "ENOSPC",
            libc::ENOTSOCK => "ENOTSOCK",
            libc::EPERM => "EPERM",
            libc::EPIPE => "EPIPE",
            libc::EPROTOTYPE => "EPROTOTYPE",
            libc::EROFS => "EROFS",
            libc::ETIMEDOUT => "ETIMEDOUT",
            _ => return None,
        })
    }
}

/// What a socket says of itself at the moment of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SocketFacts {
    /// Its own address.
    pub local: Option<SocketAddr>,
    /// What the kernel knows of its connection.
    pub tcp: Option<TcpInfo>,
    /// The options in force, where some were asked for.
    pub options: Option<SocketOptions>,
}
