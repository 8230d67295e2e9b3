//! `--mode sink`: what clients send is counted, summed, limited and kept.
//!
//! What is not whole yet has `.part` at the end of its name. A client that just sends cannot say how much there
//! is: its end-of-file is the end of the file, also where it was killed. With `--resume` it has to say so.

mod received_file;
mod resume;
mod store;

use std::io;
use std::rc::Rc;

use super::client::Client;
use super::conn::{Input, Output};
use crate::config::SinkRequest;
use crate::report::served::{End, Halt};
use crate::util::message::{Message, plain};

use received_file::{Fault, Parcel};
pub(super) use store::Store;

/// Keeps what comes, where there is a place for it.
pub(super) async fn talk(
    client: &Client,
    input: &mut Input,
    output: &mut Output,
    request: &SinkRequest,
) -> Result<(), Halt> {
    let Some(store) = client.session.store() else { return input.skip().await };
    let parcel = store.receive(&client.event_loop).await.map_err(|error| failed(client, error))?;
    let mut delivery = Delivery { client, parcel, is_whole: false };
    let parcel = &delivery.parcel;
    match request.resume {
        true => receive_announced(client, input, output, parcel, request).await?,
        false => while receive(client, input, parcel, request).await? > 0 {},
    }
    if parcel.settle().await.is_err() {
        return Err(not_stored(client, parcel).await);
    }
    delivery.is_whole = true;
    if store.is_folder() || request.resume {
        let mut stored = delivery.parcel.complete().await.map_err(|error| failed(client, error))?;
        if let (Some(stored), None) = (&mut stored, request.checksum) {
            // It was for the client alone.
            stored.sum = None;
        }
        let receipt = resume::line(&delivery.parcel);
        client.session.tell(|teller| stored.iter().for_each(|stored| teller.stored(stored)));
        if request.resume && stored.is_some() {
            output.write(receipt.as_bytes()).await?;
        }
    }
    Ok(())
}

/// From a client that says what it has, and is believed only when all of that has come.
async fn receive_announced(
    client: &Client,
    input: &mut Input,
    output: &mut Output,
    parcel: &Parcel,
    request: &SinkRequest,
) -> Result<(), Halt> {
    let announced = resume::agree(client, input, output, parcel).await?;
    let total = announced.total;
    let is_too_much = |size: usize| size as u64 > total - parcel.bytes();
    let mut data = announced.early;
    loop {
        if is_too_much(data.len()) {
            return Err(resume::excess(client, total));
        }
        keep(client, parcel, &data, request).await?;
        data = input.read().await?;
        if data.is_empty() {
            break;
        }
    }
    match parcel.bytes() {
        bytes if bytes < total => Err(resume::incomplete(client, bytes, total)),
        _ => Ok(()),
    }
}

/// What comes next; how much it was.
async fn receive(
    client: &Client,
    input: &mut Input,
    parcel: &Parcel,
    request: &SinkRequest,
) -> Result<usize, Halt> {
    let data = input.read().await?;
    if !data.is_empty() {
        keep(client, parcel, &data, request).await?;
    }
    Ok(data.len())
}

async fn keep(
    client: &Client,
    parcel: &Parcel,
    data: &[u8],
    request: &SinkRequest,
) -> Result<(), Halt> {
    match parcel.take(data, request.max_size).await {
        Ok(()) => Ok(()),
        Err(Fault::TooLarge) => Err(Halt::limit("larger than --max-size")),
        Err(Fault::Failed) => Err(not_stored(client, parcel).await),
    }
}

/// What came cannot be written.
async fn not_stored(client: &Client, parcel: &Parcel) -> Halt {
    if let Some(store) = client.session.store().filter(|store| !store.is_folder()) {
        // What all share ends the server, which tells why.
        client.break_off(true);
        return Halt::End(End::Error, store.trouble());
    }
    let error = parcel.finish().await.err();
    failed(client, error.unwrap_or_else(|| io::Error::other("the output has failed")))
}

/// What one client brings. It is left as a part unless it came to its end.
struct Delivery<'a> {
    client: &'a Client,
    parcel: Rc<Parcel>,
    is_whole: bool,
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        let session = &self.client.session;
        if self.is_whole {
            return;
        }
        self.parcel.break_off();
        if session.store().is_some_and(Store::is_folder) {
            let stored = self.parcel.abandon();
            session.tell(|teller| stored.iter().for_each(|stored| teller.stored(stored)));
        }
    }
}

/// What a client brings is not taken: it hears of it by a reset, or would take silence for consent.
fn refused(client: &Client, end: End, why: &str) -> Halt {
    client.break_off(true);
    client.session.teller.borrow().message(&Message::error(why));
    Halt::because(end, io::Error::other(why.to_owned()))
}

/// Something failed here: the client hears of it by a reset, and the exit status tells.
fn failed(client: &Client, error: io::Error) -> Halt {
    if let Some(store) = client.session.store() {
        store.note_failure(&error);
    }
    client.break_off(true);
    let message = Message::error(format!("cannot store what comes: {}", plain(&error)));
    client.session.teller.borrow().message(&message);
    Halt::because(End::Error, error)
}
