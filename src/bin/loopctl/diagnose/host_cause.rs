//! Causes of failed attempts that lie in this host: routes, interfaces, addresses, ports.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use loopctl::plan::Family;
use loopctl::{Failure, Interface, Phase, Route, RouteKind};

use crate::report::{Attempt, Outcome, Report};

/// Cause of a failed attempt that lies in this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HostCause<'a> {
    /// An entry of the routing table, or a rule, rejects or discards packets to the address.
    RejectingRoute(&'a Route),
    /// The route to an address elsewhere leads to the loopback interface.
    LoopbackRoute,
    /// The route leads to an interface without a link.
    NoCarrier(&'a str),
    /// No interface but loopback has an address of the family, and there is no route.
    NoAddress(Family),
    /// There is no interface of the requested name.
    NoInterface(&'a str),
    /// The requested interface is not the one that the routing table names.
    OtherInterface { requested: &'a str, usual: &'a str },
    /// The requested source is not an address of this host.
    NotOwnAddress(IpAddr),
    /// Every local port of the range is in use.
    NoFreePort(RangeInclusive<u16>),
    /// The address is one of this host, and full accept queues dropped this number of connections during the run.
    AcceptQueue(u64),
    /// The address is one of this host, and no accept queue of it was full: it dropped the packets itself.
    DroppedHere,
}

/// The cause of a failed attempt, if it lies in this host.
pub(crate) fn host_cause(report: &Report, number: usize) -> Option<HostCause<'_>> {
    let attempt = report.attempts.get(number)?;
    match &attempt.outcome {
        Outcome::Failure(Phase::Bind, failure) => {
            of_bind(report, failure.name()?, failure.local_address)
        }
        Outcome::Failure(Phase::Connect, failure) if failure.at_once => {
            of_refusal(report, attempt, failure.name()?)
        }
        Outcome::Timeout | Outcome::Canceled => of_silence(report, attempt),
        Outcome::Failure(Phase::Connect, failure)
            if matches!(failure.name(), Some("ETIMEDOUT" | "EHOSTUNREACH")) =>
        {
            of_silence(report, attempt)
        }
        _ => None,
    }
}

/// Cause of a failed bind(2), to an interface or to an address.
fn of_bind<'a>(
    report: &'a Report,
    errno: &str,
    address: Option<SocketAddr>,
) -> Option<HostCause<'a>> {
    let around = &report.surroundings;
    let requested = around.requested_interface.as_deref();
    match (errno, address) {
        ("ENODEV", None) => Some(HostCause::NoInterface(requested?)),
        ("EADDRNOTAVAIL", Some(address)) if around.has_address(address.ip()) == Some(false) => {
            Some(HostCause::NotOwnAddress(address.ip()))
        }
        // bind(2): with port 0, every port of the range is in use.
        ("EADDRINUSE", Some(address)) if address.port() == 0 => {
            Some(HostCause::NoFreePort(around.local_ports.clone()?))
        }
        _ => None,
    }
}

/// Cause of a connect(2) that failed before a packet left.
fn of_refusal<'a>(report: &'a Report, attempt: &'a Attempt, errno: &str) -> Option<HostCause<'a>> {
    let route = attempt.socket.route.as_ref()?;
    match (errno, route.kind) {
        ("EINVAL" | "EHOSTUNREACH" | "EACCES", kind) if is_rejecting(kind) => {
            Some(HostCause::RejectingRoute(route))
        }
        ("EADDRNOTAVAIL", _) if has_port_alone_missing(route) => {
            Some(HostCause::NoFreePort(report.surroundings.local_ports.clone()?))
        }
        ("ENETUNREACH" | "EADDRNOTAVAIL", RouteKind::None) => {
            let family = attempt.address.family()?;
            (!has_family(report, family)).then_some(HostCause::NoAddress(family))
        }
        _ => None,
    }
}

/// Whether a connect(2) failed because every local port is in use.
pub(crate) fn has_no_port(attempt: &Attempt, failure: &Failure) -> bool {
    let route = attempt.socket.route.as_ref();
    failure.at_once
        && failure.name() == Some("EADDRNOTAVAIL")
        && route.is_some_and(has_port_alone_missing)
}

/// Whether EADDRNOTAVAIL of connect(2) can mean a port only: there is a route, and an address to connect from.
fn has_port_alone_missing(route: &Route) -> bool {
    matches!(route.kind, RouteKind::Unicast | RouteKind::Local) && route.source.is_some()
}

