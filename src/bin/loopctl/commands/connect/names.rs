//! Name servers instead of the system's resolver.

use std::cell::RefCell;
use std::rc::Rc;

use loopctl::{DnsClient, DnsConfigError, DnsEvent, LoopHandle};

use super::Session;
use super::race::Try;
use crate::commands::dns_client;
use crate::config::DnsRequest;
use crate::report::{NameFailure, Report};

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
        let (session, name, report) = (Rc::clone(self), this.session.clone(), Rc::clone(report));
        let client = client.trace(move |event: &DnsEvent| {
            let started_at = report.borrow().started_at.at;
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
        let mut builder = DnsClient::system()?;
        if !dns.servers.is_empty() {
            builder = builder.hosts("");
        }
        dns_client::client(event_loop, builder, &dns.servers, self.request.race.timeout / 2)
    }
}
