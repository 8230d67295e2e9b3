//! The configuration of name servers: resolv.conf(5), `LOCALDOMAIN` and `RES_OPTIONS`, as glibc reads them.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::config_file::read_config_file;
use super::inet_aton::inet_aton;
use crate::plan::{Host, SearchList};

/// Name servers, search list and options of this host, as glibc reads resolv.conf(5) (`resolv/res_init.c`).
///
/// A keyword begins its line and is in lower case. A name server is an address without a port, in a form of
/// [`inet_aton`] or of IPv6. Of the servers, the first three are used. Without a usable one, it is 127.0.0.1. A carriage return
/// is part of the word before it. What is not used is in [`passed_over`](Self::passed_over).
///
/// ```
/// use loopctl::ResolvConf;
///
/// let conf = ResolvConf::parse("nameserver 192.0.2.53\r\nnameserver 192.0.2.54\nsearch a.test\n");
/// assert_eq!(conf.servers[0].host.to_string(), "192.0.2.54");
/// assert_eq!(conf.servers[0].line, Some(2));
/// assert_eq!(conf.passed_over[0].line, 1);
/// assert_eq!(conf.search_list().names("db"), ["db.a.test.", "db."]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResolvConf {
    /// Servers that are asked, at most three.
    pub servers: Vec<ConfiguredServer>,
    /// Domains of the search list.
    pub search: Vec<String>,
    /// Source of the search list.
    pub search_source: ConfSource,
    /// Number of dots from which a name is first asked unchanged.
    pub ndots: usize,
    /// `timeout`, at most 30 s. The system waits at least 1 s.
    pub timeout: Duration,
    /// `attempts`, at most 5. With 0 the system asks no server.
    pub attempts: u32,
    /// Source of `attempts`, if it is set.
    pub attempts_source: Option<ConfSource>,
    /// Options without a value.
    pub flags: ConfFlags,
    /// Lines, or parts of them, that have no effect.
    pub passed_over: Vec<PassedOver>,
    /// Reason why the file was not read; the defaults apply.
    pub unreadable: Option<UnreadableConf>,
}

/// Options of [`ResolvConf`] that are set or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfFlags {
    /// `rotate`: each query starts with the next server.
    pub rotates: bool,
    /// `single-request`: A and AAAA one after the other.
    pub single_request: bool,
    /// `no-aaaa`: AAAA is not asked for.
    pub no_aaaa: bool,
    /// `trust-ad`: the AD flag is asked for.
    pub trust_ad: bool,
    /// `use-vc`: queries over TCP.
    pub use_tcp: bool,
}

/// Name server of [`ResolvConf`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredServer {
    /// Address, with its zone.
    pub host: Host,
    /// Line of the file, from 1; `None` for the default server.
    pub line: Option<usize>,
}

/// Source of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfSource {
    /// The default of the system.
    Default,
    /// Line of the file, from 1.
    Line(usize),
    /// Variable of the environment.
    Variable(&'static str),
    /// Domain of the host name.
    HostName,
}

/// Line of resolv.conf that has no effect, or not the one that it seems to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Line of the file, from 1.
    pub line: usize,
    /// Text of the line, or the word in question.
    pub text: String,
    /// Reason.
    pub reason: PassedOverReason,
}

/// Reason why a line has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PassedOverReason {
    /// A byte order mark precedes the keyword.
    ByteOrderMark,
    /// The value ends in a carriage return, as in files of Windows.
    CarriageReturn,
    /// A blank precedes the keyword.
    Indented,
    /// The keyword is known only in lower case.
    Capitals,
    /// The address has a port.
    Port,
    /// The value is no address.
    NotAnAddress,
    /// The keyword has no value.
    NoValue,
    /// More than three servers.
    TooManyServers,
    /// The keyword is not known.
    UnknownKeyword,
    /// The option is not known.
    UnknownOption,
}

/// Reason why resolv.conf(5) was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableConf {
    /// Whether there is no such file.
    pub is_missing: bool,
    /// Text of the error.
    pub message: String,
}

impl fmt::Display for PassedOverReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ByteOrderMark => "a byte order mark precedes the keyword",
            Self::CarriageReturn => "it ends in a carriage return",
            Self::Indented => "a blank precedes the keyword",
            Self::Capitals => "the keyword must be in lower case",
            Self::Port => "an address has no port there",
            Self::NotAnAddress => "it is no address",
            Self::NoValue => "it has no value",
            Self::TooManyServers => "only the first three name servers are used",
            Self::UnknownKeyword => "the keyword is not known",
            Self::UnknownOption => "the option is not known",
        })
    }
}

