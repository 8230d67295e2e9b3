//! Resolution of one name by the system and by name servers, concurrently.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use futures_util::future::{LocalBoxFuture, join_all};
use loopctl::plan::{Family, Port};
use loopctl::{
    DnsClient, DnsError, DnsErrorKind, DnsEvent, Elapsed, Lookup, LoopHandle, NameInfoFlags,
    RecordType, ResolveError, source_address,
};

use super::Session;
use super::trace::Tracing;
use crate::config::ResolverChoice;
use crate::config::environment::Environment;
use crate::config::{NameRequest, NameSubject};
use crate::report::StartTime;
use crate::report::names::{NameReport, NameSubject as ReportSubject};
use crate::report::query::types;

/// Report, shared by the concurrent lookups.
pub(super) type Shared = Rc<RefCell<NameReport>>;

impl Session {
    /// Report on a name, when all queries were answered, the time is up, or the user stopped it.
    pub(super) async fn resolve(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        number: usize,
        client: Option<DnsClient>,
    ) -> NameReport {
        let name = &self.request.names[number];
        let report = Rc::new(RefCell::new(self.blank(event_loop, name)));
        let local = RefCell::default();
        let mut is_time_up = false;
        if self.token.reason().is_none() {
            let asking = self.ask(event_loop, name, client, &report, &local);
            let limit = self.request.name_timeout(&self.service.conf);
            let asking = event_loop.timeout(limit, asking);
            is_time_up = self.token.run_until_cancelled(asking).await == Some(Err(Elapsed));
        }
        let mut report = report.borrow().clone();
        report.is_local = !local.borrow().is_empty();
        match self.token.reason() {
            Some(reason) => report.interrupt(reason, event_loop.time()),
            None => report.finish(event_loop.time(), is_time_up),
        }
        report.arrange(&local.take(), source_address);
        report
    }

    fn blank(&self, event_loop: &LoopHandle, name: &NameRequest) -> NameReport {
        let question = &self.request.question;
        let port = match name.subject.port() {
            Port::Number(port) if port > 0 => Some(port),
            _ => None,
        };
        let is_reverse = matches!(name.subject, NameSubject::Reverse(_));
        let is_literal = matches!(name.subject, NameSubject::Literal(..));
        let subject = ReportSubject {
            text: name.text.clone(),
            name: name.subject.host().to_string(),
            port,
            dns_leads: question.dns_leads() && !is_literal,
            wants_addresses: question.family.is_some() && !is_reverse,
            interleave: self.request.look.interleave,
            dnssec: question.dnssec.is_some(),
        };
        let started_at = StartTime { at: event_loop.time(), wall: Environment::wall_clock() };
        let mut report = NameReport::new(subject, started_at);
        if question.via != ResolverChoice::Dns && !question.trace {
            report.sources = self.service.sources.names();
        }
        if !question.trace {
            report.service = Some(Rc::clone(&self.service));
        }
        report
    }

    async fn ask(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        name: &NameRequest,
        client: Option<DnsClient>,
        report: &Shared,
        local: &RefCell<Vec<IpAddr>>,
    ) {
        let question = &self.request.question;
        let mut parts: Vec<LocalBoxFuture<'_, ()>> = Vec::new();
        match (&name.subject, client.map(|client| self.listening(client, 0, report))) {
            (NameSubject::Name(host, _), _) if question.trace => {
                let tracing = Tracing { session: self, event_loop, report };
                parts.push(Box::pin(tracing.run(host.clone())));
            }
            (NameSubject::Name(host, _), Some(client)) => {
                if let Some(family) = question.family {
                    let client = client.clone();
                    parts.push(Box::pin(addresses(client, host, family, report, local)));
                }
                for record_type in &question.types {
                    let client = client.clone();
                    parts.push(Box::pin(records(client, host, *record_type, report)));
                }
            }
            (NameSubject::Reverse(address), Some(client)) => {
                parts.push(Box::pin(async move { drop(client.reverse(*address).await) }));
            }
            _ => {}
        }
        // Because the system's resolver would pass a name of Tor to name servers (RFC 7686).
        let is_withheld = question.via == ResolverChoice::Both && is_onion(&name.subject);
        let is_for_system = question.via != ResolverChoice::Dns && question.family.is_some();
        let is_for_system = is_for_system && !is_withheld;
        let is_literal = matches!(name.subject, NameSubject::Literal(..));
        if (is_for_system && !question.trace) || is_literal {
            parts.push(Box::pin(self.ask_system(event_loop, &name.subject, report)));
        }
        join_all(parts).await;
    }

