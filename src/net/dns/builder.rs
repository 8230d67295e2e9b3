//! Builder of a client: resolv.conf(5), hosts(5), and every setting.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

#[cfg(feature = "dnssec")]
use super::TrustAnchors;
use super::client::DnsClient;
use super::config::{Config, ResolverOptions};
use super::message::QueryFlags;
use super::{DnsConfigError, DnsServer};
use crate::event_loop::LoopHandle;
#[cfg(feature = "tls")]
use crate::net::TlsClient;
use crate::net::resolver::hosts::HostsFile;
use crate::plan::{DnsTransport, Host, QueryPolicy, SearchList};

/// Builder of a [`DnsClient`].
///
/// ```
/// use std::time::Duration;
/// use loopctl::{DnsClient, DnsServer};
///
/// # let event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// let server: DnsServer = "udp://127.0.0.1:5353".parse()?;
/// let client = DnsClient::builder()
///     .servers([server])
///     .timeout(Duration::from_millis(500))
///     .attempts(3)
///     .search(["corp.example"], 1)
///     .hosts(b"192.0.2.1 printer\n")
///     .mixed_case(true)
///     .dnssec(true)
///     .edns(true)
///     .recursion(true)
///     .build(&handle)?;
/// assert_eq!(client.servers()[0].endpoint(), "127.0.0.1:5353");
/// # Ok::<(), loopctl::BoxError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing happens until it is built"]
pub struct DnsClientBuilder(Config);

impl DnsClient {
    /// Settings of this host, from `/etc/resolv.conf` and `/etc/hosts`. Both files are read now.
    ///
    /// ```no_run
    /// use loopctl::{DnsClient, RecordType};
    ///
    /// loopctl::run(async |event_loop| {
    ///     let client = DnsClient::system()?.build(&event_loop)?;
    ///     for record in client.query("example.com", RecordType::Mx).await?.matching() {
    ///         println!("{record}");
    ///     }
    ///     Ok::<_, loopctl::BoxError>(())
    /// })??;
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// Fails if a file exists and cannot be read.
    pub fn system() -> Result<DnsClientBuilder, DnsConfigError> {
        DnsClientBuilder::of_files(Path::new("/etc/resolv.conf"), Path::new("/etc/hosts"))
    }

    /// Empty settings: no servers, no search list, no hosts file.
    pub fn builder() -> DnsClientBuilder {
        DnsClientBuilder::new()
    }
}

