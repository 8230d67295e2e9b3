//! Queries to name servers and to the system as plain data: a fold over events.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use loopctl::plan::{DnsTransport, Family};
use loopctl::{
    DnsAnswer, DnsError, DnsErrorKind, DnsEvent, DnsEventKind, DnsIgnored, DnsServer, EaiCode,
    Failure, Rcode, RecordType, ResolveError,
};

/// One query, from the first message to the last.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// Client and the number of its query; `None` for the system.
    id: Option<(usize, u64)>,
    pub(crate) role: QueryRole,
    pub(crate) name: String,
    pub(crate) types: Vec<RecordType>,
    pub(crate) started: Duration,
    pub(crate) took: Duration,
    pub(crate) progress: QueryProgress,
    pub(crate) end: QueryOutcome,
}

/// Purpose of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueryRole {
    /// Answer that the user requested.
    Answer,
    /// DNSKEY or DS records, to validate an answer.
    Verification,
}

/// Exchange of a query: server, transport, retries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct QueryProgress {
    /// Server that answered or was queried last, and the transport.
    pub(crate) server: Option<(DnsServer, DnsTransport)>,
    /// Number of messages sent or planned.
    messages: usize,
    pub(crate) retries: usize,
    /// Whether an answer did not fit into a datagram.
    pub(crate) truncated: bool,
    /// Ignored messages, such as forged ones, with the reason.
    pub(crate) ignored: Vec<DnsIgnored>,
    /// Number of timeouts.
    pub(crate) silences: usize,
    /// Servers that could not be reached, or sent malformed answers.
    pub(crate) failures: Vec<(DnsServer, Failure)>,
    /// Messages to servers, in the order in which they were sent.
    pub(crate) exchanges: Vec<Exchange>,
}

/// One message to a name server, and what it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) server: DnsServer,
    pub(crate) transport: DnsTransport,
    pub(crate) edns: bool,
    pub(crate) started: Duration,
    /// Time until the answer, the failure, or the end of the query.
    pub(crate) took: Duration,
    pub(crate) reply: ServerReply,
}

/// Reply of a name server to one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServerReply {
    /// None before the query ended.
    Pending,
    Answered(Rcode),
    /// An answer that did not fit into a datagram.
    Truncated,
    /// None within the time limit of a message.
    Silent,
    Failed(Failure),
}

impl Exchange {
    fn end(&mut self, at: Duration, reply: ServerReply) {
        self.took = at.saturating_sub(self.started);
        self.reply = reply;
    }
}

/// Outcome of a query.
#[derive(Debug, Clone)]
pub(crate) enum QueryOutcome {
    /// In progress.
    Pending,
    Answered(Box<DnsAnswer>),
    Failed(Box<DnsError>),
    /// Addresses or names from the system, as text.
    System(Vec<String>),
    SystemFailed(ResolveError),
    /// The time limit of the operation passed.
    TimedOut,
    /// Canceled, because a connection was made first.
    Canceled,
    Interrupted,
}

/// Status of a query, with its name in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueryStatus {
    Answered,
    NxDomain,
    NoData,
    /// The system does not know the name (EAI_NONAME).
    NoName,
    /// The system knows no address of the name (EAI_NODATA, EAI_ADDRFAMILY).
    NoAddress,
    /// NOERROR without records, with the servers of another zone.
    Referral,
    /// NOERROR without records from a server that is not in charge.
    Lame,
    AliasLoop,
    AliasNotFollowed,
    AliasChainTooLong,
    Refused,
    ServFail,
    Error,
    Timeout,
    Canceled,
    Indeterminate,
    Bogus,
}

impl From<DnsErrorKind> for QueryStatus {
    fn from(kind: DnsErrorKind) -> Self {
        match kind {
            DnsErrorKind::NxDomain => Self::NxDomain,
            DnsErrorKind::NoData => Self::NoData,
            DnsErrorKind::Referral => Self::Referral,
            DnsErrorKind::Lame => Self::Lame,
            DnsErrorKind::AliasLoop => Self::AliasLoop,
            DnsErrorKind::AliasNotFollowed => Self::AliasNotFollowed,
            DnsErrorKind::AliasChainTooLong => Self::AliasChainTooLong,
            DnsErrorKind::ServFail => Self::ServFail,
            DnsErrorKind::Refused => Self::Refused,
            DnsErrorKind::TimedOut => Self::Timeout,
            DnsErrorKind::Indeterminate => Self::Indeterminate,
            DnsErrorKind::Bogus => Self::Bogus,
            _ => Self::Error,
        }
    }
}

