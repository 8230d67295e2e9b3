//! Queues that nobody empties.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Connects until the queue of a listener that nobody serves is full: from then on the kernel drops what
/// comes, as a firewall would. It is full as long as these connections live.
pub(crate) fn fill(address: SocketAddr) -> io::Result<Vec<TcpStream>> {
    const LONG_ENOUGH: Duration = Duration::from_millis(30);
    const MOST: usize = 16;
    let mut fillers = Vec::new();
    while fillers.len() < MOST {
        match TcpStream::connect_timeout(&address, LONG_ENOUGH) {
            Ok(filler) => fillers.push(filler),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(fillers),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("its queue does not fill up"))
}
