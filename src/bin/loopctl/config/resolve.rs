//! The request of `resolve`.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use loopctl::plan::{DnsTransport, Family, Host, Port, Target};
use loopctl::{DnsConfigError, DnsServer, RecordType, ResolvConf, TrustAnchors};

use super::dig_words;
use super::environment::Environment;
use super::targets;
use super::{OutputRequest, SlowRequest};
use crate::cli::{GlobalArgs, ResolveArgs};
use crate::exit::{Exit, FatalError};
use crate::util::message::{Message, plain};

/// The names, the question about each, and the output.
#[derive(Debug)]
pub(crate) struct ResolveRequest {
    pub(crate) names: Vec<NameRequest>,
    /// Maximum number of names at a time.
    pub(crate) concurrency: usize,
    pub(crate) question: QuestionRequest,
    /// The time for each name, if it is given.
    pub(crate) timeout: Option<Duration>,
    pub(crate) look: LookRequest,
    pub(crate) output: OutputRequest,
    pub(crate) slow: SlowRequest,
}

/// One name.
#[derive(Debug, Clone)]
pub(crate) struct NameRequest {
    /// The text as it was typed.
    pub(crate) text: String,
    pub(crate) subject: Subject,
}

/// The subject of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A name in ASCII, and the port of the connection that it is for.
    Name(String, Port),
    /// An address. Its zone is for the system's resolver.
    Literal(String, Port),
    /// The names of an address.
    Reverse(IpAddr),
}

/// The question about every name.
#[derive(Debug)]
pub(crate) struct QuestionRequest {
    /// Beside addresses.
    pub(crate) types: Vec<RecordType>,
    /// Family of the addresses, if only one is wanted.
    pub(crate) family: Option<Family>,
    pub(crate) via: ResolverChoice,
    /// None: those of resolv.conf(5); for a trace, the root's.
    pub(crate) servers: Vec<DnsServer>,
    pub(crate) search: bool,
    /// Trust anchors for DNSSEC; `None` without verification.
    pub(crate) dnssec: Option<TrustAnchors>,
    pub(crate) trace: bool,
}

impl QuestionRequest {
    /// Whether the system's resolver is asked for addresses.
    pub(crate) fn asks_system(&self) -> bool {
        self.via != ResolverChoice::Dns && self.family.is_some() && !self.trace
    }

    /// Every type that name servers are asked for.
    pub(crate) fn all_types(&self) -> Vec<RecordType> {
        let wants = |family| self.family.is_some_and(|wanted| wanted.admits(family));
        let a = wants(Family::Inet).then_some(RecordType::A);
        let aaaa = wants(Family::Inet6).then_some(RecordType::Aaaa);
        a.into_iter().chain(aaaa).chain(self.types.iter().copied()).collect()
    }
}

/// The part of a report that is shown, and its order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LookRequest {
    pub(crate) short: bool,
    pub(crate) order: AddressOrder,
    /// First Address Family Count; 0: no interleaving.
    pub(crate) interleave: usize,
}

/// The resolvers that are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ResolverChoice {
    /// getaddrinfo, as other programs on this host
    System,
    /// Name servers, queried directly
    Dns,
    /// Both side by side
    Both,
}

/// The order in which addresses are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AddressOrder {
    /// The order in which `loopctl connect` would try them
    Connection,
    /// The order of getaddrinfo
    System,
    /// The order of the name servers' answers
    Dns,
}

/// Default time limit of one name at name servers.
const TIMEOUT: Duration = Duration::from_secs(5);

