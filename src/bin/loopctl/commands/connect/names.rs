//! Name servers instead of the system's resolver.

use std::cell::RefCell;
use std::future::pending;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use loopctl::{
    DnsClient, DnsConfigError, DnsErrorKind, DnsEvent, EaiCode, HostsAddress, LoopHandle,
    ResolveError, inet_aton,
};

use super::Session;
use super::race::Try;
use crate::commands::dns_client;
use crate::config::nsswitch_conf::DnsSource;
use crate::config::{ConnectMode, DnsRequest, Format, NameService};
use crate::report::name_probe::NameProbe;
use crate::report::query::{QueryOutcome, types};
use crate::report::{NameFailure, Report, Via};

impl Session {
    /// The DNS client, if name servers are asked. Its events are added to the report and printed.
    pub(super) fn resolver(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        this: &Try<'_>,
        report: &Rc<RefCell<Report>>,
    ) -> Result<Option<DnsClient>, NameFailure> {
        let Some(dns) = &self.request.race.dns else { return Ok(None) };
        let known = self.dns.borrow().clone();
        let client = known.map_or_else(|| self.client(event_loop, dns), Ok);
        let client = client?;
        self.dns.replace(Some(client.clone()));
        if dns.servers.is_empty() {
            report.borrow_mut().resolve.service = Some(self.name_service());
        }
        let (session, name, report) = (Rc::clone(self), this.session.clone(), Rc::clone(report));
        let client = client.trace(move |event: &DnsEvent| {
            let started_at = report.borrow().started_at.at;
            session.stalls.note(&mut report.borrow_mut(), event.at);
            report.borrow_mut().resolve.queries.apply(0, started_at, event);
            session.printer.borrow_mut().query(&name, event, &report.borrow());
        });
        Ok(Some(client))
    }

    /// A client that ignores the hosts file if a server was named, because its answer is wanted. It uses at most half of
    /// the timeout, so that the rest is left to connect.
    fn client(
        &self,
        event_loop: &LoopHandle,
        dns: &DnsRequest,
    ) -> Result<DnsClient, DnsConfigError> {
        let service = self.name_service();
        let mut builder = DnsClient::builder().configuration(&service.conf);
        if dns.servers.is_empty() {
            builder = builder.hosts_file(service.hosts.clone());
        }
        dns_client::client(event_loop, builder, &dns.servers, self.request.race.timeout / 2)
    }
}

/// Lookup time from which the name servers are asked by this program, too.
const PATIENCE: Duration = Duration::from_millis(300);

/// Wait for the answers of name servers after the lookup.
const GRACE: Duration = Duration::from_millis(500);

/// The same, where the lookup failed or lacks one family.
const FAILURE_GRACE: Duration = Duration::from_secs(1);

/// Maximum number of names of a search list to ask for.
const MAX_NAMES: usize = 8;

impl Session {
    /// Configuration of the system's resolver, read once.
    pub(super) fn name_service(&self) -> Rc<NameService> {
        let known = self.name_service.borrow().clone();
        let service = known.unwrap_or_else(|| Rc::new(NameService::of_system()));
        self.name_service.replace(Some(Rc::clone(&service)));
        service
    }

    /// Runs a race. Where the system's lookup is slow or fails, each name server is asked as well.
    pub(super) async fn observed<T>(
        &self,
        event_loop: &LoopHandle,
        report: &Rc<RefCell<Report>>,
        race: impl Future<Output = T>,
    ) -> T {
        if !self.may_probe(&report.borrow()) {
            return race.await;
        }
        let mut race = pin!(race);
        let mut watching = pin!(self.watch_lookup(event_loop, report));
        let result = match select(race.as_mut(), watching.as_mut()).await {
            Either::Left((result, _)) => {
                let grace = grace(&report.borrow());
                if let Some(grace) = grace.filter(|_| self.can_probe(&report.borrow())) {
                    let is_asking = report.borrow().resolve.probe.is_some();
                    let asking = async {
                        if is_asking {
                            watching.await
                        } else {
                            self.probe(event_loop, report).await
                        }
                    };
                    let asking = event_loop.timeout(grace, asking);
                    let _ = self.token.run_until_cancelled(asking).await;
                }
                result
            }
            Either::Right(((), race)) => race.await,
        };
        self.end_probe(event_loop, report);
        result
    }

    /// Whether the lookup of this race is one of the system that is to be explained.
    fn may_probe(&self, report: &Report) -> bool {
        let is_once =
            self.request.mode == ConnectMode::Once && self.request.after_connect.is_none();
        let is_told = self.request.output.format != Format::Quiet;
        is_once && is_told && report.resolve.via == Via::System
    }

    /// Whether the system asks the servers of resolv.conf(5) for the name.
    fn can_probe(&self, report: &Report) -> bool {
        let host = report.subject.host.as_deref().unwrap_or_default();
        let bare = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let is_local = bare == "localhost" || bare.ends_with(".localhost");
        let service = self.name_service();
        !is_local
            && !host.contains('%')
            && inet_aton(host).is_none()
            && service.hosts_of(host).is_empty()
            && service.sources.dns() == DnsSource::Used
            && service.conf.attempts > 0
    }

