//! The system's resolver, run on threads.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::BitOr;
use std::time::Duration;

use super::ResolveError;
use super::config_file::read_config_file;
use super::hosts::{HostsFile, is_in_hosts_file};
use super::zone::interface_index;
use crate::event_loop::{LoopHandle, LoopLocal};
use crate::plan::{Family, Host, Port, SocketKind, literal};
use crate::sys::addrinfo::{self, Hints};
use crate::task::Executor;

/// Arguments of [`getaddrinfo`](LoopHandle::getaddrinfo). Default: addresses of every family for streams.
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

/// Address returned by the resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddrInfo {
    /// Socket type of the address; 0 for raw sockets.
    pub socktype: i32,
    /// IP protocol number: 6 for TCP, 17 for UDP.
    pub protocol: i32,
    /// Address, with the IPv6 zone.
    pub address: SocketAddr,
    /// Canonical name of the host, if requested; on the first address only.
    pub canonical_name: Option<String>,
}

/// `AI_*` flags of `getaddrinfo(3)`, joined with `|`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AddrInfoFlags(i32);

impl AddrInfoFlags {
    /// Only families for which this host has an address.
    pub const ADDRCONFIG: Self = Self(libc::AI_ADDRCONFIG);
    /// IPv4-mapped addresses in addition to IPv6 ones, with [`V4MAPPED`](Self::V4MAPPED).
    pub const ALL: Self = Self(libc::AI_ALL);
    /// Request the canonical name.
    pub const CANONNAME: Self = Self(libc::AI_CANONNAME);
    /// The host is an address; never query a name server.
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
    /// The service uses datagrams.
    pub const DGRAM: Self = Self(libc::NI_DGRAM);
    /// Fail without a name instead of returning the address.
    pub const NAMEREQD: Self = Self(libc::NI_NAMEREQD);
    /// Return the address as text; never query a name server.
    pub const NUMERICHOST: Self = Self(libc::NI_NUMERICHOST);
    /// Return the port as text.
    pub const NUMERICSERV: Self = Self(libc::NI_NUMERICSERV);
}

impl BitOr for NameInfoFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Lookup {
    /// Lookup of `host`, for connections to `port`.
    pub fn new(host: impl Into<Host>, port: impl Into<Port>) -> Self {
        let (family, kind, flags) = Default::default();
        Self { host: host.into(), port: port.into(), family, kind, protocol: 0, flags }
    }

    /// Limits the lookup to one address family.
    #[must_use]
    pub fn family(mut self, family: Family) -> Self {
        self.family = family;
        self
    }

    /// Sets the socket type of the addresses.
    #[must_use]
    pub fn kind(mut self, kind: SocketKind) -> Self {
        self.kind = kind;
        self
    }

    /// Limits the lookup to one IP protocol; 0 for any.
    #[must_use]
    pub fn protocol(mut self, protocol: i32) -> Self {
        self.protocol = protocol;
        self
    }

    /// Sets the flags.
    #[must_use]
    pub fn flags(mut self, flags: AddrInfoFlags) -> Self {
        self.flags = flags;
        self
    }

    /// Host to look up.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Port or service of the addresses.
    pub fn port(&self) -> &Port {
        &self.port
    }

    /// Requested address family.
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

    /// Result of the lookup for one address.
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

