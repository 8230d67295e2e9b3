//! Address order of the system, of the name servers and of a connection, and the rules of RFC 6724 behind it.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use loopctl::plan::{DestinationRule, Family, interleave, sort_destinations};

/// One address, its ranks, and the reason for its rank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddressRow {
    pub(crate) ip: IpAddr,
    /// Rank in each list, counted from 1.
    pub(crate) ranks: Ranks,
    pub(crate) ttl: Option<Duration>,
    /// Source address that this host would use.
    pub(crate) source: Option<IpAddr>,
    pub(crate) reason: Option<RankReason>,
}

/// Reason for the rank of an address in the order of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RankReason {
    NotFromSystem,
    NotFromDns,
    /// No source address of this family, or no route (RFC 6724, section 6, rule 1).
    NoSource(Family),
    Before(IpAddr, DestinationRule),
    After(IpAddr, DestinationRule),
    /// Before this IPv4 address by the longest prefix, as in glibc.
    LongerPrefix(IpAddr),
    /// Before this address in the system's order, by no rule of RFC 6724.
    SystemOrder(IpAddr),
    /// System's order of two addresses, which contradicts the rule.
    AgainstRule {
        first: IpAddr,
        second: IpAddr,
        rule: DestinationRule,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ranks {
    pub(crate) system: Option<usize>,
    pub(crate) dns: Option<usize>,
    pub(crate) connect: Option<usize>,
}

/// Addresses found, each list in the order of its source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// `None` if the system was not queried.
    pub(crate) system: Option<Vec<IpAddr>>,
    /// Addresses of A records, then of AAAA records, in the order of the answers.
    pub(crate) dns: Option<Vec<(IpAddr, Option<Duration>)>>,
    /// Whether a connection would use the addresses of the name servers.
    pub(crate) dns_leads: bool,
}

/// Rows for all addresses: first the candidates of a connection, in the order of the attempts.
///
/// `first` is the First Address Family Count; 0 keeps the resolver's order.
pub(crate) fn rows(
    found: &Found,
    first: usize,
    source: impl Fn(IpAddr) -> Option<IpAddr>,
) -> Vec<AddressRow> {
    let (system, dns) = (unique(found.system.iter().flatten().copied()), dns_order(found));
    let every = unique(system.iter().chain(&dns).copied());
    // Each address is asked for once, because the system answers.
    let sources: HashMap<IpAddr, Option<IpAddr>> =
        every.iter().map(|ip| (*ip, source(*ip))).collect();
    let source = |ip: IpAddr| sources.get(&ip).copied().flatten();
    let leading = if found.dns_leads {
        let sorted = sort_destinations(dns.iter().copied(), source).into_iter();
        sorted.map(|it| it.address).collect()
    } else {
        system.clone()
    };
    let connecting = match first {
        0 => leading.clone(),
        count => interleave(leading.iter().copied(), count, Family::of),
    };
    let every = unique(connecting.iter().chain(&every).copied());
    let mut ttls = HashMap::new();
    for (ip, ttl) in found.dns.iter().flatten() {
        ttls.entry(*ip).or_insert(*ttl);
    }
    let [system, dns, connecting] = [system, dns, connecting].map(|list| ranked(&list));
    let overtaken = overtaken(&leading, &dns);
    let places = ranked(&leading);
    let orders = Orders { found, system, dns, leading, places, overtaken, source: &source };
    let row = |ip: IpAddr| AddressRow {
        ip,
        ranks: Ranks {
            system: orders.system.get(&ip).copied(),
            dns: orders.dns.get(&ip).copied(),
            connect: connecting.get(&ip).copied(),
        },
        ttl: ttls.get(&ip).copied().flatten(),
        source: source(ip),
        reason: orders.reason(ip),
    };
    every.into_iter().map(row).collect()
}

fn dns_order(found: &Found) -> Vec<IpAddr> {
    unique(found.dns.iter().flatten().map(|(ip, _)| *ip))
}

fn unique(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut seen = HashSet::new();
    addresses.filter(|ip| seen.insert(*ip)).collect()
}

/// Rank of each address, counted from 1.
fn ranked(order: &[IpAddr]) -> HashMap<IpAddr, usize> {
    order.iter().zip(1..).map(|(ip, rank)| (*ip, rank)).collect()
}

/// For each place, the first address after it that the name servers list before its own.
fn overtaken(leading: &[IpAddr], dns: &HashMap<IpAddr, usize>) -> Vec<Option<IpAddr>> {
    let mut overtaken = vec![None; leading.len()];
    // Later addresses with their ranks. Those behind a smaller rank are never the first.
    let mut later: Vec<(usize, IpAddr)> = Vec::new();
    for (place, ip) in leading.iter().enumerate().rev() {
        let Some(rank) = dns.get(ip) else { continue };
        while later.last().is_some_and(|(other, _)| other > rank) {
            later.pop();
        }
        overtaken[place] = later.last().map(|(_, ip)| *ip);
        later.push((*rank, *ip));
    }
    overtaken
}

