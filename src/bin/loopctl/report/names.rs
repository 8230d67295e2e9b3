//! Report of one name of `resolve`.

use std::collections::HashSet;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use loopctl::plan::SlowLog;
use loopctl::{DnsAnswer, DnsData, DnsRecord, HostsAddress, RecordType};

use super::StartTime;
use super::order;
use super::order::{AddressRow, Found};
use super::query::{Queries, Query, QueryOutcome, QueryStatus};
use super::trace::Hop;
use crate::config::NameService;
use crate::util::cancellation::StopReason;

/// One name, from the first query to the last answer.
#[derive(Debug, Clone)]
pub(crate) struct NameReport {
    pub(crate) subject: NameSubject,
    pub(crate) started_at: StartTime,
    pub(crate) queries: Queries,
    pub(crate) addresses: Vec<AddressRow>,
    /// Steps of a trace.
    pub(crate) hops: Vec<Hop>,
    pub(crate) total: Duration,
    pub(crate) end: NameEnd,
    pub(crate) slow: SlowLog,
    /// Sources of hosts of the system, from nsswitch.conf(5).
    pub(crate) sources: Vec<String>,
    /// Configuration of the system's resolver; `None` for a trace.
    pub(crate) service: Option<Rc<NameService>>,
    /// The name denotes this host by definition, so no query was sent.
    pub(crate) is_local: bool,
}

/// Name and options of a lookup.
#[derive(Debug, Clone)]
pub(crate) struct NameSubject {
    /// Name on the command line.
    pub(crate) text: String,
    /// Query name, without the port.
    pub(crate) name: String,
    pub(crate) port: Option<u16>,
    /// Resolver whose answer decides: name servers or the system.
    pub(crate) dns_leads: bool,
    /// Whether addresses were requested.
    pub(crate) wants_addresses: bool,
    /// First Address Family Count.
    pub(crate) interleave: usize,
    pub(crate) dnssec: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameEnd {
    Found,
    Failed(QueryStatus),
    Interrupted(StopReason),
}

impl NameReport {
    pub(crate) fn new(subject: NameSubject, started_at: StartTime) -> Self {
        Self {
            subject,
            started_at,
            queries: Queries::default(),
            addresses: Vec::new(),
            hops: Vec::new(),
            total: Duration::ZERO,
            end: NameEnd::Failed(QueryStatus::Error),
            slow: SlowLog::default(),
            sources: Vec::new(),
            service: None,
            is_local: false,
        }
    }

    pub(crate) fn since_start(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.started_at.at)
    }

    /// Ends the report: every query was answered, or the time limit passed.
    pub(crate) fn finish(&mut self, now: Instant, is_time_up: bool) {
        self.total = self.since_start(now);
        self.queries.end_all(self.total, &QueryOutcome::TimedOut);
        // Because the address of a name server may be unresolved, a report without queries can time out.
        let unasked = if is_time_up { QueryStatus::Timeout } else { QueryStatus::Error };
        self.end = match self.verdict().unwrap_or(unasked) {
            QueryStatus::Answered => NameEnd::Found,
            verdict => NameEnd::Failed(verdict),
        };
    }

    pub(crate) fn interrupt(&mut self, reason: StopReason, now: Instant) {
        self.queries.end_all(self.since_start(now), &QueryOutcome::Interrupted);
        self.finish(now, false);
        if self.end != NameEnd::Found {
            self.end = NameEnd::Interrupted(reason);
        }
    }