/// Cause in this host of an attempt whose packets left, or seemed to.
fn of_silence<'a>(report: &'a Report, attempt: &'a Attempt) -> Option<HostCause<'a>> {
    let route = attempt.socket.route.as_ref()?;
    if attempt.is_on_this_host() && attempt.outcome != Outcome::Canceled {
        return Some(match report.surroundings.listen_overflows? {
            0 => HostCause::DroppedHere,
            count => HostCause::AcceptQueue(count),
        });
    }
    let name = route.interface.as_deref().filter(|_| route.kind == RouteKind::Unicast)?;
    let interface = report.surroundings.interface(name)?;
    let usual = attempt.socket.usual_route.as_ref().and_then(|usual| usual.interface.as_deref());
    match (report.surroundings.requested_interface.as_deref(), usual) {
        _ if interface.is_up && !interface.has_carrier => Some(HostCause::NoCarrier(name)),
        (Some(requested), Some(usual)) if requested != usual => {
            Some(HostCause::OtherInterface { requested, usual })
        }
        _ if is_loopback(interface) => Some(HostCause::LoopbackRoute),
        _ => None,
    }
}

/// Whether a route of this kind rejects or discards packets.
pub(crate) fn is_rejecting(kind: RouteKind) -> bool {
    matches!(kind, RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit)
}

fn is_loopback(interface: &Interface) -> bool {
    interface.addresses.iter().any(IpAddr::is_loopback)
}

/// Whether an interface beside loopback has an address of the family that reaches beyond its network.
fn has_family(report: &Report, family: Family) -> bool {
    let interfaces = report.surroundings.interfaces.iter();
    let mut others = interfaces.filter(|interface| !is_loopback(interface));
    others.any(|interface| {
        let mut addresses = interface.addresses.iter();
        interface.is_up && addresses.any(|ip| Family::of(ip) == family && !is_link_local(*ip))
    })
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// A rejecting route by its kind, and its entry: `blackhole 192.0.2.0/24`.
pub(crate) fn route_text(route: &Route) -> String {
    match route.entry {
        Some(entry) => format!("{} {entry}", route.kind.name()),
        None => route.kind.name().to_owned(),
    }
}

/// The interfaces of this host, by name.
pub(crate) fn interface_names(report: &Report) -> String {
    let interfaces = report.surroundings.interfaces.iter();
    let names: Vec<String> = interfaces.map(|interface| format!("`{}`", interface.name)).collect();
    names.join(", ")
}

/// The state of each interface beside loopback.
pub(crate) fn interface_states(report: &Report) -> String {
    let others =
        report.surroundings.interfaces.iter().filter(|it| !is_loopback(it) && it.name != "lo");
    let states: Vec<String> = others
        .map(|interface| {
            let state = match (interface.is_up, interface.has_carrier) {
                (false, _) => "down",
                (true, false) => "no carrier",
                (true, true) => "up",
            };
            format!("`{}` {state}", interface.name)
        })
        .collect();
    if states.is_empty() { "no interface beside `lo`".to_owned() } else { states.join(", ") }
}

/// NAT64 of this network (RFC 7050), if it is known whether there is one.
pub(crate) fn nat64_text(report: &Report, attempt: &Attempt) -> Option<String> {
    let to = attempt.address.as_inet()?;
    Some(match report.nat64_of(to.ip())? {
        Some(ip) => {
            let ip = SocketAddr::from((ip, to.port()));
            format!("the NAT64 prefix of this network makes it `{ip}`")
        }
        None => "its name servers know no NAT64 prefix (RFC 7050)".to_owned(),
    })
}

/// Addresses of this host of a family, without loopback.
pub(crate) fn own_addresses(report: &Report, family: Family) -> String {
    /// A host with more addresses has a tool to list them.
    const MAX: usize = 6;
    let interfaces = report.surroundings.interfaces.iter();
    let addresses = interfaces.flat_map(|interface| &interface.addresses);
    let shown = addresses.filter(|ip| Family::of(ip) == family && !ip.is_loopback());
    let mut shown: Vec<String> = shown.map(ToString::to_string).collect();
    if shown.len() > MAX {
        let more = shown.len() - MAX;
        shown.truncate(MAX);
        shown.push(format!("and {more} more"));
    }
    if shown.is_empty() { "loopback only".to_owned() } else { shown.join(", ") }
}
