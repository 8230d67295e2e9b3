//! Questions to name servers and to the system, as plain data: a fold over events.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use loopctl::plan::{DnsTransport, Family};
use loopctl::{
    DnsAnswer, DnsError, DnsErrorKind, DnsEvent, DnsEventKind, DnsIgnored, DnsServer, EaiCode,
    Failure, RecordType, ResolveError,
};

/// One question, from the first message to the last.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// Which client has asked, and the how manieth question of it this is; `None` for the system.
    id: Option<(usize, u64)>,
    pub(crate) role: QueryRole,
    pub(crate) name: String,
    pub(crate) types: Vec<RecordType>,
    pub(crate) started: Duration,
    pub(crate) took: Duration,
    pub(crate) progress: QueryProgress,
    pub(crate) end: QueryOutcome,
}

/// What a question is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueryRole {
    /// It is what the user wants to know.
    Answer,
    /// Keys, and what proves them: an answer is verified with it.
    Verification,
}

/// What happened on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct QueryProgress {
    /// Who has answered, or was asked last, and over what.
    pub(crate) server: Option<(DnsServer, DnsTransport)>,
    /// How many messages were sent, or were to be.
    messages: usize,
    pub(crate) retries: usize,
    /// An answer did not fit into a datagram.
    pub(crate) truncated: bool,
    /// Messages that were no answers, such as forged ones, with what was wrong with them.
    pub(crate) ignored: Vec<DnsIgnored>,
    /// How often a server was silent.
    pub(crate) silences: usize,
    /// Servers that could not be asked, or whose answers could not be read.
    pub(crate) failures: Vec<(DnsServer, Failure)>,
}

/// What became of a question.
#[derive(Debug, Clone)]
pub(crate) enum QueryOutcome {
    /// It has not ended.
    Pending,
    Answered(Box<DnsAnswer>),
    Failed(Box<DnsError>),
    /// What the system gave, as text.
    System(Vec<String>),
    SystemFailed(ResolveError),
    /// The time limit of the operation passed.
    TimedOut,
    /// There was a connection before it had an answer.
    Canceled,
    Interrupted,
}

/// How a question ended, in the words of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueryStatus {
    Answered,
    NxDomain,
    NoData,
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
            Self::Refused => "refused",
            Self::ServFail => "servfail",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Canceled => "canceled",
            Self::Indeterminate => "indeterminate",
            Self::Bogus => "bogus",
        }
    }

    /// There is an answer, which is not proved although it ought to be.
    pub(crate) fn is_unproven(self) -> bool {
        matches!(self, Self::Indeterminate | Self::Bogus)
    }

    /// How little is known of the name: the larger, the more is left open.
    pub(crate) fn severity(self) -> u8 {
        match self {
            Self::Answered => 0,
            Self::NxDomain => 1,
            Self::NoData => 2,
            Self::Refused => 3,
            Self::ServFail => 4,
            Self::Error => 5,
            Self::Timeout => 6,
            Self::Canceled => 7,
            Self::Indeterminate => 8,
            Self::Bogus => 9,
        }
    }
}

impl Query {
    pub(crate) fn is_of_system(&self) -> bool {
        self.id.is_none()
    }

    /// When it had its answer, or was given up.
    pub(crate) fn ended_at(&self) -> Duration {
        self.started + self.took
    }

    pub(crate) fn verdict(&self) -> QueryStatus {
        match &self.end {
            QueryOutcome::Answered(_) | QueryOutcome::System(_) => QueryStatus::Answered,
            QueryOutcome::Failed(error) => QueryStatus::from(error.kind),
            QueryOutcome::SystemFailed(error) => match error.code() {
                Some(EaiCode::NONAME) => QueryStatus::NxDomain,
                Some(EaiCode::NODATA | EaiCode::ADDRFAMILY) => QueryStatus::NoData,
                _ => QueryStatus::Error,
            },
            QueryOutcome::TimedOut => QueryStatus::Timeout,
            QueryOutcome::Canceled => QueryStatus::Canceled,
            QueryOutcome::Pending | QueryOutcome::Interrupted => QueryStatus::Error,
        }
    }

    /// The answer, also one that says no.
    pub(crate) fn answer(&self) -> Option<&DnsAnswer> {
        match &self.end {
            QueryOutcome::Answered(answer) => Some(answer),
            QueryOutcome::Failed(error) => error.answer.as_deref(),
            _ => None,
        }
    }

    /// Whether it ended without the answer that was wanted.
    pub(crate) fn has_failed(&self) -> bool {
        !matches!(
            self.end,
            QueryOutcome::Pending
                | QueryOutcome::Canceled
                | QueryOutcome::Answered(_)
                | QueryOutcome::System(_)
        )
    }

