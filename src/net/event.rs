//! What happened, and when. Reports are made of this and nothing else.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::plan::{Family, Reason};

use super::{Address, Failure, Phase, ResolveError, SocketOption, SocketSnapshot};
#[cfg(feature = "tls")]
use super::{TlsError, TlsInfo, TlsPeer};

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
        /// The failure, by its kind.
        error: ResolveError,
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
        /// The failure, by its kind.
        error: ResolveError,
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
        snapshot: SocketSnapshot,
    },
    /// An attempt has become a connection, with TLS where [that is what decides](crate::plan::Success::Tls).
    AttemptSucceeded {
        /// Its number.
        attempt: usize,
        /// What its socket says of itself.
        snapshot: SocketSnapshot,
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
        snapshot: SocketSnapshot,
    },
    /// A time limit fell while an attempt was under way.
    AttemptTimedOut {
        /// Its number.
        attempt: usize,
        /// What its socket says of itself.
        snapshot: SocketSnapshot,
    },
    /// An attempt was given up: another one won, or nobody waits any more.
    AttemptCanceled {
        /// Its number.
        attempt: usize,
        /// What its socket says of itself.
        snapshot: SocketSnapshot,
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
        /// The failure of TLS; `None` where the network failed.
        error: Option<TlsError>,
        /// Errno and message of the same failure.
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

/// Hears every step as it happens.
#[derive(Default)]
pub(crate) struct Tracer {
    listener: Option<Listener>,
    latest: Option<Instant>,
}

type Listener = Box<dyn FnMut(&Event)>;

impl Tracer {
    pub(crate) fn new(listen: impl FnMut(&Event) + 'static) -> Self {
        Self { listener: Some(Box::new(listen)), latest: None }
    }

    pub(crate) fn is_listening(&self) -> bool {
        self.listener.is_some()
    }

    /// A listener that panics hears no more: what the panic drops has things to tell, and a second panic
    /// there would end the process. Time never runs backwards, though what a connection has noted may be told
    /// after what has happened since.
    pub(crate) fn tell(&mut self, at: Instant, kind: EventKind) {
        if let Some(mut listen) = self.listener.take() {
            let at = self.latest.map_or(at, |latest| latest.max(at));
            self.latest = Some(at);
            listen(&Event { at, kind });
            self.listener = Some(listen);
        }
    }
}
