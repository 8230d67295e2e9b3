//! Sockets: options, names, kernel figures, descriptor limits, asyncio's `sock_*`.

mod limits;
mod operations;
pub(super) mod options;
pub(super) mod readiness;
mod tcp_info;
pub(super) mod view;

pub use limits::raise_descriptor_limit;
pub use operations::listen;
pub use options::{Keepalive, SocketOption, SocketOptions};
pub use tcp_info::{TcpInfo, TcpOptions};
pub use view::SocketView;
