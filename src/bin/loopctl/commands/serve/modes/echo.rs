//! `--mode echo` (RFC 862): sends back what it receives.

use crate::commands::serve::disconnect::Disconnect;
use crate::commands::serve::peer_io::PeerIo;

pub(super) async fn serve(io: &mut PeerIo) -> Result<(), Disconnect> {
    loop {
        let data = io.input.read().await?;
        if data.is_empty() {
            return Ok(());
        }
        io.output.write(&data).await?;
    }
}