    /// Sorts the addresses. `local` has those that need no name server.
    pub(crate) fn arrange(&mut self, local: &[IpAddr], source: impl Fn(IpAddr) -> Option<IpAddr>) {
        if !self.subject.wants_addresses {
            return;
        }
        let system_queries = self.queries.0.iter().filter(|query| query.is_of_system());
        let system = system_queries.map(|query| match &query.end {
            QueryOutcome::System(texts) => {
                texts.iter().filter_map(|text| text.parse().ok()).collect()
            }
            _ => Vec::new(),
        });
        let was_asked = !local.is_empty() || self.dns_queries().next().is_some();
        let found =
            [RecordType::A, RecordType::Aaaa].into_iter().flat_map(|it| self.dns_addresses(it));
        let local = local.iter().map(|ip| (*ip, None));
        let found = Found {
            system: system.reduce(|all, more| [all, more].concat()),
            // Because a local name is not asked for, name servers have no part in the system's answer.
            dns: (was_asked && (!self.is_local || self.subject.dns_leads))
                .then(|| found.chain(local).collect()),
            dns_leads: self.subject.dns_leads,
        };
        self.addresses = order::rows(&found, self.subject.interleave, source);
    }

    /// Addresses of one record type from name servers.
    fn dns_addresses(&self, record_type: RecordType) -> Vec<(IpAddr, Option<Duration>)> {
        let answers = self.answers().filter(|answer| answer.record_type == record_type);
        let address = |record: &DnsRecord| Some((record.data.address()?, Some(record.ttl)));
        answers.flat_map(|answer| answer.matching().filter_map(address)).collect()
    }

    pub(crate) fn dns_queries(&self) -> impl Iterator<Item = &Query> {
        self.queries.wanted().filter(|query| !query.is_of_system())
    }

    /// Positive answers. A trace ends with them.
    pub(crate) fn answers(&self) -> impl Iterator<Item = &DnsAnswer> {
        self.dns_queries().filter_map(|query| match &query.end {
            QueryOutcome::Answered(answer) => Some(&**answer),
            _ => None,
        })
    }

    /// Lines of the hosts file that gave addresses of the system.
    pub(crate) fn hosts_lines(&self) -> Vec<HostsAddress> {
        let Some(service) = &self.service else { return Vec::new() };
        let given: HashSet<IpAddr> =
            self.system_texts().filter_map(|text| text.parse().ok()).collect();
        let is_given = |it: &&HostsAddress| given.contains(&it.address);
        service.hosts_of(&self.subject.name).iter().filter(is_given).copied().collect()
    }

    /// Names of the search list that were asked for before the one with an answer, and the time that took.
    pub(crate) fn detour(&self) -> Option<(Vec<&str>, Duration)> {
        let mut names: Vec<(&str, Duration, bool)> = Vec::new();
        for query in self.dns_queries() {
            let is_answered = query.verdict() == QueryStatus::Answered;
            match names.iter_mut().find(|(name, ..)| *name == query.name) {
                Some((_, took, answered)) => {
                    *took = query.took.max(*took);
                    *answered |= is_answered;
                }
                None => names.push((&query.name, query.took, is_answered)),
            }
        }
        let found = names.iter().position(|(_, _, is_answered)| *is_answered)?;
        let before = &names[..found];
        let took = before.iter().map(|(_, took, _)| *took).sum();
        (found > 0).then(|| (before.iter().map(|(name, ..)| *name).collect(), took))
    }

    /// Records other than addresses and the aliases that lead to them.
    pub(crate) fn records(&self) -> Vec<&DnsRecord> {
        let is_address = |it: RecordType| matches!(it, RecordType::A | RecordType::Aaaa);
        let has_places = |answer: &DnsAnswer| {
            self.subject.wants_addresses && is_address(answer.record_type) && self.hops.is_empty()
        };
        let records = self.answers().filter(|it| !has_places(it)).flat_map(|it| &it.records);
        let mut seen = HashSet::new();
        records.filter(|record| seen.insert(*record)).collect()
    }

    /// Aliases (CNAME) that lead to the addresses, each with its target.
    pub(crate) fn aliases(&self) -> Vec<(&DnsRecord, &str)> {
        let (mut aliases, mut seen) = (Vec::new(), HashSet::new());
        let answers = self.dns_queries().filter_map(Query::answer);
        for record in answers.flat_map(|answer| &answer.records) {
            if let DnsData::Cname(target) = &record.data
                && seen.insert(&record.name)
            {
                aliases.push((record, target.as_str()));
            }
        }
        aliases
    }

