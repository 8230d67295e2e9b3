//! `--mode sink`: receives a transfer, and stores, counts or sums it.
//!
//! A partial file is called `FILE.part`. Without `--resume`, the protocol has no size: the client's end-of-file
//! completes the file, even if the client was killed. With `--resume`, the client announces the size.

mod resume;

use std::io;
use std::rc::Rc;

use crate::commands::serve::connection::Connection;
use crate::commands::serve::disconnect::Disconnect;
use crate::commands::serve::peer_io::{PeerIo, PeerReader};
use crate::commands::serve::store::{ReceivedFile, SinkError, Store};
use crate::config::SinkRequest;
use crate::report::served::EndReason;
use crate::util::message::{Message, plain};

/// Receives one transfer. Without a store, only counts.
pub(super) async fn serve(
    io: &mut PeerIo,
    store: Option<&Store>,
    request: SinkRequest,
) -> Result<(), Disconnect> {
    let Some(store) = store else { return io.input.discard_rest().await };
    let connection = Rc::clone(&io.connection);
    if store.is_full() {
        connection.reset();
        return Err(Disconnect::limit("the folder has as many files as --max-files allows"));
    }
    let file = store.receive(connection.event_loop()).await;
    let file = file.map_err(|error| store_failed(&connection, store, error))?;
    let mut transfer =
        Transfer { connection: &connection, store, file, request: &request, is_complete: false };
    match request.resume {
        true => transfer.receive_announced(io).await?,
        false => transfer.receive(&mut io.input).await?,
    }
    if transfer.file.flush().await.is_err() {
        return Err(transfer.write_failed().await);
    }
    transfer.is_complete = true;
    if store.is_folder() || request.resume {
        transfer.complete(io).await?;
    }
    Ok(())
}

/// One client's transfer. Dropped before it is complete, it leaves a partial file.
struct Transfer<'a> {
    connection: &'a Connection,
    store: &'a Store,
    file: Rc<ReceivedFile>,
    request: &'a SinkRequest,
    is_complete: bool,
}

impl Transfer<'_> {
    /// Receives until end-of-file.
    async fn receive(&self, input: &mut PeerReader) -> Result<(), Disconnect> {
        loop {
            let data = input.read().await?;
            if data.is_empty() {
                return Ok(());
            }
            self.store(&data).await?;
        }
    }

    /// Receives as many bytes as the client announces, and then end-of-file.
    async fn receive_announced(&self, io: &mut PeerIo) -> Result<(), Disconnect> {
        let announced = resume::negotiate(io, &self.file).await?;
        let total = announced.total;
        if let Some(max) = self.request.max_size.filter(|max| total > *max) {
            return Err(resume::too_large(self.connection, total, max));
        }
        let is_excess = |size: usize| size as u64 > total - self.file.bytes();
        let mut data = announced.early;
        loop {
            if is_excess(data.len()) {
                return Err(resume::excess(self.connection, total));
            }
            self.store(&data).await?;
            data = io.input.read().await?;
            if data.is_empty() {
                break;
            }
        }
        match self.file.bytes() {
            bytes if bytes < total => Err(resume::incomplete(self.connection, bytes, total)),
            _ => Ok(()),
        }
    }

    async fn store(&self, data: &[u8]) -> Result<(), Disconnect> {
        match self.file.store(data, self.request.max_size).await {
            Ok(()) => Ok(()),
            Err(SinkError::TooLarge) => {
                // The client would take an end-of-file for consent.
                self.connection.reset();
                Err(Disconnect::limit("larger than --max-size"))
            }
            Err(SinkError::WriteFailed) => Err(self.write_failed().await),
        }
    }

    /// Names the file, prints its record, and with `--resume` confirms it to the client.
    async fn complete(&self, io: &mut PeerIo) -> Result<(), Disconnect> {
        let record = self.file.complete().await;
        let mut record =
            record.map_err(|error| store_failed(self.connection, self.store, error))?;
        if let (Some(record), None) = (&mut record, self.request.checksum) {
            // Only the client asked for the checksum.
            record.sum = None;
        }
        let receipt = resume::sink_line(&self.file);
        self.connection.context.print_transfer(record.as_ref());
        if self.request.resume && record.is_some() {
            io.output.write(receipt.as_bytes()).await?;
        }
        Ok(())
    }

    async fn write_failed(&self) -> Disconnect {
        if !self.store.is_folder() {
            // The failed queue stops the server, which prints the error.
            self.connection.reset();
            return Disconnect::Close(EndReason::Error, self.store.error());
        }
        let error = self.file.finish().await.err();
        let error = error.unwrap_or_else(|| io::Error::other("the output has failed"));
        store_failed(self.connection, self.store, error)
    }
}

impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        if self.is_complete {
            return;
        }
        self.file.record_broken();
        if self.store.is_folder() {
            let record = self.file.abandon();
            self.connection.context.print_transfer(record.as_ref());
        }
    }
}

/// Reports a failure on our side. The client gets a RST; the exit status is that of the store's error.
fn store_failed(connection: &Connection, store: &Store, error: io::Error) -> Disconnect {
    store.record_error(&error);
    connection.reset();
    let message = Message::error(format!("cannot store received data: {}", plain(&error)));
    connection.context.printer.borrow().message(&message);
    Disconnect::with_error(EndReason::Error, error)
}
