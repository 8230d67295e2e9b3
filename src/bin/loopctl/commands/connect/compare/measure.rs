//! Measurement for `--compare`: each lookup and each address alone.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use loopctl::plan::{Family, Preset, Target, sort_destinations};
use loopctl::{DnsClient, LoopHandle, Resolver, source_address};

use crate::commands::connect::Session;
use crate::commands::connect::race::Try;
use crate::config::RaceRequest;
use crate::config::{gai_conf, tcp_syn_retries};
use crate::report::compare::{Lookup, LookupEnd, Measurement, Probe};
use crate::report::{NameFailure, Report, Via};

/// Measures lookups and connection attempts one by one.
pub(super) struct Prober<'a> {
    session: &'a Rc<Session>,
    event_loop: &'a LoopHandle,
    this: &'a Try<'a>,
    attempt_timeout: Duration,
    /// Rules for one attempt to one address, limited only by the kernel.
    race: RaceRequest,
    report: &'a Rc<RefCell<Report>>,
    lookups: RefCell<Vec<Lookup>>,
    probes: RefCell<Probes>,
}

/// Addresses whose attempts have started, and those whose attempts are over.
#[derive(Default)]
struct Probes {
    started: HashSet<SocketAddr>,
    ended: Vec<Probe>,
}

impl<'a> Prober<'a> {
    pub(super) fn new(
        session: &'a Rc<Session>,
        event_loop: &'a LoopHandle,
        this: &'a Try<'a>,
        attempt_timeout: Duration,
        report: &'a Rc<RefCell<Report>>,
    ) -> Self {
        let race = this.race.by(Preset::Sequential.into());
        let (lookups, probes) = Default::default();
        Self { session, event_loop, this, attempt_timeout, race, report, lookups, probes }
    }

    /// Runs all lookups at once, because a cached answer would speed up the next. Probes each address as soon as it is
    /// known.
    pub(super) async fn run(self) -> Measurement {
        let via = self.report.borrow().resolve.via;
        let given = match via {
            Via::System | Via::Dns => self.look_up(via).await.map(|()| Vec::new()),
            Via::Literal | Via::Given | Via::Cached => self.given().await,
        };
        match &given {
            Ok(given) => self.probe_all(given).await,
            Err(why) => self.report.borrow_mut().refuse(why.clone(), self.event_loop.time()),
        }
        self.into_measurement(given.unwrap_or_default(), via == Via::Dns)
    }

    async fn look_up(&self, via: Via) -> Result<(), NameFailure> {
        let resolver = self.session.resolver(self.event_loop, self.this, self.report)?;
        let families = match (self.this.race.family, via) {
            // Because DNS has no query type for both families.
            (Family::Unspecified, Via::Dns) => vec![Family::Inet6, Family::Inet],
            (Family::Unspecified, _) => vec![Family::Inet6, Family::Inet, Family::Unspecified],
            (family, _) => vec![family],
        };
        let lookups = families.into_iter().map(async |family| {
            let found = self.ask(resolver.as_ref(), family).await;
            self.probe_all(&found).await;
        });
        self.session.printer.borrow_mut().lookup_started(&self.this.session, &self.report.borrow());
        join_all(lookups).await;
        self.session.printer.borrow_mut().lookup_ended(&self.this.session);
        Ok(())
    }

    /// Runs one lookup and records it; returns its addresses.
    async fn ask(&self, resolver: Option<&DnsClient>, family: Family) -> Vec<SocketAddr> {
        let Target::Tcp(host, port) = &self.this.target.target else { return Vec::new() };
        let lookup = loopctl::Lookup::new(host.clone(), port.clone()).family(family);
        let start = self.since_start();
        let asking = async {
            match resolver {
                Some(resolver) => resolver.resolve(lookup).await,
                // Because a race makes the same call.
                None if self.this.race.family == Family::Unspecified => {
                    self.event_loop.getaddrinfo_of_family(lookup).await
                }
                None => self.event_loop.getaddrinfo(lookup).await,
            }
        };
        let limited = self.event_loop.timeout(self.this.timeout, asking);
        let end = match self.session.token.run_until_cancelled(limited).await {
            None => LookupEnd::Interrupted,
            Some(Err(_)) => LookupEnd::Silent,
            Some(Ok(Ok(found))) => {
                LookupEnd::Found(found.iter().map(|info| info.address).collect())
            }
            Some(Ok(Err(error))) => LookupEnd::Failed(error),
        };
        let found = match &end {
            LookupEnd::Found(found) => found.clone(),
            _ => Vec::new(),
        };
        let took = self.since_start().saturating_sub(start);
        self.lookups.borrow_mut().push(Lookup { family, start, took, end });
        found
    }

    /// Addresses that need no lookup, in the order of the command line.
    async fn given(&self) -> Result<Vec<SocketAddr>, NameFailure> {
        if let Some(given) = self.session.given(self.event_loop, self.this).await? {
            return Ok(given);
        }
        let Target::Tcp(host, port) = &self.this.target.target else { return Ok(Vec::new()) };
        let lookup = loopctl::Lookup::new(host.clone(), port.clone());
        let found = self.event_loop.getaddrinfo(lookup.family(self.this.race.family)).await;
        Ok(found?.iter().map(|info| info.address).collect())
    }