    /// Output of `--short` in the order of a connection: addresses, names, record data.
    /// Empty for a name that lacks a required proof.
    pub(crate) fn short(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        if matches!(self.end, NameEnd::Failed(verdict) if verdict.is_unproven()) {
            return lines;
        }
        let places = self.addresses.iter().filter(|row| row.ranks.connect.is_some());
        lines.extend(places.map(|row| row.ip.to_string()));
        if !self.subject.wants_addresses {
            lines.extend(self.system_texts().cloned());
        }
        // Because signatures come along with DNSSEC, they are left out unless they were asked for.
        let mut seen: HashSet<String> = lines.iter().cloned().collect();
        let is_asked = self.answers().any(|answer| is_signature(answer.record_type));
        let is_shown = |record: &&DnsRecord| is_asked || !is_signature(record.record_type);
        for record in self.records().into_iter().filter(is_shown) {
            let text = record.data.to_string();
            // Because names of the system have no final dot, it is removed here too.
            let is_known = text.strip_suffix('.').is_some_and(|text| seen.contains(text));
            if !is_known && seen.insert(text.clone()) {
                lines.push(text);
            }
        }
        lines
    }

    pub(crate) fn system_texts(&self) -> impl Iterator<Item = &String> {
        let system_queries = self.queries.0.iter().filter(|query| query.is_of_system());
        system_queries.flat_map(|query| match &query.end {
            QueryOutcome::System(texts) => texts.as_slice(),
            _ => &[],
        })
    }

    /// Queries that decide: to the system, unless it was not queried or a connection would not
    /// use it. Types that the system does not know are always queried from name servers.
    fn deciding(&self) -> Vec<&Query> {
        let is_address = |query: &Query| {
            query.types.iter().all(|it| matches!(it, RecordType::A | RecordType::Aaaa))
        };
        let system_counts = !self.subject.dns_leads;
        let has_system = self.queries.wanted().any(Query::is_of_system);
        let counts = |query: &&Query| {
            query.is_of_system() == (system_counts && has_system)
                || (!query.is_of_system() && !is_address(query))
                || (!self.subject.wants_addresses)
        };
        self.queries.wanted().filter(counts).collect()
    }

    /// `None` if no query was made.
    fn verdict(&self) -> Option<QueryStatus> {
        if self.is_local && self.subject.dns_leads {
            return Some(QueryStatus::Answered);
        }
        if let Some(last) = self.hops.last() {
            return Some(last.verdict());
        }
        let unproven = self.dns_queries().map(Query::verdict).filter(|it| it.is_unproven());
        if let Some(worst) = unproven.max_by_key(|it| it.severity()) {
            return Some(worst);
        }
        let verdicts = self.deciding().into_iter().map(Query::verdict);
        let verdicts: Vec<QueryStatus> = verdicts.collect();
        if verdicts.contains(&QueryStatus::Answered) {
            return Some(QueryStatus::Answered);
        }
        // Because errors of the system leave the reason open, the status from name servers decides.
        let dns = self.dns_queries().map(Query::verdict).max_by_key(|it| it.severity());
        let dns = dns.filter(|_| self.answers().next().is_none());
        let worst = verdicts.into_iter().max_by_key(|it| it.severity());
        match (worst, dns) {
            (
                Some(QueryStatus::Error | QueryStatus::NoName | QueryStatus::NoAddress),
                Some(dns),
            ) => Some(dns),
            (worst, _) => worst,
        }
    }

    /// Query that explains best why there is no answer.
    pub(crate) fn failing(&self) -> Option<&Query> {
        let NameEnd::Failed(verdict) = self.end else { return None };
        let mut deciding = self.deciding().into_iter().chain(self.dns_queries());
        deciding.find(|query| query.verdict() == verdict && query.has_failed())
    }
}

/// Record types shown besides the requested ones.
pub(crate) fn is_signature(record_type: RecordType) -> bool {
    const RRSIG: RecordType = RecordType::Other(46);
    record_type == RRSIG
}
