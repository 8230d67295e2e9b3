//! The system's resolver, off the loop's thread.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::BitOr;
use std::time::Duration;

use super::ResolveError;
use super::hosts::HostsFile;
use crate::event_loop::{LoopHandle, LoopLocal};
use crate::plan::{Family, Host, Port, SocketKind, literal};
use crate::sys::addrinfo::{self, Hints};
use crate::task::Executor;

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

    fn of_host(self, host: impl Into<Host>) -> Self {
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

    /// As [`ask`](Self::ask), for one family. A name of the hosts file is looked up for both, and the addresses of the
    /// other family are left out.
    fn ask_one_family(&self) -> Result<Vec<AddrInfo>, ResolveError> {
        let host = self.host.to_string();
        let hosts = HostsFile::parse(&std::fs::read("/etc/hosts").unwrap_or_default());
        if !hosts.contains(&host) {
            return self.ask();
        }
        let mut found = self.clone().family(Family::Unspecified).ask()?;
        found.retain(|info| self.family.admits(Family::of(&info.address.ip())));
        let none = || addrinfo::Failure { code: addrinfo::EAI_ADDRFAMILY, system: None };
        if found.is_empty() { Err(ResolveError::system(&host, none())) } else { Ok(found) }
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
            .map_err(|failure| ResolveError::system(&host, failure))?;
        if entries.is_empty() {
            return Err(ResolveError::NoAddresses { host });
        }
        Ok(entries.into_iter().map(AddrInfo::from).collect())
    }
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
        self.look_up(lookup, Lookup::ask_one_family).await
    }

    /// Port number of a service, by the services database of the system; a number is returned as it is.
    ///
    /// ```
    /// # use loopctl::plan::Port;
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let port = event_loop.run_until_complete(handle.service_port(Port::Number(80)))??;
    /// assert_eq!(port, 80);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ResolveError::System`] with [`EaiCode::SERVICE`](super::EaiCode::SERVICE) for an unknown service.
    pub async fn service_port(&self, port: Port) -> Result<u16, ResolveError> {
        self.port_of(&Lookup::new("127.0.0.1", port)).await
    }

    /// The port number of a lookup, by its socket type and flags.
    pub(in crate::net) async fn port_of(&self, lookup: &Lookup) -> Result<u16, ResolveError> {
        if let Port::Number(port) = lookup.port {
            return Ok(port);
        }
        // getservbyname(3) is not thread-safe; getaddrinfo of an address asks no name server.
        let loopback =
            lookup.clone().of_host(IpAddr::from(Ipv4Addr::LOCALHOST)).family(Family::Inet);
        let found = self.getaddrinfo(loopback).await?;
        let none = || ResolveError::NoAddresses { host: lookup.port.to_string() };
        found.first().map(|info| info.address.port()).ok_or_else(none)
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
        result.map_err(|failure| ResolveError::system(&address.to_string(), failure))
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
