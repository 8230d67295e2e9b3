//! The system's resolver, off the loop's thread.

use std::fmt;
use std::io;
#[cfg(feature = "dns")]
use std::net::IpAddr;
use std::net::SocketAddr;
use std::ops::BitOr;
use std::time::Duration;

use crate::BoxError;
use crate::event_loop::{LoopHandle, LoopLocal};
use crate::plan::{Answer, Family, Host, Port, SocketKind, literal};
use crate::sys::addrinfo::{self, Hints};
use crate::task::{Cancelled, Executor};

/// What to ask [`getaddrinfo`](LoopHandle::getaddrinfo): addresses of every family for streams, unless said
/// otherwise.
///
/// ```
/// use loopctl::plan::{Family, SocketKind};
/// use loopctl::{AddrInfoFlags, Lookup};
///
/// let lookup = Lookup::new("127.0.0.1", 53).family(Family::Inet).kind(SocketKind::Datagram);
/// let lookup = lookup.protocol(17).flags(AddrInfoFlags::NUMERICHOST);
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// let found = event_loop.run_until_complete(handle.getaddrinfo(lookup))??;
/// assert_eq!((found.len(), found[0].protocol), (1, 17));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    host: Host,
    port: Port,
    family: Family,
    kind: SocketKind,
    protocol: i32,
    flags: AddrInfoFlags,
}

/// One answer of the resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddrInfo {
    /// What the address can be used for; 0 where the system said so (raw sockets).
    pub socktype: i32,
    /// IP protocol number: 6 for TCP, 17 for UDP.
    pub protocol: i32,
    /// The address, IPv6 zone included.
    pub address: SocketAddr,
    /// The host's canonical name, if it was asked for; on the first answer only.
    pub canonical_name: Option<String>,
}

/// `AI_*` flags of `getaddrinfo(3)`, joined with `|`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AddrInfoFlags(i32);

impl AddrInfoFlags {
    /// Only families this host has an address of.
    pub const ADDRCONFIG: Self = Self(libc::AI_ADDRCONFIG);
    /// Also IPv4 addresses as IPv4-mapped IPv6 ones, with [`V4MAPPED`](Self::V4MAPPED).
    pub const ALL: Self = Self(libc::AI_ALL);
    /// Also the canonical name.
    pub const CANONNAME: Self = Self(libc::AI_CANONNAME);
    /// The host is an address; never ask a name server.
    pub const NUMERICHOST: Self = Self(libc::AI_NUMERICHOST);
    /// The port is a number; never look up a service.
    pub const NUMERICSERV: Self = Self(libc::AI_NUMERICSERV);
    /// Addresses to listen on: an empty host means all of them.
    pub const PASSIVE: Self = Self(libc::AI_PASSIVE);
    /// IPv4-mapped IPv6 addresses where there are no IPv6 ones.
    pub const V4MAPPED: Self = Self(libc::AI_V4MAPPED);
}

impl BitOr for AddrInfoFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// `NI_*` flags of `getnameinfo(3)`, joined with `|`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NameInfoFlags(i32);

impl NameInfoFlags {
    /// The service is one of datagrams.
    pub const DGRAM: Self = Self(libc::NI_DGRAM);
    /// Fail where there is no name, instead of giving the address.
    pub const NAMEREQD: Self = Self(libc::NI_NAMEREQD);
    /// The address as text; never ask a name server.
    pub const NUMERICHOST: Self = Self(libc::NI_NUMERICHOST);
    /// The port as text.
    pub const NUMERICSERV: Self = Self(libc::NI_NUMERICSERV);
}

