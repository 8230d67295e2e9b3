//! Events of queries.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{DnsAnswer, DnsError, DnsServer, Rcode, RecordType};
use crate::event_loop::LoopHandle;
use crate::net::Failure;
use crate::plan::DnsTransport;

/// Event of a query.
#[derive(Debug, Clone)]
pub struct DnsEvent {
    /// Time on the loop's clock.
    pub at: Instant,
    /// Number of the query, in the order in which queries start.
    pub query: u64,
    /// Queried name, with the final dot.
    pub name: String,
    /// Queried type.
    pub record_type: RecordType,
    /// Query that this one validates; `None` for a query of the application.
    pub verifies: Option<u64>,
    /// Kind of event, with its data.
    pub kind: DnsEventKind,
}

/// Kinds of events.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum DnsEventKind {
    /// A query was sent to a server, or connecting started.
    Asked {
        /// Server.
        server: DnsServer,
        /// Transport.
        transport: DnsTransport,
        /// Number of messages of this query so far; more than 1 is a retry.
        attempt: usize,
        /// Whether the message has EDNS.
        edns: bool,
    },
    /// The connection to a server is established, with TLS if required, and the query is sent.
    Connected {
        /// Server.
        server: DnsServer,
        /// Transport.
        transport: DnsTransport,
    },
    /// A server answered.
    Answered {
        /// Server.
        server: DnsServer,
        /// Transport.
        transport: DnsTransport,
        /// Response code.
        rcode: Rcode,
        /// Number of answer records; 0 for a truncated answer, which is not decoded.
        records: usize,
        /// Lowest TTL of the records.
        ttl: Option<Duration>,
        /// Whether the answer is truncated.
        truncated: bool,
        /// Size of the message.
        bytes: usize,
    },
    /// A message was ignored, because it does not answer the query.
    Ignored {
        /// Server that it came from, by its address.
        server: DnsServer,
        /// Reason.
        why: DnsIgnored,
    },
    /// A server did not answer in time. A late answer still counts until the server is queried on a new connection.
    TimedOut {
        /// Server.
        server: DnsServer,
        /// Transport.
        transport: DnsTransport,
        /// Time since the query was sent.
        after: Duration,
    },
    /// A server could not be queried, or its answer could not be decoded.
    Failed {
        /// Server.
        server: DnsServer,
        /// Transport.
        transport: DnsTransport,
        /// Error.
        failure: Failure,
    },
    /// The query has ended, negative answers included.
    Finished {
        /// Result of the query.
        result: Box<Result<DnsAnswer, DnsError>>,
    },
    /// The query was dropped.
    Canceled,
}

/// Reason why a message does not answer the query. Its address and port are right, because the kernel drops others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DnsIgnored {
    /// Shorter than a header.
    TooShort,
    /// Wrong ID.
    WrongId,
    /// A query (QR is 0).
    NotAnAnswer,
    /// Another question, or another spelling of the name.
    OtherQuestion,
}

impl fmt::Display for DnsIgnored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "too short for a message",
            Self::WrongId => "wrong number",
            Self::NotAnAnswer => "not an answer",
            Self::OtherQuestion => "answers another question",
        })
    }
}

type Listener = Box<dyn FnMut(&DnsEvent)>;

/// Listener that clones of a client share.
#[derive(Clone, Default)]
pub(super) struct SharedListener(Option<Rc<RefCell<Option<Listener>>>>);

impl SharedListener {
    pub(super) fn new(listen: impl FnMut(&DnsEvent) + 'static) -> Self {
        Self(Some(Rc::new(RefCell::new(Some(Box::new(listen))))))
    }

    /// A listener that panics, or is being called, is not called again.
    fn emit(&self, event: impl FnOnce() -> DnsEvent) {
        let Some(shared) = &self.0 else { return };
        let taken = shared.borrow_mut().take();
        if let Some(mut listen) = taken {
            listen(&event());
            shared.replace(Some(listen));
        }
    }
}

/// Emits the events of one query.
pub(super) struct QueryTracer {
    pub(super) listener: SharedListener,
    pub(super) query: u64,
    pub(super) name: String,
    pub(super) record_type: RecordType,
    pub(super) verifies: Option<u64>,
}

impl QueryTracer {
    pub(super) fn emit(&self, at: Instant, kind: impl FnOnce() -> DnsEventKind) {
        self.listener.emit(|| {
            let Self { query, name, record_type, verifies, .. } = self;
            let (name, record_type, verifies) = (name.clone(), *record_type, *verifies);
            DnsEvent { at, query: *query, name, record_type, verifies, kind: kind() }
        });
    }
}

/// Emits the end of a query: its result, or its cancellation on drop.
pub(super) struct FinishGuard {
    event_loop: LoopHandle,
    tracer: Rc<QueryTracer>,
    is_finished: bool,
}

impl FinishGuard {
    pub(super) fn new(event_loop: &LoopHandle, tracer: &Rc<QueryTracer>) -> Self {
        Self { event_loop: event_loop.clone(), tracer: Rc::clone(tracer), is_finished: false }
    }

    pub(super) fn emit(mut self, result: &Result<DnsAnswer, DnsError>) {
        self.is_finished = true;
        let finished = || DnsEventKind::Finished { result: Box::new(result.clone()) };
        self.tracer.emit(self.event_loop.time(), finished);
    }
}

impl Drop for FinishGuard {
    fn drop(&mut self) {
        if !self.is_finished {
            self.tracer.emit(self.event_loop.time(), || DnsEventKind::Canceled);
        }
    }
}
