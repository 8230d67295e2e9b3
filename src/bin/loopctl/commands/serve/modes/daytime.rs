//! `--mode daytime` (RFC 867): sends the time and closes. The format is that of RFC 3339.

use crate::commands::serve::disconnect::Disconnect;
use crate::commands::serve::peer_io::PeerIo;
use crate::config::environment::Environment;

pub(super) async fn serve(io: &mut PeerIo) -> Result<(), Disconnect> {
    io.output.write(line().as_bytes()).await
}

/// The present time, also the reply to a datagram.
pub(super) fn line() -> String {
    format!("{}\r\n", humantime::format_rfc3339_seconds(Environment::wall_clock()))
}