const MAX_SERVERS: usize = 3;
const MAX_TIMEOUT: i64 = 30;
const MAX_ATTEMPTS: i64 = 5;
const MAX_NDOTS: i64 = 15;

const KEYWORDS: [&str; 5] = ["nameserver", "search", "domain", "options", "sortlist"];

/// Options without a value that are of no concern here.
const OTHER_OPTIONS: [&str; 10] = [
    "debug",
    "no-check-names",
    "inet6",
    "ip6-bytestring",
    "ip6-dotint",
    "no-ip6-dotint",
    "edns0",
    "no-tld-query",
    "no_tld_query",
    "no-reload",
];

impl ResolvConf {
    /// Path of the file.
    pub const PATH: &'static str = "/etc/resolv.conf";

    /// Configuration of this process: the file, `LOCALDOMAIN` and `RES_OPTIONS`.
    ///
    /// A file that cannot be read means the defaults, as for the system.
    ///
    /// ```
    /// assert!(!loopctl::ResolvConf::of_system().servers.is_empty());
    /// ```
    pub fn of_system() -> Self {
        let mut conf = Self::of_file();
        conf.apply_environment();
        conf
    }

    pub(in crate::net) fn apply_environment(&mut self) {
        let variable =
            |name| std::env::var_os(name).map(|text| text.to_string_lossy().into_owned());
        self.apply(variable("LOCALDOMAIN").as_deref(), variable("RES_OPTIONS").as_deref());
    }

    fn of_file() -> Self {
        match read_config_file(Self::PATH) {
            Ok(text) => Self::parse(text),
            Err(error) => {
                let is_missing = error.kind() == io::ErrorKind::NotFound;
                let unreadable = UnreadableConf { is_missing, message: plain(&error) };
                Self { unreadable: Some(unreadable), ..Self::parse("") }
            }
        }
    }

    /// Parses the text of the file. The environment is not used.
    pub fn parse(text: impl AsRef<[u8]>) -> Self {
        let text = String::from_utf8_lossy(text.as_ref());
        let mut parser = Parser { conf: Self::empty(), has_search: false };
        for (number, line) in (1..).zip(text.split('\n')) {
            parser.line(number, line);
        }
        parser.finish()
    }

    /// Applies the variables `LOCALDOMAIN` and `RES_OPTIONS`, which override the file.
    ///
    /// ```
    /// use loopctl::ResolvConf;
    ///
    /// let mut conf = ResolvConf::parse("search a.test\n");
    /// conf.apply(Some("b.test c.test"), Some("ndots:2 attempts:1"));
    /// assert_eq!((conf.search.len(), conf.ndots, conf.attempts), (2, 2, 1));
    /// ```
    pub fn apply(&mut self, local_domain: Option<&str>, options: Option<&str>) {
        if let Some(list) = local_domain {
            let line = list.split('\n').next().unwrap_or_default();
            self.search = words(line).map(str::to_owned).collect();
            self.search_source = ConfSource::Variable("LOCALDOMAIN");
        }
        if let Some(options) = options {
            self.options(options, ConfSource::Variable("RES_OPTIONS"));
        }
    }

    /// Search list.
    pub fn search_list(&self) -> SearchList {
        SearchList::new(self.search.iter().cloned(), self.ndots)
    }

    /// Time that the system waits for one server of the list, counted from 0, in each attempt.
    ///
    /// The first one has the whole timeout; for later ones it doubles, and is divided by the number of servers.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let two = "nameserver 192.0.2.53\nnameserver 192.0.2.54\noptions timeout:3\n";
    /// let conf = loopctl::ResolvConf::parse(two);
    /// assert_eq!(conf.system_wait(0), Duration::from_secs(3));
    /// assert_eq!(conf.system_wait(1), Duration::from_secs(3));
    /// ```
    pub fn system_wait(&self, server: usize) -> Duration {
        let shift = u32::try_from(server.min(MAX_SERVERS)).unwrap_or(0);
        let seconds = self.timeout.as_secs() << shift;
        let count = if server == 0 { 1 } else { self.servers.len().max(1) as u64 };
        Duration::from_secs((seconds / count).max(1))
    }