    /// Result for a literal address, which needs no resolver.
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
        if !is_in_hosts_file(&host, &read_config_file(HostsFile::PATH).unwrap_or_default()) {
            return self.ask();
        }
        let mut found = self.clone().family(Family::Unspecified).ask()?;
        found.retain(|info| self.family.admits(Family::of(&info.address.ip())));
        let none = || addrinfo::Failure { code: addrinfo::EAI_ADDRFAMILY, system: None };
        if found.is_empty() { Err(ResolveError::system(&host, none())) } else { Ok(found) }
    }

    /// Calls getaddrinfo, which may block for any time.
    fn ask(&self) -> Result<Vec<AddrInfo>, ResolveError> {
        let host = self.host.to_string();
        let bad_name = || ResolveError::BadName { host: host.clone() };
        if !host.is_ascii() && Host::split_zone(&host).is_none() {
            // Because glibc would convert it by the locale of the process.
            return Err(bad_name());
        }
        if is_onion(&host) {
            return Err(ResolveError::Onion { host });
        }
        let node = addrinfo::c_string(&host).ok_or_else(bad_name)?;
        let service = addrinfo::c_string(&self.port.to_string()).ok_or_else(bad_name)?;
        let family = match self.family {
            Family::Unspecified => libc::AF_UNSPEC,
            Family::Inet => libc::AF_INET,
            Family::Inet6 => libc::AF_INET6,
        };
        let flags = self.flags.0;
        let hints = Hints { family, socktype: self.socktype(), protocol: self.protocol, flags };
        if let Some((_, zone)) = Host::split_zone(&host)
            && interface_index(zone).is_none()
        {
            return Err(ResolveError::NoInterface { zone: zone.to_owned(), host });
        }
        let node = Some(node.as_c_str()).filter(|node| !node.is_empty());
        let entries = addrinfo::getaddrinfo(node, Some(&service), hints)
            .map_err(|failure| ResolveError::system(&host, failure))?;
        if entries.is_empty() {
            return Err(ResolveError::NoAddresses { host });
        }
        Ok(entries.into_iter().map(AddrInfo::from).collect())
    }
}

/// Whether a name is `onion`, or below it.
fn is_onion(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    name.rsplit('.').next().is_some_and(|label| label.eq_ignore_ascii_case("onion"))
}

impl From<addrinfo::Entry> for AddrInfo {
    fn from(entry: addrinfo::Entry) -> Self {
        let addrinfo::Entry { socktype, protocol, address, canonical_name } = entry;
        Self { socktype, protocol, address, canonical_name }
    }
}

/// Threads for lookups only, so that a silent name server does not delay other work.
struct Lookups(Executor);

impl Default for Lookups {
    /// The number of threads may exceed that of processors, because they wait. Abandoned lookups then leave threads
    /// for others.
    fn default() -> Self {
        const MAX_THREADS: usize = 64;
        Self(Executor::new("loopctl-dns", MAX_THREADS))
    }
}

impl LoopLocal for Lookups {
    fn close(&self, _: &LoopHandle) {
        self.0.shutdown();
    }
}

impl LoopHandle {
    /// Looks up the addresses of a host, in the system's order; asyncio's `getaddrinfo`.
    ///
    /// A literal address is returned in the same turn. Dropping the future stops waiting, and the system call runs to
    /// its end. In debug mode the duration is logged.
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
    /// [`ResolveError`], with the `EAI_*` code.
    pub async fn getaddrinfo(&self, lookup: Lookup) -> Result<Vec<AddrInfo>, ResolveError> {
        self.look_up(lookup, Lookup::ask).await
    }

    /// Looks up the addresses of one family, for a race that queries the other family at the same time.
    ///
    /// Names of the hosts file, and those that end in `localhost`, are looked up for both families, and addresses of
    /// the other family are left out. getaddrinfo for one family would query name servers where the file has only the
    /// other one.
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

    /// Port number of a service, by the system's services database. A number is returned as it is.
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

    /// Port number of a lookup, by its socket type and flags.
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
        let result = self.run_in(&lookups.0, move || ask(&lookup)).cancel_on_drop().await?;
        if let Some(asked) = &asked {
            self.log_lookup(asked, self.time() - began, &result);
        }
        result
    }

    /// Looks up the name of an address and its port; asyncio's `getnameinfo`.
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
    /// [`ResolveError`], with the `EAI_*` code.
    pub async fn getnameinfo(
        &self,
        address: SocketAddr,
        flags: NameInfoFlags,
    ) -> Result<(String, String), ResolveError> {
        let lookups = self.local::<Lookups>();
        let result = self
            .run_in(&lookups.0, move || addrinfo::getnameinfo(address, flags.0))
            .cancel_on_drop()
            .await?;
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
