//! Errors of servers: operation, address and the system's error.

use std::fmt;
use std::io;

use crate::net::{Address, Phase, ResolveError};

/// Error of creating a listening socket on one address.
#[derive(Debug)]
#[non_exhaustive]
pub struct BindError {
    /// The operation that failed: socket, options, bind or listen.
    pub phase: Phase,
    /// The address to listen on.
    pub address: Address,
    /// The system's error.
    pub error: io::Error,
}

impl BindError {
    pub(super) fn at(phase: Phase, address: &Address) -> impl Fn(io::Error) -> Self {
        move |error| Self { phase, address: address.clone(), error }
    }

    /// Whether this host does not have the address or its family, such as `::1` in a container without IPv6:
    /// then other addresses may still work.
    pub(super) fn is_unavailable(&self) -> bool {
        match (self.phase, self.error.raw_os_error()) {
            (Phase::Bind, Some(code)) => code == libc::EADDRNOTAVAIL,
            (Phase::Socket, Some(code)) => {
                [libc::EAFNOSUPPORT, libc::EPROTONOSUPPORT, libc::ESOCKTNOSUPPORT].contains(&code)
            }
            _ => false,
        }
    }
}

/// The message of asyncio: `error while attempting to bind on address 127.0.0.1:80: …`.
impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempt = match self.phase {
            Phase::Socket => "make a socket for",
            Phase::Options => "set socket options for",
            Phase::Listen => "listen on",
            _ => "bind on",
        };
        write!(f, "error while attempting to {attempt} address {}: {}", self.address, self.error)
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Error of creating or starting a server. All of its sockets are closed.
///
/// ```
/// use loopctl::{Protocol, ServerError, Transport};
///
/// struct Mute;
/// impl Protocol for Mute {
///     fn data_received(&mut self, _: &Transport, _: &[u8]) {}
/// }
///
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let serving = handle.create_server("127.0.0.1", taken.local_addr()?.port()).serve(|| Mute);
/// let error = event_loop.run_until_complete(serving)?.unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError {
    /// A host could not be resolved.
    Resolve(ResolveError),
    /// A required address could not be bound.
    Bind(BindError),
    /// No address is available on this host, with the error of each; empty for an empty list of hosts.
    NoneAvailable(Vec<BindError>),
    /// The caller's socket cannot be listened on.
    Socket(io::Error),
    /// The server was [closed](super::Server::close).
    Closed,
    /// Another call of [`serve_forever`](super::Server::serve_forever) is in progress.
    AlreadyServing,
}

impl ServerError {
    /// The kind of the system's error; `InvalidInput` for a call on a closed or already awaited server.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Resolve(_) => io::ErrorKind::NotFound,
            Self::Bind(refused) => refused.error.kind(),
            Self::NoneAvailable(_) => io::ErrorKind::AddrNotAvailable,
            Self::Socket(error) => error.kind(),
            Self::Closed | Self::AlreadyServing => io::ErrorKind::InvalidInput,
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(error) => error.fmt(f),
            Self::Bind(error) => error.fmt(f),
            Self::Socket(error) => error.fmt(f),
            Self::NoneAvailable(skipped) => {
                let addresses: Vec<String> =
                    skipped.iter().map(|skipped| skipped.address.to_string()).collect();
                write!(f, "could not bind on any address out of [{}]", addresses.join(", "))
            }
            Self::Closed => f.write_str("server is closed"),
            Self::AlreadyServing => {
                f.write_str("server is already being awaited on serve_forever()")
            }
        }
    }
}

impl std::error::Error for ServerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Resolve(error) => Some(error),
            Self::Bind(refused) => Some(&refused.error),
            Self::NoneAvailable(skipped) => Some(&skipped.first()?.error),
            Self::Socket(error) => Some(error),
            Self::Closed | Self::AlreadyServing => None,
        }
    }
}

impl From<BindError> for ServerError {
    fn from(error: BindError) -> Self {
        Self::Bind(error)
    }
}

impl From<ServerError> for io::Error {
    fn from(error: ServerError) -> Self {
        Self::new(error.kind(), error)
    }
}
