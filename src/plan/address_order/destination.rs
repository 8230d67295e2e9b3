//! Destination address selection (RFC 6724 section 6), for addresses that getaddrinfo did not sort.

use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Rule of RFC 6724 section 6, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DestinationRule {
    /// Rule 1: avoid destinations that this host has no source address for, or no route to.
    AvoidUnusable,
    /// Rule 2: prefer a source of the same scope.
    MatchingScope,
    /// Rule 5: prefer a source with the same label of the policy table.
    MatchingLabel,
    /// Rule 6: prefer the higher precedence of the policy table.
    HigherPrecedence,
    /// Rule 8: prefer the smaller scope.
    SmallerScope,
    /// Rule 9: prefer the source that has more of its first bits in common.
    LongestPrefix,
    /// Rule 10: leave the order of the name server unchanged.
    Unchanged,
}

impl DestinationRule {
    /// Number of the rule.
    ///
    /// ```
    /// assert_eq!(loopctl::plan::DestinationRule::LongestPrefix.number(), 9);
    /// ```
    pub fn number(self) -> u8 {
        match self {
            Self::AvoidUnusable => 1,
            Self::MatchingScope => 2,
            Self::MatchingLabel => 5,
            Self::HigherPrecedence => 6,
            Self::SmallerScope => 8,
            Self::LongestPrefix => 9,
            Self::Unchanged => 10,
        }
    }
}

impl fmt::Display for DestinationRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::AvoidUnusable => "avoid unusable",
            Self::MatchingScope => "matching scope",
            Self::MatchingLabel => "matching label",
            Self::HigherPrecedence => "higher precedence",
            Self::SmallerScope => "smaller scope",
            Self::LongestPrefix => "longest prefix",
            Self::Unchanged => "order unchanged",
        };
        write!(f, "rule {} ({text})", self.number())
    }
}

/// Address in a sorted list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Destination {
    /// The address.
    pub address: IpAddr,
    /// Source address that this host would use; `None` if it has none or no route.
    pub source: Option<IpAddr>,
    /// Rule that put it behind the previous address; `None` for the first.
    pub rule: Option<DestinationRule>,
}

/// Orders addresses as getaddrinfo does (RFC 6724 section 6), with the rule that decided.
///
/// `source` returns the address from which this host would connect. The rules about deprecated, home and tunnelled
/// addresses (3, 4, 7) are left out: only the kernel can apply them, and its choice of the source already did.
/// Rule 9 applies to IPv6 only, as in glibc, and compares at most the 64 bits of a subnet prefix. A common IPv4
/// prefix says little about the distance.
///
/// ```
/// use loopctl::plan::{DestinationRule, sort_destinations};
/// use std::net::IpAddr;
///
/// let [v4, v6]: [IpAddr; 2] = ["198.51.100.1".parse()?, "2001:db8::1".parse()?];
/// let v4_only = |to: IpAddr| to.is_ipv4().then(|| "192.0.2.7".parse().unwrap());
/// let sorted = sort_destinations([v6, v4], v4_only);
/// assert_eq!(sorted[0].address, v4);
/// assert_eq!(sorted[1].rule, Some(DestinationRule::AvoidUnusable));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn sort_destinations(
    addresses: impl IntoIterator<Item = IpAddr>,
    mut source: impl FnMut(IpAddr) -> Option<IpAddr>,
) -> Vec<Destination> {
    let known = addresses.into_iter();
    let mut sorted: Vec<Destination> =
        known.map(|address| Destination { address, source: source(address), rule: None }).collect();
    sorted.sort_by(|a, b| compare(a, b).0);
    for at in 1..sorted.len() {
        sorted[at].rule = Some(compare(&sorted[at - 1], &sorted[at]).1);
    }
    sorted
}

