//! Questions of this program to the name servers of the system, for a lookup of the system's that was slow or failed.

use std::rc::Rc;
use std::time::Duration;

use loopctl::ConfiguredServer;

use super::query::{Exchange, Queries, Query, ServerReply};
use super::{Report, Via};
use crate::config::NameService;

/// Each name server of resolv.conf(5), asked by this program.
#[derive(Debug, Clone)]
pub(crate) struct NameProbe {
    pub(crate) service: Rc<NameService>,
    /// Names of the search list, in the order in which the system asks for them.
    pub(crate) names: Vec<String>,
    pub(crate) started: Duration,
    /// Questions; the client of each is the place of its server.
    pub(crate) queries: Queries,
}

/// One message to a name server, with its question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation<'a> {
    pub(crate) query: &'a Query,
    pub(crate) exchange: &'a Exchange,
    /// Place of the server in resolv.conf(5), and its line.
    pub(crate) place: Option<(usize, usize)>,
    /// Time until the reply, without that in which this process did not run.
    pub(crate) took: Duration,
}

impl NameProbe {
    pub(crate) fn new(service: Rc<NameService>, names: Vec<String>, started: Duration) -> Self {
        Self { service, names, started, queries: Queries::default() }
    }

    /// Questions to the server at this place.
    pub(crate) fn queries_to(&self, place: usize) -> impl Iterator<Item = &Query> {
        self.queries.0.iter().filter(move |query| query.client() == Some(place))
    }

    pub(crate) fn servers(&self) -> &[ConfiguredServer] {
        &self.service.conf.servers
    }
}

impl Observation<'_> {
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self.exchange.reply, ServerReply::Answered(_) | ServerReply::Truncated)
    }

    pub(crate) fn is_silence(&self) -> bool {
        self.exchange.reply == ServerReply::Silent
    }
}

impl Report {
    /// Messages to name servers: those of the lookup, or those of this program beside the system's lookup.
    pub(crate) fn observations(&self) -> Vec<Observation<'_>> {
        let service = self.resolve.service.as_deref();
        let queries = match (&self.resolve.probe, self.resolve.via) {
            (Some(probe), _) => &probe.queries,
            (None, Via::Dns) => &self.resolve.queries,
            _ => return Vec::new(),
        };
        let observed = queries.0.iter().flat_map(|query| {
            let exchanges = query.progress.exchanges.iter();
            exchanges.map(move |exchange| Observation {
                query,
                exchange,
                place: service.and_then(|service| place(service, exchange)),
                took: exchange.took.saturating_sub(
                    self.stalled_within(exchange.started, exchange.started + exchange.took),
                ),
            })
        });
        observed.collect()
    }

    /// Duration of the name lookup, so far or until the end, without the time in which this process did not
    /// run.
    pub(crate) fn lookup_took(&self) -> Option<Duration> {
        let started = self.resolve.started?;
        let took = self.resolve.took.unwrap_or_else(|| self.total.saturating_sub(started));
        Some(took.saturating_sub(self.stalled_within(started, started + took)))
    }

    /// Whether the name took more than 1 s, or more than 300 ms and half of the total.
    pub(crate) fn is_lookup_slow(&self) -> bool {
        const LONG: Duration = Duration::from_secs(1);
        const NOTICEABLE: Duration = Duration::from_millis(300);
        let Some(took) = self.lookup_took() else { return false };
        took > LONG || (took > NOTICEABLE && took * 2 > self.total)
    }
}

fn place(service: &NameService, exchange: &Exchange) -> Option<(usize, usize)> {
    const DNS: u16 = 53;
    let servers = service.conf.servers.iter();
    let at = servers.clone().position(|server| {
        server.host == *exchange.server.host() && exchange.server.port() == DNS
    })?;
    Some((at, service.conf.servers[at].line?))
}
