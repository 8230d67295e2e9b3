//! Hosts: IP addresses, zones, and names in the encoding of DNS.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use super::TargetError;

/// Host: an IP address, or a name for the resolver.
///
/// Parsing of addresses is strict. `1.2.3`, `0x7f.1` and `01.2.3.4` are names, which some resolvers accept as
/// addresses. `fe80::1%eth0` is a name as well, because only the system knows the index of a zone.
///
/// A name with letters beyond ASCII is converted to A-labels (RFC 5890) with the mappings of UTS 46, in any locale. A
/// name that cannot be converted is kept, and its lookup fails; [`FromStr`] rejects it.
///
/// ```
/// use loopctl::plan::Host;
///
/// assert_eq!(Host::from("::1"), Host::Literal("::1".parse().unwrap()));
/// assert_eq!(Host::from("fe80::1%eth0"), Host::Name("fe80::1%eth0".to_owned()));
/// assert_eq!(Host::from("b\u{fc}cher.test"), Host::Name("xn--bcher-kva.test".to_owned()));
/// assert!("xn--\u{fc}.test".parse::<Host>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// Name for the resolver.
    Name(String),
    /// IP address, which needs no resolver.
    Literal(IpAddr),
}

/// Maximum lengths of a DNS name and of its labels (RFC 1035 section 2.3.4).
const MAX_NAME_LENGTH: usize = 253;
const MAX_LABEL_LENGTH: usize = 63;

impl Host {
    /// Address and zone of `fe80::1%eth0` (RFC 4007 section 11); `None` for anything else.
    ///
    /// ```
    /// use loopctl::plan::Host;
    ///
    /// let (address, zone) = Host::split_zone("fe80::1%eth0").unwrap();
    /// assert_eq!((address.to_string().as_str(), zone), ("fe80::1", "eth0"));
    /// assert_eq!(Host::split_zone("fe80::1"), None);
    /// ```
    pub fn split_zone(text: &str) -> Option<(Ipv6Addr, &str)> {
        let (address, zone) = text.split_once('%')?;
        let address = address.parse().ok()?;
        (!zone.is_empty()).then_some((address, zone))
    }
}

impl FromStr for Host {
    type Err = TargetError;

    /// # Errors
    /// A name that is not a host name, with the reason.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let refuse = |why| Err(TargetError::BadHost(text.to_owned(), why));
        let Some(host) = encoded(text) else {
            return refuse("it cannot be converted to A-labels (IDNA)");
        };
        match &host {
            Self::Name(name) if Self::split_zone(name).is_none() => match invalid_name_reason(name)
            {
                Some(why) => refuse(why),
                None => Ok(host),
            },
            _ => Ok(host),
        }
    }
}

impl From<&str> for Host {
    fn from(text: &str) -> Self {
        encoded(text).unwrap_or_else(|| Self::Name(text.to_owned()))
    }
}

impl From<String> for Host {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self::Literal(address)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Literal(address) => address.fmt(f),
        }
    }
}

/// Address, zone, or name in A-labels. `None` if the name cannot be converted.
fn encoded(text: &str) -> Option<Host> {
    if let Ok(address) = text.parse() {
        return Some(Host::Literal(address));
    }
    if text.is_ascii() || Host::split_zone(text).is_some() {
        return Some(Host::Name(text.to_owned()));
    }
    let name = idna::domain_to_ascii(text).ok()?;
    // Because UTS 46 maps full-width digits and dots to those of ASCII.
    Some(name.parse().map_or(Host::Name(name), Host::Literal))
}

/// Reason for which `name` is not a valid DNS name. Names are never truncated (GHSA-f74f-cvh7-c6q6).
fn invalid_name_reason(name: &str) -> Option<&'static str> {
    let inner = name.strip_suffix('.').unwrap_or(name);
    if inner.len() > MAX_NAME_LENGTH {
        Some("a name has at most 253 characters")
    } else if name.contains(|c: char| c.is_whitespace() || c.is_control() || "/:[]@".contains(c)) {
        Some("a name has no spaces, slashes, colons, brackets or `@`")
    } else if inner.split('.').any(|label| label.is_empty() || label.len() > MAX_LABEL_LENGTH) {
        Some("each part of a name has 1 to 63 characters")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_converted_to_a_labels_once() {
        for (typed, meant) in [
            ("b\u{fc}cher.test", "xn--bcher-kva.test"),
            ("B\u{dc}CHER.Test.", "xn--bcher-kva.test."),
            ("stra\u{df}e.test", "xn--strae-oqa.test"),
            ("\u{4f8b}\u{3048}.\u{30c6}\u{30b9}\u{30c8}", "xn--r8jz45g.xn--zckzah"),
            ("a\u{3002}b\u{fc}.test", "a.xn--b-eha.test"),
            ("Plain.Test", "Plain.Test"),
            ("xn--bcher-kva.test", "xn--bcher-kva.test"),
        ] {
            assert_eq!(typed.parse(), Ok(Host::Name(meant.to_owned())), "{typed}");
            assert_eq!(Host::from(typed), Host::Name(meant.to_owned()), "{typed}");
        }
        let digits = "\u{ff11}\u{ff12}\u{ff17}.0.0.1";
        assert_eq!(digits.parse(), Ok(Host::Literal([127, 0, 0, 1].into())));
    }

    #[test]
    fn a_name_that_cannot_be_converted_is_refused_or_kept() {
        for text in ["xn--\u{fc}", "\u{fc}\u{2028}x.test", "\u{300}a.test"] {
            assert!(matches!(text.parse::<Host>(), Err(TargetError::BadHost(..))), "{text:?}");
            assert_eq!(Host::from(text), Host::Name(text.to_owned()));
        }
        let long = format!("{}.test", "\u{fc}".repeat(80));
        assert!(matches!(long.parse::<Host>(), Err(TargetError::BadHost(..))));
    }

    #[test]
    fn zones_stay_as_they_are() {
        for text in ["fe80::1%eth0", "fe80::1%7", "fe80::1%\u{451}\u{442}"] {
            assert_eq!(text.parse(), Ok(Host::Name(text.to_owned())));
        }
        assert_eq!(Host::split_zone("fe80::1%"), None);
        assert_eq!(Host::split_zone("192.0.2.1%eth0"), None);
    }
}
