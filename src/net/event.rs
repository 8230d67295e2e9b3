//! Events of `create_connection`: the only input of reports.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::plan::{Family, Reason};

use super::{Address, Failure, Phase, ResolveError, SocketOption, SocketSnapshot};
#[cfg(feature = "tls")]
use super::{TcpInfo, TlsError, TlsInfo, TlsPeer};

/// Event of a connection being made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Event {
    /// Time on the loop's clock.
    pub at: Instant,
    /// Kind of event, with its data.
    pub kind: EventKind,
}

impl Event {
    /// Event at an instant of the loop's clock.
    pub fn new(at: Instant, kind: EventKind) -> Self {
        Self { at, kind }
    }
}

/// Kinds of events. Attempts are numbered from 0 in the order in which they start. This is the order of the
/// candidates unless the policy has [several queues](crate::plan::AddressQueues).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum EventKind {
    /// A name is being resolved.
    ResolveStarted {
        /// Name of the host.
        host: String,
    },
    /// The lookup returned addresses.
    Resolved {
        /// Addresses in the resolver's order.
        addresses: Vec<SocketAddr>,
    },
    /// Name resolution failed or was cancelled.
    ResolveFailed {
        /// Reason, by its kind.
        error: ResolveError,
    },
    /// A query for one address family was sent (RFC 8305 section 3).
    QueryStarted {
        /// Address family of the query.
        family: Family,
    },
    /// A query was answered.
    QueryAnswered {
        /// Address family of the query.
        family: Family,
        /// Addresses in the resolver's order.
        addresses: Vec<SocketAddr>,
    },
    /// A query failed, or the name has no such address.
    QueryFailed {
        /// Address family of the query.
        family: Family,
        /// Reason, by its kind.
        error: ResolveError,
    },
    /// A query was cancelled because its answer is not needed any more.
    QueryCanceled {
        /// Address family of the query.
        family: Family,
    },
    /// The candidates were sorted.
    CandidatesSorted {
        /// All candidates, in the order in which they are tried.
        candidates: Vec<Address>,
    },
    /// An answer that came after the first attempt changed the order.
    CandidatesResorted {
        /// Candidates that were tried, in order, then the others.
        candidates: Vec<Address>,
    },
    /// An attempt started.
    AttemptStarted {
        /// Number of the attempt.
        attempt: usize,
        /// Remote address.
        address: Address,
        /// Reason for starting at this time.
        reason: Reason,
        /// Planned start. A later start is a delay of this process, not of the network.
        planned: Instant,
    },
    /// The kernel refused a socket option. The attempt continues without it.
    OptionRefused {
        /// Number of the attempt.
        attempt: usize,
        /// Refused option.
        option: SocketOption,
        /// Error of the system.
        failure: Failure,
    },
    /// TCP is connected. The attempt continues with the TLS handshake, because
    /// [`Success::Tls`](crate::plan::Success::Tls) is set.
    AttemptConnected {
        /// Number of the attempt.
        attempt: usize,
        /// Statistics of the socket.
        snapshot: SocketSnapshot,
    },
    /// An attempt succeeded, with TLS where [`Success::Tls`](crate::plan::Success::Tls) is set.
    AttemptSucceeded {
        /// Number of the attempt.
        attempt: usize,
        /// Statistics of the socket.
        snapshot: SocketSnapshot,
    },
    /// An attempt failed.
    AttemptFailed {
        /// Number of the attempt.
        attempt: usize,
        /// Step that failed.
        phase: Phase,
        /// Error of the system.
        failure: Failure,
        /// Statistics of the socket.
        snapshot: SocketSnapshot,
    },
    /// An attempt reached its time limit.
    AttemptTimedOut {
        /// Number of the attempt.
        attempt: usize,
        /// Statistics of the socket.
        snapshot: SocketSnapshot,
    },
    /// An attempt was cancelled: another one won, or the operation was dropped.
    AttemptCanceled {
        /// Number of the attempt.
        attempt: usize,
        /// Statistics of the socket.
        snapshot: SocketSnapshot,
    },
    /// The Connection Attempt Delay timer was set (RFC 8305 section 5).
    NextAttemptTimerSet {
        /// Time until it fires.
        delay: Duration,
    },
    /// The Connection Attempt Delay timer fired.
    NextAttemptTimerFired,
    /// The Connection Attempt Delay timer was cancelled.
    NextAttemptTimerCanceled {
        /// Reason of the cancellation.
        reason: TimerEnd,
    },
    /// The race was won.
    ConnectionSelected {
        /// Number of the winning attempt.
        attempt: usize,
    },
    /// A TLS handshake started: ClientHello is being sent.
    #[cfg(feature = "tls")]
    TlsStarted {
        /// Number of the attempt; `None` for a handshake outside a race.
        attempt: Option<usize>,
    },
    /// The first byte from the server arrived.
    #[cfg(feature = "tls")]
    TlsFirstByte {
        /// Number of the attempt; `None` outside a race.
        attempt: Option<usize>,
    },
    /// A TLS handshake completed.
    #[cfg(feature = "tls")]
    TlsEstablished {
        /// Number of the attempt; `None` outside a race.
        attempt: Option<usize>,
        /// Negotiated parameters.
        info: Box<TlsInfo>,
        /// The kernel's figures of the connection at the end of the handshake.
        tcp: Option<Box<TcpInfo>>,
    },
    /// A TLS handshake failed or was given up. With [`Success::Tls`](crate::plan::Success::Tls), the end of the
    /// attempt follows.
    #[cfg(feature = "tls")]
    TlsFailed {
        /// Number of the attempt; `None` outside a race.
        attempt: Option<usize>,
        /// Reason, by its kind; `None` where the network failed.
        error: Option<TlsError>,
        /// Errno and message of the same failure.
        failure: Failure,
        /// Certificates of the server, as far as they were received.
        peer: Box<TlsPeer>,
        /// The kernel's figures of the connection at the end of the handshake.
        tcp: Option<Box<TcpInfo>>,
    },
    /// The operation ended without a connection.
    ConnectionAborted {
        /// Reason of the end.
        reason: AbortReason,
    },
}

/// Reason why an operation ended without a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AbortReason {
    /// The name has no address.
    NotResolved,
    /// Every attempt failed.
    AllFailed,
    /// The time limit of the operation passed.
    TimedOut,
    /// The operation was cancelled.
    Canceled,
}

/// Reason why the Connection Attempt Delay timer was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimerEnd {
    /// A connection was established.
    Success,
    /// The operation was aborted.
    Abort,
    /// No address is left to try.
    ListExhausted,
}

/// Calls a listener with every event.
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

    /// A listener that panics is not called again: events emitted while the panic unwinds could cause a second one,
    /// which aborts the process. Times never decrease, because events of a handshake are recorded earlier than they
    /// are emitted.
    pub(crate) fn emit(&mut self, at: Instant, kind: EventKind) {
        if let Some(mut listen) = self.listener.take() {
            let at = self.latest.map_or(at, |latest| latest.max(at));
            self.latest = Some(at);
            listen(&Event { at, kind });
            self.listener = Some(listen);
        }
    }
}