impl BitOr for NameInfoFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Why a name has no address.
#[derive(Debug)]
#[non_exhaustive]
pub enum ResolveError {
    /// The resolver said no, with one of its `EAI_*` errors.
    Resolver {
        /// What was asked for.
        host: String,
        /// The number, such as -2.
        code: i32,
        /// What the system says of it, and of `errno` for `EAI_SYSTEM`.
        message: String,
    },
    /// The resolver succeeded with no address at all.
    NoAddresses {
        /// What was asked for.
        host: String,
    },
    /// The text cannot be given to the resolver: it has a NUL in it.
    BadName {
        /// What was asked for.
        host: String,
    },
    /// A [resolver](crate::net::Resolver) that is not the system's had a reason of its own. A `DnsClient` gives a
    /// `DnsError` here.
    Failed {
        /// What was asked for.
        host: String,
        /// Why, host included.
        error: BoxError,
    },
    /// The loop was closed, or the answer came too late.
    Cancelled,
}

impl ResolveError {
    /// The symbol of the resolver's error, such as `EAI_NONAME`.
    ///
    /// ```
    /// # use loopctl::{AddrInfoFlags, Lookup};
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let not_an_address = Lookup::new("example.test", 80).flags(AddrInfoFlags::NUMERICHOST);
    /// let error = event_loop.run_until_complete(handle.getaddrinfo(not_an_address))?.unwrap_err();
    /// assert_eq!(error.name(), Some("EAI_NONAME"));
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn name(&self) -> Option<&'static str> {
        let Self::Resolver { code, .. } = self else { return None };
        Some(match *code {
            addrinfo::EAI_ADDRFAMILY => "EAI_ADDRFAMILY",
            libc::EAI_AGAIN => "EAI_AGAIN",
            libc::EAI_BADFLAGS => "EAI_BADFLAGS",
            libc::EAI_FAIL => "EAI_FAIL",
            libc::EAI_FAMILY => "EAI_FAMILY",
            libc::EAI_MEMORY => "EAI_MEMORY",
            libc::EAI_NODATA => "EAI_NODATA",
            libc::EAI_NONAME => "EAI_NONAME",
            libc::EAI_OVERFLOW => "EAI_OVERFLOW",
            libc::EAI_SERVICE => "EAI_SERVICE",
            libc::EAI_SOCKTYPE => "EAI_SOCKTYPE",
            libc::EAI_SYSTEM => "EAI_SYSTEM",
            _ => return None,
        })
    }

    /// The failed query that it is about, if name servers were asked on the loop.
    #[cfg(feature = "dns")]
    pub fn dns(&self) -> Option<&crate::net::DnsError> {
        match self {
            Self::Failed { error, .. } => error.downcast_ref(),
            _ => None,
        }
    }

    /// What it tells a [race](crate::plan::Race) that asked for addresses. `EAI_AGAIN` is taken for silence: glibc has
    /// no word of its own for that.
    ///
    /// ```
    /// use loopctl::plan::Answer;
    /// # use loopctl::{AddrInfoFlags, Lookup};
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let not_an_address = Lookup::new("example.test", 80).flags(AddrInfoFlags::NUMERICHOST);
    /// let error = event_loop.run_until_complete(handle.getaddrinfo(not_an_address))?.unwrap_err();
    /// assert_eq!(error.answer::<std::net::IpAddr>(), Answer::NoName);
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn answer<A>(&self) -> Answer<A> {
        #[cfg(feature = "dns")]
        if let Some(error) = self.dns() {
            use crate::net::DnsErrorKind;
            return match error.kind {
                DnsErrorKind::NxDomain => Answer::NoName,
                DnsErrorKind::NoData => Answer::NoData,
                DnsErrorKind::TimedOut => Answer::TimedOut,
                _ => Answer::Failed,
            };
        }
        match (self, self.name()) {
            (Self::NoAddresses { .. }, _) => Answer::NoData,
            (_, Some("EAI_NODATA" | "EAI_ADDRFAMILY")) => Answer::NoData,
            (_, Some("EAI_NONAME")) => Answer::NoName,
            (_, Some("EAI_AGAIN")) => Answer::TimedOut,
            _ => Answer::Failed,
        }
    }

    fn new(host: &str, failure: addrinfo::Failure) -> Self {
        let described = addrinfo::describe(failure.code);
        let message = failure.system.map_or(described, |error| error.to_string());
        Self::Resolver { host: host.to_owned(), code: failure.code, message }
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolver { host, message, .. } => match self.name() {
                Some(name) => write!(f, "cannot resolve `{host}`: {message} ({name})"),
                None => write!(f, "cannot resolve `{host}`: {message}"),
            },
            Self::NoAddresses { host } => write!(f, "getaddrinfo(`{host}`) returned empty list"),
            Self::BadName { host } => write!(f, "`{}` cannot be a name", host.escape_debug()),
            Self::Failed { error, .. } => error.fmt(f),
            Self::Cancelled => f.write_str("name resolution was cancelled"),
        }
    }
}

