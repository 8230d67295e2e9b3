//! Hints about causes that lie in this host.

use loopctl::plan::Family;

use crate::diagnose::cause::ip_text;
use crate::diagnose::host_cause::{
    HostCause, host_cause, interface_names, interface_states, nat64_text, own_addresses, route_text,
};
use crate::report::Report;
use crate::report::family::FamilyNames as _;

/// Hint about the first attempt that failed because of this host.
pub(super) fn hint_for_host(report: &Report) -> Option<String> {
    let numbers = 0..report.attempts.len();
    let (number, cause) =
        numbers.filter_map(|number| Some((number, host_cause(report, number)?))).next()?;
    let address = ip_text(&report.attempts[number]);
    Some(match cause {
        HostCause::RejectingRoute(route) => {
            let at = match route.entry {
                Some(_) => "`ip route show table all` lists it",
                None => "see `ip rule`",
            };
            format!("this host has the route `{}` for `{address}`: {at}", route_text(route))
        }
        HostCause::LoopbackRoute => {
            format!("the route to `{address}` leads to `lo`: `ip route get {address}` shows it")
        }
        HostCause::NoCarrier(name) => format!(
            "interface `{name}` has no carrier: check its cable or its peer (`ip link show {name}`)"
        ),
        HostCause::NoAddress(family) => {
            let (family, states) = (family.ip_version(), interface_states(report));
            let nat64 = nat64_text(report, &report.attempts[number]);
            let nat64 = nat64.map_or_else(String::new, |it| format!("; {it}"));
            format!("this host has no {family} address beside loopback: {states}{nat64}")
        }
        HostCause::NoInterface(name) => format!(
            "there is no interface `{name}`; the interfaces here are: {}",
            interface_names(report)
        ),
        HostCause::OtherInterface { requested, usual } => format!(
            "the routing table sends packets to `{address}` through `{usual}`, not `{requested}`: omit --interface"
        ),
        HostCause::NotOwnAddress(source) => format!(
            "the source `{source}` is not an address of this host; its addresses: {}",
            own_addresses(report, Family::of(&source))
        ),
        HostCause::AcceptQueue(_) => {
            let port = report.attempts[number].address.as_inet().map_or(0, |to| to.port());
            format!(
                "the accept queue of a service on this host is full: `ss -lnt sport = :{port}` shows it (Recv-Q over Send-Q)"
            )
        }
        HostCause::DroppedHere => format!(
            "packets to `{address}` do not leave this host, and this host drops them: see `nft list ruleset` and `iptables -S`"
        ),
        HostCause::NoFreePort(range) => format!(
            "no local port is free ({} to {}, net.ipv4.ip_local_port_range): `ss -s` counts the sockets that use them",
            range.start(),
            range.end()
        ),
    })
}
