//! The hosts file: hosts(5).

use std::collections::HashMap;
use std::net::IpAddr;
#[cfg(feature = "dns")]
use std::net::{Ipv4Addr, Ipv6Addr};

/// Names of a hosts file with their addresses, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::net) struct HostsFile(HashMap<String, Vec<IpAddr>>);

impl HostsFile {
    /// Lines without a valid address are ignored, as by glibc. An address with a zone makes its names known without
    /// an address, because [`IpAddr`] has no zone.
    pub(in crate::net) fn parse(text: &[u8]) -> Self {
        let mut table = HashMap::<String, Vec<IpAddr>>::new();
        for line in String::from_utf8_lossy(text).lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some((ip, zone)) = words.next().map(|word| split_zone(word)) else { continue };
            let Ok(address) = ip.parse::<IpAddr>() else { continue };
            for name in words {
                let known = table.entry(normalized(name)).or_default();
                if zone.is_none() && !known.contains(&address) {
                    known.push(address);
                }
            }
        }
        Self(table)
    }

    /// Whether the name is in the file, or ends in `localhost` (RFC 6761 section 6.3).
    pub(super) fn contains(&self, name: &str) -> bool {
        let name = normalized(name);
        self.0.contains_key(&name) || is_localhost(&name)
    }

    /// Addresses of a name. Names that end in `localhost` have the loopback addresses without an entry, too.
    #[cfg(feature = "dns")]
    pub(in crate::net) fn find(&self, name: &str) -> Option<Vec<IpAddr>> {
        let name = normalized(name);
        if let Some(known) = self.0.get(&name).filter(|known| !known.is_empty()) {
            return Some(known.clone());
        }
        let loopback = || vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        is_localhost(&name).then(loopback)
    }
}

fn split_zone(word: &str) -> (&str, Option<&str>) {
    match word.split_once('%') {
        Some((ip, zone)) => (ip, Some(zone)),
        None => (word, None),
    }
}

/// In lower case, without the final dot.
fn normalized(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn is_localhost(normalized: &str) -> bool {
    normalized == "localhost" || normalized.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"127.0.0.1 localhost\n\
        ::1 localhost ip6-localhost # the other one\n\
        # 192.0.2.1 not.there\n\
        192.0.2.7\tBox.Example  box\r\n\
        192.0.2.8 box # a second address\n\
        nonsense box nowhere\n\
        192.0.2.8 box\n\
        fe80::1%eth0 near\n\
        \xff\xfe 192.0.2.9\n";

    #[test]
    fn o4_what_the_hosts_file_has_is_known_by_any_of_its_names() {
        let file = HostsFile::parse(FILE);
        for name in ["box", "BOX.example", "box.", "ip6-localhost", "a.localhost.", "near"] {
            assert!(file.contains(name), "{name}");
        }
        for name in ["not.there", "nowhere", "192.0.2.7", "x.box", "localhost.test", ""] {
            assert!(!file.contains(name), "{name}");
        }
    }

    #[test]
    #[cfg(feature = "dns")]
    fn o4_a_hosts_file() {
        let table = HostsFile::parse(FILE);
        let find = |name: &str| {
            let found = table.find(name)?;
            Some(found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(find("localhost").as_deref(), Some("127.0.0.1 ::1"));
        assert_eq!(find("BOX").as_deref(), Some("192.0.2.7 192.0.2.8"));
        assert_eq!(find("box.example.").as_deref(), Some("192.0.2.7"));
        assert_eq!(find("not.there"), None);
        assert_eq!(find("near"), None, "an address has no place for the zone");
    }

    #[test]
    #[cfg(feature = "dns")]
    fn o4_localhost_needs_no_file() {
        let table = HostsFile::default();
        assert_eq!(table.find("a.localhost").map(|found| found.len()), Some(2));
        assert_eq!(table.find("localhost.example"), None);
    }
}