impl QueryStatus {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NxDomain => "nxdomain",
            Self::NoData => "nodata",
            Self::NoName => "noname",
            Self::NoAddress => "noaddress",
            Self::Referral => "referral",
            Self::Lame => "lame",
            Self::AliasLoop => "alias_loop",
            Self::AliasNotFollowed => "alias_not_followed",
            Self::AliasChainTooLong => "alias_chain_too_long",
            Self::Refused => "refused",
            Self::ServFail => "servfail",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Canceled => "canceled",
            Self::Indeterminate => "indeterminate",
            Self::Bogus => "bogus",
        }
    }

    /// Whether there is no name, or none with the records, by the word of the system or of name servers.
    pub(crate) fn is_negative(self) -> bool {
        matches!(self, Self::NxDomain | Self::NoData | Self::NoName | Self::NoAddress)
    }

    /// Whether the answer lacks a required proof (RFC 4035, section 4.3).
    pub(crate) fn is_unproven(self) -> bool {
        matches!(self, Self::Indeterminate | Self::Bogus)
    }

    /// Severity order of the statuses: the larger, the less is known of the name.
    pub(crate) fn severity(self) -> u8 {
        match self {
            Self::Answered => 0,
            Self::NxDomain => 1,
            Self::NoData => 2,
            Self::NoName => 1,
            Self::NoAddress => 2,
            Self::AliasNotFollowed => 3,
            Self::AliasLoop => 4,
            Self::AliasChainTooLong => 5,
            Self::Referral => 6,
            Self::Lame => 7,
            Self::Refused => 8,
            Self::ServFail => 9,
            Self::Error => 10,
            Self::Timeout => 11,
            Self::Canceled => 12,
            Self::Indeterminate => 13,
            Self::Bogus => 14,
        }
    }
}

impl Query {
    pub(crate) fn is_of_system(&self) -> bool {
        self.id.is_none()
    }

    /// Number of the client that asked; `None` for the system.
    pub(crate) fn client(&self) -> Option<usize> {
        self.id.map(|(client, _)| client)
    }

    /// Time of the answer, or of the cancellation.
    pub(crate) fn ended_at(&self) -> Duration {
        self.started + self.took
    }

    pub(crate) fn verdict(&self) -> QueryStatus {
        match &self.end {
            QueryOutcome::Answered(_) | QueryOutcome::System(_) => QueryStatus::Answered,
            QueryOutcome::Failed(error) => QueryStatus::from(error.kind),
            QueryOutcome::SystemFailed(error) => match error.code() {
                Some(EaiCode::NONAME) => QueryStatus::NoName,
                Some(EaiCode::NODATA | EaiCode::ADDRFAMILY) => QueryStatus::NoAddress,
                _ => QueryStatus::Error,
            },
            QueryOutcome::TimedOut => QueryStatus::Timeout,
            QueryOutcome::Canceled => QueryStatus::Canceled,
            QueryOutcome::Pending | QueryOutcome::Interrupted => QueryStatus::Error,
        }
    }

    /// Answer, also a negative one.
    pub(crate) fn answer(&self) -> Option<&DnsAnswer> {
        match &self.end {
            QueryOutcome::Answered(answer) => Some(answer),
            QueryOutcome::Failed(error) => error.answer.as_deref(),
            _ => None,
        }
    }

    /// Whether the query ended without the requested answer.
    pub(crate) fn has_failed(&self) -> bool {
        !matches!(
            self.end,
            QueryOutcome::Pending
                | QueryOutcome::Canceled
                | QueryOutcome::Answered(_)
                | QueryOutcome::System(_)
        )
    }

