//! The `*_PROXY` variables, which this program ignores and most HTTP clients obey.

use std::net::IpAddr;

use ipnet::IpNet;

/// A proxy that HTTP clients would use for a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    /// Name of the variable.
    pub(crate) variable: &'static str,
    /// Value of the variable, without the password.
    pub(crate) url: String,
    pub(crate) clients: ProxyClients,
}

/// The clients that obey a proxy variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProxyClients {
    Http,
    Https,
    /// Clients that obey `ALL_PROXY`, such as curl.
    All,
}

/// A target as HTTP clients see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProxyTarget<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) has_tls: bool,
}

const HTTPS: [&str; 2] = ["https_proxy", "HTTPS_PROXY"];
const HTTP: [&str; 2] = ["http_proxy", "HTTP_PROXY"];
const ALL: [&str; 2] = ["all_proxy", "ALL_PROXY"];
const EXCEPTIONS: [&str; 2] = ["no_proxy", "NO_PROXY"];

impl Proxy {
    /// The proxy of the environment for a target; `None` for loopback and for ports that are not used by HTTP.
    pub(crate) fn of_environment(target: ProxyTarget<'_>) -> Option<Self> {
        Self::of(target, |name| std::env::var(name).ok())
    }

    fn of(target: ProxyTarget<'_>, variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let first = |names: [&'static str; 2]| {
            let set = names.into_iter().map(|name| (name, variable(name).unwrap_or_default()));
            set.into_iter().find(|(_, value)| !value.trim().is_empty())
        };
        let exceptions = first(EXCEPTIONS).map(|(_, value)| value).unwrap_or_default();
        if target.is_loopback() || !target.may_be_http() || target.is_excepted(&exceptions) {
            return None;
        }
        let found = target.clients().iter().find_map(|clients| {
            let names = match clients {
                ProxyClients::Https => HTTPS,
                ProxyClients::Http => HTTP,
                ProxyClients::All => ALL,
            };
            Some((*clients, first(names)?))
        });
        let (clients, (variable, value)) = found?;
        Some(Self { variable, url: without_password(value.trim()), clients })
    }
}

impl ProxyTarget<'_> {
    /// The clients that would connect to this port, with the likeliest first.
    fn clients(&self) -> &'static [ProxyClients] {
        match self.port {
            443 => &[ProxyClients::Https, ProxyClients::All],
            _ if self.has_tls => &[ProxyClients::Https, ProxyClients::All],
            80 => &[ProxyClients::Http, ProxyClients::All],
            _ => &[ProxyClients::Https, ProxyClients::Http, ProxyClients::All],
        }
    }

    /// Whether the port may be that of an HTTP server: reserved ports and those of databases are not.
    fn may_be_http(&self) -> bool {
        const OTHERS: [u16; 13] =
            [1433, 1521, 2049, 3306, 3389, 5432, 5671, 5672, 6379, 9042, 9092, 11211, 27017];
        matches!(self.port, 80 | 443) || self.port >= 1024 && !OTHERS.contains(&self.port)
    }

    fn is_loopback(&self) -> bool {
        let host = self.host.trim_end_matches('.').to_ascii_lowercase();
        match host.parse::<IpAddr>() {
            Ok(ip) => ip.to_canonical().is_loopback() || ip.is_unspecified(),
            Err(_) => host.is_empty() || host == "localhost" || host.ends_with(".localhost"),
        }
    }

    /// Whether the list of `NO_PROXY` has the target: a name and all below it, an address, a network, or `*`; each
    /// with an optional port.
    fn is_excepted(&self, list: &str) -> bool {
        let entries = list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty());
        entries.into_iter().any(|entry| self.is_named_by(entry))
    }

    fn is_named_by(&self, entry: &str) -> bool {
        let host = self.host.trim_end_matches('.').to_ascii_lowercase();
        let ip = host.parse::<IpAddr>().ok();
        if let (Ok(network), Some(ip)) = (entry.parse::<IpNet>(), ip) {
            return network.contains(&ip);
        }
        let bare = entry.trim_start_matches('[').replace(']', "");
        if let Ok(address) = bare.parse::<IpAddr>() {
            return ip == Some(address);
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) => (name, port.parse::<u16>().ok()),
            None => (entry, None),
        };
        if port.is_some_and(|port| port != self.port) {
            return false;
        }
        let name = name.trim_matches(['[', ']']).trim_start_matches("*.").trim_matches('.');
        let name = name.to_ascii_lowercase();
        let is_below = || host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.'));
        name == "*" || !name.is_empty() && (host == name || is_below())
    }
}

