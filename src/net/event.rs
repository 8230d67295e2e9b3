//! Events of connecting, with their times: the source of all reports.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::plan::{Family, Reason};

use super::{Address, Failure, Phase, ResolveError, SocketOption, SocketSnapshot};
#[cfg(feature = "tls")]
use super::{TlsError, TlsInfo, TlsPeer};

/// An event of connecting.
#[derive(Debug, Clone)]
pub struct Event {
    /// The time, on the loop's clock.
    pub at: Instant,
    /// The kind, with its data.
    pub kind: EventKind,
}

/// Kind of an event. Attempts are numbered from 0 in the order in which they start, which is the order of the
/// candidates unless the policy has several [address queues](crate::plan::AddressQueues).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum EventKind {
    /// A lookup of the host's name started.
    ResolveStarted {
        /// The host's name.
        host: String,
    },
    /// The lookup returned addresses.
    Resolved {
        /// The addresses, in the resolver's order.
        addresses: Vec<SocketAddr>,
    },
    /// The lookup failed or was cancelled.
    ResolveFailed {
        /// The failure, by its kind.
        error: ResolveError,
    },
    /// A query for the addresses of one family started (RFC 8305 section 3).
    QueryStarted {
        /// The address family.
        family: Family,
    },
    /// The query returned addresses.
    QueryAnswered {
        /// The address family.
        family: Family,
        /// The addresses, in the resolver's order.
        addresses: Vec<SocketAddr>,
    },
    /// The query failed, or there are no addresses.
    QueryFailed {
        /// The address family.
        family: Family,
        /// The failure, by its kind.
        error: ResolveError,
    },
    /// The query was cancelled, because its result is no longer needed.
    QueryCanceled {
        /// The address family.
        family: Family,
    },
    /// The addresses were sorted into the order of attempts.
    CandidatesSorted {
        /// All addresses, in that order.
        candidates: Vec<Address>,
    },
    /// An answer that came after the first attempt has changed the order.
    CandidatesResorted {
        /// The addresses already tried, in order of their attempts, then the others.
        candidates: Vec<Address>,
    },
    /// An attempt started.
    AttemptStarted {
        /// Number of the attempt.
        attempt: usize,
        /// The remote address.
        address: Address,
        /// The reason for starting at this time.
        reason: Reason,
        /// The planned start; a later start is a delay of this process, not of the network.
        planned: Instant,
    },
    /// The kernel refused a socket option; the attempt continues without it.
    OptionRefused {
        /// Number of the attempt.
        attempt: usize,
        /// The option.
        option: SocketOption,
        /// The error.
        failure: Failure,
    },
    /// TCP is connected, and the attempt continues with TLS, because [`Success::Tls`](crate::plan::Success::Tls)
    /// is required.
    AttemptConnected {
        /// Number of the attempt.
        attempt: usize,
        /// State of the socket.
        snapshot: SocketSnapshot,
    },
    /// An attempt succeeded, including TLS if [`Success::Tls`](crate::plan::Success::Tls) is required.
    AttemptSucceeded {
        /// Number of the attempt.
        attempt: usize,
        /// State of the socket.
        snapshot: SocketSnapshot,
    },
    /// An attempt failed.
    AttemptFailed {
        /// Number of the attempt.
        attempt: usize,
        /// The phase that failed.
        phase: Phase,
        /// The error.
        failure: Failure,
        /// State of the socket.
        snapshot: SocketSnapshot,
    },
    /// An attempt exceeded a time limit.
    AttemptTimedOut {
        /// Number of the attempt.
        attempt: usize,
        /// State of the socket.
        snapshot: SocketSnapshot,
    },
    /// An attempt was cancelled: another one succeeded, or the whole operation was cancelled.
    AttemptCanceled {
        /// Number of the attempt.
        attempt: usize,
        /// State of the socket.
        snapshot: SocketSnapshot,
    },
    /// The Connection Attempt Delay was started (RFC 8305 section 5).
    NextAttemptTimerSet {
        /// The length of the delay.
        delay: Duration,
    },
    /// The Connection Attempt Delay has expired.
    NextAttemptTimerFired,
    /// The Connection Attempt Delay was cancelled.
    NextAttemptTimerCanceled {
        /// The reason.
        reason: TimerEnd,
    },
    /// An attempt was chosen as the connection.
    ConnectionSelected {
        /// Number of the attempt.
        attempt: usize,
    },
    /// The TLS handshake started: ClientHello was sent.
    #[cfg(feature = "tls")]
    TlsStarted {
        /// Number of the attempt; `None` without a race.
        attempt: Option<usize>,
    },
    /// The first byte of the server arrived.
    #[cfg(feature = "tls")]
    TlsFirstByte {
        /// Number of the attempt; `None` without a race.
        attempt: Option<usize>,
    },
    /// The TLS handshake completed, and with it the attempt if [`Success::Tls`](crate::plan::Success::Tls) is
    /// required.
    #[cfg(feature = "tls")]
    TlsEstablished {
        /// Number of the attempt; `None` without a race.
        attempt: Option<usize>,
        /// The negotiated parameters.
        info: Box<TlsInfo>,
    },
    /// The TLS handshake failed or was cancelled. If [`Success::Tls`](crate::plan::Success::Tls) is required, the
    /// end of the attempt follows.
    #[cfg(feature = "tls")]
    TlsFailed {
        /// Number of the attempt; `None` without a race.
        attempt: Option<usize>,
        /// The failure of TLS; `None` where the network failed.
        error: Option<TlsError>,
        /// Errno and message of the same failure.
        failure: Failure,
        /// The server's certificates, as far as they were received.
        peer: Box<TlsPeer>,
    },
    /// The operation ended without a connection.
    ConnectionAborted {
        /// The reason.
        reason: AbortReason,
    },
}

/// Reason for the end of the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AbortReason {
    /// The lookup returned no address.
    NotResolved,
    /// Every attempt failed.
    AllFailed,
    /// The time limit of the operation was reached.
    TimedOut,
    /// The operation was cancelled.
    Canceled,
}

/// Reason for cancelling the Connection Attempt Delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimerEnd {
    /// An attempt succeeded.
    Success,
    /// The operation was aborted.
    Abort,
    /// No address is left to try.
    ListExhausted,
}

/// Sends events to a listener, if there is one.
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

    /// Calls the listener. After a panic it is not called again, because values dropped by the panic also send
    /// events, and a second panic would abort the process. Times never decrease: an event recorded by a connection
    /// may be sent after a later one.
    pub(crate) fn tell(&mut self, at: Instant, kind: EventKind) {
        if let Some(mut listen) = self.listener.take() {
            let at = self.latest.map_or(at, |latest| latest.max(at));
            self.latest = Some(at);
            listen(&Event { at, kind });
            self.listener = Some(listen);
        }
    }
}
