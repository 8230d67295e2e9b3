//! The table of names that need no name server: hosts(5).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Names and their addresses, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HostsTable(HashMap<String, Vec<IpAddr>>);

impl HostsTable {
    /// Reads what makes sense, as the system does; lines with a zone in the address are among what does not.
    pub(super) fn parse(text: &[u8]) -> Self {
        let mut table = HashMap::<String, Vec<IpAddr>>::new();
        for line in String::from_utf8_lossy(text).lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else { continue };
            for name in words {
                let known = table.entry(plain(name)).or_default();
                if !known.contains(&address) {
                    known.push(address);
                }
            }
        }
        Self(table)
    }

    /// The addresses of a name. Names that end in `localhost` are this host, whatever the file says or does not
    /// (RFC 6761 section 6.3).
    pub(super) fn find(&self, name: &str) -> Option<Vec<IpAddr>> {
        let name = plain(name);
        if let Some(known) = self.0.get(&name) {
            return Some(known.clone());
        }
        let is_local = name == "localhost" || name.ends_with(".localhost");
        is_local.then(|| vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()])
    }
}

fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o4_a_hosts_file() {
        let text = b"127.0.0.1 localhost\n\
            ::1 localhost ip6-localhost # the other one\n\
            # 192.0.2.1 not.there\n\
            192.0.2.7\tBox.Example  box\r\n\
            192.0.2.8 box # a second address\n\
            nonsense box\n\
            192.0.2.8 box\n\
            fe80::1%eth0 near\n\
            \xff\xfe 192.0.2.9\n";
        let table = HostsTable::parse(text);
        let find = |name: &str| {
            let found = table.find(name)?;
            Some(found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(find("localhost").as_deref(), Some("127.0.0.1 ::1"));
        assert_eq!(find("BOX").as_deref(), Some("192.0.2.7 192.0.2.8"));
        assert_eq!(find("box.example.").as_deref(), Some("192.0.2.7"));
        assert_eq!(find("not.there"), None);
        assert_eq!(find("near"), None, "the zone cannot be told");
    }

    #[test]
    fn o4_localhost_needs_no_file() {
        let table = HostsTable::default();
        assert_eq!(table.find("a.localhost").map(|found| found.len()), Some(2));
        assert_eq!(table.find("localhost.example"), None);
    }
}
