//! What happens during a query, and when.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{DnsAnswer, DnsError, DnsServer, Rcode, RecordType};
use crate::event_loop::LoopHandle;
use crate::net::Failure;
use crate::plan::DnsTransport;

/// One thing that happened during a query.
#[derive(Debug, Clone)]
pub struct DnsEvent {
    /// When, on the loop's clock.
    pub at: Instant,
    /// Which query: numbers are given in the order in which queries begin.
    pub query: u64,
    /// The name that is asked for, with the dot at the end.
    pub name: String,
    /// What is asked for.
    pub record_type: RecordType,
    /// The query whose answer is to be verified with this one; `None` of a query that somebody has asked for.
    pub verifies: Option<u64>,
    /// What happened.
    pub kind: DnsEventKind,
}

/// What happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum DnsEventKind {
    /// A server is asked: the datagram is sent, or connecting begins.
    Asked {
        /// Which.
        server: DnsServer,
        /// Over what.
        transport: DnsTransport,
        /// How often servers have been asked by now; more than 1 is a retry.
        attempt: usize,
        /// Whether with EDNS.
        edns: bool,
    },
    /// There is a connection to a server, after TLS if it is to be; the question is sent.
    Connected {
        /// Which.
        server: DnsServer,
        /// Over what.
        transport: DnsTransport,
    },
    /// A server has answered.
    Answered {
        /// Which.
        server: DnsServer,
        /// Over what.
        transport: DnsTransport,
        /// The kind of the answer.
        rcode: Rcode,
        /// How many records there are in it; of a truncated answer they are not looked at.
        records: usize,
        /// How long it may be kept.
        ttl: Option<Duration>,
        /// Whether there is more, which did not fit.
        truncated: bool,
        /// How long the message is.
        bytes: usize,
    },
    /// Something came that is no answer to the question.
    Ignored {
        /// From which server's address.
        server: DnsServer,
        /// What is wrong with it.
        why: DnsIgnored,
    },
    /// A server was silent for as long as it may be. Its answer still counts, unless a new connection to it is begun.
    TimedOut {
        /// Which.
        server: DnsServer,
        /// Over what.
        transport: DnsTransport,
        /// How long it has been asked.
        after: Duration,
    },
    /// A server cannot be asked, or its answer cannot be read.
    Failed {
        /// Which.
        server: DnsServer,
        /// Over what.
        transport: DnsTransport,
        /// Why.
        failure: Failure,
    },
    /// It is over: what the query gives to whoever asked, answers that say no included.
    Finished {
        /// The answer, or why there is none.
        result: Box<Result<DnsAnswer, DnsError>>,
    },
    /// Nobody waits for the answer any more.
    Canceled,
}

/// Why a message is no answer to the question. The address and the port that it came from are right: the kernel
/// has dropped all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DnsIgnored {
    /// It is too short for a message.
    TooShort,
    /// Its number is another one.
    WrongId,
    /// It is a question itself.
    NotAnAnswer,
    /// It answers another question, or spells the name in another way.
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

/// Who hears of the queries of a client, if anybody does.
#[derive(Clone, Default)]
pub(super) struct SharedListener(Option<Rc<RefCell<Option<Listener>>>>);

impl SharedListener {
    pub(super) fn new(listen: impl FnMut(&DnsEvent) + 'static) -> Self {
        Self(Some(Rc::new(RefCell::new(Some(Box::new(listen))))))
    }

    /// A listener that panics hears no more, nor one while it listens.
    fn emit(&self, event: impl FnOnce() -> DnsEvent) {
        let Some(shared) = &self.0 else { return };
        let taken = shared.borrow_mut().take();
        if let Some(mut listen) = taken {
            listen(&event());
            shared.replace(Some(listen));
        }
    }
}

/// Tells of one query.
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

/// Tells how a query ends: with its result, or that nobody waits for it any more.
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
        let told = || DnsEventKind::Finished { result: Box::new(result.clone()) };
        self.tracer.emit(self.event_loop.time(), told);
    }
}

impl Drop for FinishGuard {
    fn drop(&mut self) {
        if !self.is_finished {
            self.tracer.emit(self.event_loop.time(), || DnsEventKind::Canceled);
        }
    }
}