    /// Record types such as `A`, or `A,AAAA` for a joint query.
    pub(crate) fn type_names(&self) -> String {
        self.types.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}

/// Queries about one name, in the order of their start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queries(pub(crate) Vec<Query>);

impl Queries {
    /// Applies one event of a client; times count from `started_at`.
    pub(crate) fn apply(&mut self, client: usize, started_at: Instant, event: &DnsEvent) {
        let at = event.at.saturating_duration_since(started_at);
        let id = (client, event.query);
        let known = self.0.iter().position(|query| query.id == Some(id));
        let known = known.unwrap_or_else(|| {
            let mut query = Query::new(Some(id), event.name.clone(), vec![event.record_type], at);
            if event.verifies.is_some() {
                query.role = QueryRole::Verification;
            }
            self.0.push(query);
            self.0.len() - 1
        });
        self.0[known].apply(at, &event.kind);
    }

    /// Queries whose answers were requested.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &Query> {
        self.0.iter().filter(|query| query.role == QueryRole::Answer)
    }

    /// Whether the event starts a query.
    pub(crate) fn is_first(&self, event: &DnsEvent) -> bool {
        let id = Some((0, event.query));
        self.0.iter().any(|query| query.id == id && query.progress.messages == 1)
    }

    /// Adds a query to the system, and returns its index.
    pub(crate) fn ask_system(
        &mut self,
        name: String,
        types: Vec<RecordType>,
        at: Duration,
    ) -> usize {
        self.0.push(Query::new(None, name, types, at));
        self.0.len() - 1
    }

    /// Records the names from the system.
    pub(crate) fn end_system(
        &mut self,
        place: usize,
        at: Duration,
        result: Result<Vec<String>, ResolveError>,
    ) {
        let Some(query) = self.0.get_mut(place) else { return };
        query.took = at.saturating_sub(query.started);
        query.end = match result {
            Ok(found) => QueryOutcome::System(found),
            Err(error) => QueryOutcome::SystemFailed(error),
        };
    }

    /// Records the system's answer to a query of a race, for one family or for all.
    pub(crate) fn answer_system(
        &mut self,
        family: Option<Family>,
        at: Duration,
        addresses: &[SocketAddr],
    ) {
        let texts = addresses.iter().map(|address| address.ip().to_string()).collect();
        if let Some(query) = self.open_of_system(family) {
            query.end_at(at, QueryOutcome::System(texts));
        }
    }

    /// Records a failed query to the system.
    pub(crate) fn fail_system(
        &mut self,
        family: Option<Family>,
        at: Duration,
        error: &ResolveError,
    ) {
        let Some(query) = self.open_of_system(family) else { return };
        query.end_at(at, QueryOutcome::SystemFailed(error.clone()));
    }

    /// Cancels the query for a family.
    pub(crate) fn cancel(&mut self, family: Family, at: Duration) {
        let types = types(family);
        let open =
            |query: &&mut Query| matches!(query.end, QueryOutcome::Pending) && query.types == types;
        for query in self.0.iter_mut().filter(open) {
            query.end_at(at, QueryOutcome::Canceled);
        }
    }

    /// Open query to the system: the one for the family, or the only one.
    fn open_of_system(&mut self, family: Option<Family>) -> Option<&mut Query> {
        let types = family.map(types);
        self.0.iter_mut().find(|query| {
            let is_it = types.as_ref().is_none_or(|types| *types == query.types);
            is_it && query.is_of_system() && matches!(query.end, QueryOutcome::Pending)
        })
    }

    /// Adds a query that the client rejected without sending it.
    pub(crate) fn refuse(&mut self, at: Duration, error: &DnsError) {
        if matches!(error.kind, DnsErrorKind::BadName | DnsErrorKind::Onion) {
            let id = Some((usize::MAX, self.0.len() as u64));
            let mut query = Query::new(id, error.name.clone(), vec![error.record_type], at);
            query.end = QueryOutcome::Failed(Box::new(error.clone()));
            self.0.push(query);
        }
    }

    /// Whether no query was canceled.
    pub(crate) fn are_all_answered(&self) -> bool {
        self.0
            .iter()
            .all(|query| !matches!(query.end, QueryOutcome::Pending | QueryOutcome::Canceled))
    }

    /// Ends the open and the canceled queries.
    pub(crate) fn end_all(&mut self, at: Duration, end: &QueryOutcome) {
        let is_connected = matches!(end, QueryOutcome::Canceled);
        for query in &mut self.0 {
            match query.end {
                QueryOutcome::Pending => query.end_at(at, end.clone()),
                // A query that was canceled at the time limit has timed out.
                QueryOutcome::Canceled if !is_connected => query.end = end.clone(),
                _ => {}
            }
        }
    }
}

