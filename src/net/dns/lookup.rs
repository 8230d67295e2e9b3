//! Address lookup: hosts file, search list, AAAA and A queries, and address sorting.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::answer::DnsAnswer;
use super::client::DnsClient;
use super::error::{DnsError, DnsErrorKind};
use super::{DnsData, RecordType};
use crate::net::resolver::{Resolver, Resolving, source_address};
use crate::net::{AddrInfo, AddrInfoFlags, Lookup, ResolveError};
use crate::plan::{Destination, Family, Host, sort_destinations};

/// Result of an address lookup.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DnsLookup {
    /// Addresses, sorted by RFC 6724.
    pub addresses: Vec<DnsAddress>,
    /// Whether the addresses are from the hosts file. No query was sent then.
    pub is_from_hosts: bool,
    /// All queries, in the order in which they started.
    pub queries: Vec<Result<DnsAnswer, DnsError>>,
}

/// Address of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DnsAddress {
    /// Address, its source address, and the rule that placed it.
    pub destination: Destination,
    /// Time for which the address may be cached; `None` from the hosts file.
    pub ttl: Option<Duration>,
}

impl DnsLookup {
    /// Reason why there is no address: the failure that leaves the most open.
    pub fn error(&self) -> Option<&DnsError> {
        let failures = self.queries.iter().filter_map(|query| query.as_ref().err());
        let failures = failures.filter(|_| self.addresses.is_empty());
        // The last of equals is about the name as typed, unless that was queried first.
        failures.max_by_key(|error| uncertainty(error.kind))
    }

    fn canonical_name(&self) -> Option<String> {
        let answer = self.queries.iter().find_map(|query| query.as_ref().ok())?;
        Some(answer.canonical_name().trim_end_matches('.').to_owned())
    }
}

/// Rank of a failure, by how little it says about the existence of the name.
fn uncertainty(kind: DnsErrorKind) -> u8 {
    match kind {
        DnsErrorKind::NxDomain => 0,
        DnsErrorKind::NoData => 1,
        DnsErrorKind::ServFail => 2,
        _ => 3,
    }
}

/// Names that a lookup for one family covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SearchScope {
    /// Same as getaddrinfo: continues after a hosts file entry, or a NODATA answer, without an address of the family.
    Everywhere,
    /// Stops at the first name that exists. A connection queries the other family at the same time, and both must
    /// find the same host.
    OneHost,
}

impl DnsClient {
    /// Looks up the addresses of a host as getaddrinfo does, with every query traced. The hosts file comes first,
    /// then the names of the search list until one has an address.
    ///
    /// Names that end in `localhost` are loopback addresses (RFC 6761 section 6.3). The search continues after
    /// NXDOMAIN, NODATA and SERVFAIL, as in glibc. A timeout or another failure ends it.
    ///
    /// ```
    /// use loopctl::{DnsClient, DnsServer, plan::Family};
    ///
    /// let found = loopctl::run(async |event_loop| {
    ///     let nobody: DnsServer = "127.0.0.1:9".parse()?;
    ///     let hosts = "192.0.2.1 printer\n2001:db8::1 printer\n";
    ///     let client = DnsClient::builder().servers([nobody]).hosts(hosts).build(&event_loop)?;
    ///     Ok::<_, loopctl::DnsConfigError>(client.lookup("printer", Family::Inet).await)
    /// })??;
    /// assert_eq!(found.addresses[0].destination.address.to_string(), "192.0.2.1");
    /// assert!(found.is_from_hosts && found.queries.is_empty());
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    pub async fn lookup(&self, name: &str, family: Family) -> DnsLookup {
        self.search(name, family, SearchScope::Everywhere).await
    }

    async fn search(&self, name: &str, family: Family, scope: SearchScope) -> DnsLookup {
        let known = self.core.config.hosts.find(name).unwrap_or_default();
        let is_elsewhere = scope == SearchScope::OneHost && !known.is_empty();
        let wanted = known.into_iter().filter(|ip| family.admits(Family::of(ip)));
        let addresses = in_order(wanted.map(|address| (address, None)).collect());
        let is_from_hosts = is_elsewhere || !addresses.is_empty();
        let mut lookup = DnsLookup { addresses, is_from_hosts, queries: Vec::new() };
        if is_from_hosts {
            return lookup;
        }
        for name in self.core.config.search.names(name) {
            let answers = self.ask_families(&name, family).await;
            let found = answers.iter().flatten().flat_map(found_in).collect::<Vec<_>>();
            let ends = |query: &Result<_, DnsError>| match query {
                Err(error)
                    if scope == SearchScope::OneHost && error.kind == DnsErrorKind::NoData =>
                {
                    true
                }
                Err(error) => uncertainty(error.kind) > 2,
                Ok(_) => false,
            };
            let is_over = !found.is_empty() || answers.iter().any(ends);
            lookup.queries.extend(answers);
            if is_over {
                lookup.addresses = in_order(found);
                break;
            }
        }
        lookup
    }