impl std::error::Error for ResolveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed { error, .. } => Some(error.as_ref()),
            _ => None,
        }
    }
}

impl From<Cancelled> for ResolveError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl From<ResolveError> for io::Error {
    fn from(error: ResolveError) -> Self {
        Self::new(io::ErrorKind::NotFound, error)
    }
}

impl Lookup {
    /// Addresses of `host` for connections to `port`.
    pub fn new(host: impl Into<Host>, port: impl Into<Port>) -> Self {
        let (family, kind, flags) = Default::default();
        Self { host: host.into(), port: port.into(), family, kind, protocol: 0, flags }
    }

    /// Only addresses of this family.
    #[must_use]
    pub fn family(mut self, family: Family) -> Self {
        self.family = family;
        self
    }

    /// What the addresses are for.
    #[must_use]
    pub fn kind(mut self, kind: SocketKind) -> Self {
        self.kind = kind;
        self
    }

    /// Only this IP protocol; 0 leaves it open.
    #[must_use]
    pub fn protocol(mut self, protocol: i32) -> Self {
        self.protocol = protocol;
        self
    }

    /// How to look.
    #[must_use]
    pub fn flags(mut self, flags: AddrInfoFlags) -> Self {
        self.flags = flags;
        self
    }

    /// Whose addresses are wanted.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port they are for.
    pub fn port(&self) -> &Port {
        &self.port
    }

    /// Which addresses are wanted.
    pub fn wanted_family(&self) -> Family {
        self.family
    }

    #[cfg(feature = "dns")]
    pub(in crate::net) fn has(&self, flag: AddrInfoFlags) -> bool {
        self.flags.0 & flag.0 != 0
    }

    #[cfg(feature = "dns")]
    pub(in crate::net) fn of_host(self, host: impl Into<Host>) -> Self {
        Self { host: host.into(), ..self }
    }

    /// An address that was found for it.
    #[cfg(feature = "dns")]
    pub(in crate::net) fn info_of(&self, address: IpAddr, port: u16) -> AddrInfo {
        let plain = AddrInfo {
            socktype: self.socktype(),
            protocol: self.protocol,
            address: SocketAddr::new(address, port),
            canonical_name: None,
        };
        let known = Self { port: Port::Number(port), ..self.clone() }.of_host(address);
        known.literal().unwrap_or(plain)
    }

    /// The answer where no resolver is needed.
    fn literal(&self) -> Option<AddrInfo> {
        let (address, protocol) =
            literal(&self.host, &self.port, self.family, self.kind, self.protocol)?;
        Some(AddrInfo { socktype: self.socktype(), protocol, address, canonical_name: None })
    }

    fn socktype(&self) -> i32 {
        match self.kind {
            SocketKind::Stream => libc::SOCK_STREAM,
            SocketKind::Datagram => libc::SOCK_DGRAM,
            SocketKind::Any => 0,
        }
    }

