//! Modes of the server. A mode sees a client's [`ClientIo`] and what was opened for it, and no other client.

mod chargen;
mod daytime;
mod echo;
mod exec;
mod http;
mod sink;

use std::ops::RangeInclusive;
use std::pin::Pin;

use loopctl::LoopHandle;

use super::client_io::ClientIo;
use super::disconnect::Disconnect;
use super::refusal::{Refusal, unreadable};
use super::store::Store;
use crate::config::{Service, SinkRequest};

/// Opened before any client connects.
#[derive(Default)]
pub(super) struct Resources {
    /// `--mode sink` with options.
    pub(super) store: Option<Store>,
    /// `--root` of `--mode http`.
    root: Option<http::Root>,
}

/// A mode at work on one client. Boxed, because HTTP needs far more memory than echo.
type Conversation<'a> = Pin<Box<dyn Future<Output = Result<(), Disconnect>> + 'a>>;

impl Resources {
    /// # Errors
    /// A path that cannot be opened.
    pub(super) async fn open(event_loop: &LoopHandle, service: &Service) -> Result<Self, Refusal> {
        let mut resources = Self::default();
        match service {
            Service::Sink(request) if *request != SinkRequest::default() => {
                resources.store = Some(Store::open(event_loop, request).await?);
            }
            Service::Http(Some(path)) => {
                let root = http::Root::open(path).map_err(|error| unreadable(path, &error))?;
                resources.root = Some(root);
            }
            _ => {}
        }
        Ok(resources)
    }
}

/// Serves a client over its connection, until the mode has no more to send.
pub(super) fn serve_client<'a>(io: &'a mut ClientIo, resources: &'a Resources) -> Conversation<'a> {
    match io.connection.context.request.service.clone() {
        Service::Echo => Box::pin(echo::serve(io)),
        // RFC 863
        Service::Discard => Box::pin(io.input.discard_rest()),
        Service::Chargen => Box::pin(chargen::serve(io)),
        Service::Daytime => Box::pin(daytime::serve(io)),
        Service::Blackhole => Box::pin(async { Err(io.connection.wait_disconnected().await) }),
        Service::Sink(request) => Box::pin(sink::serve(io, resources.store.as_ref(), request)),
        Service::Exec(command) => Box::pin(exec::serve(io, exec::program(&command))),
        Service::Shell(line) => Box::pin(exec::serve(io, exec::shell(&line))),
        Service::Http(_) => Box::pin(http::serve(io, resources.root.as_ref())),
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
