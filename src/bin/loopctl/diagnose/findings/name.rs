//! Findings about the name: silent, slow and failing name servers, and the detour of a search list.

use std::time::Duration;

use loopctl::plan::Family;
use loopctl::{Rcode, RecordType, ResolvConf};

use super::{Basis, CausedBy, Evidence, EvidenceSource, Finding, FindingKind};
use crate::report::name_probe::Observation;
use crate::report::query::{QueryStatus, ServerReply};
use crate::report::{Report, Via};
use crate::util::units;

/// Observations of one server, in the order of resolv.conf(5) or of the questions.
struct Server<'a> {
    name: String,
    place: Option<usize>,
    seen: Vec<Observation<'a>>,
}

impl Server<'_> {
    fn is_silent(&self) -> bool {
        self.seen.iter().any(Observation::is_silence)
            && !self.seen.iter().any(Observation::is_answer)
    }

    /// Time of the slowest usable answer about addresses.
    fn usable(&self) -> Option<Duration> {
        let is_usable = |it: &&Observation<'_>| {
            matches!(it.exchange.reply, ServerReply::Answered(Rcode::NOERROR | Rcode::NXDOMAIN))
        };
        self.seen.iter().filter(is_usable).map(|it| it.took).max()
    }

    fn evidence(&self) -> Vec<Evidence> {
        self.seen.iter().map(|it| EvidenceSource::Names.says(said(&self.name, it))).collect()
    }
}

/// Findings about the lookup of the name; none where it was fast and succeeded.
pub(super) fn name_findings(report: &Report) -> Vec<Finding> {
    let servers = servers(report);
    if servers.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<Finding> = half_answered(report, &servers).into_iter().collect();
    let has_failed = report.resolve.error.is_some();
    if report.is_lookup_slow() || has_failed {
        found.extend(silent_servers(report, &servers));
        found.extend(failing_servers(report, &servers));
    }
    let detour = search_list(report, &servers);
    if report.is_lookup_slow() && found.is_empty() && detour.is_none() {
        found.extend(slow_server(report, &servers).or_else(|| unexplained(report, &servers)));
    }
    found.extend(detour);
    found
}

/// Lines about what each name server did, for a lookup that failed.
pub(crate) fn server_lines(report: &Report) -> Vec<String> {
    if report.resolve.via == Via::Dns || report.resolve.error.is_none() {
        return Vec::new();
    }
    let lines = servers(report).into_iter().map(|server| {
        let mut did: Vec<String> = Vec::new();
        for it in &server.seen {
            let what = reply(it);
            if !did.contains(&what) {
                did.push(what);
            }
        }
        format!("name server {}: {}", server.name, did.join(", "))
    });
    lines.collect()
}

fn servers(report: &Report) -> Vec<Server<'_>> {
    let mut servers: Vec<Server<'_>> = Vec::new();
    for seen in report.observations() {
        if seen.exchange.reply == ServerReply::Pending {
            continue;
        }
        let name = name(&seen);
        match servers.iter_mut().find(|server| server.name == name) {
            Some(server) => server.seen.push(seen),
            None => {
                let place = seen.place.map(|(place, _)| place);
                servers.push(Server { name, place, seen: vec![seen] });
            }
        }
    }
    servers.sort_by_key(|server| server.place.unwrap_or(usize::MAX));
    servers
}

/// Address of a server, with its line of resolv.conf(5).
fn name(seen: &Observation<'_>) -> String {
    let server = &seen.exchange.server;
    match seen.place {
        Some((_, line)) => format!("{} ({}:{line})", server.host(), ResolvConf::PATH),
        None => server.endpoint(),
    }
}

fn said(server: &str, seen: &Observation<'_>) -> String {
    let (name, record_type) = (&seen.query.name, seen.query.type_names());
    format!("{server}: {record_type} {name} {}", reply(seen))
}

fn reply(seen: &Observation<'_>) -> String {
    let took = units::prose(seen.took);
    match &seen.exchange.reply {
        ServerReply::Pending => "no answer yet".to_owned(),
        ServerReply::Answered(rcode) => format!("{rcode} after {took}"),
        ServerReply::Truncated => format!("truncated answer after {took}"),
        ServerReply::Silent => format!("no answer within {took}"),
        ServerReply::Failed(failure) => crate::diagnose::cause::failure_text(failure),
    }
}