    /// As [`ask`](Self::ask), but of a name that is this host's own business everything is asked for, and what is
    /// of another family left out.
    fn ask_apart(&self) -> Result<Vec<AddrInfo>, ResolveError> {
        let host = self.host.to_string();
        if !is_local(&host, &std::fs::read("/etc/hosts").unwrap_or_default()) {
            return self.ask();
        }
        let mut found = self.clone().family(Family::Unspecified).ask()?;
        found.retain(|info| self.family.admits(Family::of(&info.address.ip())));
        let none = || addrinfo::Failure { code: addrinfo::EAI_ADDRFAMILY, system: None };
        if found.is_empty() { Err(ResolveError::new(&host, none())) } else { Ok(found) }
    }

    /// Asks the system, which may block for as long as it likes.
    fn ask(&self) -> Result<Vec<AddrInfo>, ResolveError> {
        /// Names that are not ASCII are to be encoded by the resolver (glibc's `AI_IDN`).
        const AI_IDN: i32 = 0x40;
        let host = self.host.to_string();
        let bad_name = || ResolveError::BadName { host: host.clone() };
        let node = addrinfo::c_string(&host).ok_or_else(bad_name)?;
        let service = addrinfo::c_string(&self.port.to_string()).ok_or_else(bad_name)?;
        let family = match self.family {
            Family::Unspecified => libc::AF_UNSPEC,
            Family::Inet => libc::AF_INET,
            Family::Inet6 => libc::AF_INET6,
        };
        let flags = if host.is_ascii() { self.flags.0 } else { self.flags.0 | AI_IDN };
        let hints = Hints { family, socktype: self.socktype(), protocol: self.protocol, flags };
        let node = Some(node.as_c_str()).filter(|node| !node.is_empty());
        let entries = addrinfo::getaddrinfo(node, Some(&service), hints)
            .map_err(|failure| ResolveError::new(&host, failure))?;
        if entries.is_empty() {
            return Err(ResolveError::NoAddresses { host });
        }
        Ok(entries.into_iter().map(AddrInfo::from).collect())
    }
}

/// Whether a name is in the hosts file, or is this host by its nature (RFC 6761 section 6.3).
fn is_local(name: &str, hosts_file: &[u8]) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let has_label =
        |label: &str| name.rsplit('.').next().is_some_and(|it| it.eq_ignore_ascii_case(label));
    let of_line = |line: &[u8]| {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).skip(1);
        words.any(|word| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    has_label("localhost") || hosts_file.split(|byte| *byte == b'\n').any(of_line)
}

impl From<addrinfo::Entry> for AddrInfo {
    fn from(entry: addrinfo::Entry) -> Self {
        let addrinfo::Entry { socktype, protocol, address, canonical_name } = entry;
        Self { socktype, protocol, address, canonical_name }
    }
}

/// Threads for lookups alone, so that a name server that hangs never holds up anyone's other work.
struct Lookups(Executor);

impl Default for Lookups {
    /// They wait and do not compute: there may be more of them than processors, so that what nobody waits for any
    /// more leaves room for the others.
    fn default() -> Self {
        const MOST: usize = 64;
        Self(Executor::new("loopctl-dns", MOST))
    }
}

impl LoopLocal for Lookups {
    fn close(&self, _: &LoopHandle) {
        self.0.shutdown();
    }
}

impl LoopHandle {
    /// The addresses of a host, in the system's order; asyncio's `getaddrinfo`.
    ///
    /// An address needs no lookup and answers in the same turn. Dropping the future gives up waiting; the
    /// system's call itself cannot be ended. In debug mode the time is logged.
    ///
    /// ```
    /// # use loopctl::Lookup;
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// let found = event_loop.run_until_complete(handle.getaddrinfo(Lookup::new("127.0.0.1", 80)))??;
    /// assert_eq!(found[0].address, "127.0.0.1:80".parse()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ResolveError`], with the `EAI_*` number and name.
    pub async fn getaddrinfo(&self, lookup: Lookup) -> Result<Vec<AddrInfo>, ResolveError> {
        self.look_up(lookup, Lookup::ask).await
    }

