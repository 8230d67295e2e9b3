//! Detection of kernel TLS.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use crate::sys::sockopt;

/// Checks whether the kernel supports TLS (kTLS, `TCP_ULP`), on a loopback connection made for the purpose.
///
/// This library does not use kernel TLS: [`Transport::sendfile`](super::Transport::sendfile) reads and encrypts
/// in this process. A diagnosis can report what a server with kernel TLS could gain.
///
/// ```
/// match loopctl::kernel_tls() {
///     Ok(()) => println!("kernel TLS: available"),
///     Err(error) => println!("kernel TLS: not available ({error})"),
/// }
/// ```
///
/// # Errors
/// The system's: `ENOENT` where the kernel was built without TLS, or its module is not available.
pub fn kernel_tls() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    // TCP_ULP takes a name: four bytes with its terminator, passed in place of an int.
    let name = i32::from_ne_bytes(*b"tls\0");
    sockopt::set_tcp(&client, libc::TCP_ULP, name)
}
