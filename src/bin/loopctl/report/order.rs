//! Address order of the system, of the name servers and of a connection, and the rules of RFC 6724 behind it.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::report::family::FamilyNames as _;
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
    /// Rule that explains the rank.
    pub(crate) rule: Option<String>,
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
    let leading = if found.dns_leads {
        let sorted = sort_destinations(dns.iter().copied(), &source).into_iter();
        sorted.map(|it| it.address).collect()
    } else {
        system.clone()
    };
    let connecting = match first {
        0 => leading.clone(),
        count => interleave(leading.iter().copied(), count, Family::of),
    };
    let every = connecting.iter().chain(&system).chain(&dns).copied();
    let known = found.dns.iter().flatten();
    let row = |ip: IpAddr| AddressRow {
        ip,
        ranks: Ranks {
            system: rank(&system, ip),
            dns: rank(&dns, ip),
            connect: rank(&connecting, ip),
        },
        ttl: known.clone().find(|(it, _)| *it == ip).and_then(|(_, ttl)| *ttl),
        source: source(ip),
        rule: Orders { found, system: &system, dns: &dns, leading: &leading, source: &source }
            .rule(ip),
    };
    unique(every).into_iter().map(row).collect()
}

fn dns_order(found: &Found) -> Vec<IpAddr> {
    unique(found.dns.iter().flatten().map(|(ip, _)| *ip))
}

fn unique(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut seen = Vec::new();
    for ip in addresses {
        if !seen.contains(&ip) {
            seen.push(ip);
        }
    }
    seen
}

fn rank(order: &[IpAddr], ip: IpAddr) -> Option<usize> {
    order.iter().position(|it| *it == ip).map(|at| at + 1)
}

/// Lists that determine the rank of an address.
struct Orders<'a, S> {
    found: &'a Found,
    system: &'a [IpAddr],
    dns: &'a [IpAddr],
    /// Order of a connection, before families are interleaved.
    leading: &'a [IpAddr],
    source: &'a S,
}

impl<S: Fn(IpAddr) -> Option<IpAddr>> Orders<'_, S> {
    /// Reason for the rank of an address: before one that name servers list first, or else
    /// after the previous one.
    fn rule(&self, ip: IpAddr) -> Option<String> {
        if self.found.system.is_some() && rank(self.system, ip).is_none() && !self.system.is_empty()
        {
            return Some("the system does not give it".to_owned());
        }
        if self.found.dns.is_some() && rank(self.dns, ip).is_none() && !self.dns.is_empty() {
            return Some("name servers do not give it".to_owned());
        }
        if (self.source)(ip).is_none() {
            let family = Family::of(&ip).ip_version();
            return Some(format!("rule 1: no {family} source address, or no route"));
        }
        let at = self.leading.iter().position(|it| *it == ip)?;
        let is_overtaken = |other: &&IpAddr| {
            let (mine, other) = (rank(self.dns, ip), rank(self.dns, **other));
            matches!((mine, other), (Some(mine), Some(other)) if other < mine)
        };
        if let Some(other) = self.leading[at + 1..].iter().find(is_overtaken) {
            return Some(self.before(ip, *other));
        }
        let previous = *self.leading.get(at.checked_sub(1)?)?;
        match self.compare(previous, ip) {
            (true, DestinationRule::Unchanged) => None,
            (true, rule) => Some(format!("{rule} puts it behind {previous}")),
            (false, rule) => Some(self.against(previous, ip, rule)),
        }
    }

    /// Reason why `ip` is before `other`, although name servers list it later.
    fn before(&self, ip: IpAddr, other: IpAddr) -> String {
        match self.compare(ip, other) {
            (true, DestinationRule::Unchanged) if self.is_nearer(ip, other) => {
                format!("rule 9 (longest prefix) puts it before {other}; for IPv4 it is glibc's")
            }
            (true, DestinationRule::Unchanged) => {
                format!("the system puts it before {other}, for no rule of RFC 6724")
            }
            (true, rule) => format!("{rule} puts it before {other}"),
            (false, rule) => self.against(ip, other, rule),
        }
    }

    /// Reason for an order against RFC 6724, whose `rule` puts `ip` after `other`.
    fn against(&self, ip: IpAddr, other: IpAddr, rule: DestinationRule) -> String {
        let is_table =
            matches!(rule, DestinationRule::HigherPrecedence | DestinationRule::MatchingLabel);
        let source = if is_table { "gai.conf(5) or glibc's own table" } else { "the system" };
        format!("{source} has {ip} before {other}, against {rule}")
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

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
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

    fn summary(found: &Found, first: usize) -> Vec<(String, Ranks, String)> {
        let rows = rows(found, first, source).into_iter();
        rows.map(|row| (row.ip.to_string(), row.ranks, row.rule.unwrap_or_default())).collect()
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
        assert!(
            rows[0].2.contains("glibc's own table has fd77::dead before 10.77.0.2"),
            "{rows:?}"
        );
        assert!(rows[0].2.contains("against rule 6"), "{rows:?}");
        assert!(rows[1].2.starts_with("rule 9 (longest prefix) puts it before 10.77.0.99"));
        assert_eq!(rows[3].2, "", "no rule is needed");
    }

    #[test]
    fn il_07_what_only_one_side_gives_has_no_place_on_the_other() {
        let found = found(&["10.77.0.2"], &["10.77.0.9"]);
        let rows = summary(&found, 1);
        assert_eq!(rows[0].1, ranks(1, 0, 1));
        assert_eq!(rows[0].2, "name servers do not give it");
        assert_eq!(rows[1].1, ranks(0, 1, 0));
        assert_eq!(rows[1].2, "the system does not give it");
    }

    #[test]
    fn il_07_without_the_system_the_order_is_that_of_the_rfc() {
        let dns = ips(&["fd77::9", "10.77.0.2"]).into_iter().map(|ip| (ip, None)).collect();
        let found = Found { system: None, dns: Some(dns), dns_leads: true };
        let rows = summary(&found, 0);
        assert_eq!(rows[0].0, "10.77.0.2");
        assert_eq!(rows[0].2, "rule 6 (higher precedence) puts it before fd77::9");
        assert_eq!(rows[1].2, "rule 6 (higher precedence) puts it behind 10.77.0.2");
    }

    #[test]
    fn il_07_no_source_address_is_rule_1() {
        let found = found(&["10.77.0.2", "fd77::9"], &["10.77.0.2", "fd77::9"]);
        let v4_only = |to: IpAddr| to.is_ipv4().then(|| source(to)).flatten();
        let rows = rows(&found, 1, v4_only);
        assert_eq!(rows[1].rule.as_deref(), Some("rule 1: no IPv6 source address, or no route"));
    }
}
