//! Hosts to listen on.

use std::net::IpAddr;

use crate::plan::Host;

/// One host, several hosts, or all interfaces: the parameter `host` of asyncio's `create_server`.
///
/// An empty string means all interfaces of every family. Names are resolved; duplicate addresses are bound once.
///
/// ```
/// use loopctl::Hosts;
///
/// assert_eq!(Hosts::from("127.0.0.1"), Hosts::from(["127.0.0.1"]));
/// assert_eq!(Hosts::all(), Hosts::from(""));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts(Vec<Host>);

impl Hosts {
    /// All interfaces of every family.
    pub fn all() -> Self {
        Self::from("")
    }

    pub(super) fn into_vec(self) -> Vec<Host> {
        self.0
    }
}

impl From<Host> for Hosts {
    fn from(host: Host) -> Self {
        Self(vec![host])
    }
}

impl From<&str> for Hosts {
    fn from(host: &str) -> Self {
        Host::from(host).into()
    }
}

impl From<String> for Hosts {
    fn from(host: String) -> Self {
        Host::from(host).into()
    }
}

impl From<IpAddr> for Hosts {
    fn from(address: IpAddr) -> Self {
        Host::from(address).into()
    }
}

impl<H: Into<Host>> From<Vec<H>> for Hosts {
    fn from(hosts: Vec<H>) -> Self {
        Self(hosts.into_iter().map(Into::into).collect())
    }
}

impl<H: Into<Host>, const N: usize> From<[H; N]> for Hosts {
    fn from(hosts: [H; N]) -> Self {
        Self(hosts.into_iter().map(Into::into).collect())
    }
}
