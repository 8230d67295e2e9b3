//! Room 3: acts. Names, sockets, connections.

mod address;
mod attempt;
mod connect;
mod contest;
mod error;
mod event;
mod inbox;
mod link;
mod options;
mod outbox;
mod protocol;
mod readiness;
mod resolve;
mod sock;
mod socket_view;
mod stream;
mod tcp_info;
mod transport;
mod wire;

pub use address::Address;
pub use connect::CreateConnection;
pub use error::{AttemptError, ConnectError, Phase};
pub use event::{AbortReason, Event, EventKind, Failure, SocketFacts, TimerEnd};
pub use inbox::StreamError;
pub use options::{Keepalive, SocketOption, SocketOptions};
pub use protocol::{AfterEof, BufferedProtocol, Connection, Protocol};
pub use resolve::{AddrInfo, AddrInfoFlags, Lookup, NameInfoFlags, ResolveError};
pub use sock::listen;
pub use socket_view::SocketView;
pub use stream::{StreamProtocol, StreamReader, StreamWriter};
pub use tcp_info::{TcpInfo, TcpOptions};
pub use transport::Transport;
