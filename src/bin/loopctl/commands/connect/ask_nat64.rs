//! Question about NAT64 (RFC 7050), where this host has no IPv4 and an IPv4 address was tried.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use loopctl::plan::{Family, Host, Port};
use loopctl::{AddrInfo, DnsErrorKind, EaiCode, Lookup, LoopHandle, ResolveError, Resolver as _};

use super::Session;
use crate::config::Format;
use crate::diagnose::host_cause::{HostCause, host_cause};
use crate::report::{Report, nat64};

/// Longest wait for the answer.
const MAX_WAIT: Duration = Duration::from_secs(1);

impl Session {
    /// Adds the addresses of the well-known name, if they can matter.
    pub(super) async fn ask_nat64(&self, event_loop: &LoopHandle, report: &mut Report) {
        let lacks_ipv4 =
            |number| host_cause(report, number) == Some(HostCause::NoAddress(Family::Inet));
        let is_shown = self.request.output.format != Format::Quiet;
        if !is_shown || !(0..report.attempts.len()).any(lacks_ipv4) {
            return;
        }
        let name = Lookup::new(Host::from(nat64::NAME), Port::Number(0)).family(Family::Inet6);
        let client = self.plain_client(event_loop, report.resolve.via);
        let asking = async {
            match client {
                Some(client) => client.resolve(name).await,
                None => event_loop.getaddrinfo_of_family(name).await,
            }
        };
        let limited = event_loop.timeout(MAX_WAIT, asking);
        if let Some(Ok(answer)) = self.token.run_until_cancelled(limited).await {
            report.surroundings.nat64 = addresses(answer);
        }
    }
}

/// The IPv6 addresses of an answer; `None` if it does not say whether there are any.
fn addresses(answer: Result<Vec<AddrInfo>, ResolveError>) -> Option<Vec<Ipv6Addr>> {
    let of = |info: AddrInfo| match info.address.ip() {
        IpAddr::V6(ip) => Some(ip),
        IpAddr::V4(_) => None,
    };
    match answer {
        Ok(found) => Some(found.into_iter().filter_map(of).collect()),
        Err(error) if is_negative(&error) => Some(Vec::new()),
        Err(_) => None,
    }
}

fn is_negative(error: &ResolveError) -> bool {
    match error {
        ResolveError::Dns(error) => {
            matches!(error.kind, DnsErrorKind::NxDomain | DnsErrorKind::NoData)
        }
        error => error.code().is_some_and(|code| {
            [EaiCode::NONAME, EaiCode::NODATA, EaiCode::ADDRFAMILY].contains(&code)
        }),
    }
}
