//! `--mode sink`: what clients send is counted, summed, limited and kept.
//!
//! What is not whole yet has `.part` at the end of its name. With `--resume` there is a conversation of two
//! lines: the sink begins with `loopctl-sink 1 SIZE`, the bytes that it has; the client sends those after them;
//! the sink ends with `loopctl-sink 1 SIZE SUM`, once all is stored, where SUM is `sha256:HEX`, `blake3:HEX`
//! or `-`.

mod parcel;
mod store;

use std::io;
use std::rc::Rc;

use super::client::Client;
use super::conn::{Input, Output};
use super::report::{End, Halt};
use crate::message::Message;
use crate::request::SinkRequest;

use parcel::{Fault, Parcel};
pub(super) use store::Store;

/// Keeps what comes, where there is a place for it.
pub(super) async fn talk(
    client: &Client,
    input: &mut Input,
    output: &mut Output,
    request: &SinkRequest,
) -> Result<(), Halt> {
    let Some(store) = client.session.store() else { return input.skip().await };
    let parcel = store.receive(&client.lp).await.map_err(|error| failed(client, error))?;
    let mut delivery = Delivery { client, parcel, is_whole: false };
    let parcel = &delivery.parcel;
    if request.resume {
        output.write(format!("loopctl-sink 1 {}\n", parcel.bytes()).as_bytes()).await?;
    }
    loop {
        let data = input.read().await?;
        if data.is_empty() {
            break;
        }
        match parcel.take(&data, request.max_size).await {
            Ok(()) => {}
            Err(Fault::TooLarge) => return Err(Halt::limit("larger than --max-size")),
            // What all share ends the server, which tells why.
            Err(Fault::Failed) if !store.is_folder() => {
                let failed = io::Error::other("the output has failed");
                return Err(Halt::because(End::Error, failed));
            }
            Err(Fault::Failed) => {
                let error = parcel.finish().await.err();
                let error = error.unwrap_or_else(|| io::Error::other("the output has failed"));
                return Err(failed(client, error));
            }
        }
    }
    delivery.is_whole = true;
    if store.is_folder() || request.resume {
        let stored = delivery.parcel.complete().await.map_err(|error| failed(client, error))?;
        let end = stored.as_ref().map(|stored| stored.last_line());
        client.session.tell(|teller| stored.iter().for_each(|stored| teller.stored(stored)));
        if let (true, Some(end)) = (request.resume, end) {
            output.write(end.as_bytes()).await?;
        }
    }
    Ok(())
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

/// Something failed here: the client hears of it by a reset, and the exit status tells.
fn failed(client: &Client, error: io::Error) -> Halt {
    if let Some(store) = client.session.store() {
        store.note_failure();
    }
    let message = Message::error(format!("cannot store what comes: {error}"));
    client.session.teller.borrow().message(&message);
    Halt::because(End::Error, error)
}
