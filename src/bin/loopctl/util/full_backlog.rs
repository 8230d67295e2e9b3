//! Fills the accept queue of a listener, so that connecting to it times out.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Connects until the accept queue of a listener is full. From then on the kernel drops SYNs, as a firewall does,
/// while the returned connections are open.
///
/// # Errors
/// Those of connect(2), and a queue that is still not full after 16 connections.
pub(crate) fn fill(address: SocketAddr) -> io::Result<Vec<TcpStream>> {
    /// On loopback, a connect that takes longer is being dropped.
    const CONNECT_TIMEOUT: Duration = Duration::from_millis(30);
    const MAX_FILLERS: usize = 16;
    let mut fillers = Vec::new();
    while fillers.len() < MAX_FILLERS {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(filler) => fillers.push(filler),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(fillers),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("its queue does not fill up"))
}