/// Lists that determine the rank of an address. An answer may have thousands, so each is looked up in constant time.
struct Orders<'a, S> {
    found: &'a Found,
    system: HashMap<IpAddr, usize>,
    dns: HashMap<IpAddr, usize>,
    /// Order of a connection, before families are interleaved.
    leading: Vec<IpAddr>,
    /// Ranks in `leading`.
    places: HashMap<IpAddr, usize>,
    /// By place in `leading`.
    overtaken: Vec<Option<IpAddr>>,
    source: &'a S,
}

impl<S: Fn(IpAddr) -> Option<IpAddr>> Orders<'_, S> {
    /// Reason for the rank of an address: before one that name servers list first, or else
    /// after the previous one.
    fn reason(&self, ip: IpAddr) -> Option<RankReason> {
        if self.found.system.is_some() && !self.system.contains_key(&ip) && !self.system.is_empty()
        {
            return Some(RankReason::NotFromSystem);
        }
        if self.found.dns.is_some() && !self.dns.contains_key(&ip) && !self.dns.is_empty() {
            return Some(RankReason::NotFromDns);
        }
        if (self.source)(ip).is_none() {
            return Some(RankReason::NoSource(Family::of(&ip)));
        }
        let at = self.places.get(&ip)? - 1;
        if let Some(other) = self.overtaken[at] {
            return Some(self.before(ip, other));
        }
        let previous = *self.leading.get(at.checked_sub(1)?)?;
        match self.compare(previous, ip) {
            (true, DestinationRule::Unchanged) => None,
            (true, rule) => Some(RankReason::After(previous, rule)),
            (false, rule) => Some(RankReason::AgainstRule { first: previous, second: ip, rule }),
        }
    }

    /// Reason why `ip` is before `other`, although name servers list it later.
    fn before(&self, ip: IpAddr, other: IpAddr) -> RankReason {
        match self.compare(ip, other) {
            (true, DestinationRule::Unchanged) if self.is_nearer(ip, other) => {
                RankReason::LongerPrefix(other)
            }
            (true, DestinationRule::Unchanged) => RankReason::SystemOrder(other),
            (true, rule) => RankReason::Before(other, rule),
            (false, rule) => RankReason::AgainstRule { first: ip, second: other, rule },
        }
    }

    /// Order of `a` and `b` by RFC 6724, and the deciding rule.
    fn compare(&self, a: IpAddr, b: IpAddr) -> (bool, DestinationRule) {
        let sorted = sort_destinations([a, b], self.source);
        let rule = sorted.last().and_then(|it| it.rule).unwrap_or(DestinationRule::Unchanged);
        (sorted.first().is_some_and(|it| it.address == a), rule)
    }

    /// Rule 9 as glibc applies it: to IPv4 as well, within the subnet of the source.
    fn is_nearer(&self, ip: IpAddr, other: IpAddr) -> bool {
        let common = |to: IpAddr| match (to, (self.source)(to)) {
            (IpAddr::V4(to), Some(IpAddr::V4(source))) => Some(bits_in_common(to, source)),
            _ => None,
        };
        matches!((common(ip), common(other)), (Some(mine), Some(other)) if mine > other)
    }
}