    /// Longest time that the system needs for one name of the search list: every server is silent, or the first one
    /// answers one of two questions.
    ///
    /// ```
    /// let conf = loopctl::ResolvConf::parse("nameserver 192.0.2.53\n");
    /// assert_eq!(conf.system_worst_case().as_secs(), 15);
    /// ```
    pub fn system_worst_case(&self) -> Duration {
        let once: Duration = (0..self.servers.len()).map(|server| self.system_wait(server)).sum();
        (once * self.attempts).max(self.half_answered_wait())
    }

    /// Time that the system waits where a server answers one of A and AAAA: it asks again, one after the other, and
    /// then with a socket for each (`resolv/res_send.c`, `send_dg`).
    pub fn half_answered_wait(&self) -> Duration {
        if self.attempts == 0 { Duration::ZERO } else { self.system_wait(0) * 3 }
    }

    fn empty() -> Self {
        Self {
            servers: Vec::new(),
            search: Vec::new(),
            search_source: ConfSource::Default,
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
            attempts_source: None,
            flags: ConfFlags::default(),
            passed_over: Vec::new(),
            unreadable: None,
        }
    }

    fn options(&mut self, text: &str, source: ConfSource) {
        // glibc compares the beginnings of words only.
        for word in words(text).take_while(|word| !word.starts_with('#')) {
            if let Some(value) = word.strip_prefix("ndots:") {
                self.ndots = usize::try_from(number(value, MAX_NDOTS)).unwrap_or(0);
            } else if let Some(value) = word.strip_prefix("timeout:") {
                self.timeout = Duration::from_secs(number(value, MAX_TIMEOUT));
            } else if let Some(value) = word.strip_prefix("attempts:") {
                self.attempts = u32::try_from(number(value, MAX_ATTEMPTS)).unwrap_or(0);
                self.attempts_source = Some(source);
            } else if word.starts_with("rotate") {
                self.flags.rotates = true;
            } else if word.starts_with("single-request") {
                self.flags.single_request = true;
            } else if word.starts_with("use-vc") {
                self.flags.use_tcp = true;
            } else if word.starts_with("trust-ad") {
                self.flags.trust_ad = true;
            } else if word.starts_with("no-aaaa") {
                self.flags.no_aaaa = true;
            } else if let ConfSource::Line(line) = source
                && !OTHER_OPTIONS.iter().any(|known| word.starts_with(known))
                && !word.trim().is_empty()
            {
                let (text, reason) = (word.to_owned(), PassedOverReason::UnknownOption);
                self.passed_over.push(PassedOver { line, text, reason });
            }
        }
    }
}

struct Parser {
    conf: ResolvConf,
    has_search: bool,
}

impl Parser {
    fn line(&mut self, number: usize, line: &str) {
        let Some((keyword, value)) =
            KEYWORDS.iter().find_map(|known| Some((*known, after(known, line)?)))
        else {
            let reason = not_understood(line);
            return self.pass_over(number, line, reason);
        };
        match keyword {
            "nameserver" => self.server(number, line, value),
            "search" | "domain" => self.search(number, keyword, value),
            "options" => self.conf.options(value, ConfSource::Line(number)),
            _ => {}
        }
    }

    fn server(&mut self, line: usize, text: &str, value: &str) {
        let word = words(value).next().unwrap_or_default();
        let Some(host) = address(word) else {
            return self.pass_over(line, text, Some(no_address(word)));
        };
        if self.conf.servers.len() >= MAX_SERVERS {
            return self.pass_over(line, text, Some(PassedOverReason::TooManyServers));
        }
        self.conf.servers.push(ConfiguredServer { host, line: Some(line) });
    }

    /// The last line of its kind counts.
    fn search(&mut self, line: usize, keyword: &str, value: &str) {
        let most = if keyword == "domain" { 1 } else { usize::MAX };
        let domains: Vec<String> = words(value).take(most).map(str::to_owned).collect();
        if domains.is_empty() {
            return;
        }
        if let Some(odd) = domains.iter().find(|domain| domain.ends_with('\r')) {
            self.pass_over(line, &odd.clone(), Some(PassedOverReason::CarriageReturn));
        }
        self.conf.search = domains;
        self.conf.search_source = ConfSource::Line(line);
        self.has_search = true;
    }

    fn pass_over(&mut self, line: usize, text: &str, reason: Option<PassedOverReason>) {
        if let Some(reason) = reason {
            let text = text.trim().trim_start_matches('\u{feff}').to_owned();
            self.conf.passed_over.push(PassedOver { line, text, reason });
        }
    }

