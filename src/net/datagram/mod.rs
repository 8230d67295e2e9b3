//! Datagram endpoints: UDP and Unix domain datagram sockets.

mod create;
mod socket;
mod transport;

use std::io;

pub use create::CreateDatagram;
pub use socket::DatagramSocket;
pub use transport::DatagramTransport;

use super::Address;

/// Callbacks of a datagram endpoint; asyncio's `DatagramProtocol`.
///
/// The loop makes one call at a time: `connection_made` first, `connection_lost` last, each once. A panic is
/// reported to the exception handler, and the endpoint goes on, because datagrams are independent.
///
/// ```
/// use loopctl::{Address, DatagramProtocol, DatagramTransport};
///
/// struct Echo;
///
/// impl DatagramProtocol for Echo {
///     fn datagram_received(
///         &mut self,
///         transport: &DatagramTransport,
///         data: &[u8],
///         from: Option<&Address>,
///     ) {
///         // Fails for a sender without an address.
///         let _ = transport.send_to(data, from);
///     }
/// }
/// ```
pub trait DatagramProtocol: 'static {
    /// Called when the endpoint is ready.
    fn connection_made(&mut self, transport: &DatagramTransport) {
        let _ = transport;
    }

    /// Called with each datagram, which may be empty and is truncated at 256 KiB; UDP datagrams are shorter.
    /// `from` is `None` if the sender is a Unix socket without a name.
    fn datagram_received(
        &mut self,
        transport: &DatagramTransport,
        data: &[u8],
        from: Option<&Address>,
    );

    /// Called with the error of an earlier datagram. The system refused to send it, or an ICMP error came back,
    /// such as `ConnectionRefused` for a closed port; only connected endpoints receive ICMP errors.
    fn error_received(&mut self, transport: &DatagramTransport, error: io::Error) {
        let _ = (transport, error);
    }

    /// Called when the queue has grown above the high-water mark: sending should stop.
    fn pause_writing(&mut self, transport: &DatagramTransport) {
        let _ = transport;
    }

    /// Called when the queue has shrunk to the low-water mark: sending may go on.
    fn resume_writing(&mut self, transport: &DatagramTransport) {
        let _ = transport;
    }

    /// Called when the endpoint is closed. No error ends an endpoint; the parameter is asyncio's.
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }
}
