//! Sockets: options, addresses, kernel figures, descriptor limits, and asyncio's `sock_*`.

pub(super) mod address_pair;
pub(super) mod connect_progress;
pub(crate) mod limits;
mod operations;
pub(super) mod options;
pub(super) mod readiness;
mod snapshot;
mod tcp_info;
mod view;

use std::io;

use socket2::{Socket, Type};

use address_pair::AddressPair;

pub use limits::raise_descriptor_limit;
pub use operations::listen;
pub use options::{Keepalive, SocketOption, SocketOptions};
pub use snapshot::SocketSnapshot;
pub use tcp_info::{TcpInfo, TcpOptions, TcpTraffic, acknowledged_bytes};
pub use view::SocketView;

/// Checks that a caller's socket is a stream socket, and makes it non-blocking.
pub(crate) fn prepare_stream(socket: &Socket) -> io::Result<AddressPair> {
    if socket.r#type()? != Type::STREAM {
        let text = format!("A Stream Socket was expected, got {socket:?}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    socket.set_nonblocking(true)?;
    Ok(AddressPair::of(socket))
}
