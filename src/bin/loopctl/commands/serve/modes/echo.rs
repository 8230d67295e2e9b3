//! `--mode echo` (RFC 862): sends back what it receives.

use crate::commands::serve::client_io::ClientIo;
use crate::commands::serve::disconnect::Disconnect;

pub(super) async fn serve(io: &mut ClientIo) -> Result<(), Disconnect> {
    loop {
        let data = io.input.read().await?;
        if data.is_empty() {
            return Ok(());
        }
        io.output.write(&data).await?;
    }
}