    fn finish(mut self) -> ResolvConf {
        if self.conf.servers.is_empty() {
            let host = Host::Literal([127, 0, 0, 1].into());
            self.conf.servers.push(ConfiguredServer { host, line: None });
        }
        if !self.has_search
            && let Some(domain) = domain_of_host()
        {
            self.conf.search = vec![domain];
            self.conf.search_source = ConfSource::HostName;
        }
        self.conf
    }
}

/// Value of a line with this keyword. A blank must follow the keyword.
fn after<'a>(keyword: &str, line: &'a str) -> Option<&'a str> {
    line.strip_prefix(keyword).filter(|rest| rest.starts_with([' ', '\t']))
}

/// Words between blanks and tabs, as in glibc.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\t']).filter(|word| !word.is_empty())
}

/// Reason for a line without a keyword; `None` for a comment or an empty line.
fn not_understood(line: &str) -> Option<PassedOverReason> {
    let bare = line.trim_start_matches('\u{feff}');
    let trimmed = bare.trim();
    let (word, value) = trimmed.split_once([' ', '\t']).unwrap_or((trimmed, ""));
    if word.is_empty() || word.starts_with(['#', ';']) {
        return None;
    }
    Some(if !KEYWORDS.contains(&word.to_lowercase().as_str()) {
        PassedOverReason::UnknownKeyword
    } else if value.is_empty() {
        PassedOverReason::NoValue
    } else if bare.len() < line.len() {
        PassedOverReason::ByteOrderMark
    } else if line.starts_with([' ', '\t']) {
        PassedOverReason::Indented
    } else {
        PassedOverReason::Capitals
    })
}

/// Address of a name server; the part behind the `%` of an IPv6 address is its zone.
fn address(word: &str) -> Option<Host> {
    if let Some(ip) = inet_aton(word) {
        return Some(Host::Literal(ip.into()));
    }
    match word.parse() {
        Ok(ip @ IpAddr::V6(_)) => Some(Host::Literal(ip)),
        _ => Host::split_zone(word).map(|_| Host::Name(word.to_owned())),
    }
}

fn no_address(word: &str) -> PassedOverReason {
    let bare = word.trim_end_matches('\r');
    let (host, port) = bare.rsplit_once(':').unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if bare.is_empty() {
        PassedOverReason::NoValue
    } else if bare.len() < word.len() && address(bare).is_some() {
        PassedOverReason::CarriageReturn
    } else if port.parse::<u16>().is_ok() && address(host).is_some() {
        PassedOverReason::Port
    } else {
        PassedOverReason::NotAnAddress
    }
}

/// Number at the beginning of the text, as by atoi(3), within 0 and `most`.
fn number(text: &str, most: i64) -> u64 {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let value = match &digits[..end] {
        "" => 0,
        digits => digits.parse().unwrap_or(most),
    };
    value.clamp(0, most).unsigned_abs()
}

/// Domain of this host's name: what follows the first dot.
fn domain_of_host() -> Option<String> {
    let name = read_config_file("/proc/sys/kernel/hostname").ok()?;
    let name = String::from_utf8_lossy(&name).trim().to_owned();
    name.split_once('.').map(|(_, domain)| domain.to_owned()).filter(|domain| !domain.is_empty())
}