/// Record types of the addresses of a family.
pub(crate) fn types(family: Family) -> Vec<RecordType> {
    match family {
        Family::Inet => vec![RecordType::A],
        Family::Inet6 => vec![RecordType::Aaaa],
        Family::Unspecified => vec![RecordType::A, RecordType::Aaaa],
    }
}

impl QueryProgress {
    /// Whether this server answered, or was asked last.
    pub(crate) fn is_last(&self, server: &DnsServer) -> bool {
        self.server.as_ref().is_some_and(|(last, _)| last == server)
    }

    /// Records the reply to the last message to a server. A late answer replaces silence.
    fn reply(&mut self, server: &DnsServer, at: Duration, reply: ServerReply) {
        let is_open = |it: &&mut Exchange| {
            it.server == *server && matches!(it.reply, ServerReply::Pending | ServerReply::Silent)
        };
        if let Some(exchange) = self.exchanges.iter_mut().rev().find(is_open) {
            exchange.end(at, reply);
        }
    }

    /// Ends the messages without a reply.
    fn end(&mut self, at: Duration, reply: &ServerReply) {
        let open = self.exchanges.iter_mut().filter(|it| it.reply == ServerReply::Pending);
        open.for_each(|exchange| exchange.end(at, reply.clone()));
    }
}

impl Query {
    fn new(
        id: Option<(usize, u64)>,
        name: String,
        types: Vec<RecordType>,
        started: Duration,
    ) -> Self {
        Self {
            id,
            role: QueryRole::Answer,
            name,
            types,
            started,
            took: Duration::ZERO,
            progress: QueryProgress::default(),
            end: QueryOutcome::Pending,
        }
    }

    fn end_at(&mut self, at: Duration, end: QueryOutcome) {
        self.took = at.saturating_sub(self.started);
        let is_silence = matches!(end, QueryOutcome::TimedOut);
        let reply = if is_silence { ServerReply::Silent } else { ServerReply::Pending };
        self.progress.end(at, &reply);
        self.end = end;
    }

    fn apply(&mut self, at: Duration, kind: &DnsEventKind) {
        self.took = at.saturating_sub(self.started);
        match kind {
            DnsEventKind::Asked { server, transport, attempt, edns } => {
                self.progress.exchanges.push(Exchange {
                    server: server.clone(),
                    transport: *transport,
                    edns: *edns,
                    started: at,
                    took: Duration::ZERO,
                    reply: ServerReply::Pending,
                });
                self.progress.server = Some((server.clone(), *transport));
                self.progress.messages += 1;
                self.progress.retries = attempt.saturating_sub(1);
            }
            DnsEventKind::Answered { server, truncated, rcode, .. } => {
                self.progress.truncated |= truncated;
                let is_cut = *truncated && *rcode == Rcode::NOERROR;
                let reply =
                    if is_cut { ServerReply::Truncated } else { ServerReply::Answered(*rcode) };
                self.progress.reply(server, at, reply);
            }
            DnsEventKind::Ignored { why, .. } => self.progress.ignored.push(*why),
            DnsEventKind::TimedOut { server, .. } => {
                self.progress.silences += 1;
                self.progress.reply(server, at, ServerReply::Silent);
            }
            DnsEventKind::Failed { server, failure, .. } => {
                self.progress.reply(server, at, ServerReply::Failed(failure.clone()));
                self.progress.failures.push((server.clone(), failure.clone()));
            }
            DnsEventKind::Finished { result } => self.finish(result),
            _ => {}
        }
    }

    fn finish(&mut self, result: &Result<DnsAnswer, DnsError>) {
        let exchange = match result {
            Ok(answer) => &answer.exchange,
            Err(error) => &error.exchange,
        };
        if let (Some(server), Some(transport)) = (&exchange.server, exchange.transport) {
            self.progress.server = Some((server.clone(), transport));
        }
        self.progress.retries = exchange.retries;
        self.progress.truncated = exchange.truncated;
        if exchange.validation.is_some() {
            // Because the queries of a validation have their own times, only the exchange counts.
            self.took = exchange.took;
        }
        self.end = match result {
            Ok(answer) => QueryOutcome::Answered(Box::new(answer.clone())),
            Err(error) => QueryOutcome::Failed(Box::new(error.clone())),
        };
    }
}
