//! `--trace`: referrals from the root servers down to the authoritative servers.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use loopctl::plan::{DnsTransport, Host, SocketKind};
use loopctl::{
    DnsAnswer, DnsClient, DnsData, DnsError, DnsErrorKind, DnsExchange, DnsServer, Lookup,
    LoopHandle, RecordType, source_address,
};

use super::Session;
use super::ask::Shared;
use super::roots::root_servers;
use crate::report::query::QueryStatus;
use crate::report::trace::{Hop, NamedServer, Step, TraceError};

/// Maximum number of hops of a trace; more are a loop.
const MAX_HOPS: usize = 32;

/// Timeout of one server before the next one is queried. Most zones have several.
const SERVER_TIMEOUT: Duration = Duration::from_millis(800);

/// One trace under way.
pub(super) struct Tracing<'a> {
    pub(super) session: &'a Rc<Session>,
    pub(super) event_loop: &'a LoopHandle,
    pub(super) report: &'a Shared,
}

/// A zone and its authoritative servers.
#[derive(Debug, Clone)]
struct Zone {
    name: String,
    servers: Vec<NamedServer>,
}

/// The transport and port of every server.
#[derive(Debug, Clone, Copy)]
struct ServerOptions {
    transport: DnsTransport,
    port: u16,
}

impl Tracing<'_> {
    /// Follows referrals and aliases to the end, and notes every hop.
    pub(super) async fn run(self, host: String) {
        let options = self.options();
        let start = Zone { name: ".".to_owned(), servers: self.first_servers().await };
        let mut name = if host.ends_with('.') { host } else { format!("{host}.") };
        let mut zone = start.clone();
        let mut aliases = vec![name.clone()];
        for number in 0..MAX_HOPS {
            match self.hop(number, &zone, &name, options).await {
                Some(NextStep::Referral(below)) => zone = below,
                Some(NextStep::Restart(target)) => {
                    if aliases.iter().any(|known| same(known, &target)) {
                        self.note(&zone, &name, None, Step::Lost(TraceError::AliasLoop(target)));
                        return;
                    }
                    aliases.push(target.clone());
                    (name, zone) = (target, start.clone());
                }
                None => return,
            }
        }
        self.note(&zone, &name, None, Step::Lost(TraceError::TooManyHops(MAX_HOPS)));
    }

    /// Port of all servers: that of the first `--server`, because referrals have no ports.
    fn options(&self) -> ServerOptions {
        let first = self.session.request.question.servers.first();
        ServerOptions {
            transport: first.map_or(DnsTransport::Udp, DnsServer::transport),
            port: first.map_or(53, DnsServer::port),
        }
    }

    async fn first_servers(&self) -> Vec<NamedServer> {
        let named = &self.session.request.question.servers;
        if named.is_empty() {
            return root_servers();
        }
        let mut servers = Vec::new();
        for server in named {
            let name = match server.host() {
                Host::Name(name) => Some(name.clone()),
                _ => None,
            };
            let addresses = self.find(server.host().clone(), server.port()).await;
            servers.extend(
                addresses.into_iter().map(|address| NamedServer { name: name.clone(), address }),
            );
        }
        servers
    }

    /// The addresses of a server, by the system's resolver.
    async fn find(&self, host: impl Into<Host>, port: u16) -> Vec<SocketAddr> {
        let lookup = Lookup::new(host, port).kind(SocketKind::Datagram);
        let found = self.event_loop.getaddrinfo(lookup).await.unwrap_or_default();
        found.into_iter().map(|it| it.address).collect()
    }

    /// Asks the servers of a zone. `None` ends the trace.
    async fn hop(
        &self,
        number: usize,
        zone: &Zone,
        name: &str,
        options: ServerOptions,
    ) -> Option<NextStep> {
        let client = match self.client(number, zone, options) {
            Ok(client) => client,
            Err(error) => {
                self.note(zone, name, None, Step::Lost(error));
                return None;
            }
        };
        let types = self.session.request.question.all_types();
        let (first, others) = types.split_first()?;
        let result = client.query(name, *first).await;
        let (step, way) = self.next(zone, name, &result, options).await;
        let exchange = match &result {
            Ok(answer) => &answer.exchange,
            Err(error) => &*error.exchange,
        };
        self.note(zone, name, Some(exchange), step);
        if way.is_none() {
            self.ask_others(&client, name, others).await;
        }
        way
    }

    /// The step that follows an answer.
    async fn next(
        &self,
        zone: &Zone,
        name: &str,
        result: &Result<DnsAnswer, DnsError>,
        options: ServerOptions,
    ) -> (Step, Option<NextStep>) {
        let error = match result {
            Ok(answer) => {
                return (Step::End(QueryStatus::Answered, answer.matching().count()), None);
            }
            Err(error) => error,
        };
        let Some(answer) = error.answer.as_deref() else {
            let verdict = match error.kind {
                DnsErrorKind::TimedOut => QueryStatus::Timeout,
                _ => QueryStatus::Error,
            };
            return (Step::End(verdict, 0), None);
        };
        if matches!(error.kind, DnsErrorKind::AliasLoop | DnsErrorKind::AliasChainTooLong) {
            return (Step::End(QueryStatus::from(error.kind), 0), None);
        }
        let target = answer.canonical_name();
        if !target.eq_ignore_ascii_case(name) {
            return (Step::Alias(target.to_owned()), Some(NextStep::Restart(target.to_owned())));
        }
        let below = referral(answer, name).filter(|_| error.kind == DnsErrorKind::Referral);
        let Some((below, servers)) = below else {
            return (Step::End(QueryStatus::from(error.kind), 0), None);
        };
        if !is_below(&below, &zone.name) {
            return (Step::Lost(TraceError::NotBelow(below)), None);
        }
        let found = self.servers_of(answer, &servers, options.port).await;
        let way = NextStep::Referral(Zone { name: below.clone(), servers: found });
        (Step::Referral { zone: below, servers }, Some(way))
    }

    /// The addresses that came with the referral; if there are none, those that the system knows.
    async fn servers_of(
        &self,
        answer: &DnsAnswer,
        names: &[String],
        port: u16,
    ) -> Vec<NamedServer> {
        let mut servers = Vec::new();
        for name in names {
            let glue = answer.authority.iter().filter(|it| it.name.eq_ignore_ascii_case(name));
            servers.extend(glue.filter_map(|record| {
                let address = SocketAddr::new(record.data.address()?, port);
                Some(NamedServer { name: Some(name.clone()), address })
            }));
        }
        for name in names {
            if servers.is_empty() {
                let found = self.find(name.trim_end_matches('.'), port).await.into_iter();
                servers
                    .extend(found.map(|address| NamedServer { name: Some(name.clone()), address }));
            }
        }
        servers
    }

    /// # Errors
    /// A zone without a server that can be reached.
    fn client(
        &self,
        number: usize,
        zone: &Zone,
        options: ServerOptions,
    ) -> Result<DnsClient, TraceError> {
        let question = &self.session.request.question;
        let has_way = |server: &&NamedServer| source_address(server.address.ip()).is_some();
        let usable = zone.servers.iter().filter(has_way);
        let servers: Vec<DnsServer> =
            usable.map(|it| DnsServer::new(options.transport, it.address)).collect();
        if servers.is_empty() {
            return Err(TraceError::NoServerAddress(zone.name.clone()));
        }
        let builder = DnsClient::builder().servers(servers).attempts(1).recursion(false);
        let timeout = SERVER_TIMEOUT.min(self.session.request.timeout);
        let builder = builder.dnssec(question.dnssec.is_some()).timeout(timeout);
        let client = builder.build(self.event_loop).map_err(TraceError::Client)?;
        Ok(self.session.listening(client, number + 1, self.report))
    }

    /// Asks the servers that know the name for the other types.
    async fn ask_others(&self, client: &DnsClient, name: &str, types: &[RecordType]) {
        join_all(types.iter().map(|record_type| client.query(name, *record_type))).await;
    }

    fn note(&self, zone: &Zone, name: &str, exchange: Option<&DnsExchange>, step: Step) {
        let mut report = self.report.borrow_mut();
        let started = exchange.map_or_else(|| self.event_loop.time(), |exchange| exchange.started);
        let server = exchange.and_then(|exchange| exchange.server.as_ref());
        let asked = server.and_then(|server| {
            zone.servers.iter().find(|it| it.address.to_string() == server.endpoint())
        });
        let hop = Hop {
            zone: zone.name.clone(),
            name: name.to_owned(),
            server: asked.cloned(),
            started: report.since_start(started),
            took: exchange.map_or(Duration::ZERO, |exchange| exchange.took),
            step,
        };
        report.hops.push(hop);
    }
}

