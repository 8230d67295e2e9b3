//! TLS handshake with a client, and the faults of TLS connections.

use std::pin::pin;

use futures_util::future::select;

use super::Tls;
use crate::commands::serve::disconnect::{Closed, Disconnect};
use crate::commands::serve::peer_io::{PeerIo, PeerReader};
use crate::config::Fault;
use crate::report::served::EndReason;

/// Length of a TLS record's header: type, version, length (RFC 8446, section 5.1).
const RECORD_HEADER: usize = 5;

/// Faults of a handshake. The first that a connection has takes effect.
const HANDSHAKE_FAULTS: [Fault; 4] =
    [Fault::TlsStall, Fault::TlsClose, Fault::TlsWrongName, Fault::TlsExpired];

/// Performs the handshake, or the fault that replaces it.
pub(in crate::commands::serve) async fn accept(
    tls: &Tls,
    io: &mut PeerIo,
) -> Result<(), Disconnect> {
    let connection = &io.connection;
    for fault in HANDSHAKE_FAULTS {
        if connection.has_fault(fault) {
            connection.apply(|sampled| *sampled == fault);
            break;
        }
    }
    if connection.has_fault(Fault::TlsStall) {
        connection.transport.resume_reading();
        return Err(never_answer(&mut io.input).await);
    }
    if connection.has_fault(Fault::TlsClose) {
        connection.transport.resume_reading();
        read_record(&mut io.input).await?;
        return Err(Disconnect::Close(EndReason::Fault, None));
    }
    let server = tls.server(|fault| connection.has_fault(fault));
    let handshake = async { Ok(io.output.start_tls(server).await?) };
    let shutdown = async { Err(connection.shutdown_when_idle().await) };
    select(pin!(handshake), pin!(shutdown)).await.factor_first().0
}

/// `tls-bare-fin`: sends what is queued, and then a FIN without close_notify.
pub(in crate::commands::serve) async fn close_without_close_notify(io: &mut PeerIo) -> Closed {
    // An error means that the client has disconnected.
    let _ = io.output.flush().await;
    io.connection.record_unsent();
    io.connection.transport.abort();
    io.connection.transport.wait_closed().await;
    (EndReason::Fault, None)
}

/// `tls-stall`: reads until the client gives up.
async fn never_answer(input: &mut PeerReader) -> Disconnect {
    loop {
        match input.read_handshake().await {
            Ok(data) if !data.is_empty() => {}
            Err(Disconnect::Close(EndReason::Shutdown, error)) => {
                return Disconnect::Close(EndReason::Shutdown, error);
            }
            _ => return Disconnect::Close(EndReason::Fault, None),
        }
    }
}

/// Reads one TLS record, here the ClientHello, or to the end-of-file.
async fn read_record(input: &mut PeerReader) -> Result<(), Disconnect> {
    let mut record = Vec::new();
    loop {
        let length = match record.get(..RECORD_HEADER) {
            Some(&[_, _, _, high, low]) => {
                RECORD_HEADER + usize::from(u16::from_be_bytes([high, low]))
            }
            _ => RECORD_HEADER,
        };
        if record.len() >= length {
            return Ok(());
        }
        match input.read_handshake().await? {
            data if data.is_empty() => return Ok(()),
            data => record.extend(data),
        }
    }
}
