//! Datagram endpoints: UDP, and Unix domain sockets that keep message boundaries.

mod create;
mod transport;

use std::io;

pub use create::CreateDatagram;
pub use transport::DatagramTransport;

use super::Address;

/// Reacts to datagrams; asyncio's `DatagramProtocol`.
///
/// Only the loop calls it, one call at a time: `connection_made` first, `connection_lost` last, each once.
/// Each datagram is independent of the others, so a method that panics is reported to the exception handler
/// and the endpoint lives on.
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
///         // Fails for a sender without an address, who cannot be answered.
///         let _ = transport.send_to(data, from);
///     }
/// }
/// ```
pub trait DatagramProtocol: 'static {
    /// There is an endpoint.
    fn connection_made(&mut self, transport: &DatagramTransport) {
        let _ = transport;
    }

    /// A datagram has come, perhaps an empty one. What is longer than 256 KiB is cut off there; UDP's longest
    /// is shorter. `from` is `None` where the sender is a Unix socket without a name.
    fn datagram_received(
        &mut self,
        transport: &DatagramTransport,
        data: &[u8],
        from: Option<&Address>,
    );

    /// An earlier datagram has failed: the system refused to send it, or the network answered with an ICMP
    /// error (`ConnectionRefused`: nobody listens there), of which only connected endpoints hear.
    fn error_received(&mut self, transport: &DatagramTransport, error: io::Error) {
        let _ = (transport, error);
    }

    /// More is queued than the high limit: please send no more.
    fn pause_writing(&mut self, transport: &DatagramTransport) {
        let _ = transport;
    }

    /// What is queued has shrunk to the low limit: please go on.
    fn resume_writing(&mut self, transport: &DatagramTransport) {
        let _ = transport;
    }

    /// The endpoint is closed. No error is known that ends one; the parameter is asyncio's.
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }
}