impl DnsClientBuilder {
    pub(super) fn new() -> Self {
        Self(Config {
            servers: Vec::new(),
            policy: QueryPolicy::default(),
            search: SearchList::none(),
            hosts: HostsFile::default(),
            flags: QueryFlags::default(),
            options: ResolverOptions::default(),
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "dnssec")]
            anchors: None,
        })
    }

    /// A missing file means the system's defaults: the name server on this host, and no names.
    pub(super) fn of_files(resolv_conf: &Path, hosts: &Path) -> Result<Self, DnsConfigError> {
        let (conf, hosts) = (read(resolv_conf)?, read(hosts)?);
        Ok(Self::new().resolv_conf(conf).hosts(hosts))
    }

    /// Applies resolv.conf(5): `nameserver` (the first three), `search`, `domain`, and the options `attempts`,
    /// `ndots`, `no-aaaa`, `rotate`, `single-request`, `timeout`, `trust-ad` and `use-vc`, within glibc's limits.
    /// Invalid lines are ignored, as by glibc.
    ///
    /// EDNS is used without the option `edns0`, because it brings longer answers and Extended DNS Errors.
    pub fn resolv_conf(mut self, text: impl AsRef<[u8]>) -> Self {
        const MAX_SERVERS: usize = 3;
        const MAX_TIMEOUT: u32 = 30;
        const MAX_ATTEMPTS: u32 = 5;
        const MAX_DOTS: u32 = 15;
        let (conf, passed_over) = resolv_conf::Config::parse_with_errors(text.as_ref());
        for error in passed_over {
            log::debug!("resolv.conf: {error}");
        }
        let transport = if conf.use_vc { DnsTransport::Tcp } else { DnsTransport::Udp };
        let server = |host: String| DnsServer::of_system(Host::from(host), transport);
        let known = conf.nameservers.iter().take(MAX_SERVERS);
        self.0.servers = known.map(|known| server(known.to_string())).collect();
        if self.0.servers.is_empty() {
            self.0.servers.push(server("127.0.0.1".to_owned()));
        }
        let listed: Vec<String> = conf.get_last_search_or_domain().cloned().collect();
        let domains =
            if listed.is_empty() { conf.get_system_domain().into_iter().collect() } else { listed };
        self.0.search = SearchList::new(domains, conf.ndots.min(MAX_DOTS) as usize);
        self.0.policy.timeout = Duration::from_secs(conf.timeout.clamp(1, MAX_TIMEOUT).into());
        self.0.policy.attempts = conf.attempts.clamp(1, MAX_ATTEMPTS);
        self.0.flags.authentic = conf.trust_ad;
        self.0.options = ResolverOptions {
            rotates: conf.rotate,
            one_at_a_time: conf.single_request || conf.single_request_reopen,
            no_ipv6: conf.no_aaaa,
        };
        self
    }

    /// Sets the hosts file, in the format of hosts(5). Its names are not queried.
    pub fn hosts(mut self, text: impl AsRef<[u8]>) -> Self {
        self.0.hosts = HostsFile::parse(text.as_ref());
        self
    }

    /// Replaces the servers.
    pub fn servers(mut self, servers: impl IntoIterator<Item = DnsServer>) -> Self {
        self.0.servers = servers.into_iter().collect();
        self
    }

    /// Sets the time limit of each message. Default: 5 s.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.0.policy.timeout = limit;
        self
    }

    /// Sets the number of times that each server is queried. Default: 2.
    pub fn attempts(mut self, count: u32) -> Self {
        self.0.policy.attempts = count;
        self
    }

    /// Sets the search list: domains to append to short names, and the number of dots from which a name is tried
    /// unchanged; see [`SearchList`].
    pub fn search<D: Into<String>>(
        mut self,
        domains: impl IntoIterator<Item = D>,
        ndots: usize,
    ) -> Self {
        self.0.search = SearchList::new(domains, ndots);
        self
    }

    /// Starts each query with the next server (`rotate`).
    pub fn rotate(mut self, rotates: bool) -> Self {
        self.0.options.rotates = rotates;
        self
    }

    /// Uses EDNS (RFC 6891). Default: on.
    pub fn edns(mut self, edns: bool) -> Self {
        self.0.policy.edns = edns;
        self
    }

    /// Requests DNSSEC records (DO), and whether the server has validated the answer (AD). The client does not
    /// validate; see [`validate`](Self::validate).
    pub fn dnssec(mut self, dnssec: bool) -> Self {
        self.0.flags.dnssec = dnssec;
        self.0.flags.authentic |= dnssec;
        self
    }

    /// Validates every answer, from these trust anchors; the result is
    /// [`validation`](super::DnsExchange::validation). A wrong signature is a [`Bogus`](super::DnsErrorKind::Bogus)
    /// error. Keys that cannot be obtained are an [`Indeterminate`](super::DnsErrorKind::Indeterminate) error.
    /// Servers are asked not to validate (CD), because they would hide what is wrong. The keys of each zone are
    /// queried once.
    ///
    /// ```no_run
    /// use loopctl::{DnsClient, DnsProof, RecordType, TrustAnchors};
    ///
    /// let answer = loopctl::run(async |event_loop| {
    ///     let client = DnsClient::system()?.validate(TrustAnchors::root()).build(&event_loop)?;
    ///     Ok::<_, loopctl::BoxError>(client.query("iana.org", RecordType::A).await?)
    /// })??;
    /// let validation = answer.exchange.validation.ok_or("it was not verified")?;
    /// assert_eq!(validation.proof, DnsProof::Secure);
    /// assert_eq!(validation.chain, [".", "org.", "iana.org."]);
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    #[cfg(feature = "dnssec")]
    pub fn validate(mut self, anchors: TrustAnchors) -> Self {
        self.0.anchors = Some(anchors);
        self.0.flags.unchecked = true;
        self.dnssec(true)
    }

    /// Randomises the case of names ("0x20"), which an answer must repeat. A forger has to guess it, in addition to
    /// the ID and the port. A few servers do not repeat the case; they appear silent.
    pub fn mixed_case(mut self, mixed_case: bool) -> Self {
        self.0.flags.mixed_case = mixed_case;
        self
    }

    /// Requests recursion (RD). Default: on. Without it, an authoritative server answers with a referral to the zone
    /// below ([`Referral`](super::DnsErrorKind::Referral)).
    pub fn recursion(mut self, recursion: bool) -> Self {
        self.0.flags.no_recursion = !recursion;
        self
    }

    /// Sets the TLS configuration of encrypted transports. Default: the platform's authorities.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsClient) -> Self {
        self.0.tls = Some(tls);
        self
    }

    /// Builds the client. The platform's certificates are read now, if they are needed.
    ///
    /// # Errors
    /// Fails without a server, or without TLS for a server that needs it.
    #[cfg_attr(not(feature = "tls"), allow(unused_mut))]
    pub fn build(mut self, event_loop: &LoopHandle) -> Result<DnsClient, DnsConfigError> {
        if self.0.servers.is_empty() {
            return Err(DnsConfigError::new("the resolver", "it has no name server"));
        }
        let over_tls = |server: &&DnsServer| server.transport().is_encrypted();
        if let Some(server) = self.0.servers.iter().find(over_tls) {
            let what = format!("the name server `{server}`");
            #[cfg(not(feature = "tls"))]
            return Err(DnsConfigError::new(what, "this library was built without TLS"));
            #[cfg(feature = "tls")]
            if self.0.tls.is_none() {
                let made = TlsClient::builder().build();
                self.0.tls = Some(made.map_err(|error| DnsConfigError::new(what, error))?);
            }
        }
        Ok(DnsClient::new(event_loop, self.0))
    }
}