enum NextStep {
    Referral(Zone),
    Restart(String),
}

/// The zone below that an answer points to, and its servers.
fn referral(answer: &DnsAnswer, name: &str) -> Option<(String, Vec<String>)> {
    let zone = answer.authority.iter().find_map(|record| match record.data {
        DnsData::Ns(_) if is_below(name, &record.name) || same(name, &record.name) => {
            Some(record.name.clone())
        }
        _ => None,
    })?;
    let servers = answer.authority.iter().filter_map(|record| match &record.data {
        DnsData::Ns(server) if same(&record.name, &zone) => Some(server.clone()),
        _ => None,
    });
    let servers = servers.collect();
    Some((zone, servers))
}

fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Whether a name is inside a zone and not its own name.
fn is_below(name: &str, zone: &str) -> bool {
    let (name, zone) = (name.to_ascii_lowercase(), zone.to_ascii_lowercase());
    if zone == "." {
        return name != ".";
    }
    name.strip_suffix(&zone).is_some_and(|labels| labels.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::is_below;

    #[test]
    fn zones_end_at_dots() {
        for (name, zone) in [("a.test.", "."), ("a.test.", "test."), ("A.b.TEST.", "b.test.")] {
            assert!(is_below(name, zone), "{name} in {zone}");
        }
        for (name, zone) in
            [(".", "."), ("test.", "test."), ("atest.", "test."), ("test.", "a.test.")]
        {
            assert!(!is_below(name, zone), "{name} in {zone}");
        }
    }
}