/// The URL of a proxy, with `***` in the place of a password.
fn without_password(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    let Some((login, host)) = rest.rsplit_once('@') else { return url.to_owned() };
    match login.split_once(':') {
        Some((user, _)) => format!("{scheme}{user}:***@{host}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(target: &str, tls: bool, variables: &[(&str, &str)]) -> Option<(String, String)> {
        let (host, port) = target.rsplit_once(':').unwrap();
        let host = host.trim_matches(['[', ']']);
        let target = ProxyTarget { host, port: port.parse().unwrap(), has_tls: tls };
        let value = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Proxy::of(target, value).map(|proxy| (proxy.variable.to_owned(), proxy.url))
    }

    #[test]
    fn the_port_and_tls_decide_which_variable_counts() {
        let both = [("HTTPS_PROXY", "http://s:1"), ("http_proxy", "http://p:1")];
        let variable = |target, tls, variables| proxy(target, tls, variables).map(|it| it.0);
        assert_eq!(variable("a.test:443", false, &both).unwrap(), "HTTPS_PROXY");
        assert_eq!(variable("a.test:80", false, &both).unwrap(), "http_proxy");
        assert_eq!(variable("a.test:80", true, &both).unwrap(), "HTTPS_PROXY");
        assert_eq!(variable("a.test:8443", false, &both[1..]).unwrap(), "http_proxy");
        assert_eq!(variable("a.test:443", false, &both[1..]), None);
        for other in ["a.test:22", "a.test:5432", "localhost:443", "[::1]:443", "127.0.0.5:80"] {
            assert_eq!(variable(other, false, &both), None, "{other}");
        }
        let all = [("ALL_PROXY", "socks5://s:1080"), ("https_proxy", " ")];
        assert_eq!(variable("a.test:443", false, &all).unwrap(), "ALL_PROXY");
    }

    #[test]
    fn no_proxy_excepts_names_addresses_and_networks() {
        let cases = [
            ("a.test:443", "b.test, a.test", true),
            ("x.a.test:443", ".a.test", true),
            ("x.a.test:443", "A.test", true),
            ("xa.test:443", "a.test", false),
            ("a.test:443", "*", true),
            ("x.a.test:443", "*.a.test", true),
            ("a.test:443", "a.test:8443", false),
            ("a.test:443", "a.test:443", true),
            ("192.0.2.1:443", "192.0.2.0/24", true),
            ("192.0.2.1:443", "192.0.2.10", false),
            ("[2001:db8::1]:443", "2001:db8::/32", true),
            ("[2001:db8::1]:443", "2001:db8:0::1", true),
            ("a.test:443", "", false),
        ];
        for (target, list, is_excepted) in cases {
            let found = proxy(target, false, &[("https_proxy", "p:1"), ("NO_PROXY", list)]);
            assert_eq!(found.is_none(), is_excepted, "{target} {list}");
        }
    }

    #[test]
    fn a_password_is_masked() {
        let cases = [
            ("http://u:secret@p.test:3128/", "http://u:***@p.test:3128/"),
            ("u:se@cret@p:1", "u:***@p:1"),
            ("http://u@p:1", "http://u@p:1"),
            ("socks5h://[::1]:1080", "socks5h://[::1]:1080"),
        ];
        for (url, shown) in cases {
            assert_eq!(without_password(url), shown);
        }
    }
}
