//! Names of an address family.

use loopctl::plan::Family;

/// Names of IPv4 and IPv6; whatever is not IPv6 counts as IPv4.
pub(crate) trait FamilyNames {
    /// `IPv4` or `IPv6`.
    fn ip_version(self) -> &'static str;

    /// `v4` or `v6`, where space is short.
    fn short(self) -> &'static str;

    /// `A` or `AAAA`: the type of the DNS records of its addresses.
    fn record_type(self) -> &'static str;
}

impl FamilyNames for Family {
    fn ip_version(self) -> &'static str {
        if self == Self::Inet6 { "IPv6" } else { "IPv4" }
    }

    fn short(self) -> &'static str {
        if self == Self::Inet6 { "v6" } else { "v4" }
    }

    fn record_type(self) -> &'static str {
        if self == Self::Inet6 { "AAAA" } else { "A" }
    }
}