/// Order of the two addresses, and the rule that decides it.
fn compare(a: &Destination, b: &Destination) -> (Ordering, DestinationRule) {
    use DestinationRule::{
        AvoidUnusable, HigherPrecedence, LongestPrefix, MatchingLabel, MatchingScope, SmallerScope,
        Unchanged,
    };
    // The smaller value of each pair sorts first, so every preference is written as a number to minimise.
    let ranks = |it: &Destination| {
        let address = mapped(it.address);
        let matches = |of: fn(Ipv6Addr) -> u8| {
            it.source.is_some_and(|source| of(mapped(source)) == of(address))
        };
        [
            (AvoidUnusable, u8::from(it.source.is_none())),
            (MatchingScope, u8::from(!matches(scope))),
            (MatchingLabel, u8::from(!matches(label))),
            (HigherPrecedence, u8::MAX - precedence(address)),
            (SmallerScope, scope(address)),
            (LongestPrefix, u8::MAX - common_prefix(it)),
        ]
    };
    for ((rule, a), (_, b)) in ranks(a).into_iter().zip(ranks(b)) {
        if a != b {
            return (a.cmp(&b), rule);
        }
    }
    (Ordering::Equal, Unchanged)
}

/// The policy table contains IPv4 addresses as IPv4-mapped ones.
fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// Scope of an address (RFC 6724 sections 3.1 and 3.2), as a number of RFC 4291 section 2.7.
fn scope(address: Ipv6Addr) -> u8 {
    const LINK_LOCAL: u8 = 2;
    const SITE_LOCAL: u8 = 5;
    const GLOBAL: u8 = 14;
    if let Some(v4) = address.to_ipv4_mapped() {
        return if has_link_local_scope(v4) { LINK_LOCAL } else { GLOBAL };
    }
    let octets = address.octets();
    match (octets[0], octets[1] & 0xc0) {
        (0xff, _) => octets[1] & 0x0f,
        (0xfe, 0x80) => LINK_LOCAL,
        (0xfe, 0xc0) => SITE_LOCAL,
        _ if address.is_loopback() => LINK_LOCAL,
        _ => GLOBAL,
    }
}

fn has_link_local_scope(address: Ipv4Addr) -> bool {
    address.is_loopback() || address.is_link_local()
}

/// Default policy table of RFC 6724 section 2.1: prefix, prefix length, precedence, label.
const POLICY: [(Ipv6Addr, u8, u8, u8); 9] = [
    (Ipv6Addr::LOCALHOST, 128, 50, 0),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, 35, 4),
    (Ipv6Addr::UNSPECIFIED, 96, 1, 3),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, 5, 5),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, 30, 2),
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16, 1, 12),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, 1, 11),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, 3, 13),
    (Ipv6Addr::UNSPECIFIED, 0, 40, 1),
];

/// Precedence and label. The first match decides, because longer prefixes come first; `::/0` matches everything.
fn policy(address: Ipv6Addr) -> (u8, u8) {
    let found =
        POLICY.iter().find(|(prefix, length, ..)| bits_in_common(*prefix, address) >= *length);
    found.map_or((40, 1), |(.., precedence, label)| (*precedence, *label))
}

fn precedence(address: Ipv6Addr) -> u8 {
    policy(address).0
}

fn label(address: Ipv6Addr) -> u8 {
    policy(address).1
}

fn common_prefix(it: &Destination) -> u8 {
    const SUBNET: u8 = 64;
    match (it.address, it.source) {
        (IpAddr::V6(address), Some(IpAddr::V6(source))) => {
            bits_in_common(address, source).min(SUBNET)
        }
        _ => 0,
    }
}

