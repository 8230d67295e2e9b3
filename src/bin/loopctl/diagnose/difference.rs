//! Reasons for which the system and the name servers give different answers. Each has evidence.

use std::collections::HashSet;
use std::net::IpAddr;

use loopctl::{HostsFile, RecordType, ResolvConf, inet_aton};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name_service::place;
use crate::config::NameService;
use crate::config::nsswitch_conf::{self, DnsSource};
use crate::report::names::NameReport;
use crate::report::query::{Exchange, Query, QueryStatus, ServerReply};
use crate::util::units;

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) kind: DifferenceKind,
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum DifferenceKind {
    /// The hosts file has addresses of the name.
    HostsFile,
    /// nsswitch.conf(5) keeps the name from name servers.
    NoDnsSource,
    /// Another source of nsswitch.conf(5) may have the name.
    OtherSource,
    /// The system reads the name as a number (inet_aton).
    Number,
    /// `attempts` is 0.
    NoAttempts,
    /// A name server answers one of A and AAAA.
    QuerySilent,
    /// A name server does not answer.
    ServerSilent,
    /// Other name servers were asked here.
    OtherServers,
    /// A localhost name that is not this host.
    Localhost,
    /// The two differ for a reason that is not known.
    Unknown,
}

/// Answers of both sides.
struct Sides<'a> {
    report: &'a NameReport,
    service: &'a NameService,
    system: Vec<IpAddr>,
    dns: Vec<IpAddr>,
    has_system_failed: bool,
}

/// Reasons, the decisive one first; none where both agree, or only one was asked.
pub(crate) fn differences(report: &NameReport) -> Vec<Difference> {
    let Some(service) = report.service.as_deref() else { return Vec::new() };
    let mut queries = report.queries.wanted();
    if !report.subject.wants_addresses || !queries.any(Query::is_of_system) {
        return Vec::new();
    }
    let of_system: Vec<&Query> = report.queries.wanted().filter(|it| it.is_of_system()).collect();
    let sides = Sides {
        report,
        service,
        system: report.system_texts().filter_map(|text| text.parse().ok()).collect(),
        dns: report.answers().flat_map(|answer| answer.addresses()).collect(),
        has_system_failed: of_system.iter().any(|query| query.has_failed()),
    };
    let mut found: Vec<Difference> = sides.number().into_iter().collect();
    if found.is_empty() {
        found.extend(sides.hosts_file());
    }
    found.extend(sides.localhost());
    if report.dns_queries().next().is_none() || !found.is_empty() {
        return found;
    }
    found.extend(sides.silence());
    let differ = sides.has_system_failed != sides.dns.is_empty();
    if differ && found.is_empty() {
        found.extend(sides.not_asked().or_else(|| sides.other()));
    }
    found
}

