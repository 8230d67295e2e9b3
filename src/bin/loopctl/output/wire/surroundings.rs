//! State of this host in the document of a connection.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::Word;

/// State of this host around a connection.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Surroundings {
    /// Network interfaces, read after an attempt failed.
    pub(crate) interfaces: Vec<Interface>,
    /// Ports that the kernel chooses for sockets without one.
    pub(crate) local_ports: Option<LocalPorts>,
    /// IPv6 addresses of ipv4only.arpa, which show a NAT64 prefix (RFC 7050); empty: there is none; null: not asked,
    /// or without an answer.
    pub(crate) nat64: Option<Vec<String>>,
    /// Proxy that HTTP clients would use for the target; this program does not.
    pub(crate) proxy: Option<Proxy>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Interface {
    pub(crate) name: String,
    /// Whether it is set up (IFF_UP).
    pub(crate) up: bool,
    /// Whether its link works (IFF_LOWER_UP).
    pub(crate) carrier: bool,
    pub(crate) addresses: Vec<String>,
}

/// Range of local ports (net.ipv4.ip_local_port_range).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct LocalPorts {
    pub(crate) first: u16,
    pub(crate) last: u16,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Proxy {
    /// Environment variable.
    pub(crate) variable: Word,
    /// Value of the variable; a password is replaced by ***.
    pub(crate) url: String,
}

/// Route of this host to an address, as `ip route get` shows it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Route {
    /// Kind of the route. blackhole, unreachable and prohibit reject or discard packets; none: there is no route.
    #[schemars(extend("enum" = ["unicast", "local", "broadcast", "blackhole", "unreachable", "prohibit", "none"]))]
    pub(crate) kind: Word,
    pub(crate) gateway: Option<String>,
    pub(crate) interface: Option<String>,
    /// Local address that packets leave from.
    pub(crate) source: Option<String>,
    /// Entry of the routing table that rejects or discards, such as 192.0.2.0/24.
    pub(crate) entry: Option<String>,
}
