//! Whether this kernel could encrypt by itself what sendfile(2) sends.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use crate::sys::sockopt;

/// Asks the kernel for TLS of its own (kTLS, `TCP_ULP`), on a connection over loopback made for that.
///
/// Without it, what [`Transport::sendfile`](super::Transport::sendfile) sends over TLS is read and encrypted in
/// this process. With it, it still is: nothing here makes use of it, but a diagnosis can say what a server that
/// does could gain.
///
/// ```
/// match loopctl::kernel_tls() {
///     Ok(()) => println!("kernel TLS: available"),
///     Err(error) => println!("kernel TLS: not available ({error})"),
/// }
/// ```
///
/// # Errors
/// The system's: `ENOENT` where the kernel was built without TLS, or its module is not there.
pub fn kernel_tls() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    // The name goes where a number would: four bytes, its terminator among them.
    let name = i32::from_ne_bytes(*b"tls\0");
    sockopt::set_tcp(&client, libc::TCP_ULP, name)
}