impl Sides<'_> {
    fn number(&self) -> Option<Difference> {
        let name = &self.report.subject.name;
        let address = IpAddr::from(inet_aton(name)?);
        self.system.contains(&address).then(|| Difference {
            kind: DifferenceKind::Number,
            text: format!(
                "the system reads `{name}` as the address {address} (inet_aton), and asks no name server"
            ),
        })
    }

    fn hosts_file(&self) -> Option<Difference> {
        let name = &self.report.subject.name;
        let lines = self.service.hosts_of(name).iter();
        let [system, dns] = [&self.system, &self.dns].map(|it| it.iter().collect::<HashSet<_>>());
        let lines: Vec<_> = lines.filter(|it| system.contains(&it.address)).collect();
        let first = lines.first()?;
        let asked: Vec<&Query> = self.report.dns_queries().collect();
        if asked.is_empty() || system.is_subset(&dns) {
            return None;
        }
        let addresses =
            |list: &mut dyn Iterator<Item = String>| list.collect::<Vec<_>>().join(", ");
        let ours = addresses(&mut lines.iter().map(|it| it.address.to_string()));
        let theirs = match self.dns.as_slice() {
            [] => status(&asked)?,
            dns => addresses(&mut dns.iter().map(IpAddr::to_string)),
        };
        Some(Difference {
            kind: DifferenceKind::HostsFile,
            text: format!("{}:{} has {ours}; name servers: {theirs}", HostsFile::PATH, first.line),
        })
    }

    fn localhost(&self) -> Option<Difference> {
        if !self.report.is_local {
            return None;
        }
        let other = self.system.iter().find(|ip| !ip.is_loopback())?;
        let name = &self.report.subject.text;
        Some(Difference {
            kind: DifferenceKind::Localhost,
            text: format!(
                "the system has {other} for `{name}`, which is not this host (RFC 6761 section 6.3)"
            ),
        })
    }

    /// Name servers that were silent, where the system asks the same ones.
    fn silence(&self) -> Vec<Difference> {
        let conf = &self.service.conf;
        let exchanges = || {
            self.report
                .dns_queries()
                .flat_map(|it| it.progress.exchanges.iter().map(move |e| (it, e)))
        };
        let mut found = Vec::new();
        for (at, server) in conf.servers.iter().enumerate() {
            let of_server = || exchanges().filter(|(_, it)| *it.server.host() == server.host);
            let name = match server.line {
                Some(line) => format!("{} ({}:{line})", server.host, ResolvConf::PATH),
                None => server.host.to_string(),
            };
            let is_silent = |wanted: RecordType| {
                let mut asked = of_server().filter(|(query, _)| query.types == [wanted]).peekable();
                asked.peek().is_some() && asked.all(|(_, it)| it.reply == ServerReply::Silent)
            };
            let is_answered = |wanted: RecordType| {
                of_server().any(|(query, it)| query.types == [wanted] && is_answer(it))
            };
            let half = [(RecordType::Aaaa, RecordType::A), (RecordType::A, RecordType::Aaaa)];
            let half = half.into_iter().find(|(no, yes)| is_silent(*no) && is_answered(*yes));
            if let Some((no, yes)) = half {
                let wait = units::prose(conf.half_answered_wait());
                let waits = if at == 0 {
                    format!("; getaddrinfo waits {wait} for it")
                } else {
                    String::new()
                };
                let text = format!("name server {name} does not answer {no}, only {yes}{waits}");
                found.push(Difference { kind: DifferenceKind::QuerySilent, text });
            } else if is_silent(RecordType::A) || is_silent(RecordType::Aaaa) {
                let wait = units::prose(conf.system_wait(at));
                let text = format!(
                    "name server {name} does not answer; the system waits {wait} for it in each attempt"
                );
                found.push(Difference { kind: DifferenceKind::ServerSilent, text });
            }
        }
        found
    }

    /// The system fails where name servers have an answer.
    fn not_asked(&self) -> Option<Difference> {
        if !self.has_system_failed {
            return None;
        }
        let (conf, sources) = (&self.service.conf, &self.service.sources);
        let line = sources.line.map_or_else(String::new, |line| format!(":{line}"));
        let nsswitch = format!("{}{line}", nsswitch_conf::PATH);
        let (kind, text) = match sources.dns() {
            DnsSource::Missing => (
                DifferenceKind::NoDnsSource,
                format!("{nsswitch} has no `dns`: the system asks no name server"),
            ),
            DnsSource::Hidden => (
                DifferenceKind::NoDnsSource,
                format!("{nsswitch} ends the lookup before `dns`: the system asks no name server"),
            ),
            _ if conf.attempts == 0 => {
                let source =
                    conf.attempts_source.map_or_else(String::new, |it| format!(" ({})", place(it)));
                (
                    DifferenceKind::NoAttempts,
                    format!("`attempts:0`{source}: the system asks no name server"),
                )
            }
            _ => return None,
        };
        Some(Difference { kind, text })
    }

    fn other(&self) -> Option<Difference> {
        let asked: Vec<&Query> = self.report.dns_queries().collect();
        let given = asked.iter().filter_map(|it| it.progress.server.as_ref());
        let is_given = |server: &loopctl::DnsServer| {
            self.service.conf.servers.iter().all(|known| known.host != *server.host())
        };
        let mut given = given.filter(|(server, _)| is_given(server));
        let what = match self.has_system_failed {
            true => "name servers have the name, and the system has not".to_owned(),
            false => format!("name servers: {}; the system has the name", status(&asked)?),
        };
        if let Some((server, _)) = given.next() {
            let text = format!("{what}: the system does not ask {}", server.endpoint());
            return Some(Difference { kind: DifferenceKind::OtherServers, text });
        }
        let known = |name: &String| ["files", "dns"].contains(&name.as_str());
        let others: Vec<String> =
            self.service.sources.names().into_iter().filter(|name| !known(name)).collect();
        if others.is_empty() || self.has_system_failed {
            return Some(Difference { kind: DifferenceKind::Unknown, text: what });
        }
        let line = self.service.sources.line.map_or_else(String::new, |line| format!(":{line}"));
        let text = format!(
            "{what}, perhaps from `{}` ({}{line})",
            others.join("`, `"),
            nsswitch_conf::PATH
        );
        Some(Difference { kind: DifferenceKind::OtherSource, text })
    }
}

fn is_answer(exchange: &Exchange) -> bool {
    matches!(exchange.reply, ServerReply::Answered(_) | ServerReply::Truncated)
}

/// Status of the queries in words; the one that leaves the most open.
fn status(queries: &[&Query]) -> Option<String> {
    let worst = queries.iter().map(|query| query.verdict()).max_by_key(|it| it.severity())?;
    Some(match worst {
        QueryStatus::NxDomain => "no such name (NXDOMAIN)".to_owned(),
        QueryStatus::NoData => "no address (NODATA)".to_owned(),
        QueryStatus::Timeout => "no answer".to_owned(),
        other => other.name().to_uppercase(),
    })
}