/// Text of an error, without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error ").map_or_else(|| text.clone(), |(text, _)| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(text: &str) -> Vec<String> {
        ResolvConf::parse(text).servers.iter().map(|server| server.host.to_string()).collect()
    }

    fn passed_over(text: &str) -> Vec<(usize, PassedOverReason)> {
        let conf = ResolvConf::parse(text);
        conf.passed_over.iter().map(|it| (it.line, it.reason)).collect()
    }

    #[test]
    fn a_good_file_gives_no_word() {
        let good = "# comment\n; another\n\n  # indented\nnameserver 192.0.2.1 # first\nnameserver\t2001:db8::1\n\
            nameserver fe80::1%eth0\nsearch a.test  b.test\ndomain c.test\nsortlist 192.0.2.0\n\
            options ndots:2 timeout:1 attempts:3 rotate edns0 trust-ad single-request-reopen no-aaaa\n";
        let conf = ResolvConf::parse(good);
        assert_eq!(conf.passed_over, []);
        assert_eq!(servers(good), ["192.0.2.1", "2001:db8::1", "fe80::1%eth0"]);
        assert_eq!(
            conf.servers.iter().map(|it| it.line).collect::<Vec<_>>(),
            [Some(5), Some(6), Some(7)]
        );
        assert_eq!(
            (conf.search, conf.search_source),
            (vec!["c.test".to_owned()], ConfSource::Line(9))
        );
        assert!(
            conf.flags.rotates
                && conf.flags.trust_ad
                && conf.flags.single_request
                && conf.flags.no_aaaa
                && !conf.flags.use_tcp
        );
    }

    #[test]
    fn what_the_system_does_not_read_is_passed_over_with_its_line() {
        use PassedOverReason::*;
        for (line, reason) in [
            ("nameserver 192.0.2.1\r", CarriageReturn),
            ("\u{feff}nameserver 192.0.2.1", ByteOrderMark),
            (" nameserver 192.0.2.1", Indented),
            ("Nameserver 192.0.2.1", Capitals),
            ("NAMESERVER 192.0.2.1", Capitals),
            ("nameserver 192.0.2.1:53", Port),
            ("nameserver [2001:db8::1]:53", Port),
            ("nameserver dns.test", NotAnAddress),
            ("nameserver 192.0.2.1;", NotAnAddress),
            ("nameserver", NoValue),
            ("nameserver ", NoValue),
            ("nameservers 192.0.2.1", UnknownKeyword),
            ("name-server 192.0.2.1", UnknownKeyword),
            ("server 192.0.2.1", UnknownKeyword),
        ] {
            let text = format!("# one\n{line}\n");
            assert_eq!(passed_over(&text), [(2, reason)], "{line:?}");
            assert_eq!(servers(&text), ["127.0.0.1"], "{line:?}");
        }
        assert_eq!(ResolvConf::parse("").servers[0].line, None);
        assert_eq!(passed_over("options ndot:3 timeout:2 # slow\n"), [(1, UnknownOption)]);
        let four = "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n";
        assert_eq!(passed_over(four), [(4, TooManyServers)]);
        assert_eq!(passed_over("search a.test\r\n"), [(1, CarriageReturn)]);
        assert_eq!(passed_over("options timeout:1 rotate\r\n"), [], "it does no harm there");
    }

    #[test]
    fn servers_may_be_numbers() {
        assert_eq!(
            servers("nameserver 127.53\nnameserver 0x7f000001\n"),
            ["127.0.0.53", "127.0.0.1"]
        );
    }

    #[test]
    fn options_have_the_limits_of_the_system() {
        let conf = ResolvConf::parse("options timeout:9999 attempts:99 ndots:99\n");
        assert_eq!((conf.timeout.as_secs(), conf.attempts, conf.ndots), (30, 5, 15));
        let conf = ResolvConf::parse("options timeout:0 attempts:0 ndots:0\n");
        assert_eq!((conf.system_wait(0).as_secs(), conf.attempts, conf.ndots), (1, 0, 0));
        assert_eq!(conf.attempts_source, Some(ConfSource::Line(1)));
        assert_eq!(conf.system_worst_case(), Duration::ZERO);
        let conf = ResolvConf::parse("options timeout:x attempts:2x\n");
        assert_eq!((conf.timeout.as_secs(), conf.attempts), (0, 2));
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let mut conf = ResolvConf::parse("search a.test\noptions timeout:2\n");
        conf.apply(Some("b.test\tc.test\nd.test"), Some("attempts:0 timeout:3"));
        assert_eq!(conf.search, ["b.test", "c.test"]);
        assert_eq!(conf.search_source, ConfSource::Variable("LOCALDOMAIN"));
        assert_eq!(conf.attempts_source, Some(ConfSource::Variable("RES_OPTIONS")));
        assert_eq!(conf.timeout.as_secs(), 3);
    }

    #[test]
    fn the_worst_case_of_the_system() {
        let worst = |count: usize, options: &str| {
            let lines = (1..=count).map(|last| format!("nameserver 192.0.2.{last}\n"));
            let text = lines.collect::<String>() + "options " + options + "\n";
            ResolvConf::parse(text).system_worst_case().as_secs()
        };
        assert_eq!(worst(1, "timeout:5"), 15, "one of two answers: three times");
        assert_eq!(worst(2, "timeout:5"), 20, "2 x (5 + 5)");
        assert_eq!(worst(3, "timeout:5"), 28, "2 x (5 + 3 + 6)");
        assert_eq!(worst(3, "timeout:1 attempts:1"), 3, "1 + 1 + 1");
    }
}