    /// Asks the name servers once the lookup has taken too long; never ends if it does not.
    async fn watch_lookup(&self, event_loop: &LoopHandle, report: &Rc<RefCell<Report>>) {
        event_loop.sleep(PATIENCE).await;
        let is_open = report.borrow().is_looking_up();
        if is_open && self.can_probe(&report.borrow()) {
            self.probe(event_loop, report).await;
        } else {
            pending::<()>().await;
        }
    }

    /// Asks each name server for the first name of the search list, and the first one with an answer for the others.
    async fn probe(&self, event_loop: &LoopHandle, report: &Rc<RefCell<Report>>) {
        let (service, host) = (self.name_service(), report.borrow().subject.host.clone());
        let mut names = service.conf.search_list().names(host.as_deref().unwrap_or_default());
        names.truncate(MAX_NAMES);
        let started = event_loop.time().saturating_duration_since(report.borrow().started_at.at);
        let types = types(report.borrow().subject.family);
        report.borrow_mut().resolve.service = Some(Rc::clone(&service));
        let probe = NameProbe::new(Rc::clone(&service), names.clone(), started);
        report.borrow_mut().resolve.probe = Some(probe);
        let places = 0..service.conf.servers.len();
        let clients: Vec<DnsClient> = places
            .filter_map(|place| probing_client(event_loop, &service, place, report))
            .collect();
        let ask = |place: usize, name: String, record_type| {
            let client = clients[place].clone();
            async move { (place, client.query(&name, record_type).await) }
        };
        let mut asked = FuturesUnordered::new();
        for (place, record_type) in
            (0..clients.len()).flat_map(|at| types.iter().map(move |it| (at, *it)))
        {
            asked.push(ask(place, names[0].clone(), record_type));
        }
        let mut later = names.iter().skip(1).peekable();
        while let Some((place, result)) = asked.next().await {
            let is_negative = result.is_err_and(|error| {
                matches!(error.kind, DnsErrorKind::NxDomain | DnsErrorKind::NoData)
            });
            if is_negative && later.peek().is_some() {
                for name in later.by_ref() {
                    asked.extend(types.iter().map(|it| ask(place, name.clone(), *it)));
                }
            }
        }
    }

    /// Ends open questions. A probe that explains nothing is dropped.
    fn end_probe(&self, event_loop: &LoopHandle, report: &Rc<RefCell<Report>>) {
        let mut report = report.borrow_mut();
        let now = event_loop.time().saturating_duration_since(report.started_at.at);
        let is_used = grace(&report).is_some();
        if let Some(probe) = &mut report.resolve.probe {
            probe.queries.end_all(now, &QueryOutcome::TimedOut);
        }
        if !is_used {
            report.resolve.probe = None;
        }
    }

    /// Adds the lines of the hosts file that gave the addresses.
    pub(super) fn note_hosts(&self, report: &mut Report) {
        let Some(host) = report.subject.host.clone().filter(|_| report.resolve.via == Via::System)
        else {
            return;
        };
        let lines = self.name_service().lines_of(&host);
        let found = report.resolve.candidates.iter().filter_map(|candidate| {
            let address = candidate.as_inet()?.ip();
            Some(HostsAddress { address, line: *lines.get(&address)? })
        });
        report.resolve.hosts = found.collect();
    }
}

/// Time to wait for name servers after a race; `None` if its lookup needs no explanation.
fn grace(report: &Report) -> Option<Duration> {
    if let Some(error) = &report.resolve.error {
        let is_of_network = match error {
            NameFailure::Resolver(ResolveError::TimedOut) => true,
            error => error.code().is_some_and(|code| code != EaiCode::SERVICE),
        };
        return is_of_network.then_some(FAILURE_GRACE);
    }
    if report.lacks_answer() {
        return Some(FAILURE_GRACE);
    }
    report.is_lookup_slow().then_some(GRACE)
}

/// Client of one server of resolv.conf(5), whose events are added to the probe. It asks as the system does: once, without
/// EDNS.
fn probing_client(
    event_loop: &LoopHandle,
    service: &NameService,
    place: usize,
    report: &Rc<RefCell<Report>>,
) -> Option<DnsClient> {
    /// Longer than any lookup.
    const LIMIT: Duration = Duration::from_secs(3600);
    let mut conf = service.conf.clone();
    conf.servers = vec![conf.servers.get(place)?.clone()];
    let builder = DnsClient::builder().configuration(&conf).timeout(LIMIT).attempts(1).edns(false);
    let client = builder.build(event_loop).ok()?;
    let report = Rc::clone(report);
    Some(client.trace(move |event: &DnsEvent| {
        let mut report = report.borrow_mut();
        let started_at = report.started_at.at;
        if let Some(probe) = &mut report.resolve.probe {
            probe.queries.apply(place, started_at, event);
        }
    }))
}
