//! The hosts file: hosts(5).

#[cfg(feature = "dns")]
use std::collections::HashMap;
use std::net::IpAddr;
#[cfg(feature = "dns")]
use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether a name is in a hosts file, or ends in `localhost` (RFC 6761 section 6.3).
pub(super) fn is_in_hosts_file(name: &str, text: &[u8]) -> bool {
    let name = normalized(name);
    let is_it = |known: &str| without_dot(known).eq_ignore_ascii_case(&name);
    let text = String::from_utf8_lossy(text);
    is_localhost(&name) || text.lines().filter_map(entry).any(|entry| entry.names().any(is_it))
}

/// Addresses by name, in the order of a hosts file.
#[cfg(feature = "dns")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::net) struct HostsFile(HashMap<String, Vec<IpAddr>>);

#[cfg(feature = "dns")]
impl HostsFile {
    /// An address with a zone is left out, because [`IpAddr`] has no zone.
    pub(in crate::net) fn parse(text: &[u8]) -> Self {
        let mut table = HashMap::<String, Vec<IpAddr>>::new();
        let text = String::from_utf8_lossy(text);
        for entry in text.lines().filter_map(entry).filter(|entry| !entry.has_zone) {
            for name in entry.names() {
                let known = table.entry(normalized(name)).or_default();
                if !known.contains(&entry.address) {
                    known.push(entry.address);
                }
            }
        }
        Self(table)
    }

    /// Addresses of a name. Names that end in `localhost` have the loopback addresses without an entry, too.
    pub(in crate::net) fn find(&self, name: &str) -> Option<Vec<IpAddr>> {
        let name = normalized(name);
        let loopback = || vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        self.0.get(&name).cloned().or_else(|| is_localhost(&name).then(loopback))
    }
}

/// Line of a hosts file.
#[cfg_attr(not(feature = "dns"), allow(dead_code))]
struct Entry<'a> {
    address: IpAddr,
    has_zone: bool,
    names: &'a str,
}

impl<'a> Entry<'a> {
    fn names(&self) -> impl Iterator<Item = &'a str> {
        self.names.split_whitespace()
    }
}

/// `None` for a line without a valid address, which glibc ignores as well.
fn entry(line: &str) -> Option<Entry<'_>> {
    let line = line.split('#').next().unwrap_or_default().trim_start();
    let (address, names) = line.split_once(char::is_whitespace)?;
    let (ip, has_zone) = match address.split_once('%') {
        Some((ip, _zone)) => (ip, true),
        None => (address, false),
    };
    Some(Entry { address: ip.parse().ok()?, has_zone, names })
}

/// In lower case, without the final dot.
fn normalized(name: &str) -> String {
    without_dot(name).to_ascii_lowercase()
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
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
        for name in ["box", "BOX.example", "box.", "ip6-localhost", "a.localhost.", "near"] {
            assert!(is_in_hosts_file(name, FILE), "{name}");
        }
        for name in ["not.there", "nowhere", "192.0.2.7", "x.box", "localhost.test", ""] {
            assert!(!is_in_hosts_file(name, FILE), "{name}");
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