fn bits_in_common(a: Ipv4Addr, b: Ipv4Addr) -> u32 {
    (u32::from(a) ^ u32::from(b)).leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().copied().map(ip).collect()
    }

    fn found(system: &[&str], dns: &[&str]) -> Found {
        let dns = ips(dns).into_iter().map(|ip| (ip, Some(Duration::from_secs(60))));
        Found { system: Some(ips(system)), dns: Some(dns.collect()), dns_leads: false }
    }

    /// Source addresses of the test host: 10.77.0.1/24 and fd77::1/64.
    fn source(to: IpAddr) -> Option<IpAddr> {
        let own = if to.is_ipv4() { "10.77.0.1" } else { "fd77::1" };
        own.parse().ok()
    }

    fn summary(found: &Found, first: usize) -> Vec<(String, Ranks, Option<RankReason>)> {
        let rows = rows(found, first, source).into_iter();
        rows.map(|row| (row.ip.to_string(), row.ranks, row.reason)).collect()
    }

    fn ranks(system: usize, dns: usize, connect: usize) -> Ranks {
        let some = |rank| (rank > 0).then_some(rank);
        Ranks { system: some(system), dns: some(dns), connect: some(connect) }
    }

    #[test]
    fn il_07_the_example_of_the_contract() {
        let found = found(
            &["fd77::dead", "fd77::beef", "10.77.0.2", "10.77.0.99"],
            &["10.77.0.99", "10.77.0.2", "fd77::dead", "fd77::beef"],
        );
        let rows = summary(&found, 1);
        let order: Vec<_> = rows.iter().map(|(ip, ranks, _)| (ip.as_str(), *ranks)).collect();
        assert_eq!(
            order,
            [
                ("fd77::dead", ranks(1, 3, 1)),
                ("10.77.0.2", ranks(3, 2, 2)),
                ("fd77::beef", ranks(2, 4, 3)),
                ("10.77.0.99", ranks(4, 1, 4)),
            ]
        );
        let [dead, good, late] = ["fd77::dead", "10.77.0.2", "10.77.0.99"].map(ip);
        let rule = DestinationRule::HigherPrecedence;
        assert_eq!(rows[0].2, Some(RankReason::AgainstRule { first: dead, second: good, rule }));
        assert_eq!(rows[1].2, Some(RankReason::LongerPrefix(late)));
        assert_eq!(rows[3].2, None);
    }

    #[test]
    fn il_07_what_only_one_side_gives_has_no_place_on_the_other() {
        let found = found(&["10.77.0.2"], &["10.77.0.9"]);
        let rows = summary(&found, 1);
        assert_eq!(rows[0].1, ranks(1, 0, 1));
        assert_eq!(rows[0].2, Some(RankReason::NotFromDns));
        assert_eq!(rows[1].1, ranks(0, 1, 0));
        assert_eq!(rows[1].2, Some(RankReason::NotFromSystem));
    }

    #[test]
    fn il_07_without_the_system_the_order_is_that_of_the_rfc() {
        let dns = ips(&["fd77::9", "10.77.0.2"]).into_iter().map(|ip| (ip, None)).collect();
        let found = Found { system: None, dns: Some(dns), dns_leads: true };
        let rows = summary(&found, 0);
        assert_eq!(rows[0].0, "10.77.0.2");
        let rule = DestinationRule::HigherPrecedence;
        assert_eq!(rows[0].2, Some(RankReason::Before(ip("fd77::9"), rule)));
        assert_eq!(rows[1].2, Some(RankReason::After(ip("10.77.0.2"), rule)));
    }

    /// A name server may answer with as many addresses as fit into 64 KiB.
    #[test]
    fn il_07_thousands_of_addresses_take_no_time() {
        let v4 = |n: u32| IpAddr::from(Ipv4Addr::from(0x0a4d_0000 + n));
        let count = 4000_u32;
        // Against the order of the system, so that every address has overtaken others.
        let dns = (0..count).rev().map(|n| (v4(n), None)).collect();
        let system = Some((0..count).map(v4).collect());
        let found = Found { system, dns: Some(dns), dns_leads: false };
        let asked = std::cell::Cell::new(0);
        let counted = |to| {
            asked.set(asked.get() + 1);
            source(to)
        };
        let clock = loopctl::EventLoop::new().unwrap();
        let begin = clock.handle().time();
        let rows = rows(&found, 1, counted);
        let took = clock.handle().time() - begin;
        assert_eq!((rows.len(), asked.get()), (4000, 4000));
        assert_eq!(rows[0].ranks, ranks(1, 4000, 1));
        assert!(rows[..3999].iter().all(|row| row.reason.is_some()));
        assert!(took < Duration::from_secs(2), "{took:?}");
    }

    #[test]
    fn il_07_the_first_later_address_that_was_overtaken_is_named() {
        let list = |numbers: &[u8]| -> Vec<IpAddr> {
            numbers.iter().map(|n| IpAddr::from(Ipv4Addr::new(10, 0, 0, *n))).collect()
        };
        let (leading, dns) = (list(&[3, 9, 5, 1, 4, 2]), list(&[1, 2, 3, 4, 5]));
        let slow = |place: usize| {
            let rank = |ip: &IpAddr| dns.iter().position(|it| it == ip);
            let mine = rank(&leading[place])?;
            leading[place + 1..].iter().find(|ip| rank(ip).is_some_and(|it| it < mine)).copied()
        };
        let expected: Vec<_> = (0..leading.len()).map(slow).collect();
        assert_eq!(overtaken(&leading, &ranked(&dns)), expected);
    }

    #[test]
    fn il_07_no_source_address_is_rule_1() {
        let found = found(&["10.77.0.2", "fd77::9"], &["10.77.0.2", "fd77::9"]);
        let v4_only = |to: IpAddr| to.is_ipv4().then(|| source(to)).flatten();
        let rows = rows(&found, 1, v4_only);
        assert_eq!(rows[1].reason, Some(RankReason::NoSource(Family::Inet6)));
    }
}