/// Finding about a server that answers one of A and AAAA.
fn half_answered(report: &Report, servers: &[Server<'_>]) -> Option<Finding> {
    let (aaaa, a) = ((RecordType::Aaaa, Family::Inet6), (RecordType::A, Family::Inet));
    let is_half = |server: &&Server<'_>, silent, other| {
        all(server, silent, |it| it.is_silence()) && all(server, other, |it| it.is_answer())
    };
    let half = |(silent, other): ((RecordType, Family), (RecordType, Family))| {
        let server = servers.iter().find(|server| is_half(server, silent.0, other.0))?;
        Some((server, silent, other.0))
    };
    let (server, (silent, family), answered) = half((aaaa, a)).or_else(|| half((a, aaaa)))?;
    let mut text = format!("name server {} does not answer {silent}, only {answered}", server.name);
    let mut evidence = server.evidence();
    if let (Some(service), Some(place)) = (&report.resolve.service, server.place) {
        let conf = &service.conf;
        if place == 0 && !conf.flags.no_aaaa {
            let wait = units::prose(conf.half_answered_wait());
            text += &format!("; programs that use getaddrinfo wait {wait} for it");
        }
        evidence.push(settings(report)?);
    }
    let cost = if report.is_lookup_slow() { report.lookup_took()? } else { Duration::ZERO };
    Some(Finding {
        kind: FindingKind::QuerySilent,
        caused_by: CausedBy::Query(family),
        cost,
        text,
        basis: Basis::Inference,
        evidence,
    })
}

/// Whether every message about this type to a server is of this kind, and there are some.
fn all(server: &Server<'_>, wanted: RecordType, is_it: impl Fn(&Observation<'_>) -> bool) -> bool {
    let mut asked = server.seen.iter().filter(|it| it.query.types == [wanted]).peekable();
    asked.peek().is_some() && asked.all(is_it)
}

/// Timeout and attempts of resolv.conf(5).
fn settings(report: &Report) -> Option<Evidence> {
    let conf = &report.resolve.service.as_ref()?.conf;
    let timeout = units::prose(conf.timeout);
    let text = format!("{}: timeout {timeout}, attempts {}", ResolvConf::PATH, conf.attempts);
    Some(EvidenceSource::File.says(text))
}