    async fn ask_system(&self, event_loop: &LoopHandle, subject: &NameSubject, report: &Shared) {
        let family = self.request.question.family.unwrap_or_default();
        let types = match subject {
            NameSubject::Reverse(_) => vec![RecordType::Ptr],
            _ => types(family),
        };
        let at = report.borrow().since_start(event_loop.time());
        let host = subject.host();
        let index = report.borrow_mut().queries.ask_system(host.to_string(), types, at);
        let result = match subject {
            NameSubject::Reverse(address) => name_of(event_loop, *address).await,
            _ => {
                let lookup = Lookup::new(host, subject.port()).family(family);
                let found = event_loop.getaddrinfo(lookup).await;
                found.map(|found| found.iter().map(|it| it.address.ip().to_string()).collect())
            }
        };
        let at = report.borrow().since_start(event_loop.time());
        report.borrow_mut().queries.end_system(index, at, result);
    }

    /// Client whose events update the report and are printed.
    pub(super) fn listening(
        self: &Rc<Self>,
        client: DnsClient,
        number: usize,
        report: &Shared,
    ) -> DnsClient {
        let (session, report) = (Rc::clone(self), Rc::clone(report));
        client.trace(move |event: &DnsEvent| {
            let started_at = report.borrow().started_at.at;
            report.borrow_mut().queries.apply(number, started_at, event);
            session.printer.borrow_mut().event(event, &report.borrow());
        })
    }
}

fn is_onion(subject: &NameSubject) -> bool {
    let NameSubject::Name(host, _) = subject else { return false };
    let last = host.trim_end_matches('.').rsplit('.').next();
    last.is_some_and(|label| label.eq_ignore_ascii_case("onion"))
}

async fn name_of(event_loop: &LoopHandle, address: IpAddr) -> Result<Vec<String>, ResolveError> {
    let names =
        event_loop.getnameinfo(SocketAddr::new(address, 0), NameInfoFlags::NAMEREQD).await?;
    Ok(vec![names.0])
}

async fn addresses(
    client: DnsClient,
    host: &str,
    family: Family,
    report: &Shared,
    local: &RefCell<Vec<IpAddr>>,
) {
    let found = client.lookup(host, family).await;
    if found.is_from_hosts {
        let addresses = found.addresses.iter().map(|it| it.destination.address);
        local.replace(addresses.collect());
    }
    for error in found.queries.iter().filter_map(|query| query.as_ref().err()) {
        note(report, error);
    }
}

/// Queries another record type, for the first name of the search list that has such records.
async fn records(client: DnsClient, host: &str, record_type: RecordType, report: &Shared) {
    for name in client.names(host) {
        match client.query(&name, record_type).await {
            Ok(_) => return,
            Err(error) => {
                note(report, &error);
                let may_go_on = matches!(
                    error.kind,
                    DnsErrorKind::NxDomain | DnsErrorKind::NoData | DnsErrorKind::ServFail
                );
                if !may_go_on {
                    return;
                }
            }
        }
    }
}

/// Adds a failure that no event reports, because no query was sent.
fn note(report: &Shared, error: &DnsError) {
    let at = error.exchange.started;
    let at = report.borrow().since_start(at);
    report.borrow_mut().queries.refuse(at, error);
}
