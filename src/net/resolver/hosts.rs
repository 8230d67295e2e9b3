//! The hosts file: hosts(5), as glibc reads it.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::config_file::read_config_file;

/// Whether a name is in a hosts file, or ends in `localhost` (RFC 6761 section 6.3).
pub(super) fn is_in_hosts_file(name: &str, text: &[u8]) -> bool {
    is_localhost(&normalized(name)) || !HostsFile::parse(text).find(name).is_empty()
}

/// Addresses of a hosts file by name, in its order.
///
/// As in glibc, a line without a valid address has no effect, an address with a zone is not valid, and a name that ends
/// in a dot is not found.
///
/// ```
/// use loopctl::HostsFile;
///
/// let hosts = HostsFile::parse("127.0.0.1 localhost\n192.0.2.1 box.test Box # mine\n");
/// let found = hosts.find("BOX");
/// assert_eq!((found[0].address, found[0].line), ([192, 0, 2, 1].into(), 2));
/// assert!(hosts.find("box.").is_empty());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostsFile(HashMap<String, Vec<HostsAddress>>);

/// Address of a [`HostsFile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostsAddress {
    /// Address.
    pub address: IpAddr,
    /// Line of the file, from 1.
    pub line: usize,
}

impl HostsFile {
    /// Path of the file.
    pub const PATH: &'static str = "/etc/hosts";

    /// File of this host. Without a readable file it has no names.
    pub fn of_system() -> Self {
        read_config_file(Self::PATH).map(Self::parse).unwrap_or_default()
    }

    /// Parses the text of a file.
    pub fn parse(text: impl AsRef<[u8]>) -> Self {
        let mut table = HashMap::<String, Vec<HostsAddress>>::new();
        let mut seen = HashSet::new();
        let text = String::from_utf8_lossy(text.as_ref());
        for (line, (address, names)) in
            (1..).zip(text.lines().map(entry)).filter_map(|(line, entry)| Some((line, entry?)))
        {
            for name in names.split_whitespace() {
                let name = name.to_ascii_lowercase();
                if seen.insert((name.clone(), address)) {
                    table.entry(name).or_default().push(HostsAddress { address, line });
                }
            }
        }
        Self(table)
    }

    /// Addresses of a name, each with the first line that has it.
    pub fn find(&self, name: &str) -> &[HostsAddress] {
        self.0.get(&name.to_ascii_lowercase()).map(Vec::as_slice).unwrap_or_default()
    }

    /// Addresses of a name. Names that end in `localhost` have the loopback addresses without an entry, too.
    #[cfg_attr(not(feature = "dns"), allow(dead_code))]
    pub(in crate::net) fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        let found = self.find(name);
        if !found.is_empty() {
            return Some(found.iter().map(|it| it.address).collect());
        }
        let loopback = || vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        is_localhost(&normalized(name)).then(loopback)
    }
}

/// Address and names of a line.
fn entry(line: &str) -> Option<(IpAddr, &str)> {
    let line = line.split('#').next().unwrap_or_default().trim_start();
    let (address, names) = line.split_once(char::is_whitespace)?;
    Some((address.parse().ok()?, names))
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
        for name in ["box", "BOX.example", "ip6-localhost", "a.localhost.", "localhost"] {
            assert!(is_in_hosts_file(name, FILE), "{name}");
        }
        for name in
            ["not.there", "nowhere", "192.0.2.7", "x.box", "localhost.test", "", "near", "box."]
        {
            assert!(!is_in_hosts_file(name, FILE), "{name}");
        }
    }

    #[test]
    fn o4_a_hosts_file() {
        let table = HostsFile::parse(FILE);
        let find = |name: &str| {
            let found = table.find(name).iter();
            found.map(|it| format!("{}:{}", it.address, it.line)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(find("localhost"), "127.0.0.1:1 ::1:2");
        assert_eq!(find("BOX"), "192.0.2.7:4 192.0.2.8:5");
        assert_eq!(find("box.example"), "192.0.2.7:4");
        for none in ["not.there", "near", "box."] {
            assert_eq!(find(none), "", "{none}");
        }
    }

    #[test]
    fn o4_localhost_needs_no_file() {
        let table = HostsFile::default();
        assert_eq!(table.addresses("a.localhost").map(|found| found.len()), Some(2));
        assert_eq!(table.addresses("localhost.example"), None);
    }
}
