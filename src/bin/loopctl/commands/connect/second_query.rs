//! The answer that was missing when the connection was made.
//!
//! A race goes on without it. Most clients do not, and only a second query shows whether they would have had to wait.

use std::rc::Rc;
use std::time::Duration;

use loopctl::plan::{Family, Target};
use loopctl::{DnsClient, LoopHandle, Resolver as _};

use super::Session;
use super::race::Try;
use crate::commands::dns_client;
use crate::config::{Format, resolver_limit};
use crate::report::query::{QueryStatus, types};
use crate::report::{End, Report, SecondQuery, Via};

/// Longest wait for the answer.
const MAX_WAIT: Duration = Duration::from_secs(1);

impl Session {
    /// Repeats the query of the family whose answer was missing.
    pub(super) async fn ask_again(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        this: &Try<'_>,
        report: &mut Report,
    ) {
        let is_used = self.request.after_connect.is_some();
        let is_shown = self.request.output.format != Format::Quiet;
        let Some(family) = missing(report).filter(|_| is_shown && !is_used) else { return };
        let Target::Tcp(host, port) = &this.target.target else { return };
        let lookup = loopctl::Lookup::new(host.clone(), port.clone()).family(family);
        let client = self.plain_client(event_loop, report.resolve.via);
        let asking = async {
            match client {
                Some(client) => client.resolve(lookup).await.is_ok(),
                None => event_loop.getaddrinfo_of_family(lookup).await.is_ok(),
            }
        };
        let limited = event_loop.timeout(MAX_WAIT, asking);
        let Some(end) = self.token.run_until_cancelled(limited).await else { return };
        let ended = report.since_start(event_loop.time());
        let (has_answer, system_limit) = (end.is_ok(), resolver_limit::of_system());
        report.resolve.second_query = Some(SecondQuery { family, has_answer, ended, system_limit });
    }

    /// A client whose queries are not part of the report.
    pub(super) fn plain_client(&self, event_loop: &LoopHandle, via: Via) -> Option<DnsClient> {
        let dns = self.request.race.dns.as_ref().filter(|_| via == Via::Dns)?;
        let builder = DnsClient::system().ok()?;
        dns_client::client(event_loop, builder, &dns.servers, MAX_WAIT).ok()
    }
}

/// Family whose query was cancelled because the connection was made first.
fn missing(report: &Report) -> Option<Family> {
    let queries = report.resolve.queries.0.iter();
    let mut open = queries.filter(|query| query.verdict() == QueryStatus::Canceled);
    let query = open.next().filter(|_| report.end == End::Connected)?;
    [Family::Inet6, Family::Inet].into_iter().find(|family| query.types == types(*family))
}