    /// Probes each address that is new, all at the same time. Between some of the starts the loop handles signals and
    /// the attempts that have started, because an answer may have thousands of addresses.
    async fn probe_all(&self, addresses: &[SocketAddr]) {
        const STARTS_PER_TURN: usize = 32;
        let mut new = Vec::new();
        for to in addresses {
            let started = &mut self.probes.borrow_mut().started;
            if started.insert(*to) {
                new.push((*to, started.len()));
            }
        }
        let starts = stream::iter(new).then(async |(to, number)| {
            if number % STARTS_PER_TURN == 0 {
                // Because signals and limits are looked at between two turns.
                self.event_loop.sleep(Duration::ZERO).await;
            }
            (to, number)
        });
        starts.for_each_concurrent(None, async |(to, number)| self.probe(to, number).await).await;
    }

    /// Measures one address, as a race with one attempt.
    async fn probe(&self, to: SocketAddr, number: usize) {
        let session = format!("{}.{number}", self.this.session);
        let (known, timeout) = (Some(vec![to]), self.attempt_timeout);
        let this = Try { session, known, timeout, race: &self.race, ..self.this.clone() };
        let started_at = self.since_start();
        let mut report = self.session.race_once(self.event_loop, &this).await;
        let (Some(mut attempt), tls) = (report.attempts.pop(), report.tls.take()) else {
            return;
        };
        attempt.start += started_at;
        let tls = tls.map(|tls| tls.later(started_at));
        self.probes.borrow_mut().ended.push(Probe { to, label: String::new(), attempt, tls });
    }

    fn since_start(&self) -> Duration {
        self.report.borrow().since_start(self.event_loop.time())
    }

    fn into_measurement(self, given: Vec<SocketAddr>, is_dns: bool) -> Measurement {
        let RaceRequest { prefer, family, .. } = *self.this.race;
        let is_ipv4_first = !is_dns
            && given.is_empty()
            && family == Family::Unspecified
            && prefer.is_none()
            && gai_conf::prefers_ipv4();
        let mut lookups = self.lookups.into_inner();
        let position = |family| [Family::Inet6, Family::Inet].iter().position(|it| *it == family);
        lookups.sort_by_key(|lookup| position(lookup.family).unwrap_or(usize::MAX));
        let first = prefer.or_else(|| is_ipv4_first.then_some(Family::Inet));
        let probes = in_order(self.probes.into_inner().ended, &lookups, &given, first).into();
        let kernel = tcp_syn_retries::connect_timeout();
        Measurement {
            lookups,
            given,
            probes,
            prefer,
            is_ipv4_first,
            probe_timeout: self.attempt_timeout,
            kernel,
            is_dns,
        }
    }
}

/// Sorts probes by RFC 6724, or in the given order, and labels them: `6a` is the first IPv6 address.
fn in_order(
    mut probes: Vec<Probe>,
    lookups: &[Lookup],
    given: &[SocketAddr],
    prefer: Option<Family>,
) -> Vec<Probe> {
    let found = lookups.iter().flat_map(|lookup| match &lookup.end {
        LookupEnd::Found(found) => found.as_slice(),
        _ => &[],
    });
    let sorted = sort_destinations(found.map(SocketAddr::ip), source_address);
    let of_rfc = places(sorted.into_iter().map(|it| it.address));
    let as_given = places(given.iter().copied());
    let family = |to: &SocketAddr| Family::of(&to.ip());
    let is_other = |to: &SocketAddr| prefer.is_some_and(|wanted| family(to) != wanted);
    probes.sort_by_cached_key(|Probe { to, .. }| {
        (is_other(to), as_given.get(to).copied(), of_rfc.get(&to.ip()).copied())
    });
    let mut counts = [0, 0];
    for probe in &mut probes {
        let (digit, count) =
            if probe.to.is_ipv6() { ('6', &mut counts[0]) } else { ('4', &mut counts[1]) };
        probe.label = format!("{digit}{}", letters(*count));
        *count += 1;
    }
    probes
}

/// First place of each item.
fn places<T: Eq + Hash>(items: impl Iterator<Item = T>) -> HashMap<T, usize> {
    let mut places = HashMap::new();
    for (place, item) in items.enumerate() {
        places.entry(item).or_insert(place);
    }
    places
}

/// Letters of a label: `a` to `z`, then `aa`.
fn letters(number: usize) -> String {
    let last = char::from(b"abcdefghijklmnopqrstuvwxyz"[number % 26]);
    match number / 26 {
        0 => last.to_string(),
        more => letters(more - 1) + &last.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_letter_for_every_address() {
        let names: Vec<String> = [0, 25, 26, 701, 702].into_iter().map(letters).collect();
        assert_eq!(names, ["a", "z", "aa", "zz", "aaa"]);
    }
}
