//! Schemes of URLs that name a target: port, transport, TLS and ALPN of each.

use super::StartTls;

/// Scheme of a URL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scheme {
    pub(crate) name: &'static str,
    /// Default port; `None` if the URL must have one.
    pub(crate) port: Option<u16>,
    security: Security,
}

/// Transport of a target and the protection of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// TCP without TLS.
    Plain,
    /// TLS from the first byte, with these protocols (ALPN).
    Tls(&'static [&'static str]),
    /// TLS after an exchange in plain text.
    StartTls(StartTls),
    /// UDP.
    Datagrams,
}

/// Protocols of HTTP over TLS, in the order of preference.
pub(super) const HTTP: &[&str] = &["h2", "http/1.1"];

/// Every scheme, with its port of the registry of IANA; that of `rediss` is redis-cli's.
///
/// Mail starts TLS in plain text, because RFC 8314 section 4.1 requires TLS. LDAP, FTP and databases do so only if they
/// are asked to.
pub(crate) const SCHEMES: [Scheme; 34] = [
    plain("http", 80),
    tls("https", 443, HTTP),
    plain("ws", 80),
    // RFC 8441 needs a setting of the server that HTTP/1.1 does not.
    tls("wss", 443, &["http/1.1"]),
    plain("ldap", 389),
    tls("ldaps", 636, &[]),
    mail("smtp", 25, StartTls::Smtp),
    mail("submission", 587, StartTls::Smtp),
    tls("smtps", 465, &[]),
    tls("submissions", 465, &[]),
    mail("imap", 143, StartTls::Imap),
    tls("imaps", 993, &[]),
    mail("pop3", 110, StartTls::Pop3),
    tls("pop3s", 995, &[]),
    plain("postgres", 5432),
    plain("postgresql", 5432),
    plain("mysql", 3306),
    plain("redis", 6379),
    tls("rediss", 6379, &[]),
    plain("amqp", 5672),
    tls("amqps", 5671, &[]),
    plain("mongodb", 27017),
    plain("mqtt", 1883),
    tls("mqtts", 8883, &[]),
    plain("ftp", 21),
    tls("ftps", 990, &[]),
    mail("ftpes", 21, StartTls::Ftp),
    plain("ssh", 22),
    plain("sftp", 22),
    plain("git", 9418),
    plain("nntp", 119),
    Scheme { name: "tcp", port: None, security: Security::Plain },
    Scheme { name: "tls", port: None, security: Security::Tls(&[]) },
    Scheme { name: "udp", port: None, security: Security::Datagrams },
];

const fn plain(name: &'static str, port: u16) -> Scheme {
    Scheme { name, port: Some(port), security: Security::Plain }
}

const fn tls(name: &'static str, port: u16, alpn: &'static [&'static str]) -> Scheme {
    Scheme { name, port: Some(port), security: Security::Tls(alpn) }
}

const fn mail(name: &'static str, port: u16, protocol: StartTls) -> Scheme {
    Scheme { name, port: Some(port), security: Security::StartTls(protocol) }
}

impl Scheme {
    /// A scheme by its name, in any case (RFC 3986 section 3.1).
    pub(super) fn by_name(name: &str) -> Option<&'static Self> {
        SCHEMES.iter().find(|scheme| scheme.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn is_http(&self) -> bool {
        matches!(self.name, "http" | "https")
    }

    /// Security of a URL, which the parameters of its query may demand: `sslmode` of libpq, `ssl-mode` of MySQL, and
    /// `tls` or `ssl` of MongoDB.
    pub(super) fn security(&self, query: &str) -> Security {
        let asked = query.rsplit('&').filter_map(|pair| pair.split_once('='));
        let mut demands = asked.filter_map(|(key, value)| self.demand(key, value));
        demands.next().unwrap_or(self.security)
    }

    fn demand(&self, key: &str, value: &str) -> Option<Security> {
        let value = value.to_ascii_lowercase();
        match (self.name, key, value.as_str()) {
            ("postgres" | "postgresql", "sslmode", "require" | "verify-ca" | "verify-full") => {
                Some(Security::StartTls(StartTls::Postgres))
            }
            ("mysql", "ssl-mode", "required" | "verify_ca" | "verify_identity") => {
                Some(Security::StartTls(StartTls::MySql))
            }
            ("mongodb", "tls" | "ssl", "true") => Some(Security::Tls(&[])),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_may_demand_tls() {
        let security = |name: &str, query| Scheme::by_name(name).unwrap().security(query);
        let postgres = Security::StartTls(StartTls::Postgres);
        assert_eq!(security("postgres", ""), Security::Plain);
        assert_eq!(security("PostgreSQL", "a=b&sslmode=verify-full"), postgres);
        assert_eq!(security("postgres", "sslmode=prefer"), Security::Plain);
        assert_eq!(security("mysql", "ssl-mode=REQUIRED"), Security::StartTls(StartTls::MySql));
        assert_eq!(security("mongodb", "tls=true"), Security::Tls(&[]));
        assert_eq!(security("redis", "tls=true"), Security::Plain);
    }
}
