//! Room 3: acts. Names, sockets, connections.

mod address;
mod attempt;
mod connect;
mod contest;
mod error;
mod event;
mod options;
mod protocol;
mod readiness;
mod resolve;
mod server;
mod sock;
mod tcp_info;
mod transport;

pub use address::Address;
pub use connect::CreateConnection;
pub use error::{AttemptError, ConnectError, Phase};
pub use event::{AbortReason, Event, EventKind, Failure, SocketFacts, TimerEnd};
pub use options::{Keepalive, SocketOption, SocketOptions};
pub use protocol::{AfterEof, Connection, Protocol};
pub use resolve::{AddrInfo, AddrInfoFlags, Lookup, NameInfoFlags, ResolveError};
pub use server::{BindError, CreateServer, Hosts, Server, ServerError, Shutdown};
pub use sock::listen;
pub use tcp_info::{TcpInfo, TcpOptions};
pub use transport::Transport;