/// Findings about servers without any answer, and the next one that answers.
fn silent_servers(report: &Report, servers: &[Server<'_>]) -> Vec<Finding> {
    let answering = servers.iter().position(|server| server.usable().is_some());
    let until = answering.unwrap_or(servers.len());
    let silent: Vec<&Server<'_>> =
        servers[..until].iter().filter(|server| server.is_silent()).collect();
    let took = report.lookup_took().unwrap_or_default();
    let each = |(number, server): (usize, &&Server<'_>)| {
        let mut text = format!("name server {} does not answer", server.name);
        let mut evidence = server.evidence();
        if let Some(next) = answering.map(|at| &servers[at])
            && number + 1 == silent.len()
        {
            let after = units::prose(next.usable().unwrap_or_default());
            text += &format!("; {} answers in {after}", next.name);
            evidence.extend(next.evidence());
        }
        evidence.extend(settings(report));
        let conf = report.resolve.service.as_ref().map(|service| &service.conf);
        let wait = conf.zip(server.place).map(|(conf, place)| conf.system_wait(place));
        let is_of_system = report.resolve.via == Via::System;
        let own = server.seen.iter().map(|it| it.took).max().unwrap_or_default();
        let cost = wait.filter(|_| is_of_system).unwrap_or(own).min(took);
        Finding {
            kind: FindingKind::NameServerSilent,
            caused_by: CausedBy::Host,
            cost,
            text,
            basis: if is_of_system { Basis::Inference } else { Basis::Fact },
            evidence,
        }
    };
    silent.iter().enumerate().map(each).collect()
}

/// Findings about servers that refuse, fail or cannot be reached.
fn failing_servers(report: &Report, servers: &[Server<'_>]) -> Vec<Finding> {
    let failing = servers.iter().filter_map(|server| {
        let is_failure = |it: &&Observation<'_>| match &it.exchange.reply {
            ServerReply::Failed(_) => true,
            ServerReply::Answered(rcode) => !matches!(*rcode, Rcode::NOERROR | Rcode::NXDOMAIN),
            _ => false,
        };
        let first = server.seen.iter().find(is_failure)?;
        Some(Finding {
            kind: FindingKind::NameServerFailed,
            caused_by: CausedBy::Host,
            cost: first.took.min(report.lookup_took().unwrap_or_default()),
            text: format!("name server {}: {}", server.name, reply(first)),
            basis: Basis::Fact,
            evidence: server.evidence(),
        })
    });
    failing.collect()
}

/// Finding about names of the search list that were asked for first, and have no address.
fn search_list(report: &Report, servers: &[Server<'_>]) -> Option<Finding> {
    let took = report.lookup_took()?;
    let mut names: Vec<&str> = match &report.resolve.probe {
        Some(probe) => probe.names.iter().map(String::as_str).collect(),
        None => Vec::new(),
    };
    let seen = || servers.iter().flat_map(|server| &server.seen);
    for it in seen().filter(|_| report.resolve.probe.is_none()) {
        if !names.contains(&it.query.name.as_str()) {
            names.push(&it.query.name);
        }
    }
    let has = |name: &str, status: fn(QueryStatus) -> bool| {
        let mut asked = seen().filter(|it| it.query.name == name).peekable();
        asked.peek().is_some() && asked.all(|it| status(it.query.verdict()))
    };
    let found = names.iter().position(|name| {
        seen().any(|it| it.query.name == *name && it.query.verdict() == QueryStatus::Answered)
    })?;
    let before = &names[..found];
    if before.is_empty() || !before.iter().all(|name| has(name, QueryStatus::is_negative)) {
        return None;
    }
    let of = |name: &str| {
        let asked = seen().filter(|it| it.query.name == name);
        asked.map(|it| it.took).max().unwrap_or_default()
    };
    let cost = before.iter().map(|name| of(name)).sum::<Duration>().min(took);
    let names = match before {
        [one] => format!("1 name of the search list came first ({one})"),
        many => {
            let shown = many.iter().take(3).copied().collect::<Vec<_>>().join(", ");
            let more = if many.len() > 3 { ", ..." } else { "" };
            format!("{} names of the search list came first ({shown}{more})", many.len())
        }
    };
    let asked = seen().filter(|it| before.contains(&it.query.name.as_str()));
    let evidence = asked.map(|it| EvidenceSource::Names.says(said(&name(it), it)));
    Some(Finding {
        kind: FindingKind::SearchList,
        caused_by: CausedBy::Host,
        cost,
        text: format!("{names}; a dot at the end of the name avoids that"),
        basis: Basis::Inference,
        evidence: evidence.collect(),
    })
}

/// Finding about the only server that answers, which needs most of the time.
fn slow_server(report: &Report, servers: &[Server<'_>]) -> Option<Finding> {
    let took = report.lookup_took()?;
    let server = servers.iter().find(|server| server.usable().is_some())?;
    let slowest = server.usable().filter(|slowest| *slowest * 2 > took)?;
    Some(Finding {
        kind: FindingKind::NameServerSlow,
        caused_by: CausedBy::Host,
        cost: slowest.min(took),
        text: format!("name server {} took {} to answer", server.name, units::prose(slowest)),
        basis: Basis::Inference,
        evidence: server.evidence(),
    })
}

/// Finding about a slow lookup by servers that are fast now.
fn unexplained(report: &Report, servers: &[Server<'_>]) -> Option<Finding> {
    let took = report.lookup_took()?;
    let server = servers.iter().find(|server| server.usable().is_some())?;
    let (all, now) = (units::prose(took), units::prose(server.usable()?));
    Some(Finding {
        kind: FindingKind::SlowLookup,
        caused_by: CausedBy::Host,
        cost: took,
        text: format!("the lookup took {all}; name server {} answers in {now} now", server.name),
        basis: Basis::Fact,
        evidence: server.evidence(),
    })
}