impl ResolveRequest {
    /// # Errors
    /// Flags and names that do not go together, and files that cannot be read.
    pub(crate) fn new(
        mut args: ResolveArgs,
        global: &GlobalArgs,
        env: &Environment,
    ) -> Result<Self, FatalError> {
        dig_words::take(&mut args)?;
        let (servers, words): (Vec<_>, Vec<_>) =
            args.names.words.iter().partition(|word| word.starts_with('@'));
        let typed = servers.iter().map(|word| word.parse::<DnsServer>());
        let typed = typed
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| FatalError::usage(error.to_string()))?;
        let servers = args.question.server.iter().cloned().chain(typed).collect();
        let names = words.iter().map(|word| NameRequest::new(word).map_err(FatalError::usage));
        let mut names = names.collect::<Result<Vec<_>, _>>()?;
        names.extend(args.names.addresses.iter().copied().map(NameRequest::reverse));
        if let Some(path) = &args.names.from {
            names.extend(read(path)?);
        }
        if names.is_empty() {
            let error = match &args.names.from {
                Some(path) => format!("there are no names in `{}`", path.display()),
                None => "no name to resolve".to_owned(),
            };
            return Err(FatalError::usage(error));
        }
        let look = LookRequest {
            short: args.look.short,
            order: args.look.order,
            interleave: args.look.interleave,
        };
        let mut output = OutputRequest::new(&global.output, env);
        output.report_to(args.look.report.clone());
        let request = Self {
            names,
            concurrency: args.names.concurrency.get(),
            question: QuestionRequest::new(&args, servers, global)?,
            timeout: global.timeout,
            look,
            output,
            slow: SlowRequest::from(&global.debug),
        };
        request.check()?;
        Ok(request)
    }

    /// Time limit of the queries to name servers.
    pub(crate) fn dns_timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT)
    }

    /// Time limit of a name. Unless it is given, it is longer than the system's resolver needs with this configuration.
    pub(crate) fn name_timeout(&self, conf: &ResolvConf) -> Duration {
        const RESERVE: Duration = Duration::from_secs(1);
        let of_system = || match self.question.asks_system() {
            true => conf.system_worst_case() + RESERVE,
            false => Duration::ZERO,
        };
        self.timeout.unwrap_or_else(|| TIMEOUT.max(of_system()))
    }

    fn check(&self) -> Result<(), FatalError> {
        let QuestionRequest { via, trace, servers, types, .. } = &self.question;
        let is_encrypted = |server: &DnsServer| {
            !matches!(server.transport(), DnsTransport::Udp | DnsTransport::Tcp)
        };
        let is_reverse = |name: &NameRequest| matches!(name.subject, Subject::Reverse(_));
        let error = if self.output.files.qlog.is_some() {
            "--qlog records connection attempts, and resolve makes none"
        } else if *via == ResolverChoice::System && !types.is_empty() {
            "the system's resolver gives addresses only: leave out --via system"
        } else if *via == ResolverChoice::System
            && (!servers.is_empty() || self.question.dnssec.is_some())
        {
            "--server and --dnssec need --via dns or both"
        } else if *trace && *via == ResolverChoice::System {
            "--trace asks name servers: leave out --via system"
        } else if types.iter().any(|it| is_transfer(*it)) {
            "a transfer of a zone (AXFR, IXFR) is not a query: `dig @SERVER ZONE AXFR` makes one"
        } else if *trace && servers.iter().any(is_encrypted) {
            "authoritative servers are queried in plain text: --trace takes udp:// and tcp:// only"
        } else if self.names.iter().any(is_reverse) && !self.names.iter().all(is_reverse) {
            "-x takes addresses only: resolve names in another run"
        } else {
            return Ok(());
        };
        Err(FatalError::usage(error))
    }
}

/// Whether the type stands for a transfer of a zone (RFC 5936, RFC 1995).
fn is_transfer(record_type: RecordType) -> bool {
    const IXFR: u16 = 251;
    const AXFR: u16 = 252;
    matches!(record_type.number(), IXFR | AXFR)
}

impl QuestionRequest {
    /// # Errors
    /// As [`anchors`].
    fn new(
        args: &ResolveArgs,
        servers: Vec<DnsServer>,
        global: &GlobalArgs,
    ) -> Result<Self, FatalError> {
        let asked = &args.question;
        let is_address = |it: &RecordType| matches!(it, RecordType::A | RecordType::Aaaa);
        let has = |it| asked.types.is_empty() || asked.types.contains(&it);
        let family = match (has(RecordType::A), has(RecordType::Aaaa)) {
            (true, true) => Some(Family::from(&global.family)),
            (true, false) => Some(Family::Inet),
            (false, true) => Some(Family::Inet6),
            (false, false) => None,
        };
        let mut types: Vec<RecordType> = Vec::new();
        for record_type in asked.types.iter().filter(|it| !is_address(it)) {
            if !types.contains(record_type) {
                types.push(*record_type);
            }
        }
        Ok(Self {
            types,
            family,
            via: asked.via,
            servers,
            search: !asked.no_search,
            dnssec: if asked.dnssec { Some(anchors(asked.trust_anchor.as_deref())?) } else { None },
            trace: asked.trace,
        })
    }
}

/// The root's, or those of a file.
fn anchors(path: Option<&Path>) -> Result<TrustAnchors, FatalError> {
    let Some(path) = path else { return Ok(TrustAnchors::root()) };
    let bytes = targets::read_bytes(path).map_err(|error| {
        let error = format!("cannot read trust anchors from `{}`: {error}", path.display());
        FatalError::new(Exit::CannotRead, error)
    })?;
    String::from_utf8_lossy(&bytes).parse().map_err(|error: DnsConfigError| {
        let mut message = Message::error(format!("`{}` has no trust anchors", path.display()));
        message.causes = vec![error.to_string()];
        message.hints =
            vec!["it takes DNSKEY or DS records, as `dig . DNSKEY` prints them".to_owned()];
        FatalError::from(message)
    })
}

impl NameRequest {
    /// # Errors
    /// The reason why the text is not a name.
    fn new(text: &str) -> Result<Self, String> {
        let is_address =
            |text: &str| text.parse::<IpAddr>().is_ok() || Host::split_zone(text).is_some();
        let inner = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
        let (host, port) = if is_address(inner.unwrap_or(text)) {
            (inner.unwrap_or(text).to_owned(), Port::Number(0))
        } else if text.contains(':') {
            match text.parse::<Target>() {
                Ok(Target::Tcp(host, port)) => (host.to_string(), port),
                Ok(Target::Unix(_)) => return Err(format!("`{text}` is a file, not a name")),
                Err(error) => return Err(error.to_string()),
            }
        } else {
            (text.to_owned(), Port::Number(0))
        };
        let subject = if is_address(&host) {
            Subject::Literal(host, port)
        } else {
            Subject::Name(
                ascii(&host).map_err(|why| format!("`{text}` is not a name: {why}"))?,
                port,
            )
        };
        Ok(Self { text: text.to_owned(), subject })
    }