fn bits_in_common(a: Ipv6Addr, b: Ipv6Addr) -> u8 {
    let different = u128::from(a) ^ u128::from(b);
    u8::try_from(different.leading_zeros()).unwrap_or(128)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sorts destinations with these sources; `-` stands for no source.
    fn sorted(pairs: &[(&str, &str)]) -> Vec<(String, Option<u8>)> {
        let source = |to: IpAddr| {
            let (_, source) = pairs.iter().find(|(known, _)| known.parse() == Ok(to))?;
            source.parse().ok()
        };
        let addresses = pairs.iter().map(|(address, _)| address.parse().unwrap());
        let sorted = sort_destinations(addresses, source).into_iter();
        let number = |it: &Destination| it.rule.map(DestinationRule::number);
        sorted.map(|it| (it.address.to_string(), number(&it))).collect()
    }

    /// Asserts that `first` sorts before `second` in both input orders, by this rule.
    fn check(first: (&str, &str), second: (&str, &str), rule: u8) {
        let wanted = [(first.0.to_owned(), None), (second.0.to_owned(), Some(rule))];
        assert_eq!(sorted(&[first, second]), wanted);
        assert_eq!(sorted(&[second, first]), wanted);
    }

    /// The examples of RFC 6724 section 10.2 that need no knowledge of deprecated or home addresses.
    #[test]
    fn il_07_the_examples_of_the_rfc() {
        check(("2001:db8:1::1", "2001:db8:1::2"), ("198.51.100.121", "169.254.13.78"), 2);
        check(("198.51.100.121", "198.51.100.117"), ("2001:db8:1::1", "fe80::1"), 2);
        check(("2001:db8:1::1", "2001:db8:1::2"), ("10.1.2.3", "10.1.2.4"), 6);
        check(("fe80::1", "fe80::2"), ("2001:db8:1::1", "2001:db8:1::2"), 8);
        check(("2001:db8:1::1", "2001:db8:1::2"), ("2001:db8:3ffe::1", "2001:db8:3f44::2"), 9);
        check(("2002:c633:6401::1", "2002:c633:6401::2"), ("2001:db8:1::1", "fe80::2"), 2);
    }

    #[test]
    fn il_07_every_rule_decides_something() {
        check(("198.51.100.1", "192.0.2.1"), ("2001:db8::1", "-"), 1);
        check(("2001:db8::1", "2001:db8::2"), ("2002:c633:6401::1", "2001:db8::2"), 5);
        check(("198.51.100.1", "192.0.2.1"), ("fd77::1", "fd77::2"), 6);
        check(("::1", "::1"), ("127.0.0.1", "127.0.0.1"), 6);
        check(("169.254.1.1", "169.254.1.2"), ("198.51.100.1", "192.0.2.1"), 8);
    }

    #[test]
    fn il_07_without_a_deciding_rule_the_order_is_kept() {
        let pairs =
            [("192.0.2.9", "192.0.2.1"), ("198.51.100.1", "192.0.2.1"), ("192.0.2.2", "192.0.2.1")];
        let rules: Vec<_> = sorted(&pairs).into_iter().map(|(_, rule)| rule).collect();
        assert_eq!(rules, [None, Some(10), Some(10)]);
        assert_eq!(sorted(&pairs)[0].0, "192.0.2.9", "IPv4 has no longest prefix");
        let same_subnet = [("2001:db8::ff", "2001:db8::1"), ("2001:db8::2", "2001:db8::1")];
        assert_eq!(sorted(&same_subnet)[0].0, "2001:db8::ff", "nor has anything within a subnet");
    }

    #[test]
    fn il_07_scopes_of_the_rfc() {
        let table = [
            ("::1", 2),
            ("fe80::1", 2),
            ("fec0::1", 5),
            ("fd00::1", 14),
            ("2001:db8::1", 14),
            ("ff02::1", 2),
            ("ff05::1", 5),
            ("ff0e::1", 14),
            ("127.0.0.1", 2),
            ("169.254.0.1", 2),
            ("10.0.0.1", 14),
        ];
        for (address, wanted) in table {
            assert_eq!(scope(mapped(address.parse().unwrap())), wanted, "{address}");
        }
    }

    #[test]
    fn il_07_the_policy_table_of_the_rfc() {
        let table = [
            ("::1", (50, 0)),
            ("2001:db8::1", (40, 1)),
            ("192.0.2.1", (35, 4)),
            ("2002::1", (30, 2)),
            ("2001::1", (5, 5)),
            ("fd00::1", (3, 13)),
            ("::192.0.2.1", (1, 3)),
            ("fec0::1", (1, 11)),
            ("3ffe::1", (1, 12)),
        ];
        for (address, wanted) in table {
            assert_eq!(policy(mapped(address.parse().unwrap())), wanted, "{address}");
        }
    }
}