    /// `A`, or `A,AAAA` where one question is for both.
    pub(crate) fn type_names(&self) -> String {
        self.types.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}

/// The questions about one name, in the order in which they began.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queries(pub(crate) Vec<Query>);

impl Queries {
    /// Takes in one event of a client's; `started_at` is what times are counted from.
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

    /// Queries whose answers are part of the result.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &Query> {
        self.0.iter().filter(|query| query.role == QueryRole::Answer)
    }

    /// Whether this is the first that is heard of a question.
    pub(crate) fn is_first(&self, event: &DnsEvent) -> bool {
        let id = Some((0, event.query));
        self.0.iter().any(|query| query.id == id && query.progress.messages == 1)
    }

    /// The system is asked. Gives the place of the question.
    pub(crate) fn ask_system(
        &mut self,
        name: String,
        types: Vec<RecordType>,
        at: Duration,
    ) -> usize {
        self.0.push(Query::new(None, name, types, at));
        self.0.len() - 1
    }

    /// The system has answered.
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

    /// The system has answered a question of a race, for one family or for all.
    pub(crate) fn answer_system(
        &mut self,
        family: Option<Family>,
        at: Duration,
        addresses: &[SocketAddr],
    ) {
        let told = addresses.iter().map(|address| address.ip().to_string()).collect();
        if let Some(query) = self.open_of_system(family) {
            query.end_at(at, QueryOutcome::System(told));
        }
    }

    /// The system has no answer.
    pub(crate) fn fail_system(
        &mut self,
        family: Option<Family>,
        at: Duration,
        error: &ResolveError,
    ) {
        let Some(query) = self.open_of_system(family) else { return };
        query.end_at(at, QueryOutcome::SystemFailed(error.clone()));
    }

    /// Cancels the queries for a family.
    pub(crate) fn cancel(&mut self, family: Family, at: Duration) {
        let types = types(family);
        let open =
            |query: &&mut Query| matches!(query.end, QueryOutcome::Pending) && query.types == types;
        for query in self.0.iter_mut().filter(open) {
            query.end_at(at, QueryOutcome::Canceled);
        }
    }

    /// The question to the system that is still open: that for a family, or the only one.
    fn open_of_system(&mut self, family: Option<Family>) -> Option<&mut Query> {
        let types = family.map(types);
        self.0.iter_mut().find(|query| {
            let is_it = types.as_ref().is_none_or(|types| *types == query.types);
            is_it && query.is_of_system() && matches!(query.end, QueryOutcome::Pending)
        })
    }

    /// What a client would not even ask.
    pub(crate) fn refuse(&mut self, at: Duration, error: &DnsError) {
        if error.kind == DnsErrorKind::BadName {
            let id = Some((usize::MAX, self.0.len() as u64));
            let mut query = Query::new(id, error.name.clone(), vec![error.record_type], at);
            query.end = QueryOutcome::Failed(Box::new(error.clone()));
            self.0.push(query);
        }
    }

    /// Whether none was given up.
    pub(crate) fn are_all_answered(&self) -> bool {
        self.0
            .iter()
            .all(|query| !matches!(query.end, QueryOutcome::Pending | QueryOutcome::Canceled))
    }

    /// Ends what is still under way, and what was dropped on the way.
    pub(crate) fn end_all(&mut self, at: Duration, end: &QueryOutcome) {
        let is_connected = matches!(end, QueryOutcome::Canceled);
        for query in &mut self.0 {
            match query.end {
                QueryOutcome::Pending => query.end_at(at, end.clone()),
                // What was given up with everything else had its time.
                QueryOutcome::Canceled if !is_connected => query.end = end.clone(),
                _ => {}
            }
        }
    }
}

/// What is asked for to have addresses of a family.
pub(crate) fn types(family: Family) -> Vec<RecordType> {
    match family {
        Family::Inet => vec![RecordType::A],
        Family::Inet6 => vec![RecordType::Aaaa],
        Family::Unspecified => vec![RecordType::A, RecordType::Aaaa],
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
        self.end = end;
    }

    fn apply(&mut self, at: Duration, kind: &DnsEventKind) {
        self.took = at.saturating_sub(self.started);
        match kind {
            DnsEventKind::Asked { server, transport, attempt, .. } => {
                self.progress.server = Some((server.clone(), *transport));
                self.progress.messages += 1;
                self.progress.retries = attempt.saturating_sub(1);
            }
            DnsEventKind::Answered { truncated, .. } => self.progress.truncated |= truncated,
            DnsEventKind::Ignored { why, .. } => self.progress.ignored.push(*why),
            DnsEventKind::TimedOut { .. } => self.progress.silences += 1,
            DnsEventKind::Failed { server, failure, .. } => {
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
            // The questions that this took have times of their own.
            self.took = exchange.took;
        }
        self.end = match result {
            Ok(answer) => QueryOutcome::Answered(Box::new(answer.clone())),
            Err(error) => QueryOutcome::Failed(Box::new(error.clone())),
        };
    }
}
