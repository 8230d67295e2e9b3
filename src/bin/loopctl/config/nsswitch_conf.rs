//! nsswitch.conf(5): the sources of host names.

use loopctl::read_config_file;

pub(crate) const PATH: &str = "/etc/nsswitch.conf";

/// Sources of host names, in the order in which the system's resolver uses them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameSources {
    /// Line of the file; `None` for the default of glibc.
    pub(crate) line: Option<usize>,
    pub(crate) sources: Vec<NameSource>,
}

/// One source, such as `files` or `dns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameSource {
    pub(crate) name: String,
    /// Whether a name that it does not have is not looked up in later sources (`[NOTFOUND=return]`).
    pub(crate) is_last_without_name: bool,
}

/// Part of the sources in a lookup through name servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DnsSource {
    /// The name servers of resolv.conf(5) are asked.
    Used,
    /// There is no such source.
    Missing,
    /// The source before it ends the lookup.
    Hidden,
    /// A source before it may have the answer.
    Unknown,
}

impl NameSources {
    /// Sources of this host. A file that cannot be read has no effect.
    pub(crate) fn of_system() -> Self {
        let text = read_config_file(PATH).unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&text))
    }

    /// Names of the sources.
    pub(crate) fn names(&self) -> Vec<String> {
        self.sources.iter().map(|source| source.name.clone()).collect()
    }

    /// Whether the hosts file is used before name servers.
    pub(crate) fn uses_files(&self) -> bool {
        let place = |name: &str| self.sources.iter().position(|source| source.name == name);
        place("files").is_some_and(|files| place("dns").is_none_or(|dns| files < dns))
    }

    /// Whether name servers are asked for a name that is not in the hosts file.
    pub(crate) fn dns(&self) -> DnsSource {
        let Some(dns) = self.sources.iter().position(|source| source.name == "dns") else {
            return DnsSource::Missing;
        };
        let before = &self.sources[..dns];
        if before.iter().any(|source| source.name == "files" && source.is_last_without_name) {
            DnsSource::Hidden
        } else if before.iter().all(NameSource::knows_local_names_only) {
            DnsSource::Used
        } else {
            DnsSource::Unknown
        }
    }

    fn parse(text: &str) -> Self {
        let hosts = |line: &str| line.trim_start().strip_prefix("hosts:").map(str::to_owned);
        let found = (1..).zip(text.lines()).find_map(|(number, line)| Some((number, hosts(line)?)));
        let (line, text) = match found {
            Some((number, text)) => (Some(number), text),
            None => (None, "files dns".to_owned()),
        };
        let text = text.split('#').next().unwrap_or_default();
        let mut sources: Vec<NameSource> = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            if let Some(actions) = rest.strip_prefix('[') {
                let (actions, after) = actions.split_once(']').unwrap_or((actions, ""));
                if let Some(last) = sources.last_mut() {
                    last.is_last_without_name = actions.split_whitespace().any(ends_not_found);
                }
                rest = after.trim_start();
            } else {
                let end = rest.find(|c: char| c.is_whitespace() || c == '[').unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                sources.push(NameSource { name: name.to_owned(), is_last_without_name: false });
                rest = after.trim_start();
            }
        }
        Self { line, sources }
    }
}

impl NameSource {
    /// Whether it has names of this host, of its containers or of the link only, none of a name server.
    fn knows_local_names_only(&self) -> bool {
        let is_multicast = self.name.starts_with("mdns");
        is_multicast || ["files", "myhostname", "mymachines"].contains(&self.name.as_str())
    }
}

/// Whether an action returns for a name that the source does not have.
fn ends_not_found(action: &str) -> bool {
    let action = action.to_lowercase();
    let Some(status) = action.strip_suffix("=return") else { return false };
    match status.strip_prefix('!') {
        Some(other) => other != "notfound",
        None => status == "notfound",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nsswitch_conf_lists_sources_and_actions() {
        let cases = [
            ("", "files dns", None),
            ("passwd: files\nhosts: files dns # mine\n", "files dns", Some(2)),
            ("hosts: files mymachines [!UNAVAIL=return] dns\n", "files mymachines dns", Some(1)),
            ("hosts:files [NOTFOUND=return SUCCESS=return]dns\n", "files dns", Some(1)),
        ];
        for (text, expected, line) in cases {
            let parsed = NameSources::parse(text);
            assert_eq!(
                (parsed.names().join(" ").as_str(), parsed.line),
                (expected, line),
                "{text}"
            );
        }
    }

    #[test]
    fn actions_and_sources_decide_whether_name_servers_are_asked() {
        for (hosts, expected) in [
            ("files dns", DnsSource::Used),
            ("dns files", DnsSource::Used),
            ("files myhostname mdns4_minimal [NOTFOUND=return] dns", DnsSource::Used),
            ("files", DnsSource::Missing),
            ("files [notfound=return] dns", DnsSource::Hidden),
            ("files [!UNAVAIL=return] dns", DnsSource::Hidden),
            ("files [!NOTFOUND=return] dns", DnsSource::Used),
            ("files resolve [!UNAVAIL=return] dns", DnsSource::Unknown),
            ("files ldap dns", DnsSource::Unknown),
        ] {
            assert_eq!(NameSources::parse(&format!("hosts: {hosts}\n")).dns(), expected, "{hosts}");
        }
        assert!(!NameSources::parse("hosts: dns files\n").uses_files());
        assert!(NameSources::parse("hosts: files\n").uses_files());
    }
}
