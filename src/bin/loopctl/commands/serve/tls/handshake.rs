//! The handshake with a client, and the faults it may have.

use std::pin::pin;

use super::Tls;
use crate::commands::serve::client::{Client, Last};
use crate::commands::serve::conn::{Input, Output};
use crate::config::fault::Fault;
use crate::report::served::{End, Halt};
use crate::util::select::first;

/// Type, version and length of a TLS record (RFC 8446, section 5.1).
const HEAD: usize = 5;

impl Client {
    /// Nothing is said before it is over. Boxed by its caller: few clients of many are in a handshake.
    pub(in crate::commands::serve) async fn shake_hands(
        &self,
        tls: &Tls,
        input: &mut Input,
        output: &mut Output,
    ) -> Result<(), Halt> {
        if self.meets(Fault::TlsStall) {
            self.transport.resume_reading();
            return Err(self.never_answer(input).await);
        }
        if self.meets(Fault::TlsClose) {
            self.transport.resume_reading();
            hear_record(input).await?;
            return Err(Halt::End(End::Fault, None));
        }
        let server = tls.server(|fault| self.meets(fault));
        let shaken = async { Ok(output.start_tls(server).await?) };
        let dismissed = async { Err(self.dismissed().await) };
        first(pin!(shaken), pin!(dismissed)).await
    }

    /// Hears the client out.
    async fn never_answer(&self, input: &mut Input) -> Halt {
        loop {
            match input.overhear().await {
                Ok(data) if !data.is_empty() => {}
                Err(Halt::End(End::Shutdown, error)) => return Halt::End(End::Shutdown, error),
                _ => return Halt::End(End::Fault, None),
            }
        }
    }

    /// What is queued is sent, and then there is an end-of-file without a farewell.
    pub(in crate::commands::serve) async fn end_bare(&self, output: &mut Output) -> Last {
        // If that fails, there is nobody who could miss the farewell.
        let _ = output.emptied().await;
        self.note_unsent();
        self.transport.abort();
        self.transport.wait_closed().await;
        (End::Fault, None)
    }
}

/// The first message of a handshake.
async fn hear_record(input: &mut Input) -> Result<(), Halt> {
    let mut record = Vec::new();
    loop {
        let length = match record.get(..HEAD) {
            Some(&[_, _, _, high, low]) => HEAD + usize::from(u16::from_be_bytes([high, low])),
            _ => HEAD,
        };
        if record.len() >= length {
            return Ok(());
        }
        match input.overhear().await? {
            data if data.is_empty() => return Ok(()),
            data => record.extend(data),
        }
    }
}