/// Content of a file; empty if it does not exist.
fn read(path: &Path) -> Result<Vec<u8>, DnsConfigError> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(DnsConfigError::new(path.display().to_string(), error)),
        Ok(text) => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        DnsClientBuilder::new().resolv_conf(text).0
    }

    fn servers(text: &str) -> Vec<String> {
        config(text).servers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn o4_name_servers_of_resolv_conf() {
        assert_eq!(servers("search example.test\n"), ["udp://127.0.0.1:53"], "the default");
        let four = "nameserver 192.0.2.1\nnameserver 2001:db8::1\n# nameserver 192.0.2.2\n\
            nameserver fe80::1%eth0\nnameserver 192.0.2.3\n";
        let three = ["udp://192.0.2.1:53", "udp://[2001:db8::1]:53", "udp://[fe80::1%eth0]:53"];
        assert_eq!(servers(four), three);
        assert_eq!(servers("nameserver 192.0.2.1\noptions use-vc\n"), ["tcp://192.0.2.1:53"]);
        assert_eq!(servers("nameserver nonsense\nnameserver 192.0.2.1\n"), ["udp://192.0.2.1:53"]);
    }

    #[test]
    fn o4_search_and_domain_of_resolv_conf() {
        let names = |text: &str| config(text).search.names("db");
        let both = "domain one.test\nsearch two.test three.test\n";
        assert_eq!(names(both), ["db.two.test.", "db.three.test.", "db."], "the last one counts");
        assert_eq!(names("search two.test\ndomain one.test\n"), ["db.one.test.", "db."]);
        assert_eq!(names("search .\n"), ["db."]);
        assert_eq!(names("search a.test\noptions ndots:0\n"), ["db.", "db.a.test."]);
    }

    #[test]
    fn o4_options_of_resolv_conf_within_glibcs_limits() {
        let default = config("");
        assert_eq!(default.policy, QueryPolicy::default());
        assert!(!default.options.rotates && !default.options.no_ipv6 && !default.flags.authentic);
        let text = "options timeout:2 attempts:4 rotate trust-ad no-aaaa single-request bogus:1\n";
        let (policy, options) = (config(text).policy, config(text).options);
        assert_eq!((policy.timeout, policy.attempts), (Duration::from_secs(2), 4));
        assert!(options.rotates && options.no_ipv6 && options.one_at_a_time);
        assert!(config(text).flags.authentic);
        let policy = config("options timeout:9999 attempts:0\n").policy;
        assert_eq!((policy.timeout, policy.attempts), (Duration::from_secs(30), 1));
        let most = config("options ndots:99 attempts:99 timeout:0\n").policy;
        assert_eq!((most.timeout, most.attempts), (Duration::from_secs(1), 5));
    }

    #[test]
    fn o4_both_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let [conf, hosts] = ["resolv.conf", "hosts"].map(|name| folder.path().join(name));
        fs::write(&conf, "nameserver 192.0.2.53\nsearch a.test\n").unwrap();
        fs::write(&hosts, "192.0.2.1 box\n").unwrap();
        let config = DnsClientBuilder::of_files(&conf, &hosts).unwrap().0;
        assert_eq!(config.servers[0].to_string(), "udp://192.0.2.53:53");
        assert_eq!(config.search.names("box"), ["box.a.test.", "box."]);
        assert_eq!(config.hosts.find("box"), Some(vec![[192, 0, 2, 1].into()]));
    }

    #[test]
    fn o4_files_that_are_not_there_mean_the_defaults() {
        let nowhere = Path::new("/no/such/file");
        let config = DnsClientBuilder::of_files(nowhere, nowhere).unwrap().0;
        assert_eq!(config.servers[0].to_string(), "udp://127.0.0.1:53");
        let error = DnsClientBuilder::of_files(Path::new("/"), nowhere).unwrap_err();
        assert!(error.to_string().starts_with("/: "), "{error}");
    }
}