    /// Queries AAAA and A at the same time, unless resolv.conf has `single-request`.
    async fn ask_families(&self, name: &str, family: Family) -> Vec<Result<DnsAnswer, DnsError>> {
        let options = self.core.config.options;
        let wants_v6 =
            family.admits(Family::Inet6) && (!options.no_ipv6 || family == Family::Inet6);
        let wants_v4 = family.admits(Family::Inet);
        let v6 =
            async { if wants_v6 { Some(self.query(name, RecordType::Aaaa).await) } else { None } };
        let v4 =
            async { if wants_v4 { Some(self.query(name, RecordType::A).await) } else { None } };
        let (v6, v4) =
            if options.one_at_a_time { (v6.await, v4.await) } else { both(v6, v4).await };
        [v6, v4].into_iter().flatten().collect()
    }

    async fn addresses(&self, lookup: Lookup) -> Result<Vec<AddrInfo>, ResolveError> {
        let Host::Name(name) = lookup.host() else {
            return self.core.event_loop.getaddrinfo(lookup).await;
        };
        // Zones need the system's interface names, and NUMERICHOST forbids queries.
        let is_for_system = name.is_empty() || name.contains(['%', ':']);
        if is_for_system || lookup.has(AddrInfoFlags::NUMERICHOST) {
            return self.core.event_loop.getaddrinfo(lookup).await;
        }
        let port = self.core.event_loop.port_of(&lookup).await?;
        let family = lookup.wanted_family();
        let scope = if family == Family::Unspecified {
            SearchScope::Everywhere
        } else {
            SearchScope::OneHost
        };
        let found = self.search(name, family, scope).await;
        if let Some(error) = found.error() {
            return Err(ResolveError::Dns(Box::new(error.clone())));
        }
        if found.addresses.is_empty() {
            return Err(ResolveError::NoAddresses { host: name.clone() });
        }
        let wants_name = lookup.has(AddrInfoFlags::CANONNAME);
        let mut canonical_name = if wants_name { found.canonical_name() } else { None };
        let ips = found.addresses.iter().map(|found| found.destination.address);
        let infos = ips.map(|ip| {
            let info = lookup.info_of(ip, port);
            AddrInfo { canonical_name: canonical_name.take(), ..info }
        });
        Ok(infos.collect())
    }
}

/// Looks up names. Addresses, zones and services are left to the system. The flags `CANONNAME`, `NUMERICHOST` and
/// `NUMERICSERV` are supported.
impl Resolver for DnsClient {
    fn resolve(&self, lookup: Lookup) -> Resolving<'_> {
        Box::pin(self.addresses(lookup))
    }
}

type Found = (IpAddr, Option<Duration>);

fn found_in(answer: &DnsAnswer) -> Vec<Found> {
    let ttl = answer.ttl();
    let addresses =
        answer.matching().filter(|record| matches!(record.data, DnsData::A(_) | DnsData::Aaaa(_)));
    addresses.filter_map(|record| Some((record.data.address()?, ttl))).collect()
}

fn in_order(found: Vec<Found>) -> Vec<DnsAddress> {
    let mut ttls = HashMap::new();
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (address, ttl) in found {
        if let Entry::Vacant(first) = ttls.entry(address) {
            first.insert(ttl);
            addresses.push(address);
        }
    }
    let sorted = sort_destinations(addresses, source_address).into_iter();
    let with_ttl = sorted.map(|destination| {
        let ttl = ttls.get(&destination.address).copied().flatten();
        DnsAddress { destination, ttl }
    });
    with_ttl.collect()
}

/// Runs two futures at the same time until both are complete.
async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut first, mut second) = (None, None);
    poll_fn(|cx| {
        if first.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(cx)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(cx)
        {
            second = Some(value);
        }
        match (first.take(), second.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            unfinished => {
                (first, second) = unfinished;
                Poll::Pending
            }
        }
    })
    .await
}
