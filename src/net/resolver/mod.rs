//! Name resolution.

mod config_file;
mod error;
mod hosts;
mod inet_aton;
mod resolv_conf;
mod system;
mod zone;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::rc::Rc;

pub use config_file::read_config_file;
pub use error::{EaiCode, ResolveError};
pub use hosts::{HostsAddress, HostsFile};
pub use inet_aton::inet_aton;
pub use resolv_conf::{
    ConfFlags, ConfSource, ConfiguredServer, PassedOver, PassedOverReason, ResolvConf,
    UnreadableConf,
};
pub use system::{AddrInfo, AddrInfoFlags, Lookup, NameInfoFlags};
pub use zone::interface_index;

use crate::event_loop::LoopHandle;

/// Resolver for [`create_connection`](LoopHandle::create_connection): getaddrinfo, with the feature `dns` a
/// `DnsClient`, or an implementation of the application.
///
/// ```
/// use loopctl::{AddrInfo, Lookup, Protocol, Resolver, Resolving, Transport, plan::Port};
///
/// /// Knows one name.
/// struct Fixed(std::net::Ipv4Addr);
/// impl Resolver for Fixed {
///     fn resolve(&self, lookup: Lookup) -> Resolving<'_> {
///         let Port::Number(port) = *lookup.port() else { panic!("only numbers") };
///         let address = (self.0, port).into();
///         let found = AddrInfo { socktype: 1, protocol: 6, address, canonical_name: None };
///         Box::pin(async { Ok(vec![found]) })
///     }
/// }
/// # struct Quiet;
/// # impl Protocol for Quiet { fn data_received(&mut self, _: &Transport, _: &[u8]) {} }
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// # let listener = loopctl::listen("127.0.0.1:0".parse()?, 1)?;
/// # let port = listener.local_addr()?.port();
/// let resolver = Fixed([127, 0, 0, 1].into());
/// let connecting = handle.create_connection("service.test", port).resolver(resolver);
/// assert!(event_loop.run_until_complete(connecting.open(|| Quiet))?.is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Resolver {
    /// Looks up the addresses of a host, best first. Dropping the future cancels the lookup.
    ///
    /// # Errors
    /// [`ResolveError`]; [`Other`](ResolveError::Other) carries an error of the implementation.
    fn resolve(&self, lookup: Lookup) -> Resolving<'_>;
}

/// Lookup in progress.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = Result<Vec<AddrInfo>, ResolveError>> + 'a>>;

/// The system's resolver: [`getaddrinfo`](LoopHandle::getaddrinfo).
impl Resolver for LoopHandle {
    fn resolve(&self, lookup: Lookup) -> Resolving<'_> {
        Box::pin(self.getaddrinfo(lookup))
    }
}

/// The system's resolver for separate AAAA and A queries.
///
/// A name of the hosts file is looked up for both families at once. getaddrinfo for one family would query name
/// servers for the other one, and connect to a host that the file replaces.
pub(in crate::net) struct ByFamily(pub(in crate::net) LoopHandle);

impl Resolver for ByFamily {
    fn resolve(&self, lookup: Lookup) -> Resolving<'_> {
        Box::pin(self.0.getaddrinfo_of_family(lookup))
    }
}

/// One resolver for many connections.
impl<R: Resolver + ?Sized> Resolver for Rc<R> {
    fn resolve(&self, lookup: Lookup) -> Resolving<'_> {
        self.as_ref().resolve(lookup)
    }
}

/// Source address that this host would use for a destination; `None` without a route or a suitable address.
///
/// The kernel chooses it when a datagram socket is connected, which sends nothing.
/// [`sort_destinations`](crate::plan::sort_destinations) needs it.
///
/// ```
/// let local = std::net::Ipv4Addr::LOCALHOST.into();
/// assert_eq!(loopctl::source_address(local), Some(local));
/// ```
pub fn source_address(to: IpAddr) -> Option<IpAddr> {
    /// Any port will do; this one is the discard service (RFC 863).
    const DISCARD: u16 = 9;
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any.parse::<SocketAddr>().ok()?).ok()?;
    socket.connect(SocketAddr::new(to, DISCARD)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