    /// The addresses of one family, for a race that asks for the other at the same time.
    ///
    /// A name that is in the hosts file, or this host by its nature, is asked for as a whole, and what is of another
    /// family left out: asked for one family alone, getaddrinfo would turn to name servers for what the file does not
    /// have.
    ///
    /// ```
    /// # use loopctl::{Lookup, plan::Family};
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let lookup = Lookup::new("localhost", 80).family(Family::Inet);
    /// let found = event_loop.run_until_complete(handle.getaddrinfo_of_family(lookup))??;
    /// assert!(found[0].address.ip().is_loopback());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`getaddrinfo`](Self::getaddrinfo).
    pub async fn getaddrinfo_of_family(
        &self,
        lookup: Lookup,
    ) -> Result<Vec<AddrInfo>, ResolveError> {
        self.look_up(lookup, Lookup::ask_apart).await
    }

    async fn look_up(
        &self,
        lookup: Lookup,
        ask: fn(&Lookup) -> Result<Vec<AddrInfo>, ResolveError>,
    ) -> Result<Vec<AddrInfo>, ResolveError> {
        if let Some(literal) = lookup.literal() {
            return Ok(vec![literal]);
        }
        let (began, asked) = (self.time(), self.debug().then(|| lookup.clone()));
        if let Some(asked) = &asked {
            log::debug!("Get address info {}", describe(asked));
        }
        let lookups = self.local::<Lookups>();
        let result = self.run_in(&lookups.0, move || ask(&lookup)).await?;
        if let Some(asked) = &asked {
            self.log_lookup(asked, self.time() - began, &result);
        }
        result
    }

    /// The names of an address and its port; asyncio's `getnameinfo`.
    ///
    /// ```
    /// # use loopctl::NameInfoFlags;
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// let numeric = NameInfoFlags::NUMERICHOST | NameInfoFlags::NUMERICSERV;
    /// let names = handle.getnameinfo("[::1]:80".parse()?, numeric);
    /// assert_eq!(event_loop.run_until_complete(names)??, ("::1".to_owned(), "80".to_owned()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ResolveError`], with the `EAI_*` number and name.
    pub async fn getnameinfo(
        &self,
        address: SocketAddr,
        flags: NameInfoFlags,
    ) -> Result<(String, String), ResolveError> {
        let lookups = self.local::<Lookups>();
        let result =
            self.run_in(&lookups.0, move || addrinfo::getnameinfo(address, flags.0)).await?;
        result.map_err(|failure| ResolveError::new(&address.to_string(), failure))
    }

    fn log_lookup(
        &self,
        asked: &Lookup,
        took: Duration,
        result: &Result<Vec<AddrInfo>, ResolveError>,
    ) {
        let slow = took >= self.slow_callback_duration();
        let level = if slow { log::Level::Info } else { log::Level::Debug };
        let (asked, ms) = (describe(asked), took.as_secs_f64() * 1000.0);
        match result {
            Ok(found) => {
                let addresses: Vec<_> = found.iter().map(|info| info.address).collect();
                log::log!(level, "Getting address info {asked} took {ms:.3}ms: {addresses:?}");
            }
            Err(error) => {
                log::log!(level, "Getting address info {asked} failed in {ms:.3}ms: {error}");
            }
        }
    }
}

fn describe(lookup: &Lookup) -> String {
    let Lookup { host, port, family, kind, protocol, flags } = lookup;
    format!(
        "{host}:{port}, family={family:?}, type={kind:?}, proto={protocol}, flags={:#x}",
        flags.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o4_what_the_hosts_file_has_is_known_by_any_of_its_names() {
        let file = b"127.0.0.1\tbox  box.test # old.test\n#192.0.2.1 gone.test\n::1 six\n";
        for name in ["box", "BOX.test", "box.test.", "six", "localhost", "a.localhost."] {
            assert!(is_local(name, file), "{name}");
        }
        for name in ["old.test", "gone.test", "127.0.0.1", "x.box", "localhost.test", ""] {
            assert!(!is_local(name, file), "{name}");
        }
    }
}
