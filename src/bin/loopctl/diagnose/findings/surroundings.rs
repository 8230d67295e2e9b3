//! Findings about this host: routes, interfaces, addresses, ports, proxy variables.

use std::time::Duration;

use loopctl::plan::Family;

use super::syn_resent::overflow_evidence;
use super::{Basis, CausedBy, Evidence, EvidenceSource, Finding, FindingKind};
use crate::config::proxy::{Proxy, ProxyClients};
use crate::diagnose::cause::ip_text;
use crate::diagnose::host_cause::{
    HostCause, host_cause, interface_names, interface_states, nat64_text, own_addresses, route_text,
};
use crate::report::family::FamilyNames as _;
use crate::report::{Attempt, Report, nat64};

/// Findings about each failed attempt, then about the environment.
pub(super) fn surroundings_findings(report: &Report) -> Vec<Finding> {
    let attempts = report.attempts.iter().enumerate();
    let found = attempts.filter_map(|(number, attempt)| {
        let cause = host_cause(report, number)?;
        let (kind, text) = words(report, attempt, &cause)?;
        Some(Finding {
            kind,
            caused_by: CausedBy::Attempt(number),
            cost: Duration::ZERO,
            text,
            basis: basis(&cause),
            evidence: evidence(report, attempt, &cause),
        })
    });
    found.chain(report.surroundings.proxy.as_ref().map(proxy_finding)).collect()
}

/// Route of an attempt, as evidence.
pub(super) fn route_evidence(attempt: &Attempt) -> Option<Evidence> {
    let route = attempt.socket.route.as_ref()?;
    let mut text = route_text(route);
    if let Some(gateway) = route.gateway {
        text += &format!(" via {gateway}");
    }
    if let Some(interface) = &route.interface {
        text += &format!(" dev {interface}");
    }
    if let Some(source) = route.source {
        text += &format!(" src {source}");
    }
    Some(EvidenceSource::Routes.says(format!("route to {}: {text}", ip_text(attempt))))
}

/// Kind and text. A route that rejects is part of the finding about its attempt.
fn words(
    report: &Report,
    attempt: &Attempt,
    cause: &HostCause<'_>,
) -> Option<(FindingKind, String)> {
    let address = ip_text(attempt);
    Some(match cause {
        HostCause::RejectingRoute(_) => return None,
        HostCause::LoopbackRoute => (
            FindingKind::WrongRoute,
            format!("`{address}`: its route leads to `lo`, so its packets do not leave this host"),
        ),
        HostCause::NoCarrier(interface) => (
            FindingKind::InterfaceDown,
            format!("`{address}`: its interface `{interface}` has no carrier"),
        ),
        HostCause::NoAddress(family) => {
            let (family, states) = (family.ip_version(), interface_states(report));
            let nat64 =
                nat64_text(report, attempt).map_or_else(String::new, |it| format!("; {it}"));
            let text = format!(
                "`{address}`: this host has no {family} address and no route ({states}){nat64}"
            );
            (FindingKind::NoAddress, text)
        }
        HostCause::NoInterface(name) => {
            let names = interface_names(report);
            let text = format!("there is no interface `{name}`; the interfaces here are: {names}");
            (FindingKind::NoInterface, text)
        }
        HostCause::OtherInterface { requested, usual } => (
            FindingKind::WrongRoute,
            format!(
                "`{address}`: its route leads to `{usual}`, not to `{requested}` (--interface)"
            ),
        ),
        HostCause::NotOwnAddress(source) => {
            let own = own_addresses(report, Family::of(source));
            let text = format!("`{source}` is not an address of this host; its addresses: {own}");
            (FindingKind::NotOwnAddress, text)
        }
        HostCause::AcceptQueue(_) => (
            FindingKind::AcceptQueue,
            format!("`{address}`: the accept queue of a service on this host is full"),
        ),
        HostCause::DroppedHere => (
            FindingKind::DroppedHere,
            format!("`{address}`: this host drops the packets, and no accept queue of it was full"),
        ),
        HostCause::NoFreePort(range) => {
            let (first, last) = (range.start(), range.end());
            let text = format!(
                "`{address}`: no local port is free; the kernel chooses from {first} to {last}"
            );
            (FindingKind::NoFreePort, text)
        }
    })
}

fn basis(cause: &HostCause<'_>) -> Basis {
    match cause {
        HostCause::NoFreePort(_) | HostCause::AcceptQueue(_) | HostCause::DroppedHere => {
            Basis::Inference
        }
        _ => Basis::Fact,
    }
}

fn evidence(report: &Report, attempt: &Attempt, cause: &HostCause<'_>) -> Vec<Evidence> {
    let mut evidence = super::attempts::evidence(attempt);
    match cause {
        HostCause::NoFreePort(range) => {
            let (first, last) = (range.start(), range.end());
            let text = format!("net.ipv4.ip_local_port_range is {first} to {last}");
            evidence.push(EvidenceSource::File.says(text));
        }
        HostCause::AcceptQueue(count) => evidence.push(overflow_evidence(*count)),
        HostCause::DroppedHere => evidence.push(overflow_evidence(0)),
        HostCause::OtherInterface { usual, .. } => {
            let text = format!("without --interface the route leads to {usual}");
            evidence.push(EvidenceSource::Routes.says(text));
        }
        _ => {
            let text = format!("interfaces: {}", interface_states(report));
            evidence.push(EvidenceSource::Routes.says(text));
        }
    }
    if let (HostCause::NoAddress(_), Some(known)) = (cause, &report.surroundings.nat64) {
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        evidence.push(EvidenceSource::Names.says(format!("AAAA of {}: {known}", nat64::NAME)));
    }
    evidence
}

/// Finding about a proxy that this run did not use.
fn proxy_finding(proxy: &Proxy) -> Finding {
    let Proxy { variable, url, clients } = proxy;
    let clients = match clients {
        ProxyClients::Http => "HTTP clients",
        ProxyClients::Https => "HTTPS clients",
        ProxyClients::All => "clients that obey it",
    };
    let text =
        format!("{variable} is set: most {clients} connect through `{url}`, and this run did not");
    Finding {
        kind: FindingKind::Proxy,
        caused_by: CausedBy::Host,
        cost: Duration::ZERO,
        text,
        basis: Basis::Inference,
        evidence: vec![EvidenceSource::Environment.says(format!("{variable}={url}"))],
    }
}
