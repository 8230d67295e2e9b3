//! Modes of the server. A mode sees a client's [`PeerIo`] and what was opened for it, and no other client.

mod chargen;
mod daytime;
mod echo;
mod exec;
mod http;
mod proxy;
mod sink;

use std::cell::OnceCell;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::rc::Rc;

use loopctl::LoopHandle;

use super::disconnect::Disconnect;
use super::peer_io::PeerIo;
use super::refusal::{Refusal, unreadable};
use super::store::Store;
use crate::config::Service;

/// Files and folders that modes need. They are opened before any client connects.
#[derive(Default)]
pub(super) struct Resources {
    store: OnceCell<Store>,
    root: OnceCell<http::Root>,
}

/// A mode at work on one client. Boxed, because HTTP needs far more memory than echo.
type Conversation<'a> = Pin<Box<dyn Future<Output = Result<(), Disconnect>> + 'a>>;

impl Resources {
    /// Opens what the mode needs.
    ///
    /// # Errors
    /// A path that cannot be opened.
    pub(super) async fn open(
        &self,
        event_loop: &LoopHandle,
        service: &Service,
    ) -> Result<(), Refusal> {
        match service {
            Service::Sink(request) if !request.only_counts() => {
                let store = Store::open(event_loop, request).await?;
                self.store.get_or_init(|| store);
            }
            Service::Http(Some(path)) => {
                let root = http::Root::open(path).map_err(|error| unreadable(path, &error))?;
                self.root.get_or_init(|| root);
            }
            _ => {}
        }
        Ok(())
    }

    /// The output of `--mode sink`, if it has options.
    pub(super) fn store(&self) -> Option<&Store> {
        self.store.get()
    }
}

/// Serves a client over its connection, until the mode has no more to send.
pub(super) fn serve_client<'a>(io: &'a mut PeerIo, resources: &'a Resources) -> Conversation<'a> {
    let context = Rc::clone(&io.connection.context);
    match &context.request.service {
        Service::Echo => Box::pin(echo::serve(io)),
        // RFC 863
        Service::Discard => Box::pin(io.input.discard_rest()),
        Service::Chargen => Box::pin(chargen::serve(io)),
        Service::Daytime => Box::pin(daytime::serve(io)),
        Service::Blackhole => Box::pin(async { Err(io.connection.wait_disconnected().await) }),
        Service::Sink(request) => Box::pin(sink::serve(io, resources.store(), request.clone())),
        Service::Exec(command) => Box::pin(exec::serve(io, exec::program(command))),
        Service::Shell(line) => Box::pin(exec::serve(io, exec::shell(line))),
        Service::Proxy(request) => Box::pin(proxy::serve(io, Rc::clone(request))),
        Service::Http(_) => Box::pin(http::serve(io, resources.root.get())),
    }
}

/// The reply to a datagram, if the mode replies.
pub(super) fn reply(
    service: &Service,
    datagram: &[u8],
    random: impl Fn(RangeInclusive<usize>) -> usize,
) -> Option<Vec<u8>> {
    match service {
        Service::Echo => Some(datagram.to_vec()),
        Service::Daytime => Some(daytime::line().into_bytes()),
        Service::Chargen => Some(chargen::datagram(random)),
        _ => None,
    }
}
