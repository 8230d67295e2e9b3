//! State of this host in the document of a connection.

use crate::output::wire::surroundings::{Interface, LocalPorts, Proxy, Route, Surroundings};
use crate::report::Report;

/// `None` if nothing was read.
pub(crate) fn surroundings(report: &Report) -> Option<Surroundings> {
    let around = &report.surroundings;
    if around.interfaces.is_empty() && around.proxy.is_none() {
        return None;
    }
    let ports = around.local_ports.as_ref();
    Some(Surroundings {
        interfaces: around.interfaces.iter().map(interface).collect(),
        local_ports: ports.map(|it| LocalPorts { first: *it.start(), last: *it.end() }),
        nat64: around.nat64.as_ref().map(|known| known.iter().map(ToString::to_string).collect()),
        proxy: around
            .proxy
            .as_ref()
            .map(|proxy| Proxy { variable: proxy.variable.into(), url: proxy.url.clone() }),
    })
}

fn interface(interface: &loopctl::Interface) -> Interface {
    Interface {
        name: interface.name.clone(),
        up: interface.is_up,
        carrier: interface.has_carrier,
        addresses: interface.addresses.iter().map(ToString::to_string).collect(),
    }
}

pub(crate) fn route(route: &loopctl::Route) -> Route {
    Route {
        kind: route.kind.name().into(),
        gateway: route.gateway.map(|ip| ip.to_string()),
        interface: route.interface.clone(),
        source: route.source.map(|ip| ip.to_string()),
        entry: route.entry.map(|entry| entry.to_string()),
    }
}