    fn reverse(address: IpAddr) -> Self {
        Self { text: address.to_string(), subject: Subject::Reverse(address) }
    }
}

/// A name as it goes over the wire: letters beyond ASCII are encoded (IDNA, RFC 5891, with UTS 46's mappings).
pub(crate) fn ascii(name: &str) -> Result<String, String> {
    const MAX_NAME: usize = 253;
    const MAX_LABEL: usize = 63;
    let encoded = if name.is_ascii() {
        name.to_owned()
    } else {
        idna::domain_to_ascii(name).map_err(|_| "it cannot be encoded in ASCII".to_owned())?
    };
    // An escape stands for a byte, and the client reads it (RFC 1035 section 5.1).
    if encoded == "." || encoded.contains('\\') {
        return Ok(encoded);
    }
    let inner = encoded.strip_suffix('.').unwrap_or(&encoded);
    let is_label = |label: &str| (1..=MAX_LABEL).contains(&label.len());
    if inner.len() > MAX_NAME {
        Err("a name has at most 253 characters".to_owned())
    } else if !inner.split('.').all(is_label) {
        Err("each part of a name has 1 to 63 characters".to_owned())
    } else if inner.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Err("there are spaces or control characters in it".to_owned())
    } else {
        Ok(encoded)
    }
}

/// One name a line; what follows a `#` is a comment.
fn read(path: &Path) -> Result<Vec<NameRequest>, FatalError> {
    let bytes = targets::read_bytes(path).map_err(|error| {
        let error = format!("cannot read names from `{}`: {}", path.display(), plain(error));
        FatalError::new(Exit::CannotRead, error)
    })?;
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    let (mut names, mut faults) = (Vec::new(), Vec::new());
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        match parse_line(line) {
            Ok(name) => names.extend(name),
            Err(error) => faults.push(format!("line {}: {error}", at + 1)),
        }
    }
    if faults.is_empty() {
        return Ok(names);
    }
    let error = format!("`{}` has lines that are not names", path.display());
    let message = Message { error: Some(error), causes: faults, ..Message::default() };
    Err(FatalError::from(message))
}

/// `None` for a line without a name.
fn parse_line(line: &[u8]) -> Result<Option<NameRequest>, String> {
    let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
    let name = line.split_once('#').map_or(line, |(name, _)| name).trim();
    if name.is_empty() { Ok(None) } else { NameRequest::new(name).map(Some) }
}

impl Subject {
    /// Host to resolve through the system.
    pub(crate) fn host(&self) -> Host {
        match self {
            Self::Name(host, _) | Self::Literal(host, _) => Host::from(host.as_str()),
            Self::Reverse(address) => Host::Literal(*address),
        }
    }

    pub(crate) fn port(&self) -> Port {
        match self {
            Self::Name(_, port) | Self::Literal(_, port) => port.clone(),
            Self::Reverse(_) => Port::Number(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(text: &str) -> Result<Subject, String> {
        NameRequest::new(text).map(|name| name.subject)
    }

    #[test]
    fn names_have_ports_zones_and_letters() {
        let name = |name: &str, port| Ok(Subject::Name(name.to_owned(), Port::Number(port)));
        assert_eq!(subject("a.test"), name("a.test", 0));
        assert_eq!(subject("a.test.:443"), name("a.test.", 443));
        assert_eq!(subject("b\u{fc}cher.test"), name("xn--bcher-kva.test", 0));
        assert_eq!(subject("_dmarc.a.test"), name("_dmarc.a.test", 0));
        assert_eq!(subject("."), name(".", 0));
        let literal = |text: &str, port| Ok(Subject::Literal(text.to_owned(), Port::Number(port)));
        assert_eq!(subject("::1"), literal("::1", 0));
        assert_eq!(subject("[::1]:53"), literal("::1", 53));
        assert_eq!(subject("[2001:db8::1]"), literal("2001:db8::1", 0));
        assert_eq!(subject("[fe80::1%eth0]"), literal("fe80::1%eth0", 0));
        assert_eq!(subject("fe80::1%eth0"), literal("fe80::1%eth0", 0));
    }

    #[test]
    fn dns_12_what_is_no_name_is_refused_in_words() {
        let long = "x".repeat(64);
        for (text, why) in [
            ("a..test", "1 to 63"),
            (long.as_str(), "1 to 63"),
            (&"a.".repeat(128), "253"),
            ("a b", "spaces"),
            ("", "1 to 63"),
            ("xn--\u{fc}", "encoded"),
            ("a:70000", "port"),
        ] {
            let refused = subject(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
